"""Compare linear, table and residual networks on one specimen at one price: same pairs, same split, same epochs.

    python benchmarks/resnet_variants.py FOLDER [--pairs 4000] [--epochs 4] [--only NAME ...] [--json FILE]

FOLDER holds the areas of a virtual specimen, as ``cemvis specimen FOLDER --areas 20 --seed 1`` makes them. All
networks learn from the same pairs of the training batches and are tested on the same whole batches. The budget is
small, so that two cores suffice: the figures rank the variants at that budget and are no measure of what each could
reach. The ceiling is what specimen_calibration.py measures.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cemvis.images.grey_scale import GreyTransform, transform_to
from cemvis.models.metrics import scores
from cemvis.models.network_training import WindowPairs, predict_examples, standardised, value_and_spread_loss
from cemvis.models.networks import NETWORKS
from cemvis.models.resnet import ResNet
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.splits import NetworkSplit, network_split
from cemvis.models.trainer import fit
from cemvis.models.trainer_config import TrainerConfig
from cemvis.models.window_network import WindowNetwork
from cemvis.workflows.pairs import Area, Pairs, pair_area
from cemvis.workflows.resnet_training import opened_windows
from cemvis.workflows.train import model_grey_scale

CELL_PX = 250
TESTED = 1500
LAYOUTS = {
    "exact": ResNetLayout(targets=2, window=250, spread=True),
    "exact, pooled stem": ResNetLayout(targets=2, window=250, stem_pool=True, spread=True),
    "padded, 2x": ResNetLayout(targets=2, downsample=2, window=125, spread=True),
    "padded, 4x": ResNetLayout(targets=2, downsample=4, window=62, spread=True),
    "dense, 2x, 1 feature": ResNetLayout.dense(pooled=1, targets=2, downsample=2, spread=True),
    "dense, 4x, 2 x 2 features": ResNetLayout.dense(pooled=2, targets=2, downsample=4, spread=True),
    "dense, 4x, 8 x 8 features": ResNetLayout.dense(pooled=8, targets=2, downsample=4, spread=True),
}
WIDEST = max(LAYOUTS.values(), key=lambda layout: layout.window_px)  # all are tested on the indents that it can be
CEILING = (
    "ceiling of modulus R2, from specimen_calibration.py: 0.986 by noise and hidden spread, 0.942 by a boosted "
    "regression on the true surface"
)


@dataclass(frozen=True)
class Data:
    """Pairs of all areas, the same split for every variant, and a seeded choice of the training pairs."""

    pairs: list[Pairs]
    transforms: list[GreyTransform]
    mean_grey: NDArray[np.float64]
    measured: dict[str, NDArray[np.float64]]
    batches: NDArray[np.int64]
    split: NetworkSplit


def load(folder: Path, budget: int, seed: int) -> Data:
    """Pair every area of `folder`, and keep `budget` of the training pairs."""
    areas = [Area.in_folder(path) for path in sorted(folder.glob("area-*"))]
    pairs = [
        pair_area(area, properties=("modulus", "hardness"), window_um=10.0, field_px=WIDEST.window_px) for area in areas
    ]
    scale = model_grey_scale(pairs[0].anchors)
    transforms = [transform_to(scale, each.fit or each.anchors) for each in pairs]
    offsets = np.cumsum([0, *(int(each.indents.batch.max()) + 1 for each in pairs)])
    batches = np.concatenate([each.indents.batch + first for each, first in zip(pairs, offsets, strict=False)])
    measured = {
        name: np.concatenate([each.indents.measured_gpa[name] for each in pairs]) for name in ("modulus", "hardness")
    }
    grey = np.concatenate([to.apply(each.mean_grey) for each, to in zip(pairs, transforms, strict=True)])
    with opened_windows(pairs, transforms, WIDEST, pixel_size=None) as mosaics:
        places = WindowPairs(mosaics, grey, measured, batches, CELL_PX).places
    split = network_split(batches, places, guard_px=WIDEST.window_px, level=0.9, seed=seed)
    rng = np.random.default_rng(seed)
    sizes = {"train": budget, "validation": 200, "test": TESTED}
    chosen = {name: np.sort(rng.permutation(getattr(split, name))[:size]) for name, size in sizes.items()}
    return Data(pairs, transforms, grey, measured, batches, replace(split, **chosen))


def mean_grey_scores(data: Data, network: str) -> dict[str, float]:
    """Return R2 on the test batches of a table or a line through the same training pairs."""
    train, test = data.split.train, data.split.test
    found = {}
    for name, truth in data.measured.items():
        fitted = NETWORKS[network].fit(data.mean_grey[train], truth[train], level=0.9)
        found[f"{name} R2"] = scores(truth[test], fitted.predict(data.mean_grey[test]).value).r2
    return found


def network_scores(data: Data, layout: ResNetLayout, config: TrainerConfig) -> dict[str, float]:
    """Train a network of `layout`; return R2 and MAE on the test batches, and the price of training and predicting."""
    with opened_windows(data.pairs, data.transforms, layout, pixel_size=None) as mosaics:
        pairs = WindowPairs(mosaics, data.mean_grey, data.measured, data.batches, CELL_PX)
        examples, standards = standardised(pairs, data.split.train, layout, config.seed)
        torch.manual_seed(config.seed)
        module = ResNet(layout)
        began = time.perf_counter()
        train, validation = examples.only(data.split.train), examples.only(data.split.validation)
        fit(module, value_and_spread_loss, train, validation, config)
        trained = time.perf_counter() - began
        network = WindowNetwork.from_module(module, targets=tuple(data.measured), **standards)
        began = time.perf_counter()
        outputs = predict_examples(network, examples.only(data.split.test))
        predicted = time.perf_counter() - began
    found = {"training s/pair": trained / config.epochs / len(train)}
    found["prediction s/window"] = predicted / len(data.split.test)
    for index, (name, truth) in enumerate(data.measured.items()):
        result = scores(truth[data.split.test], outputs.value_gpa[:, index])
        found |= {f"{name} R2": result.r2, f"{name} MAE": result.mae}
    return found


def main() -> None:
    """Measure every variant and print a line for each."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--pairs", type=int, default=4000)
    arguments.add_argument("--epochs", type=int, default=4)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--only", nargs="*", help="names of variants")
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    data = load(given.folder, given.pairs, given.seed)
    config = TrainerConfig(
        epochs=given.epochs, learning_rate=2e-3, schedule="one-cycle", precision="bf16", seed=given.seed
    )
    print(f"{len(data.split.train)} training pairs, {len(data.split.test)} test pairs, {given.epochs} epochs")
    found: dict[str, dict[str, float]] = {}
    print(CEILING)
    for name in (*NETWORKS, *LAYOUTS):
        if given.only and name not in given.only:
            continue
        layout = LAYOUTS.get(name)
        found[name] = mean_grey_scores(data, name) if layout is None else network_scores(data, layout, config)
        print(f"{name:<28}" + "  ".join(f"{what} {value:.4g}" for what, value in found[name].items()), flush=True)
        if given.json:
            given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
