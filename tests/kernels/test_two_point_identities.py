"""What counts of pairs have to be, whatever counted them: sums, symmetries, known images and other programs."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.kernels.two_point import DifferenceCounts, PairCounts, difference_counts, directional_counts, pair_counts
from pair_images import ALGORITHMS, SEED, largest_ring, noise, requests, texture
from reference import two_point as reference

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
