"""Which column of a file holds what: by its name, its unit, and a row of units below the names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cemvis.analysis.indentation.units import FORCE, LENGTH, PRESSURE, Unit, split_unit, unit_named

KINDS = {
    "x_um": LENGTH,
    "y_um": LENGTH,
    "modulus_gpa": PRESSURE,
    "hardness_gpa": PRESSURE,
    "reduced_modulus_gpa": PRESSURE,
    "depth_nm": LENGTH,
    "load_mn": FORCE,
}
# The table's own units, as factors from GPa, um and mN.
_OWN = {"depth_nm": 1e3}
# In the order of preference, where a file has several of them.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "indent", "test", "test no", "test number", "point", "index", "no", "no.", "#", "n"),
    "batch": ("batch", "array", "grid"),
    "row": ("row",),
    "column": ("column", "col"),
    "status": ("status",),
    "x_um": ("x", "x test position", "x position", "x pos", "pos x", "position x", "stage x"),
    "y_um": ("y", "y test position", "y position", "y pos", "pos y", "position y", "stage y"),
    "modulus_gpa": (
        "modulus",
        "avg modulus",
        "average modulus",
        "avgmodulus",
        "youngs modulus",
        "young modulus",
        "elastic modulus",
        "indentation modulus",
        "avg e",
        "eit",
        "modulus at max load",
        "e average over defined range",
        "modulus from unload",
    ),
    "hardness_gpa": (
        "hardness",
        "avg hardness",
        "average hardness",
        "avghardness",
        "indentation hardness",
        "avg h",
        "hit",
        "hardness at max load",
        "h average over defined range",
        "hardness from unload",
    ),
    "reduced_modulus_gpa": ("reduced modulus", "er", "reduced elastic modulus"),
    "depth_nm": ("depth", "hmax", "h max", "max depth", "maximum depth", "displacement", "displacement at max load"),
    "load_mn": ("load", "pmax", "p max", "fmax", "max load", "maximum load", "load at max load"),
}
# One letter means another thing in the other case: h is a depth, H a hardness; x a place, but e and f nothing known.
_LETTERS = {
    "E": "modulus_gpa",
    "H": "hardness_gpa",
    "h": "depth_nm",
    "P": "load_mn",
    "F": "load_mn",
    "X": "x_um",
    "Y": "y_um",
    "x": "x_um",
    "y": "y_um",
}
WANTED = (
    "modulus (E) or reduced modulus (Er), and hardness (H); and where they are known x, y, depth, load, batch, status"
)


@dataclass(frozen=True)
class Column:
    """One column of a file: where it is, how it is headed, and the factor to the table's unit (1 without a unit)."""

    index: int
    header: str
    unit: Unit | None

    def factor(self, quantity: str) -> float:
        """Return the factor that turns the column's numbers into the unit of `quantity`."""
        return self.unit.factor * _OWN.get(quantity, 1.0) if self.unit else 1.0


def recognised(header: Sequence[str], units: Sequence[str] | None = None) -> dict[str, Column]:
    """Return the columns of a header that are understood, by the names of the table's columns.

    Parameters
    ----------
    header : sequence of str
        A unit may follow the name: ``H (GPa)``, ``X [mm]``, ``hardness_gpa``.
    units : sequence of str, optional
        The row of units below the header.
    """
    ranked: dict[str, tuple[int, Column]] = {}
    for index, text in enumerate(header):
        name, unit, stated = split_unit(text)
        below = units[index] if units is not None and index < len(units) else ""
        if below.strip():
            unit, stated = unit_named(below), True
        found = _quantity(name, unit, stated=stated)
        if found is None:
            continue
        quantity, rank = found
        if quantity not in ranked or rank < ranked[quantity][0]:
            ranked[quantity] = (rank, Column(index, text.strip(), unit))
    return {quantity: column for quantity, (_, column) in ranked.items()}


def _quantity(name: str, unit: Unit | None, *, stated: bool) -> tuple[str, int] | None:
    """Return what a column called `name` holds and how sure that is (0 is surest), or None."""
    if name in _LETTERS:
        quantity, rank = _LETTERS[name], 50  # after any longer name: "Avg E" holds what a summary row has
        return (quantity, rank) if _fits(quantity, unit, stated=stated) else None
    plain = re.sub(r"[\s_\-.]+", " ", re.sub("['\u2019]", "", name.lower())).strip() or name.strip()
    for quantity, names in _NAMES.items():
        if plain in names and _fits(quantity, unit, stated=stated):
            return quantity, names.index(plain)
    return None


def _fits(quantity: str, unit: Unit | None, *, stated: bool) -> bool:
    """Return whether a unit, or the lack of one, goes with a quantity; an unknown unit does not."""
    if quantity not in KINDS:
        return True
    return unit.kind == KINDS[quantity] if unit is not None else not stated


def is_units_row(cells: Sequence[str]) -> bool:
    """Return whether the cells of a row are units and blanks, at least one of them a unit and none a number."""
    texts = [cell.strip() for cell in cells if cell.strip()]
    return any(unit_named(text) for text in texts) and not any(re.fullmatch(r"[-+\d.,eE]+", text) for text in texts)
