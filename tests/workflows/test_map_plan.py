from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cemvis.errors import InputError, PixelSizeError, PixelSizeWarning
from cemvis.workflows._map_plan import CellGrid, cell_grid, pixel_size_warning, plan_blocks


def test_grid_of_the_paper_rounds_window_and_step_to_whole_pixels() -> None:
    grid = cell_grid((1000, 2100), 0.04, window_um=9.9, step_um=5.03)
    assert (grid.window_px, grid.step_px) == (248, 126)
    assert grid.window_um == pytest.approx(9.92)
    assert grid.step_um == pytest.approx(5.04)
    assert grid.shape == (6, 15)
    assert grid.left_over_px == (1000 - (5 * 126 + 248), 2100 - (14 * 126 + 248))


def test_step_defaults_to_the_window() -> None:
    assert cell_grid((500, 500), 0.05, window_um=10, step_um=None).step_px == 200


def test_centres_are_counted_from_the_centre_of_the_top_left_pixel() -> None:
    grid = CellGrid((100, 100), 0.5, window_px=10, step_px=7)
    np.testing.assert_allclose(grid.centres_um(0, 3), [4.5 * 0.5, 11.5 * 0.5, 18.5 * 0.5])
    np.testing.assert_allclose(grid.centres_um(2, 4), [18.5 * 0.5, 25.5 * 0.5])


def test_window_under_8_px_is_refused_with_numbers() -> None:
    with pytest.raises(PixelSizeError, match=r"0\.25 px wide; wanted at least 8 px: is the unit"):
        cell_grid((1000, 1000), 40.0, window_um=10, step_um=None)


def test_window_larger_than_the_image_is_refused_with_numbers() -> None:
    with pytest.raises(PixelSizeError, match=r"250 px wide, larger than the image of 100 x 4000 px"):
        cell_grid((100, 4000), 0.04, window_um=10, step_um=None)


@pytest.mark.parametrize("step_um", [0.0, -1.0, float("nan"), 0.01])
def test_step_under_a_pixel_is_refused(step_um: float) -> None:
    with pytest.raises(InputError, match="step"):
        cell_grid((1000, 1000), 0.04, window_um=10, step_um=step_um)


def test_step_beyond_the_image_is_refused_in_um() -> None:
    with pytest.raises(InputError, match=r"the step of 1e\+09 um is larger than the image of 40 x 80 um"):
        cell_grid((1000, 2000), 0.04, window_um=10, step_um=1e9)
    assert cell_grid((1000, 2000), 0.04, window_um=10, step_um=80).shape == (1, 1)


def test_pixel_size_far_from_the_models_is_warned_of() -> None:
    assert pixel_size_warning(0.05, 0.04) is None
    warning = pixel_size_warning(0.02, 0.04)
    assert isinstance(warning, PixelSizeWarning)
    assert "20 nm/px" in str(warning)
    assert "factor of 2" in str(warning)


@given(
    rows=st.integers(40, 900),
    cols=st.integers(40, 900),
    window=st.integers(8, 40),
    step=st.integers(1, 60),
    chunk=st.sampled_from([(1, 10_000), (16, 10_000), (64, 64), (256, 128), (900, 900)]),
    block_px=st.integers(2_000, 400_000),
)
def test_blocks_hold_every_cell_once_and_read_what_its_window_needs(rows, cols, window, step, chunk, block_px) -> None:
    grid = CellGrid((rows, cols), 1.0, window, step)
    plan = plan_blocks(grid, chunk, block_px=block_px, block_cells=block_px // 16)
    seen = np.zeros(grid.shape, int)
    seen_overview = np.zeros(plan.overview_shape, int)
    for block in plan.blocks:
        seen[block.cell_rows, block.cell_cols] += 1
        assert seen[block.cell_rows, block.cell_cols].size <= block_px // 16
        seen_overview[block.over_rows, block.over_cols] += 1
        assert block.top == block.cell_rows.start * step
        assert block.left == block.cell_cols.start * step
        assert (block.cell_rows.stop - 1) * step + window <= block.bottom <= rows
        assert (block.cell_cols.stop - 1) * step + window <= block.right <= cols
        if block.over_rows.stop > block.over_rows.start:
            assert block.top <= block.over_rows.start * plan.overview_factor
            assert block.over_rows.stop * plan.overview_factor <= block.bottom
        if block.over_cols.stop > block.over_cols.start:
            assert block.left <= block.over_cols.start * plan.overview_factor
            assert block.over_cols.stop * plan.overview_factor <= block.right
    assert (seen == 1).all()
    assert (seen_overview == 1).all()


@pytest.mark.parametrize("chunk", [(1, 85_000), (1024, 1024), (512, 512), (67_500, 85_000)])
@pytest.mark.parametrize("step", [1, 25, 247])
def test_blocks_of_a_gigapixel_mosaic_stay_within_the_bound(chunk: tuple[int, int], step: int) -> None:
    grid = CellGrid((67_500, 85_000), 0.04, 247, step)
    plan = plan_blocks(grid, chunk, block_px=64 * 2**20, block_cells=4 * 2**20)
    for block in plan.blocks:
        rows_held = -(-(block.bottom - block.top) // plan.row_multiple + 1) * plan.row_multiple
        assert rows_held * (block.right - block.left) <= 64 * 2**20
        cell_rows, cell_cols = block.cell_rows, block.cell_cols
        assert (cell_rows.stop - cell_rows.start) * (cell_cols.stop - cell_cols.start) <= 4 * 2**20
    if chunk[1] >= 85_000:
        assert all(block.right - block.left > 84_000 for block in plan.blocks)


def test_overview_of_a_mosaic_is_small_enough_to_draw() -> None:
    plan = plan_blocks(
        CellGrid((67_500, 85_000), 0.04, 247, 247), (1024, 1024), block_px=64 * 2**20, block_cells=4 * 2**20
    )
    assert max(plan.overview_shape) <= 1024
