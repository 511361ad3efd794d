"""Two-point counts of an ensemble of images, or of the tiles of one, and the probabilities that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.correlation.counting import Counted
from cemvis.errors import InputError
from cemvis.kernels.two_point import DifferenceCounts, PairCounts

Unit = Literal["images", "tiles"]

BYTES_FOR_GROUPS = 256 << 20
FEWEST_GROUPS, MOST_GROUPS = 32, 256


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Counts of all images, and of each of the groups that a bootstrap draws from.

    Attributes
    ----------
    total : Counted
    groups : tuple of Counted
        Differences and phases only. An image, or a tile of a single one, each; several of them where there were too
        many.
    unit : {"images", "tiles"}
    units : int
        How many images or tiles there were.
    """

    total: Counted
    groups: tuple[Counted, ...]
    unit: Unit
    units: int


class TwoPointAccumulator:
    """Adds up counts of windows, images and ensembles, exactly, and keeps those of groups for a bootstrap.

    Every image (or tile) is a group of its own, up to 256 groups and as many as 256 MiB hold, at least 32; the others
    join these in turn. A group takes 8 bytes for each ring and level: 0.4 MB at r_max = 191 and 256 levels.

    Parameters
    ----------
    unit : {"images", "tiles"}
        What a group is made of.

    Examples
    --------
    >>> from cemvis.analysis.correlation.counting import Counting, Window, count_window
    >>> rng = np.random.default_rng(1)
    >>> gathered = TwoPointAccumulator("images")
    >>> for number in range(3):
    ...     image = rng.integers(0, 2, (20, 20)).astype(np.uint8)
    ...     gathered.add(count_window(Window.whole(image), Counting(r_max=5, levels=2)), unit=number)
    >>> int(gathered.ensemble().total.differences.pairs[0])
    1200
    """

    def __init__(self, unit: Unit) -> None:
        self._unit: Unit = unit
        self._total: Counted | None = None
        self._groups: dict[int, Counted] = {}
        self._units: set[int] = set()
        self._most = MOST_GROUPS

    def add(self, counted: Counted | None, *, unit: int) -> None:
        """Add counts to those of the image, or tile, number `unit`; None adds nothing."""
        if counted is None:
            return
        kept = Counted(counted.differences, counted.phases)
        if self._total is None:
            self._total = counted
            size = kept.differences.counts.nbytes + (0 if kept.phases is None else kept.phases.counts.nbytes)
            self._most = int(np.clip(BYTES_FOR_GROUPS // size, FEWEST_GROUPS, MOST_GROUPS))
        else:
            self._total = self._total + counted
        self._units.add(unit)
        group = unit % self._most
        self._groups[group] = self._groups[group] + kept if group in self._groups else kept

    def ensemble(self) -> Ensemble:
        """Return the counts so far.

        Raises
        ------
        InputError
            If nothing was counted.
        """
        if self._total is None:
            msg = "no pixel is valid: the mask is empty; wanted at least one pixel where it is not 0"
            raise InputError(msg)
        groups = tuple(self._groups[number] for number in sorted(self._groups))
        return Ensemble(self._total, groups, self._unit, len(self._units))


def probabilities(counts: DifferenceCounts) -> NDArray[np.float64]:
    """Return the probability that two pixels of ring r differ by d levels, (r_max + 1, levels).

    Counts over the pairs of the ring; NaN where a ring has none.
    """
    with np.errstate(invalid="ignore"):
        quotient: NDArray[np.float64] = counts.counts / counts.pairs[:, None].astype(np.float64)
    return quotient


def mean_difference(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean ``|i - j|`` of each ring, (r_max + 1,), from `probabilities`, in levels."""
    mean: NDArray[np.float64] = shares @ np.arange(shares.shape[-1], dtype=np.float64)
    return mean


def pair_probabilities(counts: PairCounts) -> NDArray[np.float64]:
    """Return ``S2(i, j | r)``: the probability that one pixel has level (or phase) i and the one at r has j.

    Returns
    -------
    (r_max + 1, levels, levels) float64
        In one image it is symmetric: half the unordered pairs of different levels each way, so that the sum over
        i and j is 1, and over j the share of i. Between two images i is the level in the first one. NaN where a ring
        has no pairs.
    """
    dense = np.stack([counts.dense(r) for r in range(counts.r_max + 1)]).astype(np.float64)
    if not counts.ordered:
        dense = (dense + dense.transpose(0, 2, 1)) / 2
    with np.errstate(invalid="ignore"):
        quotient: NDArray[np.float64] = dense / counts.pairs[:, None, None].astype(np.float64)
    return quotient


def ring_moments(r_max: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of |h| and of |h|^2, in px and px^2, over the displacements h of each ring, 0 to `r_max`.

    Ring 1 holds diagonal neighbours, too: its mean distance is 1.207 px.
    """
    number, first, second = (np.zeros(r_max + 1) for _ in range(3))
    along = np.arange(-r_max, r_max + 1, dtype=np.float64)
    for down in range(r_max + 1):
        squared = along**2 + down**2
        distance = np.sqrt(squared)
        ring = np.rint(distance).astype(np.int64)
        inside = ring <= r_max
        weight = np.full(int(inside.sum()), 1.0 if down == 0 else 2.0)  # displacements and their opposites
        for sums, values in ((number, np.ones_like(distance)), (first, distance), (second, squared)):
            sums += np.bincount(ring[inside], weight * values[inside], minlength=r_max + 1)
    return first / number, second / number


def in_use(counts: DifferenceCounts) -> DifferenceCounts:
    """Return the counts without the differences, at the end, that no pair has."""
    last = int(np.flatnonzero(counts.counts.any(axis=0)).max(initial=0))
    return replace(counts, counts=counts.counts[:, : last + 1], levels=last + 1)
