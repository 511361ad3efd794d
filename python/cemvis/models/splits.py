"""Which pairs a model is trained, calibrated and tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.models.intervals import least_batches

Indices = NDArray[np.intp]

TEST_SHARE = 0.2
"""Share of the pairs, or of the batches, that is tested on: the paper's."""
_CALIBRATION_SHARE = 0.3
_LEAST_TRAINING_SHARE = 0.25


@dataclass(frozen=True)
class RandomSplit:
    """Indices of pairs drawn one by one: neighbours of a test pair end up in training."""

    train: Indices
    test: Indices


@dataclass(frozen=True)
class BatchSplit:
    """Indices of pairs drawn by whole batches; no batch is in two of them.

    `calibration` is empty where there are too few batches for it to promise anything.
    """

    train: Indices
    calibration: Indices
    test: Indices


def random_split(n: int, *, seed: int) -> RandomSplit:
    """Split `n` pairs into 80 % for training and 20 % for testing, at random, the same way for the same `seed`."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(n), test_size=TEST_SHARE, random_state=seed)
    return RandomSplit(np.sort(train), np.sort(test))


def batch_split(batches: NDArray[np.int64], *, level: float, seed: int) -> BatchSplit:
    """Split pairs by whole batches: about 20 % to test on, 30 % to calibrate intervals on, the rest to train on.

    Many calibration batches keep the intervals narrow, and a model of one feature needs few to train on. Calibration
    gets at least the batches that an interval at `level` needs, as long as a quarter of all batches is left to train
    on; otherwise it gets none and training gets them all.

    Batches are drawn across areas: training, calibration and test share specimens, sessions and mosaics. Scores and
    intervals are therefore those of a new batch there, and say nothing of another material or mosaic.

    Parameters
    ----------
    batches : (n,) int64
        The batch of each pair.
    level : float
        Share of the measurements that the intervals are to hold.
    seed : int
        The same seed and batches give the same split.

    Raises
    ------
    InputError
        If there are fewer than two batches.
    """
    names = np.unique(batches)
    if len(names) < 2:
        msg = "all pairs are of one batch; wanted at least 2, one to train on and one to test on (column batch)"
        raise InputError(msg)
    shuffled = np.random.default_rng(seed).permutation(names)
    n_test = max(1, round(TEST_SHARE * len(names)))
    n_calibration = max(least_batches(level), round(_CALIBRATION_SHARE * len(names)))
    if len(names) - n_test - n_calibration < _LEAST_TRAINING_SHARE * len(names):
        n_calibration = 0
    test, calibration, train = np.split(shuffled, [n_test, n_test + n_calibration])
    return BatchSplit(*(np.flatnonzero(np.isin(batches, part)) for part in (train, calibration, test)))
