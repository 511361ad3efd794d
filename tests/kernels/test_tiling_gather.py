"""Windows gathered at any positions, against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.errors import InputError
from cemvis.kernels.tiling import gather_windows
from reference import tiling as reference
from tiling_images import BORDERS, DTYPES, SEED, VIEWS, noise

# Gathered windows


def rounding_bound(dtype: type, grey_mean: float, grey_sd: float, terms: int = 1) -> float:
    """Largest error of float32 arithmetic: a few roundings a term, and positions that are met to 2**-20 pixels."""
    top = np.iinfo(dtype).max
    return (top + abs(grey_mean)) / grey_sd * (2**-20 + (6 + 2 * terms) * 2**-24)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_gathering_equals_the_definition(data: st.DataObject) -> None:
    rows, cols = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)), label="shape")
    dtype = data.draw(st.sampled_from(DTYPES), label="dtype")
    image = VIEWS[data.draw(st.sampled_from(sorted(VIEWS)), label="view")](noise((rows, cols), dtype))
    factor = data.draw(st.integers(1, 4), label="downsample")
    window = tuple(factor * n for n in data.draw(st.tuples(st.integers(1, 3), st.integers(1, 4)), label="blocks"))
    coordinate = st.one_of(
        st.floats(-30, 50, allow_subnormal=False), st.integers(-60, 100).map(lambda halves: halves / 2)
    )
    centres = np.array(data.draw(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=4), label="centres"))
    how = {
        "border": data.draw(st.sampled_from(BORDERS), label="border"),
        "fill": 31.25,
        "downsample": factor,
        "grey_mean": 101.7,
        "grey_sd": 23.4,
    }
    found = gather_windows(image, centres, window_px=window, threads=2, **how)
    assert found.dtype == np.float32
    assert found.shape == (len(centres), window[0] // factor, window[1] // factor)
    expected = [reference.gather_window(image, centre, window, **how) for centre in centres.tolist()]
    bound = rounding_bound(dtype, 101.7, 23.4, terms=factor * (factor + 1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("view", sorted(VIEWS))
@pytest.mark.parametrize("window", [(7, 7), (8, 6), (33, 20)])
def test_whole_positions_are_exact(dtype: type, view: str, window: tuple[int, int]) -> None:
    image = VIEWS[view](noise((60, 70), dtype))
    corners = np.array([(0, 0), (60 - window[0], 70 - window[1]), (5, 9), (-4, 3), (50, 66)])
    found = gather_windows(
        image, corners + (np.array(window) - 1) / 2, window_px=window, grey_mean=97.3, grey_sd=31.1, threads=2
    )
    padded = np.pad(image, 40, mode="reflect")
    for got, (row, col) in zip(found, corners + 40, strict=True):
        crop = padded[row : row + window[0], col : col + window[1]]
        np.testing.assert_array_equal(got, (crop.astype(np.float32) - np.float32(97.3)) / np.float32(31.1))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("factor", [1, 2])
def test_a_border_on_one_side_only(border: str, factor: int) -> None:
    image = noise((30, 40), np.uint8)
    centres = [(0.3, 20.6), (29.1, 20.6), (15.2, 0.7), (15.2, 38.9), (15.25, 20.5), (-20.0, 90.0)]
    how = {"border": border, "fill": 99.5, "downsample": factor}
    found = gather_windows(image, centres, window_px=8, **how)
    expected = [reference.gather_window(image, centre, (8, 8), **how) for centre in centres]
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding_bound(np.uint8, 0, 1, terms=6))


def test_a_tile_with_its_halo_gives_the_same_bits() -> None:
    image = noise((200, 260), np.uint8)
    rng = np.random.default_rng(SEED)
    centres = rng.uniform((60, 70), (120, 150), (50, 2)) * 256 // 1 / 256  # exact when moved by whole pixels
    whole = gather_windows(image, centres, window_px=(21, 30))
    tile = np.asfortranarray(image[40:150, 50:175])
    np.testing.assert_array_equal(whole, gather_windows(tile, centres - (40, 50), window_px=(21, 30)))


def test_a_constant_image_stays_constant() -> None:
    image = np.full((40, 40), 200, dtype=np.uint8)
    centres = np.random.default_rng(SEED).uniform(-20, 60, (30, 2))
    for factor in (1, 3):
        found = gather_windows(image, centres, window_px=9, downsample=factor, grey_mean=200, grey_sd=7)
        bound = rounding_bound(np.uint8, 200, 7, terms=12) if factor > 1 else 0
        np.testing.assert_allclose(found, 0, rtol=0, atol=bound)


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_threads_gather_the_same_bits(threads: int) -> None:
    image = noise((120, 150), np.uint16)
    centres = np.random.default_rng(SEED).uniform(-5, 140, (301, 2))
    how = {"window_px": (60, 66), "border": "nearest", "grey_mean": 3e4, "grey_sd": 7e3}
    for factor in (1, 3):
        batch = gather_windows(image, centres, threads=threads, downsample=factor, **how)
        one_by_one = [gather_windows(image, [c], threads=1, downsample=factor, **how) for c in centres]
        np.testing.assert_array_equal(batch, np.concatenate(one_by_one))


def test_gathering_into_a_given_batch() -> None:
    image = noise((50, 50), np.uint8)
    out = np.full((2, 5, 5), np.nan, dtype=np.float32)
    assert gather_windows(image, [[10, 10], [20, 30]], window_px=5, out=out) is out
    np.testing.assert_array_equal(out[1], image[18:23, 28:33])


def test_almost_whole_positions_meet_the_pixels() -> None:
    image = noise((30, 30), np.uint8)
    beyond_the_last = np.nextafter([14.0, 27.0], 100)
    before_the_first = np.nextafter([2.0, 14.0], -100)
    found = gather_windows(image, [beyond_the_last, before_the_first], window_px=5, border="refuse")
    np.testing.assert_array_equal(found[0], image[12:17, 25:30])
    np.testing.assert_array_equal(found[1], image[0:5, 12:17])


def test_refusing_what_lies_outside() -> None:
    image = noise((30, 40), np.uint8)
    inside = [(2, 2), (27, 37), (2.5, 36.5)]
    assert gather_windows(image, inside, window_px=5, border="refuse").shape == (3, 5, 5)
    for bad in [(1.9, 10), (27.1, 10), (10, 1.5), (10, 37.001), (-100, 10)]:
        with pytest.raises(InputError, match="window 1 does not lie in the image"):
            gather_windows(image, [(10, 10), bad], window_px=5, border="refuse")
