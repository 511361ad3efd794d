"""Batches are found wherever their imprints are, whatever these look like; and none where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cemvis.analysis.indentation.micro_positioning.appearance import learned_appearance
from cemvis.analysis.indentation.micro_positioning.batch import Appearance, FoundBatch, Search, locate_batch, unjumped
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.micro_positioning.scores import Responses, Scores, mirrored_window
from cemvis.errors import InputError
from reference import imprints

SEARCH = Search(origin_px=12, walk_px=1.2)
SMALL = {"rows": 6, "columns": 6, "pitch_px": (50.0, 50.0), "size_px": 20.0, "walk_px": 1.2, "origin_px": 12.0}
DOTS = {"pitch_px": (14.0, 14.0), "size_px": 5.5, "shape": "disc", "walk_px": 0.3, "origin_px": 3.0, "margin_px": 20.0}
DOTS |= {"rows": 10, "columns": 10, "correlation_px": 6, "blur_px": 0.7, "particles": 30, "particle_px": 3}


def found(how: dict[str, object], seed: int = 0) -> tuple[imprints.Batch, Grid, Appearance, FoundBatch]:
    batch = imprints.batch(np.random.default_rng(seed), **how)
    turn = how.get("turn_rad", 0.0)
    grid = Grid(batch.expected_origin_px, how["pitch_px"], turn, np.ones(batch.missing.shape, bool))
    search = Search(origin_px=how["origin_px"], walk_px=how["walk_px"])
    return batch, grid, *learned_appearance(batch.image, grid, search)


def away(batch: imprints.Batch, one: FoundBatch) -> np.ndarray:
    return np.hypot(*np.moveaxis(one.grid.places() - batch.places_px, -1, 0))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"turn_rad": math.radians(30)},
        {"turn_rad": math.radians(-100), "off_rad": 0.006},
        {"pitch_px": (40.0, 65.0), "missing": 0.3},
        {"contrast": 1.0, "outline": True},
        {"shape": "disc", "contrast": 1.0},
        {"rows": 3, "columns": 3},
        {"rows": 1, "columns": 8},
        {"contrast": -2.0, **DOTS},
    ],
    ids=["dark", "turned", "turned more than told", "holes", "outlines", "discs", "3 x 3", "one row", "dots"],
)
def test_imprints_are_found_to_a_fraction_of_a_pixel(how: dict[str, object]) -> None:
    batch, grid, appearance, one = found({**SMALL, **how})
    assert away(batch, one).max() < 0.5
    assert one.evidence > 5
    assert 1 / 4 < np.sqrt((away(batch, one) ** 2).mean() / (one.error_px**2).mean()) < 2.5
    again = locate_batch(batch.image, grid, appearance, Search(origin_px=12, walk_px=1.2))
    assert away(batch, again).max() < 0.5
    made = one.score[~batch.missing]
    assert made.mean() > 3
    if batch.missing.any():
        assert abs(one.score[batch.missing].mean()) < 1.5


@pytest.mark.parametrize("seed", range(3))
def test_no_evidence_where_nobody_indented(seed: int) -> None:
    _, _, _, one = found({**SMALL, "contrast": 0.0}, seed)
    assert one.evidence < 4


def test_a_constant_image_is_refused() -> None:
    with pytest.raises(InputError, match="constant"):
        learned_appearance(
            np.full((400, 400), 7, np.uint8), Grid(np.full(2, 50.0), (50.0, 50.0), 0.0, np.ones((6, 6), bool)), SEARCH
        )


def test_plain_matching_finds_the_batch_less_well() -> None:
    batch, grid, appearance, one = found({**SMALL, "rows": 8, "columns": 8}, 2)
    plain = Appearance(appearance.template, appearance.fine, appearance.coarse, appearance.factor, whiten=False)
    other = locate_batch(batch.image, grid, plain, SEARCH)
    assert other.amplitude < 0.7 * one.amplitude
    assert away(batch, one).mean() < away(batch, other).mean() < 1.5


@pytest.mark.parametrize("centre", [(0, 0), (3, 2), (6, 4), (-2, 3), (8, 6)])
def test_windows_go_on_mirrored(centre: tuple[int, int]) -> None:
    image = np.arange(35.0).reshape(5, 7)
    x, y = centre[0] + 12, centre[1] + 12
    wanted = np.pad(image, 12, mode="symmetric")[y - 3 : y + 4, x - 3 : x + 4]
    assert (mirrored_window(image, np.array(centre), 3) == wanted).all()


def test_tables_hold_the_map_around_each_place_and_nothing_beyond_it() -> None:
    response = np.random.default_rng(0).normal(0, 1, (30, 40)).astype(np.float32)
    grid = Grid(np.array([9.0, 13.0]), (45.0, 40.0), 0.0, np.ones((3, 4), bool))
    scores = Responses(response, np.array([2.0, 2.0]), 4).around(grid, 5)
    padded = np.pad(response, 60)
    for i in range(3):
        for j in range(4):
            x, y = (np.rint((grid.places()[i, j] - 2) / 4) + 60).astype(int)
            np.testing.assert_array_equal(scores.tables[i, j], padded[y - 5 : y + 6, x - 5 : x + 6])


@pytest.mark.parametrize("every", [1, 2])
def test_cutting_along_a_moved_grid_agrees_with_splines(every: int) -> None:
    random = np.random.default_rng(1)
    grid = Grid(np.array([50.0, 50.0]), (30.0, 30.0), 0.3, np.ones((2, 3), bool))
    whole = Scores(random.normal(0, 1, (2, 3, 21, 21)).astype(np.float32), grid.places(), 1.0)
    scores = whole.resampled(grid, 6, every=every)
    moved = grid.moved(np.array([0.0, 1.2, -2.1]), np.array([0.4, -3.0]))
    tables, rounding = scores.along(moved, 2)
    for row, col in np.ndindex(5, 5):
        at = moved.places() + (rounding + np.array([col - 2, row - 2])) @ moved.axes
        np.testing.assert_allclose(tables[..., row, col], scores.at(at), atol=1e-4)


def test_cutting_beyond_a_table_gives_nothing() -> None:
    values = np.random.default_rng(2).normal(0, 1, (1, 2, 9, 9)).astype(np.float32)
    grid = Grid(np.array([50.0, 50.0]), (30.0, 30.0), 0.0, np.ones((1, 2), bool))
    tables, _ = Scores(values, grid.places(), 1.0).along(grid.moved(np.array([3.0, -6.0]), np.array([2.0])), 4)
    padded = np.pad(values, ((0, 0), (0, 0), (10, 10), (10, 10)))
    np.testing.assert_array_equal(tables[0, 0], padded[0, 0, 12:21, 13:22])
    np.testing.assert_array_equal(tables[0, 1], padded[0, 1, 12:21, 4:13])


def test_a_walk_that_jumps_by_a_pitch_is_unwrapped_from_both_ends() -> None:
    u, v = np.array([0.0, 3, -41, -44, -40]), np.array([1.0, 2, 4])
    grid = Grid(np.zeros(2), (45.0, 40.0), 0.0, np.ones((3, 5), bool), u, v)
    first, last = unjumped(grid)
    np.testing.assert_allclose(first.column_error_px, [0, 3, 4, 1, 5])
    np.testing.assert_allclose(last.column_error_px, [-45, -42, -41, -44, -40])
    np.testing.assert_allclose(first.row_error_px, v)
    assert unjumped(first) == []
