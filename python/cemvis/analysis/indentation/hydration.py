"""Degree of hydration and the share of low-density C-S-H, from the fractions of populations.

References
----------
Tennis and Jennings (2000), Cem. Concr. Res. 30, 855, doi:10.1016/S0008-8846(00)00257-X.
Liang et al. (2023), Materials & Design 229, 111905, doi:10.1016/j.matdes.2023.111905, equations 9 and 10.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import Resampled
from cemvis.analysis.indentation.deconvolution.populations import CEMENT_PASTE, Deconvolution, Estimate
from cemvis.errors import InputError

Floats = NDArray[np.float64]

HYDRATES_PER_CEMENT = 2.2  # volume of hydrates that a volume of cement becomes


def degree_of_hydration(hydrates: Floats | float, clinker: Floats | float) -> Floats:
    """Return the degree of hydration alpha = (Vh / 2.2) / (Vh / 2.2 + Va).

    Parameters
    ----------
    hydrates, clinker : (...) float64
        Volume fractions Vh and Va of hydrates and of clinker left; only their ratio counts.

    Raises
    ------
    InputError
        If one is negative or not finite, or both are 0.
    """
    one, two = np.asarray(hydrates, np.float64), np.asarray(clinker, np.float64)
    if not (np.isfinite(one).all() and np.isfinite(two).all()) or (one < 0).any() or (two < 0).any():
        msg = "fractions of hydrates and clinker have to be finite and not negative"
        raise InputError(msg)
    if (one + two <= 0).any():
        msg = "fractions of hydrates and clinker are both 0; wanted one of them above 0"
        raise InputError(msg)
    reacted = one / HYDRATES_PER_CEMENT
    return np.asarray(reacted / (reacted + two))


def low_density_share(alpha: Floats | float, *, water_cement: float) -> Floats:
    """Return Mr = 3.017 (w/c) alpha - 1.347 alpha + 0.538: the share of low-density C-S-H in all C-S-H, by mass.

    Tennis and Jennings fitted it for this share; Liang et al. call the same equation a ratio of high to low density,
    which it is not. It is not clipped: outside 0 to 1 the equation does not hold.

    Raises
    ------
    InputError
        If the ratio of water to cement is not between 0.1 and 2 by mass.
    """
    if not (math.isfinite(water_cement) and 0.1 <= water_cement <= 2):
        msg = f"water_cement is {water_cement!r}; wanted a ratio by mass from 0.1 to 2"
        raise InputError(msg)
    alpha = np.asarray(alpha, np.float64)
    return np.asarray(3.017 * water_cement * alpha - 1.347 * alpha + 0.538)


@dataclass(frozen=True)
class Hydration:
    """What the fractions of four populations say about hydration, with intervals of the same resamplings.

    Attributes
    ----------
    water_cement : float, optional
    degree : Estimate
        Of hydration, alpha.
    low_density_by_mass : Estimate or None
        Mr, which follows from alpha and the ratio of water to cement alone.
    low_density_by_volume : Estimate
        Measured: LD-CSH over LD-CSH and HD-CSH, by indents.
    notes : tuple of str
    """

    water_cement: float | None
    degree: Estimate
    low_density_by_mass: Estimate | None
    low_density_by_volume: Estimate
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self)


def hydration(found: Deconvolution, *, water_cement: float | None = None) -> Hydration:
    """Return the degree of hydration and the shares of low-density C-S-H from four populations named as phases.

    Hydrates are all populations but the clinker. Capillary pores are not among the indents and cancel.

    Raises
    ------
    InputError
        If the populations are not the four of cement paste.
    """
    if tuple(each.name for each in found.populations) != CEMENT_PASTE:
        msg = f"hydration wants the populations {', '.join(CEMENT_PASTE)}; there are {len(found.populations)} others"
        raise InputError(msg)
    value = np.array([each.fraction.value for each in found.populations])
    drawn = found.draws.fractions
    alpha, alphas = (degree_of_hydration(each[..., :3].sum(axis=-1), each[..., 3]) for each in (value, drawn))
    share, shares = (each[..., 0] / (each[..., 0] + each[..., 1]) for each in (value, drawn))
    notes = ["populations are taken for phases; CH at 50 GPa and more is a blend of CH and its neighbours"]
    by_mass = None
    if water_cement is not None:
        mass, masses = (low_density_share(each, water_cement=water_cement) for each in (alpha, alphas))
        by_mass = _estimate(mass, masses, found.draws, found.level)
        if not 0 <= by_mass.value <= 1:
            notes.append(
                f"the share by mass of {by_mass.value:.3f} lies outside 0 to 1: the equation does not hold here"
            )
    if not found.supported:
        notes.append("the data do not support these populations: see the verdict")
    return Hydration(
        water_cement,
        _estimate(alpha, alphas, found.draws, found.level),
        by_mass,
        _estimate(share, shares, found.draws, found.level),
        tuple(notes),
    )


def _estimate(value: Floats, draws: Floats, resampled: Resampled, level: float) -> Estimate:
    low, high = resampled.interval(draws, level=level)
    return Estimate(float(value), float(low), float(high))
