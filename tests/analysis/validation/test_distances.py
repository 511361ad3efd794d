from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.validation.distances import compare, groups_apart, halves_of, wasserstein
from cemvis.analysis.validation.sample import Sample, moments, sample_of
from cemvis.errors import InputError


def normal_batches(
    seed: int, *, shift: float = 0.0, widen: float = 1.0, batches: int = 16, alike: float = 0.0
) -> Sample:
    rng = np.random.default_rng(seed)
    values = 30 + widen * (rng.normal(0, 6, (batches, 60)) + rng.normal(0, alike, (batches, 1))) + shift
    return sample_of(values.ravel(), np.repeat(np.arange(batches).astype(str), 60), kind="batches")


def test_distances_are_those_of_scipy_for_any_counts() -> None:
    rng = np.random.default_rng(1)
    first, second = np.unique(rng.normal(30, 8, 70)), np.unique(np.append(rng.normal(35, 9, 50), 30.0))
    counts = rng.integers(0, 4, (9, len(first))).astype(float), rng.integers(1, 5, (9, len(second))).astype(float)
    found = wasserstein(first, counts[0], second, counts[1])
    for number, value in enumerate(found):
        assert value == pytest.approx(
            wasserstein_distance(first, second, counts[0][number], counts[1][number]), rel=1e-12
        )


def test_parts_of_the_draws_are_put_together(monkeypatch) -> None:
    rng = np.random.default_rng(2)
    values = np.arange(40.0)
    counts = rng.integers(1, 9, (2, 11, 40)).astype(float)
    whole = wasserstein(values, counts[0], values + 0.5, counts[1])
    monkeypatch.setattr("cemvis.analysis.validation.distances._AT_ONCE", 200)
    parts = wasserstein(values, counts[0], values + 0.5, counts[1])
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


@pytest.mark.parametrize(("shift", "widen"), [(3.0, 1.0), (0.0, 1.5), (-5.0, 1.0)])
def test_a_shift_and_a_wider_spread_are_found(shift: float, widen: float) -> None:
    found = compare(normal_batches(1), normal_batches(2, shift=shift, widen=widen), resamplings=100)
    assert found.distance.low <= found.distance.value <= found.distance.high
    assert found.told_apart
    assert found.difference.low < shift < found.difference.high
    assert found.sd_ratio.low < widen < found.sd_ratio.high
    assert not found.narrower
    assert found.verdict().startswith("told apart")
    assert found.drawn == "16 batches"


def test_a_narrower_distribution_is_said_to_be_narrower() -> None:
    found = compare(normal_batches(1), normal_batches(2, widen=0.6), resamplings=100)
    assert found.narrower
    assert found.to_json()["narrower"] is True


def test_batches_that_hold_the_same_values_have_halves_that_are_alike() -> None:
    values = np.tile(np.arange(10.0, 40.0), 8)
    copies = sample_of(values, np.repeat(np.arange(8).astype(str), 30), kind="batches")
    found = compare(copies, normal_batches(2), resamplings=20)
    assert found.halves.median == 0
    assert "hold the same values" in found.verdict()
    assert json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(("shift", "alike"), [(0.0, 0.0), (0.0, 1.5), (0.5, 1.5), (2.0, 0.0)])
def test_intervals_hold_the_true_distance(shift: float, alike: float) -> None:
    held = apart = 0
    for seed in range(30):
        one, other = normal_batches(2 * seed, alike=alike), normal_batches(2 * seed + 1, shift=shift, alike=alike)
        found = compare(one, other, resamplings=60, seed=seed)
        held += found.distance.low <= shift <= found.distance.high
        apart += found.told_apart
    assert held >= 25  # of intervals that hold 93 %, this many in 98 % of tries
    if shift == 0:
        assert apart <= 5  # 2 to 7 % of alike ones are told apart
    elif shift == 2:
        assert apart == 30


def test_halves_share_nothing_and_are_of_whole_batches() -> None:
    sample = normal_batches(3, batches=7)
    first, second = sample.halved(50, np.random.default_rng(0))
    assert (first.sum(axis=1) == 180).all()
    assert (second.sum(axis=1) == 180).all()
    assert (first + second <= sample.total).all()
    for row in first:  # all of a batch or none of it
        whole = (row[None] >= sample.counts).all(axis=1)
        assert whole.sum() == 3
    few = normal_batches(3, batches=3)
    first, second = few.halved(20, np.random.default_rng(0))
    np.testing.assert_array_equal(first + second, np.tile(few.total, (20, 1)))
    assert (first.sum(axis=1) == 90).all()


def test_halves_are_nearer_where_there_are_more_values() -> None:
    few, many = halves_of(normal_batches(1, batches=8)), halves_of(normal_batches(1, batches=128))
    assert few.median > 2 * many.median
    assert few.median < few.high
    assert (few.halved, few.values_each) == ("batches", 240)
    assert halves_of(normal_batches(1, batches=2)).halved == "single values"


def test_each_group_is_compared_with_the_others() -> None:
    values = np.array([1.0, 2, 1, 2, 4, 5])
    sample = sample_of(values, ["1 a", "1 b", "2 a", "2 a", "3 a", "3 b"], kind="batches")
    groups = [unit.split()[0] for unit in sample.units]
    assert groups_apart(sample, groups) == pytest.approx(
        {"1": wasserstein_distance([1, 2], [1, 2, 4, 5]), "2": wasserstein_distance([1, 2], [1, 2, 4, 5]), "3": 3.0}
    )
    assert groups_apart(sample, ["1"] * len(groups)) == {}


def test_few_batches_are_resampled_by_single_values() -> None:
    found = compare(normal_batches(1, batches=3), normal_batches(2), resamplings=40)
    assert found.of_measured == "180 single values"
    assert found.drawn == "16 batches"
    drawn = normal_batches(1, batches=3).resampled(30, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 180).all()


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, other = normal_batches(1), normal_batches(2)
    assert compare(one, other, resamplings=40, seed=3) == compare(one, other, resamplings=40, seed=3)
    assert compare(one, other, resamplings=40, seed=3) != compare(one, other, resamplings=40, seed=4)


def test_too_few_resamplings_are_refused() -> None:
    with pytest.raises(InputError, match="wanted at least 20"):
        compare(normal_batches(1), normal_batches(2), resamplings=5)


def test_many_distinct_values_are_rounded_by_less_than_they_say() -> None:
    values = np.random.default_rng(5).gamma(4, 10, 40_000)
    sample = sample_of(values, np.repeat(["a", "b"], 20_000), kind="batches")
    assert len(sample.values) <= 16_385
    assert sample.size == 40_000
    step = np.ptp(values) / 16_384
    assert wasserstein_distance(values, sample.values, None, sample.total) <= step / 2
    assert sample.mean == pytest.approx(values.mean(), abs=step / 2)
    assert sample.sd == pytest.approx(values.std(), abs=step)


@pytest.mark.parametrize("levels", [None, 30])
def test_counts_in_intervals_are_those_of_the_values_themselves(levels: int | None) -> None:
    rng = np.random.default_rng(4)
    values = rng.gamma(4, 10, 3000) if levels is None else rng.choice(np.sort(rng.gamma(4, 10, levels)), 3000)
    batch = rng.choice(["a", "b", "c"], 3000)
    wanted, found = grouped_values(values, batch), sample_of(values, batch, kind="batches").grouped()
    assert found.discrete == wanted.discrete == (levels is not None)
    assert found.batches == wanted.batches
    np.testing.assert_allclose(found.lower, wanted.lower)
    np.testing.assert_allclose(found.upper, wanted.upper)
    np.testing.assert_array_equal(found.counts, wanted.counts)


def test_quantiles_are_values_that_occur() -> None:
    sample = sample_of(np.array([1.0, 2, 2, 3, 10]), ["a"] * 5, kind="batches")
    assert sample.quantiles(0.0, 0.99) == (1, 10)
    assert sample.quantiles(0.4, 0.8) == (2, 3)


def test_moments_of_values_far_from_zero_lose_nothing() -> None:
    values = 1e8 + np.arange(5.0)
    mean, sd = moments(values, np.array([[1.0, 1, 1, 1, 1], [1, 0, 0, 0, 1]]))
    np.testing.assert_allclose(mean - 1e8, [2, 2], rtol=1e-9)
    np.testing.assert_allclose(sd, [np.sqrt(2), 2], rtol=1e-9)


@pytest.mark.parametrize(
    ("values", "units", "said"),
    [
        ([1.0, np.nan], ["a", "a"], "NaN"),
        ([2.0, 2.0], ["a", "a"], "vary"),
        ([2.0, 3.0], ["a"], "wanted one each"),
    ],
)
def test_unusable_values_are_refused(values: list[float], units: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        sample_of(np.array(values), units, kind="batches")
