"""Which cells of a map lie in the region of interest, and which of the squares that a network reads for them do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.kernels.tiling import window_sums_grid
from cemvis.workflows._map_plan import Block, CellGrid


@dataclass(frozen=True)
class Square:
    """A square of pixels that goes with each cell: the cell itself, or what a network reads for it.

    Attributes
    ----------
    offset_px : int
        From the cell's first pixel to the square's, along either axis.
    size_px : int
    """

    offset_px: int
    size_px: int

    @classmethod
    def cell(cls, grid: CellGrid) -> Square:
        """Return the cell itself."""
        return cls(0, grid.window_px)

    @property
    def end_px(self) -> int:
        """From the cell's first pixel to the first behind the square."""
        return self.offset_px + self.size_px


def reach(block: Block, grid: CellGrid, squares: Sequence[Square]) -> tuple[int, int, int, int]:
    """Return the pixels that the `squares` of the cells of `block` cover in the mosaic: top, left, bottom, right."""
    (top, bottom), (left, right) = (
        (
            max(0, cells.start * grid.step_px + min(each.offset_px for each in squares)),
            min(side, (cells.stop - 1) * grid.step_px + max(each.end_px for each in squares)),
        )
        for cells, side in zip((block.cell_rows, block.cell_cols), grid.image_shape, strict=True)
    )
    return top, left, bottom, right


def wholly_wanted(
    wanted: NDArray[np.uint8], top: int, left: int, *, block: Block, grid: CellGrid, square: Square, threads: int
) -> NDArray[np.bool_]:
    """Return which cells of `block` have a `square` that lies in the mosaic and is wanted in every pixel.

    Parameters
    ----------
    wanted : (rows, cols) uint8
        1 where the mosaic is to be mapped, else 0; its first pixel is that of the mosaic in row `top`, column `left`.
    """
    found = np.zeros([cells.stop - cells.start for cells in (block.cell_rows, block.cell_cols)], bool)
    rows, down = _in_mosaic(block.cell_rows, grid.image_shape[0], top, grid, square)
    cols, across = _in_mosaic(block.cell_cols, grid.image_shape[1], left, grid, square)
    if rows.stop > rows.start and cols.stop > cols.start:
        sums = window_sums_grid(
            wanted[down, across], window_px=square.size_px, step_px=grid.step_px, squares=False, threads=threads
        )
        found[rows, cols] = sums.total == square.size_px**2
    return found


def _in_mosaic(cells: slice, side: int, begin: int, grid: CellGrid, square: Square) -> tuple[slice, slice]:
    """Return which of `cells` have all of their square in a mosaic of `side` pixels, and the pixels of these squares.

    Cells are counted from the block's first one, pixels from `begin`.
    """
    first = max(cells.start, -(square.offset_px // grid.step_px))
    last = min(cells.stop, (side - square.end_px) // grid.step_px + 1)
    at = first * grid.step_px + square.offset_px - begin
    return slice(first - cells.start, last - cells.start), slice(
        at, at + (last - 1 - first) * grid.step_px + square.size_px
    )
