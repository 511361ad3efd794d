"""Counting the pairs of images, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from cemvis.analysis.correlation.counting import Counting, Window, count_window
from cemvis.analysis.correlation.tiles import Tile, core_side, tiles_of
from cemvis.analysis.correlation.two_point import Ensemble, TwoPointAccumulator
from cemvis.workflows._two_point_inputs import Image
from cemvis.workflows._two_point_read import LevelImage, Quantisation, open_levels

Progress = Callable[[str, int, int], None]

LEAST_SAMPLED_PX = 256


@dataclass(frozen=True)
class Tiling:
    """Side of the tiles' cores in px (0 if images were counted whole), how many were counted, and of how many."""

    side_px: int
    counted: int
    every: int


def count_images(
    images: Sequence[Image],
    what: Counting,
    *,
    quantisation: Quantisation,
    cross: Image | None = None,
    sample: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Ensemble, Tiling]:
    """Count the pairs of all images; memory is bounded by a tile, and what is counted.

    Parameters
    ----------
    images : sequence of Image
        One if there is `cross`.
    what : Counting
    quantisation : Quantisation
    cross : Image, optional
        Pairs of a pixel of the image and one of this.
    sample, seed : int, optional
        Count so many tiles of each image, drawn without replacement; all by default.
    progress : callable, optional
    """
    single = len(images) == 1 and not what.periodic
    gathered = TwoPointAccumulator("tiles" if single else "images")
    plans: list[list[Tile]] = []
    rng = np.random.default_rng(seed)
    side = every = 0
    for image in images:
        if what.periodic:
            plan = tiles_of(image.shape, 0, max(image.shape))
        else:
            side = core_side(image.shape, _reach(what), single=single)
            if sample is not None:
                side = min(side, max(LEAST_SAMPLED_PX, 2 * _reach(what)))
            plan = tiles_of(image.shape, _reach(what), side, around=cross is not None)
        every += len(plan)
        if sample is not None and sample < len(plan):
            plan = [plan[place] for place in np.sort(rng.choice(len(plan), sample, replace=False))]
        plans.append(plan)
    steps, done = sum(len(plan) for plan in plans), 0
    for number, (image, plan) in enumerate(zip(images, plans, strict=True)):
        with ExitStack() as stack:
            picture, mask = _opened(stack, image)
            second, second_mask = (None, None) if cross is None else _opened(stack, cross)
            for place, tile in enumerate(plan):
                window = _window(tile, (picture, mask), (second, second_mask), quantisation)
                gathered.add(count_window(window, what), unit=place if single else number)
                done += 1
                if progress is not None:
                    progress("counting pairs", done, steps)
    return gathered.ensemble(), Tiling(side, steps, every)


def _reach(what: Counting) -> int:
    return max(what.r_max, what.directional_px or 0)


def _opened(stack: ExitStack, image: Image) -> tuple[LevelImage, LevelImage | None]:
    picture = stack.enter_context(open_levels(image.path, pixel_size=image.pixel_size, quiet=True))
    mask = None
    if image.mask is not None:
        mask = stack.enter_context(open_levels(image.mask, info_bar=False, quiet=True))
    return picture, mask


def _window(
    tile: Tile,
    first: tuple[LevelImage, LevelImage | None],
    second: tuple[LevelImage | None, LevelImage | None],
    quantisation: Quantisation,
) -> Window:
    place = (tile.window_row, tile.window_col, tile.window_rows, tile.window_cols)
    valid = None if first[1] is None else first[1].valid(*place)
    other_valid = None if second[1] is None else second[1].valid(*place)
    levels = first[0].levels(*place, quantisation=quantisation, valid=valid)
    other = None
    if second[0] is not None:
        other = second[0].levels(*place, quantisation=quantisation, valid=other_valid)
    return Window(levels, tile.core, valid, other, other_valid)
