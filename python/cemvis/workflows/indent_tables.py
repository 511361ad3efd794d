"""Indenter files in; one table of indents, its origin and a figure out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cemvis import __version__
from cemvis._files import access_errors, check_free, write_text
from cemvis.analysis.indentation.batches import RASTER, Batch, laid_out, with_batches
from cemvis.analysis.indentation.checks import check_plausible
from cemvis.analysis.indentation.oliver_pharr import ContactModel
from cemvis.analysis.indentation.reading import read_indents_file
from cemvis.analysis.indentation.table import UNITS, IndentTable, joined
from cemvis.errors import InputError

SUMMARY, PICTURE = ".json", ".png"
NO_POSITIONS = "no positions in the file: state the grid and the pitch (--grid, --pitch) to have them from the order"


@dataclass(frozen=True, kw_only=True)
class IndentTablesConfig:
    """How indenter files are read.

    Parameters
    ----------
    format : str, optional
        Overrules what the files seem to be.
    sheet : str, optional
        Of workbooks.
    contact : ContactModel
        Poisson's ratio, and how load-depth curves are analysed.
    curves : bool
        Compute modulus and hardness from the curves although the files report them.
    all_cycles : bool
        A row for each cycle of a test; the deepest only by default.
    grid : tuple of int, optional
        Rows and columns of a batch: splits tests with positions, lays out tests without.
    pitch_um : tuple of float, optional
        Between columns and between rows, for tests without positions.
    order : str
        "raster" or "serpentine", for tests without positions.
    """

    format: str | None = None
    sheet: str | None = None
    contact: ContactModel = field(default_factory=ContactModel)
    curves: bool = False
    all_cycles: bool = False
    grid: tuple[int, int] | None = None
    pitch_um: tuple[float, float] | None = None
    order: str = RASTER


@dataclass(frozen=True)
class IndentTables:
    """The tests of one or several files in one table, with their batches; the config tells how they were read."""

    table: IndentTable
    batches: tuple[Batch, ...]
    config: IndentTablesConfig

    def to_json(self, command: str = "") -> dict[str, Any]:
        """Return what was found: sources, units, counts, medians, batches and notes."""
        table = self.table
        medians = {name: float(np.nanmedian(getattr(table, name)[table.ok])) for name in UNITS if _any_ok(table, name)}
        return {
            "cemvis": __version__,
            "command": command,
            "sources": [asdict(source) for source in table.sources],
            "settings": asdict(self.config),
            "units": UNITS,
            "frame": "the indenter's; x and y as in the files",
            "tests": len(table),
            "status": {status: table.status.count(status) for status in dict.fromkeys(table.status)},
            "medians_of_ok": {name: value for name, value in medians.items() if name[1:] != "_um"},
            "batches": [_finite(asdict(batch)) for batch in self.batches],
            "notes": list(table.notes),
        }


def read_indent_tables(paths: Sequence[Path], config: IndentTablesConfig | None = None) -> IndentTables:
    """Read indenter files, find batches and order, and join the tests.

    Parameters
    ----------
    paths : sequence of Path
        Their tests are joined in this order; a batch never spans two files.
    config : IndentTablesConfig, optional

    Raises
    ------
    FileAccessError, FileFormatError
        If a file cannot be read, is damaged or is no table.
    InputError
        If a table cannot be what it says, a file is given twice, or tests without positions cannot be laid out.
    """
    config = config or IndentTablesConfig()
    tables: list[IndentTable] = []
    found: list[Batch] = []
    for path in map(Path, paths):
        table, batches = _read_one(path, config)
        again = next((each.sources[0].path for each in tables if _same_file(each, table)), None)
        if again is not None:
            msg = f"{path} holds the same bytes as {again}; wanted each file once"
            raise InputError(msg)
        tables.append(table)
        found += batches
    table = joined(tables)
    if len(tables) > 1:
        check_plausible(table, where=f"{len(tables)} files together", repeated_places=config.all_cycles)
        names = list(dict.fromkeys(name for name in table.batch if name))
        if len(names) == len(found):
            found = [replace(batch, name=name) for batch, name in zip(found, names, strict=True)]
    return IndentTables(table, tuple(found), config)


def _read_one(path: Path, config: IndentTablesConfig) -> tuple[IndentTable, list[Batch]]:
    table = read_indents_file(
        path,
        format=config.format,
        sheet=config.sheet,
        curves=config.curves,
        all_cycles=config.all_cycles,
        contact=config.contact,
    )
    if table.has_positions and not config.all_cycles:
        return with_batches(table, name=path.stem, shape=config.grid)
    if table.has("x_um") and not config.all_cycles:
        missing = int(np.count_nonzero(~np.isfinite(table.x_um + table.y_um)))
        return table.noted(f"{missing} tests have no position: batches and order are not looked for"), []
    if not table.has("x_um") and config.grid is not None and config.pitch_um is not None:
        return laid_out(table, name=path.stem, shape=config.grid, pitch_um=config.pitch_um, order=config.order)
    if not any(table.batch):
        table = replace(table, batch=(path.stem,) * len(table))
    return (table if table.has("x_um") else table.noted(NO_POSITIONS)), []


def _same_file(one: IndentTable, other: IndentTable) -> bool:
    return one.sources[0].sha256 == other.sources[0].sha256


def _any_ok(table: IndentTable, name: str) -> bool:
    return bool(np.isfinite(getattr(table, name)[table.ok]).any())


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record for JSON, which has no NaN."""
    pitch = [value if math.isfinite(value) else None for value in record["pitch_um"]]
    return record | {"pitch_um": pitch}


def output_files(output: Path) -> list[Path]:
    """Return the files that are written for a table called `output`: table, summary and figure."""
    return [output, output.with_suffix(SUMMARY), output.with_suffix(PICTURE)]


def check_output(output: Path, paths: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse a name that would replace something, or that is no CSV file.

    Raises
    ------
    InputError
        If the name does not end in .csv, or a file that is read would be replaced.
    OutputExistsError
        If a file is there already and `overwrite` is not set.
    """
    if output.suffix.lower() != ".csv":
        msg = f"{output} does not end in .csv; the table is written as CSV"
        raise InputError(msg)
    read = {Path(path).resolve() for path in paths}
    for file in output_files(output):
        if file.resolve() in read:
            msg = f"{file} is one of the files that are read; choose another name for the table"
            raise InputError(msg)
    check_free(output.parent, [file.name for file in output_files(output)], overwrite=overwrite)


def write_indent_tables(
    result: IndentTables, output: Path, *, overwrite: bool = False, command: str = ""
) -> list[Path]:
    """Write the table as CSV for ``cemvis train``, what was found as JSON, and a figure beside it; return the files.

    Raises
    ------
    InputError, OutputExistsError
        If the name is not free; see `check_output`.
    FileAccessError
        If a file cannot be written.
    """
    from cemvis.report import style

    paths = [Path(source.path) for source in result.table.sources]
    check_output(output, paths, overwrite=overwrite)
    table_file, summary_file, picture_file = output_files(output)
    with access_errors(output, doing="write"):
        output.parent.mkdir(parents=True, exist_ok=True)
    result.table.to_csv(table_file)
    style.save_png(_figure(result), picture_file)
    write_text(summary_file, json.dumps(result.to_json(command), indent=2, ensure_ascii=False) + "\n")
    return [table_file, summary_file, picture_file]


def _figure(result: IndentTables) -> Any:
    from cemvis.report.indents import MeasuredIndents, indents_figure

    table = result.table
    reduced = not _any_ok(table, "modulus_gpa")
    measured = MeasuredIndents(
        table.x_um,
        table.y_um,
        table.reduced_modulus_gpa if reduced else table.modulus_gpa,
        table.hardness_gpa,
        table.ok,
        "Reduced modulus" if reduced else "Modulus",
    )
    spacings = [value for batch in result.batches for value in batch.pitch_um if math.isfinite(value)]
    names = ", ".join(Path(source.path).name for source in table.sources[:4])
    more = f" and {len(table.sources) - 4} more" if len(table.sources) > 4 else ""
    unusable = len(table) - int(table.ok.sum())
    crosses = f" Crosses: {unusable} tests that are not ok." if unusable and table.has("x_um") else ""
    return indents_figure(
        measured,
        title=f"{len(table):,} tests of an indenter",
        caption=f"From {names}{more}.{crosses} cemvis {__version__}",
        spacing_um=min(spacings) if spacings else None,
    )
