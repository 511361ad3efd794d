"""Any table with understandable columns, in text or in a workbook: CSV and TSV, NanoBlitz and InView exports."""

from __future__ import annotations

from dataclasses import replace

from cemvis.analysis.indentation.document import Document, Grid
from cemvis.analysis.indentation.readers import Reader, ReadOptions
from cemvis.analysis.indentation.rows import Header, find_header, refuse_columns, table_from
from cemvis.analysis.indentation.table import IndentTable, Source
from cemvis.errors import InputError

_NANOBLITZ = {"INDENT", "MODULUS", "HARDNESS"}
_MOST_SHEETS = 50


def _best(document: Document, sheet: str | None) -> tuple[Grid, Header | None]:
    """Return the named sheet, or the one whose header names the most columns, results among them."""
    names = (sheet,) if sheet else document.sheets[:_MOST_SHEETS]
    found = [(grid, find_header(grid)) for grid in map(document.grid, names)]
    return max(found, key=lambda each: (each[1].holds_results, len(each[1].columns)) if each[1] else (False, 0))


def recognises_nanoblitz(document: Document) -> bool:
    """Return whether a sheet has NanoBlitz's columns."""
    if document.kind == "text":
        return False
    header = _best(document, None)[1]
    return header is not None and {name.split("(")[0].strip() for name in header.names} >= _NANOBLITZ


def recognises(document: Document) -> bool:  # noqa: ARG001 - the last reader takes what is left
    """Return True: what cannot be read is refused with the reason when it is read."""
    return True


def read(document: Document, source: Source, options: ReadOptions) -> IndentTable:
    """Return the tests of the sheet with the most columns that are understood."""
    grid, header = _best(document, options.sheet)
    if header is None or not header.holds_results:
        error = refuse_columns(grid, header)
        if len(document.sheets) > 1:
            error = InputError(f"{error} (sheets: {', '.join(document.sheets[:12])})")
        raise error
    return table_from(grid, header, source=replace(source, sheet=grid.sheet))


NANOBLITZ = Reader("nanoblitz", "KLA", recognises_nanoblitz, read)
READER = Reader("table", "", recognises, read)
