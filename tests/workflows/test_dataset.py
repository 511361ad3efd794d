from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from areas import PIXEL_UM, WINDOW_PX, WINDOW_UM, make_area, save_mosaic
from cemvis.errors import (
    CemvisError,
    FileAccessError,
    FileFormatError,
    InputError,
    OutputExistsError,
    PixelSizeError,
)
from cemvis.images.grey_scale import GreyScale
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model_file import load_model
from cemvis.models.splits import Places, batch_split, network_split, random_split
from cemvis.models.trainer_config import TrainerConfig
from cemvis.workflows import _dataset_export as export_module
from cemvis.workflows._dataset_splits import split_by_batches, split_by_pairs
from cemvis.workflows.dataset import DatasetConfig, load_data_set, make_data_set
from cemvis.workflows.pairs import Area
from cemvis.workflows.resnet_training import ResNetConfig
from cemvis.workflows.train import TrainConfig, train
from located import make_located, write_located

CONFIG = DatasetConfig(window_um=WINDOW_UM, threads=1)
TRAINING = TrainConfig(window_um=WINDOW_UM, threads=1)
pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CoverageWarning")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Two areas of eight batches with a folder of located indents each: base/one, base/one/located, ..."""
    base = tmp_path_factory.mktemp("paste")
    for seed, name in enumerate(("one", "two"), 1):
        make_area(base / name, seed=seed, grid=(2, 4))
        make_located(base / name, base / name / "located", seed=seed)
    return base


@pytest.fixture
def base(made, tmp_path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(made, tmp_path / "paste")
    return tmp_path / "paste"


def decide(folder: Path, *lines: str) -> None:
    (folder / "decisions.csv").write_text("id,batch,decision,note\n" + "".join(f"{line}\n" for line in lines))


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


def test_training_on_a_data_set_gives_the_bytes_of_training_on_the_tables(made, tmp_path) -> None:
    folders = [made / "one", made / "two"]
    make_data_set(folders, tmp_path / "data", CONFIG)
    data = load_data_set(tmp_path / "data")
    assert (data.window_um, data.seed, len(data.to_frame())) == (WINDOW_UM, 0, 576)
    listed = train(data.areas, tmp_path / "listed.safetensors", TRAINING)
    plain = train([Area.in_folder(folder) for folder in folders], tmp_path / "plain.safetensors", TRAINING)
    assert listed.files.model.read_bytes() == plain.files.model.read_bytes()
    assert listed.files.metrics_csv.read_bytes() == plain.files.metrics_csv.read_bytes()
    record = json.loads(listed.files.metrics_json.read_text())
    assert record["areas"][0]["data_set_sha256"] == data.about["manifest"]["sha256"]
    assert json.loads(plain.files.metrics_json.read_text())["areas"][0]["data_set_sha256"] is None


def test_filtered_rows_train_as_a_table_of_just_these_rows(base, tmp_path) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv").sample(frac=1, random_state=3)  # in no order
    write_located(located, table)
    make_data_set([located], tmp_path / "data", replace(CONFIG, min_score=6.0))
    kept = tmp_path / "kept.csv"
    table[table["score"] >= 6].to_csv(kept, index=False)
    listed = train(load_data_set(tmp_path / "data").areas, tmp_path / "listed.safetensors", TRAINING).model
    area = Area("located", base / "one" / "before.tif", kept)
    plain = train([area], tmp_path / "plain.safetensors", TRAINING).model
    assert 150 < listed.training.pairs == plain.training.pairs < 288
    for one, other in zip(listed.properties, plain.properties, strict=True):
        assert one.metrics == other.metrics
        np.testing.assert_array_equal(
            one.predict(np.arange(60.0, 210)).value, other.predict(np.arange(60.0, 210)).value
        )


@pytest.fixture
def one_torch_thread():
    """A network this small trains fastest by itself."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_torch_thread")
def test_a_network_trains_on_a_data_set_as_on_its_table(tmp_path) -> None:
    quick = TrainerConfig(epochs=1, batch=32, learning_rate=2e-3, schedule="one-cycle", device="cpu")
    resnet = ResNetConfig(downsample=2, stem_pool=True, trainer=quick)
    config = replace(TRAINING, network="resnet", resnet=resnet, window_um=3.2)
    make_area(tmp_path / "one", seed=4, grid=(1, 3))
    make_data_set([tmp_path / "one"], tmp_path / "data", replace(CONFIG, window_um=3.2))
    listed = train(load_data_set(tmp_path / "data").areas, tmp_path / "listed.safetensors", config)
    plain = train([Area.in_folder(tmp_path / "one")], tmp_path / "plain.safetensors", config)
    assert listed.files.model.read_bytes() == plain.files.model.read_bytes()


def test_rows_with_one_property_serve_models_of_that_one(base, tmp_path) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv")
    table.loc[:9, "hardness_gpa"] = np.nan
    table.loc[5:9, "modulus_gpa"] = np.nan
    write_located(located, table)
    result = make_data_set([located], tmp_path / "data", CONFIG)
    assert (len(result.frame), result.about["areas"][0]["left_out"]["no_value"]) == (283, 5)
    areas = load_data_set(tmp_path / "data").areas
    assert train(areas, tmp_path / "both.safetensors", TRAINING).model.training.pairs == 278
    one = replace(TRAINING, properties=("modulus",))
    assert train(areas, tmp_path / "one.safetensors", one).model.training.pairs == 283
    write_located(located, table.drop(columns="hardness_gpa"))
    make_data_set([located], tmp_path / "bare", CONFIG)
    with pytest.raises(InputError, match="no indent of the data set has hardness; choose --properties"):
        train(load_data_set(tmp_path / "bare").areas, tmp_path / "n.safetensors", TRAINING)


class SplitSeenError(Exception):
    """Ends a training once it has drawn its split."""


@pytest.mark.parametrize("network", ["table", "resnet"])
def test_batches_called_test_are_never_trained_on_even_where_others_drop_out(base, tmp_path, monkeypatch, network):
    for name in ("one", "two"):
        table = pd.read_csv(base / name / "indents.csv")
        table.loc[table["batch"].isin(["b0", "b5"]), "hardness_gpa"] = np.nan
        table.to_csv(base / name / "indents.csv", index=False)
    seen = []

    def watched(plain):
        def split(*arguments, **options):
            seen.append(plain(*arguments, **options))
            raise SplitSeenError

        return split

    monkeypatch.setattr("cemvis.models.training.batch_split", watched(batch_split))
    monkeypatch.setattr("cemvis.models.network_training.network_split", watched(network_split))
    quick = ResNetConfig(downsample=2, stem_pool=True, trainer=TrainerConfig(epochs=1, device="cpu"))
    config = replace(TRAINING, network=network, resnet=quick, window_um=3.2)
    redrawn = 0
    for seed in range(3):
        folders = [base / "one", base / "two"]
        make_data_set(folders, tmp_path / "data", replace(CONFIG, seed=seed, window_um=3.2), overwrite=True)
        data = load_data_set(tmp_path / "data")
        left = data.frame[data.frame["hardness_gpa"].notna()].reset_index(drop=True)
        tested = set(np.flatnonzero(left["split_batch"] == "test"))
        assert len(left) == 12 * 36
        for drawn in (seed, seed + 100):
            with pytest.raises(SplitSeenError):
                train(data.areas, tmp_path / "m.safetensors", replace(config, seed=drawn))
        assert tested <= set(seen[-2].test)
        redrawn += not tested <= set(seen[-1].test)
    assert redrawn > 0


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


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["b0-1,b0,maybe,"], r"decisions\.csv, line 2: indent b0-1 of batch b0: the decision is 'maybe'; wanted"),
        (["b0-1,b0,accept,", "b9-1,b9,reject,"], r"decisions\.csv: indent b9-1 of batch b9 is not in .*located\.csv"),
        (["b0-1,b0,accept,", "b0-1,b0,reject,"], "both accepted and rejected"),
    ],
)
def test_decisions_that_make_no_sense_are_refused(base, tmp_path, lines, message) -> None:
    decide(base / "one" / "located", *lines)
    with pytest.raises(InputError, match=message):
        make_data_set([base / "one" / "located"], tmp_path / "data", CONFIG)
    assert not (tmp_path / "data").exists()


def test_when_nothing_is_left_the_filters_are_named(base, tmp_path) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv")
    table.loc[:99, "status"] = "failed"
    write_located(located, table)
    with pytest.raises(InputError, match=r"none of its 288 rows is left: 100 of another status, 188 below the least"):
        make_data_set([located], tmp_path / "data", replace(CONFIG, min_score=100.0))


def test_a_limit_on_what_a_table_lacks_is_refused(made, tmp_path) -> None:
    for limit, name in (("min_score", "score"), ("max_error_px", "error_px")):
        with pytest.raises(InputError, match=f"indents.csv has no {name}, so --"):
            make_data_set([made / "one"], tmp_path / "data", replace(CONFIG, **{limit: 1.0}))
    with pytest.raises(InputError, match="has no depth_nm, so --depth"):
        make_data_set([made / "one"], tmp_path / "data", replace(CONFIG, depth_nm=(1.0, 2.0)))


def test_folders_that_are_none(made, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty holds neither located\.csv .* nor before\.tif with indents\.csv"):
        make_data_set([tmp_path / "empty"], tmp_path / "data", CONFIG)
    with pytest.raises(FileAccessError, match="there is no such folder"):
        make_data_set([tmp_path / "absent"], tmp_path / "data", CONFIG)
    with pytest.raises(InputError, match="nothing to make a data set from"):
        make_data_set([], tmp_path / "data", CONFIG)
    with pytest.raises(InputError, match="given twice"):
        make_data_set([made / "one", made / "one"], tmp_path / "data", CONFIG)
    make_data_set([made / "one"], tmp_path / "data", CONFIG)
    with pytest.raises(InputError, match="is a data set already"):
        make_data_set([tmp_path / "data"], tmp_path / "again", CONFIG)
    shutil.copy(made / "one" / "located" / "located.csv", tmp_path / "empty")
    with pytest.raises(InputError, match=r"empty lacks located\.json"):
        make_data_set([tmp_path / "empty"], tmp_path / "again", CONFIG)
    (tmp_path / "empty" / "located.json").write_text('{"before": 3}')
    with pytest.raises(FileFormatError, match=r"located\.json is damaged or not what `cemvis locate` writes"):
        make_data_set([tmp_path / "empty"], tmp_path / "again", CONFIG)


def test_the_before_image_is_found_again_if_all_was_moved_together(base, tmp_path) -> None:
    make_located(base / "one", base / "elsewhere", absolute=True)
    base.rename(tmp_path / "moved")
    with pytest.raises(FileAccessError, match=r"before-image of .*elsewhere is not at .*move them together"):
        make_data_set([tmp_path / "moved" / "elsewhere"], tmp_path / "data", CONFIG)
    shutil.move(tmp_path / "moved" / "elsewhere", tmp_path / "moved" / "one" / "elsewhere")
    result = make_data_set([tmp_path / "moved" / "one" / "elsewhere"], tmp_path / "moved" / "data", CONFIG)
    assert len(result.frame) == 288
    (tmp_path / "moved").rename(tmp_path / "again")
    model = train(load_data_set(tmp_path / "again" / "data").areas, tmp_path / "m.safetensors", TRAINING).model
    assert model.training.pairs == 288
    (tmp_path / "again" / "one" / "before.tif").unlink()
    with pytest.raises(FileAccessError, match=r"the mosaic of elsewhere in .* is not at .*before\.tif any more"):
        load_data_set(tmp_path / "again" / "data")


def test_an_image_that_changed_is_refused_when_made_and_when_trained(base, tmp_path) -> None:
    make_data_set([base / "one" / "located"], tmp_path / "data", CONFIG)
    image = tifffile.imread(base / "one" / "before.tif")
    save_mosaic(base / "one" / "before.tif", image[::-1].copy())
    with pytest.raises(InputError, match=r"before\.tif is not the image that the indents of located belong to any"):
        make_data_set([base / "one" / "located"], tmp_path / "again", CONFIG)
    with pytest.raises(InputError, match=r"before\.tif is not the image that the indents of located belong to any"):
        train(load_data_set(tmp_path / "data").areas, tmp_path / "m.safetensors", TRAINING)
    assert not (tmp_path / "again").exists()


def test_two_tables_of_the_same_indents_are_refused(base, tmp_path) -> None:
    shifted = make_located(base / "one", base / "shifted", seed=9)
    write_located(base / "shifted", shifted.assign(x_um=shifted["x_um"] + 0.2 * WINDOW_UM).iloc[:100])
    both = [base / "one" / "located", base / "shifted"]
    with pytest.raises(InputError, match=r"shifted and located overlap: 100 indents of .* within half a window \(1\.5"):
        make_data_set(both, tmp_path / "data", CONFIG)
    halves = make_located(base / "two", base / "half-a", seed=3)
    make_located(base / "two", base / "half-b", seed=3)
    write_located(base / "half-a", halves.iloc[:144])
    write_located(base / "half-b", halves.iloc[144:])
    result = make_data_set([base / "half-a", base / "half-b"], tmp_path / "data", CONFIG)
    assert len(result.frame) == 288
    copy = tmp_path / "copy"
    shutil.copytree(base / "one" / "located", copy)
    shutil.copy(base / "one" / "before.tif", copy / "before.tif")
    with pytest.raises(InputError, match="hold the same indents"):
        make_data_set([base / "one" / "located", copy], tmp_path / "other", CONFIG)


def test_pixel_sizes_that_do_not_fit_are_refused(base, tmp_path) -> None:
    with pytest.raises(PixelSizeError, match=r"located\.csv was located at 100 nm per px, 90 nm is asked for"):
        make_data_set([base / "one" / "located"], tmp_path / "d", replace(CONFIG, pixel_size=PixelSize(0.09, "option")))
    image = tifffile.imread(base / "two" / "before.tif")
    tifffile.imwrite(base / "two" / "before.tif", image, resolution=(8e4, 8e4), resolutionunit="CENTIMETER")
    with pytest.raises(PixelSizeError, match="wanted mosaics of one pixel size"):
        make_data_set([base / "one", base / "two"], tmp_path / "d", CONFIG)
    make_data_set([base / "one"], tmp_path / "d", replace(CONFIG, pixel_size=PixelSize(PIXEL_UM, "option")))
    (area,) = load_data_set(tmp_path / "d").areas
    with pytest.raises(PixelSizeError, match=r"one: its data set was made with 100 nm per px \(option\), 80 nm is"):
        train([area], tmp_path / "m.safetensors", replace(TRAINING, pixel_size=PixelSize(0.08, "option")))
    with pytest.raises(InputError, match="its data set has windows of 3 um, 4 um is asked for"):
        train([area], tmp_path / "m.safetensors", replace(TRAINING, window_um=4.0))


def test_the_pixel_size_is_kept_where_the_mosaic_does_not_say_it(base, tmp_path) -> None:
    image = tifffile.imread(base / "one" / "before.tif")
    tifffile.imwrite(base / "one" / "before.tif", image)
    option = PixelSize(PIXEL_UM, "option")
    make_data_set([base / "one"], tmp_path / "d", replace(CONFIG, pixel_size=option))
    areas = load_data_set(tmp_path / "d").areas
    assert train(areas, tmp_path / "m.safetensors", TRAINING).model.pixel_size_um == PIXEL_UM


@pytest.mark.parametrize(
    ("column", "factor", "message"),
    [
        ("depth_nm", 1e-3, "it looks like um: is the unit right?"),
        ("modulus_gpa", 1e3, "it looks like MPa"),
        ("hardness_gpa", 1e9, "it looks like Pa"),
        ("load_mn", 1e3, "the unit of depth, load or hardness is wrong"),
        ("x_um", 1e3, "indents lie off before.tif"),
    ],
)
def test_units_off_by_a_thousand_are_refused(base, tmp_path, column, factor, message) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv")
    write_located(located, table.assign(**{column: table[column] * factor}))
    with pytest.raises(InputError) as caught:
        make_data_set([located], tmp_path / "data", CONFIG)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_given_anchors_are_kept_and_need_no_histogram(made, tmp_path) -> None:
    given = GreyScale(matrix=100, clinker=200)
    make_data_set([made / "one"], tmp_path / "data", replace(CONFIG, anchors=given))
    areas = load_data_set(tmp_path / "data").areas
    assert train(areas, tmp_path / "m.safetensors", TRAINING).model.grey_scale == given


def test_nothing_is_replaced_unless_asked(made, tmp_path) -> None:
    make_data_set([made / "one"], tmp_path / "data", CONFIG)
    before = (tmp_path / "data" / "manifest.parquet").read_bytes()
    with pytest.raises(OutputExistsError, match=r"already holds .*; choose another output or say --overwrite"):
        make_data_set([made / "two"], tmp_path / "data", CONFIG)
    assert (tmp_path / "data" / "manifest.parquet").read_bytes() == before
    make_data_set([made / "two"], tmp_path / "data", CONFIG, overwrite=True)
    assert [area.name for area in load_data_set(tmp_path / "data").areas] == ["two"]
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileAccessError, match="is a file; wanted a folder"):
        make_data_set([made / "one"], tmp_path / "file", CONFIG, overwrite=True)


def test_a_manifest_that_was_damaged_or_changed_is_one_line(made, tmp_path) -> None:
    make_data_set([made / "one"], tmp_path / "data", CONFIG)
    about, table = tmp_path / "data" / "manifest.json", tmp_path / "data" / "manifest.parquet"
    good = json.loads(about.read_text())
    for text in ("", "{}", "[]", "3", about.read_text()[:400], json.dumps(good | {"format": "other"})):
        about.write_text(text)
        with pytest.raises(FileFormatError, match=r"manifest\.json"):
            load_data_set(tmp_path / "data")
    for key in ("areas", "settings", "manifest"):
        about.write_text(json.dumps(good | {key: None}))
        with pytest.raises(CemvisError, match=r"manifest\.json"):
            load_data_set(tmp_path / "data")
    about.write_text(json.dumps(good))
    pd.read_parquet(table).iloc[:-1].to_parquet(table)
    with pytest.raises(FileFormatError, match=r"manifest\.parquet is not the table that manifest\.json describes"):
        load_data_set(tmp_path / "data")
    table.unlink()
    with pytest.raises(FileAccessError, match=r"cannot read .*manifest\.parquet"):
        load_data_set(tmp_path / "data")


@pytest.fixture(scope="module")
def one_data_set(made, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("manifest") / "data"
    make_data_set([made / "one"], folder, CONFIG)
    return folder


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("settings/window_um", (None, "10", 0, -3.0, float("nan"), float("inf"), True, [3])),
        ("settings/seed", (None, "x", -1, 2**32, 1.5, True)),
        ("manifest/sha256", (None, 3, "", "abc")),
        ("areas/0/mosaic/sha256", (None, "", ["a"])),
        ("areas/0/table/sha256", (None, "")),
        ("areas/0/mosaic/path", (None, "", 3)),
        ("areas/0/table/path", (None, "")),
        ("areas/0/mosaic/pixel_size_um", (None, "x", 0, -1)),
        ("areas/0/mosaic/pixel_size_source", (None, 3)),
        ("areas/0/mosaic/anchors", (None, {}, {"matrix": "a", "clinker": 3}, {"matrix": 200, "clinker": 100})),
        ("areas/0/mosaic/anchors_fit", (3, {"odd": 1})),
        ("areas/0/name", (None, "other", "")),
        ("areas/0/pairs", (None, 287)),
        ("areas/0", (None, [], "x")),
        ("areas/1", ("the first again",)),
    ],
)
def test_a_manifest_with_a_wrong_value_is_one_line(one_data_set, tmp_path, place, values) -> None:
    shutil.copytree(one_data_set, tmp_path / "data")
    about = tmp_path / "data" / "manifest.json"
    good = json.loads(about.read_text())
    good["areas"][0]["mosaic"]["path"] = str((one_data_set / good["areas"][0]["mosaic"]["path"]).resolve())
    about.write_text(json.dumps(good))
    assert len(load_data_set(tmp_path / "data").frame) == 288
    *parents, name = (int(key) if key.isdigit() else key for key in place.split("/"))
    for value in values:
        record = json.loads(json.dumps(good))
        inner = record
        for key in parents:
            inner = inner[key]
        if name == 1:
            inner.append(inner[0])
        else:
            inner[name] = value
        about.write_text(json.dumps(record))
        with pytest.raises(
            FileFormatError, match=r"manifest\.json is damaged or not what `cemvis dataset` writes"
        ) as caught:
            load_data_set(tmp_path / "data")
        assert "\n" not in str(caught.value)


def test_a_block_of_a_mosaic_is_read_once_whatever_the_order(made, tmp_path, monkeypatch) -> None:
    from cemvis.images.micrograph import Micrograph
    from cemvis.workflows import pairs as pairs_module

    monkeypatch.setattr(pairs_module, "BLOCK_PX", 128)
    shuffled = pd.read_csv(made / "one" / "indents.csv").sample(frac=1, random_state=1)
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    area = Area("shuffled", made / "one" / "before.tif", tmp_path / "shuffled.csv")
    shapes: list[tuple[int, int]] = []
    plain_read = Micrograph.read

    def watched(self, row, col, rows, cols, *, threads=1):
        shapes.append((rows, cols))
        return plain_read(self, row, col, rows, cols, threads=threads)

    monkeypatch.setattr(Micrograph, "read", watched)
    make_data_set([], tmp_path / "plain", CONFIG, areas=[area])
    without = len(shapes)
    make_data_set([], tmp_path / "again", CONFIG, areas=[area], export=tmp_path / "pairs.zarr")
    read = shapes[2 * without :]
    assert 0 < len(read) <= 4 * 7  # blocks of 128 px in 440 x 840 px
    assert max(max(shape) for shape in read) < 128 + WINDOW_PX


@pytest.mark.parametrize("chunk_bytes", [5 * WINDOW_PX**2, 4 << 20])
@pytest.mark.parametrize("waste", [0, 10**6])
def test_an_export_holds_the_windows_and_the_table(made, tmp_path, monkeypatch, chunk_bytes, waste) -> None:
    monkeypatch.setattr(export_module, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(export_module, "_MOST_WASTE", waste)
    seen = []
    result = make_data_set(
        [made / "one", made / "two"],
        tmp_path / "data",
        CONFIG,
        export=tmp_path / "data" / "pairs.zarr",
        progress=lambda *step: seen.append(step),
    )
    store = zarr.open_group(tmp_path / "data" / "pairs.zarr", mode="r")
    assert (store["windows"].shape, store["windows"].dtype) == ((576, WINDOW_PX, WINDOW_PX), np.uint8)
    assert store["windows"].chunks[0] == min(576, chunk_bytes // WINDOW_PX**2)
    images = {name: tifffile.imread(made / name / "before.tif") for name in ("one", "two")}
    corners = result.frame[["top_left_row_px", "top_left_col_px"]].to_numpy()
    expected = np.stack(
        [
            images[name][row : row + WINDOW_PX, col : col + WINDOW_PX]
            for name, (row, col) in zip(result.frame["area"], corners, strict=True)
        ]
    )
    np.testing.assert_array_equal(store["windows"][:], expected)
    for name in result.frame.columns:
        values = store[name][:]
        wanted = result.frame[name]
        if name in ("row", "column"):
            wanted = wanted.fillna(-1)
        np.testing.assert_array_equal(values, wanted.to_numpy(dtype=values.dtype))
    assert store["depth_nm"].attrs["unit"] == "nm"
    assert store.attrs["areas"][0]["mosaic"]["pixel_size_um"] == PIXEL_UM
    assert store.attrs["areas"][1]["mosaic"]["sha256"] == result.about["areas"][1]["mosaic"]["sha256"]
    assert seen[-1] == ("writing windows", 576, 576)
    names = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert names == ["manifest.json", "manifest.parquet", "pairs.zarr"]


def test_an_export_that_fails_leaves_nothing_and_keeps_the_old_one(made, tmp_path) -> None:
    target = tmp_path / "pairs.zarr"
    make_data_set([made / "one"], tmp_path / "data", CONFIG, export=target)
    old = zarr.open_group(target, mode="r")["windows"][:]
    with pytest.raises(OutputExistsError, match=r"already holds \S+\.zarr; .*--overwrite"):
        make_data_set([made / "two"], tmp_path / "new", CONFIG, export=target)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_data_set([made / "two"], tmp_path / "new", CONFIG, export=target, overwrite=True, progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pairs.zarr"]
    np.testing.assert_array_equal(zarr.open_group(target, mode="r")["windows"][:], old)
    make_data_set([made / "two"], tmp_path / "new", CONFIG, export=target, overwrite=True)
    assert not np.array_equal(zarr.open_group(target, mode="r")["windows"][:], old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "new", "pairs.zarr"]


def test_exports_that_cannot_be_are_refused_first(base, tmp_path) -> None:
    with pytest.raises(InputError, match=r"wanted a name that ends in \.zarr"):
        make_data_set([base / "one"], tmp_path / "d", CONFIG, export=tmp_path / "pairs.h5")
    with pytest.raises(FileAccessError, match="is not a folder that can be written to"):
        make_data_set([base / "one"], tmp_path / "d", CONFIG, export=tmp_path / "no" / "pairs.zarr")
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="is no export that `cemvis dataset` wrote"):
        make_data_set([base / "one"], tmp_path / "d", CONFIG, export=tmp_path / "mine.zarr", overwrite=True)
    assert (tmp_path / "mine.zarr" / "thesis.txt").read_text() == "precious"
    image = tifffile.imread(base / "two" / "before.tif").astype(np.uint16) * 16
    save_mosaic(base / "two" / "before.tif", image)
    with pytest.raises(InputError, match="one has windows of 30 px in uint8, two of 30 px in uint16"):
        make_data_set([base / "one", base / "two"], tmp_path / "d", CONFIG, export=tmp_path / "p.zarr")
    assert not (tmp_path / "d").exists()


def save_zarr(folder: Path, image: np.ndarray) -> Path:
    """Write an OME-Zarr mosaic in format 2; its root is a group like that of an export."""
    group = zarr.create_group(folder, zarr_format=2)
    array = group.create_array("0", shape=image.shape, dtype=image.dtype, chunks=(128, 128))
    array[:] = image
    scale = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [PIXEL_UM, PIXEL_UM]}]}
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [scale]}]
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_no_export_replaces_a_store_of_another(base, tmp_path) -> None:
    image = tifffile.imread(base / "one" / "before.tif")
    mosaic = save_zarr(tmp_path / "mosaic.zarr", image)
    other = save_zarr(tmp_path / "other.zarr", image[:50])
    area = Area("one", mosaic, base / "one" / "indents.csv")
    before = contents(tmp_path)
    for target in (mosaic, other):
        with pytest.raises(InputError, match="is no export that `cemvis dataset` wrote"):
            make_data_set([], tmp_path / "data", CONFIG, areas=[area], export=target, overwrite=True)
    for text in ("", "[]", "3", '{"format": "another"}'):
        (other / ".zattrs").write_text(text)
        with pytest.raises(InputError, match="is no export"):
            make_data_set([], tmp_path / "data", CONFIG, areas=[area], export=other, overwrite=True)
    (other / ".zattrs").write_bytes(before["other.zarr/.zattrs"])
    assert contents(tmp_path) == before
    make_data_set([], tmp_path / "data", CONFIG, areas=[area], export=tmp_path / "e.zarr")
    make_data_set([], tmp_path / "data", CONFIG, areas=[area], export=tmp_path / "e.zarr", overwrite=True)
    assert zarr.open_group(tmp_path / "e.zarr", mode="r").attrs["format"] == "cemvis data set with its windows"


def test_no_export_goes_where_the_data_set_comes_from(base, tmp_path) -> None:
    make_data_set([base / "two"], tmp_path / "first", CONFIG, export=tmp_path / "export.zarr")
    outer = tmp_path / "export.zarr"  # an export by its mark, with inputs put into it
    shutil.copytree(base / "one", outer / "one")
    mosaic = save_zarr(tmp_path / "mosaic.zarr", tifffile.imread(base / "one" / "before.tif"))
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    table = base / "one" / "indents.csv"
    before = contents(tmp_path)
    for folders, areas, export, word in (
        ([outer / "one"], [], outer, "would take the place of"),
        ([], [Area("a", outer / "one" / "before.tif", table)], outer, "would take the place of"),
        ([], [Area("a", base / "one" / "before.tif", outer / "one" / "indents.csv")], outer, "would take the place of"),
        ([], [Area("a", mosaic, table)], mosaic / "pairs.zarr", "lies inside"),
        ([], [Area("a", mosaic, table)], tmp_path / "link" / "mosaic.zarr" / "pairs.zarr", "lies inside"),
        ([base / "one"], [], base / "one" / "pairs.zarr", "lies inside"),
    ):
        with pytest.raises(InputError, match=word):
            make_data_set(folders, tmp_path / "data", CONFIG, areas=areas, export=export, overwrite=True)
    named = tmp_path / "named.zarr"
    shutil.copytree(base / "one", named)
    with pytest.raises(InputError, match="is no export"):
        make_data_set([named], tmp_path / "data", CONFIG, export=named, overwrite=True)
    shutil.rmtree(named)
    with pytest.raises(InputError, match="would take the place of the data set's own folder"):
        make_data_set([base / "one"], tmp_path / "d.zarr", CONFIG, export=tmp_path / "d.zarr")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("failing", ["manifest.parquet", "manifest.json", "pairs.zarr"])
def test_outputs_are_replaced_together_or_not_at_all(made, tmp_path, monkeypatch, failing) -> None:
    target = tmp_path / "data" / "pairs.zarr"
    make_data_set([made / "one"], tmp_path / "data", CONFIG, export=target)
    before = contents(tmp_path)
    plain_rename = Path.rename

    def rename(self, other):
        if Path(other).name == failing and ".part" in self.name:
            raise OSError(28, "No space left on device")
        return plain_rename(self, other)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(FileAccessError, match=f"cannot write .*{failing}: No space left on device"):
        make_data_set([made / "two"], tmp_path / "data", CONFIG, export=target, overwrite=True)
    with pytest.raises(FileAccessError, match="No space left on device"):
        make_data_set([made / "two"], tmp_path / "new", CONFIG, export=tmp_path / "new" / "pairs.zarr")
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_manifest_that_cannot_be_written_leaves_no_new_export(made, tmp_path, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "pairs.zarr"
    make_data_set([made / "one"], tmp_path / "data", CONFIG, export=target)
    before = contents(tmp_path)
    monkeypatch.setattr(export_module, "write_manifest", fail)
    with pytest.raises(FileAccessError, match=r"cannot write .*data: No space left"):
        make_data_set([made / "two"], tmp_path / "data", CONFIG, export=target, overwrite=True)
    assert contents(tmp_path) == before


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_um": 0.0},
        {"max_residual_px": -1.0},
        {"max_error_px": float("nan")},
        {"min_score": float("inf")},
        {"depth_nm": (700.0, 300.0)},
        {"depth_nm": (float("nan"), 300.0)},
        {"depth_nm": (float("inf"), float("inf"))},
        {"statuses": ()},
        {"flags": ("odd",)},
        {"seed": -1},
        {"threads": 0},
    ],
)
def test_impossible_settings_are_refused(wrong) -> None:
    with pytest.raises(InputError, match=next(iter(wrong)).rstrip("s")):
        DatasetConfig(**wrong)


def test_the_model_says_which_table_its_pairs_were_chosen_from(base, tmp_path) -> None:
    located = base / "one" / "located"
    make_data_set([located], tmp_path / "data", replace(CONFIG, min_score=6.0))
    result = train(load_data_set(tmp_path / "data").areas, tmp_path / "m.safetensors", TRAINING)
    (area,) = load_model(result.files.model).training.areas
    assert area.indents_sha256 == hashlib.sha256((located / "located.csv").read_bytes()).hexdigest()
