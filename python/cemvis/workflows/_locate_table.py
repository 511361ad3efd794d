"""The indenter's table for `cemvis locate`: its positions as the image sees them, batch by batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.batches import Batch, with_batches
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.table import IndentTable
from cemvis.errors import InputError, PixelSizeError
from cemvis.images.micrograph import Micrograph
from cemvis.workflows.indent_tables import IndentTablesConfig, read_indent_tables

Floats = NDArray[np.float64]

AXES = ("+x+y", "+x-y", "-x+y", "-x-y", "+y+x", "+y-x", "-y+x", "-y-x")
LEAST_PITCH_PX = 8.0
LEAST_TESTS = 4  # of a batch: fewer cannot be told from grains
_LARGEST_OFF = 0.3  # of the pitch, by which a table's own positions may differ from their lattice


@dataclass(frozen=True)
class StageTable:
    """Tests with their places in a frame that has the image's directions, in um.

    Attributes
    ----------
    table : IndentTable
        x right and y down as on the image, from an origin of its own; rows rise with y, columns with x.
    batches : tuple of Batch
    """

    table: IndentTable
    batches: tuple[Batch, ...]

    @property
    def positions_um(self) -> Floats:
        """X and y of all tests, (n, 2) float64."""
        return np.column_stack([self.table.x_um, self.table.y_um])

    @property
    def pitch_um(self) -> float:
        """The least distance between neighbours."""
        pitches = [value for batch in self.batches for value in batch.pitch_um if math.isfinite(value)]
        return min(pitches)

    def members(self, batch: Batch) -> NDArray[np.intp]:
        """Return the tests of a batch."""
        return np.flatnonzero(np.array(self.table.batch) == batch.name)


def read_stage_table(path: Path, config: IndentTablesConfig, *, axes: str) -> StageTable:
    """Read an indenter's file and bring its positions to the image's directions.

    Parameters
    ----------
    path : Path
    config : IndentTablesConfig
    axes : str
        Which of the stage's axes point right and down on the image, such as "+x-y" for a stage whose y points up.

    Raises
    ------
    InputError
        If there are no positions, a batch has fewer than four tests, or two tests are at one place of a batch.
    """
    table = read_indent_tables([path], config).table
    if not table.has_positions or len(table) < 4:
        msg = (
            f"{path} has {len(table)} tests, {'with' if table.has_positions else 'not all with'} a position; wanted at "
            "least 4 with x_um and y_um (`cemvis indents` with --grid and --pitch lays out tests without)"
        )
        raise InputError(msg)
    right, down = axes_matrix(axes) @ np.stack([table.x_um, table.y_um])
    table, batches = with_batches(replace(table, x_um=right, y_um=down), name=path.stem)
    _refuse_crowded(path, table)
    _refuse_strays(path, table, batches)
    return StageTable(table, tuple(batches))


def _refuse_crowded(path: Path, table: IndentTable) -> None:
    """Refuse two tests at one place of a batch."""
    seen: dict[tuple[str, int, int], str] = {}
    for name, batch, row, column in zip(table.id, table.batch, table.row, table.column, strict=True):
        place = batch, int(row), int(column)
        if place in seen:
            msg = (
                f"{path}: tests {seen[place]} and {name} are both at row {row}, column {column} of batch {batch}; "
                "wanted one test a place: are two grids in one batch, or is an area in the file twice?"
            )
            raise InputError(msg)
        seen[place] = name


def _refuse_strays(path: Path, table: IndentTable, batches: list[Batch]) -> None:
    """Refuse batches that are too small to be found."""
    small = [batch for batch in batches if batch.tests < LEAST_TESTS]
    if small:
        first = table.id[table.batch.index(small[0].name)]
        others = f", and {len(small) - 1} more such batches" if len(small) > 1 else ""
        msg = (
            f"{path}: batch {small[0].name} has {small[0].tests} of the {len(table)} tests (from test {first} on)"
            f"{others}; wanted at least {LEAST_TESTS} a batch: take out tests that stand by themselves, or state the "
            "grid (--grid)"
        )
        raise InputError(msg)


def axes_matrix(axes: str) -> NDArray[np.int64]:
    """Return the matrix from the stage's x and y to right and down on the image, (2, 2) int64, of axes like "+x-y"."""
    matrix = np.zeros((2, 2), np.int64)
    for n in (0, 1):
        matrix[n, "xy".index(axes[2 * n + 1])] = 1 if axes[2 * n] == "+" else -1
    return matrix


def axes_named(matrix: NDArray[np.int64]) -> str:
    """Return what `axes_matrix` takes."""
    return next(axes for axes in AXES if np.array_equal(axes_matrix(axes), matrix))


def pixel_size_um_of(image: Micrograph, path: Path) -> float:
    """Return the before-image's pixel size.

    Raises
    ------
    PixelSizeError
        If it is not known.
    """
    if image.pixel_size is None:
        msg = f"{path} does not say its pixel size; give one with its unit, for example --before-pixel-size '40 nm'"
        raise PixelSizeError(msg)
    return image.pixel_size.um


def check_extent(path: Path, stage: StageTable, shape: tuple[int, int], pixel_size_um: float) -> None:
    """Refuse a table that cannot lie on an image, and say which unit would explain it.

    Raises
    ------
    InputError
        If the indents span more than the image, or stand closer than 8 px.
    """
    span_um = np.ptp(stage.positions_um, axis=0)
    image_um = np.array(shape[::-1]) * pixel_size_um
    told = f"{path} spans {span_um[0]:g} x {span_um[1]:g} um, the mosaic {image_um[0]:.4g} x {image_um[1]:.4g} um"
    if (span_um > image_um).any():
        hint = "; do x_um and y_um hold nm?" if (span_um / 1000 <= image_um).all() else ""
        hint = hint or ": is this the mosaic, and its pixel size right?"
        msg = f"{told}; wanted positions in um that fit on it{hint}"
        raise InputError(msg)
    if stage.pitch_um / pixel_size_um < LEAST_PITCH_PX:
        hint = "; do x_um and y_um hold mm?" if stage.pitch_um < 0.5 else ""
        msg = f"{told}, and indents stand {stage.pitch_um / pixel_size_um:.2g} px apart; wanted at least 8 px{hint}"
        raise InputError(msg)


def expected_grid(batch: Batch, row: NDArray[np.int64], column: NDArray[np.int64], places_px: Floats) -> Grid:
    """Return the grid through expected places (n, 2) of a batch's tests, by least squares.

    Raises
    ------
    InputError
        If the places are far from any grid.
    """
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    present = np.zeros((rows, columns), bool)
    present[row, column] = True
    design = np.column_stack([np.ones(len(row)), column, row]).astype(np.float64)
    origin, across, down = _solved(design, places_px, rows, columns)
    left = np.hypot(*(places_px - design @ np.array([origin, across, down])).T)
    pitch = float(np.hypot(*across)), float(np.hypot(*down))
    if left.max() > _LARGEST_OFF * min(pitch):
        msg = (
            f"batch {batch.name}: a test lies {left.max() / min(pitch):.2f} pitches off the batch's grid; wanted the "
            "positions that were asked of the stage, on one grid a batch"
        )
        raise InputError(msg)
    return Grid(origin, pitch, math.atan2(across[1], across[0]), present)


def _solved(design: Floats, places_px: Floats, rows: int, columns: int) -> Floats:
    """Return origin and steps; a step that one line does not show stands at right angles to the other."""
    solution = np.asarray(np.linalg.lstsq(design, places_px, rcond=None)[0], dtype=np.float64)
    if columns == 1:
        solution[1] = [solution[2, 1], -solution[2, 0]]
    if rows == 1:
        solution[2] = [-solution[1, 1], solution[1, 0]]
    return solution
