"""What `cemvis.kernels.two_point` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError


@overload
def pair_cell(i: int, j: int) -> int: ...
@overload
def pair_cell(i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.intp]: ...
def pair_cell(i: Any, j: Any) -> Any:
    """Return the cell of pairs of levels i and j, in any order, of one image: ``j (j + 1) / 2 + i`` for i <= j."""
    low, high = np.minimum(i, j), np.maximum(i, j)
    return high * (high + 1) // 2 + low


@dataclass(frozen=True, eq=False)
class PairCounts:
    """How many pairs of pixels have which two levels, ring by ring.

    Attributes
    ----------
    counts : (r_max + 1, cells) uint64
        In one image the pair of levels ``i <= j`` has cell ``j (j + 1) / 2 + i``, whatever the number of levels.
        Between two images, `ordered`, level i of the first and j of the second have cell ``i levels + j``.
    pairs : (r_max + 1,) uint64
        All valid pairs of each ring.
    levels : int
    ordered : bool
    algorithm : str
        What did the work: direct, fourier or pairs; "mixed" for a sum over several.
    """

    counts: NDArray[np.uint64]
    pairs: NDArray[np.uint64]
    levels: int
    ordered: bool
    algorithm: str

    @property
    def r_max(self) -> int:
        """The largest ring, in pixels."""
        return len(self.pairs) - 1

    def dense(self, r: int) -> NDArray[np.uint64]:
        """Return the counts of ring `r` as (levels, levels): for i <= j alone in one image, 0 below the diagonal."""
        if not 0 <= r <= self.r_max:
            msg = f"r is {r}; wanted 0 to {self.r_max}"
            raise InputError(msg)
        if self.ordered:
            return np.array(self.counts[r].reshape(self.levels, self.levels))
        matrix = np.zeros((self.levels, self.levels), dtype=np.uint64)
        high, low = np.tril_indices(self.levels)
        matrix[low, high] = self.counts[r]
        return matrix

    def level_pairs(self, i: int, j: int) -> NDArray[np.uint64]:
        """Return the counts of one pair of levels for each ring, (r_max + 1,)."""
        for level in (i, j):
            if not 0 <= level < self.levels:
                msg = f"level {level} is not one of 0 to {self.levels - 1}"
                raise InputError(msg)
        if self.ordered:
            return np.array(self.counts[:, i * self.levels + j])
        return np.array(self.counts[:, pair_cell(i, j)])

    def differences(self) -> DifferenceCounts:
        """Add up the counts along ``|i - j|``."""
        if self.ordered:
            i, j = np.divmod(np.arange(self.levels**2), self.levels)
        else:
            i, j = np.tril_indices(self.levels)
        order = np.argsort(np.abs(i - j), kind="stable")
        starts = np.searchsorted(np.abs(i - j)[order], np.arange(self.levels))
        reduced = np.stack([np.add.reduceat(ring[order], starts) for ring in self.counts])
        return DifferenceCounts(reduced, self.pairs, self.levels, self.algorithm)

    def __add__(self, other: PairCounts) -> PairCounts:
        if not isinstance(other, PairCounts):
            return NotImplemented
        _check_like(self, other)
        if self.ordered != other.ordered:
            msg = "counts in one image and counts between two can't be added"
            raise InputError(msg)
        return PairCounts(
            self.counts + other.counts, self.pairs + other.pairs, self.levels, self.ordered, _algorithms(self, other)
        )


@dataclass(frozen=True, eq=False)
class DifferenceCounts:
    """How many pairs of pixels differ by which number of levels, ring by ring.

    Attributes
    ----------
    counts : (r_max + 1, levels) uint64
        ``counts[r, d]``: pairs of ring r whose levels differ by d, up or down.
    pairs : (r_max + 1,) uint64
        All valid pairs of each ring.
    levels : int
    algorithm : str
        What did the work: direct, fourier or pairs; "mixed" for a sum over several.
    """

    counts: NDArray[np.uint64]
    pairs: NDArray[np.uint64]
    levels: int
    algorithm: str

    @property
    def r_max(self) -> int:
        """The largest ring, in pixels."""
        return len(self.pairs) - 1

    def __add__(self, other: DifferenceCounts) -> DifferenceCounts:
        if not isinstance(other, DifferenceCounts):
            return NotImplemented
        _check_like(self, other)
        return DifferenceCounts(
            self.counts + other.counts, self.pairs + other.pairs, self.levels, _algorithms(self, other)
        )


@dataclass(frozen=True, eq=False)
class DirectionalCounts:
    """How many pairs of pixels have which levels, or differ by how many, displacement by displacement.

    Attributes
    ----------
    counts : (n_dy, 2 dx_max + 1, cells) uint64
        Cells as in `DifferenceCounts` if `reduced`, else as in `PairCounts`. In one image dy runs from 0, between two
        from -dy_max; dx from -dx_max. In one image the places (0, dx < 0) lie before 0 in reading order and are 0.
    pairs : (n_dy, 2 dx_max + 1) uint64
    dy_px, dx_px : (n_dy,), (2 dx_max + 1,) int64
        The displacements: rows down, columns to the right.
    levels : int
    reduced, ordered : bool
    """

    counts: NDArray[np.uint64]
    pairs: NDArray[np.uint64]
    dy_px: NDArray[np.int64]
    dx_px: NDArray[np.int64]
    levels: int
    reduced: bool
    ordered: bool

    def __add__(self, other: DirectionalCounts) -> DirectionalCounts:
        if not isinstance(other, DirectionalCounts):
            return NotImplemented
        same = (self.levels, self.reduced, self.ordered) == (other.levels, other.reduced, other.ordered)
        if not same or self.counts.shape != other.counts.shape:
            msg = f"directional counts of shapes {self.counts.shape} and {other.counts.shape} are not alike"
            raise InputError(msg)
        return DirectionalCounts(
            self.counts + other.counts,
            self.pairs + other.pairs,
            self.dy_px,
            self.dx_px,
            self.levels,
            self.reduced,
            self.ordered,
        )


@dataclass(frozen=True)
class Plan:
    """What the cost model says.

    Attributes
    ----------
    algorithm : str
        The one that "auto" takes.
    direct_s, fourier_s, pairs_s : float
        Estimated seconds on the machine that the model was fitted on; infinite for what can't be done.
    """

    algorithm: str
    direct_s: float
    fourier_s: float
    pairs_s: float


def _check_like(one: PairCounts | DifferenceCounts, other: PairCounts | DifferenceCounts) -> None:
    if one.levels != other.levels or one.r_max != other.r_max:
        msg = (
            f"counts to r = {one.r_max} of {one.levels} levels and to r = {other.r_max} of {other.levels} can't be "
            "added; give both the same r_max and levels"
        )
        raise InputError(msg)


def _algorithms(one: PairCounts | DifferenceCounts, other: PairCounts | DifferenceCounts) -> str:
    return one.algorithm if one.algorithm == other.algorithm else "mixed"
