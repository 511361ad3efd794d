"""Seams of a stitched mosaic: lines along its rows or columns at which the displacement jumps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cemvis.images.registration.levels import Level
from cemvis.images.registration.tiles import Predict, resampled

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_JUMP_PX = 1.0  # smaller ones are left to the smooth fit, which is wrong by half of them at most
_LEAST_OVER_USUAL, USUAL_PERCENT = 5.0, 20  # a seam shows in the places around it too: quiet ones may be few
SIDE_PX, LEAST_PIECE_PX = 96, 400  # of the tiles, and of what lies between two seams; nearer ones pass for one
_LEAST_COLUMNS = 3
_NOISE_PX, _SLOPE_PX = 0.3, 2.0  # of a tile's shift; of how it changes over one tile's side
_COLUMNS = 6  # on either side that say what the shift is at the line
_LEAST_ROWS = 3
_REFINE_STRIPS = 24
_REFINE_JUMP_PX = 1.0
_FINE_PX, _COARSE_PX = 1.5, 8.0
REGULAR_PX = 6.0  # seams whose distances differ by no more are those of equal images


class Sides:
    """The shifts of a grid of tiles on either side of possible seams across it (seams along its columns).

    Parameters
    ----------
    shift : (rows, columns, 2) float64
        Of each tile from its smooth expectation.
    good : (rows, columns) bool
        Tiles to be counted.
    first_px : (columns,) int64
        Where tiles begin along the axis that seams cut.
    side_px : int
        Their extent along it.
    """

    def __init__(self, shift: Floats, good: Bools, first_px: NDArray[np.int64], side_px: int) -> None:
        self.shift, self.good, self.first, self.side = shift, good, first_px, side_px

    def at(self, line_px: float, columns: Sequence[int]) -> tuple[Floats, Bools]:
        """Return the shift at a line in each row of tiles, from a line through some columns, and where there is one.

        The slope is held near zero as far as the tiles do not say otherwise, so one column is enough.
        """
        rows = len(self.shift)
        if not columns:
            return np.zeros((rows, 2)), np.zeros(rows, bool)
        good = self.good[:, columns]
        away = (self.first[columns] + (self.side - 1) / 2 - line_px) / self.side
        weight = good / _NOISE_PX**2
        n, sx, sxx = weight.sum(1), (weight * away).sum(1), (weight * away**2).sum(1) + 1 / _SLOPE_PX**2
        values = np.where(good[..., None], self.shift[:, columns], 0.0)
        sy, sxy = np.einsum("rk,rkc->rc", weight, values), np.einsum("rk,rkc->rc", weight * away, values)
        there = good.any(axis=1)
        determinant = np.where(there, n * sxx - sx**2, 1.0)
        line: Floats = (sxx[:, None] * sy - sx[:, None] * sxy) / determinant[:, None]
        return line, np.asarray(there)

    def beside(self, low_px: float, high_px: float) -> tuple[list[int], list[int]]:
        """Return the columns of tiles that end before a place between `low_px` and `high_px`, and begin after it."""
        left = np.flatnonzero(self.first + self.side <= low_px)[-_COLUMNS:]
        right = np.flatnonzero(self.first >= high_px)[:_COLUMNS]
        return left.tolist(), right.tolist()

    def jump_px(self, low_px: float, high_px: float) -> float:
        """Return the median size, over all rows, of the jump between two places; 0 where too few tiles tell."""
        left, right = self.beside(low_px, high_px)
        if min(len(left), len(right)) < _LEAST_COLUMNS:
            return 0.0
        middle = (low_px + high_px) / 2
        one, there_one = self.at(middle, left)
        two, there_two = self.at(middle, right)
        known = np.hypot(*(two - one)[there_one & there_two].T)
        return float(np.median(known)) if len(known) >= _LEAST_ROWS else 0.0


def find_intervals(sides: Sides) -> list[tuple[float, float]]:
    """Return the intervals (px) of the axis in each of which there is a seam, in rising order.

    A seam's jump is the largest far and wide, and far above what it is where there is none.
    """
    ends = np.unique(sides.first + sides.side)
    sizes = np.array([sides.jump_px(low, high) for low, high in pairwise(ends)])
    known = sizes[sizes > 0]
    least = max(LEAST_JUMP_PX, _LEAST_OVER_USUAL * float(np.percentile(known, USUAL_PERCENT))) if len(known) else np.inf
    found: list[tuple[float, float]] = []
    for k in np.argsort(-sizes):
        low, high = float(ends[k]), float(ends[k + 1])
        apart = min((max(low - other[1], other[0] - high) for other in found), default=np.inf)
        if sizes[k] >= least and apart >= LEAST_PIECE_PX * sides.side / SIDE_PX:
            found.append((low, high))
    return sorted(found)


def refine(
    before: Level,
    after: Level,
    predict: Predict,
    sides: Sides,
    interval: tuple[float, float],
    strips: Sequence[tuple[int, int]],
    *,
    transposed: bool,
) -> float | None:
    """Return where in an interval the seam lies, as the edge between two pixels, or None if the images do not say.

    The before-image is laid on the after-image by the shift from the left of the seam and by that from its right.
    The seam is where the after-image stops to be like the one and begins to be like the other.

    Parameters
    ----------
    before, after : Level
    predict : callable
        The smooth expectation.
    sides : Sides
    interval : (low, high)
    strips : sequence of (first, count)
        Of rows (of columns if `transposed`) that each row of `sides` covers.
    transposed : bool
        Whether the seam runs along a row.
    """
    reach = sides.side
    extent = after.shape[0] if transposed else after.shape[1]
    low, high = max(0, int(interval[0]) - reach), min(extent, int(interval[1]) + reach)
    left, right = sides.beside(*interval)
    one, there_one = sides.at((low + high) / 2, left)
    two, there_two = sides.at((low + high) / 2, right)
    jump = np.hypot(*(two - one).T)
    usable = np.flatnonzero(there_one & there_two & (jump > _REFINE_JUMP_PX))
    if len(usable) == 0:
        usable = np.flatnonzero(there_one & there_two)
    cost = np.zeros((2, high - low))
    for row in usable[:: max(1, -(-len(usable) // _REFINE_STRIPS))]:
        first, count = strips[row]
        window = (low, first, (high - low, count)) if transposed else (first, low, (count, high - low))
        seen = _costs(before, after, predict, window, (one[row], two[row]))
        if seen is not None:
            cost += seen.sum(axis=2 if transposed else 1)
    if not cost.any():
        return None
    # The seam before pixel k costs what lies left of it by the left shift and what lies right of it by the right one.
    total = np.concatenate([[0.0], np.cumsum(cost[0])]) + np.concatenate([np.cumsum(cost[1][::-1])[::-1], [0.0]])
    return low + int(np.argmin(total)) - 0.5


def _costs(
    before: Level,
    after: Level,
    predict: Predict,
    window: tuple[int, int, tuple[int, int]],
    shifts: tuple[Floats, Floats],
) -> Floats | None:
    """Return the squared difference at each pixel of a window under either shift, (2, rows, cols)."""
    top, left, (rows, cols) = window
    grey = _high_passed(after.read(top, left, rows, cols))
    costs = []
    for shift in shifts:
        laid = resampled(before, _moved(predict, shift), left, top, (rows, cols))
        if not np.isfinite(laid).all():
            return None
        costs.append(np.square(grey - _high_passed(laid)))
    return np.stack(costs).astype(np.float64)


def _moved(predict: Predict, shift: Floats) -> Predict:
    return lambda xy: predict(xy) + shift


def _high_passed(image: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    passed = gaussian_filter(image, _FINE_PX) - gaussian_filter(image, _COARSE_PX)
    return np.asarray(passed / max(float(passed.std()), 1e-6), np.float32)


def regular_beyond(seams: Sequence[float], extent_px: int) -> list[float]:
    """Return where equal images would have further seams: one pitch before the first and after the last that are known.

    Empty if the known ones are not equally far apart. A single seam says that images are as wide as the first one.
    """
    if not seams:
        return []
    edges = np.array(seams)
    pitch = float(np.median(np.diff(edges))) if len(edges) > 1 else float(edges[0] + 0.5)
    steps = np.diff(edges) / pitch
    if len(edges) > 1 and np.abs(np.diff(edges) - pitch * np.rint(steps)).max() > REGULAR_PX:
        return []
    beyond = [edges[0] - pitch, edges[-1] + pitch]
    return [float(round(place + 0.5) - 0.5) for place in beyond if 0 < place < extent_px - 1]
