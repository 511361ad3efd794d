from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from areas import WINDOW_PX, WINDOW_UM, make_area, window_mean
from cemvis.errors import InputError, OutputExistsError, PixelSizeError, PixelSizeWarning
from cemvis.images.grey_scale import GreyScale
from cemvis.images.micrograph import open_micrograph
from cemvis.models.model import Model
from cemvis.models.prediction import Flag
from cemvis.workflows.judge import JudgeConfig, judge
from cemvis.workflows.pairs import Area
from cemvis.workflows.train import TrainConfig, train

CONFIG = JudgeConfig(threads=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """One area to train on, two to judge on: the last one imaged at less contrast."""
    base = tmp_path_factory.mktemp("paste")
    make_area(base / "one", seed=1)
    make_area(base / "two", seed=2, grid=(2, 3))
    make_area(base / "three", seed=3, grid=(1, 2), grey_gain=0.8)
    return [base / "one", base / "two", base / "three"]


@pytest.fixture(scope="module")
def table(folders, tmp_path_factory) -> Model:
    output = tmp_path_factory.mktemp("out") / "table.safetensors"
    return train([Area.in_folder(folders[0])], output, TrainConfig(window_um=WINDOW_UM, level=0.8)).model


@pytest.fixture(scope="module")
def areas(folders) -> list[Area]:
    return [Area.in_folder(folder) for folder in folders[1:]]


def network_of(table: Model) -> Model:
    """Return a model with a network that was never trained; its windows are a little larger than the cells."""
    import torch

    from cemvis.models.resnet import ResNet
    from cemvis.models.resnet_layout import ResNetLayout
    from cemvis.models.window_network import WindowNetwork

    torch.manual_seed(2)
    layout = ResNetLayout(targets=2, downsample=2, window=16, spread=True)
    network = WindowNetwork.from_module(
        ResNet(layout).eval(),
        targets=("modulus", "hardness"),
        grey_mean=120.0,
        grey_sd=40.0,
        grey_range=(92.0, 150.0),
        target_mean_gpa=(35.0, 1.4),
        target_sd_gpa=(15.0, 0.6),
    )
    return replace(table, properties=tuple(replace(one, network="resnet", fitted=network) for one in table.properties))


def test_a_model_is_judged_on_areas_it_never_saw(table, folders, areas, tmp_path) -> None:
    seen = []
    result = judge(
        table, areas, tmp_path / "judged", CONFIG, command="cemvis model test", on_area=lambda *a: seen.append(a)
    )
    modulus, hardness = result.properties
    assert (modulus.name, hardness.name, modulus.unit, modulus.level) == ("modulus", "hardness", "GPa", 0.8)
    assert [(one.area, one.scores.n, one.batches) for one in modulus.areas] == [("two", 216, 6), ("three", 72, 2)]
    assert (modulus.overall.scores.n, modulus.overall.batches, len(modulus.batches)) == (288, 8, 8)
    assert modulus.overall.scores.r2 > 0.8
    assert modulus.overall.intervals.coverage > 0.6
    assert len(seen) == 2
    # Against crops of the mosaic, predicted one by one.
    with open_micrograph(folders[1] / "before.tif") as micrograph:
        image = micrograph.read(0, 0, *micrograph.shape)
    rows = pd.read_csv(folders[1] / "indents.csv")
    _, transform = seen[0]
    grey = transform.apply(np.array([window_mean(image, x, y) for x, y in zip(rows.x_um, rows.y_um, strict=True)]))
    plain = table.properties[0].predict(grey)
    np.testing.assert_array_equal(modulus.predicted.value[:216], plain.value)
    np.testing.assert_array_equal(modulus.measured[:216], rows.modulus_gpa)


def test_numbers_and_origins_are_written(table, areas, tmp_path) -> None:
    result = judge(table, areas, tmp_path / "judged", CONFIG, command="cemvis model test")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judged.csv", "judged.json", "judged.png"]
    record = json.loads(result.files.json.read_text())
    assert record["command"] == "cemvis model test"
    assert record["model_sha256"] == table.digest
    assert [one["name"] for one in record["areas"]] == ["two", "three"]
    assert [one["trained_on"] for one in record["areas"]] == [False, False]
    assert record["areas"][1]["grey_transform"]["gain"] == pytest.approx(1.25, rel=0.05)
    overall = result.properties[1].overall
    assert record["properties"]["hardness"]["overall"]["scores"]["r2"] == overall.scores.r2
    with result.files.csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = [row["of"] for row in rows if row["property"] == "modulus"]
    bins = len(result.properties[0].by_value)
    assert kinds == ["all", "area", "area", *["predicted value"] * bins, *["batch"] * 8]
    (row,) = (row for row in rows if row["property"] == "hardness" and row["of"] == "all")
    assert float(row["coverage"]) == overall.intervals.coverage
    assert float(row["mae_gpa"]) == overall.scores.mae
    assert result.files.figure.read_bytes().startswith(b"\x89PNG")


def test_the_same_input_gives_the_same_bytes_and_nothing_is_replaced_unasked(table, areas, tmp_path) -> None:
    first = judge(table, areas[1:], tmp_path / "judged.json", CONFIG)
    before = [path.read_bytes() for path in (first.files.json, first.files.csv, first.files.figure)]
    with pytest.raises(OutputExistsError, match=r"already holds .*; choose another output or say --overwrite"):
        judge(table, areas[1:], tmp_path / "judged", CONFIG)
    again = judge(table, areas[1:], tmp_path / "judged", CONFIG, overwrite=True)
    assert again.files == first.files
    assert [path.read_bytes() for path in (again.files.json, again.files.csv, again.files.figure)] == before


def test_training_areas_are_refused_whatever_they_are_called(table, folders, tmp_path) -> None:
    shutil.copytree(folders[0], tmp_path / "renamed")
    renamed = Area.in_folder(tmp_path / "renamed")
    with pytest.raises(
        InputError, match="renamed: its indents are those of the training area one, which would flatter"
    ):
        judge(table, [renamed], None, CONFIG)
    rows = pd.read_csv(renamed.indents)
    rows[: len(rows) // 2].to_csv(renamed.indents, index=False)
    with pytest.raises(InputError, match="its mosaic is that of the training area one"):
        judge(table, [renamed], None, CONFIG)
    allowed = judge(table, [renamed], tmp_path / "judged", replace(CONFIG, allow_training_areas=True))
    assert json.loads(allowed.files.json.read_text())["areas"][0]["trained_on"] is True


def test_an_area_given_twice_is_refused(table, areas, folders, tmp_path) -> None:
    shutil.copytree(folders[1], tmp_path / "copy")
    with pytest.raises(InputError, match="hold the same indents; wanted each area once"):
        judge(table, [areas[0], Area.in_folder(tmp_path / "copy")], None, CONFIG)
    with pytest.raises(InputError, match="no areas given"):
        judge(table, [], None, CONFIG)


def test_areas_of_one_name_are_told_apart(table, folders, tmp_path) -> None:
    shutil.copytree(folders[2], tmp_path / "two")
    both = [Area.in_folder(folders[1]), Area.in_folder(tmp_path / "two")]
    assert [one.area for one in judge(table, both, None, CONFIG).properties[0].areas] == ["two (1)", "two (2)"]


def test_a_pixel_size_far_from_the_models_is_a_warning(table, areas) -> None:
    with pytest.warns(PixelSizeWarning, match="the mosaic has 100 nm/px, the model was trained at 30 nm/px"):
        judge(replace(table, pixel_size_um=0.03), areas[:1], None, CONFIG)


def test_given_anchors_are_taken(table, areas) -> None:
    given = judge(table, areas[:1], None, replace(CONFIG, anchors=GreyScale(matrix=110, clinker=210)))
    assert given.properties[0].overall.scores.r2 > 0.8


def test_pairs_beyond_the_training_range_have_no_interval(table, areas) -> None:
    darker = judge(table, areas[:1], None, replace(CONFIG, anchors=GreyScale(matrix=140, clinker=240)))
    one = darker.properties[0]
    outside = (one.predicted.flags & (Flag.CLIPPED_LOW | Flag.CLIPPED_HIGH)) != 0
    assert outside.any()
    assert one.overall.intervals is None or one.overall.intervals.n == np.count_nonzero(~outside)


def test_a_network_reads_the_windows_around_the_indents(table, areas, folders) -> None:
    model = network_of(table)
    network = model.window_network
    seen = []
    result = judge(model, areas[1:], None, CONFIG, on_area=lambda *a: seen.append(a))
    (pairs, transform) = seen[0]
    with open_micrograph(folders[2] / "before.tif") as micrograph:
        image = transform.apply(micrograph.read(0, 0, *micrograph.shape))
    corners = pairs.top_left + (WINDOW_PX - 32) // 2
    windows = np.array([image[r : r + 32, c : c + 32].reshape(16, 2, 16, 2).mean((1, 3)) for r, c in corners])
    outputs = network.predictor(threads=1).windows(((windows - 120.0) / 40.0).astype(np.float32))
    for index, one in enumerate(result.properties):
        value, spread = outputs.value_gpa[:, index], outputs.spread_gpa[:, index]
        np.testing.assert_allclose(one.predicted.value, value, rtol=1e-4)
        outside = (transform.apply(pairs.mean_grey) < 92.0) | (transform.apply(pairs.mean_grey) > 150.0)
        assert outside.any()
        np.testing.assert_array_equal(np.isnan(one.predicted.half_width), outside)
        reach = 1.2815515655446004 * one_stretch(model, index) * spread  # the central 80 % of a normal distribution
        np.testing.assert_allclose((one.predicted.upper - value)[~outside], reach[~outside], rtol=1e-3)


def one_stretch(model: Model, index: int) -> float:
    stretch = model.properties[index].interval.stretch
    assert stretch is not None
    return stretch


def test_a_mosaic_that_the_network_cannot_sample_is_refused(table, areas) -> None:
    with pytest.raises(PixelSizeError, match="no whole number of pixels makes one of the network's samples"):
        judge(replace(network_of(table), pixel_size_um=0.07), areas[:1], None, CONFIG)


def test_a_device_that_is_not_there_is_one_line(table, areas) -> None:
    with pytest.raises(InputError, match="device 'cuda:63' is not there"):
        judge(network_of(table), areas[:1], None, replace(CONFIG, device="cuda:63"))
