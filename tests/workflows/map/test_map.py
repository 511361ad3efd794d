"""`cemvis.map_mosaic` against a loop over crops, and what its files say."""

from __future__ import annotations

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
    InputError,
)
from cemvis.images.grey_scale import GreyScale
from cemvis.models.model import Model
from cemvis.models.prediction import Flag
from cemvis.workflows.map import MapResult
from mapped import NAMES, PIXEL_UM, SMALL_BLOCKS, WINDOW_PX, all_bytes, mapped
from mosaics import example_model


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
