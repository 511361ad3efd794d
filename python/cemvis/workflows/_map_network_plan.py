"""How a window network is laid over the cells of a map: its samples, its tiles, and densely or one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import PixelSizeError
from cemvis.models.resnet_layout import CHANNELS, HIDDEN, PAPER_MARGIN, ResNetLayout
from cemvis.workflows._map_plan import CellGrid, cut
from cemvis.workflows._map_region import Square

SAMPLE_TOLERANCE = 0.1  # a sample may be this much larger or smaller than in training
STEP_MULTIPLE_PX = 8
NEAR_STEP = 0.25  # a step may be rounded by such a share of it for the sake of fewer passes
TILE_SAMPLES = 1024  # along the edge of a dense tile: 0.4 GB of activations
TILE_WINDOWS = 5  # or so many windows: what overlaps the next tile then costs little more than half of the tile
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

    A given step below the window is rounded to whole multiples of 8 px, and of a sample if one is near, where that
    makes a dense map; any other step is kept to the pixel.

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
        Pixels to hold at a time where windows are predicted one by one, if one window is not larger.
    batch : int or None
        Windows to predict at once; None for as many as keep the arrays small.
    """
    batch = batch or min(max(1, BATCH_SAMPLES // layout.window**2), LARGEST_BATCH)
    one_by_one = _work(layout, layout.window)
    rounded = _rounded(layout, grid) if step_given and grid.step_px < grid.window_px else grid
    if layout.padding == "none":
        count = _outputs_along(layout, rounded, tile_samples or _tile_samples(layout))
        if _work(layout, _tile_edge(layout, rounded.step_px, count)) / count**2 < one_by_one:
            side = count * _phases(layout, rounded.step_px)
            plan = NetworkPlan(layout, rounded, True, _edges(rounded, side), batch)
            return plan, _step_note(grid, rounded)
    side = max(1, (math.isqrt(block_px) - layout.window_px) // grid.step_px + 1)
    plan = NetworkPlan(layout, grid, False, _edges(grid, min(side, math.isqrt(BLOCK_CELLS))), batch)
    return plan, _price_note(layout, grid, rounded, one_by_one)


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
    rows, cols = (
        (corner < 0) | (corner + plan.field_px > side)
        for corner, side in zip(
            (
                plan.offset_px + plan.grid.step_px * np.arange(*span)
                for span in ((first, last), (0, plan.grid.shape[1]))
            ),
            plan.grid.image_shape,
            strict=True,
        )
    )
    return rows[:, np.newaxis] | cols


def _rounded(layout: ResNetLayout, grid: CellGrid) -> CellGrid:
    """Return `grid` with a step of whole multiples of 8 px; of whole samples, too, where that is near what was asked.

    A step of whole samples needs the fewest passes. With 7 px to a sample it is at least 56 px, far from 8.
    """
    steps = [
        max(1, round(grid.step_px / multiple)) * multiple
        for multiple in (math.lcm(STEP_MULTIPLE_PX, layout.downsample), STEP_MULTIPLE_PX)
    ]
    near = abs(steps[0] - grid.step_px) <= grid.step_px * NEAR_STEP
    return replace(grid, step_px=steps[0] if near else steps[1])


def _phases(layout: ResNetLayout, step_px: int) -> int:
    return layout.stride_px // math.gcd(step_px, layout.stride_px)


def _outputs_along(layout: ResNetLayout, grid: CellGrid, tile_samples: int) -> int:
    """Return how many outputs of a pass along each axis are cells', in a tile of at most `tile_samples` samples."""
    phases = _phases(layout, grid.step_px)
    apart = phases * grid.step_px // layout.downsample
    fitting = max(1, (tile_samples - layout.window) // apart + 1)
    return min(fitting, -(-max(grid.shape) // phases))


def _tile_samples(layout: ResNetLayout) -> int:
    return max(TILE_SAMPLES, TILE_WINDOWS * layout.window)


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


def _price_note(layout: ResNetLayout, grid: CellGrid, rounded: CellGrid, one_by_one: float) -> tuple[str, ...]:
    """Return a line on how much a dense model of the same fineness would save, if that is much."""
    if layout.padding == "none" or grid.step_px >= grid.window_px:
        return ()
    pooled = max(1, (layout.window - layout.field) // layout.stride + 1)
    dense = ResNetLayout.dense(pooled=pooled, downsample=layout.downsample, stem_pool=layout.stem_pool)
    count = _outputs_along(dense, rounded, _tile_samples(dense))
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
