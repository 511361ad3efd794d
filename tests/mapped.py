"""A small mosaic's map, for tests."""

from __future__ import annotations

from pathlib import Path

from cemvis.models.model import Model
from cemvis.workflows.map import MapResult, map_mosaic

PIXEL_UM = 0.05
WINDOW_PX = 20
SMALL_BLOCKS = 16_000
NAMES = {
    "modulus.ome.tif",
    "modulus_half_width.ome.tif",
    "modulus.png",
    "flags.ome.tif",
    "cells.csv",
    "cells.parquet",
    "histogram.png",
    "summary.json",
}


def mapped(mosaic: Path, model: Model, output: Path, **settings) -> MapResult:
    return map_mosaic(mosaic, model, output=output, **({"pixel_size": "50 nm", "anchors": (110.0, 210.0)} | settings))


def all_bytes(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir()}
