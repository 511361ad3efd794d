from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.errors import InputError
from cemvis.kernels import tiling
from cemvis.kernels.tiling import WindowSums, window_sums_at, window_sums_grid
from reference import tiling as reference
from tiling_images import DTYPES, VIEWS, noise


def assert_sums(found: WindowSums, total: np.ndarray, squares: np.ndarray) -> None:
    assert found.total.dtype == np.uint64
    np.testing.assert_array_equal(found.total, total)
    assert found.total_squares is not None
    np.testing.assert_array_equal(found.total_squares, squares)


# Sums


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_grid_sums_equal_the_definition(data: st.DataObject) -> None:
    rows, cols = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)), label="shape")
    window = data.draw(st.tuples(st.integers(1, rows), st.integers(1, cols)), label="window")
    step = data.draw(st.tuples(st.integers(1, 45), st.integers(1, 45)), label="step")
    dtype = data.draw(st.sampled_from(DTYPES), label="dtype")
    view = data.draw(st.sampled_from(sorted(VIEWS)), label="view")
    image = VIEWS[view](noise((rows, cols), dtype, data.draw(st.integers(0, 1000), label="seed")))
    found = window_sums_grid(image, window_px=window, step_px=step, threads=data.draw(st.integers(1, 4)))
    assert_sums(found, *reference.window_sums_grid(image, window, step))
    assert found.pixels_per_window == window[0] * window[1]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_sums_anywhere_equal_the_definition(data: st.DataObject) -> None:
    rows, cols = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)), label="shape")
    window = data.draw(st.tuples(st.integers(1, rows), st.integers(1, cols)), label="window")
    image = VIEWS[data.draw(st.sampled_from(sorted(VIEWS)))](noise((rows, cols), data.draw(st.sampled_from(DTYPES))))
    position = st.tuples(st.integers(0, rows - window[0]), st.integers(0, cols - window[1]))
    at = np.array(data.draw(st.lists(position, min_size=1, max_size=6)))
    found = window_sums_at(image, at, window_px=window, threads=2)
    expected = np.array([reference.window_sums(image, r, c, window) for r, c in at.tolist()], dtype=np.uint64)
    assert_sums(found, expected[:, 0], expected[:, 1])


def summed_area(image: np.ndarray, window: tuple[int, int], step: tuple[int, int]) -> np.ndarray:
    """Window sums of uint64 levels from a table of sums: for images too large for the reference."""
    table = np.zeros(np.add(image.shape, 1), dtype=np.uint64)
    table[1:, 1:] = image.astype(np.uint64).cumsum(axis=0).cumsum(axis=1)
    rows = np.arange(0, image.shape[0] - window[0] + 1, step[0])[:, None]
    cols = np.arange(0, image.shape[1] - window[1] + 1, step[1])
    return (
        table[rows + window[0], cols + window[1]]
        - table[rows, cols + window[1]]
        - table[rows + window[0], cols]
        + table[rows, cols]
    )


# Each row takes another way through the kernel: many and few open windows, one at a time, strips and bands.


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "window", "step"),
    [
        ((700, 1003), (61, 61), (61, 61)),
        ((700, 1003), (61, 61), (7, 9)),
        ((700, 1003), (130, 61), (2, 50)),
        ((700, 1003), (16, 16), (1, 1)),
        ((700, 1003), (16, 16), (90, 100)),
        ((700, 1003), (700, 3), (1, 1)),
        ((1003, 700), (5, 640), (40, 3)),
        ((40, 40_000), (30, 300), (3, 290)),
    ],
)
def test_large_grids(
    shape: tuple[int, int], window: tuple[int, int], step: tuple[int, int], dtype: type, threads: int
) -> None:
    image = noise(shape, dtype)
    levels = image.astype(np.uint64)
    expected = summed_area(levels, window, step), summed_area(levels * levels, window, step)
    for view in (image, np.asfortranarray(image)):
        assert_sums(window_sums_grid(view, window_px=window, step_px=step, threads=threads), *expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_brightest_image_does_not_overflow(dtype: type) -> None:
    top = np.iinfo(dtype).max
    image = np.full((66_000, 40), top, dtype=dtype)
    window = (tiling.LARGEST_WINDOW_PX, 33)
    found = window_sums_grid(image, window_px=window, step_px=(100, 7), threads=2)
    pixels = window[0] * window[1]
    assert set(found.total.ravel().tolist()) == {pixels * top}
    assert found.total_squares is not None
    assert set(found.total_squares.ravel().tolist()) == {pixels * top * top}
    assert (found.variance == 0).all()
    assert (window_sums_at(image, [[464, 7]], window_px=window).total == pixels * top).all()


def test_additivity_over_bands() -> None:
    image = noise((240, 130), np.uint16)
    whole = window_sums_grid(image, window_px=(60, 25), step_px=(60, 5), threads=1)
    halves = [window_sums_grid(band, window_px=(30, 25), step_px=(60, 5), threads=2) for band in (image, image[30:])]
    assert whole.total_squares is not None
    np.testing.assert_array_equal(whole.total, halves[0].total + halves[1].total)
    np.testing.assert_array_equal(whole.total_squares, halves[0].total_squares + halves[1].total_squares)


def test_translation() -> None:
    image = noise((90, 120), np.uint8)
    whole = window_sums_grid(image, window_px=20, step_px=5)
    moved = window_sums_grid(image[10:, 15:], window_px=20, step_px=5)
    np.testing.assert_array_equal(whole.total[2:, 3:], moved.total)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_grid_is_windows_at_its_positions(threads: int) -> None:
    image = noise((700, 800), np.uint16)
    grid = window_sums_grid(image, window_px=(61, 47), step_px=(13, 40), threads=1)
    at = np.stack(np.meshgrid(np.arange(0, 640, 13), np.arange(0, 754, 40), indexing="ij"), axis=-1).reshape(-1, 2)
    alone = window_sums_at(image, at, window_px=(61, 47), threads=threads)
    assert grid.total_squares is not None
    assert_sums(alone, grid.total.ravel(), grid.total_squares.ravel())


def test_without_squares() -> None:
    image = noise((50, 60), np.uint8)
    found = window_sums_grid(image, window_px=10, step_px=10, squares=False)
    assert found.total_squares is None
    np.testing.assert_array_equal(found.total, window_sums_grid(image, window_px=10, step_px=10).total)
    with pytest.raises(InputError, match="squares=True"):
        _ = found.variance


@pytest.mark.parametrize("dtype", DTYPES)
def test_mean_and_variance(dtype: type) -> None:
    image = noise((80, 90), dtype)
    found = window_sums_grid(image, window_px=16, step_px=16)
    blocks = image[:80, :80].reshape(5, 16, 5, 16).astype(np.float64)
    np.testing.assert_allclose(found.mean, blocks.mean(axis=(1, 3)), rtol=1e-14)
    np.testing.assert_allclose(found.variance, blocks.var(axis=(1, 3)), rtol=1e-12)


def test_the_variance_of_a_bright_flat_window_is_exact() -> None:
    image = np.full((3000, 2000), 65_534, dtype=np.uint16)
    image[0, 0] += 1
    found = window_sums_grid(image, window_px=(3000, 2000), step_px=1)
    share = 1 / image.size
    np.testing.assert_allclose(found.variance, share * (1 - share), rtol=1e-15)


def test_no_positions() -> None:
    found = window_sums_at(noise((5, 5), np.uint8), np.empty((0, 2), dtype=np.int64), window_px=2)
    assert found.mean.shape == found.variance.shape == (0,)


def test_results_outlive_their_input() -> None:
    image = noise((64, 64), np.uint8)
    expected = image.reshape(4, 16, 4, 16).sum(axis=(1, 3))
    found = window_sums_grid(image, window_px=16, step_px=16)
    del image
    _ = [noise((64, 64), np.uint8) for _ in range(10)]
    np.testing.assert_array_equal(found.total, expected)
    assert found.total.flags.owndata


# Levels, threads, bad input
LEVEL_PROGRAM = """
import hashlib
import numpy as np
from cemvis import _core
from cemvis.kernels.tiling import gather_windows, window_sums_grid
digest = hashlib.sha256()
rng = np.random.default_rng(5)
for dtype in (np.uint8, np.uint16):
    image = rng.integers(0, np.iinfo(dtype).max, (333, 457), dtype=dtype, endpoint=True)
    for window, step in ((61, 61), (61, 2), (17, 5)):
        sums = window_sums_grid(image, window_px=window, step_px=step, threads=2)
        digest.update(sums.total.tobytes() + sums.total_squares.tobytes())
    centres = rng.uniform(-10, 400, (40, 2))
    for factor in (1, 5):
        batch = gather_windows(image, centres, window_px=35, downsample=factor, grey_mean=90.3, grey_sd=41.7, threads=2)
        digest.update(batch.tobytes())
print(_core.simd_level(), digest.hexdigest())
"""


def run_at_level(level: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "CEMVIS_SIMD"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    if level is not None:
        environment["CEMVIS_SIMD"] = level
    return subprocess.run(
        [sys.executable, "-c", LEVEL_PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_every_simd_level_gives_the_same_bits() -> None:
    detected, digest = run_at_level(None).stdout.split()
    levels = ["baseline", "avx2", "avx512"]
    for wanted in levels[: levels.index(detected) + 1]:
        assert run_at_level(wanted).stdout.split() == [wanted, digest]


def test_an_unknown_simd_level_is_refused() -> None:
    answer = run_at_level("avx3")
    assert answer.returncode == 1
    assert answer.stderr.strip().endswith('InputError: CEMVIS_SIMD is "avx3"; wanted baseline, avx2 or avx512')
