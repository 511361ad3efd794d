"""Flat places: noise by grey, exact window sums, and windows that vary no more than noise."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.porosity.flat_places import NoiseCurve, box_sums, flat_windows, measure_noise, sample_tiles
from cemvis.errors import InputError
from metal_paste import field


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("edge", [3, 7])
@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (8, 3)])
def test_window_sums_are_those_of_a_plain_loop(dtype: type, edge: int, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    sums, squares = box_sums(image, edge)
    half = edge // 2
    for row in range(shape[0]):
        for col in range(shape[1]):
            rows = np.clip(range(row - half, row + half + 1), 0, shape[0] - 1)
            cols = np.clip(range(col - half, col + half + 1), 0, shape[1] - 1)
            window = image[np.ix_(rows, cols)].astype(object)
            assert sums[row, col] == window.sum()
            assert squares[row, col] == (window**2).sum()


def test_noise_that_grows_with_grey_is_found_on_texture() -> None:
    rng = np.random.default_rng(2)
    smooth = 100 + 25 * field(rng, (400, 400), 6)
    noisy = np.clip(np.rint(smooth + np.sqrt(0.1 * smooth) * rng.normal(size=smooth.shape)), 0, 255).astype(np.uint8)
    noise = measure_noise([noisy[:200], noisy[200:]])
    for grey in (70.0, 100.0, 130.0):
        # The sd of the response's lower mean over thousands of pixels is below 2 %; texture adds a little.
        assert float(noise.variance(np.array([grey]))[0]) == pytest.approx(0.1 * grey, rel=0.1)


def test_flat_windows_are_noise_alone() -> None:
    rng = np.random.default_rng(3)
    image = np.full((60, 120), 100.0)
    image[:, 60:] += 20 * field(rng, (60, 60), 1.5)
    grey = np.rint(image + 3 * rng.normal(size=image.shape)).astype(np.uint8)
    noise = NoiseCurve(np.array([100.0]), np.array([9.0]))
    flat, mean = flat_windows(grey, noise)
    assert flat[:, :55].mean() > 0.98
    assert flat[:, 65:].mean() < 0.1
    assert mean[30, 20] == pytest.approx(grey[27:34, 17:24].mean(), abs=1e-12)


def test_a_tile_gives_the_verdicts_of_the_whole() -> None:
    grey = np.random.default_rng(4).integers(0, 256, (50, 60)).astype(np.uint8)
    noise = NoiseCurve(np.array([0.0, 255.0]), np.array([3200.0, 3600.0]))
    whole = flat_windows(grey, noise)
    part = flat_windows(grey[10:40, 15:50], noise)
    assert whole[0].any()
    assert not whole[0].all()
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_array_equal(one[13:37, 18:47], other[3:-3, 3:-3])


def test_samples_add_up_and_weights_count_tiles() -> None:
    rng = np.random.default_rng(5)
    tiles = [rng.integers(50, 200, (40, 40)).astype(np.uint8) for _ in range(3)]
    sample = sample_tiles(tiles, [0, 0, 1], bins=(0.0, 1.0, 256))
    assert len(sample) == 3
    np.testing.assert_array_equal(sample.counts(), np.bincount(np.concatenate(tiles).ravel(), minlength=256))
    np.testing.assert_array_equal(sample.counts(np.array([0, 2, 0])), 2 * np.bincount(tiles[1].ravel(), minlength=256))
    assert len(sample.of_image(1)) == 1
    np.testing.assert_array_equal(sample.of_image(1).counts(), np.bincount(tiles[2].ravel(), minlength=256))


def test_tiles_too_small_for_noise_are_refused() -> None:
    with pytest.raises(InputError, match="3 x 3"):
        measure_noise([np.zeros((2, 50), np.uint8)])
