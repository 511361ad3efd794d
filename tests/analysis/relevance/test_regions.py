from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.analysis.relevance import (
    boundary_features,
    centre_bias,
    characteristic_regions,
    isodata_threshold,
    region_shares,
    relevance_gradient,
)
from cemvis.errors import InputError


def random_map(rows: int = 17, cols: int = 23, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(0.3, size=(rows, cols))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.7, 0.99])
def test_regions_are_the_fewest_pixels_that_hold_the_share(share: float) -> None:
    relevance = random_map()
    mask = characteristic_regions(relevance, share)
    total = relevance.sum()
    assert relevance[mask].sum() >= share * total * (1 - 1e-12)
    assert relevance[mask].sum() - relevance[mask].min() < share * total
    assert relevance[mask].min() >= relevance[~mask].max()


def test_equals_are_taken_row_by_row() -> None:
    relevance = np.ones((2, 5))
    relevance[1, 4] = 2.0
    # 7 of 11 need 1 pixel of 2 and 5 or 6 of 1: 0.6 * 11 = 6.6.
    mask = characteristic_regions(relevance, 0.6)
    assert mask.tolist() == [[True] * 5, [False] * 4 + [True]]


def test_negative_relevance_counts_as_none() -> None:
    relevance = np.array([[3.0, -5.0], [1.0, 0.0]])
    assert characteristic_regions(relevance, 0.7).tolist() == [[True, False], [False, False]]
    assert characteristic_regions(relevance, 0.8).tolist() == [[True, False], [True, False]]
    assert not characteristic_regions(-np.abs(random_map())).any()
    assert not characteristic_regions(np.zeros((3, 3))).any()


def test_several_maps_are_taken_one_by_one() -> None:
    maps = np.stack([random_map(seed=1), 100 * random_map(seed=2), np.zeros((17, 23))])
    stacked = characteristic_regions(maps)
    assert stacked.shape == maps.shape
    for mask, one in zip(stacked, maps, strict=True):
        assert np.array_equal(mask, characteristic_regions(one))


def test_shares_of_regions_in_low_and_high_porosity() -> None:
    levels = np.array([[10, 20, 200], [10, 220, 210]], np.uint8)
    relevance = np.array([[1.0, 0.0, 4.0], [-3.0, 2.0, 1.0]])
    regions = np.array([[True, False, True], [False, True, False]])
    found = region_shares(levels, relevance, regions)
    assert found.threshold == isodata_threshold(levels)
    assert (found.low_porosity, found.high_porosity) == pytest.approx((0.5, 0.5))
    assert (found.area, found.area_low, found.area_high) == pytest.approx((3 / 6, 1 / 6, 2 / 6))
    assert (found.relevance_low, found.relevance_high) == pytest.approx((1 / 8, 7 / 8))
    assert region_shares(levels, relevance, regions, threshold=9).low_porosity == 0
    assert found.to_json()["area"] == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=2, max_size=60), st.integers(0, 1000))
def test_isodata_equals_scikit_images(levels: list[int], seed: int) -> None:
    filters = pytest.importorskip("skimage.filters", reason="scikit-image is not installed")
    image = np.array(levels, np.uint8)
    if seed % 2:
        image = np.random.default_rng(seed).permutation(np.repeat(image, 1 + np.arange(len(image)) % 5))
    found = isodata_threshold(image)
    if len(np.unique(image)) == 1:
        assert found == image[0]
        return
    below, above = image[image <= found].mean(), image[image > found].mean()
    assert found <= (below + above) / 2 < found + 1
    theirs = int(filters.threshold_isodata(image))
    # Theirs computes with float32 counts: where the half is whole it may round to either side.
    both = [image[image <= theirs].mean(), image[image > theirs].mean()] if image.max() > theirs else [np.nan]
    assert found == theirs or abs(np.sum(both) / 2 - round(np.sum(both) / 2)) < 1e-4


def test_isodata_takes_the_lowest_fixed_point() -> None:
    image = np.repeat(np.array([0, 100, 200], np.uint8), 1)
    # Halfway between 0 and 150 is 75, between 50 and 200 is 125: both hold; the lowest is taken.
    assert isodata_threshold(image) == 75


def test_gradient_of_a_slope() -> None:
    rows, cols = np.mgrid[:6, :9].astype(np.float64)
    assert relevance_gradient(3 * rows + 4 * cols, normalise=False) == pytest.approx(np.full((6, 9), 5.0))
    relevance = 3 * rows + 4 * cols
    np.testing.assert_allclose(relevance_gradient(relevance), 5.0 / relevance.sum())
    np.testing.assert_allclose(relevance_gradient(1e6 * relevance), relevance_gradient(relevance))
    assert (relevance_gradient(np.zeros((4, 4))) == 0).all()


def test_boundary_features() -> None:
    relevance = np.zeros((8, 8))
    relevance[:, 4:] = 1.0
    mask = boundary_features(relevance, 0.4, normalise=False)
    assert mask[:, 3:5].all()
    assert mask.sum() == 16
    # Brought to a sum of 1 each step is 1 / 32, by central differences 1 / 64.
    assert boundary_features(relevance, 0.99 / 64).sum() == 16
    assert boundary_features(relevance, 1.01 / 64).sum() == 0
    many = random_map(40, 40)
    assert boundary_features(many, quantile=0.9).mean() == pytest.approx(0.1)
    stacked = boundary_features(np.stack([many, 5 * many]), quantile=0.75)
    assert np.array_equal(stacked[0], stacked[1])


def test_bias_to_the_middle() -> None:
    flat = centre_bias(np.ones((3, 48, 48)))
    np.testing.assert_allclose(flat.density, 1.0)
    assert flat.share_inside_half == pytest.approx(1.0)
    peak = np.zeros((2, 48, 48))
    peak[:, 20:28, 20:28] = np.array([1.0, 50.0])[:, None, None]
    found = centre_bias(peak)
    assert found.density[0] == pytest.approx(48**2 / 64)
    assert found.density[2:].sum() == 0
    assert found.share_inside_half == pytest.approx(4.0)
    frame = found.to_frame()
    assert frame["distance"].iloc[-1] == 1.0
    np.testing.assert_allclose(centre_bias(np.zeros((4, 4))).density[[3, 9]], 1.0)


def test_each_map_weighs_the_same_in_the_bias() -> None:
    one = np.zeros((2, 24, 24))
    one[0, 12, 12], one[1, 0, 0] = 1.0, 999.0
    found = centre_bias(one)
    assert found.share_inside_half == pytest.approx(0.5 / 0.25)


@pytest.mark.parametrize(
    "call",
    [
        lambda: characteristic_regions(np.zeros(5)),
        lambda: characteristic_regions(np.zeros((4, 4), np.uint8)),
        lambda: characteristic_regions(np.full((4, 4), np.nan)),
        lambda: characteristic_regions(np.ones((4, 4)), 0.0),
        lambda: characteristic_regions(np.ones((4, 4)), 1.5),
        lambda: boundary_features(np.ones((1, 4))),
        lambda: boundary_features(np.ones((4, 4)), 0.0),
        lambda: boundary_features(np.ones((4, 4)), quantile=1.0),
        lambda: isodata_threshold(np.zeros((3, 3))),
        lambda: isodata_threshold(np.zeros(0, np.uint8)),
        lambda: region_shares(np.zeros((3, 3), np.uint8), np.ones((3, 4)), np.ones((3, 3), bool)),
    ],
)
def test_bad_input_is_refused(call) -> None:
    with pytest.raises(InputError, match=r"wanted|leave"):
        call()
