"""What readers of load-depth curves share: their columns, and the table that their analysis gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cemvis.analysis.indentation.columns import is_units_row
from cemvis.analysis.indentation.document import Grid
from cemvis.analysis.indentation.oliver_pharr import IDEAL_BERKOVICH, Contact, ContactModel, Curve
from cemvis.analysis.indentation.table import BAD_FIT, FAILED, OK, IndentTable
from cemvis.analysis.indentation.units import FORCE, LENGTH, split_unit, unit_named

_DEPTHS = ("displacement into surface", "depth", "displacement")
_LOADS = ("load on sample", "load", "force")
_TIMES = ("time on sample", "time")
_SEARCHED_ROWS = 12


@dataclass(frozen=True)
class CurveColumns:
    """Columns of depth, load and time, the factors to nm and mN, and the first row of data."""

    depth: int
    load: int
    time: int
    depth_factor: float
    load_factor: float
    first: int

    def curve(self, grid: Grid, name: str, rows: Sequence[int]) -> Curve:
        """Return the points of `rows` that have a depth and a load."""
        depth = grid.numbers(self.depth, rows, header="depth") * self.depth_factor
        load = grid.numbers(self.load, rows, header="load") * self.load_factor
        time = grid.numbers(self.time, rows, header="time")
        there = np.isfinite(depth) & np.isfinite(load)
        return Curve(name, depth[there], load[there], time[there])


def curve_columns(grid: Grid) -> CurveColumns | None:
    """Return where a grid has depth, load and time, or None if it is no curve."""
    for row in range(min(len(grid.rows), _SEARCHED_ROWS)):
        below = grid.texts(row + 1) if row + 1 < len(grid.rows) else []
        has_units = is_units_row(below)
        heads = []
        for index, text in enumerate(grid.texts(row)):
            name, unit, _ = split_unit(text)
            if has_units and index < len(below):
                unit = unit_named(below[index])
            heads.append((name.split(" (")[0].lower(), unit))
        depth = _first(heads, _DEPTHS, LENGTH)
        load = _first(heads, _LOADS, FORCE)
        seconds = below if has_units else grid.texts(row)
        time = next(
            (i for i, (name, _) in enumerate(heads) if name in _TIMES and re.search(r"(^|\()s\)?$", seconds[i])), None
        )
        if depth is not None and load is not None and time is not None:
            factors = (heads[depth][1], heads[load][1])
            assert factors[0] is not None
            assert factors[1] is not None
            first = row + 2 if has_units else row + 1
            return CurveColumns(depth, load, time, 1e3 * factors[0].factor, factors[1].factor, first)
    return None


def _first(heads: Sequence[tuple[str, object]], names: Sequence[str], kind: str) -> int | None:
    """Return the first column of one of the names with a unit of the kind: a volt of a sensor is no depth."""
    return next(
        (i for i, (name, unit) in enumerate(heads) if name in names and getattr(unit, "kind", None) == kind), None
    )


def table_of_contacts(table: IndentTable, contacts: Sequence[Contact | None]) -> IndentTable:
    """Return a table with what an analysis gives for each test; tests without one are "failed"."""

    def column(name: str) -> Any:
        return np.array([getattr(contact, name) if contact else np.nan for contact in contacts], np.float64)

    status = tuple(_status(text, contact) for text, contact in zip(table.status, contacts, strict=True))
    names = ("modulus_gpa", "hardness_gpa", "reduced_modulus_gpa", "depth_nm", "load_mn")
    values: dict[str, Any] = {name: column(name) for name in names}
    return replace(table, status=status, **values)


def _status(before: str, contact: Contact | None) -> str:
    if before not in (OK, FAILED):
        return before
    if contact is None:
        return FAILED
    return OK if contact.sound else BAD_FIT


def contact_notes(model: ContactModel) -> list[str]:
    """Return how curves were analysed, in words."""
    if model.area == IDEAL_BERKOVICH:
        area = "the ideal Berkovich area 24.5 hc^2, since no area function is given"
    else:
        area = f"the tip's area function {', '.join(f'{value:g}' for value in model.area)}"
    notes = [
        f"modulus and hardness from the curves: a power law through the unloading above {model.upper_fraction:.0%} of "
        f"the load, {area}, beta {model.beta:g}, a tip of {model.tip_modulus_gpa:g} GPa and {model.tip_nu:g}"
    ]
    if model.frame_compliance_nm_per_mn or model.drift_nm_per_s:
        notes.append(
            f"taken off the depth: {model.frame_compliance_nm_per_mn:g} nm/mN of the frame and a drift of "
            f"{model.drift_nm_per_s:g} nm/s"
        )
    return notes
