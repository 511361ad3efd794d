from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cemvis import __version__
from cemvis.analysis.indentation.located import ADDED, LocatedIndents, read_decisions
from cemvis.images.micrograph import open_micrograph
from cemvis.images.registration import DisplacementField
from cemvis.workflows.locate import LocateResult, locate
from cemvis.workflows.specimen import SpecimenConfig, make_specimen

PIXEL_UM = 0.2  # an imprint is 17 px wide, the pitch 50 px


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = SpecimenConfig(seed=2, batches=1, pixel_size_um=PIXEL_UM, truth_step_um=20.0, after=True)
    return make_specimen(config, tmp_path_factory.mktemp("specimen") / "paste", threads=2)[0]


def run(area: Path, output: Path, **options: object) -> LocateResult:
    return locate(area / "before.tif", area / "after.tif", area / "indenter.csv", output, threads=2, **options)


@pytest.fixture(scope="module")
def first(area: Path) -> LocateResult:
    stages: list[str] = []
    result = run(area, area / "located", command="cemvis locate", progress=lambda stage, *_: stages.append(stage))
    assert {"coarse field", "after less before", "looking for the grid", "batches", "pictures"} <= set(stages)
    return result


@pytest.fixture(scope="module")
def truth(area: Path, first: LocateResult) -> pd.DataFrame:
    """What is true of each test, in the order of the indenter's table."""
    return pd.read_csv(area / "truth_indents.csv").set_index("id").loc[list(first.located.table.id)]


def away_px(located: LocatedIndents, truth: pd.DataFrame) -> np.ndarray:
    return np.hypot(*(located.before_xy_px - truth[["x_um", "y_um"]].to_numpy() / PIXEL_UM).T)


def test_positions_are_right_to_a_fraction_of_an_imprint(first: LocateResult, truth: pd.DataFrame) -> None:
    away = away_px(first.located, truth)
    assert np.sqrt((away**2).mean()) < 1.3
    assert away.max() < 4
    after = np.hypot(*(first.located.after_xy_px - truth[["after_x_px", "after_y_px"]].to_numpy()).T)
    assert np.nanmedian(after) < 1.5
    assert np.isfinite(after).mean() > 0.98


def test_flags_tell_which_imprints_are_not_there(first: LocateResult, truth: pd.DataFrame) -> None:
    flag = np.array(first.located.flag)
    unseen, seen = truth["visible"].to_numpy() == 0, truth["visible"].to_numpy() == 1
    assert unseen.sum() > 3
    assert (flag[unseen] != "").all()
    registered = flag != "unregistered"  # registration may not vouch for the mosaic's border
    assert registered.mean() > 0.8
    assert (flag[seen & registered] == "").mean() > 0.9
    assert np.median(first.located.score[seen]) > 6
    assert np.abs(first.located.score[(truth["missed"] == 1).to_numpy()]).max() < 4
    assert set(flag) <= {"", "missing", "pore", "ambiguous", "unregistered"}


@pytest.mark.usefixtures("first")
def test_values_stay_with_their_tests(area: Path) -> None:
    exported = pd.read_csv(area / "indenter.csv")
    table = pd.read_csv(area / "located" / "located.csv")
    for name in ("id", "batch", "row", "column", "modulus_gpa", "hardness_gpa", "depth_nm", "load_mn", "status"):
        pd.testing.assert_series_equal(table[name], exported[name], check_dtype=False)
    assert tuple(table.columns[-len(ADDED) :]) == ADDED
    assert table["x_um"].between(0, 200).all()


@pytest.mark.usefixtures("first")
def test_the_summary_says_where_everything_comes_from(area: Path) -> None:
    about = json.loads((area / "located" / "located.json").read_text(encoding="utf-8"))
    assert (about["version"], about["command"], about["pixel_size_um"]) == (__version__, "cemvis locate", PIXEL_UM)
    for name, file in (("before", "before.tif"), ("after", "after.tif"), ("indents_file", "indenter.csv")):
        assert about[name]["path"] == str(area / file)
        assert about[name]["sha256"] == hashlib.sha256((area / file).read_bytes()).hexdigest()
    assert about["before"]["shape"] == [1000, 1000]
    assert about["before"]["pixel_size_um"] == PIXEL_UM
    assert about["settings"]["axes"] == "+x+y"
    assert about["appearance"]["size_px"] == pytest.approx(17, abs=3)
    assert about["indents"] == sum(about["flags"].values()) == 400
    (batch,) = about["batches"]
    assert (batch["rows"], batch["columns"]) == (20, 20)
    assert batch["pitch_px"] == pytest.approx([50, 50], rel=0.01)
    assert np.hypot(*batch["x_axis"]) == pytest.approx(1)
    assert (len(batch["column_error_px"]), len(batch["row_error_px"])) == (20, 20)
    assert batch["evidence"] > 30
    again = LocatedIndents.load(area / "located")
    grid = again.batches[0].erred_places_px()[again.table.row, again.table.column]
    assert np.abs(grid - again.before_xy_px).max() < 0.02


def test_files_are_there_and_nothing_else(first: LocateResult, area: Path) -> None:
    folder = area / "located"
    assert all(file.is_file() for file in first.files)
    assert {file for file in folder.rglob("*") if file.is_file()} == set(first.files)
    names = {file.name for file in first.files}
    assert {"located.csv", "located.json", "gallery.png", "grid.png", "walks.png", "review.html", "field.npz"} <= names


def test_after_places_follow_from_the_registration(first: LocateResult, area: Path) -> None:
    field = DisplacementField.load(area / "located" / "registration" / "field.npz")
    shown = np.isfinite(first.located.after_xy_px[:, 0])
    again = field.before_xy(first.located.after_xy_px[shown])
    assert np.hypot(*(again - first.located.before_xy_px[shown]).T).max() < 0.5
    with open_micrograph(area / "after.tif") as after:
        assert (first.located.after_xy_px[shown] <= np.array(after.shape[::-1]) - 0.5).all()


def test_a_second_run_keeps_registration_and_decisions(
    first: LocateResult, area: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = area / "located"
    decisions = f"id,batch,decision,note\n{first.located.table.id[7]},{first.located.table.batch[7]},reject,a crack\n"
    (folder / "decisions.csv").write_text(decisions)
    before = {name: (folder / name).read_bytes() for name in ("located.csv", "registration/field.npz")}
    monkeypatch.setattr("cemvis.workflows._locate_register.register_mosaics", None)
    stages: list[str] = []
    again = run(area, folder, overwrite=True, progress=lambda stage, *_: stages.append(stage))
    assert not {"coarse field", "tiles"} & set(stages)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert again.files == first.files
    assert (folder / "decisions.csv").read_text() == decisions
    assert read_decisions(folder / "decisions.csv") == {
        (first.located.table.batch[7], again.located.table.id[7]): ("reject", "a crack")
    }
    assert "a crack" in (folder / "review.html").read_text(encoding="utf-8")
