"""Reading untrusted JSON field by field, with the place of each fault in its message."""

from __future__ import annotations

from collections.abc import Sequence

from cemvis.errors import ModelFileError

_HUGE = 1e300


class Fields:
    """The fields of one JSON object, each taken once and checked as it is taken.

    Parameters
    ----------
    data : object
        What the JSON parser returned.
    where : str
        How messages name this object.
    """

    def __init__(self, data: object, where: str) -> None:
        if not isinstance(data, dict):
            msg = f"{where} is a {type(data).__name__}; wanted an object"
            raise ModelFileError(msg)
        self._left: dict[str, object] = dict(data)
        self._where = where

    def finish(self) -> None:
        """Refuse fields that nobody asked for."""
        if self._left:
            msg = f"{self._where} has an unknown field {min(self._left)!r}"
            raise ModelFileError(msg)

    def text(self, name: str, *, choices: Sequence[str] | None = None) -> str:
        """Take printable text (lines may end), one of `choices` if given."""
        value = self._take(name)
        if choices is not None and value not in choices:
            raise self._refusal(name, value, f"one of {', '.join(choices)}")
        # Control characters could rewrite the terminal that the text is shown on.
        if not isinstance(value, str) or not value.replace("\n", "").isprintable():
            raise self._refusal(name, value, "printable text")
        return value

    def integer(self, name: str, *, low: int = 0) -> int:
        """Take a whole number of at least `low`."""
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise self._refusal(name, value, f"a whole number from {low}")
        return value

    def number(self, name: str, *, low: float = -_HUGE, high: float = _HUGE) -> float:
        """Take a finite number strictly between `low` and `high`."""
        value = self._take(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low < value < high:
            raise self._refusal(name, value, f"a number above {low:g} and below {high:g}")
        return float(value)

    def number_or_none(self, name: str) -> float | None:
        """Take a finite number or null."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return None
        return self.number(name)

    def yes_or_no(self, name: str) -> bool:
        """Take true or false."""
        value = self._take(name)
        if not isinstance(value, bool):
            raise self._refusal(name, value, "true or false")
        return value

    def child(self, name: str) -> Fields:
        """Take an object."""
        return Fields(self._take(name), f"{self._where}.{name}")

    def child_or_none(self, name: str) -> Fields | None:
        """Take an object or null."""
        value = self._take(name)
        return None if value is None else Fields(value, f"{self._where}.{name}")

    def child_if_there(self, name: str) -> Fields | None:
        """Take an object that may be missing."""
        return self.child(name) if name in self._left else None

    def children(self, name: str) -> list[Fields]:
        """Take a list of objects, at least one."""
        value = self._take(name)
        if not isinstance(value, list) or not value:
            raise self._refusal(name, value, "a list of at least one object")
        return [Fields(item, f"{self._where}.{name}[{index}]") for index, item in enumerate(value)]

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of printable texts, perhaps empty."""
        value = self._take(name)
        if not isinstance(value, list) or not all(isinstance(each, str) and each.isprintable() for each in value):
            raise self._refusal(name, value, "a list of printable texts")
        return tuple(value)

    def integers(self, name: str, *, low: int, high: int) -> tuple[int, ...]:
        """Take a list of whole numbers from `low` to `high`, perhaps empty."""
        value = self._take(name)
        if not isinstance(value, list) or not all(type(each) is int and low <= each <= high for each in value):
            raise self._refusal(name, value, f"a list of whole numbers from {low} to {high}")
        return tuple(value)

    def _take(self, name: str) -> object:
        if name not in self._left:
            msg = f"{self._where} has no field {name!r}"
            raise ModelFileError(msg)
        return self._left.pop(name)

    def _refusal(self, name: str, value: object, wanted: str) -> ModelFileError:
        return ModelFileError(f"{self._where}.{name} is {repr(value)[:40]}; wanted {wanted}")
