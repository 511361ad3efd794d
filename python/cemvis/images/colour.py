"""From stored samples to grey levels: palettes, inverted greys, and colours that are really grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import FileFormatError

LOSSY_TOLERANCE = 2  # levels of 255 by which red, green and blue of a grey pixel may differ after lossy compression


@dataclass(frozen=True, eq=False)
class Palette:
    """A palette of 256 colours: the grey level of each, and which of them are grey at all."""

    greys: NDArray[np.uint8]
    is_grey: NDArray[np.bool_]

    @classmethod
    def from_colours(cls, colours: NDArray[Any]) -> Palette:
        """Return the palette of `colours`, (3, n) uint8 or uint16, n at most 256; what is missing counts as colour."""
        # Writers scale 8-bit colours to 16 bit by 257 or by 256; the high byte is right for both.
        eight_bit = (colours >> 8 if colours.max(initial=0) > 255 else colours).astype(np.uint8)
        greys = np.zeros(256, np.uint8)
        is_grey = np.zeros(256, np.bool_)
        count = eight_bit.shape[1]
        greys[:count] = eight_bit[0]
        is_grey[:count] = (eight_bit == eight_bit[0]).all(axis=0)
        return cls(greys, is_grey)

    @property
    def is_identity(self) -> bool:
        """Whether level i is grey i throughout, so that nothing needs to be looked up."""
        return bool(self.is_grey.all() and (self.greys == np.arange(256)).all())


@dataclass(frozen=True)
class Encoding:
    """How the stored samples of a pixel make a grey level.

    Parameters
    ----------
    colours : int
        1 (grey) or 3 (red, green, blue).
    alpha : bool
        Whether an opacity follows; every pixel that is read must be opaque.
    inverted : bool
        Whether 0 is white (TIFF's MinIsWhite).
    palette : Palette, optional
        For uint8 samples that are numbers of colours.
    tolerance : int
        Levels by which red, green and blue may differ in a pixel that still counts as grey; its mean is taken.
    """

    colours: int = 1
    alpha: bool = False
    inverted: bool = False
    palette: Palette | None = None
    tolerance: int = 0

    @property
    def samples(self) -> int:
        """Stored values of a pixel."""
        return self.colours + self.alpha

    @property
    def is_plain(self) -> bool:
        """Whether the stored value is the grey level, so that no pixel needs a look."""
        return self.samples == 1 and not self.inverted and self.palette is None


def to_grey(block: NDArray[Any], encoding: Encoding, *, row: int, col: int, name: str) -> NDArray[Any]:
    """Return the grey levels of a block of stored samples.

    Parameters
    ----------
    block : (rows, cols) or (rows, cols, samples) uint8 or uint16
        Stored samples.
    encoding : Encoding
        How they make a grey level.
    row, col : int
        Where the block's first pixel lies in the image, and `name`, the image's name: for messages.

    Returns
    -------
    (rows, cols) uint8 or uint16, C-contiguous

    Raises
    ------
    FileFormatError
        If a pixel is not grey or not opaque; the message names the first one.
    """
    if block.ndim == 3:
        block = _flatten(block, encoding, row=row, col=col, name=name)
    if encoding.palette is not None:
        coloured = ~encoding.palette.is_grey[block]
        if coloured.any():
            raise _at(coloured, "has a palette colour that is not grey", row=row, col=col, name=name)
        block = encoding.palette.greys[block]
    if encoding.inverted:
        block = np.iinfo(block.dtype).max - block
    return np.ascontiguousarray(block)


def _flatten(block: NDArray[Any], encoding: Encoding, *, row: int, col: int, name: str) -> NDArray[Any]:
    """Return one value a pixel of colours that are grey, checked."""
    opaque = np.iinfo(block.dtype).max
    if encoding.alpha and (block[..., -1] != opaque).any():
        raise _at(block[..., -1] != opaque, "is transparent (alpha below its maximum)", row=row, col=col, name=name)
    first = block[..., 0]
    if encoding.colours == 1:
        return np.asarray(first)
    red, green, blue = first, block[..., 1], block[..., 2]
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.asarray(red)
    wide = block[..., :3].astype(np.int32)
    spread = wide.max(axis=-1) - wide.min(axis=-1)
    coloured = spread > encoding.tolerance
    if coloured.any():
        at = np.unravel_index(int(coloured.argmax()), coloured.shape)
        values = "({}, {}, {})".format(*block[at][:3])
        raise _at(coloured, f"has the colour {values}", row=row, col=col, name=name)
    mean: NDArray[Any] = ((wide.sum(axis=-1) + 1) // 3).astype(block.dtype)
    return mean


def _at(wrong: NDArray[np.bool_], what: str, *, row: int, col: int, name: str) -> FileFormatError:
    """Return the error that names the first wrong pixel."""
    i, j = divmod(int(wrong.argmax()), wrong.shape[1])
    msg = (
        f"{name}: the pixel at row {row + i}, column {col + j} {what}; "
        "wanted a grey image, so export the micrograph without colours or overlays"
    )
    return FileFormatError(msg)
