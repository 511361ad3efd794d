"""OME-TIFF files written band by band: pixel size, unit and origin inside, the same bytes for the same content."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._files import access_errors, written_whole
from cemvis.errors import InputError

LARGEST_TILE = 512
MICROMETRE = "\N{MICRO SIGN}m"


@dataclass(frozen=True)
class Raster:
    """What an image file says about itself.

    Attributes
    ----------
    name
        For example ``Modulus (GPa)``.
    description
        One sentence for a reader.
    pixel_size_um
        Distance between pixels.
    first_um
        x and y of the first pixel's centre, from the centre of the mosaic's top-left pixel.
    origin
        What the image was made from; goes in as JSON.
    """

    name: str
    description: str
    pixel_size_um: float
    first_um: tuple[float, float] = (0.0, 0.0)
    origin: Mapping[str, Any] = field(default_factory=dict)


def write_ome_tiff(
    path: Path,
    bands: Iterable[NDArray[Any]],
    *,
    shape: tuple[int, int],
    dtype: str,
    raster: Raster,
    compression: str = "zlib",
    compression_args: Mapping[str, Any] | None = None,
) -> None:
    """Write an image as a tiled OME-TIFF, whole or not at all, holding two bands in memory.

    Parameters
    ----------
    path
        Where to.
    bands
        (any rows, cols) arrays of the image's dtype that make up the image from top to bottom.
    shape, dtype
        Of the whole image.
    raster
        Pixel size, place, name and origin.
    compression, compression_args
        As tifffile names them.

    Raises
    ------
    InputError
        If a band has another width or dtype than the image, or all of them together another height.
    FileAccessError
        If the file cannot be written.
    """
    from tifffile import TiffWriter

    rows, cols = shape
    side = min(LARGEST_TILE, -(-max(rows, cols) // 16) * 16)
    big = rows * cols * np.dtype(dtype).itemsize > 2**31
    with written_whole(path) as beside, TiffWriter(beside, ome=True, bigtiff=big) as writer:
        writer.write(
            data=_tiles(bands, shape, side, np.dtype(dtype)),
            shape=shape,
            dtype=dtype,
            tile=(side, side),
            compression=compression,
            compressionargs=dict(compression_args or {}),
            photometric="minisblack",
            software=f"cemvis {__version__}",
            metadata=_ome_metadata(raster, shape, np.dtype(dtype)),
            resolution=(1e4 / raster.pixel_size_um, 1e4 / raster.pixel_size_um),
            resolutionunit="CENTIMETER",
        )


def read_description(path: Path) -> str:
    """Return the description of the first image in an OME-TIFF, its origin included; empty for any other file.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    """
    from tifffile import TiffFile, TiffFileError

    try:
        with access_errors(path, doing="read"), TiffFile(path) as tiff:
            xml = tiff.ome_metadata or ""
        root = ElementTree.fromstring(xml)
    except (TiffFileError, ElementTree.ParseError):
        return ""
    return next((each.text or "" for each in root.iter() if each.tag.endswith("}Description")), "")


def _ome_metadata(raster: Raster, shape: tuple[int, int], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return what tifffile is to write into the OME-XML."""
    origin = json.dumps(raster.origin, sort_keys=True)
    identity = json.dumps([raster.name, origin, shape, dtype.name, raster.pixel_size_um, raster.first_um])
    return {
        "axes": "YX",
        "Name": raster.name,
        "Description": f"{raster.description} {origin}",
        "PhysicalSizeX": raster.pixel_size_um,
        "PhysicalSizeXUnit": MICROMETRE,
        "PhysicalSizeY": raster.pixel_size_um,
        "PhysicalSizeYUnit": MICROMETRE,
        "Plane": {
            "PositionX": raster.first_um[0],
            "PositionXUnit": MICROMETRE,
            "PositionY": raster.first_um[1],
            "PositionYUnit": MICROMETRE,
        },
        "Creator": f"cemvis {__version__}",
        # Drawn from what the image is of, not from the clock, so that the same image is the same file. The pixels take
        # no part, since they come after it: images with one name, origin, shape, type and place share their UUID.
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cemvis:{identity}")),
    }


def _rows_of_tiles(
    bands: Iterable[NDArray[Any]], shape: tuple[int, int], side: int, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Yield the image in pieces of `side` rows, the last one shorter, from bands of any height."""
    piece = np.empty((side, shape[1]), dtype)
    filled = done = 0
    for band in bands:
        _check_band(band, done, shape, dtype)
        taken = 0
        while taken < len(band):
            count = min(side - filled, len(band) - taken)
            piece[filled : filled + count] = band[taken : taken + count]
            filled, taken, done = filled + count, taken + count, done + count
            if filled == side and done < shape[0]:
                yield piece[:filled]
                filled = 0
    if done < shape[0]:
        msg = f"the bands have {done} rows together; wanted {shape[0]}"
        raise InputError(msg)
    # The last piece waits for the end of the bands: the writer asks for nothing after it, not even for one band more.
    yield piece[:filled]


def _check_band(band: NDArray[Any], done: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    if band.ndim != 2 or band.shape[1] != shape[1] or band.dtype != dtype:
        msg = f"the band at row {done} is {band.dtype} of shape {band.shape}; wanted {dtype}, (any rows, {shape[1]})"
        raise InputError(msg)
    if done + len(band) > shape[0]:
        msg = f"the bands have at least {done + len(band)} rows together; wanted {shape[0]}"
        raise InputError(msg)


def _tiles(
    bands: Iterable[NDArray[Any]], shape: tuple[int, int], side: int, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Yield the tiles of an image from top left to bottom right, those at the edges filled up with zeros."""
    for rows in _rows_of_tiles(bands, shape, side, dtype):
        for left in range(0, shape[1], side):
            part = rows[:, left : left + side]
            tile = np.zeros((side, side), dtype)
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile
