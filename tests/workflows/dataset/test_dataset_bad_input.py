"""Folders, images and decisions that make no data set."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pandas as pd
import pytest
import tifffile

from areas import PIXEL_UM, WINDOW_UM, save_mosaic
from cemvis.errors import (
    FileAccessError,
    FileFormatError,
    InputError,
    PixelSizeError,
)
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows.dataset import DatasetConfig, load_data_set, make_data_set
from cemvis.workflows.train import train
from data_sets import CONFIG, TRAINING, decide
from located import make_located, write_located

pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CoverageWarning")


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
