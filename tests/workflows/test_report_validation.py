"""A run of ``cemvis validate`` on a page: its maps beside the truth, mixtures over values, a table of the findings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cemvis.report.page.content import Chart, ImageLayer, Picture, Section, Table, ValueLayer, View
from cemvis.report.style import robust_range
from cemvis.workflows._report_figures import _drawings
from cemvis.workflows._report_folder import RunFolder
from cemvis.workflows._report_sections import sections_of
from cemvis.workflows._report_view import Sources
from cemvis.workflows.report import write_report
from report_folders import EVIL, map_values, raster, write_validation


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_validation(tmp_path / "found")


def section(folder: Path) -> Section:
    return sections_of([RunFolder.open(folder)], Sources())[0].section


def of_kind(found: Section, kind: type) -> list:
    return [each for each in found.blocks if isinstance(each, kind)]


def test_maps_and_truth_are_layers_in_one_scale_of_colours_on_the_mosaic(folder) -> None:
    (view,) = of_kind(found := section(folder), View)
    assert isinstance(view.layers[0], ImageLayer)
    values = {each.name: each for each in view.layers if isinstance(each, ValueLayer)}
    assert list(values) == ["Modulus, net", "Modulus, line", "True modulus"]
    modulus = map_values()["modulus"]
    np.testing.assert_allclose(values["True modulus"].values, modulus + 100, rtol=1e-6)
    limits = {each.limits for each in values.values()}
    assert len(limits) == 1
    assert limits.pop() == pytest.approx(robust_range(modulus))  # the median of three: two maps and the higher truth
    assert not of_kind(found, Picture)  # maps.png shows the same


def test_mixtures_stand_over_values_that_span_the_same_range(folder) -> None:
    found = section(folder)
    charts = of_kind(found, Chart)
    assert [each.title for each in charts] == ["Modulus, measured", "Modulus, net", "Modulus, line"]
    assert [each.all_values for each in charts] == [400, *[int(np.isfinite(map_values()["modulus"]).sum())] * 2]
    for each in charts:
        np.testing.assert_array_equal(each.edges, charts[0].edges)
        assert [curve.mean for curve in each.curves] == [25, 60]
        assert each.doubtful
    assert found.warnings == (
        "mixtures in modulus are not supported by the data of: measured, net, line, truth of the area",
    )


def test_what_was_found_is_told_at_the_top_and_in_a_table(folder) -> None:
    found = section(folder)
    assert [(each.label, each.value) for each in found.facts] == [
        ("modulus, net", "1.5 GPa"),
        ("modulus, line", "1.5 GPa"),
    ]
    assert "(1 to 2); that of halves of these 0.44; R\N{SUPERSCRIPT TWO} 0.90" in found.facts[0].note
    table = of_kind(found, Table)[0]
    assert "sd over measured" not in table.columns  # nothing is known of it
    assert [row[1:4] for row in table.rows] == [
        ("net", "1.5 (1 to 2)", "no"),
        ("line", "1.5 (1 to 2)", "yes"),
        ("truth of the area", "1.5 (1 to 2)", "yes"),
    ]
    assert table.rows[0][-1] == "0.9 (0.88 to 0.92)"
    assert table.rows[2][-1] == ""


def test_what_is_another_map_table_or_truth_by_now_is_told_and_not_shown(folder, tmp_path) -> None:
    path = folder / "maps" / "map-1" / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model": {"sha256": "cd" * 32}}))
    (tmp_path / "indents.csv").write_text("modulus_gpa,batch\n30,b\n31,b\n")
    (tmp_path / "area" / "truth_modulus.ome.tif").write_bytes(b"another")
    found = section(folder)
    names = [each.name for each in of_kind(found, View)[0].layers]
    assert "Modulus, net" in names
    assert not {"Modulus, line", "True modulus"} & set(names)
    assert any("the map line is not there any more, or is another one" in text for text in found.warnings)
    assert any("indents.csv has changed since" in text for text in found.warnings)
    assert [each.title for each in of_kind(found, Chart)] == ["Modulus, measured", "Modulus, net"]
    assert of_kind(found, Chart)[0].all_values == 0


def test_a_folder_that_was_moved_with_its_maps_shows_them(folder, tmp_path) -> None:
    moved = (tmp_path / "elsewhere").with_suffix("")
    folder.rename(moved)
    names = [each.name for each in of_kind(section(moved), View)[0].layers]
    assert names[1:3] == ["Modulus, net", "Modulus, line"]


@pytest.mark.parametrize(("less", "said"), [(0, True), (100, False)])
def test_a_figures_caption_speaks_of_equal_ratios_where_there_are_some(folder, less: float, said: bool) -> None:
    values = map_values()["modulus"] - less
    raster(folder / "maps" / "map-0" / "modulus.ome.tif", values.astype(np.float32), "Modulus (GPa)")
    (drawn,) = sections_of([RunFolder.open(folder)], Sources())
    _, draw = next(_drawings([drawn]))
    caption = " ".join(text.get_text() for text in draw().texts)
    assert "Colours span" in caption
    assert ("by equal ratios" in caption) is said


def test_digests_are_told_with_the_map_that_they_are_of(folder) -> None:
    path = folder / "validation.json"
    record = json.loads(path.read_text())
    record["inputs"]["maps"][0]["model"]["training_areas"] = [{"name": "a", "mosaic_sha256": "12" * 32}] * 30
    path.write_text(json.dumps(record))
    origins = section(folder).origins
    assert ("net, model", f"SHA-256 {'ab' * 32}") in origins
    assert any(name == "line, mosaic" and text.startswith("before.tif SHA-256") for name, text in origins)


def test_labels_are_text(tmp_path) -> None:
    page = tmp_path / "report.html"
    write_report([write_validation(tmp_path / "found", second=EVIL)], page)
    text = page.read_text(encoding="utf-8")
    assert "<script>window.hacked" not in text
    assert "<img src=x" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {"maps": ["x", {"path": 3}, {"path": "\0"}], "measured": ["x", 3], "truth": {"sha256": []}}},
        {"properties": {"modulus": {"compared": {"net": 3}, "errors": [], "sources": {"measured": None, "net": {}}}}},
        {"properties": {"modulus": {"compared": [], "errors": {"net": {"against_truth": [3]}}}, "x": 3}},
        {"inputs": None, "pixel_size": {"um": 10**400}, "many": [10**400] * 20},
    ],
)
def test_whatever_stands_in_the_record_there_is_a_page(folder, tmp_path, change) -> None:
    path = folder / "validation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert write_report([folder], tmp_path / "report.html").sections == 1
