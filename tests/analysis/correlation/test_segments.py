"""Lineal paths and clusters against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cemvis.analysis.correlation.segments import cluster_counts, lineal_counts
from cemvis.analysis.correlation.tiles import tiles_of
from cemvis.errors import InputError
from reference import two_point as reference


def naive_lineal(labels: np.ndarray, phases: int, r_max: int, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, segments = np.zeros((2, phases, r_max + 1), int), np.zeros((2, r_max + 1), int)
    for direction, (values, there) in enumerate(((labels, valid), (labels.T, valid.T))):
        rows, cols = values.shape
        for row in range(rows):
            for col in range(cols):
                for r in range(min(r_max, cols - 1 - col) + 1):
                    piece = values[row, col : col + r + 1]
                    if there[row, col : col + r + 1].all():
                        segments[direction, r] += 1
                        if (piece == piece[0]).all():
                            counts[direction, piece[0], r] += 1
    return counts, segments


@pytest.mark.parametrize("seed", range(4))
def test_lineal_paths_are_what_the_definition_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 3, (5, 6)), np.ones((3, 2), int)).astype(np.uint8)[:13, :11]
    valid = rng.random(labels.shape) < (1.0 if seed == 0 else 0.9)
    counts, segments = naive_lineal(labels, 3, 8, valid)
    found = lineal_counts(labels, 3, r_max=8, valid=valid)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.segments, segments)
    parts = []
    for tile in tiles_of(labels.shape, 8, 4):
        cut = (
            slice(tile.window_row, tile.window_row + tile.window_rows),
            slice(tile.window_col, tile.window_col + tile.window_cols),
        )
        parts.append(lineal_counts(labels[cut], 3, r_max=8, valid=valid[cut], core=tile.core))
    np.testing.assert_array_equal(sum(part.counts for part in parts), counts)
    np.testing.assert_array_equal(sum(part.segments for part in parts), segments)


def test_lineal_path_of_independent_pixels() -> None:
    """L(r) = p^(r + 1)."""
    image = (np.random.default_rng(3).random((500, 500)) < 0.6).astype(np.uint8)
    paths = lineal_counts(image, 2, r_max=6).probabilities()
    np.testing.assert_allclose(paths[1], 0.6 ** np.arange(1, 8), atol=0.01)
    assert np.isnan(lineal_counts(image[:3, :3], 2, r_max=6).probabilities()[0, 3:]).all()


def test_lineal_counts_of_other_sizes_do_not_add_up() -> None:
    image = np.zeros((4, 4), dtype=np.uint8)
    with pytest.raises(InputError, match="can't be added"):
        lineal_counts(image, 1, r_max=2) + lineal_counts(image, 1, r_max=3)


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_clusters_are_what_the_definition_says(share: float, corners: bool) -> None:
    phase = np.random.default_rng(5).random((14, 12)) < share
    labels, _ = ndimage.label(phase, structure=np.ones((3, 3)) if corners else None)
    expected = np.zeros(10, dtype=int)
    everywhere = np.ones(phase.shape, dtype=bool)
    for shift in reference.shifts((9, 9), everywhere=False):
        r = reference.ring(shift)
        if r < 10:
            i, j = reference.valid_pairs(labels, labels, shift, everywhere, everywhere)
            expected[r] += np.count_nonzero((i == j) & (i > 0))
    found = cluster_counts(phase, r_max=9, corners=corners)
    np.testing.assert_array_equal(found.counts[:, 0], expected)
    np.testing.assert_array_equal(found.counts.sum(axis=1), found.pairs)


def test_an_image_without_the_phase_has_no_clusters() -> None:
    found = cluster_counts(np.zeros((6, 6), dtype=bool), r_max=3)
    assert not found.counts[:, 0].any()


@pytest.mark.parametrize("phase", [[[True]], np.zeros((3, 4), np.uint8), np.zeros((2, 3, 4), dtype=bool)])
def test_clusters_of_what_is_no_phase(phase: object) -> None:
    with pytest.raises(InputError, match=r"wanted bool of shape \(rows, cols\)"):
        cluster_counts(phase, r_max=1)  # type: ignore[arg-type]
