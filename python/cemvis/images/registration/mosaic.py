"""How the after-image was stitched: the pieces between its seams."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cemvis.images.registration.field import DisplacementField
from cemvis.images.registration.fit import Pieces
from cemvis.images.registration.levels import Level
from cemvis.images.registration.result import RegistrationConfig
from cemvis.images.registration.seams import (
    LEAST_JUMP_PX,
    LEAST_PIECE_PX,
    SIDE_PX,
    Sides,
    find_intervals,
    refine,
    regular_beyond,
)
from cemvis.images.registration.tiles import LEAST_TILE_PX, TileJob, match_tiles, spread

Floats = NDArray[np.float64]
Pair = tuple[Level, Level]


SLICE_PX = (
    SIDE_PX,
    512,
)  # across and along a possible seam: short across, so that smooth changes do not look like jumps
SLICE_STEP_PX = 48
MOST_STRIPS, STRIP_STEP_PX = 24, 1024


def find_pieces(
    pair: Pair,
    field: DisplacementField,
    config: RegistrationConfig,
    threads: int,
    said: Callable[[str, int, int], None],
) -> Pieces:
    """Return the pieces between the after-image's seams, which show as jumps along whole columns or rows.

    Narrow slices of the after-image, in strips across it, are matched to where the smooth `field` expects them.
    """
    edges = []
    for axis, name in enumerate(("seams along columns", "seams along rows")):
        seams = _seams(pair, field, config, threads, said, (axis, name)) if config.seams else []
        inner = (np.array(seams, dtype=np.float64) + 0.5) * pair[1].factor - 0.5
        extent = field.after_shape[1 - axis]
        edges.append(np.concatenate([[-0.5], inner, [extent - 0.5]]))
    return Pieces(*edges)


def _seams(
    pair: Pair,
    field: DisplacementField,
    config: RegistrationConfig,
    threads: int,
    said: Callable[[str, int, int], None],
    which: tuple[int, str],
) -> list[float]:
    """Return where seams of one direction lie, in rising order, as edges between pixels of the after-level."""
    before, after = pair
    axis, name = which
    extent, length = after.shape[1 - axis], after.shape[axis]
    wide, tall = SLICE_PX[0], min(SLICE_PX[1], max(LEAST_TILE_PX, length // 6))
    if extent < 4 * wide or length < 4 * LEAST_TILE_PX:
        return []
    own = spread(0, extent - 1, side_px=wide, step_px=SLICE_STEP_PX)
    other = spread(0, length - 1, side_px=tall, step_px=min(STRIP_STEP_PX, max(tall, length // MOST_STRIPS)))
    other = other[np.unique(np.linspace(0, len(other) - 1, MOST_STRIPS).astype(int))]
    corners = np.stack(np.meshgrid(own, other), axis=-1).reshape(-1, 2)
    shape = (tall, wide)

    def predict(xy: Floats) -> Floats:
        return before.from_full(field.before_xy(after.to_full(xy)))

    job = TileJob(corners[:, ::-1], shape[::-1], predict) if axis else TileJob(corners, shape, predict)
    tiles = match_tiles(
        before,
        after,
        [job],
        reach_px=config.reach_px,
        threads=threads,
        progress=lambda done, steps: said(name, done, steps),
    )[0]
    good = np.isfinite(tiles.found_xy).all(axis=1)
    good &= (tiles.peak >= config.least_peak) & (tiles.contrast >= config.least_contrast)
    # Against the affine part alone: the field so far has been smoothed over the seams that are looked for.
    linear = DisplacementField.from_affine(field.affine, after_shape=field.after_shape, before_shape=field.before_shape)
    shift = tiles.found_xy - before.from_full(linear.before_xy(after.to_full(tiles.after_xy)))
    grid = (len(other), len(own))
    sides = Sides(shift.reshape(*grid, 2), good.reshape(grid), own, wide)

    def expect(xy: Floats) -> Floats:
        return before.from_full(linear.before_xy(after.to_full(xy)))

    strips = [(int(first), tall) for first in other]
    found = []
    for interval in find_intervals(sides):
        place = refine(before, after, expect, sides, interval, strips, transposed=axis == 1)
        if place is not None:
            found.append(place)
    return sorted([*found, *_slivers(pair, predict, expect, sides, strips, found, extent, transposed=axis == 1)])


def _slivers(
    pair: Pair,
    predict: Callable[[Floats], Floats],
    expect: Callable[[Floats], Floats],
    sides: Sides,
    strips: Sequence[tuple[int, int]],
    found: Sequence[float],
    extent: int,
    *,
    transposed: bool,
) -> list[float]:
    """Return further seams near the mosaic's edges, where equal images would have them and the shift does jump there.

    What lies beyond them is too narrow for the regular grid of tiles: it gets tiles of its own.
    """
    added = []
    for place in regular_beyond(sorted(found), extent):
        first = place < min(found)
        low, high = (0, int(place + 0.5)) if first else (int(place + 0.5), extent)
        wide = min(sides.side, high - low)
        if wide < LEAST_TILE_PX or high - low > LEAST_PIECE_PX:
            continue
        at = high - wide if first else low
        corners = np.array([(at, start) for start, _ in strips])
        shape = (strips[0][1], wide)
        if transposed:
            corners, shape = corners[:, ::-1], shape[::-1]
        tiles = match_tiles(*pair, [TileJob(corners, shape, predict)], reach_px=48, threads=1)[0]
        left, right = sides.beside(place, place)
        inner, there = sides.at(place, right if first else left)
        good = there & np.isfinite(tiles.found_xy).all(axis=1) & (tiles.peak > 0)
        jump = np.hypot(*(tiles.found_xy - expect(tiles.after_xy) - inner)[good].T)
        if len(jump) >= 3 and float(np.median(jump)) > LEAST_JUMP_PX:
            added.append(place)
    return added
