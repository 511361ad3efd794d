"""Maps as OME-TIFF: float32 with the step, the property and its unit, written tile by tile."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import written_whole
from cemvis.workflows._map_plan import CellGrid

LARGEST_TILE = 256
MICROMETRE = "\N{MICRO SIGN}m"


@dataclass(frozen=True)
class RasterText:
    """What a map says about itself.

    Attributes
    ----------
    name : str
        For example ``Modulus (GPa)``.
    description : str
        One sentence for a reader.
    origin : Mapping
        What the map was made from; goes in as JSON.
    """

    name: str
    description: str
    origin: Mapping[str, Any]


def write_ome_tiff(
    path: Path,
    read_rows: Callable[[int, int], NDArray[Any]],
    *,
    grid: CellGrid,
    dtype: str,
    text: RasterText,
    software: str,
) -> None:
    """Write a grid of cells as OME-TIFF, whole or not at all, holding a row of tiles in memory.

    PhysicalSizeX and PhysicalSizeY are the step between cells; PositionX and PositionY the centre of the first cell,
    from the centre of the mosaic's top-left pixel, in um.

    Parameters
    ----------
    path : Path
    read_rows : callable
        Returns the rows ``first`` to ``last`` (left out) of the grid.
    grid : CellGrid
    dtype : str
        "float32" (NaN where there is no value) or "uint8".
    text : RasterText
    software : str
        Name and version of what wrote the file.
    """
    from tifffile import TiffWriter

    rows, cols = grid.shape
    side = min(LARGEST_TILE, -(-max(rows, cols) // 16) * 16)
    origin = json.dumps(text.origin, sort_keys=True)
    metadata: dict[str, Any] = {
        "axes": "YX",
        "Name": text.name,
        "Description": f"{text.description} {origin}",
        "PhysicalSizeX": grid.step_um,
        "PhysicalSizeXUnit": MICROMETRE,
        "PhysicalSizeY": grid.step_um,
        "PhysicalSizeYUnit": MICROMETRE,
        "Plane": {
            "PositionX": float(grid.centres_um(0, 1)[0]),
            "PositionXUnit": MICROMETRE,
            "PositionY": float(grid.centres_um(0, 1)[0]),
            "PositionYUnit": MICROMETRE,
        },
        "Creator": software,
        # Drawn from the content, not from the clock, so that the same map is the same file.
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cemvis:{text.name}:{origin}")),
    }
    bytes_at_most = rows * cols * np.dtype(dtype).itemsize
    with written_whole(path) as beside, TiffWriter(beside, ome=True, bigtiff=bytes_at_most > 2**31) as writer:
        writer.write(
            data=_tiles(read_rows, grid.shape, side, np.dtype(dtype)),
            shape=grid.shape,
            dtype=dtype,
            tile=(side, side),
            compression="zlib",
            photometric="minisblack",
            software=software,
            metadata=metadata,
            resolution=(1e4 / grid.step_um, 1e4 / grid.step_um),
            resolutionunit="CENTIMETER",
        )


def _tiles(
    read_rows: Callable[[int, int], NDArray[Any]], shape: tuple[int, int], side: int, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Yield the tiles of a grid, those at the edges filled up with zeros."""
    for top in range(0, shape[0], side):
        band = read_rows(top, min(top + side, shape[0]))
        for left in range(0, shape[1], side):
            piece = band[:, left : left + side]
            tile = np.zeros((side, side), dtype)
            tile[: piece.shape[0], : piece.shape[1]] = piece
            yield tile
