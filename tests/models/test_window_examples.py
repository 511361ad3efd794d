from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cemvis.errors import CemvisError
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.models.window_examples import WindowExamples, WindowSource, held, turned

SHAPES = ((90, 121), (64, 200))
MEAN, SD = ((110.5, 40.25), (90.0, 31.0))


def images(dtype: type = np.uint8) -> list[np.ndarray]:
    rng = np.random.default_rng(8)
    return [rng.integers(0, np.iinfo(dtype).max, shape, endpoint=True, dtype=dtype) for shape in SHAPES]


def corners(window_px: int) -> list[np.ndarray]:
    """Windows anywhere, the outermost ones among them."""
    rng = np.random.default_rng(9)
    found = []
    for rows, cols in SHAPES:
        ends = np.array(list(product((0, rows - window_px), (0, cols - window_px))))
        inner = np.column_stack([rng.integers(0, rows - window_px + 1, 6), rng.integers(0, cols - window_px + 1, 6)])
        found.append(np.concatenate([ends, inner]).astype(np.int64))
    return found


def examples(micrographs: list[Micrograph], *, window_px: int, downsample: int) -> WindowExamples:
    sources = [
        WindowSource(micrograph, top_left, mean, sd)
        for micrograph, top_left, mean, sd in zip(micrographs, corners(window_px), MEAN, SD, strict=True)
    ]
    targets = np.arange(40, dtype=np.float32).reshape(20, 2)
    return WindowExamples(sources, targets, window_px=window_px, downsample=downsample)


def in_memory(dtype: type = np.uint8) -> list[Micrograph]:
    return [Micrograph.from_array(image, pixel_size=None) for image in images(dtype)]


def naive(dtype: type, window_px: int, downsample: int) -> np.ndarray:
    found = []
    edge = window_px // downsample
    for image, top_left, mean, sd in zip(images(dtype), corners(window_px), MEAN, SD, strict=True):
        for row, col in top_left:
            window = np.empty((edge, edge))
            for i, j in np.ndindex(edge, edge):
                top, left = row + i * downsample, col + j * downsample
                window[i, j] = image[top : top + downsample, left : left + downsample].astype(np.float64).mean()
            found.append((window - mean) / sd)
    return np.array(found)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("window_px", "downsample"), [(21, 1), (24, 1), (60, 4), (45, 5), (64, 2)])
def test_windows_are_crops_averaged_and_standardised(dtype, window_px, downsample) -> None:
    found = examples(in_memory(dtype), window_px=window_px, downsample=downsample).windows(np.arange(20))
    assert found.dtype == np.float32
    wanted = naive(dtype, window_px, downsample)
    # The kernel works in single precision: a few roundings of numbers as large as the grey levels over the deviation.
    scale = np.iinfo(dtype).max / min(SD)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=4 * np.finfo(np.float32).eps * scale)


def test_windows_come_in_the_order_they_are_asked_for() -> None:
    given = examples(in_memory(), window_px=24, downsample=2)
    order = np.array([17, 3, 3, 0, 19])
    np.testing.assert_array_equal(given.windows(order), given.windows(np.arange(20))[order])
    windows, targets = given.batch(order, None)
    assert windows.shape == (5, 1, 12, 12)
    np.testing.assert_array_equal(windows[:, 0], given.windows(order))
    np.testing.assert_array_equal(targets[:, 0], 2 * order)
    chosen = given.only(np.array([4, 17, 9]))
    assert len(chosen) == 3
    np.testing.assert_array_equal(chosen.batch(np.array([1, 0]), None)[0], given.batch(np.array([17, 4]), None)[0])
    np.testing.assert_array_equal(chosen.windows(np.array([2])), given.windows(np.array([9])))


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    """One file in tiles, one in strips."""
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    tifffile.imwrite(paths[0], images()[0], tile=(32, 48), compression="zlib")
    tifffile.imwrite(paths[1], images()[1], rowsperstrip=7)
    return paths


@pytest.mark.parametrize("most_bytes", [2**30, 0])
def test_files_give_what_memory_gives(paths, most_bytes) -> None:
    wanted = examples(in_memory(), window_px=33, downsample=3).windows(np.arange(20))
    with open_micrograph(paths[0]) as one, open_micrograph(paths[1]) as other:
        given = held([one, other], most_bytes=most_bytes)
        assert [each is file for each, file in zip(given, (one, other), strict=True)] == [most_bytes == 0] * 2
        np.testing.assert_array_equal(examples(given, window_px=33, downsample=3).windows(np.arange(20)), wanted)


def test_mosaics_are_held_up_to_their_size_in_bytes(paths) -> None:
    size = sum(rows * cols for rows, cols in SHAPES)
    with open_micrograph(paths[0]) as one, open_micrograph(paths[1]) as other:
        assert held([one, other], most_bytes=size)[0] is not one
        assert held([one, other], most_bytes=size - 1)[0] is one


def test_a_large_mosaic_is_read_window_by_window(paths, monkeypatch) -> None:
    sizes = []
    plain = Micrograph.read

    def watched(self, row, col, height, width, **options):
        sizes.append((height, width))
        return plain(self, row, col, height, width, **options)

    with open_micrograph(paths[0]) as one, open_micrograph(paths[1]) as other:
        given = examples(held([one, other], most_bytes=0), window_px=33, downsample=3)
        monkeypatch.setattr(Micrograph, "read", watched)
        given.windows(np.arange(20))
    assert sizes == [(33, 33)] * 20


def test_the_eight_symmetries_are_a_group_and_all_different() -> None:
    window = np.random.default_rng(1).normal(size=(7, 7)).astype(np.float32)
    copies = [turned(window, symmetry) for symmetry in range(8)]
    keys = [copy.tobytes() for copy in copies]
    np.testing.assert_array_equal(copies[0], window)
    assert len(set(keys)) == 8
    for first, second in product(range(8), repeat=2):
        assert turned(turned(window, first), second).tobytes() in keys
    for copy in copies:
        assert copy[3, 3] == window[3, 3]
        assert sorted(copy.ravel()) == sorted(window.ravel())


def test_all_eight_are_drawn_equally_often_and_each_window_has_its_own() -> None:
    given = examples(in_memory(), window_px=24, downsample=2)
    indices = np.tile(np.arange(20), 40)
    plain = given.windows(indices)
    drawn, targets = given.batch(indices, np.random.default_rng(3))
    np.testing.assert_array_equal(targets, given.batch(indices, None)[1])
    counts = np.zeros(8, int)
    for before, after in zip(plain, drawn[:, 0], strict=True):
        which = [symmetry for symmetry in range(8) if np.array_equal(turned(before, symmetry), after)]
        assert len(which) == 1
        counts[which[0]] += 1
    assert counts.min() > 70  # 100 each, with a deviation of 9.4
    again = given.batch(indices, np.random.default_rng(3))[0]
    np.testing.assert_array_equal(again, drawn)
    assert not np.array_equal(given.batch(indices, np.random.default_rng(4))[0], drawn)


@pytest.mark.parametrize("targets", [np.zeros((19, 1)), np.full((20, 1), np.nan), np.full((20, 1), np.inf)])
def test_targets_that_are_missing_or_not_finite_are_refused(targets) -> None:
    source = WindowSource(in_memory()[0], np.zeros((20, 2), np.int64), 100.0, 30.0)
    with pytest.raises(CemvisError, match="20 windows with"):
        WindowExamples([source], targets.astype(np.float32), window_px=20, downsample=1)


@pytest.mark.parametrize("corner", [(-1, 0), (0, -1), (71, 0), (0, 102)])
def test_a_window_over_the_border_is_refused(corner) -> None:
    source = WindowSource(in_memory()[0], np.array([corner], np.int64), 100.0, 30.0)
    given = WindowExamples([source], np.zeros((1, 1), np.float32), window_px=20, downsample=1)
    with pytest.raises(CemvisError):
        given.windows(np.array([0]))
