"""Rectangles of an image that a person points out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cemvis.errors import InputError

_REGION = re.compile(r"(?:(?P<image>.+):)?(?P<numbers>[-+0-9.eE]+(?:,[-+0-9.eE]+){3})\s*(?P<unit>px|um)?")


@dataclass(frozen=True)
class Region:
    """A rectangle of an image: `x`, `y` of its top-left corner, width and height, in px or um.

    Attributes
    ----------
    x, y, width, height : float
    unit : str
        "px" or "um".
    image : str
        Name of the image's file, or empty for the only one.
    """

    x: float
    y: float
    width: float
    height: float
    unit: str = "px"
    image: str = ""

    @classmethod
    def parse(cls, text: str) -> Region:
        """Return the region that a text such as ``120,40,60,60``, ``6,2,3,3um`` or ``a.tif:6,2,3,3um`` says.

        Raises
        ------
        InputError
            If it says none.

        Examples
        --------
        >>> Region.parse("a.tif:6,2,3,3um")
        Region(x=6.0, y=2.0, width=3.0, height=3.0, unit='um', image='a.tif')
        """
        match = _REGION.fullmatch(text.strip())
        try:
            numbers = [float(part) for part in match["numbers"].split(",")] if match else []
        except ValueError:
            numbers = []
        if match is None or len(numbers) != 4 or min(numbers) < 0 or min(numbers[2:]) <= 0 or max(numbers) > 1e9:
            msg = f"{text!r} is not a region; wanted [IMAGE:]x,y,width,height with px (or nothing) or um behind it"
            raise InputError(msg)
        x, y, width, height = numbers
        return cls(x, y, width, height, match["unit"] or "px", match["image"] or "")

    def pixels(self, shape: tuple[int, int], pixel_size_um: float) -> tuple[int, int, int, int]:
        """Return row, column, rows and columns.

        Raises
        ------
        InputError
            If it is not inside an image of `shape`.
        """
        scale = 1.0 if self.unit == "px" else 1 / pixel_size_um
        col, row, cols, rows = (round(each * scale) for each in (self.x, self.y, self.width, self.height))
        if rows < 1 or cols < 1 or row + rows > shape[0] or col + cols > shape[1]:
            msg = (
                f"the region {self.x:g},{self.y:g},{self.width:g},{self.height:g} {self.unit} is not inside the "
                f"image of {shape[1]} x {shape[0]} px (width x height)"
            )
            raise InputError(msg)
        return row, col, rows, cols
