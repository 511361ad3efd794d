"""Measure what errors of position cost a model that learns modulus from windows.

    python benchmarks/positioning_cost.py AREA_FOLDER... [--located NAME] [--json FILE]

Each folder is an area of `cemvis specimen --after` that `cemvis locate` has worked on (in its subfolder `located`).
Models are fitted to windows at the true positions, at the located ones, and at true ones with Gaussian errors added,
and judged by R2 of the modulus, by cross-validation over whole batches: once on windows at the same kind of positions,
as a user would see it, and once at the true ones, which is what a map gets. All see the same indents: those that are
usable, without a flag, and far enough from the border. Standard errors come from resampling whole batches.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, uniform_filter
from sklearn.ensemble import HistGradientBoostingRegressor

from cemvis.analysis.indentation.located import LocatedIndents
from cemvis.images.micrograph import open_micrograph
from cemvis.models.table import TableRegressor

ERRORS_PX = (1.0, 2.0, 5.0, 10.0)  # standard deviation of the distance, both axes together
BLURS_PX = (2.0, 5.0, 12.0, 30.0, 60.0)
BORDER_PX, WINDOW_PX = 140, 247
RESAMPLINGS = 2000

Floats = NDArray[np.float64]


class Area:
    """Grey levels of one area, blurred and averaged, to be looked up anywhere."""

    def __init__(self, folder: Path, located: str) -> None:
        with open_micrograph(folder / "before.tif") as image:
            grey = image.read(0, 0, *image.shape).astype(np.float32)
            size_um = image.require_pixel_size().um
        self.maps = [uniform_filter(grey, WINDOW_PX), *(gaussian_filter(grey, blur) for blur in BLURS_PX)]
        found = LocatedIndents.load(folder / located)
        truth = pd.read_csv(folder / "truth_indents.csv", dtype={"id": str}).set_index("id").loc[list(found.table.id)]
        self.true = truth[["x_um", "y_um"]].to_numpy() / size_um
        self.located = found.before_xy_px
        inside = ((self.true > BORDER_PX) & (self.true < np.array(grey.shape[::-1]) - BORDER_PX)).all(axis=1)
        self.kept = inside & found.table.ok & (np.array(found.flag) == "")
        self.modulus = found.table.modulus_gpa[self.kept]
        self.batch = np.array([f"{folder.name} {name}" for name in found.table.batch])[self.kept]

    def features(self, xy: Floats) -> NDArray[np.float32]:
        """Return the window's mean and the blurred grey levels at places, (n, 6)."""
        at = xy[self.kept, ::-1].T
        return np.stack([map_coordinates(each, at, order=1) for each in self.maps], axis=1)


def predicted(fitted_to: NDArray[np.float32], used_on: NDArray[np.float32], y: Floats, batch: Any, kind: str) -> Floats:
    """Return predictions for each batch by a model fitted to all others."""
    out = np.empty(len(y))
    for name in np.unique(batch):
        test = batch == name
        if kind == "table":
            model = TableRegressor().fit(fitted_to[~test, :1].astype(np.float64), y[~test])
            out[test] = model.predict(used_on[test, :1].astype(np.float64))
        else:
            model = HistGradientBoostingRegressor(max_iter=150, learning_rate=0.06, random_state=0)
            out[test] = model.fit(fitted_to[~test], y[~test]).predict(used_on[test])
    return out


def r2_and_error(y: Floats, one: Floats, other: Floats, batch: Any) -> tuple[float, float, float]:
    """Return R2 of `one`, its loss against `other`, and that loss' standard error over batches."""
    names = np.unique(batch)
    squares = np.array([[np.sum((y[b] - p[b]) ** 2) for p in (one, other)] for b in (batch == name for name in names)])
    total = np.array([np.sum((y[batch == name] - y.mean()) ** 2) for name in names])
    drawn = np.random.default_rng(0).integers(len(names), size=(RESAMPLINGS, len(names)))
    loss = (squares[drawn, 0] - squares[drawn, 1]).sum(axis=1) / total[drawn].sum(axis=1)
    r2 = 1 - squares.sum(axis=0) / total.sum()
    return float(r2[0]), float(r2[1] - r2[0]), float(loss.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--located", default="located")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    areas = [Area(folder, arguments.located) for folder in arguments.folders]
    y, batch = (np.concatenate([getattr(area, name) for area in areas]) for name in ("modulus", "batch"))
    rng = np.random.default_rng(0)
    positions = {"true": [area.true for area in areas], "located": [area.located for area in areas]}
    for error in ERRORS_PX:
        positions[f"{error:g} px"] = [
            area.true + error / np.sqrt(2) * rng.standard_normal(area.true.shape) for area in areas
        ]
    features = {
        name: np.concatenate([area.features(xy) for area, xy in zip(areas, each, strict=True)])
        for name, each in positions.items()
    }
    print(f"{len(y)} indents of {len(np.unique(batch))} batches")
    rows = []
    for kind in ("table", "boosted"):
        best = predicted(features["true"], features["true"], y, batch, kind)
        for name, own in features.items():
            same = r2_and_error(y, predicted(own, own, y, batch, kind), best, batch)
            mapped = r2_and_error(y, predicted(own, features["true"], y, batch, kind), best, batch)
            rows.append({"model": kind, "positions": name, "r2": same[0], "loss": same[1], "loss_se": same[2]})
            rows[-1] |= {"r2_on_true": mapped[0], "loss_on_true": mapped[1], "loss_on_true_se": mapped[2]}
            print(
                f"{kind:8} {name:8} R2 {same[0]:.4f} (loss {same[1]:+.4f} +- {same[2]:.4f}); "
                f"on true windows {mapped[0]:.4f} (loss {mapped[1]:+.4f} +- {mapped[2]:.4f})",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
