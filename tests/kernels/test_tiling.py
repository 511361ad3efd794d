from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.errors import InputError
from cemvis.kernels import tiling
from cemvis.kernels.tiling import WindowSums, gather_windows, window_sums_at, window_sums_grid
from reference import tiling as reference

SEED = 20241
BORDERS = ["reflect", "nearest", "constant"]
DTYPES = [np.uint8, np.uint16]
# Any view of the same pixels.
VIEWS = {
    "plain": lambda image: image.copy(),
    "flipped": lambda image: image[::-1, ::-1].copy()[::-1, ::-1],
    "every second column": lambda image: np.repeat(image, 2, axis=1)[:, ::2],
    "every third row": lambda image: np.repeat(image, 3, axis=0)[::3],
    "transposed": lambda image: image.T.copy().T,
    "transposed, flipped": lambda image: image[:, ::-1].T.copy().T[:, ::-1],
    "inside a larger one": lambda image: np.pad(image, ((2, 3), (1, 5)), constant_values=7)[2:-3, 1:-5],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
}


def noise(shape: tuple[int, int], dtype: type, seed: int = SEED) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


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


@pytest.fixture
def nobody_is_interrupted() -> Iterator[None]:
    """Let a Python thread run only when another one gives way by itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("nobody_is_interrupted")
@pytest.mark.parametrize(
    "call",
    [
        lambda image: window_sums_grid(image, window_px=50, step_px=2, threads=1),
        lambda image: window_sums_at(image, np.zeros((500, 2), np.int64), window_px=250, threads=1),
        lambda image: gather_windows(image, np.zeros((50, 2)), window_px=250, threads=1),
    ],
)
def test_other_python_threads_run_meanwhile(call: Callable[[np.ndarray], object]) -> None:
    image = noise((1000, 1000), np.uint8)
    ran, stop = threading.Event(), threading.Event()

    def wait_for_its_turn() -> None:
        while not stop.is_set():
            time.sleep(0)
            ran.set()

    thread = threading.Thread(target=wait_for_its_turn)
    thread.start()
    ran.clear()
    for _ in range(100):
        call(image)
        if ran.is_set():
            break
    turned = ran.is_set()
    stop.set()
    thread.join()
    assert turned


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[1, 2], [3, 4]], "image is a list; wanted a NumPy array"),
        (np.zeros((4, 4), np.float32), "image has dtype float32; wanted native uint8 or uint16"),
        (np.zeros((4, 4), np.int16), "image has dtype int16"),
        (np.zeros((4, 4), np.dtype(np.uint16).newbyteorder()), "image has dtype [<>]u2; wanted native uint8 or uint16"),
        (np.zeros((4, 4, 3), np.uint8), r"image has shape \(4, 4, 3\); wanted \(rows, cols\)"),
        (np.zeros((0, 4), np.uint8), "image is empty"),
        (np.zeros(33, np.uint8)[1:].view(np.uint16).reshape(4, 4), "unaligned; wanted whole pixels"),
        (np.zeros((4, 4), np.dtype([("a", "u1"), ("b", "u2")]))["b"], "image has strides of .*wanted whole pixels"),
    ],
)
def test_bad_images(image: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        window_sums_grid(image, window_px=2, step_px=1)
    with pytest.raises(InputError, match=message):
        window_sums_at(image, [[0, 0]], window_px=2)
    with pytest.raises(InputError, match=message):
        gather_windows(image, [[0, 0]], window_px=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_px": 0}, "window_px is 0; wanted a whole number of at least 1"),
        ({"window_px": 2.0}, "window_px is 2.0; wanted a whole number"),
        ({"window_px": True}, "window_px is True"),
        ({"window_px": (3, 4, 5)}, r"window_px is \(3, 4, 5\); wanted a whole number or \(rows, cols\)"),
        ({"window_px": (4, 41)}, r"window_px is \(4, 41\), larger than the image of 30 x 40 pixels; give a smaller"),
        ({"window_px": 70_000}, "wanted at most 65536 pixels"),
        ({"step_px": -3}, "step_px is -3; wanted a whole number of at least 1"),
        ({"step_px": (1, 0)}, "step_px is 0"),
        ({"threads": 0}, "threads is 0; wanted a whole number from 1 to 4096"),
    ],
)
def test_bad_grids(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        window_sums_grid(noise((30, 40), np.uint8), **{"window_px": 4, "step_px": 2} | arguments)


@pytest.mark.parametrize(
    ("top_left", "message"),
    [
        ([[0.0, 1.0]], r"top_left is float64 of shape \(1, 2\); wanted integers of shape \(n, 2\)"),
        ([0, 1], r"shape \(2,\)"),
        ([[0, 1, 2]], r"shape \(1, 3\)"),
        ([[0, 0], [-1, 0]], r"top_left\[1\] is \(-1, 0\); a 4 x 5 window .* between \(0, 0\) and \(26, 35\)"),
        ([[27, 0]], r"top_left\[0\] is \(27, 0\)"),
        ([[0, 36]], r"top_left\[0\] is \(0, 36\)"),
        (np.array([[0, 2**63 + 5]], dtype=np.uint64), r"top_left\[0\] is \(0, 9223372036854775813\)"),
    ],
)
def test_bad_positions(top_left: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        window_sums_at(noise((30, 40), np.uint8), top_left, window_px=(4, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"centres": [[5.0, np.nan]]}, r"centres\[0\] is \(5.0, nan\); wanted finite pixels"),
        ({"centres": [[5, 5], [np.inf, 0]]}, r"centres\[1\] is \(inf, 0.0\)"),
        ({"centres": [["a", "b"]]}, "wanted numbers of shape"),
        ({"centres": [5.0, 6.0]}, r"centres is float64 of shape \(2,\)"),
        ({"border": "wrap"}, "border is 'wrap'; wanted one of reflect, nearest, constant, refuse"),
        ({"fill": np.nan}, "fill is nan; wanted a finite number"),
        ({"grey_mean": np.inf}, "grey_mean is inf"),
        ({"grey_sd": 0.0}, "grey_sd is 0.0; wanted a finite number above 0"),
        ({"grey_sd": 1e-60}, "grey_sd above 0"),
        ({"fill": 1e300}, "finite as float32"),
        ({"downsample": 4}, "downsample is 4, which does not divide the 6 x 6 window"),
        ({"downsample": 0}, "downsample is 0"),
        ({"window_px": 70_000}, "65536"),
        ({"out": np.zeros((1, 6, 6))}, r"out is float64 of shape \(1, 6, 6\); wanted a writeable float32 array"),
        ({"out": np.zeros((1, 6, 5), np.float32)}, r"of shape \(1, 6, 6\) in C order"),
        ({"out": np.zeros((1, 6, 12), np.float32)[..., ::2]}, "in C order"),
        ({"out": np.broadcast_to(np.zeros((1, 6, 6), np.float32), (1, 6, 6))}, "writeable"),
        ({"out": [1]}, "out is list"),
    ],
)
def test_bad_gathering(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        gather_windows(noise((30, 40), np.uint8), **{"centres": [[5.0, 5.0]], "window_px": 6} | arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda core, image: core.window_sums_grid(image, (5, 5), (1, 1), True, 1),
        lambda core, image: core.window_sums_grid(image, (0, 1), (1, 1), True, 1),
        lambda core, image: core.window_sums_grid(image, (2, 2), (1, 0), True, 1),
        lambda core, image: core.window_sums_grid(image, (2, 2), (1, 1), True, 0),
        lambda core, image: core.window_sums_at(image, np.array([[3, 0]]), (2, 2), True, 1),
        lambda core, image: core.window_sums_at(image, np.array([3, 0]), (2, 2), True, 1),
    ],
)
def test_the_core_checks_ranges_too(call: Callable[[object, np.ndarray], object]) -> None:
    with pytest.raises(ValueError, match=r"must|does not lie|larger"):
        call(tiling._core, np.zeros((4, 4), np.uint8))


def test_the_core_converts_nothing() -> None:
    for image in (np.full((4, 4), 300, np.int64), np.full((4, 4), 0.9), np.zeros((4, 4), np.int8), [[1, 2], [3, 4]]):
        with pytest.raises(TypeError, match=r"incompatible function arguments|must be native uint8 or uint16"):
            tiling._core.window_sums_grid(image, (2, 2), (1, 1), True, 1)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        tiling._core.window_sums_at(np.zeros((4, 4), np.uint8), np.zeros((2, 4), np.int64)[:, ::2], (2, 2), True, 1)
