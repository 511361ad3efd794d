from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import t as student

from cemvis.models.metrics import coverage_by_value, coverage_range, interval_scores, scores
from cemvis.models.prediction import Prediction


def test_the_three_scores_are_the_papers() -> None:
    rng = np.random.default_rng(6)
    y = rng.normal(30, 10, 200)
    p = y + rng.normal(0, 4, 200)
    found = scores(y, p)
    assert found.n == 200
    assert found.mse == pytest.approx(sum((a - b) ** 2 for a, b in zip(y, p, strict=True)) / 200)
    assert found.mae == pytest.approx(sum(abs(a - b) for a, b in zip(y, p, strict=True)) / 200)
    residual, total = ((y - p) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    assert found.r2 == pytest.approx(1 - residual / total)


def test_coverage_is_averaged_over_batches() -> None:
    truth = np.array([1.0, 1.0, 1.0, 5.0, 1.0])
    ends = np.array([2.0, 2.0, 2.0, 2.0, np.nan])
    found = interval_scores(Prediction(truth, -ends, ends, np.zeros(5, np.uint8)), truth, np.array([0, 0, 0, 1, 1]))
    assert found is not None
    assert (found.n, found.coverage, found.lowest_coverage, found.mean_width) == (4, 0.5, 0.0, 4.0)


def test_without_intervals_there_is_no_coverage() -> None:
    nothing = np.full(3, np.nan)
    found = Prediction(np.ones(3), nothing, nothing, np.zeros(3, np.uint8))
    assert interval_scores(found, np.ones(3), np.arange(3)) is None


def prediction_of(value: np.ndarray, half: np.ndarray) -> Prediction:
    return Prediction(value, value - half, value + half, np.zeros(len(value), np.uint8))


@pytest.mark.parametrize("levels", [None, 7])
def test_bins_of_predicted_values_are_counted_as_they_say(levels) -> None:
    rng = np.random.default_rng(3)
    value = rng.uniform(20, 120, 500)
    if levels:  # as a table predicts
        value = np.round(value / 100 * levels) * 10
    truth, half = value + rng.normal(0, 5, 500), rng.uniform(3, 12, 500)
    half[::11] = np.nan
    found = coverage_by_value(prediction_of(value, half), truth, bins=6)
    bounded = np.isfinite(half)
    assert sum(one.n for one in found) == bounded.sum()
    assert (found[0].low, found[-1].high) == (value[bounded].min(), value[bounded].max())
    assert all(one.high == other.low for one, other in pairwise(found))
    assert 3 <= len(found) <= 6
    for one in found:
        here = [
            i for i in range(500) if bounded[i] and one.low <= value[i] and (value[i] < one.high or (one is found[-1]))
        ]
        held = [abs(truth[i] - value[i]) <= half[i] for i in here]
        assert (one.n, one.batches) == (len(here), len(here))
        assert one.n >= 20
        assert one.coverage == pytest.approx(sum(held) / len(here))
        assert one.mean_width == pytest.approx(2 * np.mean(half[here]))
        assert one.mae == pytest.approx(np.mean([abs(truth[i] - value[i]) for i in here]))
        assert one.coverage_low < one.coverage < one.coverage_high


@pytest.mark.parametrize(("pairs", "bins"), [(0, 0), (1, 1), (19, 1), (39, 1), (40, 2), (61, 3), (1000, 8)])
def test_few_pairs_are_few_bins(pairs, bins) -> None:
    value = np.random.default_rng(1).permutation(pairs).astype(float)
    found = coverage_by_value(prediction_of(value, np.ones(pairs)), value)
    assert len(found) == bins
    assert all(one.coverage == 1.0 for one in found)


def test_one_value_for_all_is_one_bin() -> None:
    (one,) = coverage_by_value(prediction_of(np.full(300, 30.0), np.ones(300)), np.full(300, 30.5))
    assert (one.low, one.high, one.n) == (30.0, 30.0, 300)


def test_the_range_of_a_coverage_knows_that_pairs_of_a_batch_are_alike() -> None:
    rng = np.random.default_rng(2)
    inside = rng.random(400) < 0.9
    alone = coverage_range(inside, np.arange(400))
    share, z = inside.mean(), student.ppf(0.975, 399)
    # Wilson's range solves (share - p)^2 = z^2 p (1 - p) / n.
    ends = np.sort(np.roots([1 + z**2 / 400, -(2 * share + z**2 / 400), share**2]))
    np.testing.assert_allclose(alone, ends, rtol=1e-6)
    whole = coverage_range(np.repeat(inside[:20], 20), np.repeat(np.arange(20), 20))
    np.testing.assert_allclose(whole, coverage_range(inside[:20], np.arange(20)), atol=0.01)
    assert whole[1] - whole[0] > 3 * (alone[1] - alone[0])


@pytest.mark.parametrize("batches", [np.arange(50), np.arange(50) // 10])
def test_a_coverage_of_all_or_none_still_has_a_range(batches) -> None:
    low, high = coverage_range(np.ones(50, bool), batches)
    assert 0 < low < 0.95
    assert high == 1.0
    np.testing.assert_allclose(coverage_range(np.zeros(50, bool), batches), (0.0, 1 - low), atol=1e-12)


def test_one_batch_says_nothing_of_others() -> None:
    assert coverage_range(np.arange(50) < 40, np.zeros(50, int)) == (0.0, 1.0)


@pytest.mark.parametrize(("count", "most"), [(2, 1.0), (4, 1.0), (6, 0.98), (12, 0.97)])
def test_the_range_holds_the_true_coverage_as_often_as_it_says(count, most) -> None:
    rng = np.random.default_rng(5)
    batches = np.repeat(np.arange(count), 25)
    held = 0
    for _ in range(600):
        share = rng.beta(9, 1, count)  # batches of 90 % on average, scattering by 9 %
        low, high = coverage_range(rng.random(25 * count) < share[batches], batches)
        held += low <= 0.9 <= high
    assert 0.935 < held / 600 <= most
