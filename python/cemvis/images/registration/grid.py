"""Which tiles of the after-image are matched: grids that cover what the before-image shows of each piece."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cemvis.images.registration.fit import Pieces
from cemvis.images.registration.levels import Level
from cemvis.images.registration.result import RegistrationConfig
from cemvis.images.registration.tiles import LEAST_TILE_PX, TileJob, spread

Floats = NDArray[np.float64]

Box = tuple[tuple[int, int], tuple[int, int]]
"""First and last column, first and last row."""

_SHARES = (0.5, 0.05)
_SHOWN_STEP_PX, _SHOWN_POINTS = 20, (33, 400)  # how closely a piece is looked at along an edge


def tile_corners(
    x_px: tuple[float, float], y_px: tuple[float, float], shape: tuple[int, int], step_px: float
) -> NDArray[np.int64]:
    """Return the first column and row, (n, 2), of tiles (rows, cols) that cover the pixels from first to last."""
    xs = spread(*x_px, side_px=shape[1], step_px=step_px)
    ys = spread(*y_px, side_px=shape[0], step_px=step_px)
    return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)


def tile_jobs(
    pair: tuple[Level, Level], pieces: Pieces, config: RegistrationConfig, expect: Callable[[Floats], Floats]
) -> list[TileJob]:
    """Return the tiles of each piece, inside it, that lie on the before-image for the most part; none in slivers."""
    before, after = pair
    step = config.step_for(after.shape)
    jobs = []
    for rows_px in _inner(pieces.y_edges, after):
        for columns_px in _inner(pieces.x_edges, after):
            box, widest = _shown(columns_px, rows_px, expect, before.shape)
            (left, right), (top, bottom) = box
            shape = _tile_edge(bottom - top + 1, config), _tile_edge(right - left + 1, config)
            if min(shape) < LEAST_TILE_PX:
                continue
            near = min(step, 0.75 * min(shape)) if min(shape) < config.tile_px else step
            # Where the before-image's edge runs askew, more tiles follow it: they need not lie on it altogether.
            outer = tile_corners(*widest, shape, near)
            outer = outer[((outer == outer.min(axis=0)) | (outer == outer.max(axis=0))).any(axis=1)]
            inner = tile_corners(*box, shape, near)
            beyond = ((outer < inner.min(axis=0)) | (outer > inner.max(axis=0))).any(axis=1)
            corners = np.concatenate([inner, outer[beyond]])
            jobs.append(TileJob(corners, shape, expect))
    return jobs


def _tile_edge(extent_px: int, config: RegistrationConfig) -> int:
    """Return the edge of tiles in a piece: half of a narrow piece, so that two say how the field changes across it."""
    if extent_px >= 2 * config.tile_px:
        return config.tile_px
    return min(extent_px, max(extent_px // 2, config.tile_px * 3 // 8))


def _inner(edges: Floats, after: Level) -> list[tuple[int, int]]:
    """Return the first and last whole pixel of the after-level in each piece."""
    level = (edges + 0.5) / after.factor - 0.5
    return [(math.ceil(a), math.floor(b)) for a, b in itertools.pairwise(level)]


def _shown(
    x_px: tuple[int, int], y_px: tuple[int, int], expect: Callable[[Floats], Floats], shape: tuple[int, int]
) -> list[Box]:
    """Return the parts of a piece that the before-image shows, by bounding boxes: for the most part, and at all.

    All of the piece if the before-image shows none of it. So a strip at the mosaic's edge gets tiles that fit it.
    """
    xs, ys = (np.linspace(a, b, int(np.clip((b - a) // _SHOWN_STEP_PX, *_SHOWN_POINTS))) for a, b in (x_px, y_px))
    grid = expect(np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)).reshape(len(ys), len(xs), 2)
    inside = ((grid >= 0) & (grid <= np.array([shape[1], shape[0]]) - 1)).all(axis=-1)
    if not inside.any():
        return [(x_px, y_px)] * 2
    boxes = []
    for share in _SHARES:
        # That share of what any row or column shows has to be there: a rotated edge cuts a wedge from the box.
        columns = np.flatnonzero(inside.sum(axis=0) >= inside.sum(axis=0).max() * share)
        rows = np.flatnonzero(inside.sum(axis=1) >= inside.sum(axis=1).max() * share)
        boxes.append(
            (
                (math.ceil(xs[columns[0]]), math.floor(xs[columns[-1]])),
                (math.ceil(ys[rows[0]]), math.floor(ys[rows[-1]])),
            )
        )
    return boxes
