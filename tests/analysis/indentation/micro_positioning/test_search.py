from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cemvis.analysis.indentation.micro_positioning.search import Near, find_table
from imprinted import PITCH_PX, draw_imprints, grid_places

TURN = np.radians(2.5)


def ground(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return noise of which half is smooth over some pixels, with a standard deviation of 24."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(0, 1, shape), 1.5)
    return 17 * (smooth / smooth.std() + rng.normal(0, 1, shape))


def as_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image + 128), 0, 255).astype(np.uint8)


def table(rows: int, columns: int) -> np.ndarray:
    """Return x and y of the tests as a table has them, in a frame of its own."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2) * PITCH_PX + [9e4, -7e4]


def search(image: np.ndarray, positions: np.ndarray, **options):
    return find_table(
        as_bytes(image), positions, pitch_px=PITCH_PX, tolerance_px=0.15 * PITCH_PX, turn_rad=TURN, **options
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_small_table_is_not_off_by_a_row_or_column(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = ground((360, 400), seed)
    places = grid_places(6, 6, seed=seed).reshape(-1, 2) + rng.uniform([30, 30], [150, 110])
    missing = rng.choice(36, 5, replace=False)
    draw_imprints(image, np.delete(places, missing, axis=0), level=rng.choice([-30.0, 30.0]))
    positions = table(6, 6)
    found = search(image, positions)
    assert np.hypot(*(found.apply(positions) - places).T).max() < 0.3 * PITCH_PX
    assert found.evidence > found.runner_up


def test_one_batch_in_a_much_larger_mosaic() -> None:
    image = ground((1600, 1900), 3)
    places = grid_places(8, 8, seed=3).reshape(-1, 2) + np.array([1210.0, 420.0])
    draw_imprints(image, places, level=-30)
    found = search(image, table(8, 8))
    assert np.hypot(*(found.apply(table(8, 8)) - places).T).max() < 0.3 * PITCH_PX
    assert abs(found.turn_rad) < np.radians(0.8)


def test_several_batches_keep_their_distances_and_a_turned_table_its_turn() -> None:
    image = ground((900, 1000), 4)
    turn = np.radians(2)
    corners = np.array([[0, 0], [300, 0], [0, 320], [360, 330]])
    positions = np.concatenate([table(5, 5) + corner for corner in corners])
    cos, sin = np.cos(turn), np.sin(turn)
    places = (positions - positions[0]) @ np.array([[cos, sin], [-sin, cos]]) + [210.0, 150.0]
    errors = np.random.default_rng(4).normal(0, 1.5, places.shape)
    draw_imprints(image, places + errors, level=-30)
    found = search(image, positions)
    assert found.turn_rad == pytest.approx(turn, abs=np.radians(0.3))
    assert np.hypot(*(found.apply(positions) - places).T).max() < 5


@pytest.mark.parametrize("corner", [(-95.0, 60.0), (30.0, 210.0)])
def test_a_batch_that_leaves_the_image_is_not_drawn_into_it(corner: tuple[float, float]) -> None:
    image = ground((400, 420), 5)
    places = grid_places(8, 8, seed=5).reshape(-1, 2) + np.array(corner)
    draw_imprints(image, places, level=-40)
    found = search(image, table(8, 8))
    assert np.hypot(*(found.apply(table(8, 8)) - places).T).max() < 0.3 * PITCH_PX


def test_what_is_known_of_the_first_test_chooses_between_two_grids() -> None:
    image = ground((420, 900), 6)
    strong = grid_places(6, 6, seed=1).reshape(-1, 2) + np.array([60.0, 70.0])
    weak = grid_places(6, 6, seed=2).reshape(-1, 2) + np.array([560.0, 110.0])
    draw_imprints(image, strong, level=-60)
    draw_imprints(image, weak, level=-25)
    positions = table(6, 6)
    assert np.hypot(*(search(image, positions).apply(positions) - strong).T).max() < 12
    near = Near((weak[0, 0] + 8, weak[0, 1] - 6), 15)
    assert np.hypot(*(search(image, positions, near=near).apply(positions) - weak).T).max() < 12


def test_without_imprints_the_peak_does_not_stand_out() -> None:
    found = search(ground((360, 400), 11), table(6, 6))
    assert found.evidence < 1.2 * found.runner_up
