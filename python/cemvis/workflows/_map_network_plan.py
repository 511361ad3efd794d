"""How a window network is laid over the cells of a map: its samples, its tiles, and densely or one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError, PixelSizeError
from cemvis.kernels.tiling import LARGEST_WINDOW_PX
from cemvis.models.resnet_layout import CHANNELS, HIDDEN, PAPER_MARGIN, ResNetLayout
from cemvis.workflows._map_plan import CellGrid, cut
from cemvis.workflows._map_region import Square

SAMPLE_TOLERANCE = 0.1  # a sample may be this much larger or smaller than in training
STEP_MULTIPLE_PX = 8
NEAR_STEP = 0.125  # a step may be rounded by such a share of it for the sake of fewer passes
TILE_SAMPLES = 1024  # along the edge of a dense tile
TILE_WINDOWS = 5  # or so many windows: what overlaps the next tile then costs little more than half of the tile
LARGEST_TILE = 5000  # but no more, unless asked for: its features and their means take some 1.3 GB
LARGEST_POOLED = 256  # of a dense layout
BATCH_SAMPLES = 2**19  # in a batch of windows: eight of the paper's
LARGEST_BATCH = 256
BLOCK_CELLS = 512  # predicted one by one before a block is noted as finished
WORTH_SAYING = 2.0  # times cheaper a dense model must be to be spoken of


@dataclass(frozen=True)
class Tile:
    """Cells that are predicted from the same piece of the mosaic: rows `top` to `bottom` (left out), likewise columns.

    All numbers count cells.
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def cells(self) -> int:
        """Cells in the tile."""
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True)
class NetworkPlan:
    """How the outputs of a network are computed for a grid of cells.

    What the network reads for a cell, its field, is a square of whole pixels around the cell. Its first pixel lies
    ``(window_px - field_px) // 2`` from the cell's first, rounded down: half a pixel goes up and to the left.

    In a dense map the trunk runs over a whole tile, and outputs come `stride_px` apart. Cells whose distance is a whole
    multiple of that belong to one pass; the others are reached by passes that begin elsewhere, `phases` along each
    axis, and of each pass every `keep`-th output is a cell's.

    Attributes
    ----------
    layout : ResNetLayout
        The model's, with the downsampling that fits the mosaic's pixel size.
    grid : CellGrid
    dense : bool
    edges : (tuple of int, tuple of int)
        Of the tiles, in cells: along the rows and along the columns.
    batch : int
        Windows that the network is given at once where they are predicted one by one.
    """

    layout: ResNetLayout
    grid: CellGrid
    dense: bool
    edges: tuple[tuple[int, ...], tuple[int, ...]]
    batch: int

    @property
    def field_px(self) -> int:
        """Pixels of the mosaic along the edge of what the network reads."""
        return self.layout.window_px

    @property
    def offset_px(self) -> int:
        """From a cell's first pixel to its field's."""
        return (self.grid.window_px - self.field_px) // 2

    @property
    def beyond_the_cell(self) -> Square | None:
        """What the network reads for a cell; None if that lies within the cell."""
        field = Square(self.offset_px, self.field_px)
        return field if field.size_px > self.grid.window_px else None

    @property
    def phases(self) -> int:
        """Passes along each axis in which a tile is computed densely."""
        return _phases(self.layout, self.grid.step_px)

    @property
    def keep(self) -> int:
        """Of the outputs of a dense pass, every how many-th is a cell's."""
        return self.phases * self.grid.step_px // self.layout.stride_px

    @property
    def tile_samples(self) -> int:
        """Samples along the edge of the largest tile that a dense pass takes at once."""
        cells = max(edges[1] for edges in self.edges)  # the first part is the longest, see `cut`
        return _tile_edge(self.layout, self.grid.step_px, -(-cells // self.phases))

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles, row by row."""
        rows, cols = self.edges
        return tuple(Tile(top, left, bottom, right) for top, bottom in pairwise(rows) for left, right in pairwise(cols))


def fitted_layout(layout: ResNetLayout, *, pixel_size_um: float, model_pixel_size_um: float) -> ResNetLayout:
    """Return `layout` with the downsampling that gives samples of the size that the network was trained on.

    Raises
    ------
    PixelSizeError
        If no whole number of pixels comes within a tenth of it.
    """
    sample_um = model_pixel_size_um * layout.downsample
    downsample = max(1, round(sample_um / pixel_size_um))
    if downsample <= 64 and abs(downsample * pixel_size_um / sample_um - 1) <= SAMPLE_TOLERANCE + 1e-9:
        return replace(layout, downsample=downsample)
    # Around sample / n and sample / (n + 1) the tolerated sizes overlap from n = 5 on.
    listed = ", ".join(f"{1000 * sample_um / count:.3g}" for count in (4, 3, 2))
    msg = (
        f"at {pixel_size_um * 1000:.4g} nm/px no whole number of pixels makes one of the network's samples of "
        f"{sample_um * 1000:.4g} nm; wanted {listed} or {1000 * sample_um:.3g} nm/px to within "
        f"{SAMPLE_TOLERANCE:.0%}, or anything from {1000 * sample_um / 64:.2g} to "
        f"{1000 * (1 + SAMPLE_TOLERANCE) * sample_um / 5:.3g} nm/px"
    )
    raise PixelSizeError(msg)


def plan_network(
    layout: ResNetLayout,
    grid: CellGrid,
    *,
    step_given: bool,
    tile_samples: int | None,
    block_px: int,
    batch: int | None,
) -> tuple[NetworkPlan, tuple[str, ...]]:
    """Return how `grid` is computed with a network, in the cheaper of the two ways, and what there is to say about it.

    A given step below the window is rounded to whole multiples of 8 px where that makes a dense map, to the one that
    takes the fewest passes if several are near; any other step is kept to the pixel.

    Parameters
    ----------
    layout : ResNetLayout
        With the mosaic's downsampling.
    grid : CellGrid
    step_given : bool
        Whether somebody asked for the step; the window as a step is never rounded.
    tile_samples : int or None
        Along the edge of a dense tile, at most, if one window is not larger; None for what is not wasteful.
    block_px : int
        Pixels of the mosaic to hold at a time, if one window is not larger.
    batch : int or None
        Windows to predict at once; None for as many as keep the arrays small.

    Raises
    ------
    InputError
        If what the network reads for a cell is more than can be gathered.
    """
    if layout.window_px > LARGEST_WINDOW_PX:
        msg = (
            f"the network reads {layout.window_px:,} px along an edge at {grid.pixel_size_um * 1000:.4g} nm/px; wanted "
            f"at most {LARGEST_WINDOW_PX:,}: average the mosaic's pixels first, or check their size"
        )
        raise InputError(msg)
    batch = batch or min(max(1, BATCH_SAMPLES // layout.window**2), LARGEST_BATCH)
    one_by_one = _work(layout, layout.window)
    rounded = _rounded(layout, grid) if step_given and grid.step_px < grid.window_px else grid
    if layout.padding == "none":
        count = _outputs_along(layout, rounded, tile_samples or _tile_samples(layout), math.isqrt(block_px))
        if _work(layout, _tile_edge(layout, rounded.step_px, count)) / count**2 < one_by_one:
            side = count * _phases(layout, rounded.step_px)
            plan = NetworkPlan(layout, rounded, True, _edges(rounded, side), batch)
            return plan, (*_step_note(grid, rounded), *_passes_note(plan))
    side = max(1, (math.isqrt(block_px) - layout.window_px) // grid.step_px + 1)
    plan = NetworkPlan(layout, grid, False, _edges(grid, min(side, math.isqrt(BLOCK_CELLS))), batch)
    return plan, _price_note(layout, grid, rounded, one_by_one, math.isqrt(block_px))


def how_computed(plan: NetworkPlan) -> str:
    """Return in words how a map is computed."""
    if not plan.dense:
        return "window by window"
    passes = f"{plan.phases**2} passes over each tile" if plan.phases > 1 else "one pass over each tile"
    return f"densely, in {passes}"


def in_words(plan: NetworkPlan) -> str:
    """Return what the network reads for a cell, and how it is computed."""
    field_um = plan.field_px * plan.grid.pixel_size_um
    return f"reads {plan.field_px} px ({field_um:.4g} um) around each cell, computed {how_computed(plan)}"


def at_border(plan: NetworkPlan, first: int, last: int) -> NDArray[np.bool_]:
    """Return which cells of the rows `first` to `last` (left out) have a field that leaves the mosaic, (rows, cols)."""
    rows, cols = _leaving(plan)
    return rows[first:last, np.newaxis] | cols


def some_inside(plan: NetworkPlan) -> bool:
    """Return whether any cell has all of its field in the mosaic."""
    return not any(leaving.all() for leaving in _leaving(plan))


def _leaving(plan: NetworkPlan) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows, and which columns, of cells have a field that leaves the mosaic."""
    corners = (plan.offset_px + plan.grid.step_px * np.arange(count) for count in plan.grid.shape)
    rows, cols = (
        (corner < 0) | (corner + plan.field_px > side)
        for corner, side in zip(corners, plan.grid.image_shape, strict=True)
    )
    return rows, cols


def _rounded(layout: ResNetLayout, grid: CellGrid) -> CellGrid:
    """Return `grid` with a step of whole multiples of 8 px: of those near what was asked the one of fewest passes.

    With two of as many passes it is the nearer one, and with none near enough the nearest of all.
    """

    def away(step_px: int) -> int:
        return abs(step_px - grid.step_px)

    steps = range(STEP_MULTIPLE_PX, grid.window_px + STEP_MULTIPLE_PX, STEP_MULTIPLE_PX)
    near = [step_px for step_px in steps if away(step_px) <= grid.step_px * NEAR_STEP]
    nearest = min(map(away, steps))
    near = near or [step_px for step_px in steps if away(step_px) == nearest]
    return replace(grid, step_px=min(near, key=lambda step_px: (_phases(layout, step_px), away(step_px))))


def _phases(layout: ResNetLayout, step_px: int) -> int:
    return layout.stride_px // math.gcd(step_px, layout.stride_px)


def _outputs_along(layout: ResNetLayout, grid: CellGrid, tile_samples: int, side_px: int) -> int:
    """Return how many outputs of a pass along each axis are cells'.

    A pass has at most `tile_samples` samples along each axis, and all passes together `side_px` pixels of the mosaic,
    if one window is not larger.
    """
    phases = _phases(layout, grid.step_px)
    apart = phases * grid.step_px // layout.downsample
    in_samples = (tile_samples - layout.window) // apart + 1
    in_pixels = ((min(side_px, LARGEST_WINDOW_PX) - layout.window_px) // grid.step_px + 1) // phases
    return min(max(1, min(in_samples, in_pixels)), -(-max(grid.shape) // phases))


def _tile_samples(layout: ResNetLayout) -> int:
    """Return the samples along the edge of a tile that is neither wasteful nor large."""
    return min(max(TILE_SAMPLES, TILE_WINDOWS * layout.window), LARGEST_TILE)


def _tile_edge(layout: ResNetLayout, step_px: int, count: int) -> int:
    apart = _phases(layout, step_px) * step_px // layout.downsample
    return layout.window + (count - 1) * apart


def _edges(grid: CellGrid, side: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rows, cols = (tuple(cut(count, -(-count // side))) for count in grid.shape)
    return rows, cols


def _step_note(grid: CellGrid, rounded: CellGrid) -> tuple[str, ...]:
    if rounded.step_px == grid.step_px:
        return ()
    return (
        f"the step was rounded from {grid.step_um:.4g} to {rounded.step_um:.4g} um: dense maps have steps of whole "
        f"multiples of {STEP_MULTIPLE_PX} px, here {rounded.step_px} px",
    )


def _passes_note(plan: NetworkPlan) -> tuple[str, ...]:
    """Return a line on the nearest step that takes the fewest passes, if `plan` takes more."""
    layout, grid = plan.layout, plan.grid
    steps = range(STEP_MULTIPLE_PX, max(grid.window_px, 2 * grid.step_px) + 1, STEP_MULTIPLE_PX)
    fewest = min(_phases(layout, step_px) for step_px in steps)
    if fewest == plan.phases:
        return ()
    cheap = [step_px for step_px in steps if _phases(layout, step_px) == fewest]
    step_px = min(cheap, key=lambda step_px: abs(step_px - grid.step_px))
    passes = "1 pass" if fewest == 1 else f"{fewest**2} passes"
    return (
        f"at a step of {step_px * grid.pixel_size_um:.4g} um, {step_px} px, this takes {passes} of the network "
        f"instead of {plan.phases**2}",
    )


def _price_note(
    layout: ResNetLayout, grid: CellGrid, rounded: CellGrid, one_by_one: float, side_px: int
) -> tuple[str, ...]:
    """Return a line on how much a dense model of the same fineness would save, if that is much."""
    if layout.padding == "none" or grid.step_px >= grid.window_px:
        return ()
    pooled = min(max(1, (layout.window - layout.field) // layout.stride + 1), LARGEST_POOLED)
    dense = ResNetLayout.dense(pooled=pooled, downsample=layout.downsample, stem_pool=layout.stem_pool)
    count = _outputs_along(dense, rounded, _tile_samples(dense), side_px)
    times = one_by_one / (_work(dense, _tile_edge(dense, rounded.step_px, count)) / count**2)
    if times < WORTH_SAYING:
        return ()
    return (
        "each cell is predicted from a window of its own, since this network pads its windows; a dense model "
        f"(`cemvis train --dense`) would be about {times:.2g} times cheaper at this step",
    )


def _work(layout: ResNetLayout, edge: int) -> float:
    """Return the multiplications that the trunk takes over a square of `edge` samples, and one head."""
    around = int(layout.padding == "zero")
    edge += 2 * PAPER_MARGIN * around - 2
    work = 9 * CHANNELS[0] * edge**2
    if layout.stem_pool:
        edge = _after(edge, 2, around)
    for come, go in pairwise(CHANNELS):
        step = 1 if come == go else 2
        edge = _after(edge, step, around)
        work += 9 * come * go * edge**2
        edge = _after(edge, 1, around)
        work += (9 * go * go + (come * go if step == 2 else 0)) * edge**2
    return float(work + CHANNELS[-1] * HIDDEN)


def _after(edge: int, step: int, around: int) -> int:
    """Return how many samples are left along an edge by a 3 x 3 layer."""
    return (edge + 2 * around - 3) // step + 1
