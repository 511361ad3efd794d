"""Differences of maps: exact for whole numbers, within a derived bound else, the same bits however they are made."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.kernels.difference_matrix import BLOCK_BYTES, DTYPES, difference_matrix
from reference import difference_matrix as naive


def random_maps(n: int, pixels: int, dtype: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.startswith("u"):
        return rng.integers(0, np.iinfo(dtype).max, (n, pixels), dtype=dtype, endpoint=True)
    # Over 12 decades, like relevance.
    return (rng.choice([-1, 1], (n, pixels)) * 10 ** rng.uniform(-12, 0, (n, pixels))).astype(dtype)


def bound(dtype: str, pixels: int) -> float:
    """Roundings that a sum of non-negative terms has gone through at most, each of half a unit in the last place.

    float32: the difference, 15 additions in a line of 16, one of two lanes, then float64: 8 lines in a block, 3 to join
    lanes, and one a block of 2,048. float64: 17 + 8 + 2 and one a block of 1,024.
    """
    if dtype == "float32":
        return 17 * 2**-24 + (11 + pixels / 2048 + 1) * 2**-53 + 1e-12
    return (28 + pixels / 1024) * 2**-53


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "m", "pixels"), [(1, 1, 1), (5, 3, 37), (9, 4, 257), (4, 5, 1025), (3, 2, 2100)])
def test_sums_are_those_of_the_definition(dtype, n, m, pixels) -> None:
    maps, others = random_maps(n, pixels, dtype), random_maps(m, pixels, dtype, 1)
    for found, expected in (
        (difference_matrix(maps), naive.difference_matrix(maps, maps)),
        (difference_matrix(maps, others), naive.difference_matrix(maps, others)),
    ):
        assert found.dtype == (np.uint64 if dtype.startswith("u") else np.float64)
        for row, wanted in zip(found.tolist(), expected, strict=True):
            for number, exact in zip(row, wanted, strict=True):
                if dtype.startswith("u"):
                    assert number == exact
                else:
                    assert abs(naive.Fraction(number) - exact) <= naive.Fraction(bound(dtype, pixels)) * exact


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_maps_of_many_blocks(dtype) -> None:
    """Against NumPy's sums in float64 or integers; 75 maps are several tasks with rests of tiles."""
    maps = random_maps(75, 9001, dtype, 3)
    wide = maps.astype(np.int64 if dtype.startswith("u") else np.float64)
    expected = np.stack([np.abs(wide - row).sum(axis=1) for row in wide])
    found = difference_matrix(maps, threads=2)
    if dtype.startswith("u"):
        assert np.array_equal(found, expected.astype(np.uint64))
    else:
        # NumPy's pairwise sums of 9,001 numbers are within 30 roundings.
        np.testing.assert_allclose(found, expected, rtol=bound(dtype, 9001) + 30 * 2**-53, atol=0)
    assert np.array_equal(found, found.T)
    assert not found.diagonal().any()
    for threads in (1, 3):
        assert np.array_equal(difference_matrix(maps, threads=threads), found)
    # Each pair alone: other tiles, other tasks, the same bits.
    assert difference_matrix(maps[70:71], maps[2:3])[0, 0] == found[70, 2]
    assert np.array_equal(difference_matrix(maps[:50], maps[50:]), found[:50, 50:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_ranges_of_pixels_add_up(dtype) -> None:
    maps = random_maps(6, 20_000, dtype, 4)
    block = BLOCK_BYTES // maps.dtype.itemsize
    whole, sums = difference_matrix(maps), None
    for begin in range(0, maps.shape[1], 2 * block):
        before = None if sums is None else sums.copy()
        sums, last = difference_matrix(maps[:, begin : begin + 2 * block], onto=sums), sums
        assert last is None or np.array_equal(last, before)
    assert np.array_equal(sums, whole)


def test_any_view_will_do() -> None:
    maps = random_maps(12, 600, "float32", 5).reshape(12, 20, 30)
    view = np.asfortranarray(maps)[::-2, ::3, ::-1]
    assert not view.flags.c_contiguous
    assert np.array_equal(difference_matrix(view), difference_matrix(np.ascontiguousarray(view)))
    rows = maps.reshape(12, -1)[::2, ::-7]
    assert np.array_equal(difference_matrix(rows), difference_matrix(rows.copy()))
    still = maps.copy()
    still.flags.writeable = False
    assert np.array_equal(difference_matrix(still), difference_matrix(maps))


def test_every_simd_level_gives_the_same_bits() -> None:
    code = (
        "import numpy as np, hashlib; from cemvis.kernels.difference_matrix import difference_matrix as d\n"
        "g = np.random.default_rng(0); h = hashlib.sha256()\n"
        "m = g.random((21, 5000)) ** 9 * 65535\n"
        "[h.update(d(m.astype(t))) for t in ('uint8', 'uint16', 'float32', 'float64')]\n"
        "print(h.hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "CEMVIS_SIMD": level},
        ).stdout
        for level in ("baseline", "avx2", "avx512")
    }
    assert len(told) == 1
    assert len(told.pop().strip()) == len(hashlib.sha256().hexdigest())


def test_distances_have_the_properties_of_a_metric() -> None:
    maps = random_maps(20, 500, "uint16", 6)
    found = difference_matrix(maps)
    assert np.array_equal(difference_matrix(maps[:, ::-1]), found)
    assert (found[:, :, None] <= found[:, None, :] + found[None, :, :].transpose(0, 2, 1)).all()
    assert np.array_equal(difference_matrix(maps[[3, 3, 5]])[0, 1:], [0, found[3, 5]])


@pytest.mark.parametrize(
    ("maps", "more", "told"),
    [
        ([[1, 2]], {}, "maps is a list; wanted an array"),
        (np.zeros(4, np.uint8), {}, r"maps has shape \(4,\); wanted an array"),
        (np.zeros((2, 3), np.int32), {}, "maps has dtype int32; wanted native uint8"),
        (np.zeros((2, 3), ">f4"), {}, "wanted native"),
        (np.zeros((0, 3), np.uint8), {}, "maps is empty"),
        (np.zeros((2, 0), np.uint8), {}, "maps is empty"),
        (np.full((2, 3), np.nan, np.float32), {}, "finite numbers"),
        (np.array([[0, 1], [np.inf, 2]]), {}, "finite numbers"),
        (np.full((2, 3), 2e36, np.float32), {}, "at most 1e36"),
        (np.zeros((2, 3), np.uint8), {"others": np.zeros((2, 4), np.uint8)}, "3 pixels and others 4"),
        (np.zeros((2, 3), np.uint8), {"others": np.zeros((2, 3), np.uint16)}, "one dtype"),
        (np.zeros((2, 3), np.uint8), {"onto": np.zeros((2, 2))}, "onto is"),
        (np.zeros((2, 3), np.uint8), {"onto": np.zeros((3, 2), np.uint64)}, "onto is"),
        (np.zeros((2, 3)), {"onto": np.array([[0, 1.0], [2, 0]])}, "not symmetric"),
        (np.zeros((2, 3), np.uint8), {"threads": 0}, "threads is 0"),
    ],
)
def test_what_is_refused(maps, more, told) -> None:
    with pytest.raises(InputError, match=told):
        difference_matrix(maps, **more)
