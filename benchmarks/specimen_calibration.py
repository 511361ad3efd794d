"""Measure how well the calibrated recipe agrees with Table 1, A3, of Liang et al. 2023, and how far models can go.

    python benchmarks/specimen_calibration.py [--indents 100000] [--seed 1000] [--json FILE]

Prints the fitted four-population mixture, its distance from the measured one, R2 of the table and linear models on
the mean grey of 10 um windows, and two bounds on what any model can reach: what is left after noise and hidden
spread, and what a boosted regression on the true surface around each indent explains (a lower bound on what the
surface tells, so what lies below it hides at most the rest).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import HistGradientBoostingRegressor

from cemvis.analysis.specimen.area import BATCH, PITCH_UM, Area
from cemvis.analysis.specimen.calibration import agreement
from cemvis.analysis.specimen.recipes import CALIBRATED, recipe_named
from cemvis.kernels.specimen import Phase, Window

PIXEL_UM = 0.4  # coarse: means over 10 um windows and blurs of 0.5 um and more need no finer
BATCHES = 5  # 10,000 indents an area
BLURS_UM = (0.5, 1.0, 1.7, 2.6, 4.0)


def order_by_grid(values: NDArray[np.float64], batches: int) -> NDArray[np.float64]:
    """Return per-indent values, batch by batch, as the (rows, cols) grid of the whole area."""
    blocks = values.reshape(batches, batches, BATCH, BATCH)
    return blocks.transpose(0, 2, 1, 3).reshape(batches * BATCH, batches * BATCH)


def surface_features(area: Area, grey: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return blurred true phases and stiffness of the surface at the indents, (n, features)."""
    phase = area.phases(Window(0, 0, area.edge_px, area.edge_px))
    mechanics = area.recipe.mechanics
    stiffness = np.array(mechanics.modulus_gpa) ** mechanics.mixing_exponent
    layers = [(phase == p).astype(np.float32) for p in (Phase.PORE, Phase.LD_CSH, Phase.HD_CSH, Phase.CH)]
    layers += [(phase > Phase.CH).astype(np.float32), stiffness[phase].astype(np.float32), grey.astype(np.float32)]
    at = (np.arange(BATCHES * BATCH) * PITCH_UM + PITCH_UM / 2) / PIXEL_UM
    at = at.astype(int)
    columns = []
    for layer in layers:
        for sd in BLURS_UM:
            columns.append(gaussian_filter(layer, sd / PIXEL_UM, mode="nearest")[np.ix_(at, at)].ravel())
    return np.stack(columns, axis=1)


def measure(indents: int, seed: int) -> dict[str, object]:
    recipe = recipe_named(CALIBRATED)
    noiseless = replace(recipe.imaging, read_noise=0.0, shot_noise=0.0)
    per_area = (BATCHES * BATCH) ** 2
    modulus, sure, means, features = [], [], [], []
    for index in range(-(-indents // per_area)):
        area = Area(replace(recipe, imaging=noiseless), seed, index, BATCHES, PIXEL_UM)
        grey = area.image(Window(0, 0, area.edge_px, area.edge_px)).astype(float)
        cells = BATCHES * BATCH
        side = area.edge_px // cells
        means.append(grey.reshape(cells, side, cells, side).mean(axis=(1, 3)).ravel())
        modulus.append(order_by_grid(area.indent().modulus_gpa, BATCHES).ravel())
        sure.append(order_by_grid(area.truth(area.indents_xy_um())[0], BATCHES).ravel())
        features.append(surface_features(area, grey))
    e, true, grey_mean, surface = (np.concatenate(v) for v in (modulus, sure, means, features))
    ok = np.isfinite(e)
    found = agreement(e[ok], grey_mean[ok])
    cut = int(0.8 * len(e))
    train, test = ok & (np.arange(len(e)) < cut), ok & (np.arange(len(e)) >= cut)
    boosted = HistGradientBoostingRegressor(
        max_iter=600, learning_rate=0.05, max_leaf_nodes=31, min_samples_leaf=40, random_state=0
    ).fit(surface[train], e[train])
    variance = e[test].var()
    return {
        "recipe": CALIBRATED,
        "seed": seed,
        **found.to_json(),
        "mean_gpa": float(e[ok].mean()),
        "sd_gpa": float(e[ok].std()),
        "failed_share": float(1 - ok.mean()),
        "r2_ceiling_noise": float(1 - ((true[ok] - e[ok]) ** 2).mean() / e[ok].var()),
        "r2_true_surface": float(1 - ((boosted.predict(surface[test]) - e[test]) ** 2).mean() / variance),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--indents", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    text = json.dumps(measure(options.indents, options.seed), indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
