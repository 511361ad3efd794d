"""Two-point correlation of the maps of a class, and whether that of two classes differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.correlation.bands import RESAMPLINGS, Bands, bootstrap_bands
from cemvis.analysis.correlation.counting import Counted, Counting, Window, count_window
from cemvis.analysis.correlation.lengths import (
    TOLERANCE,
    change,
    characteristic_length,
    correlation_length,
    drift,
    least_noise,
    plateau,
    plateau_start,
)
from cemvis.analysis.correlation.two_point import TwoPointAccumulator, probabilities
from cemvis.errors import InputError
from cemvis.kernels.two_point import DifferenceCounts

__all__ = ["ClassCorrelation", "ClassMap", "CorrelationTest", "compare_correlations", "correlate_class"]

Floats = NDArray[np.float64]

PERMUTATIONS = 999
FEWEST_UNITS = 3
FEWEST_SPECIMENS = 4
"""Of each class, so that specimens may be exchanged: of 4 and 4, p can fall to 2 / 70."""


@dataclass(frozen=True, eq=False)
class ClassMap:
    """A map, which of its pixels count, and what it is drawn with in a bootstrap.

    Attributes
    ----------
    levels : (rows, cols) uint8
    valid : (rows, cols) bool, optional
        All if None.
    unit : int
        Number of the image it was cut from: maps of one image are not independent.
    specimen : int, optional
        Number of the specimen that the image is of: neither are images of one specimen.
    """

    levels: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None
    unit: int
    specimen: int | None = None


@dataclass(frozen=True, eq=False)
class ClassCorrelation:
    """Two-point correlation of the maps of one class.

    Attributes
    ----------
    name : str
    total : DifferenceCounts
        Of all its maps.
    units : tuple of Counted
        The same counts by image, for resampling; several images each where there are more than 256.
    maps : int
    bands : Bands or None
        By drawing images; None if there are fewer than 8.
    specimens : tuple of Counted
        The same counts by specimen; empty if these are not known.
    """

    name: str
    total: DifferenceCounts
    units: tuple[Counted, ...]
    maps: int
    bands: Bands | None
    specimens: tuple[Counted, ...] = ()

    @property
    def probabilities(self) -> Floats:
        """P(dn | r), (r_max + 1, levels); NaN in rings without pairs."""
        return probabilities(self.total)

    @property
    def correlation_px(self) -> int | None:
        """Where D[r, .] stops changing; None if it doesn't before the outer quarter of the rings."""
        shares, outer = self.probabilities, plateau(self.total)
        noise = least_noise(self.total) if self.bands is None else self.bands.noise
        drifted = float(drift(shares[plateau_start(self.total.r_max)], shares[-1], outer))
        return correlation_length(change(shares, outer), noise, tolerance=TOLERANCE, drifted=drifted)

    @property
    def characteristic_px(self) -> int:
        """Where P(dn = 0 | r) is least, at r >= 1."""
        return characteristic_length(self.probabilities[:, 0])


def correlate_class(
    name: str,
    maps: Iterable[ClassMap],
    *,
    r_max: int,
    resamplings: int = RESAMPLINGS,
    seed: int = 0,
    threads: int | None = None,
) -> ClassCorrelation:
    """Count the differences of levels over distance in the maps of a class, one map at a time.

    Parameters
    ----------
    name : str
    maps : iterable of ClassMap
        Pairs never reach from one map to another.
    r_max : int
        Largest ring in px.
    resamplings, seed : int
        Of the bands.
    threads : int, optional

    Raises
    ------
    InputError
        If no pixel of any map is valid, or r_max is beyond a map.
    """
    gathered, by_specimen, seen, known = TwoPointAccumulator("images"), TwoPointAccumulator("images"), 0, True
    what = Counting(r_max=r_max, threads=threads)
    for each in maps:
        counted = count_window(Window.whole(each.levels, valid=each.valid), what)
        gathered.add(counted, unit=each.unit)
        seen += 1
        known = known and each.specimen is not None
        if each.specimen is not None:
            by_specimen.add(counted, unit=each.specimen)
    found = gathered.ensemble()
    bands = bootstrap_bands(found.groups, found.total, resamplings=resamplings, seed=seed)
    specimens = by_specimen.ensemble().groups if known else ()
    return ClassCorrelation(name, found.total.differences, found.groups, seen, bands, specimens)


@dataclass(frozen=True)
class CorrelationTest:
    """Whether two classes differ in their correlation by more than a random assignment to classes gives.

    Attributes
    ----------
    first, second : str
    distance, usual_distance : float
        Mean over the rings r >= 1 of the total variation distance between P(dn | r) of the classes, and its median
        under permutation.
    distance_p : float
        Share of permutations, the actual one among them, with at least this distance.
    characteristic_difference_px : int
        Second less first.
    characteristic_p : float
        As `distance_p`, of its absolute value.
    permutations : int
        All different ones if they are few.
    exchanged : {"specimens", "images"}
        What is assigned to classes.
    """

    first: str
    second: str
    distance: float
    usual_distance: float
    distance_p: float
    characteristic_difference_px: int
    characteristic_p: float
    permutations: int
    exchanged: str


def compare_correlations(
    first: ClassCorrelation, second: ClassCorrelation, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> CorrelationTest | None:
    """Test two classes by permuting specimens, or images, between them.

    Specimens are exchanged as wholes where both classes have at least 4, and images where they have not. Images of one
    specimen are alike: exchanged one by one, they make specimens that differ look like classes that do. If a class is
    also a session, the test says that these differ, not why.

    Returns
    -------
    CorrelationTest or None
        None if a class has fewer than 4 specimens and fewer than 3 images.

    Raises
    ------
    InputError
        If the classes were counted up to different distances.

    References
    ----------
    B. Phipson, G. K. Smyth, Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39,
    https://doi.org/10.2202/1544-6115.1585
    """
    if first.total.r_max != second.total.r_max:
        msg = f"classes were counted up to {first.total.r_max} and {second.total.r_max} px; wanted the same distance"
        raise InputError(msg)
    by_specimens = min(len(first.specimens), len(second.specimens)) >= FEWEST_SPECIMENS
    units = (first.specimens, second.specimens) if by_specimens else (first.units, second.units)
    sizes = len(units[0]), len(units[1])
    if min(sizes) < FEWEST_UNITS:
        return None
    counts = np.stack([unit.differences.counts for unit in (*units[0], *units[1])]).astype(np.float64)
    statistics = [_statistics(chosen, counts) for chosen in _assignments(sizes, permutations, seed)]
    distances, differences = (np.array(values) for values in zip(*statistics, strict=True))
    return CorrelationTest(
        first.name,
        second.name,
        float(distances[0]),
        float(np.median(distances)),
        _share_beyond(distances),
        int(differences[0]),
        _share_beyond(np.abs(differences)),
        len(distances),
        "specimens" if by_specimens else "images",
    )


def _assignments(sizes: tuple[int, int], permutations: int, seed: int) -> list[NDArray[np.bool_]]:
    """Return which of all units form the first class: as it is, then all others or a random sample of them."""
    every = sum(sizes)
    actual = np.arange(every) < sizes[0]
    if comb(every, sizes[0]) <= permutations + 1:
        chosen = (np.isin(np.arange(every), which) for which in combinations(range(every), sizes[0]))
        return [actual, *(each for each in chosen if not (each == actual).all())]
    rng = np.random.default_rng(seed)
    return [actual, *(rng.permutation(actual) for _ in range(permutations))]


def _statistics(chosen: NDArray[np.bool_], counts: Floats) -> tuple[float, int]:
    shares = [_shares(np.tensordot(part.astype(np.float64), counts, 1)) for part in (chosen, ~chosen)]
    distance = 0.5 * np.abs(shares[0][1:] - shares[1][1:]).sum(axis=1)
    lengths = [characteristic_length(each[:, 0]) for each in shares]
    return float(np.nanmean(distance)) if distance.size else 0.0, lengths[1] - lengths[0]


def _shares(counts: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _share_beyond(values: Sequence[float] | NDArray[np.generic]) -> float:
    """Return the share of values, the first among them, that are as large as the first, rounding apart."""
    numbers = np.asarray(values, dtype=np.float64)
    return float((numbers >= numbers[0] * (1 - 1e-12)).mean())
