from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.models.splits import NetworkSplit, Places, batch_split, network_split, random_split


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


SETS = ("train", "neighbours", "validation", "calibration", "test")


def grid_of(mosaics: int, *, side: int, batches: int, pitch_px: int = 10) -> tuple[np.ndarray, Places]:
    """Return the batches and places of `batches` x `batches` batches of side x side indents in each mosaic.

    Batches touch: the next one begins one pitch after the last.
    """
    count = side * batches
    rows, cols = np.divmod(np.arange(count * count), count)
    batch = rows // side * batches + cols // side
    corners = np.column_stack([rows, cols]) * pitch_px + 100
    numbers = np.repeat(np.arange(mosaics), count * count)
    return (
        np.tile(batch, mosaics) + numbers * batches**2,
        Places(numbers, np.tile(corners, (mosaics, 1)).astype(np.int64)),
    )


def overlapping_pairs(places: Places, ones: np.ndarray, others: np.ndarray, guard_px: int) -> int:
    """Count windows of two sets that share a pixel, pair by pair."""
    apart = np.abs(places.top_left[ones][:, None] - places.top_left[others][None])
    same = places.mosaic[ones][:, None] == places.mosaic[others][None]
    return int(np.count_nonzero(same & (apart < guard_px).all(axis=2)))


@pytest.mark.parametrize("guard_px", [10, 11, 25, 36])
@pytest.mark.parametrize("seed", [0, 7])
def test_a_network_is_trained_on_nothing_that_the_others_see(guard_px, seed) -> None:
    batches, places = grid_of(2, side=8, batches=5)
    split = network_split(batches, places, guard_px=guard_px, level=0.9, seed=seed)
    sets = {name: getattr(split, name) for name in SETS}
    shown = np.concatenate(list(sets.values()))
    assert len(np.unique(shown)) == len(shown)  # no pair in two sets
    whole = {name: set(batches[sets[name]]) for name in ("validation", "calibration", "test")}
    inner = set(batches[split.train]) | set(batches[split.neighbours])
    assert sum(map(len, whole.values())) + len(inner) == len(set.union(inner, *whole.values()))
    assert {name: len(each) for name, each in whole.items()} == {"validation": 5, "calibration": 9, "test": 8}
    for name in whole:  # whole batches
        np.testing.assert_array_equal(sets[name], np.flatnonzero(np.isin(batches, list(whole[name]))))
        for trained in (split.train, split.neighbours):
            assert overlapping_pairs(places, trained, sets[name], guard_px) == 0
    assert len(shown) + split.guarded == len(batches)
    # The guard takes no more than it has to.
    held_out = np.concatenate([sets[name] for name in whole])
    inner_pairs = np.setdiff1d(np.arange(len(batches)), held_out)
    reached = [one for one in inner_pairs if overlapping_pairs(places, np.array([one]), held_out, guard_px)]
    assert split.guarded == len(reached)
    assert (split.guarded == 0) == (guard_px == 10)
    assert len(split.neighbours) == round(0.1 * (len(split.train) + len(split.neighbours)))


@pytest.mark.parametrize("seed", range(6))
def test_batches_to_be_tested_on_are_and_the_rest_is_drawn_as_ever(seed) -> None:
    batches, places = grid_of(1, side=4, batches=6)
    for named in ([], [3], [0, 7, 9], list(range(14))):
        tested = np.isin(batches, named)
        simple = batch_split(batches, level=0.9, seed=seed, tested=tested)
        network = network_split(batches, places, guard_px=1, level=0.9, seed=seed, tested=tested)
        for split, count in ((simple, 7), (network, 5)):
            assert set(named) <= set(batches[split.test])
            assert len(np.unique(batches[split.test])) == max(count, len(named))
            assert not set(batches[split.train]) & set(batches[split.test])
            assert len(split.train) > 0
        # Naming what would be drawn anyway changes nothing.
        again = network_split(
            batches, places, guard_px=1, level=0.9, seed=seed, tested=np.isin(np.arange(len(batches)), network.test)
        )
        if not named:
            for name in SETS:
                np.testing.assert_array_equal(getattr(again, name), getattr(network, name))


def test_testing_on_all_batches_is_refused_and_few_leave_some_to_train_on() -> None:
    batches, places = grid_of(3, side=5, batches=1)
    split = network_split(batches, places, guard_px=1, level=0.9, seed=0, tested=batches > 0)
    assert (set(batches[split.test]), set(batches[split.train])) == ({1, 2}, {0})
    assert len(split.validation) >= 2
    for function in (batch_split, lambda *a, **k: network_split(a[0], places, guard_px=1, **k)):
        with pytest.raises(InputError, match="all batches that are left are to be tested on"):
            function(batches, level=0.9, seed=0, tested=batches >= 0)


def test_the_network_split_depends_on_its_seed_only() -> None:
    batches, places = grid_of(1, side=4, batches=6)

    def split(seed: int) -> NetworkSplit:
        return network_split(batches, places, guard_px=12, level=0.9, seed=seed)

    for name in SETS:
        np.testing.assert_array_equal(getattr(split(1), name), getattr(split(1), name))
    assert not np.array_equal(split(1).test, split(2).test)


@pytest.mark.parametrize(
    ("mosaics", "level", "counts"),
    [
        (100, 0.9, (15, 15, 10)),
        (40, 0.9, (6, 9, 4)),
        (36, 0.9, (5, 9, 4)),
        (35, 0.9, (5, 0, 4)),  # calibrating would leave less than half of them to train on
        (16, 0.9, (2, 0, 2)),
        (3, 0.9, (1, 0, 1)),
        (2, 0.9, (1, 0, 0)),
    ],
)
def test_few_batches_are_set_aside_sparingly(mosaics, level, counts) -> None:
    batches, places = grid_of(mosaics, side=5, batches=1)
    split = network_split(batches, places, guard_px=30, level=level, seed=0)
    test, calibration, validation = counts
    assert len(np.unique(batches[split.test])) == test
    assert len(np.unique(batches[split.calibration])) == calibration
    if validation:
        assert len(np.unique(batches[split.validation])) == validation
        assert not set(batches[split.validation]) & set(batches[split.train])
    else:
        assert len(split.validation) >= 2
        assert not {*split.validation} & {*split.neighbours, *split.train}
    assert split.guarded == 0  # one batch in each mosaic: windows of different mosaics never overlap


def test_a_guard_that_leaves_nothing_to_train_on_is_one_line() -> None:
    batches, places = grid_of(1, side=3, batches=2)
    with pytest.raises(InputError, match=r"too few pairs: 9 test, .* 0 train, and 18 whose windows of 80 px"):
        network_split(batches, places, guard_px=80, level=0.9, seed=0)
    with pytest.raises(InputError, match="all pairs are of one batch; wanted at least 2"):
        network_split(np.zeros(36, np.int64), places, guard_px=10, level=0.9, seed=0)
