"""Reading the tables that a data set is made from, and leaving out the rows that its limits or a person reject."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis._files import sha256_of
from cemvis.analysis.indentation.checks import check_plausible
from cemvis.analysis.indentation.located import ACCEPT, read_decisions
from cemvis.analysis.indentation.table import IndentTable
from cemvis.analysis.indentation.table import Source as Origin
from cemvis.errors import InputError
from cemvis.workflows.indents import (
    Floats,
    Indents,
    batch_numbers,
    check_columns,
    check_rows,
    check_unit,
    has_status,
    number_column,
    read_csv,
)

if TYPE_CHECKING:
    import pandas as pd

Bools = NDArray[np.bool_]

PROPERTIES = ("modulus", "hardness")
MEASURED = tuple(f"{name}_gpa" for name in PROPERTIES)
LEFT_OUT = {
    "status": "of another status",
    "no_value": "without modulus and hardness",
    "no_position": "without a position",
    "rejected": "rejected by a person",
    "flag": "flagged",
    "score": "below the least score",
    "residual": "with too large a residual",
    "error": "with too large an error",
    "depth": "of another depth",
    "border": "with a window across the border",
}
"""Why a row can be left out, in this order: a row counts where it falls first."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Which rows of a table are kept; None keeps all.

    Attributes
    ----------
    statuses : tuple of str
        In lower case.
    flags : tuple of str
        That located indents may have; those without a flag are always kept.
    min_score, max_residual_px, max_error_px : float or None
        Of located indents; one without that number is left out.
    depth_nm : (least, most) or None
    """

    statuses: tuple[str, ...]
    flags: tuple[str, ...]
    min_score: float | None
    max_residual_px: float | None
    max_error_px: float | None
    depth_nm: tuple[float, float] | None


@dataclass(frozen=True)
class Rows:
    """The kept rows of one table.

    Attributes
    ----------
    frame : DataFrame
        A row for each: id, batch, row, column, x_um, y_um, modulus_gpa, hardness_gpa, depth_nm, load_mn, score,
        residual_px, error_px.
    sha256 : str
        Of the table.
    total : int
        Rows of the table.
    left_out : dict of str to int
        By the keys of `LEFT_OUT`.
    accepted : int
        Rows kept because a person said so.
    """

    frame: pd.DataFrame
    sha256: str
    total: int
    left_out: dict[str, int]
    accepted: int

    @property
    def indents(self) -> Indents:
        """The rows as indents of both properties."""
        return indents_of(self.frame)


def indents_of(frame: pd.DataFrame) -> Indents:
    """Return rows of a data set as indents, with NaN for what was not measured."""
    return Indents(
        x_um=frame["x_um"].to_numpy(np.float64),
        y_um=frame["y_um"].to_numpy(np.float64),
        measured_gpa={name: frame[f"{name}_gpa"].to_numpy(np.float64) for name in PROPERTIES},
        batch=batch_numbers(frame["batch"].to_numpy(dtype=str)),
        not_ok=0,
        incomplete=0,
        row=np.arange(len(frame), dtype=np.int64),
    )


def read_rows(path: Path, limits: Limits, *, decisions: Path | None) -> Rows:
    """Read a table of indents and keep what the limits and a person's decisions let through.

    A person's "reject" leaves a row out. An "accept" keeps one whatever its flag, score, residual and error are, but
    not one of another status or depth, or without a value or a position.

    Parameters
    ----------
    path : Path
        A CSV table with x_um, y_um, batch, and modulus_gpa or hardness_gpa or both.
    limits : Limits
    decisions : Path or None
        A CSV table with id, batch, decision.

    Raises
    ------
    CemvisError
        If the file cannot be read or used, its numbers cannot be what its columns say, a limit is for a column that
        it lacks, or nothing is left.
    """
    table = read_csv(path)
    check_columns(table, ["x_um", "y_um", "batch"], path)
    if not any(name in table.columns for name in MEASURED):
        check_columns(table, MEASURED, path)
    of_status = has_status(table, limits.statuses)
    frame = _as_numbers(table, of_status, path)
    keep = _Keep(len(frame))
    keep.drop("status", ~of_status)
    keep.drop("no_value", ~np.isfinite(frame[list(MEASURED)].to_numpy()).any(axis=1))
    keep.drop("no_position", ~np.isfinite(frame[["x_um", "y_um"]].to_numpy()).all(axis=1))
    if keep.rows.any():
        _check(frame, keep.rows, path)
    rejected, wanted = _decided(frame, path, decisions)
    keep.drop("rejected", rejected)
    before = keep.rows.copy()
    _check_limits(frame, limits, path)
    failed = _failed(frame, limits)
    for reason, wrong in failed.items():
        keep.drop(reason, wrong & ~wanted)
    if limits.depth_nm is not None:
        keep.drop("depth", ~frame["depth_nm"].between(*limits.depth_nm).to_numpy(bool))
    if not keep.rows.any():
        msg = f"{path}: none of its {len(frame):,} rows is left: {counted(keep.left_out)}; loosen the limits"
        raise InputError(msg)
    saved = before & keep.rows & np.logical_or.reduce([np.zeros(len(frame), bool), *failed.values()])
    kept = frame[keep.rows].drop(columns="flag").reset_index(drop=True)
    return Rows(kept, sha256_of(path), len(frame), keep.left_out, int(np.count_nonzero(saved)))


def counted(left_out: dict[str, int]) -> str:
    """Return how many rows were left out for which reason, in words."""
    return ", ".join(f"{count:,} {LEFT_OUT[reason]}" for reason, count in left_out.items() if count) or "none"


class _Keep:
    """Which rows are kept so far, and how many each reason took."""

    def __init__(self, n: int) -> None:
        self.rows: Bools = np.ones(n, bool)
        self.left_out: dict[str, int] = {}

    def drop(self, reason: str, wrong: Bools) -> None:
        self.left_out[reason] = int(np.count_nonzero(self.rows & wrong))
        self.rows &= ~wrong


def _as_numbers(table: pd.DataFrame, ok: Bools, path: Path) -> pd.DataFrame:
    """Return the columns of a data set; what the table lacks is NaN, empty, or the row's number for the id."""
    import pandas as pd

    def numbers(name: str) -> Floats:
        return number_column(table[name], ok, path) if name in table.columns else np.full(len(table), np.nan)

    def words(name: str) -> pd.Series[str]:
        return table[name].fillna("").str.strip() if name in table.columns else pd.Series("", table.index, dtype=str)

    ids = words("id") if "id" in table.columns else pd.Series(range(1, len(table) + 1), table.index).astype(str)
    return pd.DataFrame(
        {"id": ids, "batch": table["batch"]}
        | {name: pd.Series(numbers(name)).round().astype("Int64") for name in ("row", "column")}
        | {name: numbers(name) for name in ("x_um", "y_um", *MEASURED, "depth_nm", "load_mn", "score")}
        | {"residual_px": np.hypot(numbers("residual_x_px"), numbers("residual_y_px")), "error_px": numbers("error_px")}
        | {"flag": words("flag")}
    )


def _check(frame: pd.DataFrame, used: Bools, path: Path) -> None:
    """Refuse numbers that cannot be what their columns say, as training from the table itself would."""
    rows = np.flatnonzero(used)
    values = {name: frame[name].to_numpy(np.float64)[rows] for name in ("x_um", "y_um", *MEASURED)}
    check_rows(values, frame["batch"].iloc[rows], rows, path)
    medians = {}
    for name in MEASURED:
        finite = values[name][np.isfinite(values[name])]
        if len(finite):
            check_unit(finite, name, path)
            medians[name] = np.median(finite)
    if len(medians) > 1 and medians["hardness_gpa"] > medians["modulus_gpa"]:
        msg = f"{path}: hardness_gpa is mostly larger than modulus_gpa; are the two columns swapped?"
        raise InputError(msg)
    depth, load = (frame[name].to_numpy(np.float64)[rows] for name in ("depth_nm", "load_mn"))
    tests = IndentTable.of(
        frame["id"].iloc[rows].tolist(),
        source=Origin(str(path), "", "plain", "", ""),
        x_um=values["x_um"],
        y_um=values["y_um"],
        modulus_gpa=values["modulus_gpa"],
        hardness_gpa=values["hardness_gpa"],
        depth_nm=depth,
        load_mn=load,
    )
    check_plausible(tests, where=str(path))


def _check_limits(frame: pd.DataFrame, limits: Limits, path: Path) -> None:
    """Refuse limits on what the table does not have."""
    asked = {
        "score": (limits.min_score, "--min-score"),
        "residual_px": (limits.max_residual_px, "--max-residual"),
        "error_px": (limits.max_error_px, "--max-error"),
        "depth_nm": (limits.depth_nm, "--depth"),
    }
    for name, (limit, option) in asked.items():
        if limit is not None and frame[name].isna().all():
            msg = f"{path} has no {name}, so {option} cannot be used with it; leave that limit out"
            raise InputError(msg)


def _failed(frame: pd.DataFrame, limits: Limits) -> dict[str, Bools]:
    """Return which rows fail which limit on how well they were located; a number that is missing fails."""
    flags = [flag.lower() for flag in limits.flags]
    failed = {"flag": ~frame["flag"].str.lower().isin(["", *flags]).to_numpy(bool)}
    score, residual, error = (frame[name].to_numpy(np.float64) for name in ("score", "residual_px", "error_px"))
    if limits.min_score is not None:
        failed["score"] = ~(score >= limits.min_score)
    if limits.max_residual_px is not None:
        failed["residual"] = ~(residual <= limits.max_residual_px)
    if limits.max_error_px is not None:
        failed["error"] = ~(error <= limits.max_error_px)
    return failed


def _decided(frame: pd.DataFrame, path: Path, decisions: Path | None) -> tuple[Bools, Bools]:
    """Return which rows a person rejected, and which one accepted."""
    rejected, accepted = np.zeros(len(frame), bool), np.zeros(len(frame), bool)
    if decisions is None:
        return rejected, accepted
    places: dict[tuple[str, str], list[int]] = {}
    for number, key in enumerate(zip(frame["batch"].fillna("").str.strip(), frame["id"], strict=True)):
        places.setdefault(key, []).append(number)
    for (batch, name), decision in read_decisions(decisions).items():
        found = places.get((batch, name), [])
        if len(found) != 1:
            times = f"{len(found)} times" if found else "not"
            msg = f"{decisions}: indent {name} of batch {batch} is {times} in {path}; is it of this table?"
            raise InputError(msg)
        (accepted if decision.word == ACCEPT else rejected)[found[0]] = True
    return rejected, accepted
