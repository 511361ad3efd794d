"""Lineal path and two-point cluster counts of the phases of a segmented image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.kernels.two_point import DifferenceCounts, PairCounts, pair_counts


@dataclass(frozen=True, eq=False)
class LinealCounts:
    """How many straight rows of pixels lie in one phase, along the image's rows and along its columns.

    Attributes
    ----------
    counts : (2, phases, r_max + 1) uint64
        Segments of ``r + 1`` pixels, horizontal ones first, all of whose pixels belong to the phase.
    segments : (2, r_max + 1) uint64
        Segments all of whose pixels are valid. Their quotient is the lineal path function L(r).
    """

    counts: NDArray[np.uint64]
    segments: NDArray[np.uint64]

    def __add__(self, other: LinealCounts) -> LinealCounts:
        if not isinstance(other, LinealCounts):
            return NotImplemented
        if self.counts.shape != other.counts.shape:
            msg = f"lineal counts of shapes {self.counts.shape} and {other.counts.shape} can't be added"
            raise InputError(msg)
        return LinealCounts(self.counts + other.counts, self.segments + other.segments)

    def probabilities(self) -> NDArray[np.float64]:
        """Return L(r) of each phase over both directions, (phases, r_max + 1); NaN where there is no segment."""
        total = self.segments.sum(axis=0).astype(np.float64)
        with np.errstate(invalid="ignore"):
            quotient: NDArray[np.float64] = self.counts.sum(axis=0) / total
        return quotient


def lineal_counts(
    labels: NDArray[np.uint8],
    phases: int,
    *,
    r_max: int,
    valid: NDArray[np.bool_] | None = None,
    core: tuple[int, int, int, int] | None = None,
) -> LinealCounts:
    """Count the straight rows of pixels that lie in one phase.

    Parameters
    ----------
    labels : (rows, cols) uint8
        Phase of each pixel, 0 to ``phases - 1``.
    phases : int
    r_max : int
        Longest distance in px between the first and the last pixel.
    valid : (rows, cols) bool, optional
        A segment with a pixel that is not valid doesn't count.
    core : tuple of int, optional
        First row, first column, rows and columns in which the left, or upper, end of a segment has to lie. Windows with
        `r_max` pixels to the right of and below their core add up to an image.

    Returns
    -------
    LinealCounts

    Examples
    --------
    >>> lineal_counts(np.array([[0, 0, 1]], dtype=np.uint8), 2, r_max=1).counts[0]
    array([[2, 1],
           [1, 0]], dtype=uint64)
    """
    top, left, rows, cols = core or (0, 0, *labels.shape)
    there = np.ones(labels.shape, dtype=bool) if valid is None else valid
    counts = np.zeros((2, phases, r_max + 1), dtype=np.uint64)
    segments = np.zeros((2, r_max + 1), dtype=np.uint64)
    inside = (slice(top, top + rows), slice(left, left + cols))
    for direction, axis in enumerate((1, 0)):
        segments[direction] = _longer_than(_runs(there, axis)[inside], r_max)
        for phase in range(phases):
            counts[direction, phase] = _longer_than(_runs((labels == phase) & there, axis)[inside], r_max)
    return LinealCounts(counts, segments)


def _runs(member: NDArray[np.bool_], axis: int) -> NDArray[np.int32]:
    """Return how many members follow each other from each pixel on, itself included, along `axis`."""
    length = member.shape[axis]
    places = np.arange(length, dtype=np.int32).reshape((-1, 1) if axis == 0 else (1, -1))
    ends = np.where(member, np.int32(length), places)
    return np.flip(np.minimum.accumulate(np.flip(ends, axis), axis=axis), axis) - places


def _longer_than(runs: NDArray[np.int32], r_max: int) -> NDArray[np.uint64]:
    """Return how many runs have more than r pixels, for r from 0 to `r_max`."""
    sizes = np.bincount(np.minimum(runs, r_max + 1).ravel(), minlength=r_max + 2)
    return np.cumsum(sizes[:0:-1])[::-1].astype(np.uint64)


def cluster_counts(
    phase: NDArray[np.bool_], *, r_max: int, corners: bool = True, threads: int | None = None
) -> DifferenceCounts:
    """Count the pixel pairs of each distance that lie in one connected cluster of a phase.

    Parameters
    ----------
    phase : (rows, cols) bool
        A whole image: clusters that a window cuts would be counted as two.
    r_max : int
        Largest ring in px.
    corners : bool
        Whether pixels that touch at a corner are connected.
    threads : int, optional

    Returns
    -------
    DifferenceCounts
        Of two levels: ``counts[:, 0]`` are the pairs in one cluster and ``counts[:, 1]`` all others, so that
        ``counts[:, 0] / pairs`` is the two-point cluster function C2(r).

    Raises
    ------
    InputError
        If `phase` is no such array, or `r_max` is beyond it.
    """
    from scipy import ndimage

    if not isinstance(phase, np.ndarray) or phase.ndim != 2 or phase.dtype != np.bool_:
        what = f"{phase.dtype} of shape {phase.shape}" if isinstance(phase, np.ndarray) else type(phase).__name__
        msg = f"phase is {what}; wanted bool of shape (rows, cols)"
        raise InputError(msg)
    labels, number = ndimage.label(phase, structure=np.ones((3, 3)) if corners else None)
    whole: PairCounts = pair_counts(phase, r_max=r_max, levels=2, threads=threads)
    inside = np.zeros(r_max + 1, dtype=np.uint64)
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    inside[0] = sizes[1:].sum()
    for label, place in enumerate(ndimage.find_objects(labels), start=1):
        if sizes[label] == 1:
            continue
        cluster = labels[place] == label
        reach = min(r_max, round(float(np.hypot(cluster.shape[0] - 1, cluster.shape[1] - 1))))
        found = pair_counts(cluster, r_max=reach, levels=2, mask=cluster, threads=threads)
        inside[1 : reach + 1] += found.pairs[1:]
    others = whole.pairs - inside
    return DifferenceCounts(np.stack([inside, others], axis=1), whole.pairs, 2, whole.algorithm)
