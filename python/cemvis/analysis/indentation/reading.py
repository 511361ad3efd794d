"""One function that reads any indenter file, converts reduced moduli where Poisson's ratio is stated, and checks it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from cemvis.analysis.indentation.checks import check_plausible
from cemvis.analysis.indentation.document import open_document
from cemvis.analysis.indentation.oliver_pharr import ContactModel
from cemvis.analysis.indentation.readers import ReadOptions, asmec, hysitron, nanosuite, plain
from cemvis.analysis.indentation.table import FAILED, OK, IndentTable, Source
from cemvis.errors import InputError

# In the order in which they are asked; the last takes what is left.
READERS = (nanosuite.READER, hysitron.CURVE, hysitron.TABLE, asmec.READER, plain.NANOBLITZ, plain.READER)
FORMATS = tuple(reader.name for reader in READERS)


def read_indents_file(
    path: Path,
    *,
    format: str | None = None,
    nu: float | None = None,
    sheet: str | None = None,
    curves: bool = False,
    all_cycles: bool = False,
    contact: ContactModel | None = None,
) -> IndentTable:
    """Read the tests of an indenter's file: CSV, TSV, NanoSuite, NanoBlitz, Hysitron, ASMEC or a plain workbook.

    The kind is told by what the file holds, not by its name. Failed tests stay in the table with their status.

    Parameters
    ----------
    path : Path
    format : str, optional
        One of `FORMATS`, to overrule what the file seems to be.
    nu : float, optional
        Poisson's ratio of the specimen. With it, files that report a reduced modulus get the specimen's too.
    sheet : str, optional
        Of a workbook.
    curves : bool
        Compute modulus and hardness from load-depth curves although the file reports them.
    all_cycles : bool
        A row for each cycle of a test; the deepest only by default.
    contact : ContactModel, optional
        How curves are analysed; its Poisson's ratio gives way to `nu`.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    FileFormatError
        If it is damaged, cut short, too large or no table at all.
    InputError
        If columns are missing, numbers are text or of another unit, positions are repeated, or no test is usable.
    """
    document = open_document(path)
    if format is not None and format not in FORMATS:
        msg = f"format is {format!r}; wanted one of {', '.join(FORMATS)}"
        raise InputError(msg)
    model = contact or ContactModel()
    model = replace(model, nu=nu) if nu is not None else model
    reader = next(each for each in READERS if (each.name == format if format else each.recognises(document)))
    if format is not None and not reader.recognises(document):
        kind = next(each.name for each in READERS if each.recognises(document))
        msg = f"{path} is no file of the format {format}; it looks like {kind}"
        raise InputError(msg)
    if curves and not reader.has_curves:
        msg = f"{path} (format {reader.name}) has no load-depth curves; leave out --curves to use what it reports"
        raise InputError(msg)
    source = Source(str(path), document.sha256, reader.name, reader.vendor, "")
    options = ReadOptions(sheet=sheet, curves=curves, all_cycles=all_cycles, contact=model)
    table = with_modulus(reader.read(document, source, options), model)
    check_plausible(table, where=str(path), repeated_places=all_cycles)
    return table


def with_modulus(table: IndentTable, model: ContactModel) -> IndentTable:
    """Return the table with the specimen's modulus of a reduced one, if it has no modulus and a ratio is stated."""
    if table.has("modulus_gpa") or not table.has("reduced_modulus_gpa"):
        return table
    if model.nu is None:
        return table.noted(
            "the modulus is a reduced one (of tip and specimen): state Poisson's ratio with --nu for the specimen's"
        )
    modulus = model.modulus_gpa(table.reduced_modulus_gpa)
    none = ~np.isfinite(modulus)
    status = tuple(FAILED if text == OK and bad else text for text, bad in zip(table.status, none, strict=True))
    return replace(table, modulus_gpa=modulus, status=status).noted(
        f"modulus from the reduced one with a Poisson's ratio of {model.nu:g} and a tip of "
        f"{model.tip_modulus_gpa:g} GPa and {model.tip_nu:g}"
    )
