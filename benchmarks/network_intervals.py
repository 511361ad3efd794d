"""How often a network's intervals hold, by true phase and by specimen, beside the table model.

    python benchmarks/network_intervals.py MODEL --trained-on FOLDER --other FOLDER [--figure FILE] [--json FILE]

FOLDER of --trained-on holds the areas that ``cemvis train`` was given, in the order of their names: the model's test
batches are found again by its seed. Those of --other belong to a specimen that it never saw, with another seed, mix
and grey scale. The phase of an indent is the one that most of the true surface within 2.3 um of it shows (the radius
of 63 % of the elastic response), where one holds 60 % or more; the rest is mixed. The table is fitted to the training
batches of the network.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from cemvis.images.grey_scale import transform_to
from cemvis.kernels.specimen import Phase
from cemvis.models.intervals import normal_quantiles
from cemvis.models.metrics import coverage_by_value, coverage_range, scores
from cemvis.models.model import Model
from cemvis.models.model_file import load_model
from cemvis.models.network_training import WindowPairs, predict_examples, window_examples
from cemvis.models.networks import TableNetwork
from cemvis.models.prediction import Prediction
from cemvis.models.splits import network_split
from cemvis.report.network_training import IntervalsByValue, coverage_figure
from cemvis.report.style import save_png
from cemvis.workflows.pairs import Area, Pairs, pair_area
from cemvis.workflows.resnet_training import opened_windows

RADIUS_UM, PURE = 2.3, 0.6
PHASES = {"pore": (Phase.PORE,), "LD-CSH": (Phase.LD_CSH,), "HD-CSH": (Phase.HD_CSH,), "CH": (Phase.CH,)}
CLINKER = (Phase.ALITE, Phase.BELITE, Phase.ALUMINATE, Phase.FERRITE)


@dataclass(frozen=True)
class Specimen:
    """Indents of one specimen with what the model says about them; `phase` counts the names in `PHASE_NAMES`."""

    measured: dict[str, NDArray[np.float64]]
    predictions: dict[str, Prediction]
    mean_grey: NDArray[np.float64]
    batches: NDArray[np.int64]
    phase: NDArray[np.intp]
    windows: WindowPairs


PHASE_NAMES = (*PHASES, "clinker", "mixed")


def true_phase(pairs: Pairs) -> NDArray[np.intp]:
    """Return which of `PHASE_NAMES` each indent stands on."""
    surface = tifffile.imread(pairs.area.mosaic.parent / "truth_phases.ome.tif")
    pixel_um = pairs.pixel_size.um
    reach = round(RADIUS_UM / pixel_um)
    down, right = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disc = down**2 + right**2 <= reach**2
    groups = np.array([next(i for i, of in enumerate((*PHASES.values(), CLINKER)) if p in of) for p in Phase])
    found = np.empty(len(pairs.indents), np.intp)
    places = np.column_stack([pairs.indents.y_um, pairs.indents.x_um]) / pixel_um
    for number, (row, col) in enumerate(np.rint(places).astype(int)):
        around = groups[surface[row - reach : row + reach + 1, col - reach : col + reach + 1][disc]]
        shares = np.bincount(around, minlength=len(PHASE_NAMES) - 1) / len(around)
        found[number] = shares.argmax() if shares.max() >= PURE else len(PHASE_NAMES) - 1
    return found


def look_at(folder: Path, model: Model) -> Specimen:
    """Pair every area of `folder` and predict its indents."""
    network = model.window_network
    assert network is not None
    pairs = [
        pair_area(
            Area.in_folder(path),
            properties=network.targets,
            window_um=model.window_um,
            field_px=network.layout.window_px,
        )
        for path in sorted(folder.glob("area-*"))
    ]
    transforms = [transform_to(model.grey_scale, each.fit or each.anchors) for each in pairs]
    grey = np.concatenate([to.apply(each.mean_grey) for each, to in zip(pairs, transforms, strict=True)])
    offsets = np.cumsum([0, *(int(each.indents.batch.max()) + 1 for each in pairs)])
    batches = np.concatenate([each.indents.batch + first for each, first in zip(pairs, offsets, strict=False)])
    measured = {name: np.concatenate([each.indents.measured_gpa[name] for each in pairs]) for name in network.targets}
    with opened_windows(pairs, transforms, network.layout, pixel_size=None) as mosaics:
        windows = WindowPairs(mosaics, grey, measured, batches, pairs[0].window_px)
        outputs = predict_examples(network, window_examples(windows, network))
    flags = network.grey_flags(grey)
    predictions = {}
    for index, one in enumerate(model.properties):
        value, spread = outputs.value_gpa[:, index], outputs.spread_gpa[:, index]
        raw = normal_quantiles(value, spread, flags, level=one.interval.level)
        predictions[one.name] = one.interval.calibrated(raw)
    phase = np.concatenate([true_phase(each) for each in pairs])
    return Specimen(measured, predictions, grey, batches, phase, windows)


def by_phase(seen: Specimen, chosen: NDArray[np.intp], name: str) -> dict[str, dict[str, float]]:
    """Return coverage with its range, width and error for each phase among the `chosen` indents."""
    prediction, truth = seen.predictions[name].only(chosen), seen.measured[name][chosen]
    bounded = np.isfinite(prediction.half_width)
    inside = (prediction.lower <= truth) & (truth <= prediction.upper)
    found = {}
    for number, phase in enumerate((*PHASE_NAMES, "all")):
        of = bounded & ((seen.phase[chosen] == number) | (phase == "all"))
        if np.count_nonzero(of) < 20:
            continue
        low, high = coverage_range(inside[of], seen.batches[chosen][of])
        found[phase] = {
            "n": int(of.sum()),
            "coverage": float(inside[of].mean()),
            "coverage_low": low,
            "coverage_high": high,
            "mean_width_gpa": float(2 * prediction.half_width[of].mean()),
            "mae_gpa": float(np.abs(truth - prediction.value)[of].mean()),
        }
    return found


def report(
    seen: Specimen, chosen: NDArray[np.intp], tables: dict[str, TableNetwork], title: str
) -> dict[str, dict[str, object]]:
    """Print and return what holds for the `chosen` indents, property by property."""
    said: dict[str, dict[str, object]] = {}
    for name, truth in seen.measured.items():
        network = scores(truth[chosen], seen.predictions[name].value[chosen])
        table = scores(truth[chosen], tables[name].predict(seen.mean_grey[chosen]).value)
        phases = by_phase(seen, chosen, name)
        said[name] = {"network": asdict(network), "table": asdict(table), "by_phase": phases}
        print(
            f"\n{title}, {name}: R2 {network.r2:.3f}, MAE {network.mae:.3g} GPa; table {table.r2:.3f}, {table.mae:.3g}"
        )
        for phase, row in phases.items():
            print(
                f"  {phase:<8}{row['n']:>7,.0f}  holds {row['coverage']:.3f} ({row['coverage_low']:.3f} to "
                f"{row['coverage_high']:.3f})  width {row['mean_width_gpa']:.3g} GPa  MAE {row['mae_gpa']:.3g} GPa"
            )
    return said


def main() -> None:
    """Measure both specimens."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--trained-on", type=Path, required=True)
    arguments.add_argument("--other", type=Path, required=True)
    arguments.add_argument("--figure", type=Path)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    model = load_model(given.model)
    network = model.window_network
    assert network is not None, "the model holds no network"
    seen = look_at(given.trained_on, model)
    digests = [each.sha256 for each in seen.windows.mosaics]
    assert digests == [each.mosaic_sha256 for each in model.training.areas], "the model was trained on other areas"
    level = model.properties[0].interval.level
    guard_px = max(network.layout.window_px, seen.windows.cell_px)
    split = network_split(seen.batches, seen.windows.places, guard_px=guard_px, level=level, seed=model.training.seed)
    tables = {
        name: TableNetwork.fit(seen.mean_grey[split.train], truth[split.train], level=level)
        for name, truth in seen.measured.items()
    }
    said = {"test batches": report(seen, split.test, tables, "test batches")}
    other = look_at(given.other, model)
    said["other specimen"] = report(other, np.arange(len(other.batches)), tables, "other specimen")
    if given.json:
        given.json.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    if given.figure:
        everything = np.arange(len(other.batches))
        shown = [
            IntervalsByValue(f"{name}, {what}", "GPa", level, coverage_by_value(
                of.predictions[name].only(chosen), of.measured[name][chosen], batches=of.batches[chosen]
            ))
            for name in network.targets
            for what, of, chosen in (("test batches", seen, split.test), ("other specimen", other, everything))
        ]  # fmt: skip
        save_png(coverage_figure(shown, title="Intervals by predicted value"), given.figure)


if __name__ == "__main__":
    main()
