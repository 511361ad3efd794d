"""Run folders for tests of reports, written by hand: a map with its mosaic, its mixtures, an out-of-bag test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tifffile
from PIL import Image
from pyarrow import parquet

from cemvis._files import sha256_of
from cemvis.images.micrograph import open_micrograph
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows._map_inputs import image_origin
from mosaics import paste_like

EVIL = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>&\"'"
PIXEL_UM, WINDOW_PX, STEP_PX = 0.05, 20, 10
MOSAIC_PX = (300, 460)
FIRST_UM, STEP_UM = (WINDOW_PX - 1) / 2 * PIXEL_UM, STEP_PX * PIXEL_UM
CELLS = tuple((side - WINDOW_PX) // STEP_PX + 1 for side in MOSAIC_PX)


def write_mosaic(path: Path, *, seed: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, paste_like(MOSAIC_PX, seed=seed), tile=(64, 64), metadata=None)
    return path


def map_values(*, seed: int = 5) -> dict[str, np.ndarray]:
    """Return modulus and hardness of the cells in GPa, a few of them not mapped, with half widths."""
    rng = np.random.default_rng(seed)
    modulus = np.where(rng.random(CELLS) < 0.7, rng.normal(25, 2, CELLS), rng.normal(60, 5, CELLS))
    modulus[:2, :3] = np.nan
    return {
        "modulus": modulus.astype(np.float32),
        "hardness": (modulus / 25).astype(np.float32),
        "modulus_half_width": (modulus / 8).astype(np.float32),
    }


def raster(path: Path, values: np.ndarray, name: str, *, about: str = "", origin: dict[str, Any] | None = None) -> None:
    described = Raster(name, about, STEP_UM, (FIRST_UM, FIRST_UM), origin or {})
    write_ome_tiff(path, [values], shape=values.shape, dtype=str(values.dtype), raster=described)


def write_map(folder: Path, *, mosaic: Path | None = None, **changes: Any) -> Path:
    """Write a map folder whose mosaic lies in the folder above; `changes` go into its summary."""
    folder.mkdir(parents=True)
    mosaic = mosaic or write_mosaic(folder.parent / "mosaic.tif")
    values = map_values()
    for name, unit in (
        ("modulus", "Modulus"),
        ("hardness", "Hardness"),
        ("modulus_half_width", "Half width of Modulus"),
    ):
        raster(folder / f"{name}.ome.tif", values[name], f"{unit} (GPa)")
    flags = np.zeros(CELLS, np.uint8)
    flags[:2, :3], flags[5, 5] = 8, 3
    raster(folder / "flags.ome.tif", flags, "Flags")
    row, column = (each.ravel().astype(np.int32) for each in np.indices(CELLS))
    table = pa.table({"row": row, "column": column, "mean_grey": 100.0 + row + column})
    parquet.write_table(table, folder / "cells.parquet")
    (folder / "cells.csv").write_text("row,column\n0,0\n")
    with open_micrograph(mosaic, pixel_size=PixelSize(PIXEL_UM, "test")) as image:
        about = image_origin(image)
    summary = {
        "format": "cemvis map",
        "cemvis": "0.1.0",
        "mosaic": about,
        "model": {"sha256": "ab" * 32},
        "pixel_size": {"um": PIXEL_UM, "source": "option"},
        "grid": {"cells": list(CELLS), "step_um": STEP_UM, "first_centre_um": FIRST_UM},
        "grey_scale": {"note": "matrix 110 -> 110"},
        "notes": [],
        "warnings": [],
        "cells": {"all": CELLS[0] * CELLS[1], "mapped": CELLS[0] * CELLS[1] - 6, "outside_training_range_share": 0.01},
        "flags": {"1": "darker than all", "2": "brighter than all", "8": "not mapped"},
        "properties": {
            name: {"unit": "GPa", "mean": 35.5, "quantiles": {"0.05": 21.0, "0.5": 26.0, "0.95": 64.0}}
            for name in ("modulus", "hardness")
        },
        "files": ["modulus.ome.tif", "cells.csv", "summary.json"],
        **changes,
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def estimate(value: float, by: float) -> dict[str, float]:
    return {"value": value, "low": value - by, "high": value + by}


def write_mixtures(folder: Path, inputs: list[dict[str, Any]], *, supported: bool = True, **found: Any) -> Path:
    """Write a folder of mixtures in modulus: 70 % at 25 GPa, 30 % at 60 GPa."""
    folder.mkdir(parents=True)
    populations = [
        {
            "name": name,
            "fraction": estimate(fraction, 0.02),
            "means": {"modulus": estimate(mean, 0.5)},
            "sds": {"modulus": estimate(sd, 0.1)},
        }
        for name, fraction, mean, sd in (("soft", 0.7, 25.0, 2.0), ("hard", 0.3, 60.0, 5.0))
    ]
    modulus = {
        "components": "normal",
        "values": 1000,
        "supported": supported,
        "verdict": [] if supported else ["BIC prefers 3", "few values"],
        "populations": populations,
        **found,
    }
    record = {
        "format": "cemvis deconvolve",
        "cemvis": "0.1.0",
        "command": "cemvis deconvolve map",
        "inputs": inputs,
        "notes": [],
        "found": {"modulus": modulus},
        "hydration": {},
    }
    (folder / "populations.json").write_text(json.dumps(record))
    (folder / "populations.csv").write_text("population,fraction\nsoft,0.7\nhard,0.3\n")
    return folder


def mixtures_of(folder: Path, output: Path, **options: Any) -> Path:
    """Write mixtures that were found in a map folder, with its map of populations."""
    summary = json.loads((folder / "summary.json").read_text())
    about = {key: summary[key] for key in ("mosaic", "grid", "model", "pixel_size")}
    write_mixtures(output, [{"path": str(folder), **about}], **options)
    values = map_values()["modulus"]
    numbers = np.where(np.isnan(values), 0, np.where(values < 40, 1, 2)).astype(np.uint8)
    legend = {"0": "not mapped", "1": "soft", "2": "hard", "255": "uncertain"}
    raster(output / "population_map.ome.tif", numbers, "Population by modulus", origin={"legend": legend, "map": about})
    return output


def write_validation(folder: Path, *, second: str = "line") -> Path:
    """Write an out-of-bag test of two maps of modulus, with measured values and a truth beside them."""
    mosaic = write_mosaic(folder.parent / "area" / "before.tif")
    maps = []
    for name in ("net", second):
        mapped = write_map(folder / "maps" / f"map-{len(maps)}", mosaic=mosaic)
        summary = json.loads((mapped / "summary.json").read_text())
        about = {key: summary[key] for key in ("mosaic", "grid", "model", "pixel_size")}
        maps.append({"label": name, "path": str(mapped), **about})
    raster(folder.parent / "area" / "truth_modulus.ome.tif", map_values()["modulus"] + 100, "Modulus (GPa)")
    true_field = sha256_of(folder.parent / "area" / "truth_modulus.ome.tif")
    values = np.random.default_rng(2).normal(30, 4, 400)
    table = folder.parent / "indents.csv"
    table.write_text("modulus_gpa,batch\n" + "".join(f"{each:.3f},b{n % 9}\n" for n, each in enumerate(values)))
    mixture = json.loads((write_mixtures(folder.parent / "m", [], supported=False) / "populations.json").read_text())
    sources = {
        label: {"is_map": label in ("net", second), "mixture": mixture["found"]["modulus"]}
        for label in ("measured", "net", second, "truth of the area")
    }
    compared = {
        label: {"distance": estimate(1.5, 0.5), "difference": estimate(0.2, 0.1), "told_apart": label != "net"}
        for label in ("net", second, "truth of the area")
    }
    errors = {label: {"against_truth": [{"phase": "all", "r2": estimate(0.9, 0.02)}]} for label in ("net", second)}
    record = {
        "format": "cemvis validate",
        "inputs": {
            "measured": [{"path": str(table), "sha256": sha256_of(table)}],
            "maps": maps,
            "truth": {"path": str(folder.parent / "area"), "sha256": {"truth_modulus.ome.tif": true_field}},
        },
        "notes": ["the specimen is virtual"],
        "properties": {
            "modulus": {
                "halves_of_the_measured": {"median": 0.44},
                "sources": sources,
                "compared": compared,
                "errors": errors,
            }
        },
        "files": ["validation.json"],
    }
    (folder / "validation.json").write_text(json.dumps(record))
    Image.new("L", (60, 40), 128).save(folder / "maps.png")
    return folder
