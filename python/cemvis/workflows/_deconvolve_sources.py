"""What a deconvolution reads: tables of indents, and folders that hold them or a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import sha256_of
from cemvis.errors import FileAccessError, InputError
from cemvis.workflows._map_files import SUMMARY, raster_name
from cemvis.workflows.indents import check_columns, check_unit, has_status, number_column, read_csv

Floats = NDArray[np.float64]

PROPERTIES = ("modulus", "hardness")
HIGHEST_GPA = {"modulus": 1500.0, "hardness": 200.0}  # diamond has less
MOSTLY = 0.05  # of the rows: if fewer are possible in GPa, all are in another unit
TABLES = ("located.csv", "indents.csv")  # in a folder, the first that is there


@dataclass(frozen=True)
class TableValues:
    """Values of all tables together.

    Attributes
    ----------
    values : dict of str to (n,) float64
        By property, in GPa; NaN where a row lacks it.
    batch : (n,) str
    files : tuple of dict
        Path, digest, and how many rows were used and left out.
    notes : tuple of str
    """

    values: dict[str, Floats]
    batch: NDArray[np.str_]
    files: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def is_map(path: Path) -> bool:
    """Return whether a folder holds a map that `cemvis map` made."""
    return (
        path.is_dir()
        and (path / SUMMARY).is_file()
        and any((path / raster_name(each)).is_file() for each in PROPERTIES)
    )


def table_of(path: Path) -> Path:
    """Return the table that `path` is or holds.

    Raises
    ------
    FileAccessError
        If there is none.
    """
    if not path.is_dir():
        return path
    for name in TABLES:
        if (path / name).is_file():
            return path / name
    msg = f"{path} holds no {' or '.join(TABLES)}, nor a map of `cemvis map`; give a table or such a folder"
    raise FileAccessError(msg)


def read_tables(paths: Sequence[Path]) -> TableValues:
    """Read modulus and hardness of all usable rows of tables with `modulus_gpa` or `hardness_gpa`.

    `status` and `batch` are used where they are there; positions and flags of position do not matter to a distribution.

    Raises
    ------
    InputError
        If a table is given twice, lacks the columns, or holds numbers that cannot be GPa.
    FileAccessError, FileFormatError
    """
    tables = [table_of(path) for path in paths]
    digests = [sha256_of(each) if each.is_file() else "" for each in tables]
    for number, digest in enumerate(digests):
        if digest and digest in digests[:number]:
            msg = f"{tables[number]} holds the same bytes as {tables[digests.index(digest)]}; wanted each table once"
            raise InputError(msg)
    parts = [_read_one(each) for each in tables]
    values = {name: np.concatenate([part[0][name] for part in parts]) for name in PROPERTIES}
    several = len(parts) > 1
    batch = np.concatenate(
        [[f"{number} {name}" if several else name for name in part[1]] for number, part in enumerate(parts, start=1)]
    ).astype(np.str_)
    files = tuple(
        {"path": str(table), "sha256": digest, **part[2]}
        for table, digest, part in zip(tables, digests, parts, strict=True)
    )
    notes = tuple(note for part in parts for note in part[3])
    return TableValues(values, batch, files, notes)


def _read_one(path: Path) -> tuple[dict[str, Floats], list[str], dict[str, int], list[str]]:
    table = read_csv(path)
    there = [name for name in PROPERTIES if f"{name}_gpa" in table.columns]
    if not there:
        check_columns(table, ["modulus_gpa"], path)
    ok = has_status(table, ("ok",))
    values = {name: np.full(len(table), np.nan) for name in PROPERTIES}
    for name in there:
        values[name] = number_column(table[f"{name}_gpa"], ok, path)
    measured = np.logical_or.reduce([np.isfinite(values[name]) for name in there])
    used = ok & measured
    if not used.any():
        msg = f"{path} has no usable indent: {np.count_nonzero(~ok)} rows are not ok, the others have no value"
        raise InputError(msg)
    notes = []
    if "batch" in table.columns and not table["batch"].isna().any():
        batch = table["batch"].astype(str).to_numpy()
    else:
        batch = np.full(len(table), path.stem, dtype=object)
        notes.append(f"{path} names no batches: it is taken for one")
    for name in there:
        _check_property(values[name], used, batch, name, path)
    if used.sum() < len(table):
        notes.append(
            f"{path}: {used.sum():,} of {len(table):,} rows are used; {np.count_nonzero(~ok):,} are not ok, "
            f"{np.count_nonzero(ok & ~measured):,} have no value"
        )
    counts = {"used": int(used.sum()), "not_ok": int((~ok).sum()), "without_value": int((ok & ~measured).sum())}
    return {name: each[used] for name, each in values.items()}, [str(each) for each in batch[used]], counts, notes


def _check_property(values: Floats, used: NDArray[np.bool_], batch: NDArray[Any], name: str, path: Path) -> None:
    wrong = np.flatnonzero(used & (values <= 0))
    if len(wrong):
        msg = (
            f"{path}, line {wrong[0] + 2}: {name}_gpa is {values[wrong[0]]:g} ({len(wrong)} rows are not positive); "
            'mark failed tests by a status other than "ok"'
        )
        raise InputError(msg)
    finite = used & np.isfinite(values)
    if not finite.any():
        return
    high, whole = finite & (values > HIGHEST_GPA[name]), finite & (values <= HIGHEST_GPA[name])
    if high.any() and whole.sum() > MOSTLY * finite.sum():
        one, other = np.flatnonzero(high)[0], np.flatnonzero(whole)[0]
        msg = (
            f"{path}, line {one + 2}: {name}_gpa is {values[one]:g}, in line {other + 2} {values[other]:g}; the table "
            f"mixes units ({high.sum()} rows are above {HIGHEST_GPA[name]:g}), wanted GPa throughout"
        )
        raise InputError(msg)
    check_unit(values[finite], f"{name}_gpa", path)
    median = float(np.median(values[finite]))
    for each in np.unique(batch[finite].astype(str)):
        own = float(np.median(values[finite & (batch == each)]))
        if own > 100 * median or own < median / 100:
            msg = (
                f"{path}: the median {name}_gpa of batch {each} is {own:g}, of all {median:g}; "
                "the table mixes units, wanted GPa throughout"
            )
            raise InputError(msg)
