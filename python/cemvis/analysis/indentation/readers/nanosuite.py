"""Workbooks of NanoSuite and its forerunner TestWorks (KLA, Agilent, MTS): results, and perhaps a sheet per curve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cemvis.analysis.indentation.columns import KINDS, Column
from cemvis.analysis.indentation.document import Document, Grid, as_number
from cemvis.analysis.indentation.oliver_pharr import Contact, ContactModel, Curve, analysed
from cemvis.analysis.indentation.readers import Reader, ReadOptions
from cemvis.analysis.indentation.readers.curves import contact_notes, curve_columns, table_of_contacts
from cemvis.analysis.indentation.rows import find_header, refuse_columns, table_from
from cemvis.analysis.indentation.table import OK, TAGGED, IndentTable, Source
from cemvis.analysis.indentation.units import split_unit
from cemvis.errors import InputError

RESULTS = "Results"
_TEST_SHEET = re.compile(r"Test\s+0*(\d+)\b(.*)", re.IGNORECASE)
_TEST = re.compile(r"\d+")
_CYCLE = re.compile(r"(\d+)-(\d+)")
_INPUTS = ("Inputs Editable Post Test", "Required Inputs")


def recognises(document: Document) -> bool:
    """Return whether it is a workbook whose sheets are named as NanoSuite does."""
    tests = any(_TEST_SHEET.fullmatch(name) for name in document.sheets)
    return tests or (RESULTS in document.sheets and any(name in document.sheets for name in _INPUTS))


def read(document: Document, source: Source, options: ReadOptions) -> IndentTable:
    """Return the results of a workbook, or what its curves give if that is asked for."""
    table = _reported(document, source, options)
    if options.curves:
        table = _from_curves(document, table, options)
    tagged = {
        match.group(1)
        for match in map(_TEST_SHEET.fullmatch, document.sheets)
        if match and "tagged" in match.group(2).lower()
    }
    if not tagged:
        return table
    status = [
        TAGGED if text == OK and name.split("-")[0] in tagged else text
        for name, text in zip(table.id, table.status, strict=True)
    ]
    return replace(table, status=tuple(status)).noted(f"{len(tagged)} tests are tagged by the operator")


def _reported(document: Document, source: Source, options: ReadOptions) -> IndentTable:
    name = options.sheet or RESULTS
    if name not in document.sheets and options.sheet is None:
        sheets = ", ".join(document.sheets[:8])
        msg = f"{document.path} has curves but no sheet {RESULTS!r}; its sheets are {sheets}; name it with --sheet"
        raise InputError(msg)
    grid = document.grid(name)
    if curve_columns(grid) is not None:
        msg = f"{grid.where} is the load-depth curve of one test; the table is in the sheet {RESULTS!r}"
        raise InputError(msg)
    header = find_header(grid)
    if header is None or not header.holds_results:
        raise refuse_columns(grid, header)
    if "id" not in header.columns:
        msg = f"{grid.where} has no column 'Test'; it has {', '.join(header.names)[:200]}"
        raise InputError(msg)
    source = replace(source, sheet=name)
    texts = [grid.texts(row)[header.columns["id"].index] for row in range(header.first, len(grid.rows))]
    tests = table_from(grid, header, source=source, keep=lambda text: _TEST.fullmatch(text) is not None)
    if not any(_CYCLE.fullmatch(text) for text in texts):
        return tests
    # Rows of cycles have their values under the single letters; "Avg E" is filled for whole tests only.
    columns = dict(header.columns) | _single_letters(grid, header.row)
    cycles = table_from(
        grid, replace(header, columns=columns), source=source, keep=lambda text: _CYCLE.fullmatch(text) is not None
    )
    return _with_places(_chosen_cycles(cycles, options), tests)


def _single_letters(grid: Grid, row: int) -> dict[str, Column]:
    names = {"E": "modulus_gpa", "H": "hardness_gpa"}
    units = grid.texts(row + 1)
    found = {}
    for index, text in enumerate(grid.texts(row)):
        if text in names:
            unit = split_unit(f"{text} ({units[index]})")[1]
            found[names[text]] = Column(index, text, unit)
    return found


def _chosen_cycles(cycles: IndentTable, options: ReadOptions) -> IndentTable:
    if options.all_cycles:
        return cycles.noted("a row is one cycle of a test")
    last = {name.split("-")[0]: index for index, name in enumerate(cycles.id)}
    return taken(cycles, sorted(last.values())).noted("tests have several cycles: the last one, the deepest, is kept")


def taken(table: IndentTable, chosen: Sequence[int]) -> IndentTable:
    """Return the rows `chosen` of a table."""
    index = np.asarray(chosen, np.intp)
    arrays: dict[str, Any] = {name: getattr(table, name)[index] for name in (*KINDS, "row", "column")}
    texts: dict[str, Any] = {name: tuple(getattr(table, name)[i] for i in chosen) for name in ("id", "batch", "status")}
    return replace(table, **arrays, **texts)


def _with_places(cycles: IndentTable, tests: IndentTable) -> IndentTable:
    """Return the cycles at the positions of their tests."""
    place = {name: index for index, name in enumerate(tests.id)}
    index = np.array([place.get(name.split("-")[0], -1) for name in cycles.id])
    known = index >= 0
    return replace(
        cycles,
        x_um=np.where(known, tests.x_um[index], np.nan) if len(tests) else cycles.x_um,
        y_um=np.where(known, tests.y_um[index], np.nan) if len(tests) else cycles.y_um,
    )


def _from_curves(document: Document, reported: IndentTable, options: ReadOptions) -> IndentTable:
    """Return the table with what the curves give in place of what the file reports, and how the two compare."""
    model, said = _model(document, options.contact)
    contacts = curves_analysed(document, model)
    by_name = {contact.name: contact for contact in contacts}
    single = {name.split("-")[0]: contact for name, contact in by_name.items()}
    found = [by_name.get(name) or (None if "-" in name else single.get(name)) for name in reported.id]
    if not any(found):
        msg = f"{document.path} has no load-depth curve with an unloading; leave out --curves to use what it reports"
        raise InputError(msg)
    table = table_of_contacts(reported, found)
    return table.noted(said, *contact_notes(model), *_compared(table, reported))


def _compared(table: IndentTable, reported: IndentTable) -> list[str]:
    lines = []
    for name, word in (("modulus_gpa", "modulus"), ("hardness_gpa", "hardness")):
        new, old = getattr(table, name), getattr(reported, name)
        both = np.isfinite(new) & np.isfinite(old) & (old != 0)
        if both.any():
            apart = 100 * (new[both] / old[both] - 1)
            lines.append(
                f"{word} from the curves against the reported one: {np.median(apart):+.1f} % (median), "
                f"{np.abs(apart).max():.1f} % at most"
            )
    return lines


def _model(document: Document, model: ContactModel) -> tuple[ContactModel, str]:
    """Return the model with the file's Poisson's ratio where none is stated, and where it is from."""
    if model.nu is not None:
        return model, f"Poisson's ratio {model.nu:g} as stated"
    for sheet in _INPUTS:
        if sheet not in document.sheets:
            continue
        grid = document.grid(sheet)
        heads = [text.lower().replace("'", "") for text in grid.texts(0)] if grid.rows else []
        if "poissons ratio" not in heads:
            continue
        column = heads.index("poissons ratio")
        numbers = {as_number(cell) for cell in grid.cells(column, range(1, len(grid.rows)))}
        values = {value for value in numbers if value is not None and np.isfinite(value)}
        if len(values) == 1:
            nu = values.pop()
            return replace(model, nu=nu), f"Poisson's ratio {nu:g} from the sheet {sheet!r}"
    return model, "Poisson's ratio is not known: reduced modulus only (state it with --nu)"


def curves_analysed(document: Document, model: ContactModel) -> list[Contact]:
    """Return what each unloading of each test's curve gives; tests without an unloading are left out."""
    contacts = []
    for sheet in document.sheets:
        match = _TEST_SHEET.fullmatch(sheet)
        if match is None:
            continue
        for curve in _cycles(document.grid(sheet), match.group(1)):
            try:
                contacts.append(analysed(curve, model))
            except InputError:
                continue  # a test that broke off, or a depth profile without its unloading
    return contacts


def _cycles(grid: Grid, test: str) -> list[Curve]:
    """Return the unloadings of a test's sheet, each up to where the next loading begins; else the whole curve."""
    columns = curve_columns(grid)
    if columns is None:
        return []
    marks = [(row, grid.texts(row)[0].lower()) for row in range(columns.first, len(grid.rows)) if grid.texts(row)[0]]
    ends = [row for row, text in marks if "begin" in text or text == "end"] + [len(grid.rows)]
    starts = [row for row, text in marks if text.startswith("cycle unload")]
    if not starts:
        return [columns.curve(grid, test, range(columns.first, len(grid.rows)))]
    return [
        columns.curve(grid, f"{test}-{number}", range(start, next(end for end in ends if end > start)))
        for number, start in enumerate(starts, 1)
    ]


READER = Reader("nanosuite", "KLA/Agilent/MTS", recognises, read, has_curves=True)
