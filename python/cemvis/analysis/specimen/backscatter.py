"""Backscatter coefficients of compounds from those of their elements."""

from __future__ import annotations

from collections.abc import Mapping

from cemvis.analysis.porosity.elements import ELEMENTS
from cemvis.errors import InputError


def element_backscatter(atomic_number: int) -> float:
    """Return the backscatter coefficient of a pure element, at about 20 keV and normal incidence.

    The cubic in the atomic number is Reuter's fit to measurements; below Z = 2 it falls under zero and is cut there.

    References
    ----------
    W. Reuter, The ionization function and its application to the electron probe analysis of thin films, Proc. 6th
    Int. Conf. on X-ray Optics and Microanalysis (1972) 121-130.
    """
    z = float(atomic_number)
    return max(0.0, -0.0254 + 0.016 * z - 1.86e-4 * z**2 + 8.3e-7 * z**3)


def compound_backscatter(atoms: Mapping[str, float]) -> float:
    """Return the backscatter coefficient of a compound: the mean of its elements' weighted by mass.

    Parameters
    ----------
    atoms
        Atoms of each element in a formula unit, for example ``{"Ca": 3, "Si": 1, "O": 5}``.

    Raises
    ------
    InputError
        If an element is none from H to U, or there are no atoms.

    References
    ----------
    R. Castaing, Electron probe microanalysis, Adv. Electron. Electron Phys. 13 (1960) 317-386.

    Examples
    --------
    >>> round(compound_backscatter({"Ca": 3, "Si": 1, "O": 5}), 3)
    0.172
    """
    unknown = sorted(set(atoms) - set(ELEMENTS))
    mass = {element: count * ELEMENTS[element].atomic_weight for element, count in atoms.items() if element in ELEMENTS}
    if unknown or sum(mass.values()) <= 0:
        msg = f"formula {dict(atoms)}; wanted positive counts of elements from H to U"
        raise InputError(msg)
    weighted = sum(m * element_backscatter(ELEMENTS[element].atomic_number) for element, m in mass.items())
    return weighted / sum(mass.values())
