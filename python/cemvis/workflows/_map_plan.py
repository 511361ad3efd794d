"""Where the cells of a map lie, and the blocks of pixels that a mosaic is read in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import positive
from cemvis.errors import InputError, PixelSizeError, PixelSizeWarning

SMALLEST_WINDOW_PX = 8
PIXEL_SIZE_TOLERANCE = 1.5  # a mean over a window changes little within this factor
BLOCK_BYTES = 64 * 2**20
BYTES_PER_CELL = 16  # sums of the image and of the mask, 8 bytes each
OVERVIEW_SIDE_PX = 1024


@dataclass(frozen=True)
class CellGrid:
    """Cells of a map: square windows of whole pixels, a whole number of pixels apart.

    Only windows that lie wholly inside the image are cells; what is left over at the right and at the bottom
    belongs to none. The origin is the centre of the top-left pixel, x to the right and y down.

    Attributes
    ----------
    image_shape : tuple of int
        Pixels of the mosaic, (rows, cols).
    pixel_size_um : float
        Side of a pixel in um.
    window_px, step_px : int
        Side of a window and distance between neighbouring windows, in pixels.
    """

    image_shape: tuple[int, int]
    pixel_size_um: float
    window_px: int
    step_px: int

    @property
    def shape(self) -> tuple[int, int]:
        """Cells, (rows, cols)."""
        rows, cols = ((side - self.window_px) // self.step_px + 1 for side in self.image_shape)
        return rows, cols

    @property
    def covered_px(self) -> tuple[int, int]:
        """Pixels from the first window's edge to the last one's, (rows, cols)."""
        rows, cols = ((count - 1) * self.step_px + self.window_px for count in self.shape)
        return rows, cols

    @property
    def left_over_px(self) -> tuple[int, int]:
        """Pixels that no window reaches, (at the bottom, at the right)."""
        bottom, right = (side - covered for side, covered in zip(self.image_shape, self.covered_px, strict=True))
        return bottom, right

    @property
    def window_um(self) -> float:
        """Side of a window in um, after rounding to whole pixels."""
        return self.window_px * self.pixel_size_um

    @property
    def step_um(self) -> float:
        """Distance between neighbouring cells in um, after rounding to whole pixels."""
        return self.step_px * self.pixel_size_um

    def centres_um(self, first: int, last: int) -> NDArray[np.float64]:
        """Centres of the cells `first` to `last` (left out) along either axis, in um."""
        centres = np.arange(first, last, dtype=np.float64) * self.step_px + (self.window_px - 1) / 2
        return centres * self.pixel_size_um


def cell_grid(
    image_shape: tuple[int, int], pixel_size_um: float, *, window_um: float, step_um: float | None
) -> CellGrid:
    """Return the grid of cells of about `window_um` x `window_um`, about `step_um` (default: the window) apart.

    Raises
    ------
    PixelSizeError
        If a window would be smaller than 8 px or larger than the image.
    InputError
        If the step is not a number above 0, under half a pixel, or larger than the image.
    """
    window_px = round(window_um / pixel_size_um)
    if window_px < SMALLEST_WINDOW_PX:
        msg = (
            f"at {pixel_size_um:g} um/px the model's window of {window_um:g} um is {window_um / pixel_size_um:.3g} px "
            f"wide; wanted at least {SMALLEST_WINDOW_PX} px: is the unit of the pixel size right (nm, um)?"
        )
        raise PixelSizeError(msg)
    if window_px > min(image_shape):
        rows, cols = image_shape
        msg = (
            f"at {pixel_size_um:g} um/px the model's window of {window_um:g} um is {window_px} px wide, larger than "
            f"the image of {rows} x {cols} px: is the unit of the pixel size right (nm, um)?"
        )
        raise PixelSizeError(msg)
    step_px = window_px if step_um is None else round(positive(step_um, name="the step in um") / pixel_size_um)
    if step_px < 1:
        msg = f"the step of {step_um:g} um is under half a pixel ({pixel_size_um:g} um); wanted one pixel or more"
        raise InputError(msg)
    if step_px > max(image_shape):
        rows_um, cols_um = (side * pixel_size_um for side in image_shape)
        msg = (
            f"the step of {step_um:g} um is larger than the image of {rows_um:.4g} x {cols_um:.4g} um "
            "(rows x columns); wanted the distance between neighbouring cells"
        )
        raise InputError(msg)
    return CellGrid((int(image_shape[0]), int(image_shape[1])), float(pixel_size_um), window_px, step_px)


def pixel_size_warning(pixel_size_um: float, model_pixel_size_um: float) -> PixelSizeWarning | None:
    """Return a warning if the pixel size is further from the model's than a mean grey level tolerates."""
    ratio = pixel_size_um / model_pixel_size_um
    if 1 / PIXEL_SIZE_TOLERANCE <= ratio <= PIXEL_SIZE_TOLERANCE:
        return None
    return PixelSizeWarning(
        f"the mosaic has {pixel_size_um * 1000:g} nm/px, the model was trained at {model_pixel_size_um * 1000:g} nm/px "
        f"(a factor of {max(ratio, 1 / ratio):.3g}): check the pixel size, and trust the values less"
    )


@dataclass(frozen=True)
class Block:
    """Cells that are computed together, and the pixels they need.

    Attributes
    ----------
    cell_rows, cell_cols : slice
        The cells, in the grid.
    over_rows, over_cols : slice
        The pixels of the overview that this block fills.
    top, left, bottom, right : int
        The pixels to read: rows top to bottom (left out), columns left to right (left out).
    """

    cell_rows: slice
    cell_cols: slice
    over_rows: slice
    over_cols: slice
    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Plan:
    """Blocks in reading order: stripe after stripe, and from top to bottom within a stripe.

    Attributes
    ----------
    blocks : tuple of Block
    overview_factor : int
        Side in pixels of the squares that the overview averages over.
    overview_shape : tuple of int
        Pixels of the overview, (rows, cols).
    row_multiple : int
        Reads should end at a multiple of this many rows, where stored chunks do.
    """

    blocks: tuple[Block, ...]
    overview_factor: int
    overview_shape: tuple[int, int]
    row_multiple: int


def plan_blocks(grid: CellGrid, chunk_shape: tuple[int, int], *, block_px: int, block_cells: int) -> Plan:
    """Cut `grid` into blocks so that each stored chunk of the mosaic is decoded about once.

    A block spans the whole width where that stays within `block_px` pixels, or where the image is stored in strips;
    else the width is cut into stripes. No block has more than `block_cells` cells: where cells are as dense as pixels,
    their sums take more memory than the pixels do. From band to band of a stripe a `StripeReader` keeps the rows it
    has, so that only chunks at the border between stripes are met twice.
    """
    factor = max(1, math.ceil(max(grid.covered_px) / OVERVIEW_SIDE_PX))
    rows, cols = grid.shape
    chunk_rows, chunk_cols = chunk_shape
    if chunk_rows * min(chunk_cols, grid.image_shape[1]) > block_px // 2:
        chunk_rows = 1  # so large a chunk cannot be kept: it is read piece by piece
    halo = chunk_rows + factor  # rows that a band may have to read, or keep, beyond its own cells

    widest = max(block_px // (grid.window_px + halo), grid.window_px + chunk_cols)
    stripes = 1 if chunk_cols >= grid.image_shape[1] else math.ceil(grid.covered_px[1] / widest)
    col_edges = cut(cols, min(max(stripes, math.ceil(cols / block_cells)), cols))
    width = (col_edges[1] - col_edges[0]) * grid.step_px + grid.window_px
    cell_rows = (block_px // width - halo - grid.window_px) // grid.step_px + 1
    cell_rows = max(1, min(cell_rows, block_cells // col_edges[1]))
    row_edges = [*range(0, rows, cell_rows), rows]

    over_rows, over_cols = (covered // factor for covered in grid.covered_px)
    blocks = []
    for first_col, last_col in pairwise(col_edges):
        for first_row, last_row in pairwise(row_edges):
            down, bottom = _along(grid, first_row, last_row, last_row == rows, factor, over_rows)
            across, right = _along(grid, first_col, last_col, last_col == cols, factor, over_cols)
            blocks.append(
                Block(
                    slice(first_row, last_row),
                    slice(first_col, last_col),
                    down,
                    across,
                    first_row * grid.step_px,
                    first_col * grid.step_px,
                    bottom,
                    right,
                )
            )
    return Plan(tuple(blocks), factor, (over_rows, over_cols), chunk_rows)


def cut(length: int, parts: int) -> list[int]:
    """Return the edges of `parts` nearly equal parts of `length`, the first one the longest."""
    return [-(-length * part // parts) for part in range(parts + 1)]


def _along(grid: CellGrid, first: int, last: int, ends: bool, factor: int, over_count: int) -> tuple[slice, int]:
    """Return what a block of cells `first` to `last` fills of the overview along one axis, and where its pixels end.

    A square of the overview belongs to the block in whose own pixels, up to the next block's first, it begins.
    """
    over_first = -(-first * grid.step_px // factor)
    over_last = over_count if ends else min(over_count, -(-last * grid.step_px // factor))
    end = max((last - 1) * grid.step_px + grid.window_px, over_last * factor)
    return slice(over_first, max(over_first, over_last)), end
