"""Fitting, calibrating and judging the model of one property."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.models.intervals import Interval, calibrate
from cemvis.models.metrics import PropertyReport, SplitReport, interval_scores, scores
from cemvis.models.model import PropertyModel
from cemvis.models.networks import NETWORKS, Network
from cemvis.models.splits import BatchSplit, Indices, batch_split, random_split

LEAST_PAIRS = 50
"""Fewer pairs than this are refused: their scores would be luck."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrainedProperty:
    """A trained model of one property with the split behind it.

    Attributes
    ----------
    model : PropertyModel
    split : BatchSplit
        Indices into the pairs.
    """

    model: PropertyModel
    split: BatchSplit


def train_property(
    mean_grey: Floats,
    truth: Floats,
    batches: NDArray[np.int64],
    *,
    name: str,
    network: str,
    level: float,
    seed: int,
    tested: NDArray[np.bool_] | None = None,
) -> TrainedProperty:
    """Train the model of one property and report how good it is.

    The model that is returned is fitted to the training batches only, its intervals are calibrated on others, and
    both are judged on batches that neither saw. A second fit, to 80 % of the pairs drawn at random, gives the scores
    that the literature reports and is then thrown away.

    Parameters
    ----------
    mean_grey, truth : (n,) float64
        Mean grey level on the model's grey scale, and the measured value.
    batches : (n,) int64
    name, network : str
        Keys of `cemvis.models.model.UNITS` and `cemvis.models.networks.NETWORKS`.
    level : float
        Share of the measurements that the intervals are to hold, in a new batch of the same specimens and sessions.
    seed : int
    tested : (n,) bool, optional
        Pairs whose batches are tested on before others are drawn.

    Raises
    ------
    InputError
        If there are too few pairs or batches, or the grey level is the same everywhere.
    """
    if len(truth) < LEAST_PAIRS:
        msg = f"{len(truth)} usable pairs; wanted at least {LEAST_PAIRS} to train and test on"
        raise InputError(msg)
    if np.ptp(mean_grey) == 0:
        msg = f"every window has the same mean grey level ({mean_grey[0]:g}); there is nothing to learn from"
        raise InputError(msg)
    kind = NETWORKS[network]
    split = batch_split(batches, level=level, seed=seed, tested=tested)
    fitted = kind.fit(mean_grey[split.train], truth[split.train], level=level)
    held_out = split.calibration
    interval = calibrate(fitted.predict(mean_grey[held_out]), truth[held_out], batches[held_out], level=level)
    drawn = random_split(len(truth), seed=seed)
    flattered = kind.fit(mean_grey[drawn.train], truth[drawn.train], level=level)
    pairs = (mean_grey, truth, batches)
    report = PropertyReport(
        random=_judge(flattered, pairs, drawn.train, drawn.test, interval=None),
        by_batch=_judge(fitted, pairs, split.train, split.test, interval=interval),
    )
    return TrainedProperty(PropertyModel(name, network, fitted, interval, report), split)


def _judge(
    network: Network,
    pairs: tuple[Floats, Floats, NDArray[np.int64]],
    train: Indices,
    test: Indices,
    *,
    interval: Interval | None,
) -> SplitReport:
    mean_grey, truth, batches = pairs
    if min(len(train), len(test)) < 2:
        msg = f"a split left {len(train)} pairs to train on and {len(test)} to test on; wanted fuller batches"
        raise InputError(msg)
    quantiles = network.predict(mean_grey[test])
    calibrated = None if interval is None else interval.calibrated(quantiles)
    return SplitReport(
        train=scores(truth[train], network.predict(mean_grey[train]).value),
        test=scores(truth[test], quantiles.value),
        quantiles=interval_scores(quantiles, truth[test], batches[test]),
        intervals=None if calibrated is None else interval_scores(calibrated, truth[test], batches[test]),
    )
