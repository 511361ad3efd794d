from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.errors import InputError
from cemvis.kernels import two_point
from cemvis.kernels.two_point import DifferenceCounts, PairCounts, difference_counts, directional_counts, pair_counts
from reference import two_point as reference

SEED = 20244
ALGORITHMS = ["auto", "direct", "fourier", "pairs"]
# Any view of the same levels.
VIEWS = {
    "plain": lambda image: image.copy(),
    "flipped": lambda image: np.flip(np.flip(image).copy()),
    "every second column": lambda image: np.repeat(image, 2, axis=-1)[..., ::2],
    "transposed": lambda image: image.T.copy().T,
    "inside a larger one": lambda image: np.pad(image, 3, constant_values=1)[(slice(3, -3),) * image.ndim],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
}


def noise(shape: tuple[int, ...], levels: int, seed: int = SEED) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, levels, shape).astype(np.uint8)


def texture(side: int, levels: int, seed: int = SEED) -> np.ndarray:
    """Levels that neighbours share more or less, as in a micrograph."""
    rng = np.random.default_rng(seed)
    rough = rng.standard_normal((side + 8, side + 8)).cumsum(axis=0).cumsum(axis=1)
    smooth = rough[8:, 8:] - rough[:-8, 8:] - rough[8:, :-8] + rough[:-8, :-8]
    ranks = smooth.ravel().argsort().argsort().reshape(side, side)
    return (ranks * levels // side**2).astype(np.uint8)


def dense(found: PairCounts) -> np.ndarray:
    return np.stack([found.dense(r) for r in range(found.r_max + 1)])


def largest_ring(shape: tuple[int, ...], *, periodic: bool) -> int:
    return min(shape) // 2 if periodic else round(math.hypot(*(length - 1 for length in shape)))


@st.composite
def requests(draw: st.DrawFn) -> dict:
    """An image, perhaps of volume, mask, second image, core or periodic."""
    volume = draw(st.booleans()) and draw(st.booleans())
    shape = draw(st.tuples(*[st.integers(2, 5)] * 3) if volume else st.tuples(*[st.integers(1, 13)] * 2))
    levels = draw(st.sampled_from([1, 2, 3, 5, 9, 40, 256]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    in_use = rng.choice(levels, rng.integers(1, levels + 1), replace=False).astype(np.uint8)
    request: dict = {"image": rng.choice(in_use, shape), "levels": levels, "periodic": draw(st.booleans())}

    def mask() -> np.ndarray:
        valid = rng.random(shape) < rng.choice([0.05, 0.5, 0.95])
        valid.flat[rng.integers(valid.size)] = True
        return valid

    if draw(st.booleans()):
        request["mask"] = mask()
    if draw(st.booleans()):
        request["other"] = noise(shape, levels, int(rng.integers(1000)))
        if draw(st.booleans()):
            request["other_mask"] = mask()
    if not request["periodic"] and draw(st.booleans()):
        begin = draw(st.integers(0, shape[0] - 1))
        request["core_rows"] = (begin, draw(st.integers(begin + 1, shape[0])))
    request["r_max"] = draw(st.integers(0, largest_ring(shape, periodic=request["periodic"])))
    return request


def expected(request: dict) -> np.ndarray:
    names = ("mask", "other", "other_mask", "periodic", "levels")
    given = {name: request[name] for name in names if name in request}
    return reference.pair_counts(request["image"], request["r_max"], core=request.get("core_rows"), **given)


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


# Identities


@settings(max_examples=40, deadline=None)
@given(request=requests(), algorithm=st.sampled_from(["direct", "pairs"]))
def test_identities(request: dict, algorithm: str) -> None:
    image, levels, mask = request.pop("image"), request.pop("levels"), request.get("mask")
    found = pair_counts(image, **request, levels=levels, algorithm=algorithm)
    np.testing.assert_array_equal(found.counts.sum(axis=1), found.pairs)
    reduced = difference_counts(image, **request, levels=levels, algorithm=algorithm)
    np.testing.assert_array_equal(found.differences().counts, reduced.counts)
    if "other" not in request and "core_rows" not in request:
        histogram = np.bincount(image[mask] if mask is not None else image.ravel(), minlength=levels)
        np.testing.assert_array_equal(np.diag(found.dense(0)), histogram)
        assert found.pairs[0] == histogram.sum()
    if levels <= 40 and "other" not in request:
        shifted = difference_counts(image + np.uint8(200), **request)
        np.testing.assert_array_equal(shifted.counts[:, :levels], reduced.counts)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(4, 40),
    cuts=st.sets(st.integers(1, 39), max_size=4),
    r_max=st.integers(0, 12),
    cross=st.booleans(),
    algorithm=st.sampled_from(ALGORITHMS),
)
def test_pieces_with_their_halo_add_up(rows: int, cuts: set[int], r_max: int, cross: bool, algorithm: str) -> None:
    image, other, mask = noise((rows, 17), 6), noise((rows, 17), 6, 2), noise((rows, 17), 3, 3) > 0
    r_max = min(r_max, largest_ring(image.shape, periodic=False))
    ends = [0, *sorted(cut for cut in cuts if cut < rows), rows]
    how = {"r_max": r_max, "levels": 6, "algorithm": algorithm}
    whole = pair_counts(image, mask=mask, other=other if cross else None, **how)
    reduced = difference_counts(image, mask=mask, other=other if cross else None, **how)
    total: PairCounts | None = None
    total_reduced: DifferenceCounts | None = None
    for begin, end in itertools.pairwise(ends):
        first = max(0, begin - r_max) if cross else begin
        piece = slice(first, min(rows, end + r_max))
        if largest_ring(image[piece].shape, periodic=False) < r_max or not mask[piece].any():
            return
        given = {
            "mask": mask[piece],
            "other": other[piece] if cross else None,
            "core_rows": (begin - first, end - first),
        }
        part, part_reduced = pair_counts(image[piece], **given, **how), difference_counts(image[piece], **given, **how)
        total = part if total is None else total + part
        total_reduced = part_reduced if total_reduced is None else total_reduced + part_reduced
    assert total is not None
    assert total_reduced is not None
    np.testing.assert_array_equal(total.counts, whole.counts)
    np.testing.assert_array_equal(total.pairs, whole.pairs)
    np.testing.assert_array_equal(total_reduced.counts, reduced.counts)


def test_images_that_share_no_pair_add_up() -> None:
    image = noise((20, 30), 9)
    apart = np.zeros((20, 70), np.uint8)
    apart[:, :30], apart[:, 40:] = image, image[::-1]
    mask = np.ones(apart.shape, bool)
    mask[:, 30:40] = False
    how = {"r_max": 9, "levels": 9}
    both = pair_counts(image, **how) + pair_counts(image[::-1], **how)
    np.testing.assert_array_equal(both.counts, pair_counts(apart, mask=mask, **how).counts)


def test_an_image_with_itself_is_met_from_both_ends() -> None:
    image = texture(40, 12)
    alone, twice = pair_counts(image, r_max=15, levels=12), pair_counts(image, other=image, r_max=15, levels=12)
    for r in range(1, 16):
        upper = alone.dense(r)
        np.testing.assert_array_equal(twice.dense(r), upper + upper.T)
    np.testing.assert_array_equal(twice.dense(0), alone.dense(0))


def test_directions_add_up_to_rings() -> None:
    image = texture(40, 7)
    mask = noise(image.shape, 4) > 0
    found = directional_counts(image, dy_max=9, dx_max=9, mask=mask, levels=7, reduced=False)
    rings = np.rint(np.hypot(found.dy_px[:, None], found.dx_px)).astype(int)
    radial = pair_counts(image, r_max=9, mask=mask, levels=7)
    for r in range(10):
        np.testing.assert_array_equal(found.counts[rings == r].sum(axis=0), radial.counts[r])


# Closed forms


def test_checkerboard() -> None:
    board = (np.indices((24, 24)).sum(axis=0) % 2).astype(np.uint8)
    found = directional_counts(board, dy_max=6, dx_max=6, levels=2, periodic=True)
    odd = (found.dy_px[:, None] + found.dx_px) % 2 == 1
    np.testing.assert_array_equal(found.counts[..., 1], np.where(odd, found.pairs, 0))
    radial = difference_counts(board, r_max=1, periodic=True)
    # r = 1 has (0, 1) and (1, 0), which differ, and the diagonals, which don't.
    assert radial.counts[1].tolist()[:2] == [2 * 24**2, 2 * 24**2]


def test_independent_pixels() -> None:
    """Shares of pairs are 2 p_i p_j and p_i^2: within 5 standard errors, of a share among n pairs below 0.5 / sqrt(n)
    times root 2 r pi, were all displacements of a ring one and the same."""
    p = np.array([0.5, 0.3, 0.2])
    image = np.random.default_rng(SEED).choice(3, (600, 600), p=p).astype(np.uint8)
    found = pair_counts(image, r_max=12, levels=3)
    wanted = np.triu(np.outer(p, p) * (2 - np.eye(3)))
    for r in range(1, 13):
        error = 5 * 0.5 * math.sqrt(math.pi * r / float(found.pairs[r]))
        np.testing.assert_allclose(found.dense(r) / found.pairs[r], wanted, rtol=0, atol=error)


def test_boolean_discs() -> None:
    """S2 of what discs at random places leave uncovered is exp(-rho A), A the area of two discs r apart, in common."""
    side, radius, rho = 1000, 9.0, 0.002
    rng = np.random.default_rng(SEED)
    found = None
    for _ in range(3):
        centres = rng.uniform(-20, side + 20, (rng.poisson(rho * (side + 40) ** 2), 2))
        covered = np.zeros((side + 60, side + 60), bool)
        y, x = np.mgrid[-10:11, -10:11]
        for centre in centres + 30:
            row, col = np.floor(centre).astype(int)
            inside = (y + row - centre[0]) ** 2 + (x + col - centre[1]) ** 2 <= radius**2
            covered[row - 10 : row + 11, col - 10 : col + 11] |= inside
        part = pair_counts(~covered[30:-30, 30:-30], r_max=30, levels=2)
        found = part if found is None else found + part
    assert found is not None
    r = np.arange(31)
    lens = np.zeros(31)
    near = r < 2 * radius
    half = r[near] / (2 * radius)
    lens[near] = 2 * radius**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))
    wanted = np.exp(-rho * (2 * math.pi * radius**2 - lens))
    # 3 million pixels in some 9,000 independent pieces of 4 radius^2: each share to 1 % or so. Four times that.
    np.testing.assert_allclose(found.level_pairs(1, 1) / found.pairs, wanted, rtol=0.04)


# Others' programs


def test_agrees_with_scikit_image() -> None:
    feature = pytest.importorskip("skimage.feature", reason="another program to compare with")
    image = texture(50, 30)
    angles = [0, math.pi / 4, math.pi / 2, 3 * math.pi / 4]
    offsets = [(0, 3), (2, 2), (3, 0), (2, -2)]  # of distance 3 at these angles, rounded, and their dy turned about
    theirs = feature.graycomatrix(image, [3], angles, levels=30)[:, :, 0]
    ours = directional_counts(image, dy_max=3, dx_max=3, levels=30, reduced=False)
    high, low = np.tril_indices(30)
    for angle, (dy, dx) in enumerate(offsets):
        symmetric = theirs[:, :, angle].astype(np.uint64)
        symmetric = np.triu(symmetric + symmetric.T) - np.diag(np.diag(symmetric))
        np.testing.assert_array_equal(ours.counts[dy, dx + 3], symmetric[low, high])


def test_agrees_with_porespy() -> None:
    """It averages the estimates of the lags of a ring, where others add up their pairs."""
    metrics = pytest.importorskip("porespy.metrics", reason="another program to compare with")
    image = texture(60, 2).astype(bool)
    theirs = metrics.two_point_correlation(image, bins=np.arange(13) + 0.5).pdf
    ours = directional_counts(image, dy_max=12, dx_max=12, levels=2, reduced=False)
    rings = np.rint(np.hypot(ours.dy_px[:, None], ours.dx_px)).astype(int)
    rings[ours.pairs == 0] = 99
    shares = ours.counts[..., 2] / np.maximum(ours.pairs, 1)
    np.testing.assert_allclose(theirs, [shares[rings == r].mean() for r in range(1, 13)], rtol=1e-9)


def test_real_labels(shared_data: Path) -> None:
    labels = np.load(shared_data / "labels" / "cement_paste_labels_128.npy")
    _, image = np.unique(labels, return_inverse=True)
    image = image.reshape(labels.shape).astype(np.uint8)
    image = image if image.ndim == 2 else image[: min(24, len(image)), :40, :40]
    levels = int(image.max()) + 1
    how = {"r_max": 12, "levels": levels}
    found = pair_counts(image, **how, algorithm="direct")
    np.testing.assert_array_equal(found.counts, pair_counts(image, **how, algorithm="pairs").counts)
    plane = image if image.ndim == 2 else image[0]
    direct = pair_counts(plane, **how, algorithm="direct")
    np.testing.assert_array_equal(pair_counts(plane, **how, algorithm="fourier").counts, direct.counts)
    # S2 of each label by FFT, as one would write it.
    padded = np.add(plane.shape, 12)
    for label in range(levels):
        power = np.abs(np.fft.rfft2(plane == label, padded)) ** 2
        lags = np.rint(np.fft.irfft2(power, padded)).astype(int)
        shifts = [h for h in reference.shifts((12, 12), everywhere=False) if reference.ring(h) == 7]
        assert direct.level_pairs(label, label)[7] == sum(lags[h] for h in shifts)


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


# The plan


def test_the_plan_names_what_auto_takes() -> None:
    image = texture(200, 191)
    sparse = np.random.default_rng(1).random(image.shape) < 0.01
    few = image // 96
    cases = [
        (image, {"r_max": 3, "reduced": False}, "direct"),
        (image, {"r_max": 90, "reduced": False, "mask": sparse}, "pairs"),
        (few, {"r_max": 99, "reduced": False}, "fourier"),
    ]
    for levels, how, wanted in cases:
        plan = two_point.plan(levels, **how, threads=1)
        assert plan.algorithm == wanted
        assert min(plan.direct_s, plan.fourier_s, plan.pairs_s) > 0
        count = difference_counts if how.pop("reduced") else pair_counts
        assert count(levels, **how, threads=1).algorithm == wanted


# Results


def test_accessors() -> None:
    image, other = noise((9, 9), 4), noise((9, 9), 4, 1)
    found = pair_counts(image, r_max=2, levels=4)
    np.testing.assert_array_equal(found.level_pairs(3, 1), dense(found)[:, 1, 3])
    np.testing.assert_array_equal(found.level_pairs(1, 3), found.level_pairs(3, 1))
    crossed = pair_counts(image, other=other, r_max=2, levels=4)
    np.testing.assert_array_equal(crossed.level_pairs(3, 1), dense(crossed)[:, 3, 1])
    with pytest.raises(InputError, match="level 4 is not one of 0 to 3"):
        found.level_pairs(0, 4)
    with pytest.raises(InputError, match="r is 3; wanted 0 to 2"):
        found.dense(3)
    with pytest.raises(InputError, match="in one image and counts between two"):
        _ = found + crossed
    with pytest.raises(InputError, match="give both the same r_max and levels"):
        _ = found + pair_counts(image, r_max=1, levels=4)
    assert (found + pair_counts(image, r_max=2, levels=4, algorithm="fourier")).algorithm == "mixed"


def test_quantised() -> None:
    values = np.array([[0.0, 0.25], [1.0, 2.0], [-1.0, 0.75]])
    expected = [[0, 1], [4, 4], [0, 3]]
    assert two_point.quantised(values, lowest=0, highest=1, levels=5).tolist() == expected
    values[0, 0] = np.nan
    with pytest.raises(InputError, match=r"values have NaN at \(0, 0\)"):
        two_point.quantised(values, lowest=0, highest=1)
    mask = ~np.isnan(values)
    assert two_point.quantised(values, lowest=0, highest=1, levels=5, mask=mask).tolist() == expected
    with pytest.raises(InputError, match="the first below the second"):
        two_point.quantised(values, lowest=1, highest=1)


# Bad input

IMAGE = np.zeros((6, 8), np.uint8)


@pytest.mark.parametrize(
    ("image", "how", "message"),
    [
        ([[1]], {}, "image is a list; wanted a NumPy array"),
        (IMAGE.astype(float), {}, "image has dtype float64; wanted uint8 or bool.* quantised"),
        (IMAGE.astype(np.uint16), {}, "at most 256 levels"),
        (IMAGE[0], {}, r"image has shape \(8,\); wanted \(rows, cols\)"),
        (IMAGE[:0], {}, r"image has shape \(0, 8\)"),
        (IMAGE, {"r_max": 10}, "r_max is 10; wanted a whole number from 0 to 9"),
        (IMAGE, {"r_max": -1}, "r_max is -1"),
        (IMAGE, {"r_max": 2.5}, "r_max is 2.5"),
        (IMAGE, {"r_max": 4, "periodic": True}, "r_max is 4; wanted a whole number from 0 to 3"),
        (IMAGE, {"mask": IMAGE.astype(bool)}, "image has no valid pixel: its mask is 0 everywhere"),
        (IMAGE, {"mask": IMAGE}, r"mask is uint8 of shape \(6, 8\); wanted bool"),
        (IMAGE, {"mask": IMAGE[1:].astype(bool)}, r"mask is bool of shape \(5, 8\); wanted bool of shape \(6, 8\)"),
        (IMAGE, {"other": IMAGE[1:]}, r"other has shape \(5, 8\); wanted the image's \(6, 8\)"),
        (IMAGE, {"other_mask": IMAGE.astype(bool)}, "other_mask is given without other"),
        (IMAGE, {"other": IMAGE, "other_mask": IMAGE.astype(bool)}, "other has no valid pixel"),
        (IMAGE + 9, {"levels": 9}, "image has a pixel of level 9, but levels is 9"),
        (IMAGE, {"levels": 257}, "levels is 257; wanted a whole number from 1 to 256"),
        (IMAGE, {"algorithm": "fast"}, 'algorithm is "fast"; wanted auto, direct, fourier or pairs'),
        (IMAGE, {"core_rows": (3, 3)}, "core_rows are 3 to 3; wanted 0 <= begin < end <= 6"),
        (IMAGE, {"core_rows": (0, 3), "periodic": True}, "can't be counted in pieces"),
        (IMAGE, {"threads": 0}, "threads is 0"),
        (np.zeros((3, 4, 5), np.uint8), {"algorithm": "fourier"}, "takes images, not volumes"),
    ],
)
def test_bad_input(image: np.ndarray, how: dict, message: str) -> None:
    for count in (pair_counts, difference_counts):
        with pytest.raises(InputError, match=message) as caught:
            count(image, **{"r_max": 2, **how})
        assert "\n" not in str(caught.value)
    if "algorithm" not in how:
        with pytest.raises(InputError, match=message):
            two_point.plan(image, reduced=True, **{"r_max": 2, **how})


def test_bad_directions() -> None:
    with pytest.raises(InputError, match="dy_max is 6; wanted a whole number from 0 to 5"):
        directional_counts(IMAGE, dy_max=6, dx_max=0)
    with pytest.raises(InputError, match="dy_max and dx_max are 4 and 0; wanted 0 to 3 and 0 to 4"):
        directional_counts(IMAGE, dy_max=4, dx_max=0, periodic=True)
    with pytest.raises(InputError, match=r"wanted \(rows, cols\)"):
        directional_counts(np.zeros((2, 3, 4), np.uint8), dy_max=1, dx_max=1)
