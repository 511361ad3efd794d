"""Two splits that travel with a data set: pairs drawn one by one, and whole batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SHARE = 0.15
"""Share of the pairs, or of the batches, to validate on, and as much again to test on: the paper's."""

Words = NDArray[np.str_]


def split_by_pairs(n: int, *, seed: int) -> Words:
    """Return "train", "validation" or "test" for each of `n` pairs: 70, 15 and 15 %, drawn one by one.

    What is tested on is also tested on by ``cemvis.models.splits.random_split`` with the same seed, which draws 20 %,
    if it is given the same pairs: training leaves out some that lack a property or that a network's field does not fit.
    """
    from sklearn.model_selection import train_test_split

    held = round(SHARE * n)
    split = np.full(n, TRAIN, dtype="<U10")
    if held == 0:
        return split
    rest, test = train_test_split(np.arange(n), test_size=held, random_state=seed)
    _, validation = train_test_split(rest, test_size=held, random_state=seed)
    split[test], split[validation] = TEST, VALIDATION
    return split


def split_by_batches(batches: NDArray[np.int64], *, seed: int) -> Words:
    """Return "train", "validation" or "test" for each pair: about 70, 15 and 15 % of the batches, each of them whole.

    The batches to test on are those of ``cemvis.models.splits.network_split`` with the same seed, and among those of
    ``batch_split``, which takes 20 %, as long as every batch is there; training on a data set with its own seed tests
    on them even if others have dropped out. With two batches none is left to validate on, with one all are "train".

    Parameters
    ----------
    batches : (n,) int64
        The batch of each pair, counted through all areas.
    seed : int
    """
    names = np.random.default_rng(seed).permutation(np.unique(batches))
    held = max(1, round(SHARE * len(names)))
    tested = held if len(names) > 1 else 0
    validated = held if len(names) > 2 else 0
    split = np.full(len(batches), TRAIN, dtype="<U10")
    split[np.isin(batches, names[:tested])] = TEST
    split[np.isin(batches, names[tested : tested + validated])] = VALIDATION
    return split
