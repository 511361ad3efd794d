"""PNG and JPEG, decoded whole."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cemvis.errors import FileFormatError
from cemvis.images import vendor_metadata
from cemvis.images.colour import LOSSY_TOLERANCE, Encoding
from cemvis.images.storage import ArrayStorage, FileMetadata

_ENCODINGS = {
    "L": Encoding(),
    "LA": Encoding(alpha=True),
    "RGB": Encoding(colours=3),
    "RGBA": Encoding(colours=3, alpha=True),
}
_ORIENTATION = 0x0112


def largest_image_px() -> int:
    """Return the most pixels that are decoded: Pillow's own limit, 178,956,970 unless it was changed."""
    return 2 * (Image.MAX_IMAGE_PIXELS or 1 << 62)


def open_raster(path: Path) -> ArrayStorage:
    """Decode a PNG or JPEG file.

    Raises
    ------
    FileFormatError
        If it is damaged, larger than `largest_image_px` or has no grey or RGB pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns from half its limit on; the limit itself is what counts here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=["PNG", "JPEG"])
        with image:
            return _decoded(image, path)
    except Image.DecompressionBombError as error:
        msg = (
            f"{path} has too many pixels for a format that is decoded whole (over {largest_image_px():,}); "
            "save the mosaic as a tiled TIFF"
        )
        raise FileFormatError(msg) from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:  # what Pillow's decoders raise
        if isinstance(error, FileFormatError):
            raise
        msg = f"{path} is a damaged or truncated image file ({error})"
        raise FileFormatError(msg) from error


def _decoded(image: Image.Image, path: Path) -> ArrayStorage:
    file_format = str(image.format)
    notes: tuple[str, ...] = ()
    if image.getexif().get(_ORIENTATION, 1) != 1:
        notes = ("its orientation entry is not applied: rows and columns are as stored",)
    dpi = image.info.get("dpi", (0, 0))
    pixels, encoding = _pixels(image, path)
    if file_format == "JPEG" and encoding.colours == 3:
        encoding = Encoding(colours=3, tolerance=LOSSY_TOLERANCE)
    shape = (pixels.shape[0], pixels.shape[1])
    per_inch = (float(dpi[0]), float(dpi[1]))
    printed_um = vendor_metadata.printed_pixel_um(per_inch, "in")[0]
    metadata = vendor_metadata.beside(path, shape, printed_um=printed_um) + vendor_metadata.resolution(per_inch, "in")
    return ArrayStorage(
        pixels,
        format=file_format,
        layout="decoded whole",
        encoding=encoding,
        lossy=file_format == "JPEG",
        metadata=FileMetadata(notes=notes) + metadata,
    )


def _pixels(image: Image.Image, path: Path) -> tuple[NDArray[Any], Encoding]:
    """Return the stored samples and how they make a grey level."""
    if _is_16_bit_png(path):
        # Pillow would cut 16-bit colours down to 8 bits.
        deep: NDArray[Any] = imagecodecs.png_decode(path.read_bytes())
        samples = deep.shape[2] if deep.ndim == 3 else 1
        return deep, Encoding(colours=3 if samples > 2 else 1, alpha=samples in {2, 4})
    if image.mode in {"P", "PA"} or (image.has_transparency_data and image.mode in {"L", "RGB"}):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode not in _ENCODINGS:
        msg = f"{path} has pixels of kind {image.mode!r}; wanted 8 or 16 bit grey, so export it as such"
        raise FileFormatError(msg)
    return np.asarray(image), _ENCODINGS[image.mode]


def _is_16_bit_png(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(25)
    return header.startswith(b"\x89PNG") and header[24] == 16
