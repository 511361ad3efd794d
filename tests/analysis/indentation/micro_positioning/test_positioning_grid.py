"""Places of a grid, against equation 3 written out, and what keeps them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.errors import InputError


def drawn(seed: int, rows: int, columns: int) -> Grid:
    random = np.random.default_rng(seed)
    return Grid(
        random.uniform(-50, 50, 2),
        (random.uniform(10, 90), random.uniform(10, 90)),
        random.uniform(-4, 4),
        np.ones((rows, columns), bool),
        random.normal(0, 3, columns),
        random.normal(0, 3, rows),
        random.normal(0, 0.1),
        random.normal(0, 0.1),
    )


grids = st.builds(drawn, st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6))


@settings(max_examples=30, deadline=None)
@given(grids)
def test_places_are_those_of_the_equation(grid: Grid) -> None:
    rows, columns = grid.shape
    c, s = math.cos(grid.angle_rad), math.sin(grid.angle_rad)
    for i in range(rows):
        for j in range(columns):
            along = j * grid.pitch_px[0] + grid.column_error_px[j] + grid.shear_x * (i - (rows - 1) / 2)
            across = i * grid.pitch_px[1] + grid.row_error_px[i] + grid.shear_y * (j - (columns - 1) / 2)
            x = grid.origin_px[0] + along * c - across * s
            y = grid.origin_px[1] + along * s + across * c
            assert grid.places()[i, j] == pytest.approx([x, y], abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(grids, st.floats(-3, 3))
def test_settled_keeps_places_and_turning_their_middle(grid: Grid, angle: float) -> None:
    settled = grid.settled()
    np.testing.assert_allclose(settled.places(), grid.places(), atol=1e-9)
    assert settled.column_error_px[0] == settled.row_error_px[0] == 0
    turned = grid.turned(angle)
    middle = grid.places().mean(axis=(0, 1))
    np.testing.assert_allclose(turned.places().mean(axis=(0, 1)), middle, atol=1e-9)
    c, s = math.cos(angle), math.sin(angle)
    wanted = middle + (grid.places() - middle) @ np.array([[c, s], [-s, c]])
    np.testing.assert_allclose(turned.places(), wanted, atol=1e-8)


def test_moved_goes_along_the_grids_own_axes() -> None:
    grid = replace(drawn(3, 4, 5), angle_rad=0.5)
    u, v = np.arange(5.0), -np.arange(4.0)
    away = grid.moved(u, v).places() - grid.places()
    np.testing.assert_allclose(away @ grid.axes[0], np.broadcast_to(u, (4, 5)), atol=1e-9)
    np.testing.assert_allclose(away @ grid.axes[1], np.broadcast_to(v[:, None], (4, 5)), atol=1e-9)
    np.testing.assert_allclose(grid.shifted(np.array([3.0, -2.0])).places() - grid.places(), [[[3, -2]] * 5] * 4)


@pytest.mark.parametrize("present", [np.zeros((3, 3), bool), np.ones((0, 3), bool)])
def test_a_grid_needs_an_indent(present: np.ndarray) -> None:
    with pytest.raises(InputError, match="at least one indent"):
        Grid(np.zeros(2), (10.0, 10.0), 0.0, present)
