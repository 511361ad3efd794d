from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.errors import InputError
from cemvis.kernels.indent_search import (
    downsampled,
    linear_response,
    nearest_windows,
    normalised_correlation,
    response_patches,
)
from reference import indent_search as reference

DTYPES = [np.uint8, np.uint16, np.float32]
# Any view of the same pixels.
VIEWS = {
    "plain": lambda image: image.copy(),
    "flipped": lambda image: image[::-1, ::-1].copy()[::-1, ::-1],
    "every second column": lambda image: np.repeat(image, 2, axis=1)[:, ::2],
    "transposed": lambda image: image.T.copy().T,
    "inside a larger one": lambda image: np.pad(image, ((2, 3), (1, 5)), constant_values=7)[2:-3, 1:-5],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
}
# float32 has 24 bits. A transform of n = rows * cols numbers rounds log2(n) times, so that it is off by about
# log2(n) / 2**24 of its norm; there and back, with some room for the constants, that is 1e-6 for n up to 2**20.
ROUNDING = 2e-6


def noise(shape: tuple[int, int], dtype: type, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype == np.float32:
        return (random.standard_normal(shape) * 3 + 40).astype(np.float32)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def pattern(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).standard_normal(shape).astype(np.float32)


def response_tolerance(image: np.ndarray, template: np.ndarray) -> float:
    spread = float(np.linalg.norm(image - image.mean(dtype=np.float64)))
    return ROUNDING * (spread * float(np.linalg.norm(template)) + float(np.abs(template).sum() * np.abs(image).max()))


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    rows, cols = draw(st.integers(1, 48)), draw(st.integers(1, 48))
    shape = draw(st.integers(1, rows)), draw(st.integers(1, cols))
    seed = draw(st.integers(0, 1000))
    image = VIEWS[draw(st.sampled_from(sorted(VIEWS)))](noise((rows, cols), draw(st.sampled_from(DTYPES)), seed))
    return image, pattern(shape, seed), draw(st.integers(1, 3))


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_correlations_equal_the_definition(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    image, template, threads = case
    if template.size == 1:
        template = np.resize(template, (1, 1))
        with pytest.raises(InputError, match="template is flat"):
            normalised_correlation(image, template)
        return
    found = normalised_correlation(image, template, threads=threads)
    assert found.dtype == np.float32
    # A window of few pixels may by chance be far flatter than its surroundings, and is then known less well.
    flattest = reference.windows(image, template.shape).std(axis=(2, 3))
    steepest = image.std(dtype=np.float64) * np.sqrt(image.size)
    tolerance = ROUNDING * (1 + steepest / np.maximum(flattest * np.sqrt(template.size), 1e-9))
    expected = reference.normalised_correlation(image, template)
    assert (np.abs(found - expected) <= tolerance).all()


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_responses_equal_the_definition(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    image, template, threads = case
    found = linear_response(image, template, threads=threads)
    expected = reference.linear_response(image, template)
    np.testing.assert_allclose(found, expected, rtol=0, atol=response_tolerance(image, template))


@settings(max_examples=40, deadline=None)
@given(case=cases(), data=st.data())
def test_patches_equal_the_definition(case: tuple[np.ndarray, np.ndarray, int], data: st.DataObject) -> None:
    image, template, threads = case
    place = st.tuples(st.floats(-20, 70), st.floats(-20, 70))
    centres = np.array(data.draw(st.lists(place, min_size=1, max_size=7)))
    radius = data.draw(st.integers(0, 6))
    found = response_patches(image, template, centres, radius, threads=threads)
    expected = reference.response_patches(image, template, centres, radius)
    np.testing.assert_allclose(found, expected, rtol=0, atol=response_tolerance(image, template))


@settings(max_examples=60, deadline=None)
@given(case=cases(), factor=st.integers(1, 9))
def test_block_means_equal_the_definition(case: tuple[np.ndarray, np.ndarray, int], factor: int) -> None:
    image, _, threads = case
    if factor > min(image.shape):
        with pytest.raises(InputError, match="factor is"):
            downsampled(image, factor)
        return
    found = downsampled(image, factor, threads=threads)
    expected = reference.downsampled(image, factor)
    if image.dtype == np.float32:  # added up in float32 down each column
        np.testing.assert_allclose(found, expected, rtol=factor * 2.0**-23)
    else:
        np.testing.assert_array_equal(found, expected.astype(np.float32))


# Enough tiles for several pairs, an odd number of them among these, and for tiles that the image's edge cuts.
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "window"), [((1500, 1300), (61, 40)), ((1100, 2500), (1, 130)), ((700, 90), (300, 7))]
)
def test_many_tiles_equal_one_transform_of_the_whole(
    dtype: type, shape: tuple[int, int], window: tuple[int, int]
) -> None:
    image, template = noise(shape, dtype, 5), pattern(window, 5)
    about = image - image.mean(dtype=np.float64)
    spectrum = np.fft.rfft2(about) * np.fft.rfft2(template.astype(np.float64), shape).conj()
    rows, cols = shape[0] - window[0] + 1, shape[1] - window[1] + 1
    expected = np.fft.irfft2(spectrum, shape)[:rows, :cols]
    whole = expected + image.mean(dtype=np.float64) * template.sum(dtype=np.float64)
    found = linear_response(image, template, threads=2)
    np.testing.assert_allclose(found, whole, rtol=0, atol=response_tolerance(image, template))
    flat = linear_response(image, (template - template.mean(dtype=np.float64)).astype(np.float32), threads=2)
    deviation = normalised_correlation(image, template, threads=2)
    spread = reference_spread(image, window)
    norm = np.sqrt(template.var(dtype=np.float64) * template.size)
    np.testing.assert_allclose(deviation, flat / (spread * norm), rtol=0, atol=1e-4)


def reference_spread(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Root of the sum of squares about each window's mean, from tables of sums."""

    def sums(values: np.ndarray) -> np.ndarray:
        table = np.zeros(np.add(values.shape, 1))
        table[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
        rows, cols = window
        return table[rows:, cols:] - table[:-rows, cols:] - table[rows:, :-cols] + table[:-rows, :-cols]

    about = image - image.mean(dtype=np.float64)
    return np.sqrt(sums(about**2) - sums(about) ** 2 / (window[0] * window[1]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_number_of_threads_gives_the_same_bits(dtype: type) -> None:
    image, template = noise((900, 1400), dtype, 3), pattern((50, 33), 3)
    centres = np.random.default_rng(3).uniform(0, 900, (25, 2))
    for call in (
        lambda threads: normalised_correlation(image, template, threads=threads),
        lambda threads: linear_response(image, template, threads=threads),
        lambda threads: response_patches(image, template, centres, 5, threads=threads),
        lambda threads: downsampled(image, 3, threads=threads),
    ):
        once = call(1)
        for threads in (2, 5):
            np.testing.assert_array_equal(call(threads), once)


LEVELS = """
import numpy as np, sys
from cemvis.kernels import indent_search
random = np.random.default_rng(1)
grey = random.integers(0, 60000, (300, 411))
template = random.standard_normal((37, 20)).astype(np.float32)
for dtype in (np.uint8, np.uint16, np.float32):
    image = (grey % 251 if dtype == np.uint8 else grey).astype(dtype)
    for answer in (
        indent_search.normalised_correlation(image, template),
        indent_search.linear_response(image, template),
        indent_search.response_patches(image, template, random.uniform(0, 300, (9, 2)), 4),
        indent_search.downsampled(image, 5),
    ):
        sys.stdout.buffer.write(answer.tobytes())
"""


def test_every_instruction_set_gives_the_same_bits() -> None:
    def run(level: str) -> bytes:
        environment = os.environ | {"CEMVIS_SIMD": level}
        done = subprocess.run([sys.executable, "-c", LEVELS], env=environment, capture_output=True, check=True)
        return done.stdout

    baseline = run("baseline")
    assert len(baseline) > 3 * 4 * 200_000
    assert run("avx2") == baseline
    assert run("avx512") == baseline


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("grey", [0, 77, 255])
def test_flat_windows_have_correlation_zero(dtype: type, grey: int) -> None:
    image = noise((120, 150), np.uint8, 2).astype(dtype)
    image[30:80, 40:110] = grey
    found = normalised_correlation(image, pattern((20, 30), 2))
    assert (found[30:61, 40:81] == 0).all()
    assert (np.abs(found[:20]) > 0).mean() > 0.99
    assert np.isfinite(found).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_large_windows_of_bright_pixels_do_not_overflow(dtype: type) -> None:
    top = np.iinfo(dtype).max
    image = noise((330, 340), dtype, 9) % 4 + np.array(top - 3, dtype)
    template = pattern((300, 310), 9)
    found = normalised_correlation(image, template)
    np.testing.assert_allclose(found, reference.normalised_correlation(image, template), rtol=0, atol=1e-5)


def test_a_bright_neighbour_does_not_drown_a_faint_tile() -> None:
    # Tiles are transformed in pairs: the first, a million times brighter one together with the second.
    image = noise((1000, 3000), np.float32, 4) - 40
    template = pattern((30, 30), 4)
    faint = linear_response(image[:, 1000:].copy(), template)
    image[:, :300] *= 1e6
    found = linear_response(image, template)[:, 1000:]
    np.testing.assert_allclose(found, faint, rtol=0, atol=1e-5 * 3 * 30 * 30)


@pytest.mark.parametrize("power", [100, -100, 123, -123])
def test_huge_and_tiny_pixels_correlate_like_any_others(power: int) -> None:
    # A power of two leaves every digit of the pixels, so that all that is computed from them is the same.
    image, template = noise((90, 110), np.float32, 6), pattern((12, 15), 6)
    image[30:60, 40:80] = 40.0
    found = normalised_correlation(np.ldexp(image, power - 6).astype(np.float32), template)
    expected = normalised_correlation(image, template)
    assert (expected != 0).mean() > 0.8
    np.testing.assert_array_equal(found, expected)


def test_pixels_at_the_ends_of_what_a_float_holds_give_finite_answers() -> None:
    image, template = noise((60, 70), np.float32, 7) - 40, pattern((9, 8), 7)
    expected = reference.normalised_correlation(image, template)
    for size in (1e30, 1e-30, 1e37):
        found = normalised_correlation(image * np.float32(size), template)
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
    # So few digits are left of pixels this small that they tell hardly more than where it is bright.
    found = normalised_correlation((image * np.float32(1e-30)) * np.float32(1e-12), template)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-2)
    answer = linear_response(image * np.float32(1e-30), template) * np.float32(1e30)
    np.testing.assert_allclose(answer, linear_response(image, template), rtol=0, atol=1e-3)


def test_the_nearest_window_is_centred_on_the_place() -> None:
    np.testing.assert_array_equal(nearest_windows([(10.0, 20.0)], (5, 7)), [(7, 18)])
    np.testing.assert_array_equal(nearest_windows([(10.4, 20.6)], (5, 7)), [(7, 19)])
    np.testing.assert_array_equal(nearest_windows([(10.5, 20.5)], (4, 6)), [(8, 19)])
    np.testing.assert_array_equal(nearest_windows([(10.5, -3.0)], (1, 1)), [(11, -3)])


IMAGE = np.zeros((20, 30), np.uint8)
TEMPLATE = np.eye(5, dtype=np.float32)


@pytest.mark.parametrize(
    ("image", "template", "message"),
    [
        (IMAGE.astype(np.float64), TEMPLATE, "image has dtype float64; wanted native uint8 or uint16 or float32"),
        (IMAGE[0], TEMPLATE, r"image has shape \(30,\)"),
        (IMAGE.astype(">u2"), TEMPLATE, "wanted native"),
        (IMAGE, TEMPLATE.astype(np.float64), "template has dtype float64; wanted native float32"),
        (IMAGE, np.ones((21, 2), np.float32), r"template has shape \(21, 2\), larger than the image's \(20, 30\)"),
        (IMAGE, np.full((2, 2), np.nan, np.float32), "template has pixels that are not finite"),
        (IMAGE, np.zeros((0, 2), np.float32), "template is empty"),
        (np.zeros((1, 5000), np.uint8), np.ones((1, 4097), np.float32), "at most 4096"),
        (np.full((20, 30), np.inf, np.float32), TEMPLATE, "image has pixels that are not finite"),
    ],
)
def test_wrong_arguments_are_refused(image: np.ndarray, template: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        normalised_correlation(image, template)
    with pytest.raises(InputError, match=message):
        linear_response(image, template)
    with pytest.raises(InputError, match=message):
        response_patches(image, template, [(10.0, 10.0)], 2)


def test_wrong_places_and_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="template is flat"):
        normalised_correlation(IMAGE, np.full((3, 3), 3, np.float32))
    for places in ([1.0, 2.0], [(1.0, 2.0, 3.0)], [("a", "b")]):
        with pytest.raises(InputError, match="wanted numbers of shape"):
            response_patches(IMAGE, TEMPLATE, places, 2)
    with pytest.raises(InputError, match=r"centres_px\[1\] is \(nan, 2.0\); wanted finite pixels"):
        response_patches(IMAGE, TEMPLATE, [(1.0, 2.0), (np.nan, 2.0)], 2)
    for radius in (-1, 2.0, True, 2049):
        with pytest.raises(InputError, match="radius_px is"):
            response_patches(IMAGE, TEMPLATE, [(1.0, 2.0)], radius)
    for factor in (0, 1.5, True, 257):
        with pytest.raises(InputError, match="factor is"):
            downsampled(IMAGE, factor)
    with pytest.raises(InputError, match="threads is 0"):
        linear_response(IMAGE, TEMPLATE, threads=0)


def test_no_places_give_no_patches() -> None:
    assert response_patches(IMAGE, TEMPLATE, np.zeros((0, 2)), 3).shape == (0, 7, 7)
