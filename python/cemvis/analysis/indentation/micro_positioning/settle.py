"""Settling a grid between pixels, and what each of its indents then has to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.micro_positioning.scores import Floats, Scores
from cemvis.analysis.indentation.micro_positioning.walks import best_path

_PER_PX = 8
_REACH_PX = 2
_ROUNDS = 4
_STILL_PX = 0.02  # change at which to stop
_OWN_PEAK_PX = 4  # how far from the grid an indent's own peak is looked for
_LEANS = 41
_LEFT_OUT, _SAMPLING_PX = 1.2, 0.05  # of the error told: measured on simulations


def settled(scores: Scores, grid: Grid, *, walk_px: float, amplitude: float) -> tuple[Grid, Floats]:
    """Return a grid that is good to a pixel to a fraction of one, and the standard error of each place in px.

    Columns given rows, rows given columns and the leans in turn, on scores interpolated by cubic splines. The error
    follows from the curvature of a column's and a row's scores over a px either way. That leaves out leans and the
    template's own centre, and that pixels are no points: a factor and a floor for them were set so that simulated
    batches err as told, within a factor of 1.5. An image that is off as a whole is not in it.
    """
    reach = np.arange(-_REACH_PX * _PER_PX, _REACH_PX * _PER_PX + 1) / _PER_PX
    penalty = -0.5 * ((reach[:, None] - reach[None, :]) / walk_px) ** 2
    curvature = [np.zeros(0), np.zeros(0)]
    for _ in range(_ROUNDS):
        before = grid.places()
        for axis in (0, 1):
            offset = reach[:, None, None, None] * grid.axes[axis]
            value = np.minimum(scores.at(grid.places() + offset), 2 * amplitude) * grid.present
            profile = amplitude * value.sum(axis=1 + axis).T
            errors = (grid.column_error_px, grid.row_error_px)[axis]
            # The walk's prior acts on the whole error, of which these are small changes.
            profile += _prior_slope(errors, walk_px)[:, None] * reach[None, :]
            path, _ = best_path(profile, penalty)
            change, curvature[axis] = _parabola(profile, path, reach)
            still = np.zeros(grid.shape[axis])
            grid = grid.moved(change, still) if axis == 0 else grid.moved(still, change)
        grid = leaning(scores, grid)
        if np.abs(grid.places() - before).max() < _STILL_PX:
            break
    error = np.hypot(1 / np.sqrt(curvature[0])[None, :], 1 / np.sqrt(curvature[1])[:, None])
    return grid.settled(), np.hypot(_LEFT_OUT * error, _SAMPLING_PX)


def leaning(scores: Scores, grid: Grid) -> Grid:
    """Return the grid with the lean of its columns, and that of its rows, that raises the sum of scores most."""
    leans = np.linspace(-1, 1, _LEANS)
    names = [name for name, count in zip(("shear_x", "shear_y"), grid.shape, strict=True) if count > 1]
    most = [2 * _REACH_PX / count for count in grid.shape if count > 1]
    places = grid.places()
    away = [
        replace(grid, **{name: getattr(grid, name) + by}).places() - places
        for name, by in zip(names, most, strict=True)
    ]
    tried = places + leans[:, None, None, None] * np.reshape(away, (-1, 1, *places.shape))
    sums = scores.at(tried).sum(axis=(2, 3))
    for name, by, profile in zip(names, most, sums, strict=True):
        path = profile.argmax(keepdims=True)
        best, _ = _parabola(profile[None], path, by * leans, apart=1)
        grid = replace(grid, **{name: getattr(grid, name) + float(best[0])})
    return grid


def own_peaks(scores: Scores, places_px: Floats, *, least: float) -> Floats:
    """Return the way from each place to the greatest score nearby, (rows, columns, 2); NaN without a peak inside.

    Parameters
    ----------
    least : float
        Score that a peak has to have.
    """
    steps = np.arange(-2 * _OWN_PEAK_PX, 2 * _OWN_PEAK_PX + 1) / 2
    offset = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 1, 1, 2)
    values = scores.at(places_px + offset)
    best = values.argmax(axis=0)
    residual: Floats = offset[best, 0, 0].astype(np.float64)
    residual[(np.abs(residual) >= _OWN_PEAK_PX).any(axis=-1) | (values.max(axis=0) < least)] = np.nan
    return residual


def _prior_slope(errors: Floats, walk_px: float) -> Floats:
    """Return the derivative of a walk's log probability by each of its values."""
    steps = np.diff(errors) / walk_px**2
    slope = np.zeros(len(errors))
    slope[:-1] += steps
    slope[1:] -= steps
    return slope


def _parabola(
    profile: Floats, path: NDArray[np.int64], reach: Floats, *, apart: int = _PER_PX
) -> tuple[Floats, Floats]:
    """Return the offset of each path's maximum between steps, and the curvature there from `apart` steps."""
    n, step = np.arange(len(profile)), reach[1] - reach[0]
    inner = np.clip(path, 1, len(reach) - 2)
    before, here, after = profile[n, inner - 1], profile[n, inner], profile[n, inner + 1]
    bend = np.minimum(before - 2 * here + after, -1e-12)
    shift = np.where(inner == path, np.clip(0.5 * (before - after) / bend, -0.5, 0.5), 0)
    # Over a px either way: between samples a spline's own curvature is no evidence.
    left, right = np.clip(path - apart, 0, len(reach) - 1), np.clip(path + apart, 0, len(reach) - 1)
    curvature = 2 * profile[n, path] - profile[n, left] - profile[n, right]
    return reach[path] + shift * step, np.maximum(curvature, 1e-3)
