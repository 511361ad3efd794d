"""`cemvis.map_mosaic` with a residual network: the same numbers as PyTorch's own layers, window by window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from cemvis.errors import (
    CemvisError,
    CemvisWarning,
    DeviceMemoryError,
    GreyScaleWarning,
    InputError,
    PixelSizeError,
    PixelSizeWarning,
)
from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model import Model
from cemvis.models.model_file import load_model, save_model
from cemvis.models.prediction import Flag
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.window_network import WindowNetwork
from cemvis.workflows import _map_inputs, _map_write
from cemvis.workflows.map import MapResult, map_mosaic, unfinished
from mosaics import example_model, paste_like
from networks import model_around, random_window_network

PIXEL_UM, WINDOW_PX = 0.05, 20
SHAPE = (44, 150)
DENSE = ResNetLayout.dense(pooled=1, targets=2, spread=True)
# Two float32 convolution chains of one network: each layer's sums may round differently, by some 1e-7 of their size.
# A shift by one sample changes outputs a thousand times as much.
SHARE_OF_SPREAD = 1e-4

# Most mosaics here are smaller than what the network reads.
pytestmark = pytest.mark.filterwarnings("ignore:no cell has an interval")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("map_network")


@pytest.fixture(autouse=True, scope="module")
def blank_figures() -> Iterator[None]:
    """Leave the figures empty: drawing them takes longer than everything else, and `test_map` looks at them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("write_property_figure", "write_histogram_figure"):
            patch.setattr(_map_write, name, lambda path, *_, **__: path.write_bytes(b""))
        yield


def saved(path: Path, layout: ResNetLayout, *, pixel_size_um: float = PIXEL_UM) -> Model:
    save_model(path, model_around(random_window_network(layout), pixel_size_um=pixel_size_um))
    return load_model(path)


@pytest.fixture(scope="module")
def dense(folder: Path) -> Model:
    return saved(folder / "dense.safetensors", DENSE)


@pytest.fixture(scope="module")
def small(folder: Path) -> Model:
    """A model whose network pads, and reads just the cell."""
    return saved(folder / "small.safetensors", ResNetLayout(window=20, targets=2, spread=True))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return paste_like(SHAPE)


@pytest.fixture(scope="module")
def mosaic(folder: Path, image: np.ndarray) -> Path:
    path = folder / "mosaic.tif"
    tifffile.imwrite(path, image, tile=(64, 64), compression="zlib", metadata=None)
    return path


@pytest.fixture(scope="module")
def plain(folder: Path, mosaic: Path, dense: Model) -> MapResult:
    return mapped(mosaic, dense, folder / "plain")


def mapped(mosaic: Path | np.ndarray, model: Model, output: Path, **settings) -> MapResult:
    given = {"pixel_size": "50 nm", "anchors": (110.0, 210.0), "step_um": 8 * PIXEL_UM, "device": "cpu", "threads": 1}
    return map_mosaic(mosaic, model, output=output, **(given | {"backend": "torch"} | settings))


def all_bytes(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir()}


def expected(
    image: np.ndarray, model: Model, layout: ResNetLayout, step_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return value and spread in GPa, (rows, cols, targets), and which cells have all of their field in the mosaic."""
    network, size = model.window_network, layout.window_px
    first = int(np.floor((WINDOW_PX - size) / 2))
    around = size + abs(first)
    padded = np.pad(image.astype(np.float64), around, mode="reflect")
    tops, lefts = (np.arange(0, side - WINDOW_PX + 1, step_px) + first for side in image.shape)
    whole = np.logical_and.outer(
        *((at >= 0) & (at + size <= side) for at, side in zip((tops, lefts), image.shape, strict=True))
    )
    read = np.array(
        [padded[around + top :, around + left :][:size, :size] for top in tops for left in lefts], np.float64
    )
    read = read.reshape(-1, layout.window, layout.downsample, layout.window, layout.downsample).mean(axis=(2, 4))
    samples = torch.from_numpy(((read - network.grey_mean) / network.grey_sd).astype(np.float32))[:, None]
    with torch.inference_mode():
        module = network.module()
        raw = torch.cat([module(part) for part in torch.split(samples, 16)]).numpy().astype(np.float64)
    raw = raw.reshape(*whole.shape, 2, 2)  # values, then logarithms of the spreads
    mean, sd = np.array(network.target_mean_gpa), np.array(network.target_sd_gpa)
    return mean + sd * raw[:, :, 0], sd * np.exp(raw[:, :, 1]), whole


def check(result: MapResult, model: Model, image: np.ndarray, layout: ResNetLayout, step_px: int) -> np.ndarray:
    """Compare a map with `expected`; return which cells have all of their field in the mosaic."""
    value, spread, whole = expected(image, model, layout, step_px)
    assert result.grid.shape == whole.shape
    flags = result.to_frame()["flags"].to_numpy().reshape(whole.shape)
    np.testing.assert_array_equal((flags & Flag.BORDER) != 0, ~whole)
    for index, each in enumerate(model.properties):
        tolerance = SHARE_OF_SPREAD * value[..., index].std()
        np.testing.assert_allclose(result.values(each.name), value[..., index], rtol=0, atol=tolerance)
        reach = 1.6448536269514722 * each.interval.stretch * spread[..., index]  # 90 % of a normal distribution
        lower = np.maximum(value[..., index] - reach, np.minimum(value[..., index], 0))
        half = (value[..., index] + reach - lower) / 2
        np.testing.assert_allclose(
            result.half_width(each.name), np.where(whole, half, np.nan), rtol=0, atol=3 * tolerance
        )
    return whole


def test_dense_map_is_the_networks_prediction_of_each_window(plain: MapResult, dense: Model, image: np.ndarray) -> None:
    whole = check(plain, dense, image, DENSE, 8)
    assert not whole.any()  # the field is higher than this mosaic
    assert plain.counts.border == whole.size
    assert plain.notes == ()


def test_fine_map_with_cells_away_from_the_border_on_both_backends(dense: Model, tmp_path: Path) -> None:
    image = paste_like((118, 126), seed=5)
    result = mapped(image, dense, tmp_path / "map")
    whole = check(result, dense, image, DENSE, 8)
    assert 0 < whole.sum() < whole.size
    version = pytest.importorskip("onnxruntime").__version__
    other = mapped(image, dense, tmp_path / "onnx", backend="onnx")
    assert json.loads((tmp_path / "onnx" / "summary.json").read_text())["ran_on"] == f"cpu, ONNX Runtime {version}"
    for name in ("modulus", "hardness"):
        tolerance = SHARE_OF_SPREAD * result.values(name).std()
        np.testing.assert_allclose(other.values(name), result.values(name), rtol=0, atol=tolerance)
        np.testing.assert_allclose(other.half_width(name), result.half_width(name), rtol=0, atol=3 * tolerance)


def test_shifted_passes_fill_a_fine_map(dense: Model, tmp_path: Path) -> None:
    """A model of 0.05 um pixels on a mosaic of 0.025 um: twice the downsampling, four passes."""
    image = paste_like((247, 260), seed=3)
    halved = replace(DENSE, downsample=2)
    fine = replace(dense, window_um=0.5)
    with pytest.warns(PixelSizeWarning, match="a factor of 2"):
        result = mapped(image, fine, tmp_path / "map", pixel_size="25 nm", step_um=1.0)
    assert result.grid.window_px == WINDOW_PX
    assert result.grid.step_px == 40
    whole = check(result, fine, image, halved, 40)
    assert 0 < whole.sum() < whole.size
    network = json.loads((tmp_path / "map" / "summary.json").read_text())["network"]
    assert network["layout"]["downsample"] == 2
    assert network["computed"] == "densely, in 4 passes over each tile"


@pytest.mark.parametrize(("window", "step_px", "backend"), [(20, 20, "torch"), (23, 33, "torch"), (23, 33, "onnx")])
def test_windows_one_by_one(image: np.ndarray, tmp_path: Path, window: int, step_px: int, backend: str) -> None:
    if backend == "onnx":
        pytest.importorskip("onnxruntime")
    layout = ResNetLayout(window=window, targets=2, spread=True)
    model = saved(tmp_path / "model.safetensors", layout)
    result = mapped(image, model, tmp_path / "map", step_um=step_px * PIXEL_UM, batch=5, backend=backend)
    check(result, model, image, layout, step_px)


def test_coarse_steps_of_a_dense_model_are_its_windows(
    plain: MapResult, dense: Model, mosaic: Path, tmp_path: Path
) -> None:
    result = mapped(mosaic, dense, tmp_path / "map", step_um=3.0)
    assert result.grid.step_px == 60
    np.testing.assert_allclose(
        result.values("modulus")[:, ::2],
        plain.values("modulus")[:1, ::15],
        rtol=0,
        atol=SHARE_OF_SPREAD * plain.values("modulus").std(),
    )
    computed = json.loads((tmp_path / "map" / "summary.json").read_text())["network"]["computed"]
    assert computed == "window by window"


def test_tiles_and_threads_change_rounding_only(mosaic: Path, plain: MapResult, dense: Model, tmp_path: Path) -> None:
    result = mapped(mosaic, dense, tmp_path / "map", tile_samples=150, threads=2, block_bytes=160**2)
    for name in ("modulus", "hardness"):
        wanted = plain.values(name)
        np.testing.assert_allclose(result.values(name), wanted, rtol=0, atol=SHARE_OF_SPREAD * wanted.std())


def test_masked_cells_have_no_value_and_the_others_are_the_same(
    mosaic: Path, plain: MapResult, dense: Model, tmp_path: Path
) -> None:
    region = np.zeros(SHAPE, np.uint8)
    region[8:44, 60:100] = 1
    result = mapped(mosaic, dense, tmp_path / "map", mask=region)
    values, wanted = result.values("modulus"), plain.values("modulus")
    inside = np.zeros(values.shape, bool)
    inside[1:4, 8:11] = True
    np.testing.assert_array_equal(np.isfinite(values), inside)
    np.testing.assert_allclose(values[inside], wanted[inside], rtol=0, atol=SHARE_OF_SPREAD * wanted.std())
    assert result.counts.mapped == result.counts.border == 9


@pytest.mark.parametrize("blocks", [64 * 2**20, 20_000])
def test_no_interval_where_the_network_reads_beyond_the_region(dense: Model, tmp_path: Path, blocks: int) -> None:
    """What lies outside the mask counts as unknown: the values depend on it."""
    image, region = paste_like((180, 210)), np.ones((180, 210), np.uint8)
    region[:, :30] = 0
    region[90:94, 190:] = 0
    spoilt = np.where(region == 1, image, 255).astype(np.uint8)
    first, second = (
        mapped(each, dense, tmp_path / str(number), mask=region, step_um=0.8, block_bytes=blocks)
        for number, each in enumerate((image, spoilt))
    )
    tops, lefts = np.arange(0, 161, 16) - 45, np.arange(0, 191, 16) - 45
    within = np.array([
        [min(top, left) >= 0 and region[top : top + 109, left : left + 109].sum() == 109**2 for left in lefts]
        for top in tops
    ])  # fmt: skip
    assert 0 < within.sum() < first.counts.mapped
    flags = first.to_frame()["flags"].to_numpy().reshape(within.shape)
    mapped_cells, border = (flags & Flag.MASKED) == 0, (flags & Flag.BORDER) != 0
    np.testing.assert_array_equal(border, mapped_cells & ~within)
    assert first.counts.border == border.sum()
    np.testing.assert_array_equal(np.isfinite(first.half_width("modulus")), within)
    np.testing.assert_array_equal(first.values("modulus")[within], second.values("modulus")[within])
    assert (first.values("modulus")[border] != second.values("modulus")[border]).any()


# Interrupts


@pytest.mark.parametrize("which", ["dense", "small"])
def test_interrupted_map_goes_on_to_the_same_files(mosaic: Path, tmp_path: Path, request, which: str) -> None:
    model = request.getfixturevalue(which)
    given = {"tile_samples": 125, "block_bytes": 130**2, "step_um": 8 * PIXEL_UM}
    if which == "small":
        given = {"block_bytes": 400, "step_um": 0.5}
    mapped(mosaic, model, tmp_path / "whole", **given)
    seen: list[int] = []

    def stop(stage: str, done: int, steps: int) -> None:
        if stage == "running the network" and 0 < done < steps:
            seen.append(done)
            if len(seen) == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mapped(mosaic, model, tmp_path / "map", progress=stop, **given)
    assert unfinished(tmp_path / "map") is not None
    with pytest.raises(CemvisError, match=r"grid\.step_"):
        mapped(mosaic, model, tmp_path / "map", resume=True, **(given | {"step_um": 1.0}))
    steps: list[int] = []
    mapped(
        mosaic,
        model,
        tmp_path / "map",
        resume=True,
        progress=lambda stage, done, _: steps.append(done) if stage == "running the network" else None,
        **given,
    )
    assert 0 < steps[0] <= seen[-1]
    assert all_bytes(tmp_path / "map") == all_bytes(tmp_path / "whole")


# What is said


def test_rounded_steps_are_told_before_the_work(mosaic: Path, dense: Model, tmp_path: Path) -> None:
    told: list[str] = []

    def early(*_: object) -> None:
        assert told

    result = mapped(mosaic, dense, tmp_path / "map", step_um=0.85, notify=told.append, progress=early)
    assert told == [
        "the step was rounded from 0.85 to 0.8 um: dense maps have steps of whole multiples of 8 px, here 16 px"
    ]
    assert result.notes == tuple(told)
    assert result.grid.step_px == 16
    summary = json.loads((tmp_path / "map" / "summary.json").read_text())
    assert summary["notes"] == told
    assert summary["asked_for"]["step_um"] == 0.85


def test_summary_has_the_network_and_where_it_ran(plain: MapResult) -> None:
    summary = json.loads((plain.output / "summary.json").read_text())
    assert summary["network"]["layout"]["window"] == summary["network"]["field_px"] == 109
    assert summary["network"]["first_field_px"] == -45
    assert summary["ran_on"] == f"cpu, PyTorch {torch.__version__}"
    assert summary["model"]["networks"] == {"modulus": "resnet", "hardness": "resnet"}
    assert set(summary["flags"]) == {"1", "2", "8", "16"}
    assert summary["cells"]["at_border"] == plain.counts.border
    with tifffile.TiffFile(plain.output / "modulus.ome.tif") as tiff:
        assert "predicted from the 109 x 109 px around each cell" in tiff.ome_metadata
        assert "ran_on" not in tiff.ome_metadata


def test_cells_beyond_the_training_range_have_a_value_and_no_interval(
    image: np.ndarray, small: Model, tmp_path: Path
) -> None:
    dark = (image // 4).astype(np.uint8)
    dark[:, 80:] = image[:, 80:]
    with pytest.warns(GreyScaleWarning, match="the model was trained on: their values are guesses"):
        result = mapped(dark, small, tmp_path / "map", step_um=1.0, anchors="none")
    table = result.to_frame()
    clipped = (table["flags"] & Flag.CLIPPED_LOW.value) != 0
    assert clipped.sum() == result.counts.outside == 8
    np.testing.assert_array_equal(clipped, table["mean_grey_on_model_scale"] < 60)
    assert table["modulus_gpa"].notna().all()
    np.testing.assert_array_equal(table["modulus_lower_gpa"].isna(), clipped)


def test_networks_that_pad_say_what_fine_steps_cost(mosaic: Path, small: Model, tmp_path: Path) -> None:
    result = mapped(mosaic, small, tmp_path / "map", step_um=0.4)
    assert len(result.notes) == 1
    assert "a dense model (`cemvis train --dense`) would be about" in result.notes[0]
    assert mapped(mosaic, small, tmp_path / "coarse", step_um=None).notes == ()


def test_map_without_any_interval_is_warned_of(mosaic: Path, dense: Model, tmp_path: Path) -> None:
    with pytest.warns(CemvisWarning, match=r"no cell has an interval: the 109 px \(5.45 um\) that the network reads"):
        result = mapped(mosaic, dense, tmp_path / "map", step_um=2.0)
    assert len(result.warnings) == 1


# What runs out of memory


class Small:
    """A predictor on a device with too little memory for more than the first few windows."""

    ran_on = "abacus"

    def __init__(self, predictor: object) -> None:
        self._predictor, self._left = predictor, 20

    def windows(self, batch: np.ndarray) -> object:
        self._left -= len(batch)
        if self._left < 0:
            raise DeviceMemoryError(TOO_LITTLE)
        return self._predictor.windows(batch)

    def dense(self, tile: np.ndarray) -> object:
        if min(tile.shape) > 110:
            raise DeviceMemoryError(TOO_LITTLE)
        return self._predictor.dense(tile)


TOO_LITTLE = "device abacus has too little memory"


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    plain = WindowNetwork.predictor
    monkeypatch.setattr(WindowNetwork, "predictor", lambda self, **given: Small(plain(self, **given)))
    return monkeypatch


def test_tiles_too_large_for_the_device_leave_the_way_free_for_smaller_ones(
    dense: Model, tmp_path: Path, little_memory: pytest.MonkeyPatch
) -> None:
    image = paste_like((150, 190), seed=5)
    with pytest.raises(DeviceMemoryError, match=r"too little memory: give --tile under 277 \(tile_samples=\)"):
        mapped(image, dense, tmp_path / "map")
    assert unfinished(tmp_path / "map") is None
    little_memory.undo()
    mapped(image, dense, tmp_path / "map", tile_samples=125)


def test_batches_too_large_for_the_device_go_on_with_smaller_ones(
    mosaic: Path, small: Model, tmp_path: Path, little_memory: pytest.MonkeyPatch
) -> None:
    given = {"step_um": 0.5, "block_bytes": 400}
    with pytest.raises(
        DeviceMemoryError, match=r"give --batch under 12 \(batch=\).*; the work so far is kept: .*--resume"
    ):
        mapped(mosaic, small, tmp_path / "map", batch=12, **given)
    little_memory.undo()
    result = mapped(mosaic, small, tmp_path / "map", batch=3, resume=True, **given)
    wanted = mapped(mosaic, small, tmp_path / "whole", **given)
    spread = wanted.values("modulus").std()
    np.testing.assert_allclose(
        result.values("modulus"), wanted.values("modulus"), rtol=0, atol=SHARE_OF_SPREAD * spread
    )


# What is refused, before anything is written


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"device": "cuda:99"}, InputError, "device 'cuda:99' is not there; this machine has cpu"),
        ({"device": "abacus"}, InputError, "device 'abacus' is not there"),
        ({"backend": "paper"}, InputError, "backend is 'paper'; wanted one of auto, torch, onnx"),
        ({"pixel_size": "70 nm"}, PixelSizeError, "no whole number of pixels makes one of the network's samples"),
    ],
)
def test_what_cannot_run_is_refused_before_the_pass(
    mosaic: Path, dense: Model, tmp_path: Path, wrong: dict, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        mapped(mosaic, dense, tmp_path / "map", **wrong)
    assert not (tmp_path / "map").exists()


# The default model


@pytest.fixture
def embedded(dense: Model, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Model]:
    models = {"resnet": dense, "table": example_model(folder / "table.safetensors")}
    monkeypatch.setattr(_map_inputs, "embedded_kinds", lambda: tuple(models))
    monkeypatch.setattr(_map_inputs, "embedded_model", models.__getitem__)
    return models


def test_default_is_the_network_where_it_fits_and_else_the_table(embedded: dict[str, Model]) -> None:

    def default(nm: float, shape: tuple[int, int] = (200, 300), step_um: float | None = 0.4) -> tuple[Model, str]:
        image = Micrograph.from_array(np.zeros(shape, np.uint8), pixel_size=PixelSize(nm / 1000, "option"))
        chosen, notes = _map_inputs.default_model(image, step_um=step_um)
        assert len(notes) <= 1
        return chosen, "".join(notes)

    table, instead = embedded["table"], "the embedded table model is used, not the network: "
    assert default(50) == (embedded["resnet"], "")
    assert default(54) == (embedded["resnet"], "")
    assert default(25) == (table, f"{instead}it was trained at 50 nm/px, the mosaic has 25 nm/px")
    assert default(70)[0] is table
    assert default(70)[1].startswith(f"{instead}at 70 nm/px no whole number")
    at_border = f"{instead}the 109 px that it reads around a cell reach over the mosaic's border at every cell"
    assert default(50, (108, 300)) == (table, at_border)
    assert default(50, (200, 300), step_um=10) == (table, at_border)  # two cells, both at the left edge
    del embedded["resnet"]
    assert default(50) == (table, "")


@pytest.mark.usefixtures("embedded")
def test_table_that_stands_in_is_told_of(mosaic: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    result = mapped(mosaic, None, tmp_path / "map", pixel_size="90 nm", step_um=None)
    assert "the embedded table model is used" in result.notes[0]
    assert "the embedded table model is used" in json.loads((tmp_path / "map" / "summary.json").read_text())["notes"][0]
    assert [each.category for each in recwarn] == [PixelSizeWarning]
    assert mapped(mosaic, "table", tmp_path / "asked", device="auto", backend="auto").notes == ()


def test_embedded_models_go_by_their_names(embedded: dict[str, Model]) -> None:
    assert _map_inputs.given_model("table") is embedded["table"]
    assert _map_inputs.given_model("resnet") is embedded["resnet"]
    assert _map_inputs.given_model(None) is None
    with pytest.raises(CemvisError, match="cannot read model table"):
        _map_inputs.given_model("./table")
