"""Lengths and boundaries against structures whose own are known, and how often bands hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cemvis.analysis.correlation.bands import FEWEST_GROUPS, Bands, bootstrap_bands
from cemvis.analysis.correlation.counting import Counted, Counting, Window, count_window
from cemvis.analysis.correlation.lengths import (
    boundary_slopes,
    change,
    characteristic_length,
    correlation_length,
    drift,
    least_noise,
    plateau,
    plateau_start,
    slope_weights,
)
from cemvis.analysis.correlation.phases import Phases
from cemvis.analysis.correlation.two_point import Ensemble, TwoPointAccumulator, probabilities
from cemvis.errors import InputError

TWO = Phases.parse("dark=0,bright=1")
SIDE, RADIUS, DENSITY = 256, 8.0, 0.0025


def gather(images: list[np.ndarray], what: Counting) -> Ensemble:
    gathered = TwoPointAccumulator("images")
    for number, image in enumerate(images):
        gathered.add(count_window(Window.whole(image), what), unit=number)
    return gathered.ensemble()


def discs(seed: int) -> np.ndarray:
    """Discs of one radius at independent places, that wrap around; 0 is what they leave."""
    rng = np.random.default_rng(seed)
    image = np.zeros((SIDE, SIDE), dtype=np.uint8)
    reach = np.arange(-math.ceil(RADIUS) - 1, math.ceil(RADIUS) + 2)
    for y, x in rng.uniform(0, SIDE, (rng.poisson(DENSITY * SIDE**2), 2)):
        rows, cols = reach + round(y), reach + round(x)
        inside = (rows[:, None] - y) ** 2 + (cols[None, :] - x) ** 2 <= RADIUS**2
        view = np.ix_(rows % SIDE, cols % SIDE)
        image[view] |= inside.astype(np.uint8)
    return image


def union(r: float) -> float:
    """Area of the union of two discs at distance r."""
    disc = math.pi * RADIUS**2
    if r >= 2 * RADIUS:
        return 2 * disc
    shared = 2 * RADIUS**2 * math.acos(r / (2 * RADIUS)) - r / 2 * math.sqrt(4 * RADIUS**2 - r**2)
    return 2 * disc - shared


@pytest.fixture(scope="module")
def boolean() -> Ensemble:
    return gather([discs(seed) for seed in range(24)], Counting(40, 2, TWO, periodic=True))


def ring_distances(r: int) -> list[float]:
    span = range(-r - 1, r + 2)
    return [math.hypot(y, x) for y in span for x in span if round(math.hypot(y, x)) == r]


def test_boolean_discs_have_their_closed_form(boolean: Ensemble) -> None:
    """S2 of what discs leave is exp(-density A_union); within 4.5 standard errors over the images at every ring."""
    each = np.stack([one.phases.counts[:, 0] / one.phases.pairs for one in boolean.groups if one.phases is not None])
    error = each.std(axis=0, ddof=1) / math.sqrt(len(each))
    for r in range(41):
        expected = np.mean([math.exp(-DENSITY * union(h)) for h in ring_distances(r)])
        assert abs(each[:, r].mean() - expected) < 4.5 * error[r], r
        assert error[r] < 0.03 * expected


def test_boundary_of_boolean_discs(boolean: Ensemble) -> None:
    """Length of boundary over area is density 2 pi R exp(-density pi R^2), held by the band and met within 3 %."""
    expected = DENSITY * 2 * math.pi * RADIUS * math.exp(-DENSITY * math.pi * RADIUS**2)
    assert boolean.total.phases is not None
    slopes = boundary_slopes(boolean.total.phases)
    np.testing.assert_allclose(math.pi * slopes, expected, rtol=0.03)
    bands = bootstrap_bands(boolean.groups, boolean.total)
    assert bands is not None
    assert bands.slopes is not None
    assert (math.pi * bands.slopes.low < expected).all()
    assert (expected < math.pi * bands.slopes.high).all()
    assert bands.phases is not None
    far = math.exp(-2 * DENSITY * math.pi * RADIUS**2)
    assert bands.phases.low[30, 0] < far < bands.phases.high[30, 0]


def test_naive_slope_would_be_wrong(boolean: Ensemble) -> None:
    """What the rings' true distances correct: by ring 1 alone, as if it were 1 px, the boundary is 10 % too long."""
    assert boolean.total.phases is not None
    cross = boolean.total.phases.level_pairs(0, 1) / boolean.total.phases.pairs / 2
    assert cross[1] > 1.1 * boundary_slopes(boolean.total.phases)[0]


@pytest.mark.parametrize("rings", [1, 2, 3, 9])
def test_slope_weights_are_exact_for_what_they_fit(rings: int) -> None:
    weights = slope_weights(rings)
    assert len(weights) == min(rings, 3)
    linear = np.array([np.mean(ring_distances(r)) for r in range(1, len(weights) + 1)])
    assert weights @ linear == pytest.approx(1, abs=1e-12)
    if rings > 1:
        squared = [np.mean(np.square(ring_distances(r))) for r in range(1, len(weights) + 1)]
        assert weights @ np.array(squared) == pytest.approx(0, abs=1e-12)


def cells(seed: int, side: int) -> np.ndarray:
    """Square cells of 8 px, each black or white, shifted at random."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 2, (side // 8 + 2, side // 8 + 2)).astype(np.uint8)
    y, x = rng.integers(0, 8, 2)
    return np.ascontiguousarray(np.kron(coarse, np.ones((8, 8), np.uint8))[y : y + side, x : x + side])


def test_correlation_length_of_random_cells() -> None:
    """The covariance of pixels at (dy, dx) is that of two points in one cell, (1 - dy/8)(1 - dx/8)."""
    ensemble = gather([cells(seed, 160) for seed in range(30)], Counting(40, 2))
    bands = bootstrap_bands(ensemble.groups, ensemble.total)
    assert bands is not None
    covariance = []
    for r in range(41):
        span = range(-r - 1, r + 2)
        shifts = [(abs(y), abs(x)) for y in span for x in span if round(math.hypot(y, x)) == r]
        covariance.append(np.mean([max(0, 1 - y / 8) * max(0, 1 - x / 8) for y, x in shifts]))
    expected = correlation_length(np.array(covariance), 0.0)
    assert expected is not None
    shares = probabilities(ensemble.total.differences)
    found = correlation_length(change(shares, plateau(ensemble.total.differences)), bands.noise)
    assert found is not None
    assert abs(found - expected) <= 1
    assert bands.correlation_px.low <= expected <= bands.correlation_px.high
    assert not bands.minimum_is_distinct


@pytest.mark.parametrize(("r_max", "found"), [(57, False), (59, True), (200, True)])
def test_an_exponential_decay_needs_room(r_max: int, found: bool) -> None:
    """A decay length of 10 px: the change falls to 5 % at 30 px, and r_max has to be 58 px."""
    far = np.array([0.3, 0.4, 0.3])
    shares = far + np.exp(-np.arange(r_max + 1) / 10)[:, None] * (np.array([1.0, 0.0, 0.0]) - far)
    start = plateau_start(r_max)
    outer = shares[start:].mean(axis=0)
    drifted = float(drift(shares[start], shares[-1], outer))
    assert drifted == pytest.approx(np.exp(-start / 10) - np.exp(-r_max / 10), rel=0.01)
    length = correlation_length(change(shares, outer), 0.0, drifted=drifted)
    assert (length is not None) is found
    if length is not None:
        assert 29 <= length <= 30


def test_change_of_two_phases_is_their_covariance() -> None:
    image = cells(3, 96)
    found = count_window(Window.whole(image), Counting(30, 2, TWO, periodic=True))
    assert found is not None
    assert found.phases is not None
    s2 = found.phases.level_pairs(1, 1) / found.phases.pairs
    outer = slice(plateau_start(30), None)
    far = found.phases.level_pairs(1, 1)[outer].sum() / found.phases.pairs[outer].sum()
    shares = probabilities(found.differences)
    np.testing.assert_allclose(
        change(shares, plateau(found.differences)), np.abs(s2 - far) / (s2[0] - far), rtol=1e-9, atol=1e-12
    )


def test_a_distinct_characteristic_length_is_found() -> None:
    """A board of 6 px squares with grains: along x, pixels are least alike at 6 px; rings keep that within 2."""
    rng = np.random.default_rng(4)
    images = []
    for _ in range(12):
        stripes = (np.arange(90) + rng.integers(0, 12)) // 6 % 2
        grains = np.logical_xor(stripes[None, :] ^ stripes[:90, None], rng.random((90, 90)) < 0.1)
        images.append(grains.astype(np.uint8))
    ensemble = gather(images, Counting(10, 2))
    bands = bootstrap_bands(ensemble.groups, ensemble.total)
    assert bands is not None
    same = probabilities(ensemble.total.differences)[:, 0]
    least = characteristic_length(same)
    assert 4 <= least <= 8
    assert bands.characteristic_px.low <= least <= bands.characteristic_px.high
    assert bands.minimum_is_distinct


def test_lengths_by_their_rule() -> None:
    assert characteristic_length(np.array([0.0, 0.5, np.nan, 0.2, 0.2])) == 3
    assert correlation_length(np.array([1, 0.04, 0.04, 0.04, 0.04]), 0.0) == 1
    assert correlation_length(np.array([1, 0.5, 0.4, 0.06, 0.0]), 0.0) is None
    assert correlation_length(np.array([1, 0.5, 0.4, 0.06, 0.0]), np.array([0, 0.6, 0.5, 0.1, 0])) == 1
    flat = np.array([1, 0.04, 0.04, 0.04, 0.04])
    assert correlation_length(flat, 0.0, drifted=0.009) == 1
    assert correlation_length(flat, 0.0, drifted=0.011) is None
    assert correlation_length(flat, 0.006, drifted=0.011) == 1
    constant = np.zeros((5, 3))
    constant[:, 0] = 1
    np.testing.assert_array_equal(change(constant, constant[0]), 0)


def test_noise_of_independent_pixels_is_allowed_for() -> None:
    """A single image of 250 levels, which has no bands: its pixels are alike at r = 0 alone."""
    image = np.random.default_rng(8).integers(0, 250, (60, 60)).astype(np.uint8)
    found = count_window(Window.whole(image), Counting(30))
    assert found is not None
    counts = found.differences
    shares, outer = probabilities(counts), plateau(counts)
    drifted = float(drift(shares[plateau_start(30)], shares[-1], outer))
    noise = least_noise(counts)
    assert drifted > 0.01
    assert correlation_length(change(shares, outer), 0.0, drifted=drifted) is None
    assert correlation_length(change(shares, outer), noise, drifted=drifted) == 1
    assert (change(shares, outer)[1:] < noise[1:]).all()


# Bands


def coins(seed: int) -> list[np.ndarray]:
    """Images whose share of heads varies, as pastes do from place to place."""
    rng = np.random.default_rng(seed)
    return [(rng.random((16, 16)) < share).astype(np.uint8) for share in rng.uniform(0.3, 0.7, 16)]


def test_bands_hold_the_truth_as_often_as_they_say() -> None:
    """P(0) of pixels of one image is p^2 + (1-p)^2, whose mean over p is 1/2 + 2 var(p): for 0.3 to 0.7, 0.5267.

    Of 150 ensembles 95 % should hold it. With 16 images, as unlike as these, 91 to 93 % did.
    """
    truth = 0.5 + 2 * 0.4**2 / 12
    held = np.zeros(3)
    repeats = 150
    for seed in range(repeats):
        ensemble = gather(coins(seed), Counting(3, 2, threads=1))
        bands = bootstrap_bands(ensemble.groups, ensemble.total, resamplings=200, seed=seed)
        assert isinstance(bands, Bands)
        held += (bands.same.low[1:] <= truth) & (truth <= bands.same.high[1:])
    assert (held >= 0.87 * repeats).all()
    assert (held < repeats).all()


def test_bands_need_groups_and_resamplings() -> None:
    ensemble = gather(coins(1)[: FEWEST_GROUPS - 1], Counting(3, 2))
    assert bootstrap_bands(ensemble.groups, ensemble.total) is None
    with pytest.raises(InputError, match="wanted at least 20"):
        bootstrap_bands(ensemble.groups, ensemble.total, resamplings=5)


def test_the_same_seed_gives_the_same_bands() -> None:
    ensemble = gather(coins(1), Counting(3, 2, TWO))
    first, second, other = (bootstrap_bands(ensemble.groups, ensemble.total, seed=seed) for seed in (3, 3, 4))
    assert first is not None
    assert second is not None
    assert other is not None
    np.testing.assert_array_equal(first.same.low, second.same.low)
    assert (first.same.low != other.same.low).any()


def test_groups_that_are_alike_have_narrow_bands() -> None:
    image = coins(1)[0]
    groups = [count_window(Window.whole(image), Counting(3, 2)) for _ in range(9)]
    counted: list[Counted] = [each for each in groups if each is not None]
    total = counted[0]
    for each in counted[1:]:
        total = total + each
    bands = bootstrap_bands(counted, total)
    assert bands is not None
    np.testing.assert_allclose(bands.same.low, bands.same.high, rtol=1e-12)
    np.testing.assert_allclose(bands.noise, 0, atol=1e-12)
