"""Template responses and block means against OpenCV, scikit-image, SciPy and NumPy.

A whole batch of imprints is searched in 5,250 x 5,250 pixels with a template of 100 x 100, then around 400 places with
one of 128 x 128. Every contender's answer is checked first. OpenCV and SciPy run on as many threads as the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest

from cemvis._checks import thread_count
from cemvis.kernels.indent_search import (
    downsampled,
    linear_response,
    nearest_windows,
    normalised_correlation,
    response_patches,
)

cv2 = pytest.importorskip("cv2", reason="a rival is OpenCV")
feature = pytest.importorskip("skimage.feature", reason="a rival is scikit-image")
signal = pytest.importorskip("scipy.signal")

SIDE, TEMPLATE = 5_250, 100
PLACES, PATCH_TEMPLATE, RADIUS = 400, 128, 10
THREADS = thread_count(None)
OURS = f"cemvis, {THREADS} threads"
TIMES_OPENCV, TIMES_SKIMAGE = 3.0, 20.0
Call = Callable[[], np.ndarray]


@cache
def mosaic() -> np.ndarray:
    """Blobs of some 12 px with noise on them."""
    random = np.random.default_rng(0)
    coarse = random.standard_normal((SIDE // 12 + 2, SIDE // 12 + 2)).astype(np.float32)
    blobs = cv2.resize(coarse, None, fx=12, fy=12, interpolation=cv2.INTER_CUBIC)[:SIDE, :SIDE]
    noise = random.standard_normal((SIDE, SIDE), dtype=np.float32)
    return np.clip(110 + 40 * blobs + 8 * noise, 0, 255).astype(np.uint8)


def template(side: int) -> np.ndarray:
    """A noisy copy of a part of the mosaic, as whole grey levels: OpenCV wants the image's type."""
    part = mosaic()[1000 : 1000 + side, 2000 : 2000 + side]
    noise = np.random.default_rng(1).normal(0, 15, part.shape)
    return np.clip(part + noise, 0, 255).round().astype(np.float32)


@pytest.fixture(autouse=True)
def opencv_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(THREADS)
    yield
    cv2.setNumThreads(before)


def with_one_thread(contenders: dict[str, Call], call: Call) -> dict[str, Call]:
    return contenders | ({"cemvis, 1 thread": call} if THREADS > 1 else {})


def test_indent_search_correlation(compare: Callable[..., object]) -> None:
    image, pattern = mosaic(), template(TEMPLATE)
    grey = pattern.astype(np.uint8)
    contenders: dict[str, Call] = {OURS: lambda: normalised_correlation(image, pattern, threads=THREADS)}
    contenders = with_one_thread(contenders, lambda: normalised_correlation(image, pattern, threads=1)) | {
        "cv2.matchTemplate": lambda: cv2.matchTemplate(image, grey, cv2.TM_CCOEFF_NORMED),
        "skimage match_template": lambda: feature.match_template(image, pattern),
    }
    ours, *others = [call() for call in contenders.values()]
    for other in others:
        np.testing.assert_allclose(ours, other, rtol=0, atol=2e-5)
    bars = {
        "times as fast as OpenCV": ("cv2.matchTemplate", OURS, "at least", TIMES_OPENCV),
        "times as fast as scikit-image": ("skimage match_template", OURS, "at least", TIMES_SKIMAGE),
    }
    compare(f"correlation, {SIDE} x {SIDE} uint8, template {TEMPLATE} x {TEMPLATE}", contenders, bars=bars)


def test_indent_search_response(compare: Callable[..., object]) -> None:
    image, pattern = mosaic(), template(TEMPLATE)
    pattern -= pattern.mean()
    about = image.astype(np.float32) - np.float32(image.mean())  # OpenCV's rounding errors grow with the mean
    contenders: dict[str, Call] = {OURS: lambda: linear_response(image, pattern, threads=THREADS)}
    contenders = with_one_thread(contenders, lambda: linear_response(image, pattern, threads=1)) | {
        "cv2.matchTemplate": lambda: cv2.matchTemplate(about, pattern, cv2.TM_CCORR),
        "scipy oaconvolve": lambda: signal.oaconvolve(about, pattern[::-1, ::-1], mode="valid"),
    }
    ours, *others = [call() for call in contenders.values()]
    for other in others:
        np.testing.assert_allclose(ours, other, rtol=0, atol=1e-4 * float(ours.std()))
    compare(f"linear response, {SIDE} x {SIDE} uint8, template {TEMPLATE} x {TEMPLATE}", contenders)


def test_indent_search_patches(compare: Callable[..., object]) -> None:
    image, pattern = mosaic(), template(PATCH_TEMPLATE)
    pattern -= pattern.mean()
    about = image.astype(np.float32) - np.float32(image.mean())
    centres = np.random.default_rng(2).uniform(PATCH_TEMPLATE, SIDE - PATCH_TEMPLATE, (PLACES, 2))
    corners = nearest_windows(centres, pattern.shape) - RADIUS
    reach = PATCH_TEMPLATE + 2 * RADIUS

    def crops() -> np.ndarray:
        parts = [about[y : y + reach, x : x + reach] for x, y in corners.tolist()]
        return np.array([cv2.matchTemplate(part, pattern, cv2.TM_CCORR) for part in parts])

    contenders: dict[str, Call] = {OURS: lambda: response_patches(image, pattern, centres, RADIUS, threads=THREADS)}
    contenders = with_one_thread(contenders, lambda: response_patches(image, pattern, centres, RADIUS, threads=1)) | {
        "cv2.matchTemplate, crop by crop": crops
    }
    ours, *others = [call() for call in contenders.values()]
    for other in others:
        np.testing.assert_allclose(ours, other, rtol=0, atol=1e-4 * float(ours.std()))
    compare(f"{PLACES} patches of radius {RADIUS}, template {PATCH_TEMPLATE} x {PATCH_TEMPLATE}", contenders)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_indent_search_block_means(factor: int, compare: Callable[..., object]) -> None:
    whole = SIDE // factor * factor
    image = mosaic()[:whole, :whole]
    size = (whole // factor, whole // factor)

    def reshaped() -> np.ndarray:
        squares = image.reshape(size[0], factor, size[1], factor)
        return squares.mean(axis=(1, 3), dtype=np.float32)

    contenders: dict[str, Call] = {OURS: lambda: downsampled(image, factor, threads=THREADS)}
    contenders = with_one_thread(contenders, lambda: downsampled(image, factor, threads=1)) | {
        # Of uint8 it would round to whole grey levels.
        "cv2.resize of float32": lambda: cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA),
        "NumPy": reshaped,
    }
    ours, *others = [call() for call in contenders.values()]
    for other in others:
        np.testing.assert_allclose(ours, other, rtol=1e-6)
    compare(f"block means, {whole} x {whole} uint8, factor {factor}", contenders)
