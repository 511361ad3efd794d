"""Training a window network on pairs of windows and indents, calibrating its intervals, and judging both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cemvis.errors import InputError
from cemvis.images.grey_scale import GreyTransform
from cemvis.images.micrograph import Micrograph
from cemvis.models.history import History
from cemvis.models.inference import Outputs
from cemvis.models.intervals import Interval, calibrate, normal_quantiles
from cemvis.models.metrics import PropertyReport, SplitReport, interval_scores, scores
from cemvis.models.model import PropertyModel
from cemvis.models.prediction import Prediction
from cemvis.models.resnet import ResNet
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.splits import Indices, NetworkSplit, Places, network_split
from cemvis.models.trainer import Moment, fit
from cemvis.models.trainer_config import TrainerConfig
from cemvis.models.training import LEAST_PAIRS
from cemvis.models.window_examples import Subset, WindowExamples, WindowSource, held
from cemvis.models.window_network import WindowNetwork, standard_on

Floats = NDArray[np.float64]

_GREY_WINDOWS = 512  # that the mean and sd of the grey levels are taken from
_PREDICTED_AT_ONCE = 64


@dataclass(frozen=True)
class MosaicWindows:
    """Windows of one mosaic as a network reads them.

    Attributes
    ----------
    micrograph : Micrograph
    sha256 : str
        Of the mosaic's file: windows of two areas on one mosaic may overlap.
    transform : GreyTransform
        To the model's grey scale.
    top_left : (n, 2) int64
        First pixel of each window that the network reads.
    """

    micrograph: Micrograph
    sha256: str
    transform: GreyTransform
    top_left: NDArray[np.int64]


@dataclass(frozen=True)
class WindowPairs:
    """Windows of all mosaics with what was measured in their middle, n pairs.

    Attributes
    ----------
    mosaics : tuple of MosaicWindows
        Their windows one after the other are the pairs.
    mean_grey : (n,) float64
        Of each cell, on the model's grey scale.
    measured_gpa : dict of str to (n,) float64
        Measured values by property.
    batches : (n,) int64
        Counted through all mosaics.
    cell_px : int
        Edge of the cells that the values are for, in pixels.
    tested : (n,) bool or None
        Pairs whose batches are tested on before others are drawn.
    """

    mosaics: tuple[MosaicWindows, ...]
    mean_grey: Floats
    measured_gpa: dict[str, Floats]
    batches: NDArray[np.int64]
    cell_px: int
    tested: NDArray[np.bool_] | None = None

    @property
    def places(self) -> Places:
        """Mosaic and first pixel of each window."""
        counts = [len(each.top_left) for each in self.mosaics]
        _, number = np.unique([each.sha256 for each in self.mosaics], return_inverse=True)
        return Places(np.repeat(number, counts), np.concatenate([each.top_left for each in self.mosaics]))

    @property
    def targets_gpa(self) -> Floats:
        """Measured values, (n, properties) float64."""
        return np.column_stack(list(self.measured_gpa.values()))


@dataclass(frozen=True)
class TrainedNetwork:
    """A window network with everything that was found out about it.

    Attributes
    ----------
    network : WindowNetwork
    properties : tuple of PropertyModel
    predictions : dict of str to Prediction
        Of all pairs, with calibrated intervals.
    split : NetworkSplit
    history : History
    """

    network: WindowNetwork
    properties: tuple[PropertyModel, ...]
    predictions: dict[str, Prediction]
    split: NetworkSplit
    history: History


def train_window_network(
    pairs: WindowPairs,
    layout: ResNetLayout,
    config: TrainerConfig,
    *,
    level: float,
    half: bool = False,
    checkpoint: Path | None = None,
    job: Mapping[str, Any] | None = None,
    threads: int | None = None,
    progress: Callable[[Moment], None] | None = None,
) -> TrainedNetwork:
    """Train a network on the training batches of `pairs`, calibrate its intervals, and judge it once on the test set.

    Parameters
    ----------
    pairs : WindowPairs
    layout : ResNetLayout
        With as many targets as `pairs` has properties, and with `spread`.
    config : TrainerConfig
        Its seed is that of the split and of the first weights, too.
    level : float
        Share of the measurements that the intervals are to hold, in a new batch of the same specimens and sessions.
    half : bool
        Whether the weights are rounded to float16 once trained; all scores are those of the rounded ones.
    checkpoint, job, progress
        See `cemvis.models.trainer.fit`.
    threads : int, optional
        Of the predictions after training.

    Raises
    ------
    InputError
        If there are too few pairs or batches, or nothing to learn from.
    TrainingError
        If training diverges.
    """
    if len(pairs.batches) < LEAST_PAIRS:
        msg = f"{len(pairs.batches)} usable pairs; wanted at least {LEAST_PAIRS} to train and test on"
        raise InputError(msg)
    truth = pairs.targets_gpa
    guard_px = max(layout.window_px, pairs.cell_px)
    split = network_split(
        pairs.batches, pairs.places, guard_px=guard_px, level=level, seed=config.seed, tested=pairs.tested
    )
    examples, standards = standardised(pairs, split.train, layout, config.seed)
    torch.manual_seed(config.seed)
    module = ResNet(layout)
    history = fit(
        module,
        value_and_spread_loss,
        examples.only(split.train),
        examples.only(split.validation),
        config,
        checkpoint=checkpoint,
        job=job,
        progress=progress,
    )
    network = WindowNetwork.from_module(module.cpu(), targets=tuple(pairs.measured_gpa), half=half, **standards)
    outputs = predict_examples(network, examples, device=config.device, threads=threads)
    flags = network.grey_flags(pairs.mean_grey)
    properties, predictions = {}, {}
    for index, name in enumerate(network.targets):
        raw = normal_quantiles(outputs.value_gpa[:, index], outputs.spread_gpa[:, index], flags, level=level)
        on = split.calibration
        interval = calibrate(raw.only(on), truth[on, index], pairs.batches[on], level=level)
        predictions[name] = interval.calibrated(raw)
        report = _judge(raw, interval, truth[:, index], pairs.batches, split)
        properties[name] = PropertyModel(name, "resnet", network, interval, report)
    return TrainedNetwork(network, tuple(properties.values()), predictions, split, history)


def value_and_spread_loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the mean squared error of the values; the spreads learn from it too, without a trace in the number.

    The logarithms of the spreads follow the Gaussian likelihood of the errors as they are. Its value is subtracted
    again, so that losses stay mean squared errors and the best epoch is the one of the best values.
    """
    windows, truth = batch
    output: Tensor = network(windows).float()
    value, log_spread = output[:, : truth.shape[1]], output[:, truth.shape[1] :]
    error = value - truth
    squared: Tensor = (error * error).mean()
    if log_spread.shape[1] == 0:
        return squared
    # Clipping the error away from zero keeps a lucky hit from driving its spread there.
    scaled = error.detach().abs().clamp_min(1e-3) / log_spread.exp()
    unlikely: Tensor = (log_spread + 0.5 * scaled * scaled).mean()
    return squared + (unlikely - unlikely.detach())


def window_examples(pairs: WindowPairs, network: WindowNetwork) -> WindowExamples:
    """Return the windows of `pairs`, standardised as `network` wants them."""
    targets = pairs.targets_gpa.astype(np.float32)
    return _examples(pairs, targets, network.layout, network.grey_mean, network.grey_sd)


def predict_examples(
    network: WindowNetwork, examples: WindowExamples | Subset, *, device: str = "cpu", threads: int | None = None
) -> Outputs:
    """Return what `network` says about each example: arrays (n, properties).

    By PyTorch, so that what is written of a training does not depend on what else is installed.
    """
    predictor = network.predictor(backend="torch", device=device, threads=threads)
    parts = np.array_split(np.arange(len(examples)), -(-len(examples) // _PREDICTED_AT_ONCE))
    found = [predictor.windows(examples.windows(part)) for part in parts]
    return Outputs(np.concatenate([one.value_gpa for one in found]), np.concatenate([one.spread_gpa for one in found]))


def standardised(
    pairs: WindowPairs, train: Indices, layout: ResNetLayout, seed: int
) -> tuple[WindowExamples, dict[str, Any]]:
    """Return the examples, and what they were standardised by: means and deviations of the training pairs.

    The grey levels' are taken from a seeded choice of 512 windows. Mosaics that fit into memory are held there.
    """
    truth = pairs.targets_gpa
    mean, sd = truth[train].mean(axis=0), truth[train].std(axis=0)
    grey = pairs.mean_grey[train]
    if not np.isfinite(truth).all() or not (sd > 0).all() or np.ptp(grey) == 0:
        msg = "measured values or grey levels are the same everywhere, or not finite; there is nothing to learn from"
        raise InputError(msg)
    mosaics = held([each.micrograph for each in pairs.mosaics])
    windows = tuple(
        replace(each, micrograph=micrograph) for micrograph, each in zip(mosaics, pairs.mosaics, strict=True)
    )
    pairs = replace(pairs, mosaics=windows)
    targets = ((truth - mean) / sd).astype(np.float32)
    chosen = np.sort(np.random.default_rng([seed, 4]).permutation(train)[:_GREY_WINDOWS])
    seen = _examples(pairs, targets, layout, 0.0, 1.0).windows(chosen).astype(np.float64)
    grey_mean, grey_sd = float(seen.mean()), float(seen.std())
    standards = {
        "grey_mean": grey_mean,
        "grey_sd": grey_sd,
        "grey_range": (float(grey.min()), float(grey.max())),
        "target_mean_gpa": tuple(map(float, mean)),
        "target_sd_gpa": tuple(map(float, sd)),
    }
    return _examples(pairs, targets, layout, grey_mean, grey_sd), standards


def _examples(
    pairs: WindowPairs, targets: NDArray[np.float32], layout: ResNetLayout, grey_mean: float, grey_sd: float
) -> WindowExamples:
    sources = [
        WindowSource(
            each.micrograph,
            each.top_left,
            *standard_on(each.transform, grey_mean=grey_mean, grey_sd=grey_sd),
        )
        for each in pairs.mosaics
    ]
    return WindowExamples(sources, targets, window_px=layout.window_px, downsample=layout.downsample)


def _judge(
    raw: Prediction, interval: Interval, truth: Floats, batches: NDArray[np.int64], split: NetworkSplit
) -> PropertyReport:
    def report(test: Indices, *, with_intervals: bool) -> SplitReport:
        quantiles = raw.only(test)
        calibrated = interval.calibrated(quantiles) if with_intervals else None
        return SplitReport(
            train=scores(truth[split.train], raw.value[split.train]),
            test=scores(truth[test], quantiles.value),
            quantiles=interval_scores(quantiles, truth[test], batches[test]),
            intervals=None if calibrated is None else interval_scores(calibrated, truth[test], batches[test]),
            validation=scores(truth[split.validation], raw.value[split.validation]) if with_intervals else None,
        )

    return PropertyReport(
        random=report(split.neighbours, with_intervals=False), by_batch=report(split.test, with_intervals=True)
    )
