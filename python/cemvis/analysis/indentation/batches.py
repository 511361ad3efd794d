"""Batches of tests and the order within them, inferred from positions, or laid out from a stated pitch and shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import positive
from cemvis.analysis.indentation.lattice import Lattice, lattice_of
from cemvis.analysis.indentation.table import Floats, IndentTable, Integers
from cemvis.errors import InputError

RASTER, SERPENTINE, IRREGULAR = "raster", "serpentine", "irregular"
ORDERS = (RASTER, SERPENTINE)
_SAME_LINE = 0.5  # of a pitch
_LARGEST_GAP = 4.5  # pitches that tests left out may leave within a line
_ENDS_APART = 2.5  # pitches by which the ends of two lines of one batch may differ
_LEAST_ORDERED = 0.5  # share of the steps from test to test that are one pitch along an axis


@dataclass(frozen=True)
class Batch:
    """One grid of tests.

    Attributes
    ----------
    name : str
    tests, rows, columns : int
        Rows are counted along y, columns along x.
    pitch_um : tuple of float
        Between columns and between rows; NaN where there is one only.
    angle_deg : float
        From x to the rows' direction, towards y.
    order : str
        "raster" (every line in the same direction), "serpentine" (to and fro) or "irregular".
    first : str
        The direction of the first line, and of the steps from line to line, for example "+x, then -y"; empty where
        there is none.
    """

    name: str
    tests: int
    rows: int
    columns: int
    pitch_um: tuple[float, float]
    angle_deg: float
    order: str
    first: str

    def to_text(self) -> str:
        """Return the batch in words."""
        pitch = " x ".join(dict.fromkeys(f"{value:.4g}" for value in self.pitch_um if math.isfinite(value)))
        apart = f", {pitch} um apart" if pitch else ""
        turned = f", turned by {self.angle_deg:.2f} degrees" if abs(self.angle_deg) >= 0.005 else ""
        way = f" ({self.first})" if self.first else ""
        missing = self.rows * self.columns - self.tests
        lacking = f", {missing} places without a test" if missing else ""
        return f"{self.name}: {self.rows} rows x {self.columns} columns{apart}{turned}, {self.order}{way}{lacking}"


@dataclass(frozen=True)
class _Line:
    """Consecutive tests along the fast axis: which, from where to where, at which place of the slow axis."""

    tests: NDArray[np.intp]
    low: float
    high: float
    at: float
    sign: int


def with_batches(
    table: IndentTable, *, name: str, shape: tuple[int, int] | None = None
) -> tuple[IndentTable, list[Batch]]:
    """Return the table with batch, row and column of each test, and what was found.

    Batches that the file names are kept. Others end where the order of the tests leaves a grid: a line that does not
    lie beside the last one. Tests that are in no such order are grouped by the gaps between them.

    Parameters
    ----------
    table : IndentTable
        With a position for every test.
    name : str
        Of the only batch; several are called ``name-1`` and so on.
    shape : tuple of int, optional
        Rows and columns of every batch; consecutive tests are then split by it.

    Raises
    ------
    InputError
        If a position is missing, or the tests do not fill batches of `shape`.
    """
    if not table.has_positions:
        missing = int(np.count_nonzero(~np.isfinite(table.x_um + table.y_um)))
        msg = f"{name}: {missing} of {len(table)} tests have no position; wanted one for each to find their batches"
        raise InputError(msg)
    xy = np.column_stack([table.x_um, table.y_um])
    lattice = lattice_of(xy) if len(xy) > 1 else Lattice(0.0, (math.nan, math.nan))
    groups, names = _groups(table, lattice.along(xy), lattice, name, shape)
    row, column = np.full(len(table), -1, np.int64), np.full(len(table), -1, np.int64)
    batch, found = np.full(len(table), "", object), []
    for called, group in zip(names, groups, strict=True):
        own = lattice_of(xy[group]) if len(group) > 3 else lattice
        row[group], column[group] = _places(own, xy[group])
        batch[group] = called
        found.append(_described(called, own, row[group], column[group]))
        if shape is not None and (found[-1].rows, found[-1].columns) != shape:
            msg = f"{called} has {found[-1].rows} rows x {found[-1].columns} columns; wanted {shape[0]} x {shape[1]}"
            raise InputError(msg)
    return replace(table, batch=tuple(batch.tolist()), row=row, column=column), found


def laid_out(
    table: IndentTable, *, name: str, shape: tuple[int, int], pitch_um: tuple[float, float], order: str = RASTER
) -> tuple[IndentTable, list[Batch]]:
    """Return the table with positions from the order of its tests, for a file that has none.

    The first test lies at (0, 0); rows are filled along +x, one after the other along +y.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    pitch_um : tuple of float
        Between columns and between rows.
    order : str
        "raster" or "serpentine".

    Raises
    ------
    InputError
        If the tests do not fill the grid to the last place, or the order is another.
    """
    rows, columns = shape
    if order not in ORDERS:
        msg = f"order is {order!r}; wanted {' or '.join(ORDERS)}"
        raise InputError(msg)
    if min(shape) < 1 or rows * columns != len(table):
        msg = (
            f"{name} has {len(table)} tests; a grid of {rows} rows x {columns} columns has {rows * columns}: without "
            "positions in the file the grid has to hold each test once"
        )
        raise InputError(msg)
    wide, high = (positive(value, name="pitch") for value in pitch_um)
    row, column = np.divmod(np.arange(len(table), dtype=np.int64), columns)
    if order == SERPENTINE:
        column = np.where(row % 2 == 1, columns - 1 - column, column)
    table = replace(
        table, x_um=column * wide, y_um=row * high, row=row, column=column, batch=(name,) * len(table)
    ).noted(
        f"positions follow from the order of the tests as stated: {order}, {rows} rows x {columns} columns, "
        f"{wide:g} x {high:g} um"
    )
    pitch = (wide if columns > 1 else math.nan, high if rows > 1 else math.nan)
    return table, [Batch(name, len(table), rows, columns, pitch, 0.0, order, "+x, then +y")]


def _groups(
    table: IndentTable, places: Floats, lattice: Lattice, name: str, shape: tuple[int, int] | None
) -> tuple[list[NDArray[np.intp]], list[str]]:
    """Return the tests of each batch, in their order, and the batches' names."""
    n = len(table)
    if shape is not None:
        size = shape[0] * shape[1]
        if min(shape) < 1 or n % size:
            msg = f"{name} has {n} tests; batches of {shape[0]} rows x {shape[1]} columns need a multiple of {size}"
            raise InputError(msg)
        groups = [np.arange(start, start + size) for start in range(0, n, size)]
    elif any(table.batch):
        names = list(dict.fromkeys(table.batch))
        named = np.array(table.batch)
        return [np.flatnonzero(named == each) for each in names], [each or name for each in names]
    else:
        groups = _by_order(places, lattice) or _by_gaps(places, lattice)
    names = [name] if len(groups) == 1 else [f"{name}-{number}" for number in range(1, len(groups) + 1)]
    return groups, names


def _by_order(places: Floats, lattice: Lattice) -> list[NDArray[np.intp]]:
    """Return batches by following the tests line by line, or none if they are in no such order."""
    pitch = np.array([value if math.isfinite(value) else math.inf for value in lattice.pitch_um])
    if len(places) < 2 or np.isinf(pitch).all():
        return [np.arange(len(places))]
    steps = np.abs(np.diff(places, axis=0))
    one = [
        (np.abs(steps[:, axis] - pitch[axis]) < _SAME_LINE * pitch[axis])
        & (steps[:, 1 - axis] < _SAME_LINE * min(pitch[1 - axis], pitch[axis]))
        for axis in (0, 1)
    ]
    counts = [int(np.count_nonzero(each)) for each in one]
    if sum(counts) < _LEAST_ORDERED * len(steps):
        return []
    fast = 0 if counts[0] >= counts[1] else 1
    lines = _lines(places[:, fast], places[:, 1 - fast], float(pitch[fast]), float(pitch[1 - fast]))
    batches: list[list[_Line]] = []
    for line in lines:
        if batches and _goes_on(batches[-1], line, float(pitch[fast]), float(pitch[1 - fast])):
            batches[-1].append(line)
        else:
            batches.append([line])
    return [np.concatenate([line.tests for line in batch]) for batch in batches]


def _lines(fast: Floats, slow: Floats, pitch: float, between: float) -> list[_Line]:
    """Return the runs of consecutive tests that stay on one line of the fast axis and keep their direction."""
    step, off = np.diff(fast), np.abs(np.diff(slow))
    leaves = (off > _SAME_LINE * min(between, pitch)) | (np.abs(step) > _LARGEST_GAP * pitch)
    lines = []
    for tests in np.split(np.arange(len(fast)), np.flatnonzero(leaves) + 1):
        places = fast[tests]
        sign = int(np.sign(places[-1] - places[0]))
        lines.append(_Line(tests, float(places.min()), float(places.max()), float(slow[tests].mean()), sign))
    return lines


def _goes_on(batch: Sequence[_Line], line: _Line, pitch: float, between: float) -> bool:
    """Return whether a line is the next one of a batch: one step on, the same way as before, and beside the others."""
    step = line.at - batch[-1].at
    if not 0.5 * between < abs(step) < 1.5 * between:
        return False
    if len(batch) > 1 and step * (batch[1].at - batch[0].at) < 0:
        return False
    low, high = min(each.low for each in batch), max(each.high for each in batch)
    alike = abs(line.low - low) < _ENDS_APART * pitch and abs(line.high - high) < _ENDS_APART * pitch
    within = line.low > low - 0.5 * pitch and line.high < high + 0.5 * pitch
    return alike or within


def _by_gaps(places: Floats, lattice: Lattice) -> list[NDArray[np.intp]]:
    """Return batches that are more than a pitch and a half apart, in the order of their first tests."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pitch = np.array([value if math.isfinite(value) else 1.0 for value in lattice.pitch_um])
    pairs = cKDTree(places / pitch).query_pairs(1.6, output_type="ndarray")
    ones = np.ones(len(pairs), np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(places), len(places)))
    count, labels = connected_components(graph, directed=False)
    groups = [np.flatnonzero(labels == label) for label in range(count)]
    return sorted(groups, key=lambda group: int(group[0]))


def _places(lattice: Lattice, xy_um: Floats) -> tuple[Integers, Integers]:
    """Return row and column of each test of a batch, counted from the least y and x."""
    places = lattice.along(xy_um)
    pitch = [value if math.isfinite(value) else math.inf for value in lattice.pitch_um]
    column, row = (np.rint((places[:, axis] - places[:, axis].min()) / pitch[axis]).astype(np.int64) for axis in (0, 1))
    return row, column


def _described(name: str, lattice: Lattice, row: Integers, column: Integers) -> Batch:
    order, first = _order(row, column)
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    pitch = (lattice.pitch_um[0] if columns > 1 else math.nan, lattice.pitch_um[1] if rows > 1 else math.nan)
    return Batch(name, len(row), rows, columns, pitch, math.degrees(lattice.angle_rad), order, first)


def _order(row: Integers, column: Integers) -> tuple[str, str]:
    """Return the order of tests on a grid and the directions of its first line and of the steps between lines."""
    if len(row) < 2:
        return IRREGULAR, ""
    along_x = np.count_nonzero(np.diff(row) == 0) >= np.count_nonzero(np.diff(column) == 0)
    fast, slow = (column, row) if along_x else (row, column)
    ends = np.flatnonzero(np.diff(slow)) + 1
    lines = np.split(np.arange(len(fast)), ends)
    signs = []
    for line in lines:
        steps = np.sign(np.diff(fast[line]))
        if len(steps) and not (steps == steps[0]).all():
            return IRREGULAR, ""
        signs.append(int(steps[0]) if len(steps) else 0)
    turns = np.sign(np.diff([int(slow[line[0]]) for line in lines]))
    if len(turns) and (not (turns == turns[0]).all() or turns[0] == 0):
        return IRREGULAR, ""
    axes = ("x", "y") if along_x else ("y", "x")
    way = f"{'+' if signs[0] >= 0 else '-'}{axes[0]}"
    if len(turns):
        way += f", then {'+' if turns[0] > 0 else '-'}{axes[1]}"
    known = [(number, sign) for number, sign in enumerate(signs) if sign]
    if all(sign == known[0][1] for _, sign in known):
        return RASTER, way
    if all(sign == known[0][1] * (-1) ** (number - known[0][0]) for number, sign in known):
        return SERPENTINE, way
    return IRREGULAR, ""
