from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from cemvis._files import sha256_of
from cemvis.analysis.indentation.reading import read_indents_file
from cemvis.analysis.specimen.after import after_image
from cemvis.analysis.specimen.campaign import run_campaign
from cemvis.analysis.specimen.visit import Visit
from cemvis.errors import OutputExistsError
from cemvis.workflows.specimen import SpecimenConfig, make_specimen

PLAIN = SpecimenConfig(seed=5, batches=1, pixel_size_um=0.5, truth_step_um=20.0)
AFTER = replace(PLAIN, after=True)
ADDED = {"after.tif", "indenter.csv", "truth_indents.csv", "truth_displacement.ome.tif"}
OF_TESTS = {"indents.csv", "indents.png", "specimen.json"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_specimen(AFTER, tmp_path_factory.mktemp("after"), threads=2)[0]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_specimen(PLAIN, tmp_path_factory.mktemp("plain"), threads=1)[0]


@pytest.fixture(scope="module")
def visit(made: Path) -> Visit:
    return Visit.from_json(json.loads((made / "specimen.json").read_text())["truth_visit"])


def test_the_first_visit_does_not_see_what_comes_after(made: Path, plain: Path) -> None:
    names = {path.name for path in plain.iterdir()}
    assert {path.name for path in made.iterdir()} == names | ADDED
    for name in names - OF_TESTS:
        assert sha256_of(plain / name) == sha256_of(made / name), name
    assert sha256_of(plain / "indents.csv") != sha256_of(made / "indents.csv")


def test_the_same_seed_gives_the_same_bytes_with_any_threads(made: Path, tmp_path: Path) -> None:
    again = make_specimen(AFTER, tmp_path, threads=1)[0]
    assert {p.name: sha256_of(p) for p in again.iterdir()} == {p.name: sha256_of(p) for p in made.iterdir()}


def test_plain_areas_are_not_taken_for_those_with_an_after_image(plain: Path) -> None:
    with pytest.raises(OutputExistsError, match="made with other settings"):
        make_specimen(AFTER, plain.parent)


def test_the_mosaic_is_the_after_image(made: Path, visit: Visit) -> None:
    area = AFTER.area(0)
    image = after_image(area, run_campaign(area))
    assert image.visit == visit
    with tifffile.TiffFile(made / "after.tif") as tiff:
        np.testing.assert_array_equal(tiff.asarray(), np.concatenate(list(image.bands())))
        assert 'PhysicalSizeX="0.5"' in tiff.ome_metadata
        assert "after indentation" in tiff.ome_metadata


def test_the_displacement_is_that_of_the_visit(made: Path, visit: Visit) -> None:
    with tifffile.TiffFile(made / "truth_displacement.ome.tif") as tiff:
        assert tiff.series[0].axes == "CYX"
        field = tiff.asarray()
        assert "minus position on after.tif" in tiff.ome_metadata
        assert 'PhysicalSizeX="16.0"' in tiff.ome_metadata
    x, y = np.meshgrid(np.arange(0, visit.cols, 32.0), np.arange(0, visit.rows, 32.0))
    after = np.stack([x, y], axis=-1)
    assert field.shape == (2, *x.shape)
    np.testing.assert_allclose(np.moveaxis(field, 0, -1), visit.after_to_before(after) - after, rtol=1e-6, atol=1e-4)


def test_tables_agree_test_by_test(made: Path, visit: Visit) -> None:
    indents, truth, indenter = (
        pd.read_csv(made / name).set_index("id") for name in ("indents.csv", "truth_indents.csv", "indenter.csv")
    )
    assert len(indents) == len(truth) == len(indenter) == 400
    assert set(indents.index) == set(truth.index) == set(indenter.index)
    indenter = indenter.loc[indents.index]
    for name in ("batch", "row", "column"):
        assert (indents[name] == indenter[name]).all()
        assert (indents[name] == truth[name]).all()
    for name in ("modulus_gpa", "hardness_gpa"):
        np.testing.assert_array_equal(indents[name], indenter[name])
    np.testing.assert_allclose(indents[["x_um", "y_um"]], truth[["x_um", "y_um"]], atol=6e-4)
    before = truth[["x_um", "y_um"]].to_numpy() / 0.5
    np.testing.assert_allclose(truth[["after_x_px", "after_y_px"]], visit.before_to_after(before), atol=1e-3)
    stage = indenter[["x_um", "y_um"]].to_numpy()
    np.testing.assert_allclose(stage - stage[0], 10 * indenter[["column", "row"]].to_numpy(), atol=1e-6)
    missed = truth.missed == 1
    assert indenter.load_mn[missed].isna().all()
    assert (indenter.status[missed] == "failed").all()
    assert not truth.visible[missed].any()
    ok = indenter.status == "ok"
    area_um2 = np.sqrt(3) / 4 * (truth.side_px * 0.5 * visit.scale) ** 2
    np.testing.assert_allclose(indenter.load_mn[ok], (indenter.hardness_gpa * area_um2)[ok], rtol=1e-3)


def test_the_indenters_file_is_read_like_any_other(made: Path) -> None:
    table = read_indents_file(made / "indenter.csv")
    raw = pd.read_csv(made / "indenter.csv")
    assert table.id[:2] == ("T00001", "T00002")
    np.testing.assert_allclose(table.x_um, raw.x_um)
    np.testing.assert_array_equal(table.column, raw.column)
    np.testing.assert_array_equal(np.isnan(table.modulus_gpa), raw.status == "failed")
    assert set(table.depth_nm) == {500.0}


def test_the_record_holds_the_truth(made: Path, visit: Visit) -> None:
    about = json.loads((made / "specimen.json").read_text())
    truth = pd.read_csv(made / "truth_indents.csv")
    assert about["visible"] == truth.visible.sum()
    assert about["missed"] == truth.missed.sum()
    assert about["origin"]["after"] is True
    assert about["origin"]["stage"]["step_um"] == 0.2
    assert list(about["truth_stage"]) == ["a000-b000"]
    assert len(about["truth_stage"]["a000-b000"]["column_um"]) == 20
    assert len(about["truth_visit"]["seam_x_px"]) == len(visit.offset_px[0]) - 1 > 0
    assert about["sha256"]["after.tif"] == sha256_of(made / "after.tif")
