from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from cemvis._files import sha256_of
from cemvis.analysis.specimen.recipes import RECIPES
from cemvis.errors import FileAccessError, InputError, OutputExistsError
from cemvis.workflows.specimen import SpecimenConfig, make_specimen

SMALL = SpecimenConfig(seed=5, batches=1, pixel_size_um=0.5, truth_step_um=20.0)
FILES = {
    "before.tif",
    "indents.csv",
    "indents.png",
    "specimen.json",
    "specimen.png",
    "truth_hardness.ome.tif",
    "truth_modulus.ome.tif",
    "truth_phases.ome.tif",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_specimen(SMALL, tmp_path_factory.mktemp("specimen"), threads=2)[0]


def test_all_files_are_there_and_agree(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == FILES
    area = SMALL.area(0)
    with tifffile.TiffFile(made / "before.tif") as tiff:
        np.testing.assert_array_equal(tiff.asarray(), area.image(next(area.windows(10_000))))
        assert 'PhysicalSizeX="0.5"' in tiff.ome_metadata
    np.testing.assert_array_equal(
        tifffile.imread(made / "truth_phases.ome.tif"), area.phases(next(area.windows(10_000)))
    )
    truth = tifffile.imread(made / "truth_modulus.ome.tif")
    assert truth.shape == (10, 10)
    first = np.array([[10 - 0.25, 10 - 0.25]])
    assert truth[0, 0] == pytest.approx(area.truth(first)[0][0], rel=1e-6)


def test_the_table_holds_what_the_indenter_reports(made: Path) -> None:
    table = pd.read_csv(made / "indents.csv")
    indents = SMALL.area(0).indent()
    assert len(table) == 400
    assert (table.status == "failed").sum() == indents.failed.sum()
    ok = table.status == "ok"
    np.testing.assert_allclose(table.modulus_gpa[ok], indents.modulus_gpa[~indents.failed], atol=6e-4)
    np.testing.assert_allclose(table.hardness_gpa[ok], indents.hardness_gpa[~indents.failed], atol=6e-5)
    assert table.modulus_gpa[~ok].isna().all()
    np.testing.assert_allclose(table[["x_um", "y_um"]], SMALL.area(0).indents_xy_um(), atol=6e-4)
    assert table.batch.unique().tolist() == ["a000-b000"]
    assert (table.row * 20 + table.column == table.id).all()


def test_the_record_names_settings_units_and_digests(made: Path) -> None:
    about = json.loads((made / "specimen.json").read_text())
    assert about["origin"]["seed"] == 5
    assert about["units"]["modulus_gpa"] == "GPa"
    assert set(about["sha256"]) == FILES - {"specimen.json"}
    assert about["sha256"]["before.tif"] == sha256_of(made / "before.tif")


def test_the_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = make_specimen(SMALL, tmp_path, threads=1)[0]
    assert {p.name: sha256_of(p) for p in again.iterdir()} == {p.name: sha256_of(p) for p in made.iterdir()}


def test_more_areas_keep_those_that_are_there(tmp_path: Path) -> None:
    first = make_specimen(SMALL, tmp_path)[0]
    before = (first / "before.tif").stat().st_mtime_ns
    folders = make_specimen(replace(SMALL, areas=2), tmp_path)
    assert [folder.name for folder in folders] == ["area-000", "area-001"]
    assert (first / "before.tif").stat().st_mtime_ns == before
    assert sha256_of(folders[1] / "before.tif") != sha256_of(first / "before.tif")


def test_other_settings_do_not_replace_unasked(tmp_path: Path) -> None:
    folder = make_specimen(SMALL, tmp_path)[0]
    other = replace(SMALL, seed=6)
    with pytest.raises(OutputExistsError, match="made with other settings"):
        make_specimen(other, tmp_path)
    make_specimen(other, tmp_path, overwrite=True)
    assert json.loads((folder / "specimen.json").read_text())["origin"]["seed"] == 6


def test_a_foreign_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "area-000").mkdir()
    (tmp_path / "area-000" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="no area of a virtual specimen"):
        make_specimen(SMALL, tmp_path, overwrite=True)
    assert (tmp_path / "area-000" / "thesis.txt").read_text() == "mine"


def test_an_interrupt_leaves_nothing_half_made(tmp_path: Path) -> None:
    def interrupt(stage: str, *_counts: int) -> None:
        if "true properties" in stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_specimen(SMALL, tmp_path, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moved", ["area-000", ".area-000.part"])
def test_a_failed_replacement_leaves_the_old_area(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    old = shutil.copytree(made, tmp_path / "area-000")
    rename = Path.replace

    def failing(path: Path, target: Path) -> Path:
        if path.name == moved:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(FileAccessError, match="No space left"):
        make_specimen(replace(SMALL, seed=6), tmp_path, overwrite=True)
    assert list(tmp_path.iterdir()) == [old]
    assert {p.name: sha256_of(p) for p in old.iterdir()} == {p.name: sha256_of(p) for p in made.iterdir()}


def test_what_a_killed_run_left_is_replaced_when_asked(made: Path, tmp_path: Path) -> None:
    """Killed between the two renames: the old area lies aside, the new one is not in place."""
    shutil.copytree(made, tmp_path / ".area-000.old")
    (tmp_path / ".area-000.part").mkdir()
    with pytest.raises(OutputExistsError, match=r"area-000\.part is there already.*--overwrite"):
        make_specimen(SMALL, tmp_path)
    assert (tmp_path / ".area-000.old" / "before.tif").exists()
    folder = make_specimen(SMALL, tmp_path, overwrite=True)[0]
    assert list(tmp_path.iterdir()) == [folder]
    assert sha256_of(folder / "before.tif") == sha256_of(made / "before.tif")


def test_a_recipe_that_has_changed_is_made_anew(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made, tmp_path / "area-000")
    assert make_specimen(SMALL, tmp_path) == [tmp_path / "area-000"]
    recipe = RECIPES[SMALL.recipe]
    changed = replace(recipe, paste=replace(recipe.paste, rim_um=0.45))
    monkeypatch.setitem(RECIPES, SMALL.recipe, changed)
    with pytest.raises(OutputExistsError, match="made with other settings"):
        make_specimen(SMALL, tmp_path)


def test_an_output_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileAccessError, match="cannot write"):
        make_specimen(SMALL, tmp_path / "file")


def test_another_session_shifts_and_stretches_the_grey_levels() -> None:
    window = next(SMALL.area(0).windows(10_000))
    other = replace(SMALL, contrast=0.5, brightness=40.0)
    grey = SMALL.area(0).image(window).astype(float)
    inside = (grey > 0) & (grey < 255)  # not cut off at the ends of the scale
    # Half a level of rounding in either image, and the same noise in both.
    np.testing.assert_allclose(other.area(0).image(window)[inside], 0.5 * grey[inside] + 40.0, atol=0.75 + 1e-9)
    assert "contrast" not in SMALL.origin(0)
    assert other.origin(0)["contrast"] == 0.5


def test_settings_out_of_range() -> None:
    with pytest.raises(InputError, match="contrast"):
        SpecimenConfig(contrast=0.0)
    with pytest.raises(InputError, match="brightness is 300"):
        SpecimenConfig(brightness=300.0)
    with pytest.raises(InputError, match="areas is 0"):
        make_specimen(replace(SMALL, areas=0), Path("unused"))
    with pytest.raises(InputError, match="truth_step_um"):
        make_specimen(replace(SMALL, truth_step_um=5000.0), Path("unused"))
    with pytest.raises(InputError, match=r"truth_step_um is 0\.0001; wanted 0\.5"):
        make_specimen(replace(SMALL, truth_step_um=1e-4), Path("unused"))
    with pytest.raises(InputError, match=r"truth_step_um is 0\.04; wanted 1 .*10000 steps"):
        make_specimen(SpecimenConfig(batches=50, truth_step_um=0.04), Path("unused"))
    with pytest.raises(InputError, match="no recipe"):
        make_specimen(replace(SMALL, recipe="granite"), Path("unused"))
