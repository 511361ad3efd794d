"""What `cemvis dataset` chooses, and how it is split."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from areas import PIXEL_UM, WINDOW_PX
from cemvis.images.grey_scale import GreyScale
from cemvis.models.splits import Places, batch_split, network_split, random_split
from cemvis.workflows._dataset_splits import split_by_batches, split_by_pairs
from cemvis.workflows.dataset import load_data_set, make_data_set
from cemvis.workflows.train import train
from data_sets import CONFIG, TRAINING, decide
from located import write_located

pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CoverageWarning")


def test_a_row_for_each_pair_with_its_window_and_what_was_measured(made, tmp_path) -> None:
    folders = [made / "one" / "located", made / "two" / "located"]
    result = make_data_set(folders, tmp_path / "data", CONFIG, command="cemvis dataset")
    frame = pd.read_parquet(tmp_path / "data" / "manifest.parquet")
    assert list(frame["area"].unique()) == ["one/located", "two/located"]
    source = pd.concat([pd.read_csv(folder / "located.csv") for folder in folders], ignore_index=True)
    for name in ("id", "batch", "row", "column", "x_um", "y_um", "modulus_gpa", "hardness_gpa", "depth_nm", "load_mn"):
        assert frame[name].tolist() == source[name].tolist()
    assert frame["score"].tolist() == source["score"].tolist()
    np.testing.assert_array_equal(frame["residual_px"], np.hypot(source["residual_x_px"], source["residual_y_px"]))
    corner = np.floor(source[["y_um", "x_um"]].to_numpy() / PIXEL_UM - (WINDOW_PX - 1) / 2 + 0.5)
    np.testing.assert_array_equal(frame[["top_left_row_px", "top_left_col_px"]], corner)
    about = json.loads((tmp_path / "data" / "manifest.json").read_text())
    assert about == json.loads(
        json.dumps(result.about | {k: about[k] for k in ("format", "format_version", "manifest")})
    )
    assert (about["pairs"], about["batches"], about["command"]) == (576, 16, "cemvis dataset")
    one = about["areas"][0]["mosaic"]
    assert not Path(one["path"]).is_absolute()
    assert (tmp_path / "data" / one["path"]).resolve() == (made / "one" / "before.tif").resolve()
    assert one["sha256"] == hashlib.sha256((made / "one" / "before.tif").read_bytes()).hexdigest()
    assert (one["pixel_size_um"], one["shape"]) == (PIXEL_UM, [440, 840])
    assert one["anchors"]["clinker"] == pytest.approx(210, abs=3)
    assert about["manifest"]["units"]["depth_nm"] == "nm"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["manifest.json", "manifest.parquet"]


def test_the_same_seed_gives_the_same_table_and_another_one_other_splits(made, tmp_path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_data_set([made / "one"], tmp_path / name, replace(CONFIG, seed=seed))
    a, b, c = ((tmp_path / name / "manifest.parquet").read_bytes() for name in "abc")
    assert a == b != c


def test_splits_are_70_15_15_and_batches_stay_whole(made, tmp_path) -> None:
    frame = make_data_set([made / "one", made / "two"], tmp_path / "data", CONFIG).frame
    assert frame["split_random"].value_counts().to_dict() == {"train": 404, "validation": 86, "test": 86}
    per_batch = frame.groupby(["area", "batch"])["split_batch"].nunique()
    assert len(per_batch) == 16
    assert (per_batch == 1).all()
    shares = frame["split_batch"].value_counts(normalize=True)
    assert shares["test"] == shares["validation"] == 2 / 16
    assert (frame.groupby(["area", "batch"])["split_random"].nunique() > 1).any()


@pytest.mark.parametrize("count", [2, 3, 7, 40, 61])
def test_the_batches_to_test_on_are_those_that_training_draws(count) -> None:
    batches = np.repeat(np.arange(count), 40)
    mine = split_by_batches(batches, seed=5)
    places = Places(np.zeros(len(batches), np.int64), np.arange(len(batches))[:, None] * np.array([100, 0]))
    network = network_split(batches, places, guard_px=1, level=0.9, seed=5)
    np.testing.assert_array_equal(np.flatnonzero(mine == "test"), network.test)
    assert set(np.flatnonzero(mine == "test")) <= set(batch_split(batches, level=0.9, seed=5).test)
    assert {"train", "test"} <= set(mine)
    assert ("validation" in mine) == (count > 2)
    drawn = split_by_pairs(len(batches), seed=5)
    assert set(np.flatnonzero(drawn == "test")) <= set(random_split(len(batches), seed=5).test)


def test_one_batch_is_all_for_training() -> None:
    assert set(split_by_batches(np.full(9, 4), seed=0)) == {"train"}
    assert set(split_by_pairs(2, seed=0)) == {"train"}


def test_each_filter_takes_its_rows_and_counts_them(base, tmp_path) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv")
    table.loc[0:2, "status"] = "bad fit"
    table.loc[3, ["modulus_gpa", "hardness_gpa"]] = np.nan
    table.loc[4:5, "x_um"] = np.nan
    table["flag"] = table["flag"].astype(object)
    table.loc[6, "flag"], table.loc[7, "flag"] = "pore", "ambiguous"
    table.loc[8, "score"], table.loc[9, "score"] = 1.0, np.nan
    table.loc[10, "residual_x_px"], table.loc[11, "residual_y_px"] = 40.0, np.nan
    table.loc[12, "error_px"] = 3.0
    table.loc[13, "depth_nm"], table.loc[14, "depth_nm"] = 100.0, np.nan
    table.loc[15, "y_um"] = 0.3
    write_located(located, table)
    limits = {"min_score": 4.0, "max_residual_px": 5.0, "max_error_px": 1.0, "depth_nm": (300.0, 700.0)}
    lines: list[str] = []
    result = make_data_set([located], tmp_path / "data", replace(CONFIG, **limits), on_area=lines.append)
    left_out = {"status": 3, "no_value": 1, "no_position": 2, "rejected": 0, "flag": 2, "score": 2, "residual": 2}
    left_out |= {"error": 1, "depth": 2, "border": 1}
    assert result.about["areas"][0]["left_out"] == left_out
    assert result.frame["id"].tolist() == table["id"].tolist()[16:]
    assert lines == [
        "located: 272 pairs of 288 indents, windows of 30 px at 100 nm per px (located.json); left out: 3 of another "
        "status, 1 without modulus and hardness, 2 without a position, 2 flagged, 2 below the least score, 2 with too "
        "large a residual, 1 with too large an error, 2 of another depth, 1 with a window across the border"
    ]
    plain = make_data_set([located], tmp_path / "plain", replace(CONFIG, statuses=("OK", "Bad fit"), flags=("pore",)))
    assert set(table["id"]) - set(plain.frame["id"]) == set(table["id"][[3, 4, 5, 7, 15]])


def test_what_a_person_decided_is_respected(base, tmp_path) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv")
    table["flag"] = table["flag"].astype(object)
    table.loc[0:3, "flag"] = "ambiguous"
    table.loc[4, ["score", "residual_x_px", "error_px"]] = 0.5, 90.0, 9.0
    table.loc[5, "status"] = "failed"
    table.loc[6, ["modulus_gpa", "hardness_gpa"]] = np.nan
    write_located(located, table)
    said = [f"b0-{number},b0,accept," for number in (0, 4, 5, 6, 20)]
    decide(
        located, *said, "b0-1,b0,,undecided", "b0-2,b0,reject,", " b1-7 , b1 , Reject ,a hair", "b1-7,b1,reject,again"
    )
    limits = replace(CONFIG, min_score=2.0, max_residual_px=5.0, max_error_px=2.0)
    result = make_data_set([located], tmp_path / "data", limits)
    gone = set(table["id"]) - set(result.frame["id"])
    assert gone == {"b0-1", "b0-2", "b0-3", "b0-5", "b0-6", "b1-7"}
    said_so = result.about["areas"][0]["decisions"]
    assert (said_so["rejected"], said_so["accepted"]) == (2, 2)
    assert said_so["sha256"] == hashlib.sha256((located / "decisions.csv").read_bytes()).hexdigest()


def test_given_anchors_are_kept_and_need_no_histogram(made, tmp_path) -> None:
    given = GreyScale(matrix=100, clinker=200)
    make_data_set([made / "one"], tmp_path / "data", replace(CONFIG, anchors=given))
    areas = load_data_set(tmp_path / "data").areas
    assert train(areas, tmp_path / "m.safetensors", TRAINING).model.grey_scale == given


def test_depths_without_an_upper_bound(base, tmp_path) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv")
    limits = replace(CONFIG, depth_nm=(500.0, float("inf")))
    result = make_data_set([located], tmp_path / "data", limits, export=tmp_path / "pairs.zarr")
    assert result.frame["id"].tolist() == table["id"][table["depth_nm"] >= 500].tolist()
    assert 0 < len(result.frame) < 288
    for text in ((tmp_path / "data" / "manifest.json").read_text(), (tmp_path / "pairs.zarr" / ".zattrs").read_text()):
        assert json.loads(text, parse_constant=pytest.fail)["settings"]["depth_nm"] == [500.0, None]
    assert len(load_data_set(tmp_path / "data").frame) == len(result.frame)
