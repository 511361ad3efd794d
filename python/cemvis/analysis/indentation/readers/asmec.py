"""Workbooks of ASMEC's universal nanomechanical testers: one sheet of averages, positions not included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cemvis.analysis.indentation.document import Document, Grid
from cemvis.analysis.indentation.readers import Reader, ReadOptions
from cemvis.analysis.indentation.rows import Header, find_header, table_from
from cemvis.analysis.indentation.table import IndentTable, Source
from cemvis.errors import InputError

_SIGNATURE = {"Average of", "CIT", "NIT", "Wtot"}
_POISSON = "ns"


def _sheet(document: Document, sheet: str | None) -> tuple[Grid, Header] | None:
    for name in (sheet,) if sheet else document.sheets[:8]:
        grid = document.grid(name)
        header = find_header(grid)
        if header and set(header.names) >= _SIGNATURE:
            return grid, header
    return None


def recognises(document: Document) -> bool:
    """Return whether a sheet has ASMEC's columns."""
    return document.kind != "text" and _sheet(document, None) is not None


def read(document: Document, source: Source, options: ReadOptions) -> IndentTable:
    """Return the tests of a sheet, with the Poisson's ratio that their moduli were computed with as a note."""
    found = _sheet(document, options.sheet)
    if found is None:
        msg = f"{document.path}, sheet {options.sheet!r} has no ASMEC table; wanted {', '.join(sorted(_SIGNATURE))}"
        raise InputError(msg)
    grid, header = found
    table = table_from(grid, header, source=replace(source, sheet=grid.sheet))
    heads = grid.texts(header.row)
    if _POISSON not in heads:
        return table
    ratios = grid.numbers(heads.index(_POISSON), range(header.first, len(grid.rows)), header=_POISSON)
    stated = sorted({float(value) for value in ratios[np.isfinite(ratios)]})
    if not stated:
        return table
    said = " to ".join(f"{value:g}" for value in dict.fromkeys((stated[0], stated[-1])))
    return table.noted(f"the file's moduli were computed with a Poisson's ratio of {said}")


READER = Reader("asmec", "ASMEC", recognises, read)
