from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.kernels.two_point import difference_counts, directional_counts, pair_counts
from pair_images import ALGORITHMS, VIEWS, dense, expected, noise, requests, texture
from reference import two_point as reference

# The definition


@settings(max_examples=150, deadline=None)
@given(request=requests(), threads=st.integers(1, 8), view=st.sampled_from(sorted(VIEWS)))
def test_every_algorithm_gives_what_the_definition_does(request: dict, threads: int, view: str) -> None:
    pairs = expected(request)
    differences = reference.difference_counts(pairs)
    image = VIEWS[view](request.pop("image"))
    for algorithm in ALGORITHMS:
        if algorithm == "fourier" and image.ndim == 3:
            continue
        found = pair_counts(image, **request, algorithm=algorithm, threads=threads)
        np.testing.assert_array_equal(dense(found), pairs)
        np.testing.assert_array_equal(found.pairs, pairs.sum(axis=(1, 2)))
        assert found.algorithm == algorithm or algorithm == "auto"
        reduced = difference_counts(image, **request, algorithm=algorithm, threads=threads)
        np.testing.assert_array_equal(reduced.counts, differences)
        np.testing.assert_array_equal(reduced.pairs, found.pairs)
        assert reduced.algorithm == algorithm or algorithm == "auto"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_directions_are_what_the_definition_says(data: st.DataObject) -> None:
    rows, cols = data.draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    periodic, cross, masked = data.draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    image, other = noise((rows, cols), 4, data.draw(st.integers(0, 99))), noise((rows, cols), 4)
    dy_max = data.draw(st.integers(0, rows // 2 if periodic else rows - 1))
    dx_max = data.draw(st.integers(0, cols // 2 if periodic else cols - 1))
    valid = np.random.default_rng(1).random((rows, cols)) < 0.7
    valid[0, 0] = True
    valid = valid if masked else np.ones_like(valid)
    found, reduced = (
        directional_counts(
            image,
            dy_max=dy_max,
            dx_max=dx_max,
            mask=valid,
            other=other if cross else None,
            periodic=periodic,
            levels=4,
            reduced=reduced,
        )
        for reduced in (False, True)
    )
    second, second_valid = (other, np.ones_like(valid)) if cross else (image, valid)
    for dy, dx in reference.shifts((dy_max, dx_max), everywhere=cross):
        i, j = reference.valid_pairs(image, second, (dy, dx), valid, second_valid, periodic=periodic)
        cell = i * 4 + j if cross else np.maximum(i, j) * (np.maximum(i, j) + 1) // 2 + np.minimum(i, j)
        at = np.flatnonzero(found.dy_px == dy)[0], np.flatnonzero(found.dx_px == dx)[0]
        np.testing.assert_array_equal(found.counts[at], np.bincount(cell, minlength=found.counts.shape[-1]))
        np.testing.assert_array_equal(reduced.counts[at], np.bincount(np.abs(i - j), minlength=4))
        assert found.pairs[at] == reduced.pairs[at] == len(i)
    if not cross:
        assert found.counts[0, :dx_max].sum() == 0


# Larger images, where lines are cut, counters emptied and groups of codes joined


@pytest.mark.parametrize("levels", [2, 3, 7, 20, 60, 191, 256])
@pytest.mark.parametrize("share", [1.0, 0.6, 0.03])
def test_algorithms_and_threads_agree(levels: int, share: float) -> None:
    image = texture(130, levels)
    mask = None if share == 1 else np.random.default_rng(levels).random(image.shape) < share
    how = {"r_max": 40, "mask": mask, "levels": levels}
    reduced = difference_counts(image, **how, algorithm="direct", threads=1)
    for algorithm in ("fourier", "pairs", "direct"):
        for threads in (1, 3):
            found = difference_counts(image, **how, algorithm=algorithm, threads=threads)
            assert found.algorithm == algorithm
            np.testing.assert_array_equal(found.counts, reduced.counts)
    full = pair_counts(image, **how, algorithm="direct", threads=2)
    np.testing.assert_array_equal(full.differences().counts, reduced.counts)
    for algorithm in ("pairs", "fourier") if levels <= 60 else ("pairs",):
        found = pair_counts(image, **how, algorithm=algorithm, threads=2)
        assert found.algorithm == algorithm
        np.testing.assert_array_equal(found.counts, full.counts)


@pytest.mark.parametrize("shape", [(3, 9001), (9001, 3), (1, 20_000)])
def test_long_lines(shape: tuple[int, int]) -> None:
    image = noise(shape, 5)
    found = {name: pair_counts(image, r_max=20, levels=5, algorithm=name) for name in ("direct", "pairs", "fourier")}
    np.testing.assert_array_equal(found["direct"].counts, found["pairs"].counts)
    np.testing.assert_array_equal(found["direct"].counts, found["fourier"].counts)
    horizontal = np.abs(image[:, 1:].astype(int) - image[:, :-1]) == 4
    assert directional_counts(image, dy_max=0, dx_max=1, levels=5).counts[0, 2, 4] == horizontal.sum()


@pytest.mark.parametrize("image", [np.full((300, 400), 7, np.uint8), np.tile(np.uint8([0, 200]), (300, 200))])
@pytest.mark.parametrize("algorithm", ["direct", "pairs"])
def test_narrow_counters_do_not_overflow(image: np.ndarray, algorithm: str) -> None:
    r_max = 9
    found = pair_counts(image, r_max=r_max, algorithm=algorithm, threads=1)
    reduced = difference_counts(image, r_max=r_max, algorithm=algorithm, threads=1)
    shifts = [h for h in reference.shifts((r_max, r_max), everywhere=False) if reference.ring(h) <= r_max]
    pairs, differing = np.zeros(r_max + 1, int), np.zeros(r_max + 1, int)
    for dy, dx in shifts:
        places = (300 - dy) * (400 - abs(dx))
        pairs[reference.ring((dy, dx))] += places
        differing[reference.ring((dy, dx))] += places * (dx % 2)
    np.testing.assert_array_equal(found.pairs, pairs)
    if image[0, 1] == 200:
        np.testing.assert_array_equal(found.level_pairs(0, 200), differing)
        np.testing.assert_array_equal(reduced.counts[:, 200], differing)
    np.testing.assert_array_equal(reduced.counts.sum(axis=1), pairs)


def test_two_masked_images_of_all_levels() -> None:
    """Pairs of levels and the mark of a masked pixel do not fit 16 bits together."""
    image, other = (np.random.default_rng(seed).permutation(1024).reshape(32, 32).astype(np.uint8) for seed in (1, 2))
    mask = np.random.default_rng(3).random(image.shape) < 0.95
    how = {"r_max": 3, "mask": mask, "other": other, "other_mask": mask[::-1]}
    assert len(np.unique(image[mask])) == len(np.unique(other[mask[::-1]])) == 256
    found = pair_counts(image, **how, algorithm="direct")
    np.testing.assert_array_equal(dense(found), expected(how | {"image": image}))
    np.testing.assert_array_equal(pair_counts(image, **how, algorithm="pairs").counts, found.counts)


# Levels of SIMD
LEVEL_PROGRAM = """
import hashlib
import numpy as np
from cemvis import _core
from cemvis.kernels.two_point import difference_counts, pair_counts
digest = hashlib.sha256()
rng = np.random.default_rng(5)
for levels in (2, 9, 40, 200):
    image = rng.integers(0, levels, (61, 83)).astype(np.uint8)
    for mask in (None, rng.random(image.shape) < 0.4):
        for algorithm in ("direct", "fourier", "pairs"):
            for count in (pair_counts, difference_counts):
                if levels < 200 or algorithm != "fourier" or count is difference_counts:
                    found = count(image, r_max=30, mask=mask, algorithm=algorithm, threads=2)
                    assert found.algorithm == algorithm
                    digest.update(found.counts.tobytes())
print(_core.simd_level(), digest.hexdigest())
"""


def run_at_level(level: str | None) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != "CEMVIS_SIMD"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    if level is not None:
        environment["CEMVIS_SIMD"] = level
    call = [sys.executable, "-c", LEVEL_PROGRAM]
    return subprocess.run(call, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout.split()


def test_every_simd_level_gives_the_same_bits() -> None:
    detected, digest = run_at_level(None)
    levels = ["baseline", "avx2", "avx512"]
    for wanted in levels[: levels.index(detected)]:
        assert run_at_level(wanted) == [wanted, digest]
