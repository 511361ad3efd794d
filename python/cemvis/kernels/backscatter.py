"""Paths of electrons in a homogeneous solid, scattering by scattering, and how many come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis import _core
from cemvis._checks import thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors

Solid = NDArray[np.float64]
"""(elements, 3) float64: atomic number, atomic weight and mass fraction (of any scale) of each element."""

SLOWEST_KEV = 0.05
"""Below this an electron is a secondary one, by convention, and its path ends."""

MOST_ELECTRONS = 2**31
"""Of one call."""


@dataclass(frozen=True)
class BackscatterCounts:
    """What became of electrons [first, first + electrons) of a seed; all counts are exact and add up over calls.

    Attributes
    ----------
    electrons, backscattered, scatterings
        How many were sent in, how many left through the surface with at least 0.05 keV, and how many elastic
        scatterings their paths were followed through.
    energy_sum
        Sum over the backscattered electrons of their energy over the beam's, each rounded down to 2^-32, in 2^-32.
    energies, depths, radii : (bins,) uint64
        Backscattered electrons by three quotients from 0 to 1: energy over the beam's, deepest point of the path over
        half the range, and distance between where they came in and where they left over the range.
    range_g_cm2
        Mass thickness, along the path, in which the beam's electrons slow down to 0.05 keV.
    """

    electrons: int
    backscattered: int
    scatterings: int
    energy_sum: int
    energies: NDArray[np.uint64]
    depths: NDArray[np.uint64]
    radii: NDArray[np.uint64]
    range_g_cm2: float

    def __add__(self, other: BackscatterCounts) -> BackscatterCounts:
        """Return the counts of both; they are of other electrons under the same beam on the same solid.

        Raises
        ------
        InputError
            If their bins or ranges differ.
        """
        if len(self.energies) != len(other.energies) or self.range_g_cm2 != other.range_g_cm2:
            msg = (
                f"counts in {len(self.energies)} and {len(other.energies)} bins, of electrons that reach "
                f"{self.range_g_cm2:g} and {other.range_g_cm2:g} g/cm2, do not add up; wanted one beam and one solid"
            )
            raise InputError(msg)
        return BackscatterCounts(
            self.electrons + other.electrons,
            self.backscattered + other.backscattered,
            self.scatterings + other.scatterings,
            self.energy_sum + other.energy_sum,
            self.energies + other.energies,
            self.depths + other.depths,
            self.radii + other.radii,
            self.range_g_cm2,
        )


def backscattered(
    solid: Solid,
    energy_kev: float,
    *,
    electrons: int,
    tilt_deg: float = 0.0,
    seed: int = 0,
    first: int = 0,
    bins: int = 256,
    threads: int | None = None,
) -> BackscatterCounts:
    """Count the electrons that come back from a half-space of a homogeneous solid.

    Each electron flies freely for an exponentially distributed length, scatters elastically by an angle drawn from
    Browning's fit to Mott cross-sections [1]_, and so on, slowing down all the while by the stopping power of Joy and
    Luo [2]_. Its path ends where it leaves the solid, or where what is left of its range is shorter than its depth.

    Parameters
    ----------
    solid : (elements, 3) float64
        Atomic number, atomic weight and mass fraction of each element. The fractions may be of any scale; the density
        has no influence on who comes back, so lengths are mass thicknesses in g/cm2.
    energy_kev : float
        Energy of the beam, 1 to 30 keV.
    electrons : int
        How many, 1 to 2^31.
    tilt_deg : float
        Angle between the beam and the surface's normal, 0 to below 90 degrees.
    seed, first : int
        Electron ``first + i`` draws its random numbers from a generator by counter (Philox4x32-10 [3]_) with its number
        as the counter and the seed as the key: [0, n) gives the counts of [0, m) plus those of [m, n).
    bins : int
        Of the three histograms, 1 to 65,536.
    threads : int, optional
        Default: all cores that the process may use. Any number, and any SIMD level, gives the same counts.

    Raises
    ------
    InputError
        If an argument has the wrong type or shape or is out of range.

    Notes
    -----
    With Z, A and c for an element's atomic number, weight and mass fraction and E for the energy in keV:

    - total cross-section ``3e-18 Z^1.7 / (E + 0.005 Z^1.7 sqrt(E) + 0.0007 Z^2 / sqrt(E))`` cm2 [1]_;
    - of it, Rutherford's share to the isotropic one is as
      ``300 E^(1 - Z / 2000) / Z + Z^3 / (3e5 E)`` to 1, screened by 0.007 / E [1]_;
    - stopping power ``78500 / E sum c Z / A ln(1.166 (E + k J) / J)`` keV cm2/g, k = 0.731 + 0.0688 log10 Z [2]_;
      J = 9.76 Z + 58.5 Z^-0.19 eV [4]_, or 11.5 Z eV for Z < 13.

    An electron knows the share of its range that is left, and from tables with 2048 steps of that share's root what
    energy that is; so the energy lost along a flight is exact, and the cross-section is that at the flight's begin.
    In float64, with logarithm, sine and cosine made of sums and products alone: every platform gives the same bits
    but for the last ones of the tables.

    References
    ----------
    .. [1] R. Browning, T. Z. Li, B. Chui, J. Ye, R. F. W. Pease, Z. Czyzewski, D. C. Joy, "Empirical forms for the
       electron/atom elastic scattering cross sections from 0.1 to 30 keV", J. Appl. Phys. 76 (1994) 2016-2022,
       doi:10.1063/1.357669
    .. [2] D. C. Joy, S. Luo, "An empirical stopping power relationship for low-energy electrons", Scanning 11 (1989)
       176-180, doi:10.1002/sca.4950110404
    .. [3] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC '11
       (2011), doi:10.1145/2063384.2063405
    .. [4] M. J. Berger, S. M. Seltzer, "Tables of energy losses and ranges of electrons and positrons", NASA SP-3012
       (1964)

    Examples
    --------
    >>> import numpy as np
    >>> copper = np.array([[29, 63.546, 1.0]])
    >>> found = backscattered(copper, 20.0, electrons=2000)
    >>> 0.28 < found.backscattered / found.electrons < 0.35
    True
    """
    _check(solid)
    counts = np.zeros(4, np.uint64)
    energies, depths, radii = np.zeros((3, _whole(bins, "bins", 1, 65536)), np.uint64)
    with input_errors():
        reach = _core.backscattered(
            *_columns(solid),
            _number(energy_kev, "energy_kev"),
            _number(tilt_deg, "tilt_deg"),
            _whole(first, "first", 0, 2**64 - 2**32 - 1),
            _whole(electrons, "electrons", 1, MOST_ELECTRONS),
            _whole(seed, "seed", 0, 2**64 - 1),
            counts,
            energies,
            depths,
            radii,
            thread_count(threads),
        )
    sent, back, scatterings, energy_sum = counts.tolist()
    return BackscatterCounts(sent, back, scatterings, energy_sum, energies, depths, radii, reach)


def electron_transport(solid: Solid, energies_kev: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute how electrons fare in a solid: mean free path, Rutherford's share and stopping power.

    Parameters
    ----------
    solid : (elements, 3) float64
        Atomic number, atomic weight and mass fraction of each element.
    energies_kev : (n,) float64
        In C order, each from 0.05 to 30 keV.

    Returns
    -------
    (n, 3) float64
        Mean free path between elastic scatterings in g/cm2, share of the cross-section that is Rutherford's, and
        stopping power in keV cm2/g, by the formulas of `backscattered`.

    Raises
    ------
    InputError
        If an argument has the wrong type or shape or is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> path, share, power = electron_transport(np.array([[29, 63.546, 1.0]]), np.array([20.0]))[0].tolist()
    >>> round(path / 8.96 * 1e7, 1), round(share, 3), round(power * 8.96 * 1e-4, 2)  # nm, 1, keV/um
    (3.5, 0.995, 6.93)
    """
    _check(solid)
    if not isinstance(energies_kev, np.ndarray) or energies_kev.dtype != np.float64 or energies_kev.ndim != 1:
        msg = "energies_kev wanted as an array of shape (n,) and type float64"
        raise InputError(msg)
    out = np.empty((len(energies_kev), 3))
    with input_errors():
        _core.electron_transport(*_columns(solid), np.ascontiguousarray(energies_kev), out)
    return out


def _check(solid: Solid) -> None:
    if not isinstance(solid, np.ndarray):
        msg = f"solid is a {type(solid).__name__}; wanted a NumPy array"
        raise InputError(msg)
    if solid.dtype != np.float64 or solid.ndim != 2 or solid.shape[1] != 3 or len(solid) == 0:
        msg = f"solid is {solid.dtype} of shape {solid.shape}; wanted float64 of shape (elements, 3)"
        raise InputError(msg)


def _columns(solid: Solid) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    numbers, weights, fractions = np.ascontiguousarray(solid.T)
    return numbers, weights, fractions


def _number(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        msg = f"{name} is {value!r}; wanted a number"
        raise InputError(msg)
    return float(value)


def _whole(value: int, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        msg = f"{name} is {value!r}; wanted a whole number from {least:,} to {most:,}"
        raise InputError(msg)
    return int(value)
