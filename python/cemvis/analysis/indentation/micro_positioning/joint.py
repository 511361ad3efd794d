"""Fitting a grid to scores: all columns and rows at once, over turns and leans."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.micro_positioning.scores import Scores
from cemvis.analysis.indentation.micro_positioning.walks import best_offsets

_LEAN_STEPS = 3  # either way


@dataclass(frozen=True)
class Fitted:
    """A grid with its joint score, and the spread between starts in px."""

    score: float
    grid: Grid
    spread_px: float


@dataclass(frozen=True)
class Fit:
    """How grids are fitted to scores.

    Attributes
    ----------
    walk_px : float
        Standard deviation of the walks' steps.
    amplitude : float
        Score expected of an imprint; found on the way if 0.
    """

    walk_px: float
    amplitude: float

    def moved(self, scores: Scores, grid: Grid, radius: int, *, starts: int = 1) -> Fitted:
        """Return the grid moved by the best walks within `radius` offsets."""
        tables, rounding = scores.along(grid, radius)
        step = scores.offset_px
        offsets = best_offsets(tables, step_sd=max(self.walk_px / step, 0.4), amplitude=self.amplitude, starts=starts)
        u = (offsets.column - radius) * step + np.median(rounding[..., 0], axis=0)
        v = (offsets.row - radius) * step + np.median(rounding[..., 1], axis=1)
        return Fitted(offsets.score, grid.moved(u, v), offsets.spread * step)

    def best(self, scores: Scores, grids: Iterable[Grid], radius: int, *, starts: int = 1) -> Fitted:
        """Return the best of several grids, each moved."""
        return max((self.moved(scores, each, radius, starts=starts) for each in grids), key=lambda each: each.score)

    def leaned(self, scores: Scores, fitted: Fitted, radius: int, *, step_px: float) -> Fitted:
        """Return the best fit near one, over how columns lean with the rows and rows with the columns.

        Parameters
        ----------
        step_px : float
            By which the outermost places move from one lean to the next.
        """
        for _ in range(2):
            before = fitted.score
            for name, count in (("shear_x", fitted.grid.shape[0]), ("shear_y", fitted.grid.shape[1])):
                if count > 1:
                    fitted = self._climbed(scores, fitted, radius, name, step_px / (count / 2))
            if fitted.score == before:
                break
        return fitted

    def _climbed(self, scores: Scores, fitted: Fitted, radius: int, name: str, step: float) -> Fitted:
        """Return the best fit uphill along one of the leans."""
        for way in (step, -step):
            climbed = False
            for _ in range(_LEAN_STEPS):
                lean = getattr(fitted.grid, name) + way
                other = self.moved(scores, replace(fitted.grid, **{name: lean}), radius)
                if other.score <= fitted.score:
                    break
                fitted, climbed = replace(other, spread_px=fitted.spread_px), True
            if climbed:
                break
        return fitted


def half_px(grid: Grid) -> float:
    """Return the distance from a grid's middle to its corners."""
    return math.hypot(*(n * pitch for n, pitch in zip(grid.shape[::-1], grid.pitch_px, strict=True))) / 2


def turned(grid: Grid, most_rad: float, step_px: float) -> list[Grid]:
    """Return the grid turned by up to `most_rad` either way, so that its corners move by at most `step_px` a step."""
    step = step_px / half_px(grid)
    number = math.ceil(max(0.0, most_rad - step / 2) / step)
    return [grid.turned(step * n) for n in sorted(range(-number, number + 1), key=abs)]


def held_out(scores: Scores, grid: Grid, fit: Fit, radius: int) -> float:
    """Return the evidence for imprints: scores of half of the places after a fit to the others; about N(0, 1) if none.

    The places are halved like a chessboard; both halves are fitted anew within `radius` of a grid, and judged
    by the other. Scores are clipped, so that a few bright grains are no evidence.
    """
    i, j = np.indices(grid.shape)
    total, count = 0.0, 0
    for parity in (0, 1):
        judged = ((i + j) % 2 == parity) & grid.present
        tables = scores.tables.copy()
        tables[judged] = 0
        own = fit.moved(replace(scores, tables=tables), grid, radius).grid
        nearest, _ = scores.along(own, 0)
        values = np.clip(nearest[..., 0, 0][judged], -4, 4)
        known = values != 0
        total, count = total + float(values[known].sum()), count + int(known.sum())
    return total / math.sqrt(max(count, 1))


def walk_sd(grid: Grid, prior_px: float) -> float:
    """Return the standard deviation of the steps of a grid's errors in px; the prior counts as two steps."""
    steps = np.concatenate([np.diff(grid.column_error_px), np.diff(grid.row_error_px)])
    return float(np.sqrt((np.sum(steps**2) + 2 * prior_px**2) / (len(steps) + 2)))
