"""``cemvis report``: what stands on a page, and where it comes from."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from cemvis.errors import FileAccessError, InputError, OutputExistsError
from cemvis.images.pixel_size import PixelSize
from cemvis.report.page.packing import picture_file
from cemvis.workflows import report as report_module
from cemvis.workflows._report_folder import MOST_ROWS
from cemvis.workflows._report_mosaic import find_mosaic, overview
from cemvis.workflows._report_rasters import RasterFile, class_layer, raster_chart, value_layer
from cemvis.workflows.map import map_mosaic
from cemvis.workflows.report import ReportConfig, write_report
from mosaics import example_model
from report_folders import (
    CELLS,
    FIRST_UM,
    MOSAIC_PX,
    PIXEL_UM,
    STEP_UM,
    map_values,
    mixtures_of,
    raster,
    write_map,
    write_mixtures,
    write_mosaic,
)
from report_pages import report, values_of, views


def test_a_map_is_shown_where_it_lies_on_its_mosaic(mapped, tmp_path) -> None:
    text, result = report([mapped], tmp_path / "r.html")
    assert (result.warnings, result.sections) == ((), 1)
    assert result.size_bytes == (tmp_path / "r.html").stat().st_size
    (view,) = views(text)
    layers = {each["name"]: each for each in view["layers"]}
    assert [*layers] == ["BSE image", "Modulus", "Hardness", "Half width of Modulus", "Flags"]
    edge = -PIXEL_UM / 2
    mosaic = [edge, edge + MOSAIC_PX[1] * PIXEL_UM, edge, edge + MOSAIC_PX[0] * PIXEL_UM]
    assert layers["BSE image"]["extent"] == pytest.approx(mosaic)
    left = FIRST_UM - STEP_UM / 2
    cells = [left, left + CELLS[1] * STEP_UM, left, left + CELLS[0] * STEP_UM]
    assert layers["Modulus"]["extent"] == pytest.approx(cells)
    assert view["extent"] == pytest.approx(mosaic)
    shown = values_of(layers["Modulus"])
    np.testing.assert_allclose(shown, map_values()["modulus"], rtol=3e-4)
    assert layers["Half width of Modulus"]["spreadOf"] == "Modulus"
    assert layers["Flags"]["legend"]["8"] == "not mapped"
    with Image.open(io.BytesIO(base64.b64decode(layers["BSE image"]["data"].partition(",")[2]))) as image:
        picture = np.asarray(image).astype(float)
    grey = tifffile.imread(mapped.parent / "mosaic.tif")
    assert picture.shape == grey.shape
    assert np.corrcoef(picture.ravel(), grey.ravel())[0, 1] > 0.97


def test_what_cemvis_map_writes_is_shown(tmp_path) -> None:
    model = example_model(tmp_path / "model.safetensors")
    mosaic = write_mosaic(tmp_path / "mosaic.tif")
    made = map_mosaic(mosaic, model, output=tmp_path / "map", step_um=0.5, pixel_size=PixelSize(PIXEL_UM, "option"))
    text, result = report([tmp_path / "map"], tmp_path / "r.html")
    assert result.warnings == made.warnings
    names = [each["name"] for each in views(text)[0]["layers"]]
    assert names[:5] == ["BSE image", "Modulus", "Hardness", "Half width of Modulus", "Half width of Hardness"]
    assert "50 nm/px (option)" in text
    assert hashlib.sha256(mosaic.read_bytes()).hexdigest() in text
    assert f"{made.statistics['modulus'].quantiles[0.5]:.4g} GPa" in text


def test_the_same_files_give_the_same_page(mapped, mixtures, tmp_path) -> None:
    first, _ = report([mapped, mixtures], tmp_path / "a.html")
    again, _ = report([mapped, mixtures], tmp_path / "b.html")
    assert first == again


def test_mixtures_go_over_the_values_of_their_map(mapped, mixtures, tmp_path) -> None:
    text, result = report([mapped, mixtures], tmp_path / "r.html")
    sections = text.split("<section")[1:]
    assert len(sections) == 2
    for section in sections:
        assert "soft</b> 70 (68 to 72) %, mean 25 (24.5 to 25.5) GPa, sd 2 (1.9 to 2.1) GPa" in section
        assert "Not supported by the data." in section
        assert section.count('class="bars"') == (2 if section is sections[0] else 1)
    assert len(result.warnings) == 1
    assert "populations in modulus are not supported by the data: BIC prefers 3 (more below: 1)" in result.warnings[0]
    layer = next(each for each in views(text)[0]["layers"] if each["name"] == "Population by modulus")
    assert layer["legend"] == {"0": "not mapped", "1": "soft", "2": "hard", "255": "uncertain"}


def test_populations_of_indents_on_a_map_go_there_without_their_curves(mapped, tmp_path) -> None:
    found = mixtures_of(mapped, tmp_path / "found")
    record = json.loads((found / "populations.json").read_text())
    (found / "populations.json").write_text(json.dumps({**record, "inputs": [{"path": "gone.csv"}]}))
    text, result = report([mapped, found], tmp_path / "r.html")
    assert [each["name"] for each in views(text)[0]["layers"]].count("Population by modulus") == 1
    assert "<polyline" not in text.split("<section")[1]
    assert "gone.csv is not there any more" in result.warnings[0]


def test_mixtures_of_another_map_do_not(mapped, tmp_path) -> None:
    other = write_map(tmp_path / "map", mosaic=write_mosaic(tmp_path / "mosaic.tif", seed=8))
    text, _ = report([mapped, mixtures_of(other, tmp_path / "found")], tmp_path / "r.html")
    assert "<polyline" not in text.split("<section")[1]
    assert "<polyline" in text.split("<section")[2]


def test_mixtures_alone_find_their_map_or_say_that_it_is_gone(mapped, tmp_path) -> None:
    folder = tmp_path / "map"
    shutil.copytree(mapped, folder)
    shutil.copy(mapped.parent / "mosaic.tif", tmp_path)
    found = mixtures_of(folder, tmp_path / "found")
    text, result = report([found], tmp_path / "r.html")
    assert ('class="bars"' in text, result.warnings) == (True, ())
    shutil.rmtree(folder)
    text, result = report([found], tmp_path / "r.html")
    assert "<polyline" in text
    assert "is not there or is another one by now" in result.warnings[0]


def test_mixtures_of_a_table_are_drawn_over_it_unless_it_changed(tmp_path) -> None:
    rng = np.random.default_rng(1)
    values = np.r_[rng.normal(25, 2, 700), rng.normal(60, 5, 300)]
    table = tmp_path / "indents.csv"
    rows = [f"T{n},b{n % 10},{value:.3f},ok" for n, value in enumerate(values)]
    table.write_text("\n".join(["id,batch,modulus_gpa,status", *rows]) + "\n")
    about = {"path": str(table), "sha256": hashlib.sha256(table.read_bytes()).hexdigest()}
    text, result = report([write_mixtures(tmp_path / "found", [about])], tmp_path / "r.html")
    assert ("1,000 values" in text, result.warnings) == (True, ())
    table.write_text(table.read_text().replace("T5,", "T6,"))
    text, result = report([tmp_path / "found"], tmp_path / "r.html")
    assert "1,000 values, median" not in text
    assert "has changed since" in result.warnings[0]


def test_skew_normal_components_are_not_drawn_as_normal_ones(mapped, tmp_path) -> None:
    found = mixtures_of(mapped, tmp_path / "found", components="skew-normal")
    text, _ = report([found], tmp_path / "r.html")
    assert "<polyline" not in text
    assert "Skew-normal components are listed, not drawn" in text
    assert "soft: 70 (68 to 72) %" in text


def test_any_folder_of_results_is_shown(tmp_path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    lines = [f"{n},{n * 0.123456789}" for n in range(MOST_ROWS + 50)]
    (folder / "numbers.csv").write_text("n,value\n" + "\n".join(lines) + "\n")
    (folder / "empty.csv").write_text("")
    (folder / "ragged.csv").write_text("a,b\n1\n1,2,3\n\n")
    (folder / "about.json").write_text(json.dumps({"format": "cemvis study", "score": 0.5, "warnings": ["look out"]}))
    Image.new("L", (40, 30)).save(folder / "picture.png")
    text, result = report([folder], tmp_path / "r.html")
    assert f"Here are the first {MOST_ROWS} of {MOST_ROWS + 50} rows" in text
    assert text.count("<table") == 2
    assert "empty.csv is empty" in text
    assert '<p class="kind">study</p>' in text
    assert result.warnings == ("look out",)
    assert 'width="40" height="30"' in text


def test_located_indents_and_specimens_show_their_indents(tmp_path) -> None:
    folder = tmp_path / "area"
    folder.mkdir()
    write_mosaic(folder / "before.tif")
    rows = ["T1,2.5,3.5,30,1,ok,", "T2,4,5,,,failed,", "T3,,,30,1,ok,", "T4,9,9,20,0.8,ok,pore"]
    (folder / "located.csv").write_text("id,x_um,y_um,modulus_gpa,hardness_gpa,status,flag\n" + "\n".join(rows) + "\n")
    sha256 = hashlib.sha256((folder / "before.tif").read_bytes()).hexdigest()
    before = {"path": str(folder / "before.tif"), "sha256": sha256}
    record = {
        "before": before,
        "pixel_size_um": PIXEL_UM,
        "indents": 4,
        "flags": {"fine": 2, "pore": 1},
        "batches": [{}],
    }
    (folder / "located.json").write_text(json.dumps(record))
    text, result = report([folder], tmp_path / "r.html")
    assert result.warnings == ()
    (view,) = views(text)
    assert view["points"]["xy"] == [2.5, 3.5, 4, 5, 9, 9]
    assert view["points"]["said"] == ["T1, 30 GPa, 1 GPa", "T2, failed", "T4, 20 GPa, 0.8 GPa, pore"]
    assert view["points"]["doubtful"] == [0, 1, 1]
    assert "located indents" in text
    (folder / "located.json").unlink()
    (folder / "specimen.json").write_text(json.dumps({"origin": {"pixel_size_um": PIXEL_UM}, "recipe": {"name": "wc"}}))
    raster(folder / "truth_modulus.ome.tif", map_values()["modulus"], "Modulus (GPa)")
    phases = np.arange(CELLS[0] * CELLS[1], dtype=np.uint8).reshape(CELLS) % 3
    raster(folder / "truth_phases.ome.tif", phases, "Phase", about="True phase at the surface: 0 PORE, 1 LD_CSH, 2 CH.")
    text, _ = report([folder], tmp_path / "r.html")
    layers = {each["name"]: each for each in views(text)[0]["layers"]}
    assert [*layers] == ["BSE image", "True modulus", "True phase"]
    assert layers["True phase"]["legend"] == {"0": "pore", "1": "LD-CSH", "2": "CH"}


def test_outputs_are_not_replaced_unasked(mapped, tmp_path) -> None:
    with pytest.raises(InputError, match="nothing to report on"):
        write_report([], tmp_path / "r.html")
    with pytest.raises(InputError, match="given twice"):
        write_report([mapped, mapped.parent / "map"], tmp_path / "r.html")
    with pytest.raises(InputError, match=r"ends in \.html"):
        write_report([mapped], tmp_path / "r.pdf")
    with pytest.raises(FileAccessError, match="nowhere does not exist; wanted an image"):
        write_report([mapped], tmp_path / "r.html", ReportConfig(mosaics=(tmp_path / "nowhere",)))
    (tmp_path / "dir.html").mkdir()
    with pytest.raises(FileAccessError, match="is a folder"):
        write_report([mapped], tmp_path / "dir.html")
    (tmp_path / "r.html").write_text("mine")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write_report([mapped], tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text() == "mine"
    assert {each.name for each in tmp_path.iterdir()} == {"dir.html", "r.html"}


def test_figures_are_written_as_pdf_and_png(mapped, mixtures, tmp_path) -> None:
    result = write_report([mapped, mixtures], tmp_path / "r.html", ReportConfig(figures=tmp_path / "figures"))
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == sorted(path.name for path in result.figures)
    assert {"map-modulus.pdf", "map-modulus.png", "found-modulus-distribution.pdf"} <= set(names)
    for path in result.figures:
        assert path.read_bytes()[:4] == {".pdf": b"%PDF", ".png": b"\x89PNG"}[path.suffix]
    with Image.open(tmp_path / "figures" / "map-modulus.png") as image:
        assert image.info["dpi"][0] == pytest.approx(300, rel=1e-3)
    names = [f"found-modulus-distribution{end}" for end in (".pdf", ".png")]
    before = [(tmp_path / "figures" / name).read_bytes() for name in names]
    with pytest.raises(OutputExistsError, match="map-modulus"):
        write_report([mapped], tmp_path / "s.html", ReportConfig(figures=tmp_path / "figures"))
    assert not (tmp_path / "s.html").exists()
    write_report([mixtures], tmp_path / "r.html", ReportConfig(figures=tmp_path / "figures"), overwrite=True)
    assert [(tmp_path / "figures" / name).read_bytes() for name in names] == before


def test_large_pages_are_made_smaller_until_they_fit(mapped, tmp_path, monkeypatch) -> None:
    _, whole = report([mapped], tmp_path / "r.html")
    plain = 60_000  # scripts, styles and charts
    monkeypatch.setattr(report_module, "MOST_BYTES", plain + (whole.size_bytes - plain) // 2)
    text, small = report([mapped], tmp_path / "r.html")
    assert small.size_bytes <= report_module.MOST_BYTES
    with Image.open(io.BytesIO(base64.b64decode(views(text)[0]["layers"][0]["data"].partition(",")[2]))) as image:
        assert image.size == (MOSAIC_PX[1] // 2, MOSAIC_PX[0] // 2)
    monkeypatch.setattr(report_module, "MOST_BYTES", 10_000)
    with pytest.raises(InputError, match="give fewer folders"):
        report([mapped], tmp_path / "r.html")


def test_tables_get_shorter_where_a_page_would_get_too_large(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "t.csv").write_text("a\n" + "".join(f"{n:0300d}x\n" for n in range(180)))
    _, whole = report([folder], tmp_path / "r.html")
    monkeypatch.setattr(report_module, "MOST_BYTES", whole.size_bytes - 20_000)
    text, _ = report([folder], tmp_path / "r.html")
    assert "Here are the first 100 of 180 rows" in text


def test_pictures_beyond_their_budget_are_named(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (200, 200), dtype=np.uint8)).save(folder / name)
    monkeypatch.setattr(report_module, "PICTURE_BYTES", int(1.5 * len(picture_file(folder / "a.png")[0])))
    text, _ = report([folder], tmp_path / "r.html")
    assert text.count("<img ") == 1
    assert "b.png is left out, to keep this page small" in text


def test_an_overview_is_the_mean_of_whole_squares(tmp_path) -> None:
    image = np.random.default_rng(2).integers(0, 255, (530, 707), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "m.tif", image, tile=(64, 64))
    seen = overview(tmp_path / "m.tif", largest=100)
    assert seen.factor == 8
    means = image[:528, :704].reshape(66, 8, 88, 8).mean(axis=(1, 3))
    np.testing.assert_allclose(seen.grey, means, rtol=1e-6)
    layer = seen.layer(0.1, "BSE")
    assert layer.extent_um == pytest.approx((-0.05, 70.35, -0.05, 52.75))
    np.testing.assert_array_equal(overview(tmp_path / "m.tif").grey, image)


def test_an_overview_reads_bands(tmp_path, monkeypatch) -> None:
    image = np.random.default_rng(2).integers(0, 255, (640, 320), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "m.tif", image, tile=(64, 64))
    monkeypatch.setattr("cemvis.workflows._report_mosaic._BAND_BYTES", 320 * 70)
    told: list[int] = []
    seen = overview(tmp_path / "m.tif", largest=91, progress=lambda _stage, done, _steps: told.append(done))
    assert told == list(range(64, 641, 64))
    assert seen.factor == 8
    np.testing.assert_allclose(seen.grey, image.reshape(80, 8, 40, 8).mean(axis=(1, 3)), rtol=1e-6)


def test_a_mosaic_without_a_name_or_digest(tmp_path) -> None:
    path = write_mosaic(tmp_path / "m.tif")
    assert find_mosaic({}, tmp_path).path is None
    assert find_mosaic({"file": "m.tif"}, tmp_path).path == path
    assert find_mosaic({"file": "m.tif", "sha256": "00"}, tmp_path).path is None


def test_large_maps_are_averaged_and_their_histogram_is_not(tmp_path) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(50, 5, (100, 130)).astype(np.float32)
    values[:3, :3] = np.nan
    raster(tmp_path / "modulus.ome.tif", values, "Modulus (GPa)")
    found = RasterFile.open(tmp_path / "modulus.ome.tif")
    assert found is not None
    layer = value_layer(found, largest=44)
    assert layer.values.shape == (34, 44)
    assert np.isnan(layer.values[0, 0])
    np.testing.assert_allclose(layer.values[1, 1], values[3:6, 3:6].mean(), rtol=1e-5)
    np.testing.assert_allclose(layer.values[-1, -1], values[99:, 129:].mean(), rtol=1e-5)
    assert layer.extent_um[1] == pytest.approx(FIRST_UM - STEP_UM / 2 + 44 * 3 * STEP_UM)
    chart = raster_chart(found)
    assert (chart.all_values, chart.unit) == (100 * 130 - 9, "GPa")
    known = values[np.isfinite(values)].astype(float)
    assert chart.edges[-1] == pytest.approx(np.percentile(known, 99.8))
    np.testing.assert_array_equal(chart.counts, np.histogram(known, chart.edges)[0])
    assert chart.median == pytest.approx(np.median(known))
    numbers = (np.arange(100 * 130) % 4).reshape(100, 130).astype(np.uint8)
    raster(tmp_path / "n.ome.tif", numbers, "N")
    found = RasterFile.open(tmp_path / "n.ome.tif")
    assert found is not None
    np.testing.assert_array_equal(class_layer(found, largest=44).numbers, numbers[1::3, 1::3])
