"""Units as indenters write them, and factors to the table's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

# What becomes of a micro sign: two Unicode characters, a Latin-1 byte read as Shift-JIS, and a byte that was lost.
_MICRO = str.maketrans(dict.fromkeys("\u00b5\u03bc\uff75\ufffd", "u"))
PRESSURE, LENGTH, FORCE = "pressure", "length", "force"


@dataclass(frozen=True)
class Unit:
    """A unit: its name, what it measures, and how many GPa, um or mN one of it is."""

    name: str
    kind: str
    factor: float


_KNOWN = {
    unit.name: unit
    for unit in (
        Unit("TPa", PRESSURE, 1e3),
        Unit("GPa", PRESSURE, 1.0),
        Unit("MPa", PRESSURE, 1e-3),
        Unit("kPa", PRESSURE, 1e-6),
        Unit("Pa", PRESSURE, 1e-9),
        Unit("m", LENGTH, 1e6),
        Unit("mm", LENGTH, 1e3),
        Unit("um", LENGTH, 1.0),
        Unit("nm", LENGTH, 1e-3),
        Unit("N", FORCE, 1e3),
        Unit("mN", FORCE, 1.0),
        Unit("uN", FORCE, 1e-3),
        Unit("nN", FORCE, 1e-6),
    )
}
_ALIASES = {
    "gpa": "GPa",
    "Gpa": "GPa",
    "GPA": "GPa",
    "Mpa": "MPa",
    "MPA": "MPa",
    "N/mm^2": "MPa",
    "N/mm2": "MPa",
    "kpa": "kPa",
    "pa": "Pa",
    "N/m^2": "Pa",
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "UM": "um",
    "NM": "nm",
    "MM": "mm",
    "mn": "mN",
    "un": "uN",
}


def unit_named(text: str) -> Unit | None:
    """Return the unit that `text` names, brackets around it allowed, or None.

    Examples
    --------
    >>> unit_named("[MPa]").factor
    0.001
    >>> unit_named("m/s") is None
    True
    """
    bare = re.sub(r"\s+", "", text.translate(_MICRO)).strip("[](){}")
    return _KNOWN.get(_ALIASES.get(bare, bare))


def split_unit(header: str) -> tuple[str, Unit | None, bool]:
    """Return a header's name, its unit or None, and whether something stands where a unit would.

    Examples
    --------
    >>> name, unit, _ = split_unit("Pmax(uN)")
    >>> name, unit.factor
    ('Pmax', 0.001)
    >>> split_unit("Avg Modulus [75-85 nm]")[:2]
    ('Avg Modulus', None)
    """
    text = header.strip()
    bracketed = re.search(r"[\[({]\s*([^\[\](){}]*)\s*[\])}]\s*$", text)
    if bracketed:
        unit = unit_named(bracketed.group(1))
        # A bracket with a digit tells a range, such as the depths over which a value is averaged; it is no unit.
        stated = unit is not None or not re.search(r"\d", bracketed.group(1).replace("^2", ""))
        return text[: bracketed.start()].strip(), unit, stated and bool(bracketed.group(1))
    parted = re.match(r"(.*\S)\s*[/,_]\s*(\S+)$", text) or re.match(r"(.*\S)\s+(\S+)$", text)
    if parted:
        unit = unit_named(parted.group(2))
        if unit is not None:
            return parted.group(1).rstrip("/,_ "), unit, True
    return text, None, False
