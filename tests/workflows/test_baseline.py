"""The baseline: what plain statistics tell of classes of maps, written and read back; bad sets are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cemvis.analysis.porosity.pores import pore_statistics
from cemvis.errors import InputError, OutputExistsError, PixelSizeError
from cemvis.workflows._baseline_files import few_of
from cemvis.workflows.baseline import BaselineConfig, BaselineResult, baseline
from metal_paste import write_class, write_picture

FEW = {"size_px": 64, "resamplings": 200}


def run(root: Path, output: Path, **settings: object) -> BaselineResult:
    return baseline([root], output, BaselineConfig(**{**FEW, **settings}), command="cemvis baseline")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("maps")
    write_class(made, "S1", mean=0.3, sigma=5, specimens=3)
    write_class(made, "S2", mean=0.15, sigma=3, specimens=3)
    write_class(made, "S3", mean=0.3, sigma=5, specimens=3)
    return made


@pytest.fixture(scope="module")
def found(root: Path, tmp_path_factory: pytest.TempPathFactory) -> BaselineResult:
    return run(root, tmp_path_factory.mktemp("found"))


def test_every_map_is_measured(found: BaselineResult) -> None:
    measured = found.measured
    assert len(measured.maps) == 3 * 3 * 2 * 4
    levels = measured.maps.levels([5, 30])
    for number, each in zip((5, 30), levels, strict=True):
        assert measured.porosity[number] == pytest.approx(each.mean() / 255)
        pores = pore_statistics(each, threshold=0.5)
        assert measured.pore_size_um2[number] == pytest.approx(pores.mean_px * 0.052**2)
        assert measured.pores[number] == pores.pores
    assert measured.bands.sum(axis=1) == pytest.approx(1)


def test_a_denser_class_is_told_from_two_alike(found: BaselineResult) -> None:
    by_way = {(each.feature, each.left_out): each for each in found.identifications}
    assert set(by_way) == {(f, w) for f in ("porosity", "pore size", "both") for w in ("nothing", "region", "specimen")}
    judged = by_way["porosity", "specimen"]
    assert judged.confusion[1, 1] / judged.confusion[1].sum() > 0.7
    # S1 and S3 are one material: half of what is called one of them is the other.
    assert 0.2 < judged.confusion[0, 0] / judged.confusion[0, [0, 2]].sum() < 0.8
    porosity = next(each for each in found.tests if each.feature == "porosity" and each.over == "specimens")
    assert porosity.counts == (3, 3, 3)
    assert [pair.different for pair in porosity.pairs] == [True, False, True]


def test_maps_regions_and_specimens_are_tested(found: BaselineResult) -> None:
    assert [(each.feature, each.over, each.counts[0]) for each in found.tests] == [
        (feature, over, count)
        for over, count in (("maps", 24), ("regions", 6), ("specimens", 3))
        for feature in ("porosity", "pore size")
    ]
    for feature in ("porosity", "pore size"):
        over_maps, over_regions, over_specimens = (each.means for each in found.tests if each.feature == feature)
        assert over_regions == pytest.approx(over_maps)
        assert over_specimens == pytest.approx(over_maps)
    assert found.warnings == ()
    assert found.interval_groups == "specimens"


def test_what_is_written_can_be_read(found: BaselineResult) -> None:
    folder = found.files[0].parent
    said = json.loads((folder / "baseline.json").read_text(encoding="utf-8"))
    assert said["classes"] == ["S1", "S2", "S3"]
    assert said["maps"] == {"S1": 24, "S2": 24, "S3": 24}
    assert said["regions"]["S1"] == 6
    assert said["specimens"]["S2"] == 3
    assert said["digest"] == found.measured.maps.digest
    assert said["command"] == "cemvis baseline"
    assert said["pore_size"]["threshold"] == 0.5
    maps = pd.read_csv(folder / "baseline_maps.csv")
    assert maps.groupby("class")["porosity"].mean()["S2"] == pytest.approx(said["means"][1]["porosity_mean"], abs=1e-6)
    right = (maps["by_porosity_without_nothing"] == maps["class"]).mean()
    assert right == pytest.approx(said["identification"][0]["accuracy"])
    tukey = pd.read_csv(folder / "tukey_kramer.csv")
    assert len(tukey) == 3 * 6
    differ = tukey["absolute_difference"] > tukey["critical_range"]
    assert (tukey["conclusion"].str.contains("not") != differ).all()
    bands = pd.read_csv(folder / "bands.csv")
    assert bands.groupby("class")["mean_share"].sum().to_numpy(float) == pytest.approx(1)
    identified = pd.read_csv(folder / "identification.csv")
    assert len(identified) == 9
    assert identified["p_value"].between(1 / 200, 1).all()
    assert (folder / "baseline.png").read_bytes()[:4] == b"\x89PNG"
    assert all(path.is_file() for path in found.files)


def test_one_specimen_a_class_is_warned_of(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_class(tmp_path / "in", name, mean=0.2, sigma=4, specimens=1)
    found = run(tmp_path / "in", tmp_path / "out")
    assert "class and specimen coincide" in found.warnings[0]
    assert {each.left_out for each in found.identifications} == {"nothing", "region"}
    assert {each.over for each in found.tests} == {"maps", "regions"}
    assert found.interval_groups == "regions"


def test_one_region_a_class_leaves_nothing_to_leave_out(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_class(tmp_path / "in", name, mean=0.2, sigma=4, specimens=1, regions=1)
    found = run(tmp_path / "in", tmp_path / "out")
    assert {each.left_out for each in found.identifications} == {"nothing"}
    assert any("one region only" in note for note in found.notes)


def test_isodata_is_one_threshold_for_all_maps(root: Path, tmp_path: Path) -> None:
    found = run(root, tmp_path, pore_threshold=None, area_weighted=True)
    assert 0.1 < found.measured.pore_threshold < 0.5
    said = json.loads((tmp_path / "baseline.json").read_text(encoding="utf-8"))
    assert said["pore_size"]["threshold_from"].startswith("isodata of all")
    levels = found.measured.maps.levels([3])[0]
    again = pore_statistics(levels, threshold=found.measured.pore_threshold)
    assert found.measured.pore_size_um2[3] == pytest.approx(again.area_weighted_px * 0.052**2)


def test_maps_without_pores(tmp_path: Path) -> None:
    for name, level in (("a", 10), ("b", 60)):
        for number in range(2):
            levels = np.full((64, 64), level, np.uint8)
            levels[0, 0] = number
            write_picture(tmp_path / "in" / name / f"r{number}.tif", levels)
    found = run(tmp_path / "in", tmp_path / "out")
    assert (found.measured.pore_size_um2 == 0).all()
    assert found.identifications[0].accuracy == 1
    assert all(not pair.different for pair in found.tests[1].pairs)


def test_sets_that_do_not_go_together(tmp_path: Path, root: Path, found: BaselineResult) -> None:
    write_class(tmp_path / "single", "a", mean=0.2, sigma=4)
    with pytest.raises(InputError, match="at least 2"):
        run(tmp_path / "single", tmp_path / "out")
    with pytest.raises(InputError, match="smaller than a map"):
        run(root, tmp_path / "out", size_px=384)
    for number, name in enumerate(("a", "b")):
        for each in range(2):
            levels = np.random.default_rng([number, each]).integers(0, 256, (64, 64)).astype(np.uint8)
            write_picture(tmp_path / "px" / name / f"{each}.tif", levels, pixel_um=0.05 + 0.01 * number)
    with pytest.raises(PixelSizeError):
        run(tmp_path / "px", tmp_path / "out")
    levels = np.zeros((64, 64), np.uint8)
    for name in ("a", "b"):
        write_picture(tmp_path / "same" / name / "r.tif", levels)
    with pytest.raises(InputError, match="same pixels"):
        run(tmp_path / "same", tmp_path / "out")
    with pytest.raises(OutputExistsError):
        run(root, found.files[0].parent)
    with pytest.raises(InputError, match="level"):
        BaselineConfig(level=1.0)


def test_many_names_are_cut_short() -> None:
    names = [f"c{number}" for number in range(30)]
    assert few_of(names[:6], ", ") == "c0, c1, c2, c3, c4, c5"
    assert few_of(names, ", ") == "c0, c1, c2, c3, c4, c5 and 24 more"
