"""`cemvis.map_mosaic` against a loop over crops, and what it promises about files, interrupts and warnings."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

import cemvis
from cemvis.errors import (
    FileAccessError,
    FileFormatError,
    GreyScaleError,
    GreyScaleWarning,
    InputError,
    ModelFileError,
    OutputExistsError,
    PixelSizeError,
    PixelSizeWarning,
)
from cemvis.images.grey_scale import GreyScale
from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model import Model
from cemvis.models.prediction import Flag
from cemvis.workflows import _map_store
from cemvis.workflows._map_plan import CellGrid, plan_blocks
from cemvis.workflows.map import MapResult, map_mosaic, unfinished
from mosaics import example_model, paste_like

PIXEL_UM = 0.05
WINDOW_PX = 20
SMALL_BLOCKS = 16_000
NAMES = {
    "modulus.ome.tif",
    "modulus_half_width.ome.tif",
    "modulus.png",
    "flags.ome.tif",
    "cells.csv",
    "cells.parquet",
    "histogram.png",
    "summary.json",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("map")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return example_model(folder / "model.safetensors", properties=("modulus",))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return paste_like((305, 407))


@pytest.fixture(scope="module")
def mosaic(folder: Path, image: np.ndarray) -> Path:
    path = folder / "mosaic.tif"
    tifffile.imwrite(path, image, tile=(64, 64), compression="zlib", metadata=None)
    return path


@pytest.fixture(scope="module")
def plain(folder: Path, mosaic: Path, model: Model) -> MapResult:
    return mapped(mosaic, model, folder / "plain")


def mapped(mosaic: Path, model: Model, output: Path, **settings) -> MapResult:
    return map_mosaic(mosaic, model, output=output, **({"pixel_size": "50 nm", "anchors": (110.0, 210.0)} | settings))


def all_bytes(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir()}


def crop_means(image: np.ndarray, step_px: int) -> np.ndarray:
    rows, cols = ((side - WINDOW_PX) // step_px + 1 for side in image.shape)
    means = np.empty((rows, cols))
    for row in range(rows):
        for col in range(cols):
            top, left = row * step_px, col * step_px
            means[row, col] = image[top : top + WINDOW_PX, left : left + WINDOW_PX].mean(dtype=np.float64)
    return means


@pytest.mark.parametrize("step_px", [20, 7, 33])
def test_map_is_the_models_prediction_of_each_crops_mean(
    mosaic: Path, image: np.ndarray, tmp_path: Path, step_px: int
) -> None:
    model = example_model(
        tmp_path / "model.safetensors", properties=("modulus", "hardness")[: 2 if step_px == 20 else 1]
    )
    result = mapped(mosaic, model, tmp_path / "map", step_um=step_px * PIXEL_UM, block_bytes=SMALL_BLOCKS)
    means = crop_means(image, step_px)
    assert result.grid.shape == means.shape
    names = NAMES | {name.replace("modulus", "hardness") for name in NAMES if len(model.properties) == 2}
    assert {path.name for path in result.files} == names == {path.name for path in (tmp_path / "map").iterdir()}
    for each in model.properties:
        expected = each.predict(means.ravel())
        np.testing.assert_array_equal(result.values(each.name).ravel(), expected.value.astype(np.float32))
        np.testing.assert_allclose(result.half_width(each.name).ravel(), expected.half_width, rtol=1e-5)
        assert result.statistics[each.name].mean == pytest.approx(expected.value.mean(), rel=1e-6)
        assert result.statistics[each.name].quantiles[0.5] == pytest.approx(np.median(expected.value), rel=1e-6)
    table = result.to_frame()
    np.testing.assert_allclose(table["mean_grey"], means.ravel(), atol=1e-6)
    np.testing.assert_allclose(table["x_um"], (table["column"] * step_px + 9.5) * PIXEL_UM, atol=1e-9)
    np.testing.assert_allclose(table["y_um"], (table["row"] * step_px + 9.5) * PIXEL_UM, atol=1e-9)


def test_grey_scale_is_applied_to_the_means(plain: MapResult, image: np.ndarray, model: Model, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.fromarray(np.clip(np.rint(0.6 * image + 20), 0, 255).astype(np.uint8)).save(other)
    matched = mapped(other, model, tmp_path / "matched", anchors=GreyScale(0.6 * 110 + 20, 0.6 * 210 + 20)).to_frame()
    expected = plain.to_frame()
    assert np.abs(matched["mean_grey"] - expected["mean_grey"]).max() > 10
    np.testing.assert_allclose(matched["mean_grey_on_model_scale"], expected["mean_grey"], atol=0.3)
    assert np.abs(matched["modulus_gpa"] - expected["modulus_gpa"]).quantile(0.9) < 3


def test_anchors_are_found_in_the_histogram(mosaic: Path, model: Model, tmp_path: Path) -> None:
    result = mapped(mosaic, model, tmp_path / "map", anchors="auto")
    assert result.transform.source == "histogram"
    assert result.transform.reliable
    assert result.transform.anchors.matrix == pytest.approx(110, abs=2)
    assert result.transform.anchors.clinker == pytest.approx(210, abs=2)
    assert result.warnings == ()


def test_threads_and_blocks_leave_no_trace(mosaic: Path, plain: MapResult, model: Model, tmp_path: Path) -> None:
    mapped(mosaic, model, tmp_path / "map", threads=3, block_bytes=SMALL_BLOCKS)
    assert all_bytes(tmp_path / "map") == all_bytes(plain.output)


@pytest.mark.parametrize("storage", ["strips", "tiles", "16 bit", "array"])
def test_storage_does_not_matter(
    image: np.ndarray, model: Model, tmp_path: Path, plain: MapResult, storage: str
) -> None:
    path = tmp_path / "other.tif"
    tiles = {"tile": (32, 48)} if storage == "tiles" else {"rowsperstrip": 7}
    pixels = image.astype(np.uint16) if storage == "16 bit" else image
    tifffile.imwrite(path, pixels, metadata=None, compression="lzw", **tiles)
    if storage == "array":
        result = mapped(image, model, tmp_path / "map")
    else:
        result = mapped(path, model, tmp_path / "map", block_bytes=SMALL_BLOCKS)
    np.testing.assert_array_equal(result.values("modulus"), plain.values("modulus"))


def test_maps_say_where_and_what_they_are(mosaic: Path, model: Model, tmp_path: Path) -> None:
    result = mapped(mosaic, model, tmp_path / "map", step_um=0.37)
    assert result.grid.step_um == pytest.approx(0.35)
    for name in ("modulus", "modulus_half_width", "flags"):
        with tifffile.TiffFile(tmp_path / "map" / f"{name}.ome.tif") as tiff:
            assert tiff.is_ome
            assert tiff.series[0].shape == result.grid.shape
            assert tiff.series[0].dtype == ("uint8" if name == "flags" else "float32")
            xml = ElementTree.fromstring(tiff.ome_metadata)
        space = {"ome": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
        pixels = xml.find(".//ome:Pixels", space)
        assert float(pixels.get("PhysicalSizeX")) == float(pixels.get("PhysicalSizeY")) == pytest.approx(0.35)
        assert pixels.get("PhysicalSizeXUnit") == "µm"
        plane = xml.find(".//ome:Plane", space)
        assert float(plane.get("PositionX")) == pytest.approx(9.5 * PIXEL_UM)
        text = xml.find(".//ome:Description", space).text
        assert '"sha256"' in text
        if name == "modulus":
            assert "Modulus in GPa" in text
            assert xml.find("ome:Image", space).get("Name") == "Modulus (GPa)"


def test_table_is_the_same_in_csv_and_parquet_and_knows_its_units(mosaic: Path, model: Model, tmp_path: Path) -> None:
    region = np.zeros((305, 407), np.uint8)
    region[:150] = 255
    mask = tmp_path / "mask.png"
    Image.fromarray(region).save(mask)
    mapped(mosaic, model, tmp_path / "map", mask=mask)
    parquet = pd.read_parquet(tmp_path / "map" / "cells.parquet")
    csv = pd.read_csv(tmp_path / "map" / "cells.csv", dtype={"flags": np.uint8})
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False, rtol=1e-6)
    schema = pq.read_schema(tmp_path / "map" / "cells.parquet")
    assert schema.field("modulus_lower_gpa").metadata == {b"unit": b"GPa"}
    assert json.loads(schema.metadata[b"cemvis"])["model"]["sha256"] == model.digest


def test_cells_not_wholly_in_the_mask_are_left_out(
    mosaic: Path, plain: MapResult, model: Model, tmp_path: Path
) -> None:
    region = np.zeros((305, 407), np.uint8)
    region[0:121, 40:200] = 7
    mask = tmp_path / "mask.tif"
    tifffile.imwrite(mask, region, tile=(32, 32))
    result = mapped(mosaic, model, tmp_path / "map", mask=mask, block_bytes=SMALL_BLOCKS)
    whole = plain.values("modulus")
    values = result.values("modulus")
    assert np.isfinite(values[:6, 2:10]).all()
    np.testing.assert_array_equal(values[:6, 2:10], whole[:6, 2:10])
    assert result.counts.mapped == 6 * 8 == np.isfinite(values).sum()
    table = result.to_frame()
    assert ((table["flags"] & Flag.MASKED.value) != 0).sum() == result.counts.masked
    assert table["mean_grey"].notna().all()
    assert table["modulus_gpa"].notna().sum() == 48


@pytest.mark.parametrize("kind", ["1 bit PNG", "palette PNG", "1 bit TIFF", "grey TIFF", "array"])
def test_natural_masks_are_understood(mosaic: Path, plain: MapResult, model: Model, tmp_path: Path, kind: str) -> None:
    region = np.zeros((305, 407), bool)
    region[:120, :200] = True
    mask = tmp_path / ("mask.png" if "PNG" in kind else "mask.tif")
    if kind == "1 bit PNG":
        Image.fromarray(region).save(mask)
    elif kind == "palette PNG":
        indexed = Image.fromarray(region.astype(np.uint8) * 3).convert("L").convert("P")
        indexed.putdata(region.ravel().astype(np.uint8) * 3)
        indexed.putpalette([200, 10, 10] * 4)
        indexed.save(mask)
    elif kind == "grey TIFF":
        sizes = {"PhysicalSizeX": 3.0, "PhysicalSizeY": 4.0}
        tifffile.imwrite(mask, region.astype(np.uint8), ome=True, metadata=sizes)
    elif kind == "1 bit TIFF":
        tifffile.imwrite(mask, region)
    result = mapped(mosaic, model, tmp_path / "map", mask=region if kind == "array" else mask)
    assert result.counts.mapped == 60
    np.testing.assert_array_equal(result.values("modulus")[:6, :10], plain.values("modulus")[:6, :10])


def test_mask_that_cannot_be_read_is_told_from_the_mosaic(mosaic: Path, model: Model, tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("not a picture")
    with pytest.raises(FileFormatError, match=r"^mask: .*mask\.png is not an image"):
        mapped(mosaic, model, tmp_path / "map", mask=tmp_path / "mask.png")
    with pytest.raises(FileAccessError, match=r"^mask: .*absent\.png"):
        mapped(mosaic, model, tmp_path / "map", mask=tmp_path / "absent.png")


def test_mask_of_another_size_is_refused(mosaic: Path, model: Model, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.ones((300, 407), np.uint8)).save(mask)
    with pytest.raises(InputError, match="the mask has 300 x 407 px, the mosaic 305 x 407 px"):
        mapped(mosaic, model, tmp_path / "map", mask=mask)
    assert not (tmp_path / "map").exists()


def test_mask_that_leaves_nothing_is_refused(mosaic: Path, model: Model, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.zeros((305, 407), np.uint8)).save(mask)
    with pytest.raises(InputError, match="no window lies wholly in the mask; is it inverted"):
        mapped(mosaic, model, tmp_path / "map", mask=mask)
    assert not (tmp_path / "map").exists()


def test_summary_says_what_the_map_was_made_from(mosaic: Path, model: Model, tmp_path: Path) -> None:
    result = mapped(mosaic, model, tmp_path / "map", step_um=0.5)
    summary = json.loads((tmp_path / "map" / "summary.json").read_text())
    assert summary["cemvis"] == cemvis.__version__
    assert summary["mosaic"]["file"] == "mosaic.tif"
    assert summary["mosaic"]["path"] == mosaic.resolve().as_posix()
    assert summary["model"]["training_areas"] == [
        {"name": each.name, "mosaic_sha256": each.mosaic_sha256, "indents_sha256": each.indents_sha256}
        for each in model.training.areas
    ]
    assert summary["mosaic"]["sha256"] == hashlib.sha256(mosaic.read_bytes()).hexdigest()
    assert summary["model"]["sha256"] == model.digest
    assert summary["pixel_size"] == {"um": PIXEL_UM, "source": "option"}
    assert summary["grid"]["step_px"] == 10
    assert summary["grid"]["left_over_px"] == {"bottom": 5, "right": 7}
    assert summary["grey_scale"]["source"] == "given"
    assert summary["cells"]["all"] == summary["cells"]["mapped"] == result.counts.cells
    assert set(summary["files"]) == NAMES
    assert summary["warnings"] == []


def test_model_without_intervals_gives_no_half_width(mosaic: Path, tmp_path: Path) -> None:
    few = example_model(tmp_path / "few.safetensors", batches=6, properties=("modulus",))
    result = mapped(mosaic, few, tmp_path / "map")
    assert {path.name for path in result.files} == {
        "modulus.ome.tif", "modulus.png", "flags.ome.tif", "cells.csv", "cells.parquet", "histogram.png", "summary.json"
    }  # fmt: skip
    with pytest.raises(FileAccessError, match="no interval"):
        result.half_width("modulus")
    summary = json.loads((tmp_path / "map" / "summary.json").read_text())
    assert summary["properties"]["modulus"]["interval_level"] is None
    assert "no interval is promised" in result.interval_notes["modulus"]
    assert "calibration batches" in summary["properties"]["modulus"]["interval_note"]


# Grey scale and pixel size


def test_windows_outside_the_training_range_are_warned_of_in_the_outputs(
    image: np.ndarray, model: Model, tmp_path: Path
) -> None:
    dark = tmp_path / "dark.png"
    Image.fromarray((image // 3).astype(np.uint8)).save(dark)
    with pytest.warns(GreyScaleWarning, match="lie outside the grey range"):
        result = mapped(dark, model, tmp_path / "map", anchors="none")
    assert result.counts.outside_share > 0.5
    summary = json.loads((tmp_path / "map" / "summary.json").read_text())
    assert any("lie outside the grey range" in text for text in summary["warnings"])
    flags = result.to_frame()["flags"]
    assert ((flags & Flag.CLIPPED_LOW.value) != 0).sum() == result.counts.outside
    assert summary["grey_scale"]["source"] == "none"
    picture = np.asarray(Image.open(tmp_path / "map" / "modulus.png").convert("RGB")).reshape(-1, 3)
    assert (picture == (0xB3, 0x26, 0x1E)).all(axis=1).mean() > 0.01


def test_constant_image_has_no_grey_scale(model: Model, tmp_path: Path) -> None:
    constant = tmp_path / "constant.png"
    Image.fromarray(np.full((100, 100), 140, np.uint8)).save(constant)
    with pytest.raises(GreyScaleError, match="--anchors"):
        mapped(constant, model, tmp_path / "map", anchors="auto")
    assert not (tmp_path / "map").exists()
    result = mapped(constant, model, tmp_path / "as_is", anchors="none")
    assert np.ptp(result.values("modulus")) == 0


def test_unsure_anchors_are_warned_of_in_the_outputs(image: np.ndarray, model: Model, tmp_path: Path) -> None:
    bright = image.copy()
    bright[:8] = 255
    saturated = tmp_path / "saturated.png"
    Image.fromarray(bright).save(saturated)
    with pytest.warns(GreyScaleWarning, match=r"the grey scale is uncertain .*saturated: 2\.6%"):
        result = mapped(saturated, model, tmp_path / "map", anchors="auto")
    assert not result.transform.reliable
    (said,) = json.loads((tmp_path / "map" / "summary.json").read_text())["warnings"]
    assert said.startswith("the grey scale is uncertain")
    picture = np.asarray(Image.open(tmp_path / "map" / "modulus.png").convert("RGB")).reshape(-1, 3)
    assert (picture == (0xB3, 0x26, 0x1E)).all(axis=1).mean() > 0.01


def test_warning_that_explains_an_error_is_given_before_it(model: Model, tmp_path: Path) -> None:
    constant = Micrograph.from_array(np.full((100, 100), 140, np.uint8), pixel_size=PixelSize(0.08, "option"))
    with pytest.warns(PixelSizeWarning, match="factor of 1.6"), pytest.raises(GreyScaleError):
        map_mosaic(constant, model, output=tmp_path / "map")


def test_unknown_pixel_size_is_asked_for(mosaic: Path, model: Model, tmp_path: Path) -> None:
    with pytest.raises(PixelSizeError, match="--pixel-size"):
        mapped(mosaic, model, tmp_path / "map", pixel_size=None)
    assert not (tmp_path / "map").exists()


def test_far_pixel_size_is_warned_of_in_the_outputs(mosaic: Path, model: Model, tmp_path: Path) -> None:
    with pytest.warns(PixelSizeWarning, match="factor of 1.6"):
        result = mapped(mosaic, model, tmp_path / "map", pixel_size=PixelSize(0.08, "option"))
    assert result.grid.window_px == 12
    assert "factor of 1.6" in (tmp_path / "map" / "summary.json").read_text()


# Files


def test_earlier_map_is_replaced_only_if_asked(mosaic: Path, model: Model, tmp_path: Path) -> None:
    output = tmp_path / "map"
    mapped(mosaic, model, output)
    before = all_bytes(output)
    (output / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"modulus\.ome\.tif.* and 5 more; .*--overwrite"):
        mapped(mosaic, model, output, step_um=0.5)
    assert {name: data for name, data in all_bytes(output).items() if name != "notes.txt"} == before
    few = example_model(tmp_path / "few.safetensors", batches=6, properties=("modulus",))
    mapped(mosaic, few, output, overwrite=True)
    names = {path.name for path in output.iterdir()}
    assert "modulus_half_width.ome.tif" not in names
    assert "notes.txt" in names
    assert names - {"notes.txt"} == set(json.loads((output / "summary.json").read_text())["files"])


def test_summary_of_another_program_is_no_licence_to_delete(mosaic: Path, model: Model, tmp_path: Path) -> None:
    output = tmp_path / "map"
    output.mkdir()
    (output / "keep.csv").write_text("mine")
    (output / "summary.json").write_text(json.dumps({"files": ["keep.csv", "../mosaic.tif"]}))
    mapped(mosaic, model, output, overwrite=True)
    assert (output / "keep.csv").read_text() == "mine"


def test_output_that_is_a_file_is_refused(mosaic: Path, model: Model, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("in the way")
    with pytest.raises(FileAccessError, match="is a file; wanted a folder"):
        mapped(mosaic, model, tmp_path / "map")


def test_full_disk_while_writing_leaves_no_final_name(
    mosaic: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(FileAccessError, match=r"No space left on device; the work so far is kept: .*--resume"):
        mapped(mosaic, model, tmp_path / "map")
    assert [path.name for path in (tmp_path / "map").iterdir()] == [_map_store.WORK_FOLDER]


# Interrupts


class Interrupted(Micrograph):
    """A micrograph whose reading is interrupted after some reads, and which notes what was read."""

    after = 5

    @classmethod
    def of(cls, path: Path) -> Interrupted:
        opened = cemvis.open_micrograph(path, pixel_size=PixelSize(PIXEL_UM, "option"))
        opened.__class__ = cls
        opened.windows_read = []
        return opened

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int = 1) -> np.ndarray:
        if len(self.windows_read) >= self.after:
            raise KeyboardInterrupt
        self.windows_read.append((row, col))
        return super().read(row, col, rows, cols, threads=threads)


def interrupt(mosaic: Path, model: Model, output: Path, **settings) -> None:
    with Interrupted.of(mosaic) as image, pytest.raises(KeyboardInterrupt):
        map_mosaic(image, model, output=output, anchors=(110.0, 210.0), block_bytes=SMALL_BLOCKS, **settings)


def test_interrupted_map_is_continued_to_the_same_bytes(
    mosaic: Path, plain: MapResult, model: Model, tmp_path: Path
) -> None:
    output = tmp_path / "map"
    interrupt(mosaic, model, output)
    assert [path.name for path in output.iterdir()] == [_map_store.WORK_FOLDER]
    assert unfinished(output) == output / _map_store.WORK_FOLDER
    finished = (output / _map_store.WORK_FOLDER / _map_store.JOURNAL_FILE).read_text().split()
    assert len(finished) >= 2

    with Interrupted.of(mosaic) as image:
        image.after = 10**6
        result = map_mosaic(image, model, output=output, anchors=(110.0, 210.0), block_bytes=SMALL_BLOCKS, resume=True)
        assert (0, 0) not in image.windows_read
    assert unfinished(output) is None
    assert all_bytes(output) == all_bytes(plain.output)
    assert result.counts.cells > 0


def test_interrupted_replacement_leaves_the_earlier_map(mosaic: Path, model: Model, tmp_path: Path) -> None:
    output = tmp_path / "map"
    mapped(mosaic, model, output)
    before = {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}
    interrupt(mosaic, model, output, step_um=0.4, overwrite=True)
    assert {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()} == before


def test_other_settings_are_not_mixed_into_an_unfinished_map(mosaic: Path, model: Model, tmp_path: Path) -> None:
    interrupt(mosaic, model, tmp_path / "map", step_um=0.4)
    with pytest.raises(InputError, match=r"grid.step_px was 8, is 10.*--overwrite"):
        mapped(mosaic, model, tmp_path / "map", step_um=0.5, block_bytes=SMALL_BLOCKS, resume=True)
    with pytest.raises(OutputExistsError, match="--resume"):
        mapped(mosaic, model, tmp_path / "map", step_um=0.4, block_bytes=SMALL_BLOCKS)
    assert unfinished(tmp_path / "map") is not None
    mapped(mosaic, model, tmp_path / "map", step_um=0.5, overwrite=True)
    assert unfinished(tmp_path / "map") is None


def test_blocks_of_another_size_are_not_taken_for_those_that_are_finished(
    mosaic: Path, model: Model, tmp_path: Path
) -> None:
    interrupt(mosaic, model, tmp_path / "map")
    with pytest.raises(InputError, match=rf"block_bytes was {SMALL_BLOCKS}, is {SMALL_BLOCKS + 1};.*--overwrite"):
        mapped(mosaic, model, tmp_path / "map", block_bytes=SMALL_BLOCKS + 1, resume=True)


def test_other_pixels_are_not_mixed_into_an_unfinished_map(mosaic: Path, model: Model, tmp_path: Path) -> None:
    copy = tmp_path / "mosaic.tif"
    copy.write_bytes(mosaic.read_bytes())
    interrupt(copy, model, tmp_path / "map")
    tifffile.imwrite(copy, paste_like((305, 407), seed=9), tile=(64, 64), compression="zlib", metadata=None)
    with pytest.raises(InputError, match=r"mosaic.sha256 was"):
        mapped(copy, model, tmp_path / "map", block_bytes=SMALL_BLOCKS, resume=True)


def test_blocks_with_other_edges_are_not_mixed_into_an_unfinished_map(model: Model, tmp_path: Path) -> None:
    """As many blocks, but other ones: rows that neither map made would be left at 0."""
    path, (first, second) = tmp_path / "mosaic.tif", (98_000, 104_000)
    tifffile.imwrite(path, paste_like((1000, 300)), metadata=None)
    grid = CellGrid((1000, 300), PIXEL_UM, WINDOW_PX, WINDOW_PX)
    planned = [plan_blocks(grid, (1, 300), block_px=size, block_cells=size // 16) for size in (first, second)]
    assert len(planned[0].blocks) == len(planned[1].blocks)
    assert planned[0].blocks != planned[1].blocks
    with Interrupted.of(path) as image:
        image.after = 2
        with pytest.raises(KeyboardInterrupt):
            map_mosaic(image, model, output=tmp_path / "map", block_bytes=first, anchors=(110.0, 210.0))
    assert unfinished(tmp_path / "map") is not None
    with pytest.raises(InputError, match=rf"block_bytes was {first}, is {second}, pieces was .*--overwrite"):
        mapped(path, model, tmp_path / "map", block_bytes=second, resume=True)
    result = mapped(path, model, tmp_path / "map", block_bytes=first, resume=True)
    whole = mapped(path, model, tmp_path / "whole")
    np.testing.assert_array_equal(result.values("modulus"), whole.values("modulus"))


def test_nothing_to_resume_is_a_fresh_start(mosaic: Path, model: Model, tmp_path: Path) -> None:
    mapped(mosaic, model, tmp_path / "map", resume=True)
    assert {path.name for path in (tmp_path / "map").iterdir()} == NAMES
    with pytest.raises(OutputExistsError, match="a finished map, so there is nothing to resume"):
        mapped(mosaic, model, tmp_path / "map", resume=True)


def test_map_that_was_stopped_while_it_got_its_names_is_no_mixture(
    mosaic: Path, model: Model, tmp_path: Path, plain: MapResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "map"
    few = example_model(tmp_path / "few.safetensors", properties=("modulus", "hardness"))
    mapped(mosaic, few, output)
    moves: list[Path] = []
    plain_replace = Path.replace

    def stopped(path: Path, target: Path) -> Path:
        if Path(target).parent == output:
            moves.append(path)
            if len(moves) == 3:
                raise KeyboardInterrupt
        return plain_replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            mapped(mosaic, model, output, overwrite=True)
    assert not (output / "summary.json").exists()
    assert unfinished(output) is not None
    mapped(mosaic, model, output, resume=True)
    assert all_bytes(output) == all_bytes(plain.output)


# Bad input


def test_mosaic_that_is_damaged_half_way_leaves_nothing(mosaic: Path, model: Model, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tif"
    with tifffile.TiffFile(mosaic) as tiff:
        middle = len(tiff.pages[0].dataoffsets) // 2
        offset, count = tiff.pages[0].dataoffsets[middle], tiff.pages[0].databytecounts[middle]
    data = bytearray(mosaic.read_bytes())
    data[offset : offset + count] = bytes(count)
    damaged.write_bytes(data)
    seen: list[tuple[str, int, int]] = []
    with pytest.raises(FileFormatError):
        mapped(damaged, model, tmp_path / "map", block_bytes=SMALL_BLOCKS, progress=lambda *step: seen.append(step))
    assert max(done for _, done, _ in seen) >= 1
    assert not (tmp_path / "map").exists()


def test_model_file_is_read(mosaic: Path, model: Model, folder: Path, tmp_path: Path) -> None:
    result = mapped(mosaic, folder / "model.safetensors", tmp_path / "map")
    assert json.loads((tmp_path / "map" / "summary.json").read_text())["model"]["sha256"] == model.digest
    assert result.units == {"modulus": "GPa"}
    with pytest.raises(ModelFileError):
        mapped(mosaic, mosaic, tmp_path / "other")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pixel_size": 0.4}, "pixel_size is 0.4; wanted a length with its unit"),
        ({"anchors": (1, 2, 3)}, "wanted two grey levels"),
        ({"anchors": ("110", "210")}, "wanted two grey levels"),
        ({"model": 3}, "model is a int; wanted a path"),
        ({"mosaic": 3}, "mosaic is a int; wanted a path"),
        ({"output": 3}, "output is a int; wanted a path"),
        ({"mask": 3}, "mask is a int; wanted a path"),
        ({"mask": np.zeros((3, 3, 3))}, r"mask is an array of shape \(3, 3, 3\)"),
        ({"block_bytes": "x"}, "block_bytes is 'x'; wanted a whole number"),
        ({"batch": 0}, "batch is 0; wanted a whole number"),
        ({"tile_samples": 2.5}, r"tile_samples is 2\.5; wanted a whole number"),
        ({"backend": "tensor"}, "backend is 'tensor'; wanted one of auto, torch, onnx"),
        ({"block_bytes": 0}, "block_bytes is 0; wanted a whole number"),
        ({"block_bytes": -5}, "block_bytes is -5; wanted a whole number"),
    ],
)
def test_wrong_arguments_are_one_clear_line(mosaic: Path, model: Model, tmp_path: Path, wrong, said: str) -> None:
    with pytest.raises(InputError, match=said):
        mapped(**{"mosaic": mosaic, "model": model, "output": tmp_path / "map"} | wrong)


@pytest.mark.parametrize("anchors", ["automatic", "", 3])
def test_unknown_anchors_are_refused(mosaic: Path, model: Model, tmp_path: Path, anchors: object) -> None:
    with pytest.raises(InputError, match="wanted 'auto', 'none' or a GreyScale"):
        mapped(mosaic, model, tmp_path / "map", anchors=anchors)


def test_pixel_size_of_an_opened_micrograph_is_its_own(image: np.ndarray, model: Model, tmp_path: Path) -> None:
    opened = Micrograph.from_array(image, pixel_size=PixelSize(PIXEL_UM, "option"))
    with pytest.raises(InputError, match="goes with a path"):
        map_mosaic(opened, model, output=tmp_path / "map", pixel_size="40 nm")


def test_progress_runs_to_the_end(mosaic: Path, model: Model, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    mapped(mosaic, model, tmp_path / "map", block_bytes=SMALL_BLOCKS, progress=lambda *step: seen.append(step))
    for stage in ("reading the mosaic", "writing the files"):
        steps = [(done, count) for name, done, count in seen if name == stage]
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1][0] == steps[-1][1] > 3
