"""Classes of virtual metal-intruded specimens as a person writes them on one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cemvis.analysis.specimen.intruded_recipes import IntrudedClass, Modification
from cemvis.errors import InputError

_KEYS = {"strength": "strength", "density": "density_per_um2", "radius": "radius_um", "mode": "mode"}
_UNITS = {"density": "/um2", "radius": "um"}
#: Files beside the classes' folders.
ABOUT, PICTURE, LIST = "specimen.json", "specimen.png", "maps.csv"
#: Where a design does not say otherwise.
FULL = Modification(strength=1.0)


def parse_class(text: str) -> IntrudedClass:
    """Return the class that a text such as ``modified:strength=0.5,density=0.02,radius=0.7um`` describes.

    A name alone is a class that is not modified; strength is 1 where something else is given but not that.

    Raises
    ------
    InputError
        If the text makes no class.

    Examples
    --------
    >>> parse_class("modified:strength=0.5,radius=1um").modification.radius_um
    1.0
    >>> parse_class("plain").modification.is_null
    True
    """
    name, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon:
        return IntrudedClass(name=name)
    values: dict[str, Any] = {"strength": FULL.strength}
    given: set[str] = set()
    for part in rest.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in _KEYS or not equals:
            msg = f"class {text!r} has {part!r}; wanted {', '.join(f'{each}=...' for each in _KEYS)}"
            raise InputError(msg)
        if key in given:
            msg = f"class {text!r} gives {key} twice; wanted it once"
            raise InputError(msg)
        given.add(key)
        values[_KEYS[key]] = value if key == "mode" else _number(key, value)
    return IntrudedClass(name=name, modification=Modification(**values))


def design_classes(text: str) -> tuple[IntrudedClass, ...]:
    """Return the classes of a design such as ``strength:0,0.25,0.5,1``, or of ``null:2``, two that are the same.

    What the design does not vary is as by default, with a strength of 1.

    Raises
    ------
    InputError
        If the text makes no design.

    Examples
    --------
    >>> [each.name for each in design_classes("density:0,0.01")]
    ['density-0', 'density-0.01']
    """
    varied, _, rest = (part.strip() for part in text.partition(":"))
    parts = [part.strip() for part in rest.split(",")]
    if varied == "null" and rest.isdecimal() and 2 <= int(rest) <= 26:
        return tuple(IntrudedClass(name=f"null-{letter}") for letter in "abcdefghijklmnopqrstuvwxyz"[: int(rest)])
    if varied not in ("strength", "density", "radius") or not rest:
        msg = f"design is {text!r}; wanted strength:, density: or radius: with values such as 0,0.5,1, or null:2"
        raise InputError(msg)
    values = [_number(varied, part) for part in parts]
    return tuple(
        IntrudedClass(name=f"{varied}-{value:g}", modification=replace(FULL, **{_KEYS[varied]: value}))  # type: ignore[arg-type]
        for value in values
    )


def check_names(classes: Sequence[IntrudedClass]) -> None:
    """Refuse no classes, and names that would be one folder or a file, on file systems without case too."""
    if not 1 <= len(classes) <= 26:
        msg = f"{len(classes)} classes; wanted 1 to 26: name them with --class or --design"
        raise InputError(msg)
    names = [each.name.casefold() for each in classes]
    for each in classes:
        if names.count(each.name.casefold()) > 1:
            msg = f"two classes are called {each.name!r}; wanted a name of its own for each"
            raise InputError(msg)
        if each.name.casefold() in (ABOUT, PICTURE, LIST):
            msg = f"a class is called {each.name!r}, as a file beside the classes is; wanted another name"
            raise InputError(msg)


def _number(key: str, text: str) -> float:
    unit = _UNITS.get(key, "")
    try:
        return float(text.removesuffix(unit) if unit else text)
    except ValueError:
        msg = f"{key} is {text!r}; wanted a number" + (f", in {unit}" if unit else "")
        raise InputError(msg) from None
