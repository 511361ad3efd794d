from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cemvis.errors import InputError, PixelSizeError
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.workflows._map_network_plan import (
    STEP_MULTIPLE_PX,
    _work,
    at_border,
    fitted_layout,
    how_computed,
    in_words,
    plan_network,
    some_inside,
)
from cemvis.workflows._map_plan import CellGrid
from networks import random_resnet

LARGE = (4000, 5000)


def planned(
    layout: ResNetLayout,
    grid: CellGrid,
    *,
    step_given: bool = True,
    tile_samples: int | None = None,
    block_px: int = 64 * 2**20,
    batch=None,
):
    return plan_network(layout, grid, step_given=step_given, tile_samples=tile_samples, block_px=block_px, batch=batch)


@pytest.mark.parametrize(
    ("nm", "downsample"), [(40, 4), (80, 2), (160, 1), (20, 8), (53.3, 3), (175, 1), (36.5, 4), (10, 16)]
)
def test_samples_keep_their_size_on_other_mosaics(nm: float, downsample: int) -> None:
    trained = ResNetLayout.dense(pooled=1, downsample=4)
    fitted = fitted_layout(trained, pixel_size_um=nm / 1000, model_pixel_size_um=0.04)
    assert fitted.downsample == downsample
    assert (fitted.window, fitted.padding, fitted.pooled) == (trained.window, "none", 1)


@pytest.mark.parametrize("nm", [300, 120, 65, 100, 1])
def test_pixels_that_make_no_sample_are_refused_with_those_that_do(nm: float) -> None:
    with pytest.raises(PixelSizeError) as caught:
        fitted_layout(ResNetLayout.dense(pooled=1, downsample=4), pixel_size_um=nm / 1000, model_pixel_size_um=0.04)
    said = str(caught.value)
    assert f"at {nm} nm/px no whole number of pixels makes one of the network's samples of 160 nm" in said
    assert "wanted 40, 53.3, 80 or 160 nm/px to within 10%, or anything from 2.5 to 35.2 nm/px" in said


@given(nm=st.floats(2.5, 35.2))
def test_anything_that_the_refusal_calls_fine_enough_is_taken(nm: float) -> None:
    layout = fitted_layout(
        ResNetLayout.dense(pooled=1, downsample=4), pixel_size_um=nm / 1000, model_pixel_size_um=0.04
    )
    assert abs(layout.downsample * nm / 160 - 1) <= 0.1 + 1e-9


@pytest.mark.parametrize(
    ("downsample", "step_px", "rounded", "phases", "keep"),
    [(1, 8, 8, 1, 1), (1, 50, 48, 1, 6), (4, 50, 48, 2, 3), (4, 8, 8, 4, 1), (4, 3, 8, 4, 1), (4, 64, 64, 1, 2),
     (2, 24, 24, 2, 3), (4, 40, 40, 4, 5), (4, 200, 192, 1, 6),
     (2, 25, 24, 2, 3), (3, 50, 48, 1, 2), (6, 20, 24, 2, 1), (7, 50, 56, 1, 1), (7, 18, 16, 7, 2), (5, 8, 8, 5, 1)],
)  # fmt: skip
def test_fine_steps_are_rounded_and_reached_in_phases(
    downsample: int, step_px: int, rounded: int, phases: int, keep: int
) -> None:
    grid = CellGrid(LARGE, 0.04, 250, step_px)
    plan, notes = planned(ResNetLayout.dense(pooled=2, downsample=downsample), grid)
    assert plan.dense
    assert (plan.grid.step_px, plan.phases, plan.keep) == (rounded, phases, keep)
    assert plan.grid.step_px % STEP_MULTIPLE_PX == 0
    assert len(notes) == (rounded != step_px) + (phases > 1)
    if rounded != step_px:
        assert f"rounded from {step_px * 0.04:.4g} to {rounded * 0.04:.4g} um: " in notes[0]
        assert notes[0].endswith(f"here {rounded} px")
    if phases > 1:
        assert notes[-1].endswith(f"this takes 1 pass of the network instead of {phases**2}")
    assert how_computed(plan).startswith("densely, in ")


@pytest.mark.parametrize(
    ("step_px", "said"),
    [(8, "at a step of 1.28 um, 32 px, this takes 1 pass of the network instead of 16"),
     (24, "at a step of 1.28 um, 32 px, this takes 1 pass of the network instead of 16"),
     (80, "at a step of 2.56 um, 64 px, this takes 1 pass of the network instead of 4")],
)  # fmt: skip
def test_steps_of_many_passes_name_one_of_fewer(step_px: int, said: str) -> None:
    plan, notes = planned(ResNetLayout.dense(pooled=2, downsample=4), CellGrid(LARGE, 0.04, 250, step_px))
    assert plan.dense
    assert notes == (said,)


def test_steps_are_not_moved_beyond_an_eighth() -> None:
    """At the finest cells of the smallest windows, too."""
    for window in (8, 20, 250):
        for step in range(1, window):
            plan, _ = planned(ResNetLayout.dense(pooled=1, downsample=2), CellGrid(LARGE, 0.04, window, step))
            if plan.dense:
                nearest = min(abs(step - each) for each in range(8, 300, 8))
                assert abs(plan.grid.step_px - step) <= max(nearest, step / 8)


@pytest.mark.parametrize(("step_px", "given"), [(250, True), (250, False), (371, True), (249, False)])
def test_steps_of_a_window_and_more_are_kept_to_the_pixel(step_px: int, given: bool) -> None:
    plan, notes = planned(
        ResNetLayout.dense(pooled=2, downsample=4), CellGrid(LARGE, 0.04, 250, step_px), step_given=given
    )
    assert plan.grid.step_px == step_px
    assert not plan.dense
    assert notes == ()
    assert in_words(plan) == "reads 468 px (18.72 um) around each cell, computed window by window"


def test_a_network_that_pads_says_what_a_dense_one_would_save() -> None:
    plan, notes = planned(ResNetLayout(), CellGrid(LARGE, 0.04, 247, 8))
    assert not plan.dense
    assert plan.grid.step_px == 8
    assert len(notes) == 1
    times = float(notes[0].split("would be about ")[1].split(" times")[0])
    assert 300 < times < 1100  # 247 ** 2 / 8 ** 2 is 953, less the halo of the tiles and the head
    assert planned(ResNetLayout(), CellGrid(LARGE, 0.04, 247, 247))[1] == ()


def test_windows_wider_than_any_dense_one_have_their_price_too() -> None:
    _, notes = planned(ResNetLayout(window=2200), CellGrid(LARGE, 0.04, 247, 8))
    assert "a dense model (`cemvis train --dense`) would be about" in notes[0]


# Memory


@pytest.mark.parametrize(
    ("layout", "tile_samples", "samples"),
    [
        (ResNetLayout.dense(pooled=1), None, 1021),  # 109 + 114 * 8
        (ResNetLayout.dense(pooled=32), None, 1781),  # 357 + 178 * 8: five windows
        (ResNetLayout.dense(pooled=128), None, 4997),  # 1125 + 484 * 8: not quite five windows
        (ResNetLayout.dense(pooled=256), None, 4997),  # 2149 + 356 * 8: by far not
        (ResNetLayout.dense(pooled=1), 3000, 2997),  # as asked
    ],
)
def test_tiles_take_bounded_memory(layout: ResNetLayout, tile_samples: int | None, samples: int) -> None:
    grid = CellGrid((20_000, 20_000), 0.04, 250, 8)
    plan, _ = planned(layout, grid, tile_samples=tile_samples, block_px=2**40)
    assert plan.dense
    cells = max(tile.bottom - tile.top for tile in plan.tiles)
    assert plan.tile_samples == layout.window + (cells - 1) * 8
    assert plan.tile_samples <= samples
    fewer_tiles = layout.window + (-(-plan.grid.shape[0] // (len(plan.edges[0]) - 2)) - 1) * 8
    assert fewer_tiles > samples


@pytest.mark.parametrize("downsample", [1, 2, 3, 8])
@pytest.mark.parametrize("block_px", [800**2, 2000**2, 2**40])
def test_pieces_of_the_mosaic_are_bounded_whatever_the_samples(downsample: int, block_px: int) -> None:
    layout = ResNetLayout.dense(pooled=1, downsample=downsample)
    plan, _ = planned(layout, CellGrid((90_000, 90_000), 0.04, 250, 16), tile_samples=20_000, block_px=block_px)
    rows, cols = (max(np.diff(edges)) - 1 for edges in plan.edges)
    most = max(min(block_px, 65_536**2), layout.window_px**2)
    assert (rows * plan.grid.step_px + layout.window_px) * (cols * plan.grid.step_px + layout.window_px) <= most


def test_a_field_that_cannot_be_gathered_is_refused() -> None:
    layout = ResNetLayout.dense(pooled=128, downsample=64)
    with pytest.raises(
        InputError, match=r"the network reads 72,000 px along an edge at 1 nm/px; wanted at most 65,536"
    ):
        planned(layout, CellGrid((90_000, 90_000), 0.001, 10_000, 16))


@given(
    rows=st.integers(60, 3000),
    cols=st.integers(60, 3000),
    window=st.integers(8, 60),
    step=st.integers(1, 90),
    layout=st.sampled_from(
        [ResNetLayout.dense(pooled=1), ResNetLayout.dense(pooled=3, downsample=3), ResNetLayout(window=31)]
    ),
    tile=st.integers(1, 1500),
)
def test_tiles_hold_every_cell_once_and_are_no_larger_than_asked(rows, cols, window, step, layout, tile) -> None:
    plan, _ = planned(layout, CellGrid((rows, cols), 1.0, window, step), tile_samples=tile)
    seen = np.zeros(plan.grid.shape, np.uint8)
    for each in plan.tiles:
        seen[each.top : each.bottom, each.left : each.right] += 1
        assert each.cells > 0
        for count in (each.bottom - each.top, each.right - each.left):
            if plan.dense:
                samples = layout.window + (-(-count // plan.phases) - 1) * plan.keep * layout.stride
                assert samples <= max(tile, layout.window)
            else:
                assert count**2 <= 512
    assert (seen == 1).all()


@pytest.mark.parametrize(("step_px", "dense"), [(64, True), (96, False)])
def test_the_cheaper_way_is_taken(step_px: int, dense: bool) -> None:
    """Worked by hand: a window takes 861 million multiplications, layer by layer from 107 x 107 samples down to 1 x 1.

    Far from its edges a tile takes 288 + 36,864 + 3 * 32,768 multiplications a sample, which is 555 million for a
    square of 64 and 1,248 million for one of 96 samples.
    """
    plan, _ = planned(ResNetLayout.dense(pooled=1), CellGrid(LARGE, 0.04, 250, step_px))
    assert plan.dense == dense


@pytest.mark.parametrize(
    "layout", [ResNetLayout(window=37), ResNetLayout.dense(pooled=2), ResNetLayout.dense(pooled=1, stem_pool=True)]
)
def test_work_is_the_multiplications_of_the_layers(layout: ResNetLayout) -> None:
    network = random_resnet(layout)
    counted = 0

    def count(module: torch.nn.Module, _: object, result: torch.Tensor) -> None:
        nonlocal counted
        if isinstance(module, torch.nn.Conv2d):
            counted += result.numel() * module.weight[0].numel()

    hooks = [each.register_forward_hook(count) for each in network.modules()]
    with torch.inference_mode():
        network(torch.zeros(1, 1, layout.window, layout.window))
    for hook in hooks:
        hook.remove()
    assert _work(layout, layout.window) == pytest.approx(counted + 256 * 1024, rel=0.002)


def test_fields_beyond_the_border_are_found() -> None:
    plan, _ = planned(ResNetLayout.dense(pooled=1), CellGrid((300, 257), 0.05, 20, 8))
    assert (plan.field_px, plan.offset_px) == (109, -45)
    found = at_border(plan, 0, plan.grid.shape[0])
    for row in range(plan.grid.shape[0]):
        for col in range(plan.grid.shape[1]):
            top, left = row * 8 - 45, col * 8 - 45
            assert found[row, col] == (top < 0 or left < 0 or top + 109 > 300 or left + 109 > 257)
    np.testing.assert_array_equal(at_border(plan, 3, 5), found[3:5])
    assert 0 < found.mean() < 1
    for side in (109, 108):
        plan, _ = planned(ResNetLayout.dense(pooled=1), CellGrid((400, side), 0.05, 20, 1), tile_samples=109)
        assert some_inside(plan) == (side == 109) == (not at_border(plan, 0, plan.grid.shape[0]).all())


def test_batches_keep_arrays_small() -> None:
    assert planned(ResNetLayout(), CellGrid(LARGE, 0.04, 247, 247))[0].batch == 8
    assert planned(ResNetLayout(window=16), CellGrid(LARGE, 0.04, 16, 16))[0].batch == 256
    assert planned(ResNetLayout(), CellGrid(LARGE, 0.04, 247, 247), batch=3)[0].batch == 3
