from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.errors import InputError
from cemvis.models.intervals import (
    Interval,
    batch_quantile,
    calibrate,
    least_batches,
    spread,
    spread_per_level,
)
from cemvis.models.networks import LinearNetwork, TableNetwork
from cemvis.models.prediction import Flag, Prediction


def prediction(value, lower, upper) -> Prediction:
    arrays = [np.asarray(part, dtype=float) for part in (value, lower, upper)]
    return Prediction(*arrays, np.zeros(len(arrays[0]), np.uint8))


def weighted_quantile(scores, batches, level) -> float:
    """The definition, spelt out: the least score under which enough of the batches' shared weight lies."""
    names = set(batches)
    weight = {name: 1 / ((len(names) + 1) * batches.count(name)) for name in names}
    for score in sorted(scores):
        under = sum(weight[b] for s, b in zip(scores, batches, strict=True) if s <= score)
        if under >= level - 1e-12:
            return score
    return math.inf


@pytest.mark.parametrize(("level", "least"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)])
def test_batches_that_a_level_needs(level: float, least: int) -> None:
    assert least_batches(level) == least
    assert least_batches(np.float64(level)) == least


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, -0.1, math.nan])
def test_a_level_outside_0_to_1_is_refused(level: float) -> None:
    with pytest.raises(InputError, match="level"):
        least_batches(level)


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 12)), min_size=1, max_size=60),
    st.sampled_from([0.5, 0.8, 0.9]),
)
def test_the_quantile_is_its_definition(pairs, level) -> None:
    scores, batches = [float(s) for s, _ in pairs], [b for _, b in pairs]
    found = batch_quantile(np.array(scores), np.array(batches), level=level)
    assert found == weighted_quantile(scores, batches, level)


def test_one_batch_too_few_promises_nothing() -> None:
    scores = np.arange(90.0)
    assert batch_quantile(scores, np.arange(90) % 9, level=0.9) == 89.0
    assert batch_quantile(scores, np.arange(90) % 8, level=0.9) == math.inf


def test_a_large_batch_weighs_no_more_than_a_small_one() -> None:
    # Ten batches, 90 %: eleven shares are needed of 9.9, so the tenth batch's scores decide, however few they are.
    batches = np.r_[np.repeat(np.arange(9), 100), 9, 9]
    scores = np.r_[np.zeros(900), 5.0, 7.0]
    assert batch_quantile(scores, batches, level=0.9) == 7.0


def simulated_batch(rng, n) -> tuple[np.ndarray, np.ndarray]:
    """Grey and modulus whose error has a part that a whole batch shares, and that grows with the grey level."""
    grey = rng.uniform(60, 200, n)
    scale = 1 + (grey - 60) / 70
    return grey, 0.5 * grey + scale * (3.0 * rng.standard_normal() + rng.standard_normal(n))


@pytest.mark.parametrize(("network", "level", "n_batches"), [(TableNetwork, 0.9, 9), (LinearNetwork, 0.8, 4)])
def test_intervals_hold_for_new_batches_where_ignoring_batches_fails(network, level, n_batches) -> None:
    rng = np.random.default_rng(7)
    trained = [simulated_batch(rng, 200) for _ in range(12)]
    fitted = network.fit(np.concatenate([g for g, _ in trained]), np.concatenate([t for _, t in trained]), level=level)
    repetitions, inside, naive = 600, [], []
    for _ in range(repetitions):
        drawn = [simulated_batch(rng, 60) for _ in range(n_batches)]
        grey, truth = (np.concatenate(part) for part in zip(*drawn, strict=True))
        batches = np.repeat(np.arange(n_batches), 60)
        interval = calibrate(fitted.predict(grey), truth, batches, level=level)
        new_grey, new_truth = simulated_batch(rng, 60)
        quantiles = fitted.predict(new_grey)
        promised = interval.calibrated(quantiles)
        bounded = np.isfinite(promised.half_width)
        inside.append(np.mean(((promised.lower <= new_truth) & (new_truth <= promised.upper))[bounded]))
        one_by_one = calibrate(fitted.predict(grey), truth, np.arange(len(grey)), level=level).calibrated(quantiles)
        naive.append(np.mean(((one_by_one.lower <= new_truth) & (new_truth <= one_by_one.upper))[bounded]))
    errors = [np.std(coverage) / math.sqrt(repetitions) for coverage in (inside, naive)]
    assert np.mean(inside) >= level - 2 * errors[0]
    assert np.mean(naive) < level - 2 * errors[1]


def test_the_promise_is_met_exactly_when_a_batch_is_one_pair() -> None:
    # With one pair in each batch this is plain conformal prediction: coverage ceil((K + 1) level) / (K + 1) at K = 9.
    rng = np.random.default_rng(3)
    hits = [rng.normal() <= batch_quantile(rng.normal(size=9), np.arange(9), level=0.9) for _ in range(4000)]
    assert np.mean(hits) == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / 4000))


def test_calibration_multiplies_both_distances_from_the_value() -> None:
    quantiles = prediction([10.0, 50.0], [8.0, 30.0], [11.0, 80.0])
    wider = Interval(0.9, 1.5, 9, "").calibrated(quantiles)
    assert wider.lower.tolist() == [7.0, 20.0]
    assert wider.upper.tolist() == [11.5, 95.0]
    assert wider.half_width.tolist() == [2.25, 37.5]
    assert Interval(0.9, 1.0, 9, "").calibrated(quantiles).lower.tolist() == quantiles.lower.tolist()
    assert Interval(0.9, 0.0, 9, "").calibrated(quantiles).half_width.tolist() == [0.0, 0.0]


def test_scores_count_in_distances_of_the_bound_on_their_side() -> None:
    # Ten batches of one pair: eleven shares are needed of 9.9, so the largest score decides.
    truth = np.r_[np.full(9, 10.0), 16.0]
    interval = calibrate(
        prediction(np.full(10, 10.0), np.full(10, 9.0), np.full(10, 12.0)), truth, np.arange(10), level=0.9
    )
    assert interval.stretch == 3.0


def test_an_interval_stops_at_zero_unless_its_value_lies_below() -> None:
    stretched = Interval(0.9, 6.0, 9, "").calibrated(prediction([2.0, -1.0], [1.0, -2.0], [3.0, 0.0]))
    assert stretched.lower.tolist() == [0.0, -1.0]


def test_too_few_batches_give_nan_and_say_so() -> None:
    quantiles = prediction(np.full(80, 10.0), np.full(80, 9.0), np.full(80, 11.0))
    interval = calibrate(quantiles, np.full(80, 10.0), np.arange(80) % 8, level=0.9)
    assert interval.stretch is None
    assert interval.note == "no interval is promised: 90% needs at least 9 calibration batches, 8 could be set aside"
    assert np.isnan(interval.calibrated(quantiles).half_width).all()


def test_pairs_without_bounds_take_no_part_in_calibration() -> None:
    truth = np.r_[np.zeros(90), np.full(10, 1e6)]
    bounds = np.r_[np.ones(90), np.full(10, np.nan)]
    quantiles = prediction(np.zeros(100), -bounds, bounds)
    interval = calibrate(quantiles, truth, np.arange(100) % 10, level=0.9)
    assert interval.stretch == 0.0
    assert interval.calibration_batches == 10


def test_identical_training_values_still_stretch() -> None:
    quantiles = prediction(np.zeros(90), np.zeros(90), np.zeros(90))
    interval = calibrate(quantiles, np.full(90, 3.0), np.arange(90) % 9, level=0.9)
    assert interval.calibrated(quantiles).upper == pytest.approx(np.full(90, 3.0))


def test_spread_is_the_central_share() -> None:
    assert spread(np.arange(-50.0, 51.0), level=0.9) == (45.0, 45.0)
    assert spread(np.arange(1.0, 101.0), level=0.9)[0] == 0.0


def naive_spread_per_level(of, residuals, levels, level):
    wanted = min(round(4 / (1 - level)), len(of))
    rows = []
    for grey in levels:
        for reach in range(1000):
            pooled = [r for g, r in zip(of, residuals, strict=True) if abs(g - grey) <= reach]
            if len(pooled) >= wanted:
                rows.append(spread(np.array(pooled), level=level))
                break
    return rows


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 120), st.sampled_from([0.8, 0.9]))
def test_sparse_levels_pool_their_neighbours(seed, n, level) -> None:
    rng = np.random.default_rng(seed)
    of, residuals = np.round(rng.normal(100, 4, n)), rng.normal(size=n)
    levels = np.unique(of)
    below, above = spread_per_level(of, residuals, levels, level=level)
    expected = naive_spread_per_level(of, residuals, levels, level)
    np.testing.assert_allclose(np.column_stack([below, above]), expected)


def test_clipped_windows_have_a_value_but_no_interval() -> None:
    rng = np.random.default_rng(5)
    grey = rng.uniform(90, 160, 2000)
    table = TableNetwork.fit(grey, grey / 2 + rng.normal(size=2000), level=0.9)
    found = Interval(0.9, 1.0, 20, "").calibrated(table.predict(np.array([50.0, 120.0, 220.0])))
    assert found.flags.tolist() == [Flag.CLIPPED_LOW, 0, Flag.CLIPPED_HIGH]
    assert np.isfinite(found.value).all()
    assert np.isnan(found.half_width).tolist() == [True, False, True]
