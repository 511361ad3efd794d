"""The size of a pixel: typed, with the source that it was taken from, and never guessed."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from cemvis.errors import PixelSizeError, PixelSizeWarning

UM_PER_UNIT = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "um": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "fm": 1e-9,
    "angstrom": 1e-4,
    "in": 25400.0,
}
_SPELLINGS = {
    "µm": "um",
    "μm": "um",  # Greek mu
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "micrometre": "um",
    "nanometer": "nm",
    "nanometre": "nm",
    "picometer": "pm",
    "picometre": "pm",
    "millimeter": "mm",
    "millimetre": "mm",
    "centimeter": "cm",
    "centimetre": "cm",
    "meter": "m",
    "metre": "m",
    "å": "angstrom",
    "inch": "in",
}
LEAST_UM, MOST_UM = 1e-5, 1e3
TOLERANCE = 0.01  # relative: between x and y of a square pixel, and between two sources that agree

_TEXT = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([^\d\s/]+)?\s*(?:/\s*(?:px|pixel))?\s*")
_HOW_TO = "give one with its unit, for example --pixel-size '40 nm' (from Python: PixelSize.parse('40 nm'))"


def to_um(value: float, unit: str) -> float | None:
    """Return a length in um, or None if `unit` is not a unit of length."""
    spelling = unit.strip().lower()
    scale = UM_PER_UNIT.get(_SPELLINGS.get(spelling, spelling))
    return None if scale is None else float(value) * scale


@dataclass(frozen=True)
class PixelSize:
    """Edge length of a square pixel, and where the number comes from.

    Parameters
    ----------
    um : float
        Edge length in um, from 0.00001 (0.01 nm) to 1000.
    source : str
        "option", "OME", "FEI", "Zeiss", "TESCAN", "JEOL", "ImageJ", "resolution tags" and the like.

    Raises
    ------
    PixelSizeError
        If the length is not a number in that range.
    """

    um: float
    source: str

    def __post_init__(self) -> None:
        if not LEAST_UM <= self.um <= MOST_UM:
            msg = f"pixel size is {self.um:g} um ({self.source}); wanted between 0.01 nm and 1 mm"
            raise PixelSizeError(msg)

    @property
    def nm(self) -> float:
        """Edge length in nm."""
        return self.um * 1e3

    def __str__(self) -> str:
        return f"{self.nm:.6g} nm" if self.um < 1 else f"{self.um:.6g} um"

    @classmethod
    def parse(cls, text: str, *, source: str = "option") -> PixelSize:
        """Return the pixel size that a text such as ``40 nm``, ``0.04 um`` or ``40 nm/px`` says.

        Raises
        ------
        PixelSizeError
            If there is no number, no unit (a bare number could be nm or um) or an unknown one.

        Examples
        --------
        >>> PixelSize.parse("40 nm").um
        0.04
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            msg = f"pixel size {text!r} is not a length; {_HOW_TO}"
            raise PixelSizeError(msg)
        number, unit = match.groups()
        if unit is None:
            msg = f"pixel size {text!r} has no unit; {_HOW_TO}"
            raise PixelSizeError(msg)
        try:
            um = to_um(float(number), unit)
        except ValueError:
            um = math.nan
        if um is None:
            msg = f"pixel size {text!r} has an unknown unit; wanted pm, nm, um, mm, cm or m"
            raise PixelSizeError(msg)
        return cls(float(f"{um:.12g}"), source)


@dataclass(frozen=True)
class RecordedSize:
    """Width and height of a pixel in um as a file records them: to be checked, perhaps not square, perhaps nonsense."""

    x_um: float
    y_um: float
    source: str

    @property
    def plausible(self) -> bool:
        """Whether both lengths lie in the range that a pixel size may have."""
        return all(LEAST_UM <= length <= MOST_UM for length in (self.x_um, self.y_um))

    @property
    def square(self) -> bool:
        """Whether width and height agree within 1 %."""
        return not _differ(self.x_um, self.y_um)

    @property
    def um(self) -> float:
        """Edge length of the square of the same area."""
        return self.x_um if self.x_um == self.y_um else math.sqrt(self.x_um * self.y_um)


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > TOLERANCE * max(one, other)


def choose(recorded: Iterable[RecordedSize], *, option: PixelSize | None, name: str) -> PixelSize | None:
    """Return the pixel size to use: `option` if there is one, else the first plausible recorded one, else None.

    Parameters
    ----------
    recorded : iterable of RecordedSize
        What the file says, the most trusted source first. Lengths that cannot be a pixel's are passed over.
    option : PixelSize, optional
        What the caller says; it always wins.
    name : str
        The file's name, for messages.

    Raises
    ------
    PixelSizeError
        If the file's pixels are not square (width and height differ by more than 1 %) and no option is given.

    Warns
    -----
    PixelSizeWarning
        If two sources differ by more than 1 %.
    """
    plausible = [size for size in recorded if size.plausible]
    chosen = option
    if chosen is None and plausible:
        first = plausible[0]
        if not first.square:
            msg = (
                f"{name} has pixels of {first.x_um:g} x {first.y_um:g} um ({first.source}), which are not square; "
                "resample the image to square pixels first"
            )
            raise PixelSizeError(msg)
        chosen = PixelSize(first.um, first.source)
    for size in plausible:
        if chosen is not None and (_differ(size.x_um, chosen.um) or _differ(size.y_um, chosen.um)):
            other = f"{size.x_um * 1e3:.6g} x {size.y_um * 1e3:.6g} nm ({size.source})"
            msg = f"{name}: two pixel sizes, {chosen} ({chosen.source}) and {other}; {chosen.source} is used"
            warnings.warn(msg, PixelSizeWarning, stacklevel=3)
            break
    return chosen


def unknown(name: str) -> PixelSizeError:
    """Return the error for an image whose pixel size nobody knows."""
    return PixelSizeError(f"{name} does not say its pixel size; {_HOW_TO}")
