"""The pass over a mosaic: sums of the pixels in every window, and an overview of the image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.kernels.tiling import window_sums_grid
from cemvis.workflows._map_plan import Block, CellGrid, Plan
from cemvis.workflows._map_read import StripeReader, read_ahead
from cemvis.workflows._map_region import Square, reach, wholly_wanted
from cemvis.workflows._map_store import GridFile, WorkFolder

if TYPE_CHECKING:
    from cemvis.images.micrograph import Micrograph

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class WindowGrids:
    """What the pass leaves in the work folder.

    Attributes
    ----------
    total : GridFile
        uint64, sum of the pixels of each window.
    inside : GridFile or None
        uint8, 1 where the whole window lies in the region of interest; None without a mask.
    around : GridFile or None
        uint8, 1 where all that a network reads for the cell lies in the mosaic and in the region of interest; None
        without a mask, or if it reads no further than the cell.
    overview : GridFile
        float32, mean grey level over squares of the plan's `overview_factor`.
    """

    total: GridFile
    inside: GridFile | None
    around: GridFile | None
    overview: GridFile

    @staticmethod
    def kinds(
        grid: CellGrid, plan: Plan, *, masked: bool, field: Square | None
    ) -> dict[str, tuple[tuple[int, int], str]]:
        """Return shape and type of each grid by its name, for the work folder."""
        kinds = {"total": (grid.shape, "uint64"), "overview": (plan.overview_shape, "float32")}
        if masked:
            kinds["inside"] = (grid.shape, "uint8")
        if masked and field is not None:
            kinds["around"] = (grid.shape, "uint8")
        return kinds

    @classmethod
    def in_folder(cls, work: WorkFolder) -> WindowGrids:
        """Return the grids in `work`."""
        return cls(work.grids["total"], work.grids.get("inside"), work.grids.get("around"), work.grids["overview"])


def sum_windows(
    micrograph: Micrograph,
    mask: Micrograph | None,
    grid: CellGrid,
    plan: Plan,
    work: WorkFolder,
    grids: WindowGrids,
    *,
    field: Square | None,
    finished: set[int],
    threads: int,
    progress: Progress | None,
) -> None:
    """Fill `grids` block by block, leaving out the blocks that are `finished`.

    With a `field` the mask is read as far as the fields of a block's cells reach.

    An interrupt between or within blocks leaves finished blocks and their journal as they are.
    """
    images = StripeReader(micrograph, row_multiple=plan.row_multiple, threads=threads)
    masks = None if mask is None else StripeReader(mask, row_multiple=plan.row_multiple, threads=threads)

    def read(number: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        block = plan.blocks[number]
        window = (block.top, block.left, block.bottom, block.right)
        return images.read(*window), None if masks is None else masks.read(*reach(block, grid, squares))

    squares = [Square.cell(grid), *([] if field is None else [field])]
    todo = [number for number in range(len(plan.blocks)) if number not in finished]
    if progress is not None:
        progress(len(plan.blocks) - len(todo), len(plan.blocks))
    try:
        with closing(read_ahead(read, todo)) as read_blocks:  # so that no thread reads on after an error or Ctrl-C
            for done, (number, (pixels, wanted)) in enumerate(read_blocks, start=1):
                block = plan.blocks[number]
                grids.total.write(block.cell_rows, block.cell_cols, _totals(pixels, block, grid, threads))
                if wanted is not None:
                    top, left, _, _ = reach(block, grid, squares)
                    _write_region((wanted != 0).view(np.uint8), top, left, block, grid, grids, field, threads)
                if block.over_rows.stop > block.over_rows.start and block.over_cols.stop > block.over_cols.start:
                    grids.overview.write(block.over_rows, block.over_cols, _overview(pixels, block, plan, threads))
                work.finish_block(number)
                if progress is not None:
                    progress(len(plan.blocks) - len(todo) + done, len(plan.blocks))
    finally:
        work.write_journal()


def _write_region(
    wanted: NDArray[np.uint8],
    top: int,
    left: int,
    block: Block,
    grid: CellGrid,
    grids: WindowGrids,
    field: Square | None,
    threads: int,
) -> None:
    """Write which cells of `block` lie in the region of interest, and which of their fields do."""
    for file, square in ((grids.inside, Square.cell(grid)), (grids.around, field)):
        if file is not None and square is not None:
            found = wholly_wanted(wanted, top, left, block=block, grid=grid, square=square, threads=threads)
            file.write(block.cell_rows, block.cell_cols, found)


def _totals(pixels: NDArray[Any], block: Block, grid: CellGrid, threads: int) -> NDArray[np.uint64]:
    """Return the sums over the windows of the cells of `block`."""
    rows, cols = (
        (cells.stop - cells.start - 1) * grid.step_px + grid.window_px for cells in (block.cell_rows, block.cell_cols)
    )
    sums = window_sums_grid(
        pixels[:rows, :cols], window_px=grid.window_px, step_px=grid.step_px, squares=False, threads=threads
    )
    return sums.total


def _overview(pixels: NDArray[Any], block: Block, plan: Plan, threads: int) -> NDArray[np.float64]:
    """Return the means over the squares of the overview that belong to `block`."""
    side = plan.overview_factor
    rows = slice(block.over_rows.start * side - block.top, block.over_rows.stop * side - block.top)
    cols = slice(block.over_cols.start * side - block.left, block.over_cols.stop * side - block.left)
    return window_sums_grid(pixels[rows, cols], window_px=side, step_px=side, squares=False, threads=threads).mean
