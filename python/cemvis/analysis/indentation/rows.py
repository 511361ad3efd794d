"""From a grid of cells to a table: the header found, units applied, rows without a test left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.columns import KINDS, WANTED, Column, is_units_row, recognised
from cemvis.analysis.indentation.document import Grid
from cemvis.analysis.indentation.table import BAD_FIT, FAILED, GRID, OK, TAGGED, IndentTable, Source
from cemvis.errors import InputError

_MEASURED = ("modulus_gpa", "hardness_gpa", "reduced_modulus_gpa")
_SEARCHED_ROWS = 60
# Rows that spreadsheets of indenters have below the tests.
_SUMMARIES = ("mean", "average", "std. dev.", "std dev", "standard deviation", "% cov", "cov", "minimum", "maximum")
_PASSED = ("", "ok", "pass", "passed", "good", "valid")


@dataclass(frozen=True)
class Header:
    """Where a grid's columns are named: the row, the columns that are understood, and the first row of data."""

    row: int
    columns: Mapping[str, Column]
    first: int
    names: tuple[str, ...]

    @property
    def holds_results(self) -> bool:
        """Whether it names a modulus or a hardness."""
        return any(name in self.columns for name in _MEASURED)


def find_header(grid: Grid) -> Header | None:
    """Return the row that names the most columns, of the first 60; of equals the first. None if no row names any."""
    best: Header | None = None
    for row in range(min(len(grid.rows), _SEARCHED_ROWS)):
        texts = grid.texts(row)
        if not any(texts):
            continue
        units = grid.texts(row + 1) if row + 1 < len(grid.rows) else []
        has_units = is_units_row(units)
        columns = recognised(texts, units if has_units else None)
        if columns and (best is None or len(columns) > len(best.columns)):
            first = row + 2 if has_units else row + 1
            best = Header(row, columns, first, tuple(text for text in texts if text))
    return best


def refuse_columns(grid: Grid, header: Header | None) -> InputError:
    """Return the error for a grid without a modulus and a hardness: what was found, what is wanted."""
    row = header.names if header else tuple(text for text in (grid.texts(0) if grid.rows else ()) if text)
    found = ", ".join(row)[:200] or "nothing"
    return InputError(f"{grid.where} has no column with a modulus or a hardness; it has {found}; wanted {WANTED}")


def table_from(
    grid: Grid,
    header: Header,
    *,
    source: Source,
    keep: Callable[[str], bool] | None = None,
    notes: Sequence[str] = (),
) -> IndentTable:
    """Return the tests below a header, in the units of the table.

    Parameters
    ----------
    keep : callable, optional
        Whether a row is a test, by the text of its id (of its first cell, where there is no column of ids). By
        default all rows are that hold anything and are not the mean, minimum and so on of others.
    notes : sequence of str
        What the reader has to say.
    """
    columns = header.columns
    id_column = columns["id"].index if "id" in columns else 0
    chosen = [
        row
        for row in range(header.first, len(grid.rows))
        if any(text for text in grid.texts(row)) and _is_test(grid.texts(row), id_column, keep)
    ]
    ids = _ids(grid, columns, chosen)
    status = _status(grid, columns, chosen)
    failed = np.array([text != OK for text in status], bool)
    values = {
        name: _scaled(grid.numbers(column.index, chosen, header=column.header, lenient=failed), column.factor(name))
        for name, column in columns.items()
        if name in KINDS
    }
    places = {
        name: _whole(grid.numbers(columns[name].index, chosen, header=columns[name].header))
        for name in GRID
        if name in columns
    }
    batch = _column_texts(grid, columns, "batch", chosen) if "batch" in columns else None
    unitless = [column.header for name, column in columns.items() if name in KINDS and column.unit is None]
    said = [*notes]
    if unitless:
        own = "GPa, um, nm and mN"
        said.append(f"no unit is stated for {', '.join(unitless)}: taken as the table's own ({own})")
    if grid.decimal_comma:
        said.append("numbers are read with a decimal comma")
    return IndentTable.of(
        ids, source=source, status=_with_failures(status, values), batch=batch, notes=said, **values, **places
    )


def _is_test(texts: Sequence[str], id_column: int, keep: Callable[[str], bool] | None) -> bool:
    name = texts[id_column] if id_column < len(texts) else ""
    if keep is not None:
        return keep(name)
    return name.lower() not in _SUMMARIES


def _column_texts(grid: Grid, columns: Mapping[str, Column], name: str, chosen: Sequence[int]) -> list[str]:
    return [grid.texts(row)[columns[name].index] if columns[name].index < len(grid.rows[row]) else "" for row in chosen]


def _ids(grid: Grid, columns: Mapping[str, Column], chosen: Sequence[int]) -> list[str]:
    if "id" not in columns:
        return [str(number) for number in range(1, len(chosen) + 1)]
    return _column_texts(grid, columns, "id", chosen)


def _status(grid: Grid, columns: Mapping[str, Column], chosen: Sequence[int]) -> list[str]:
    if "status" not in columns:
        return [OK] * len(chosen)
    texts = [text.lower() for text in _column_texts(grid, columns, "status", chosen)]
    # A blank cell of a status column says nothing, and nothing is not "ok" to who trains on the table.
    return [OK if text in _PASSED and text else text or "no status" for text in texts]


def _scaled(values: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Return numbers in another unit, without digits that multiplying makes up: -114.7468 mm is -114746.8 um."""
    return values if factor == 1 else np.array([float(f"{value * factor:.12g}") for value in values])


def _whole(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(np.isfinite(values), values, -1).astype(np.int64)


def _with_failures(status: Sequence[str], values: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Return the status with "failed" where a test that counts as ok lacks a value or has one of zero or less."""
    measured = [values[name] for name in _MEASURED if name in values]
    good = np.logical_and.reduce([np.isfinite(each) & (each > 0) for each in measured]) if measured else None
    if good is None:
        return list(status)
    return [FAILED if text == OK and not good[i] else text for i, text in enumerate(status)]


def counted(table: IndentTable) -> str:
    """Return how many tests there are and how many of each status besides "ok", in words."""
    total = len(table)
    others = {text: table.status.count(text) for text in dict.fromkeys((FAILED, BAD_FIT, TAGGED, *table.status))}
    said = ", ".join(f"{count} {text}" for text, count in others.items() if count and text != OK)
    return f"{total} test{'s' if total != 1 else ''}" + (f" ({said})" if said else ", all ok")
