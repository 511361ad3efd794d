"""Whether the detail of a dense map below the size of a cell is real: the map against the specimen's true field.

    python benchmarks/sub_window_detail.py MODEL FOLDER [--steps 10 2 0.32] [--figure FILE] [--json FILE]

FOLDER gets the maps. The mosaic is the sample that comes with cemvis, whose specimen the model never saw; the truth
is what an ideal indenter would measure at the middle of each cell. Detail is a field less its mean over the 10 um
around each point: a map that is blurred to the cells, however finely it is sampled, has none that agrees with the
truth's. The share of the truth's detail that the map explains is ``1 - var(truth - map) / var(truth)`` of both details.
"""

from __future__ import annotations

import argparse
import json
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from cemvis import map_mosaic, open_micrograph
from cemvis.analysis.specimen.area import Area
from cemvis.analysis.specimen.recipes import CALIBRATED, recipe_named
from cemvis.report.maps import Panel, Raster, property_map
from cemvis.report.style import VALUE_COLOURS, save_png

SAMPLE_SEED, CELL_UM = 2, 10.0


def detail(field: NDArray[np.floating], step_um: float) -> NDArray[np.float64]:
    """Return a field less its mean over a cell, without the points whose cell leaves the field."""
    side = 2 * round(CELL_UM / step_um / 2) + 1
    edge = side // 2
    smooth = uniform_filter(np.asarray(field, np.float64), side, mode="nearest")
    return np.asarray((field - smooth)[edge:-edge, edge:-edge])


def explained(truth: NDArray[np.floating], found: NDArray[np.floating]) -> float:
    """Return the share of the truth's variance that `found` explains."""
    return float(1 - np.var(truth - found) / np.var(truth))


def compare(mosaic: Path, model: Path, folder: Path, step_um: float) -> tuple[dict[str, float], Raster, Raster]:
    """Map the sample at one step; return how it agrees with the truth, the map and the truth."""
    result = map_mosaic(mosaic, model, output=folder / f"{step_um:g}", step_um=step_um, overwrite=True)
    found, grid = result.values("modulus").astype(np.float64), result.grid
    y, x = (grid.centres_um(0, count) for count in grid.shape)
    places = np.stack([each.ravel() for each in np.meshgrid(x, y)], axis=1)
    truth = Area(recipe_named(CALIBRATED), seed=SAMPLE_SEED).truth(places)[0].reshape(grid.shape)
    said = {"step_um": grid.step_um, "R2": explained(truth, found)}
    if grid.step_um <= CELL_UM / 2:
        real, mapped = detail(truth, grid.step_um), detail(found, grid.step_um)
        said |= {
            "detail R2": explained(real, mapped),
            "detail r": float(np.corrcoef(real.ravel(), mapped.ravel())[0, 1]),
        }
        said |= {"detail sd, truth": float(real.std()), "detail sd, map": float(mapped.std())}
    half = grid.step_um / 2
    extent = (float(x[0] - half), float(x[-1] + half), float(y[0] - half), float(y[-1] + half))
    return said, Raster(found, extent), Raster(truth, extent)


def main() -> None:
    """Compare each step, and draw image, maps and truth side by side."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--steps", type=float, nargs="+", default=[10.0, 2.0, 0.32])
    arguments.add_argument("--figure", type=Path)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    said, panels = [], []
    with as_file(files("cemvis.data") / "sample.tif") as mosaic:
        with open_micrograph(mosaic) as image:
            rows, cols = image.shape
            um = image.require_pixel_size().um
            extent = (-um / 2, (cols - 0.5) * um, -um / 2, (rows - 0.5) * um)
            panels.append(Panel(Raster(image.read(0, 0, rows, cols), extent), "BSE image", "grey level", "gray"))
        for step_um in given.steps:
            numbers, found, truth = compare(mosaic, given.model, given.folder, step_um)
            said.append(numbers)
            print("  ".join(f"{name} {value:.4g}" for name, value in numbers.items()), flush=True)
            panels.append(Panel(found, f"map, every {numbers['step_um']:.3g} um", "modulus (GPa)", VALUE_COLOURS, True))
    panels.append(Panel(truth, "truth", "modulus (GPa)", VALUE_COLOURS, True))
    if given.json:
        given.json.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    if given.figure:
        caption = (
            "Virtual paste that the model never saw; the truth is what an ideal indenter would measure at each point."
        )
        save_png(property_map(panels, title="As fine as one likes", caption=caption), given.figure)


if __name__ == "__main__":
    main()
