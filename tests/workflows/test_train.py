from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from areas import PIXEL_UM, WINDOW_UM, make_area, save_mosaic
from cemvis.errors import (
    CoverageWarning,
    FileAccessError,
    GreyScaleWarning,
    InputError,
    OutputExistsError,
    PixelSizeError,
    PixelSizeWarning,
)
from cemvis.images.grey_scale import GreyScale
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model_file import load_model
from cemvis.report.model_card import model_card
from cemvis.workflows.pairs import Area
from cemvis.workflows.train import TrainConfig, model_grey_scale, train

CONFIG = TrainConfig(window_um=WINDOW_UM)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """Two areas of 18 batches; the second was imaged at less contrast."""
    base = tmp_path_factory.mktemp("paste")
    make_area(base / "one", seed=1)
    make_area(base / "two", seed=2, grey_gain=0.8)
    return [base / "one", base / "two"]


def areas(folders) -> list[Area]:
    return [Area.in_folder(folder) for folder in folders]


@pytest.fixture(scope="module")
def trained(folders, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "paste.safetensors"
    return train(areas(folders), output, CONFIG, command="cemvis train one two")


def test_the_model_is_written_with_everything_it_needs(trained, folders) -> None:
    model = load_model(trained.files.model)
    assert [one.name for one in model.properties] == ["modulus", "hardness"]
    assert (model.window_um, model.pixel_size_um) == (WINDOW_UM, PIXEL_UM)
    assert (model.training.pairs, model.training.batches) == (1296, 36)
    assert [area.name for area in model.training.areas] == ["one", "two"]
    assert model.grey_scale.matrix == pytest.approx(110, abs=3)
    assert model.grey_scale.clinker == pytest.approx(210, abs=3)
    for one in model.properties:
        assert one.metrics.by_batch.test.r2 > 0.8
        assert one.interval.calibration_batches == 11
        assert one.metrics.by_batch.intervals.coverage > 0.85
    assert str(folders[0]) not in trained.files.model.read_bytes().decode("latin-1")


def test_an_area_of_less_contrast_is_brought_to_the_first_ones_scale(trained, folders, tmp_path) -> None:
    alone = train(areas(folders[1:]), tmp_path / "two.safetensors", CONFIG).model
    assert alone.grey_scale.clinker == pytest.approx(168, abs=3)
    grey = np.array([110.0, 160.0])
    together = trained.model.properties[0].predict(grey).value
    np.testing.assert_allclose(alone.properties[0].predict(0.8 * grey).value, together, atol=6)


def test_scores_and_origins_are_beside_the_model(trained) -> None:
    record = json.loads(trained.files.metrics_json.read_text())
    assert record["command"] == "cemvis train one two"
    assert record["model_sha256"] == trained.model.digest
    assert record["areas"][0]["left_out"] == {"not_ok": 0, "incomplete": 0, "at_border": 0}
    assert record["areas"][1]["grey_transform"]["gain"] == pytest.approx(1.25, rel=0.03)
    table = pd.read_csv(trained.files.metrics_csv)
    assert len(table) == 8
    row = table.query("property == 'modulus' and split == 'by batch' and set == 'test'").iloc[0]
    report = trained.model.properties[0].metrics.by_batch
    assert (row.pairs, row.r2, row.mae_gpa) == (report.test.n, report.test.r2, report.test.mae)
    assert record["properties"]["modulus"]["by_batch"]["test"]["r2"] == report.test.r2
    assert row.interval_coverage == report.intervals.coverage


def test_the_figure_shows_every_property(trained) -> None:
    from PIL import Image

    with Image.open(trained.files.figure) as figure:
        pixels = np.asarray(figure.convert("RGB")).reshape(-1, 3)
    assert trained.files.figure.name == "paste.png"
    for colour in ((0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)):  # the model and its interval
        assert np.all(pixels == colour, axis=1).sum() > 500


def test_the_same_input_and_seed_give_the_same_bytes(trained, folders, tmp_path) -> None:
    again = train(areas(folders), tmp_path / "paste.safetensors", CONFIG, command="cemvis train one two")
    for name in ("model", "metrics_json", "metrics_csv", "figure"):
        assert getattr(again.files, name).read_bytes() == getattr(trained.files, name).read_bytes()
    other = train(areas(folders), tmp_path / "other.safetensors", TrainConfig(window_um=WINDOW_UM, seed=1, threads=1))
    assert other.model.properties[0].metrics != trained.model.properties[0].metrics


def test_batches_of_two_areas_are_never_the_same(folders, tmp_path) -> None:
    # Both areas call their batches b0 to b17; 36 are too few for 95 % if they are told apart, and 18 even more so.
    with pytest.warns(
        CoverageWarning, match="95% needs at least 19 calibration batches, 0 could be set aside"
    ) as caught:
        few = train(areas(folders[:1]), tmp_path / "m.safetensors", TrainConfig(window_um=WINDOW_UM, level=0.95))
    assert len(caught) == 1
    assert few.model.training.batches == 18
    assert np.isnan(few.model.properties[0].predict([120.0]).half_width).all()
    both = train(areas(folders), tmp_path / "n.safetensors", TrainConfig(window_um=WINDOW_UM, level=0.95))
    assert both.model.properties[0].interval.calibration_batches == 19


def test_one_property_by_a_line(folders, tmp_path) -> None:
    config = TrainConfig(network="linear", properties=("hardness",), window_um=WINDOW_UM, note="A line.")
    model = train(areas(folders), tmp_path / "m.safetensors", config).model
    assert [(one.name, one.network) for one in model.properties] == [("hardness", "linear")]
    assert model.note == "A line."


def test_virtual_paste_is_recorded_and_warned_of(folders, tmp_path) -> None:
    assert model_card(train(areas(folders[:1]), tmp_path / "m.safetensors", CONFIG).model).count("WARNING") == 0
    virtual = tmp_path / "virtual"
    shutil.copytree(folders[0], virtual)
    (virtual / "specimen.json").write_text('{"origin": {"recipe": "wc040", "seed": 3, "area": 0}}')
    model = train(areas([virtual, folders[1]]), tmp_path / "n.safetensors", CONFIG).model
    assert [area.virtual for area in model.training.areas] == ["recipe wc040, seed 3", ""]
    assert model.training.virtual
    assert "For real work, train a model on your own pairs" in model_card(model)


def test_given_anchors_hold_for_all_areas(folders, tmp_path) -> None:
    config = TrainConfig(window_um=WINDOW_UM, anchors=GreyScale(matrix=100, clinker=200))
    seen = []
    model = train(
        areas(folders[:1]), tmp_path / "m.safetensors", config, on_area=lambda pairs, to: seen.append((pairs, to))
    ).model
    assert model.grey_scale == GreyScale(matrix=100, clinker=200)
    assert [(pairs.area.name, to.source, to.gain) for pairs, to in seen] == [("one", "given", 1.0)]


@pytest.mark.parametrize(
    ("anchors", "expected"), [((100, 200), (100, 200)), ((25600, 51200), (100, 200)), ((1600, 3200), (100, 200))]
)
def test_a_deep_mosaic_is_brought_to_8_bits(anchors, expected) -> None:
    assert model_grey_scale(GreyScale(*anchors)) == GreyScale(*expected)


def test_a_16_bit_mosaic_trains_the_same_model(folders, trained, tmp_path) -> None:
    deep = tmp_path / "deep"
    shutil.copytree(folders[0], deep)
    image = tifffile.imread(deep / "before.tif").astype(np.uint16) * 16
    save_mosaic(deep / "before.tif", image)
    model = train(areas([deep, folders[1]]), tmp_path / "m.safetensors", CONFIG).model
    assert model.grey_scale.clinker == pytest.approx(trained.model.grey_scale.clinker, abs=1.5)
    assert model.properties[0].metrics.by_batch.test.r2 == pytest.approx(
        trained.model.properties[0].metrics.by_batch.test.r2, abs=0.03
    )


def test_doubtful_anchors_are_warned_of(folders, tmp_path) -> None:
    area = tmp_path / "clipped"
    shutil.copytree(folders[0], area)
    image = tifffile.imread(area / "before.tif")
    image[:, : image.shape[1] // 4] = 0
    save_mosaic(area / "before.tif", image)
    with pytest.warns(GreyScaleWarning, match="clipped: the grey scale is doubtful: .*lowest level"):
        train(areas([area]), tmp_path / "m.safetensors", CONFIG)


@pytest.mark.parametrize("suffix", [".safetensors", ".metrics.json", ".metrics.csv", ".png"])
def test_nothing_is_overwritten_unless_asked_and_that_is_tested_first(suffix, tmp_path) -> None:
    taken = tmp_path / f"m{suffix}"
    taken.write_text("precious")
    with pytest.raises(OutputExistsError, match=r"already holds .*; choose another output or say --overwrite"):
        train([Area("absent", Path("no.tif"), Path("no.csv"))], tmp_path / "m.safetensors", CONFIG)
    assert taken.read_text() == "precious"


def test_all_files_are_replaced_if_asked(folders, tmp_path) -> None:
    for suffix in (".safetensors", ".metrics.json", ".metrics.csv", ".png"):
        (tmp_path / f"m{suffix}").write_text("stale")
    train(areas(folders), tmp_path / "m.safetensors", CONFIG, overwrite=True)
    assert len(list(tmp_path.iterdir())) == 4
    assert all(path.read_bytes() != b"stale" for path in tmp_path.iterdir())


def test_impossible_outputs_are_refused_first(folders, tmp_path) -> None:
    with pytest.raises(InputError, match=r"wanted a name that ends in \.safetensors"):
        train(areas(folders), tmp_path / "m.pt", CONFIG)
    with pytest.raises(FileAccessError, match="is not a folder that can be written to"):
        train(areas(folders), tmp_path / "nowhere" / "m.safetensors", CONFIG)


def test_the_same_indents_twice_are_refused(folders, tmp_path) -> None:
    output = tmp_path / "m.safetensors"
    with pytest.raises(InputError, match="given twice"):
        train(areas([folders[0], folders[0]]), output, CONFIG)
    for copy in (tmp_path / "copy", tmp_path / folders[0].name):  # under another name, and under the same
        shutil.copytree(folders[0], copy)
        with pytest.raises(InputError) as caught:
            train(areas([folders[0], copy]), output, CONFIG)
        assert f"{folders[0] / 'indents.csv'} and {copy / 'indents.csv'} hold the same indents" in str(caught.value)
    assert not output.exists()


def test_mosaics_of_two_pixel_sizes_are_refused(folders, tmp_path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folders[1], other)
    image = tifffile.imread(other / "before.tif")
    tifffile.imwrite(other / "before.tif", image, resolution=(1e5 * 0.8, 1e5 * 0.8), resolutionunit="CENTIMETER")
    with pytest.raises(PixelSizeError, match=r"other has 125 nm per px .*, one has 100 nm .*wanted mosaics of one"):
        train(areas([folders[0], other]), tmp_path / "m.safetensors", CONFIG)
    same = TrainConfig(window_um=WINDOW_UM, pixel_size=PixelSize(PIXEL_UM, "option"))
    with pytest.warns(PixelSizeWarning, match="option is used"):
        result = train(areas([folders[0], other]), tmp_path / "m.safetensors", same)
    assert result.model.training.pairs == 1296


def test_no_areas(tmp_path) -> None:
    with pytest.raises(InputError, match="no areas given"):
        train([], tmp_path / "m.safetensors", CONFIG)


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": "forest"},
        {"properties": ("colour",)},
        {"properties": ()},
        {"properties": ("modulus", "modulus")},
        {"window_um": 0.0},
        {"level": 1.0},
        {"seed": -1},
        {"note": "\x1b[31m"},
        {"threads": 0},
    ],
)
def test_impossible_settings_are_refused(wrong) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrainConfig(**wrong)
