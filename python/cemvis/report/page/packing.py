"""Grids and pictures as text inside a page: values in logarithmic steps, deflated; pictures as data URIs."""

from __future__ import annotations

import base64
import io
import math
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import FileFormatError

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_PX = 2048
MOST_PICTURE_PX = 64_000_000  # a picture file is decoded whole
STEP = math.log(1.0005)  # of ln(value): no shown value is off by more than 0.025 %
_MOST_CODES = 65_534
_QUALITY = 86


@dataclass(frozen=True)
class Packed:
    """A grid as text.

    Attributes
    ----------
    data : str
        Base 64 of zlib's deflate of the codes: the low bytes of all, then the high ones, each code as the difference
        from its left neighbour.
    low, step : float
        Code c above 0 is ``low * exp(step * (c - 1))``, or ``low + step * (c - 1)`` if not `logarithmic`; 0 is none.
    """

    data: str
    low: float
    step: float
    logarithmic: bool


def packed_values(values: NDArray[Any]) -> Packed:
    """Return values as codes in equal ratios of 0.05 %, or, if any is not above 0, in 16,000 equal steps.

    Parameters
    ----------
    values : (rows, cols) float
        NaN, and nothing else that is not finite, where there is none.
    """
    known = np.isfinite(values)
    codes = np.zeros(values.shape, np.uint16)
    if not known.any():
        return Packed(_packed(codes), 0.0, 1.0, logarithmic=False)
    there = values[known].astype(np.float64)
    low, high = float(there.min()), float(there.max())
    logarithmic = low > 0 and math.log(high / low) < STEP * (_MOST_CODES - 1)
    step = STEP if logarithmic else max((high - low) / 16_000, 1e-12 * max(1.0, abs(high)))
    at = np.log(there / low) if logarithmic else there - low
    codes[known] = 1 + np.rint(at / step).astype(np.uint16)
    return Packed(_packed(codes), low, step, logarithmic)


def packed_classes(numbers: NDArray[np.uint8]) -> str:
    """Return numbers of classes as text, in the order of `Packed.data`."""
    return _packed(numbers.astype(np.uint16))


def _packed(codes: NDArray[np.uint16]) -> str:
    change = np.diff(codes, axis=1, prepend=np.uint16(0)).astype("<u2").ravel()
    pair = change.view(np.uint8).reshape(-1, 2)
    return base64.b64encode(zlib.compress(pair[:, 0].tobytes() + pair[:, 1].tobytes(), 9)).decode("ascii")


def grey_picture(grey: NDArray[Any]) -> str:
    """Return grey levels, (rows, cols), as a JPEG in a data URI, from the 0.1st to the 99.9th percentile."""
    from PIL import Image

    low, high = (float(edge) for edge in np.percentile(grey, [0.1, 99.9]))
    shown = np.clip((grey - low) / max(high - low, 1e-6) * 255 + 0.5, 0, 255).astype(np.uint8)
    return _data_uri(Image.fromarray(shown), "JPEG")


def picture_file(path: Path, *, largest_px: int = 1600) -> tuple[str, int, int]:
    """Return a picture file as data URI with its width and height, its longer side at most `largest_px`.

    Raises
    ------
    FileFormatError
        If it is damaged, or too large to be decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is what counts
            opened = Image.open(path, formats=["PNG", "JPEG"])
        with opened as image:
            if image.width * image.height > MOST_PICTURE_PX:
                msg = f"{path.name} has {image.width} x {image.height} px, more than a page needs; it is in the folder"
                raise FileFormatError(msg)
            shown: Image.Image = image.convert("RGB") if image.mode not in ("L", "RGB") else image
            if max(image.size) > largest_px:
                shown.thumbnail((largest_px, largest_px), Image.Resampling.LANCZOS)
            return _lighter(shown), shown.width, shown.height
    except FileFormatError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError, UnidentifiedImageError) as error:
        msg = f"{path.name} is a damaged or truncated picture, or too large a one"
        raise FileFormatError(msg) from error


def _lighter(image: Image) -> str:
    """Return a PNG of few colours or a JPEG, whichever is smaller: line art and pictures want different ones."""
    from PIL.Image import Dither

    choices = (
        _data_uri(image.quantize(256, dither=Dither.NONE) if image.mode == "RGB" else image, "PNG"),
        _data_uri(image, "JPEG"),
    )
    return min(choices, key=len)


def _data_uri(image: Image, kind: str) -> str:
    file = io.BytesIO()
    image.save(file, kind, quality=_QUALITY, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
