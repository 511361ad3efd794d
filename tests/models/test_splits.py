from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.models.splits import batch_split, random_split


def test_the_random_split_is_80_to_20_and_repeatable() -> None:
    split = random_split(1000, seed=4)
    assert (len(split.train), len(split.test)) == (800, 200)
    assert sorted([*split.train, *split.test]) == list(range(1000))
    np.testing.assert_array_equal(split.test, random_split(1000, seed=4).test)
    assert not np.array_equal(split.test, random_split(1000, seed=5).test)


@pytest.mark.parametrize(
    ("n_batches", "level", "shares"),
    [
        (100, 0.9, (50, 30, 20)),  # the paper's 40,000 indents
        (30, 0.9, (15, 9, 6)),
        (20, 0.9, (7, 9, 4)),
        (16, 0.9, (4, 9, 3)),
        (15, 0.9, (12, 0, 3)),  # calibrating would leave under a quarter to train on
        (35, 0.95, (9, 19, 7)),
        (34, 0.95, (27, 0, 7)),
        (2, 0.9, (1, 0, 1)),
    ],
)
def test_whole_batches_are_set_aside(n_batches, level, shares) -> None:
    batches = np.random.default_rng(0).permutation(np.repeat(np.arange(n_batches) * 7, 5))
    split = batch_split(batches, level=level, seed=1)
    parts = [set(batches[part]) for part in (split.train, split.calibration, split.test)]
    assert tuple(len(part) for part in parts) == shares
    assert len(set.union(*parts)) == n_batches
    assert sorted(np.concatenate([split.train, split.calibration, split.test])) == list(range(len(batches)))


def test_the_batch_split_depends_on_its_seed_only() -> None:
    batches = np.repeat(np.arange(20), 3)
    one, same, other = (batch_split(batches, level=0.9, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.test, same.test)
    assert not np.array_equal(one.test, other.test)


def test_one_batch_cannot_be_split() -> None:
    with pytest.raises(InputError, match="all pairs are of one batch; wanted at least 2"):
        batch_split(np.zeros(400, np.int64), level=0.9, seed=0)
