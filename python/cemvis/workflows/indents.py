"""Reading a table of indents, and refusing one whose numbers cannot be what their columns say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors
from cemvis.errors import FileFormatError, InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_PLAUSIBLE_MEDIAN_GPA = {"modulus_gpa": (0.5, 1000.0), "hardness_gpa": (0.005, 100.0)}
# What indenters and spreadsheets write into the cell of a number that they do not have; a batch may well be called so.
_NO_NUMBER = (
    "na",
    "#na",
    "n/a",
    "#n/a",
    "<na>",
    "nan",
    "-nan",
    "null",
    "none",
    "1.#ind",
    "-1.#ind",
    "1.#qnan",
    "-1.#qnan",
)
_UNITS_ABOVE = ((1e9, "Pa"), (1e6, "kPa"), (1e3, "MPa"))


@dataclass(frozen=True)
class Indents:
    """Usable indents of one area.

    Attributes
    ----------
    x_um, y_um : (n,) float64
        Centre of each indent; origin at the centre of the mosaic's top-left pixel, x right, y down.
    measured_gpa : dict of str to (n,) float64
        Measured values by property, for example ``{"modulus": ..., "hardness": ...}``.
    batch : (n,) int64
        Batch of each indent, counted from 0 in the order of their names.
    not_ok : int
        Rows left out because their status is not "ok".
    incomplete : int
        Rows left out because a number is missing.
    row : (n,) int64
        Which row of the table each indent is, from 0.
    """

    x_um: Floats
    y_um: Floats
    measured_gpa: dict[str, Floats]
    batch: NDArray[np.int64]
    not_ok: int
    incomplete: int
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x_um)

    def only(self, chosen: NDArray[np.bool_]) -> Indents:
        """Return the indents that `chosen` marks, with the same counts of rows left out."""
        return replace(
            self,
            x_um=self.x_um[chosen],
            y_um=self.y_um[chosen],
            measured_gpa={name: values[chosen] for name, values in self.measured_gpa.items()},
            batch=self.batch[chosen],
            row=self.row[chosen],
        )


def read_indents(path: Path, *, properties: Sequence[str]) -> Indents:
    """Read a CSV table with the columns x_um, y_um, batch, a column ``<property>_gpa`` each, and perhaps status.

    Rows whose status is not "ok", and then rows that lack a number, are left out and counted.

    Parameters
    ----------
    path : Path
    properties : sequence of str
        For example ``("modulus", "hardness")``.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    FileFormatError
        If it is not a CSV table in UTF-8.
    InputError
        If columns are missing, numbers are text, negative, repeated or of another unit, or nothing usable is left.
    """
    numbers = ["x_um", "y_um", *(f"{name}_gpa" for name in properties)]
    table = read_csv(path)
    check_columns(table, [*numbers, "batch"], path)
    ok = has_status(table, ("ok",))
    values = {name: number_column(table[name], ok, path) for name in numbers}
    complete = np.logical_and.reduce([np.isfinite(column) for column in values.values()])
    used = np.flatnonzero(ok & complete).astype(np.int64)
    not_ok, incomplete = int(np.count_nonzero(~ok)), int(np.count_nonzero(ok & ~complete))
    if len(used) == 0:
        msg = f"{path} has no usable indent: {not_ok} rows are not ok and {incomplete} lack a number, of {len(table)}"
        raise InputError(msg)
    values = {name: column[used] for name, column in values.items()}
    batch = table["batch"].iloc[used]
    check_rows(values, batch, used, path)
    for name in numbers[2:]:
        check_unit(values[name], name, path)
    if len(properties) > 1 and np.median(values["hardness_gpa"]) > np.median(values["modulus_gpa"]):
        msg = f"{path}: hardness_gpa is mostly larger than modulus_gpa; are the two columns swapped?"
        raise InputError(msg)
    return Indents(
        x_um=values["x_um"],
        y_um=values["y_um"],
        measured_gpa={name: values[f"{name}_gpa"] for name in properties},
        batch=batch_numbers(batch.to_numpy(dtype=str)),
        not_ok=not_ok,
        incomplete=incomplete,
        row=used,
    )


def batch_numbers(names: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the batch of each indent as its place among the sorted names, (n,) int64."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def has_status(table: pd.DataFrame, statuses: Sequence[str]) -> NDArray[np.bool_]:
    """Return which rows have one of the `statuses`, in lower case; all of them where the table has no such column."""
    if "status" not in table.columns:
        return np.ones(len(table), bool)
    return table["status"].str.strip().str.lower().isin(list(statuses)).to_numpy(dtype=bool, na_value=False)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table as text, column by column; NaN where a cell is empty."""
    import pandas as pd

    try:
        with access_errors(path, doing="read"):
            table = pd.read_csv(
                path, dtype=str, encoding="utf-8-sig", skipinitialspace=True, keep_default_na=False, na_values=[""]
            )
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        msg = f"{path} is not a CSV table in UTF-8: {str(error).strip()}"
        raise FileFormatError(msg) from error
    return table.rename(columns=str.strip)


def check_columns(table: pd.DataFrame, wanted: Sequence[str], path: Path) -> None:
    """Refuse a table that lacks one of the columns `wanted`."""
    missing = [name for name in wanted if name not in table.columns]
    if not missing:
        return
    found = ", ".join(map(str, table.columns))
    hint = "; columns have to be separated by commas" if len(table.columns) == 1 else ""
    msg = f"{path} lacks the columns {', '.join(missing)}; it has {found[:200]}{hint}"
    raise InputError(msg)


def number_column(column: pd.Series[str], ok: NDArray[np.bool_], path: Path) -> Floats:
    """Return a column as numbers: NaN where there is none or it is not finite; text in a row that is ok is an error."""
    import pandas as pd

    none = (column.isna() | column.str.strip().str.lower().isin(_NO_NUMBER)).to_numpy(dtype=bool)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    text = np.flatnonzero(ok & np.isnan(values) & ~none)
    if len(text):
        msg = f"{path}, line {text[0] + 2}: {column.name} is {column.iloc[text[0]]!r}; wanted a number or nothing"
        raise InputError(msg)
    return np.where(np.isfinite(values), values, np.nan)


def check_rows(values: dict[str, Floats], batch: pd.Series[str], used: NDArray[np.intp], path: Path) -> None:
    """Refuse rows without a batch, values of zero or less, and the same indent given twice."""
    import pandas as pd

    nameless = np.flatnonzero(batch.isna().to_numpy())
    if len(nameless):
        msg = f"{path}, line {used[nameless[0]] + 2}: no batch; every indent needs one (one batch per grid of indents)"
        raise InputError(msg)
    for name in list(values)[2:]:
        wrong = np.flatnonzero(values[name] <= 0)
        if len(wrong):
            msg = (
                f"{path}, line {used[wrong[0]] + 2}: {name} is {values[name][wrong[0]]:g} ({len(wrong)} rows are not "
                'positive); mark failed tests by a status other than "ok"'
            )
            raise InputError(msg)
    again = np.flatnonzero(pd.DataFrame({"x": values["x_um"], "y": values["y_um"]}).duplicated().to_numpy())
    if len(again):
        line = used[again[0]] + 2
        msg = f"{path}, line {line}: {len(again)} indents repeat the place of an earlier one; wanted each once"
        raise InputError(msg)


def check_unit(values: Floats, name: str, path: Path) -> None:
    """Refuse values in GPa whose median cannot be one, and say which unit they look like."""
    median, (low, high) = float(np.median(values)), _PLAUSIBLE_MEDIAN_GPA[name]
    if low <= median <= high:
        return
    if median > high:
        factor, unit = next(each for each in _UNITS_ABOVE if median / each[0] >= low or each is _UNITS_ABOVE[-1])
        advice = f"it looks like {unit}: divide it by {factor:g}"
    else:
        advice = "it looks like TPa or another unit"
    msg = f"{path}: the median {name} is {median:g}; {advice} (wanted GPa)"
    raise InputError(msg)
