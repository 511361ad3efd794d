"""Backscatter coefficients of compounds: from electron paths, and from those of their elements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import positive
from cemvis.analysis.porosity.compound import Compound
from cemvis.analysis.porosity.elements import ELEMENTS, element
from cemvis.errors import InputError
from cemvis.kernels.backscatter import MOST_ELECTRONS, BackscatterCounts, backscattered

_NM_PER_CM = 1e7
_AT_ONCE = 2**19  # an interrupt waits until as many are followed, which takes seconds


@dataclass(frozen=True)
class Backscatter:
    """How many of a beam's electrons a solid sends back, and from where.

    Attributes
    ----------
    compound : Compound
    energy_kev, tilt_deg : float
        Of the beam; the tilt is from the surface's normal.
    seed : int
    counts : BackscatterCounts
    """

    compound: Compound
    energy_kev: float
    tilt_deg: float
    seed: int
    counts: BackscatterCounts

    @property
    def eta(self) -> float:
        """Share of the electrons that come back with at least 0.05 keV."""
        return self.counts.backscattered / self.counts.electrons

    @property
    def standard_error(self) -> float:
        """Standard error of eta by the electrons' number alone, the model's own error apart."""
        return binomial_error(self.counts.backscattered, self.counts.electrons)

    @property
    def mean_energy_kev(self) -> float | None:
        """Mean energy of those who come back; None if none do."""
        back = self.counts.backscattered
        return None if back == 0 else self.counts.energy_sum / 2.0**32 / back * self.energy_kev

    def depth_nm(self, share: float) -> float | None:
        """Return how deep at most this share of the electrons that come back has been.

        None if none come back or the density is unknown. To 1/256 of half the range.
        """
        return self._quantile_nm(self.counts.depths, 0.5, share)

    def radius_nm(self, share: float) -> float | None:
        """Return within which distance from the beam this share of the electrons that come back leaves.

        None if none come back or the density is unknown. To 1/256 of the range.
        """
        return self._quantile_nm(self.counts.radii, 1.0, share)

    def to_json(self) -> dict[str, object]:
        """Return what was simulated and found as plain values; lengths in nm are None without a density."""
        return {
            "compound": self.compound.to_json(),
            "energy_kev": self.energy_kev,
            "tilt_deg": self.tilt_deg,
            "seed": self.seed,
            "electrons": self.counts.electrons,
            "backscattered": self.counts.backscattered,
            "eta": self.eta,
            "standard_error": self.standard_error,
            "eta_mixture": mixture_backscatter(self.compound, self.energy_kev),
            "mean_energy_kev": self.mean_energy_kev,
            "scatterings_per_electron": self.counts.scatterings / self.counts.electrons,
            "depth_50_nm": self.depth_nm(0.5),
            "depth_90_nm": self.depth_nm(0.9),
            "radius_50_nm": self.radius_nm(0.5),
            "radius_90_nm": self.radius_nm(0.9),
        }

    def _quantile_nm(self, bins: NDArray[np.uint64], unit: float, share: float) -> float | None:
        if not 0 < share <= 1:
            msg = f"share is {share!r}; wanted a number above 0 and up to 1"
            raise InputError(msg)
        if self.counts.backscattered == 0 or self.compound.density_g_cm3 is None:
            return None
        below = np.concatenate(([0.0], np.cumsum(bins, dtype=np.float64)))
        wanted = share * below[-1]
        last = int(np.searchsorted(below, wanted))
        part = (wanted - below[last - 1]) / (below[last] - below[last - 1])
        range_nm = self.counts.range_g_cm2 / self.compound.density_g_cm3 * _NM_PER_CM
        return float((last - 1 + part) / len(bins) * unit * range_nm)


def simulate_backscatter(
    compound: Compound,
    energy_kev: float,
    *,
    electrons: int = 100_000,
    tilt_deg: float = 0.0,
    seed: int = 0,
    threads: int | None = None,
) -> Backscatter:
    """Simulate electron paths in a compound, and say how many come back.

    Parameters
    ----------
    compound : Compound
        Its density, if known, turns mass thicknesses into nm; eta doesn't depend on it.
    energy_kev : float
        1 to 30 keV.
    electrons : int
        The standard error is at most 0.5 / sqrt(electrons): 0.0016 for the default.
    tilt_deg : float
        From the surface's normal, 0 to below 90.
    seed : int
    threads : int, optional
        Default: all cores that the process may use. Any number gives the same counts.

    Raises
    ------
    InputError
        If an argument is out of range.

    Notes
    -----
    The model is that of `cemvis.kernels.backscatter.backscattered`. At 20 keV its eta of C, Al, Si, Ti, Cu, Ag and Au
    is 0.057, 0.157, 0.170, 0.257, 0.314, 0.409 and 0.492; measured ones are 0.06, 0.15, 0.17, 0.25, 0.31, 0.41 and
    0.50, with 0.02 between laboratories (Reimer, Scanning Electron Microscopy, 1998, doi:10.1007/978-3-540-38967-5).

    Examples
    --------
    >>> found = simulate_backscatter(Compound.parse("Cu", density_g_cm3=8.96), 20.0, electrons=2000)
    >>> 0.28 < found.eta < 0.35, 100 < found.depth_nm(0.5) < 300
    (True, True)
    """
    solid = solid_of(compound)

    def followed(first: int, many: int) -> BackscatterCounts:
        return backscattered(
            solid, energy_kev, electrons=many, tilt_deg=tilt_deg, seed=seed, first=first, threads=threads
        )

    if not isinstance(electrons, (int, np.integer)) or not _AT_ONCE < electrons <= MOST_ELECTRONS:
        counts = followed(0, electrons)  # which refuses what is no number of electrons
    else:
        parts = (followed(first, min(_AT_ONCE, electrons - first)) for first in range(0, electrons, _AT_ONCE))
        counts = reduce(BackscatterCounts.__add__, parts)
    return Backscatter(compound, float(energy_kev), float(tilt_deg), seed, counts)


def solid_of(compound: Compound) -> NDArray[np.float64]:
    """Return a compound as the kernel wants it: (elements, 3), atomic number, atomic weight and mass fraction."""
    rows = [(element(symbol), share) for symbol, share in compound.mass_fractions]
    return np.array([(float(one.atomic_number), one.atomic_weight, share) for one, share in rows])


def binomial_error(successes: int, trials: int) -> float:
    """Return the standard error of a share of so many trials, above 0 even if all or none of them succeeded."""
    share = (successes + 0.5) / (trials + 1)
    return math.sqrt(share * (1 - share) / trials)


def element_backscatter(atomic_number: int, energy_kev: float) -> float:
    """Return the backscatter coefficient of a pure element at normal incidence, from a fit to measurements.

    Hunger and Kuechler's ``E^m C`` with m and C functions of the atomic number, for 4 to 40 keV and from beryllium to
    uranium; hydrogen and helium are beyond what was measured.

    Raises
    ------
    InputError
        If there is no such element from 1 to 92, or the energy is not above 0.

    References
    ----------
    H.-J. Hunger, L. Kuechler, "Measurements of the electron backscattering coefficient for quantitative EPMA in the
    energy range of 4 to 40 keV", Phys. Status Solidi A 56 (1979) K45-K48, doi:10.1002/pssa.2210560157

    Examples
    --------
    >>> round(element_backscatter(29, 20.0), 3), round(element_backscatter(29, 5.0), 3)
    (0.302, 0.316)
    """
    energy = positive(energy_kev, name="energy_kev")
    if not 1 <= atomic_number <= len(ELEMENTS):
        msg = f"atomic_number is {atomic_number!r}; wanted 1 to {len(ELEMENTS)}"
        raise InputError(msg)
    log = math.log(atomic_number)
    power = 0.1382 - 0.9211 / math.sqrt(atomic_number)
    return float(energy**power * (0.1904 - 0.2235 * log + 0.1292 * log**2 - 0.01491 * log**3))


def mixture_backscatter(compound: Compound, energy_kev: float) -> float:
    """Return the backscatter coefficient of a compound as the mean of its elements' weighted by mass (Castaing).

    References
    ----------
    R. Castaing, Electron probe microanalysis, Adv. Electron. Electron Phys. 13 (1960) 317-386.

    Examples
    --------
    >>> round(mixture_backscatter(Compound.parse("Ca3SiO5"), 20.0), 3)
    0.17
    """
    return math.fsum(
        share * element_backscatter(element(symbol).atomic_number, energy_kev)
        for symbol, share in compound.mass_fractions
    )
