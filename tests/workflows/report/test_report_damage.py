"""What a page says where something is wrong or gone."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from cemvis.errors import FileAccessError, FileFormatError, InputError
from cemvis.workflows._report_folder import RunFolder
from cemvis.workflows._report_rasters import RasterFile
from cemvis.workflows.report import write_report
from report_folders import (
    CELLS,
    EVIL,
    map_values,
    raster,
    write_mosaic,
)
from report_pages import report, values_of, views


def test_a_mosaic_that_is_gone_leaves_the_mean_grey_of_the_cells(mapped, tmp_path) -> None:
    shutil.copytree(mapped, tmp_path / "map")
    text, result = report([tmp_path / "map"], tmp_path / "r.html")
    assert "mosaic.tif is not there, nor is mosaic.tif in the folder or the one above" in result.warnings[0]
    layers = views(text)[0]["layers"]
    assert [each["name"] for each in layers][:2] == ["Mean grey of the cells", "Modulus"]
    row, column = np.indices(CELLS)
    np.testing.assert_allclose(values_of(layers[0]), 100.0 + row + column, rtol=3e-4)
    text, result = report([tmp_path / "map"], tmp_path / "r.html", mosaics=(mapped.parent / "mosaic.tif",))
    assert (views(text)[0]["layers"][0]["name"], result.warnings) == ("BSE image", ())
    text, result = report([tmp_path / "map"], tmp_path / "r.html", mosaics=(mapped.parent,))
    assert (views(text)[0]["layers"][0]["name"], result.warnings) == ("BSE image", ())


def test_another_image_under_the_mosaics_name_is_not_shown(mapped, tmp_path) -> None:
    shutil.copytree(mapped, tmp_path / "map")
    write_mosaic(tmp_path / "mosaic.tif", seed=9)
    text, result = report([tmp_path / "map"], tmp_path / "r.html")
    assert "is another image than the one of this run (its digest differs)" in result.warnings[0]
    assert views(text)[0]["layers"][0]["name"] == "Mean grey of the cells"
    (tmp_path / "mosaic.tif").write_bytes(b"II*\0 no image")
    _, result = report([tmp_path / "map"], tmp_path / "r.html")
    assert "The image is not shown" in result.warnings[0]


def test_a_damaged_summary_leaves_the_maps(mapped, tmp_path) -> None:
    shutil.copytree(mapped, tmp_path / "map")
    summary = tmp_path / "map" / "summary.json"
    summary.write_text(summary.read_text()[:200])
    text, result = report([tmp_path / "map"], tmp_path / "r.html")
    assert "summary.json is damaged (JSONDecodeError" in result.warnings[0]
    assert "Modulus" in [each["name"] for each in views(text)[0]["layers"]]


@pytest.mark.parametrize("record", ["[1, 2]", "null", '"x"', '{"grid": 5, "properties": 7}', "{}", "[" * 100_000])
def test_records_of_any_shape_do_no_harm(mapped, tmp_path, record) -> None:
    shutil.copytree(mapped, tmp_path / "map")
    for name in ("summary.json", "located.json", "manifest.json"):
        (tmp_path / "map" / name).write_text(record)
    text, _ = report([tmp_path / "map"], tmp_path / "r.html")
    assert "Modulus" in [each["name"] for each in views(text)[0]["layers"]]


ODD = [None, True, -1, 1e308, float("nan"), "x", "a\0b", "/" * 5000, [], {}, [None], [[1]], "\ud800", 10**40]


def places(data: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, each in inner:
        yield from places(each, (*way, key))


def changed(data: Any, way: tuple[Any, ...], value: Any) -> Any:
    if not way:
        return value
    data = copy.copy(data)
    data[way[0]] = changed(data[way[0]], way[1:], value)
    return data


def test_whatever_stands_in_a_record_there_is_a_page(mapped, mixtures, tmp_path) -> None:
    rng = random.Random(4)
    folders = [tmp_path / "map", tmp_path / "found"]
    for source, folder in zip((mapped, mixtures), folders, strict=True):
        shutil.copytree(source, folder)
    for name in ("modulus_half_width.ome.tif", "hardness.ome.tif", "cells.parquet"):
        (folders[0] / name).unlink()
    records = [folders[0] / "summary.json", folders[1] / "populations.json"]
    whole = [json.loads(each.read_text()) for each in records]
    for n in range(30):
        record = changed(whole[n % 2], rng.choice([*places(whole[n % 2])]), rng.choice(ODD))
        records[n % 2].write_text(json.dumps(record))
        text, _ = report(folders, tmp_path / "r.html")
        assert text.endswith("</html>\n")


def test_damaged_and_missing_files_are_told(mapped, tmp_path) -> None:
    folder = tmp_path / "map"
    shutil.copytree(mapped, folder)
    whole = (folder / "hardness.ome.tif").read_bytes()
    (folder / "hardness.ome.tif").write_bytes(whole[: len(whole) // 3])
    (folder / "modulus_half_width.ome.tif").write_bytes(b"nothing")
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    (folder / "cells.csv").unlink()
    text, result = report([folder], tmp_path / "r.html", mosaics=(mapped.parent,))
    told = " ".join(result.warnings)
    assert "files of the run are missing: cells.csv" in told
    assert "modulus_half_width.ome.tif" in told
    assert "hardness.ome.tif" in told
    assert "broken.png is a damaged or truncated picture" in text
    assert [each["name"] for each in views(text)[0]["layers"]] == ["BSE image", "Modulus", "Flags"]


def test_evil_names_and_contents_are_text(tmp_path) -> None:
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    Image.new("L", (4, 4)).save(folder / "<script>alert(1)<b>.png")
    (folder / "<script>.csv").write_text(f'a,"{EVIL.replace(chr(34), chr(34) * 2)}"\n1,<script>\n')
    (folder / "x.json").write_text(json.dumps({EVIL: EVIL, "warnings": [EVIL], "lone": "\ud800"}))
    (folder / os.fsdecode(b"bytes\xff.csv")).write_text("a\n1\n")
    text, _ = report([folder], tmp_path / "r.html", title=EVIL)
    assert "<img src=x" not in text
    assert text.count("<script") == 1
    assert "&lt;script&gt;alert(1)&lt;b&gt;.png" in text


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda _path: None, FileAccessError, "does not exist"),
        (lambda path: path.write_text("x"), InputError, "is a file; wanted the folder"),
        (lambda path: path.mkdir(), InputError, "holds no results"),
        (
            lambda path: (path / "area").mkdir(parents=True) or (path / "area" / "a.csv").touch(),
            InputError,
            "give a folder in it: area",
        ),
    ],
)
def test_what_is_no_run_folder_is_refused(tmp_path, make, error, said) -> None:
    make(tmp_path / "folder")
    with pytest.raises(error, match=said):
        write_report([tmp_path / "folder"], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(("tag", "value"), [("ImageLength", 3_000_000_000), ("ImageWidth", 2**31), ("TileLength", 1)])
def test_absurd_sizes_are_told_and_not_read(tmp_path, tag, value) -> None:
    path = tmp_path / "modulus.ome.tif"
    raster(path, map_values()["modulus"], "Modulus (GPa)")
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages.first.tags[tag].overwrite(value)
    with pytest.raises(FileFormatError, match=r"modulus\.ome\.tif"):
        RasterFile.open(path)


def test_what_is_no_raster_is_left_alone(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "plain.ome.tif", np.zeros((4, 4), np.float32))
    assert RasterFile.open(tmp_path / "plain.ome.tif") is None


def test_hidden_files_are_left_alone(tmp_path) -> None:
    (tmp_path / ".hidden.json").write_text("{}")
    (tmp_path / "a.csv").write_text("a\n")
    assert [each.name for each in RunFolder.open(tmp_path).files] == ["a.csv"]
