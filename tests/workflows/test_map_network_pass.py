"""The pass of a network over a mosaic, with a stand-in for the network whose answer is a sum over the field."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from cemvis.images.micrograph import Micrograph
from cemvis.models.inference import Outputs
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.workflows._map_network_pass import Gatherer, NetworkGrids, NetworkJob, _parts, run_network
from cemvis.workflows._map_network_plan import NetworkPlan, plan_network
from cemvis.workflows._map_plan import CellGrid
from cemvis.workflows._map_store import GridFile, WorkFolder
from networks import random_window_network

GREY_MEAN, GREY_SD = STANDARD = (120.0, 25.0)
TARGETS = ("modulus", "hardness")
NETWORK = random_window_network(ResNetLayout(targets=2))
# A sample rounds by less than four units in the last place of at most 2 ** 3, and the weights' sum is 1 in size; the
# outputs are stored in float32, too.
TOLERANCE = 5 * 2.0**-24 * 2**3
LAYOUTS = {
    "dense": ResNetLayout.dense(pooled=1),
    "sampled": ResNetLayout.dense(pooled=2, downsample=2),
    "small": ResNetLayout(window=16),
    "odd": ResNetLayout(window=23),
    "larger than the cell": ResNetLayout(window=32, downsample=2),
}


class WeightedSums:
    """Stands in for a network: random weights over the window, others for the spread, so that every shift shows."""

    def __init__(self, layout: ResNetLayout) -> None:
        self.layout = layout
        self.shapes: list[tuple[int, ...]] = []
        weights = np.random.default_rng(3).normal(size=(2 * len(TARGETS), layout.window, layout.window))
        self.weights = weights / np.abs(weights).sum(axis=(1, 2), keepdims=True)

    def windows(self, batch: np.ndarray) -> Outputs:
        self.shapes.append(batch.shape)
        return self._outputs(batch)

    def dense(self, tile: np.ndarray) -> Outputs:
        self.shapes.append(tile.shape)
        edge, stride = self.layout.window, self.layout.stride
        return self._outputs(sliding_window_view(tile, (edge, edge))[::stride, ::stride])

    def _outputs(self, windows: np.ndarray) -> Outputs:
        found = np.tensordot(windows.astype(np.float64), self.weights, axes=((-2, -1), (1, 2)))
        return Outputs(found[..., : len(TARGETS)], found[..., len(TARGETS) :])


class Watched(Micrograph):
    """A micrograph that notes how much is read, and how much its reader still holds at that time."""

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int = 1) -> np.ndarray:
        self.__dict__.setdefault("sizes", []).append(rows * cols)
        self.__dict__.setdefault("held", []).append(self.gatherer._pixels.size)
        return super().read(row, col, rows, cols, threads=threads)


def noise(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def fields(image: np.ndarray, plan: NetworkPlan) -> np.ndarray:
    """Return what a network reads for every cell, standardised, (rows, cols, window, window), the plain way."""
    size, step, window = plan.layout.window_px, plan.grid.step_px, plan.grid.window_px
    first = int(np.floor((window - size) / 2))
    around = size + abs(first)
    padded = (np.pad(image.astype(np.float64), around, mode="reflect") - GREY_MEAN) / GREY_SD
    tops, lefts = (around + first + np.arange(0, side - window + 1, step) for side in image.shape)
    read = np.array([[padded[top : top + size, left : left + size] for left in lefts] for top in tops])
    factor, count = plan.layout.downsample, plan.layout.window
    return read.reshape(*read.shape[:2], count, factor, count, factor).mean(axis=(3, 5))


def plan_of(
    layout: ResNetLayout,
    shape: tuple[int, int],
    step_px: int,
    *,
    window_px: int = 20,
    tile: int = 1024,
    block_px: int = 2**20,
    batch=None,
) -> NetworkPlan:
    grid = CellGrid(shape, 0.05, window_px, step_px)
    return plan_network(layout, grid, step_given=True, tile_samples=tile, block_px=block_px, batch=batch)[0]


def passed(
    image: np.ndarray, plan: NetworkPlan, predictor: WeightedSums, *, mask: np.ndarray | None = None, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return value and spread of every cell after a pass, (rows, cols, targets)."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = NetworkGrids.kinds(plan.grid, TARGETS)
        work = WorkFolder(Path(folder) / "map", {}, blocks=3 + len(plan.tiles), grids=kinds)
        work.open(resume=False, overwrite=False)
        inside = None
        if mask is not None:
            inside = GridFile(Path(folder) / "inside.raw", plan.grid.shape, "uint8")
            inside.create()
            inside.write(slice(0, plan.grid.shape[0]), slice(0, plan.grid.shape[1]), mask)
        grids = NetworkGrids.in_folder(work, TARGETS)
        job = NetworkJob(plan, NETWORK, predictor)
        steps: list[tuple[int, int]] = []
        run_network(
            job,
            Gatherer(Micrograph.from_array(image, pixel_size=None), plan, STANDARD, threads=threads),
            work,
            grids,
            inside=inside,
            first_block=3,
            finished={0, 1, 2},
            progress=lambda done, count: steps.append((done, count)),
        )
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1] == (plan.grid.shape[0] * plan.grid.shape[1],) * 2
        outputs = grids.read(0, plan.grid.shape[0])
        return outputs.value_gpa, outputs.spread_gpa


@pytest.mark.parametrize("step_px", [8, 24])
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_cell_has_the_networks_answer_for_its_field(name: str, step_px: int) -> None:
    image, layout = noise((150, 131)), LAYOUTS[name]
    plan = plan_of(layout, image.shape, step_px)
    assert plan.dense == (layout.padding == "none")
    predictor = WeightedSums(layout)
    wanted = predictor._outputs(fields(image, plan))
    value, spread = passed(image, plan, predictor)
    assert np.ptp(wanted.value_gpa) > 1000 * TOLERANCE
    np.testing.assert_allclose(value, wanted.value_gpa, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(spread, wanted.spread_gpa, rtol=0, atol=TOLERANCE)


@settings(deadline=None, max_examples=25)
@given(
    rows=st.integers(30, 130),
    cols=st.integers(30, 130),
    step=st.sampled_from([8, 16, 24, 40]),
    name=st.sampled_from(["dense", "sampled"]),
    tile=st.integers(125, 220),
    threads=st.integers(1, 3),
    seed=st.none() | st.integers(0, 99),
)
def test_dense_maps_are_those_of_single_windows(rows, cols, step, name, tile, threads, seed) -> None:
    """Whatever the tiles, the phases and the mask; beside the border and beyond it."""
    image, layout = noise((rows, cols)), LAYOUTS[name]
    plan = plan_of(layout, image.shape, step, window_px=30, tile=tile)
    mask = None
    if seed is not None:
        random = np.random.default_rng(seed).random(plan.grid.shape)
        mask = (random < 0.3).astype(np.uint8)
    predictor = WeightedSums(layout)
    value, _ = passed(image, plan, predictor, mask=mask, threads=threads)
    wanted = predictor._outputs(fields(image, plan)).value_gpa
    chosen = np.ones(plan.grid.shape, bool) if mask is None else mask.astype(bool)
    np.testing.assert_allclose(value[chosen], wanted[chosen], rtol=0, atol=TOLERANCE)


def test_dense_tiles_leave_no_trace() -> None:
    image, layout = noise((400, 330)), LAYOUTS["sampled"]
    wanted = None
    for tile, tiles in ((1024, 1), (160, 16)):
        plan = plan_of(layout, image.shape, 8, tile=tile)
        assert plan.dense
        assert len(plan.tiles) >= tiles
        value, _ = passed(image, plan, WeightedSums(layout))
        wanted = value if wanted is None else wanted
        np.testing.assert_allclose(value, wanted, rtol=0, atol=2.0**-22)  # the samples are the same to the bit


def test_pieces_of_the_mosaic_stay_within_the_block() -> None:
    """One piece at a time, none larger than asked where a field is not."""
    image, layout = noise((400, 330)), LAYOUTS["sampled"]
    plan = plan_of(layout, image.shape, 8, block_px=300**2)
    micrograph = Watched.from_array(image, pixel_size=None)
    gatherer = Gatherer(micrograph, plan, STANDARD, threads=1)
    micrograph.gatherer = gatherer
    for number, tile in enumerate(plan.tiles):
        gatherer.gather(next(_parts(plan, number, tile, None)))
    assert len(micrograph.sizes) == len(plan.tiles) > 1
    assert 250**2 < max(micrograph.sizes) <= 300**2
    assert set(micrograph.held) == {0}


def test_masked_cells_are_not_computed() -> None:
    image, layout = noise((200, 200)), LAYOUTS["small"]
    plan = plan_of(layout, image.shape, 20, batch=7)
    mask = np.zeros(plan.grid.shape, np.uint8)
    mask[2:5, 1:4] = 1
    predictor = WeightedSums(layout)
    value, _ = passed(image, plan, predictor, mask=mask)
    assert sum(shape[0] for shape in predictor.shapes) == 9
    assert max(shape[0] for shape in predictor.shapes) <= 7
    assert (value[mask == 0] == 0).all()
    assert (value[mask == 1] != 0).all()


def test_a_dense_pass_reaches_no_further_than_the_mask() -> None:
    image, layout = noise((400, 400)), LAYOUTS["dense"]
    plan = plan_of(layout, image.shape, 8)
    mask = np.zeros(plan.grid.shape, np.uint8)
    mask[10:12, 20:25] = 1
    predictor = WeightedSums(layout)
    passed(image, plan, predictor, mask=mask)
    assert predictor.shapes == [(109 + 8, 109 + 4 * 8)]
    predictor = WeightedSums(layout)
    passed(image, plan, predictor, mask=np.zeros_like(mask))
    assert predictor.shapes == []
