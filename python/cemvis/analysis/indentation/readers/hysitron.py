"""Bruker Hysitron: tables of XPM and TriboScan results (text, or pasted into a workbook), and single curves."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from cemvis.analysis.indentation.columns import Column
from cemvis.analysis.indentation.document import Document, Grid, as_number
from cemvis.analysis.indentation.oliver_pharr import analysed
from cemvis.analysis.indentation.readers import Reader, ReadOptions
from cemvis.analysis.indentation.readers.curves import contact_notes, curve_columns, table_of_contacts
from cemvis.analysis.indentation.rows import Header, find_header, table_from
from cemvis.analysis.indentation.table import BAD_FIT, OK, IndentTable, Source
from cemvis.analysis.indentation.units import split_unit
from cemvis.errors import FileFormatError, InputError

_COUNT = re.compile(r"Number of (Data )?Points\s*=\s*(\d*)", re.IGNORECASE)
_SIGNATURE = {"hc", "Pmax", "heff", "Er", "hf", "m"}
_LARGEST_EXPONENT = 5.0  # where the instrument's fit stops


def _sheet(document: Document, sheet: str | None) -> tuple[Grid, Header] | None:
    """Return the first sheet (or the named one) with the columns of a Hysitron table."""
    for name in (sheet,) if sheet else document.sheets:
        grid = document.grid(name)
        header = find_header(grid)
        if header and {split_unit(text)[0] for text in header.names} >= _SIGNATURE:
            return grid, header
    return None


def recognises_table(document: Document) -> bool:
    """Return whether one of the first sheets has the columns of a Hysitron table."""
    return len(document.sheets) <= 8 and _sheet(document, None) is not None


def read_table(document: Document, source: Source, options: ReadOptions) -> IndentTable:
    """Return the results of a mapping: a reduced modulus and a hardness each, positions from mm.

    The depth is ``heff = hc + 0.75 Pmax / S``: hmax is that of the first curve in all rows of an XPM map.
    """
    found = _sheet(document, options.sheet)
    if found is None:
        msg = f"{document.path} has no Hysitron table (wanted the columns {', '.join(sorted(_SIGNATURE))})"
        raise FileFormatError(msg)
    grid, header = found
    named = {split_unit(text)[0]: index for index, text in enumerate(grid.texts(header.row)) if text}
    columns = dict(header.columns)
    depth, unit, _ = split_unit(grid.texts(header.row)[named["heff"]])
    columns["depth_nm"] = Column(named["heff"], depth, unit)
    columns.pop("id", None)  # its first column is the file of the map, the same for all
    source = replace(source, sheet=grid.sheet)
    table = table_from(grid, replace(header, columns=columns), source=source, keep=bool)
    _check_count(grid, header, len(table))
    rows = [row for row in range(header.first, len(grid.rows)) if grid.texts(row)[0]]
    exponent = grid.numbers(named["m"], rows, header="m")
    final = grid.numbers(named["hf"], rows, header="hf")
    limit = (exponent >= _LARGEST_EXPONENT - 1e-6) | (exponent <= 1) | (final <= 0)
    limit |= ~(np.isfinite(exponent) & np.isfinite(final))
    status = tuple(BAD_FIT if text == OK and bad else text for text, bad in zip(table.status, limit, strict=True))
    table = replace(table, status=status).noted("depth is heff = hc + 0.75 Pmax / S")
    if not (count := status.count(BAD_FIT)):
        return table
    return table.noted(
        f'{count} of {len(table)} tests are "bad fit": the unloading fit ended at its limit (m = 1, m = 5 or hf = 0)'
    )


def _check_count(grid: Grid, header: Header, found: int) -> None:
    for row in range(header.row):
        match = _COUNT.search(" ".join(grid.texts(row)))
        numbers = [value for value in map(as_number, grid.rows[row]) if value is not None and np.isfinite(value)]
        announced = int(match.group(2)) if match and match.group(2) else int(numbers[0]) if match and numbers else None
        if announced is not None and announced != found:
            msg = f"{grid.where} announces {announced} tests and has {found}; is it cut short?"
            raise FileFormatError(msg)


def recognises_curve(document: Document) -> bool:
    """Return whether it is a text file with a count of points above the columns of a curve."""
    if document.kind != "text":
        return False
    grid = document.grid()
    columns = curve_columns(grid)
    return columns is not None and any(_COUNT.search(" ".join(grid.texts(row))) for row in range(columns.first))


def read_curve(document: Document, source: Source, options: ReadOptions) -> IndentTable:
    """Return a table of one test: what the analysis of the curve gives."""
    grid = document.grid()
    columns = curve_columns(grid)
    assert columns is not None
    rows = [row for row in range(columns.first, len(grid.rows)) if any(grid.texts(row))]
    for row in range(columns.first):
        match = _COUNT.search(" ".join(grid.texts(row)))
        if match and match.group(2) and int(match.group(2)) != len(rows):
            msg = f"{grid.where} announces {match.group(2)} points and has {len(rows)}; is it cut short?"
            raise FileFormatError(msg)
    curve = columns.curve(grid, str(document.path), rows)
    contact = analysed(curve, options.contact)
    if not contact.sound:
        msg = f"{grid.where}: {contact.unsound}; modulus and hardness cannot be computed (creep, drift, lost contact?)"
        raise InputError(msg)
    table = table_of_contacts(IndentTable.of(["1"], source=source), [contact])
    nu = options.contact.nu
    known = "not known: reduced modulus only (state it with --nu)" if nu is None else f"{nu:g} as stated"
    return table.noted(f"one load-depth curve; Poisson's ratio {known}", *contact_notes(options.contact))


TABLE = Reader("hysitron", "Bruker Hysitron", recognises_table, read_table)
CURVE = Reader("hysitron-curve", "Bruker Hysitron", recognises_curve, read_curve, has_curves=True)
