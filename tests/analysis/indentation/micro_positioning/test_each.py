from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cemvis.analysis.indentation.micro_positioning.background import measured_spectrum
from cemvis.analysis.indentation.micro_positioning.batch import Appearance, FoundBatch, Search, locate_batch
from cemvis.analysis.indentation.micro_positioning.each import judged_each
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.micro_positioning.templates import Template
from imprinted import PITCH_PX, SIZE_PX, draw_imprints, grid_places

SIDE = 6
SMALL, ABSENT, OFF = (1, 8, 20, 33), (4, 17, 30), 14


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, FoundBatch, Appearance]:
    """A batch of which some imprints are small, some not there, one is off, and one place was never indented."""
    shape = (SIDE + 2) * PITCH_PX, (SIDE + 2) * PITCH_PX
    noise = np.random.default_rng(3).normal(0, 1, shape)
    ground = 14 * (noise + 2 * gaussian_filter(noise, 1))
    spectrum = measured_spectrum(ground.astype(np.float32), block_px=64)
    image = ground + 128
    places = grid_places(SIDE, SIDE, seed=5).reshape(-1, 2) + 55
    drawn = places.copy()
    drawn[OFF] += [2.5, -2.0]
    normal = [n for n in range(SIDE * SIDE) if n not in SMALL + ABSENT]
    draw_imprints(image, drawn[normal], level=-70)
    draw_imprints(image, drawn[list(SMALL)], level=-70, size_px=0.65 * SIZE_PX)
    seen = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    appearance = Appearance(Template("triangle", SIZE_PX, np.pi / 2, 0.4, -70.0, 0.0), spectrum, spectrum, 1)
    present = np.ones((SIDE, SIDE), bool)
    present[5, 5] = False
    grid = Grid(places[0] + 3, (PITCH_PX, PITCH_PX), 0.0, present)
    return seen, locate_batch(seen, grid, appearance, Search(12, 1, 0.0)), appearance


def test_small_imprints_are_seen_and_absent_ones_are_not(batch: tuple[np.ndarray, FoundBatch, Appearance]) -> None:
    image, found, appearance = batch
    score = judged_each(image, found, appearance).score.ravel()
    assert score[list(SMALL)].min() > 5
    assert (score[list(SMALL)] > found.score.ravel()[list(SMALL)] + 1).all()
    assert score[list(ABSENT)].max() < 4
    assert np.nanmin(np.delete(score, ABSENT)) > 5
    assert np.isnan(score[-1])


def test_only_scores_and_residuals_change(batch: tuple[np.ndarray, FoundBatch, Appearance]) -> None:
    image, found, appearance = batch
    judged = judged_each(image, found, appearance)
    np.testing.assert_array_equal(judged.grid.places(), found.grid.places())
    np.testing.assert_array_equal(judged.error_px, found.error_px)
    known = np.isfinite(found.score)
    assert (judged.score[known] >= found.score[known]).all()
    truth = grid_places(SIDE, SIDE, seed=5) + 55
    assert np.hypot(*(judged.grid.places() - truth).reshape(-1, 2).T).max() < 0.7
    off = judged.residual_px.reshape(-1, 2)[OFF]
    assert off == pytest.approx([2.5, -2.0], abs=0.8)
    assert np.isnan(judged.residual_px.reshape(-1, 2)[list(ABSENT)]).all()
