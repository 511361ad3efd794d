"""Which pairs a model is trained, calibrated and tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.models.intervals import least_batches

Indices = NDArray[np.intp]

TEST_SHARE = 0.2
"""Share of the pairs, or of the batches, that is tested on: the paper's."""
_CALIBRATION_SHARE = 0.3
_LEAST_TRAINING_SHARE = 0.25
_LEAST_NETWORK_SHARE = 0.5

NETWORK_SHARES = {"test": 0.15, "calibration": 0.15, "validation": 0.10}
"""Shares of the batches that a network is not trained on."""
NEIGHBOUR_SHARE = 0.1
"""Share of the pairs in a network's training batches that it is not trained on either, drawn one by one."""


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


def batch_split(
    batches: NDArray[np.int64], *, level: float, seed: int, tested: NDArray[np.bool_] | None = None
) -> BatchSplit:
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
    tested : (n,) bool, optional
        Pairs whose batches are tested on before others are drawn.

    Raises
    ------
    InputError
        If there are fewer than two batches, or all are in `tested`.
    """
    names = np.unique(batches)
    if len(names) < 2:
        msg = "all pairs are of one batch; wanted at least 2, one to train on and one to test on (column batch)"
        raise InputError(msg)
    first = _first(batches, tested)
    shuffled = _ahead(np.random.default_rng(seed).permutation(names), first)
    n_test = max(1, round(TEST_SHARE * len(names)), len(first))
    n_calibration = max(least_batches(level), round(_CALIBRATION_SHARE * len(names)))
    if len(names) - n_test - n_calibration < _LEAST_TRAINING_SHARE * len(names):
        n_calibration = 0
    test, calibration, train = np.split(shuffled, [n_test, n_test + n_calibration])
    return BatchSplit(*(np.flatnonzero(np.isin(batches, part)) for part in (train, calibration, test)))


def _first(batches: NDArray[np.int64], tested: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Return the batches that have to be tested on, and refuse to test on all."""
    first = np.unique(batches[tested]) if tested is not None else batches[:0]
    if len(first) and len(first) == len(np.unique(batches)):
        msg = "all batches that are left are to be tested on; wanted at least one to train on (column batch)"
        raise InputError(msg)
    return first


def _ahead(names: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `names` with those in `first` ahead, both in the order that they have."""
    return names[np.argsort(~np.isin(names, first), kind="stable")]


@dataclass(frozen=True)
class NetworkSplit:
    """Indices of the pairs that a network is trained and judged on, drawn by whole batches.

    Attributes
    ----------
    train : (n,) int
    neighbours : (n,) int
        Pairs of the training batches that were left out one by one: what a split at random tests on.
    validation, calibration, test : (n,) int
        Whole batches; `calibration` is empty where there are too few for it to promise anything. With two batches
        `validation` is drawn from the training batches, one by one.
    guarded : int
        Pairs left out of training because what the network would have read overlaps what it reads for a pair of
        another set.
    """

    train: Indices
    neighbours: Indices
    validation: Indices
    calibration: Indices
    test: Indices
    guarded: int


class Places(NamedTuple):
    """Where the windows of pairs lie: the mosaic of each, and the first pixel, (n,) and (n, 2) int64."""

    mosaic: NDArray[np.int64]
    top_left: NDArray[np.int64]


def network_split(
    batches: NDArray[np.int64],
    places: Places,
    *,
    guard_px: int,
    level: float,
    seed: int,
    tested: NDArray[np.bool_] | None = None,
) -> NetworkSplit:
    """Split pairs by whole batches: some to train on, to choose the epoch, to calibrate, and to test.

    From 60 batches on these are about 60, 10, 15 and 15 %. Calibration gets at least the batches that an interval at
    `level` needs (9 for 90 %) as long as half of all batches is left to train on, which takes 36 of them; otherwise it
    gets none. Of the training batches a tenth of the pairs is left out one by one.

    Batches touch each other, and windows reach into the next batch. Pairs of the training batches that lie nearer than
    `guard_px` along both axes to a pair of another set are therefore not trained on. The other sets are not guarded
    against each other.

    Parameters
    ----------
    batches : (n,) int64
        The batch of each pair.
    places : Places
    guard_px : int
        The larger of a cell and the window that the network reads.
    level : float
        Share of the measurements that the intervals are to hold.
    seed : int
        The same seed and batches give the same split.
    tested : (n,) bool, optional
        Pairs whose batches are tested on before others are drawn.

    Raises
    ------
    InputError
        If there are fewer than two batches, all are in `tested`, or a set is left with fewer than two pairs.
    """
    names = np.unique(batches)
    if len(names) < 2:
        msg = "all pairs are of one batch; wanted at least 2, one to train on and one to test on (column batch)"
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    first = _first(batches, tested)
    counts = _network_counts(len(names), level, tested=len(first))
    parts = np.split(_ahead(rng.permutation(names), first), np.cumsum(list(counts.values())))
    sets = {name: np.flatnonzero(np.isin(batches, part)) for name, part in zip(counts, parts, strict=False)}
    inner = np.flatnonzero(np.isin(batches, parts[-1]))
    held_out = np.concatenate(list(sets.values()))
    free = inner[~_overlapping(places, inner, held_out, guard_px)]
    shuffled = rng.permutation(free)
    share = round(NEIGHBOUR_SHARE * len(free))
    if counts["validation"]:
        chosen = {"neighbours": np.sort(shuffled[:share]), "train": np.sort(shuffled[share:])}
    else:  # another draw, so that what the epoch is chosen by is not what is tested on
        drawn = np.split(shuffled, [share, 2 * share])
        chosen = dict(zip(("neighbours", "validation", "train"), map(np.sort, drawn), strict=True))
    sets = sets | chosen
    few = [name for name, found in sets.items() if len(found) < 2 and (name != "calibration" or counts[name])]
    if few:
        sizes = ", ".join(f"{len(found):,} {name}" for name, found in sets.items())
        msg = (
            f"the split leaves too few pairs: {sizes}, and {len(inner) - len(free):,} whose windows of {guard_px} px "
            "reach into other sets; wanted at least 2 in each: more or larger batches, or a smaller window"
        )
        raise InputError(msg)
    return NetworkSplit(**sets, guarded=len(inner) - len(free))


def _network_counts(batches: int, level: float, *, tested: int) -> dict[str, int]:
    """Return how many batches go into each set that is not trained on."""
    counts = {name: max(1, round(share * batches)) for name, share in NETWORK_SHARES.items()}
    counts["test"] = max(tested, counts["test"])
    counts["calibration"] = max(least_batches(level), counts["calibration"])
    if batches - sum(counts.values()) < _LEAST_NETWORK_SHARE * batches:
        counts["calibration"] = 0
    if batches - counts["test"] < 2:
        counts["validation"] = 0
    return counts


def _overlapping(places: Places, of: Indices, others: Indices, guard_px: int) -> NDArray[np.bool_]:
    """Return which windows `of` begin nearer than `guard_px` along both axes to one of the `others`."""
    from scipy.spatial import cKDTree

    # Mosaics are moved apart, so that one tree serves all of them.
    apart = places.mosaic[:, np.newaxis] * (int(places.top_left.max(initial=0)) + 2 * guard_px) * np.array([1, 0])
    corners = (places.top_left + apart).astype(np.float64)
    distance, _ = cKDTree(corners[others]).query(corners[of], p=np.inf, distance_upper_bound=guard_px)
    near: NDArray[np.bool_] = distance < guard_px
    return near
