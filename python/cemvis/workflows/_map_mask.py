"""The region of interest: a mask read from whatever kind of image people draw one in."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import CemvisError, FileFormatError, InputError, PixelSizeWarning
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import PixelSize

NO_SIZE = PixelSize(1.0, "mask")  # a mask lies on the mosaic pixel by pixel, whatever its file says


def open_mask(mask: str | os.PathLike[str] | Micrograph | NDArray[Any], stack: ExitStack) -> Micrograph:
    """Open a mask, nonzero where the mosaic is to be mapped.

    Grey images are read by window, as mosaics are. Arrays, and images of 1 bit or with a palette, of which the index
    counts, are held in memory as a byte a pixel.

    Raises
    ------
    InputError
        If it is neither an image nor the path of one.
    FileFormatError, FileAccessError
        If the file cannot be read.
    """
    if isinstance(mask, Micrograph):
        return mask
    if isinstance(mask, np.ndarray):
        return _in_memory(mask)
    if not isinstance(mask, (str, os.PathLike)):
        msg = f"mask is a {type(mask).__name__}; wanted a path, a Micrograph or an array"
        raise InputError(msg)
    try:
        chosen = _indexed_tiff(Path(mask)) if _is_tiff(Path(mask)) else _indexed_raster(Path(mask))
        if chosen is not None:
            return _in_memory(chosen)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PixelSizeWarning)
            return stack.enter_context(open_micrograph(mask, pixel_size=NO_SIZE, info_bar=False))
    except CemvisError as error:
        msg = f"mask: {error}"
        raise type(error)(msg) from error


def check_mask(mask: Micrograph, mosaic: Micrograph) -> None:
    """Check that `mask` has the size of `mosaic`, with or without its info bar.

    Raises
    ------
    InputError
        If it has another size.
    """
    rows, cols = mosaic.shape
    if mask.shape not in ((rows, cols), (rows + mosaic.info_bar_rows, cols)):
        msg = (
            f"the mask has {mask.shape[0]} x {mask.shape[1]} px, the mosaic {rows} x {cols} px; "
            "wanted a mask of the mosaic's size, nonzero where it is to be mapped"
        )
        raise InputError(msg)


def _in_memory(mask: NDArray[Any]) -> Micrograph:
    if mask.ndim != 2 or mask.size == 0 or mask.dtype.kind not in "buif":
        msg = f"mask is an array of shape {mask.shape} and type {mask.dtype}; wanted numbers or bool, (rows, cols)"
        raise InputError(msg)
    return Micrograph.from_array((mask != 0).view(np.uint8), pixel_size=NO_SIZE)


def _is_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError:  # a folder may be a Zarr store; everything else is told when the image is opened
        return False


def _indexed_tiff(path: Path) -> NDArray[Any] | None:
    """Return the pixels of a TIFF of 1 bit or with a palette; None of any other."""
    from tifffile import PHOTOMETRIC, TiffFile

    try:
        with TiffFile(path) as tiff:
            page = tiff.pages.first
            if page.bitspersample != 1 and page.photometric != PHOTOMETRIC.PALETTE:
                return None
            pixels: NDArray[Any] = page.asarray()  # as stored: bool arrays are often written as "white is zero"
            return pixels
    except Exception as error:  # tifffile and its codecs raise errors of every kind on damaged files
        msg = f"{path} cannot be read as a TIFF: {error}"
        raise FileFormatError(msg) from error


def _indexed_raster(path: Path) -> NDArray[Any] | None:
    """Return the pixels of a PNG, GIF or BMP of 1 bit or with a palette; None of any other file."""
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image) if image.mode in ("1", "P") else None
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        msg = f"{path} cannot be read: {error}"
        raise FileFormatError(msg) from error
