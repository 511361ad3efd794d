"""Window sums and gathered windows against what one would write with NumPy, OpenCV and SciPy.

The answer of every contender is checked first: sums with ==, interpolated windows to a stated bound. OpenCV runs on as
many threads as the kernel. The limit of the sums is the memory: each pixel has to be read once, which the contender
"plain read" does and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from cemvis._checks import thread_count
from cemvis.kernels.tiling import gather_windows, window_sums_grid

cv2 = pytest.importorskip("cv2", reason="the rival is OpenCV")
ndimage = pytest.importorskip("scipy.ndimage")

WINDOW = 247  # 10 um at 40 nm a pixel
THREADS = thread_count(None)
SUM_CASES = [(10_000, 247), (10_000, 62), (10_000, 8), (2_000, 247), (2_000, 8)]
SAMPLE_EVERY = 40  # at stride 8 the crop loop does one row of windows in so many
MEAN, SD = np.float32(97.3), np.float32(41.9)


@cache
def mosaic(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)


@pytest.fixture(autouse=True)
def opencv_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(THREADS)
    yield
    cv2.setNumThreads(before)


# Sums


def corners(side: int, stride: int) -> range:
    return range(0, side - WINDOW + 1, stride)


def sampled(side: int, stride: int) -> range:
    return corners(side, stride)[:: SAMPLE_EVERY if stride < 62 else 1]


def crop_means(image: np.ndarray, stride: int) -> np.ndarray:
    cols = corners(image.shape[1], stride)
    rows = sampled(image.shape[0], stride)
    return np.array([[image[r : r + WINDOW, c : c + WINDOW].mean() for c in cols] for r in rows])


def crop_moments(image: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    cols = corners(image.shape[1], stride)
    rows = sampled(image.shape[0], stride)
    crops = [[image[r : r + WINDOW, c : c + WINDOW] for c in cols] for r in rows]
    return np.array([[c.mean() for c in row] for row in crops]), np.array([[c.var() for c in row] for row in crops])


def differences(table: np.ndarray, stride: int) -> np.ndarray:
    """Window sums from a table of sums with a row and a column of zeros in front."""
    near, far = table[:-WINDOW:stride], table[WINDOW::stride]
    return far[:, WINDOW::stride] - far[:, :-WINDOW:stride] - near[:, WINDOW::stride] + near[:, :-WINDOW:stride]


def opencv_means(image: np.ndarray, stride: int) -> np.ndarray:
    # 32-bit sums wrap around on a large image; their differences do not.
    return differences(cv2.integral(image).view(np.uint32), stride) / WINDOW**2


def opencv_moments(image: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    total, squares = cv2.integral2(image)
    mean = differences(total.view(np.uint32), stride) / WINDOW**2
    return mean, differences(squares, stride) / WINDOW**2 - mean * mean


def numpy_means(image: np.ndarray, stride: int) -> np.ndarray:
    table = np.zeros(np.add(image.shape, 1), dtype=np.uint32)
    np.cumsum(image, axis=0, dtype=np.uint32, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
    return differences(table, stride) / WINDOW**2


def cemvis_means(image: np.ndarray, stride: int, threads: int) -> np.ndarray:
    return window_sums_grid(image, window_px=WINDOW, step_px=stride, squares=False, threads=threads).mean


def cemvis_moments(image: np.ndarray, stride: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    sums = window_sums_grid(image, window_px=WINDOW, step_px=stride, threads=threads)
    return sums.mean, sums.variance


def plain_read(image: np.ndarray, pool: ThreadPoolExecutor) -> None:
    words = image.reshape(-1).view(np.uint64)
    list(pool.map(np.max, np.array_split(words, THREADS)))


def mean_contenders(side: int, stride: int) -> dict[str, Callable[[], np.ndarray]]:
    image = mosaic(side)
    contenders = {f"cemvis, {THREADS} threads": lambda: cemvis_means(image, stride, THREADS)}
    if THREADS > 1:
        contenders["cemvis, 1 thread"] = lambda: cemvis_means(image, stride, 1)
    return contenders | {
        "cv2.integral": lambda: opencv_means(image, stride),
        "NumPy integral": lambda: numpy_means(image, stride),
        "NumPy crop loop": lambda: crop_means(image, stride),
    }


def moment_contenders(side: int, stride: int) -> dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]]:
    image = mosaic(side)
    contenders = {f"cemvis, {THREADS} threads": lambda: cemvis_moments(image, stride, THREADS)}
    if THREADS > 1:
        contenders["cemvis, 1 thread"] = lambda: cemvis_moments(image, stride, 1)
    return contenders | {
        "cv2.integral2": lambda: opencv_moments(image, stride),
        "NumPy crop loop": lambda: crop_moments(image, stride),
    }


def loop_share(side: int, stride: int) -> dict[str, float]:
    share = len(sampled(side, stride)) / len(corners(side, stride))
    return {"NumPy crop loop": share} if share < 1 else {}


def check_means(side: int, stride: int) -> None:
    answers = [call() for call in mean_contenders(side, stride).values()]
    for other in answers[1:-1]:
        assert (other == answers[0]).all()
    rows = np.array(sampled(side, stride)) // stride
    assert (answers[-1] == answers[0][rows]).all()


def check_moments(side: int, stride: int) -> None:
    answers = [call() for call in moment_contenders(side, stride).values()]
    rows = np.array(sampled(side, stride)) // stride
    mean, variance = answers[0]
    for other in answers[1:-1]:
        assert (other[0] == mean).all()
        np.testing.assert_allclose(other[1], variance, rtol=1e-10)
    assert (answers[-1][0] == mean[rows]).all()
    np.testing.assert_allclose(answers[-1][1], variance[rows], rtol=1e-10)


@pytest.mark.parametrize(("side", "stride"), SUM_CASES)
def test_tiling_means(side: int, stride: int, compare: Callable[..., object]) -> None:
    check_means(side, stride)
    with ThreadPoolExecutor(THREADS) as pool:
        contenders = mean_contenders(side, stride) | {"plain read": lambda: plain_read(mosaic(side), pool)}
        compare(f"means, {side} x {side} uint8, window {WINDOW}, stride {stride}", contenders, loop_share(side, stride))


@pytest.mark.parametrize(("side", "stride"), SUM_CASES)
def test_tiling_means_and_variances(side: int, stride: int, compare: Callable[..., object]) -> None:
    check_moments(side, stride)
    compare(
        f"means and variances, {side} x {side} uint8, window {WINDOW}, stride {stride}",
        moment_contenders(side, stride),
        loop_share(side, stride),
    )


# Gathered windows


def gathered(side: int, centres: np.ndarray, out: np.ndarray, threads: int) -> np.ndarray:
    return gather_windows(
        mosaic(10_000), centres, window_px=side, grey_mean=MEAN, grey_sd=SD, border="refuse", threads=threads, out=out
    )


def sliced(side: int, centres: np.ndarray, out: np.ndarray) -> np.ndarray:
    image = mosaic(10_000)
    for window, (row, col) in zip(out, centres.astype(int) - side // 2, strict=True):
        window[...] = (image[row : row + side, col : col + side].astype(np.float32) - MEAN) / SD
    return out


def rect_sub_pix(side: int, centres: np.ndarray, out: np.ndarray) -> np.ndarray:
    image = mosaic(10_000)
    for window, (row, col) in zip(out, centres, strict=True):
        cv2.getRectSubPix(image, (side, side), (col, row), window, patchType=cv2.CV_32F)
        window -= MEAN
        window /= SD
    return out


def map_coordinates(side: int, centres: np.ndarray, out: np.ndarray) -> np.ndarray:
    image = mosaic(10_000)
    grid = np.mgrid[:side, :side] - (side - 1) / 2
    for window, centre in zip(out, centres, strict=True):
        ndimage.map_coordinates(image, grid + centre[:, None, None], output=window, order=1)
        window -= MEAN
        window /= SD
    return out


def gather_contenders(side: int, count: int, *, whole: bool) -> dict[str, Callable[[], np.ndarray]]:
    rng = np.random.default_rng(1)
    centres = rng.integers(side, 10_000 - side, (count, 2)).astype(np.float64)
    if not whole:
        centres += rng.uniform(-0.5, 0.5, centres.shape)
    out = np.empty((count, side, side), np.float32)
    contenders = {f"cemvis, {THREADS} threads": lambda: gathered(side, centres, out, THREADS)}
    if THREADS > 1:
        contenders["cemvis, 1 thread"] = lambda: gathered(side, centres, out, 1)
    if whole:
        return contenders | {"NumPy slicing": lambda: sliced(side, centres, out)}
    return contenders | {
        "cv2.getRectSubPix": lambda: rect_sub_pix(side, centres, out),
        "scipy map_coordinates": lambda: map_coordinates(side, centres, out),
    }


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "sub-pixel"])
@pytest.mark.parametrize(("side", "count"), [(247, 256), (61, 2048)])
def test_tiling_gather(side: int, count: int, whole: bool, compare: Callable[..., object]) -> None:
    contenders = gather_contenders(side, count, whole=whole)
    answers = [call().copy() for call in contenders.values()]
    for other in answers[1:]:
        # OpenCV takes the weights in float32 at a distance of up to 10,000 pixels from the origin: 2**-11 pixels off.
        np.testing.assert_allclose(other, answers[0], rtol=0, atol=0 if whole else 255 * 2**-10 / SD)
    where = "whole positions" if whole else "sub-pixel positions"
    compare(f"gather {count} windows of {side} x {side}, {where}", contenders)


# The same contenders one after the other, for pytest-benchmark's own statistics and its comparison with earlier runs


@pytest.mark.parametrize("contender", list(mean_contenders(WINDOW, WINDOW)))
@pytest.mark.parametrize(("side", "stride"), SUM_CASES[:3])
def test_tiling_means_alone(benchmark, side: int, stride: int, contender: str) -> None:
    benchmark.group = f"tiling: means, {side} x {side}, stride {stride}"
    benchmark.extra_info["share of the work"] = loop_share(side, stride).get(contender, 1)
    benchmark.pedantic(mean_contenders(side, stride)[contender], rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("contender", list(gather_contenders(3, 1, whole=False)))
def test_tiling_gather_alone(benchmark, contender: str) -> None:
    benchmark.group = f"tiling: gather 256 windows of {WINDOW} x {WINDOW}, sub-pixel"
    benchmark.pedantic(gather_contenders(WINDOW, 256, whole=False)[contender], rounds=5, warmup_rounds=1)
