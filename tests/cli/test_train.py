from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from areas import make_area
from cemvis.cli import main
from cemvis.models.model_file import load_model


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    base = tmp_path_factory.mktemp("paste")
    make_area(base / "area-1", seed=1, grid=(2, 8))
    make_area(base / "area-2", seed=2, grid=(2, 4))
    return [base / "area-1", base / "area-2"]


def test_folders_give_a_model_with_scores_and_a_figure(folders, tmp_path) -> None:
    output = tmp_path / "paste.safetensors"
    result = run(*folders, "--output", output, "--window", 3, "--note", "Made for a test.", "--threads", 1)
    assert result.exit_code == 0, result.output
    model = load_model(output)
    assert model.note == "Made for a test."
    assert (model.training.pairs, model.training.batches) == (864, 24)
    assert "Trained on 864 pairs of 24 batches; seed 0." in result.stdout
    test = model.properties[0].metrics.by_batch.test
    assert re.search(rf"by batch +test +{test.n} +{test.r2:.3f} ", result.stdout)
    assert "90% interval on the test batches holds" in result.stdout
    assert "random: a fit of its own to 80 % of the pairs" in result.stdout
    assert "area-1: 576 pairs, windows of 30 px at 100 nm per px (resolution tags); left out: none" in result.stderr
    for name in ("paste.safetensors", "paste.metrics.json", "paste.metrics.csv", "paste.png"):
        assert (tmp_path / name).is_file()
        assert name in result.stdout
    assert json.loads((tmp_path / "paste.metrics.json").read_text())["seed"] == 0


def test_a_pair_of_files_and_all_options(folders, tmp_path) -> None:
    output = tmp_path / "m.safetensors"
    arguments = ["--mosaic", folders[0] / "before.tif", "--indents", folders[0] / "indents.csv", "-o", output]
    options = ["--network", "linear", "--properties", "modulus", "--level", 0.8, "--seed", 5, "--window", 4]
    result = run(*arguments, *options, "--pixel-size", "100 nm", "--anchors", "108,208.5")
    assert result.exit_code == 0, result.output
    model = load_model(output)
    (one,) = model.properties
    assert (one.name, one.network, one.interval.level, model.training.seed) == ("modulus", "linear", 0.8, 5)
    assert (model.grey_scale.matrix, model.grey_scale.clinker) == (108, 208.5)
    assert model.window_um == 4
    assert [area.name for area in model.training.areas] == ["before"]


def test_too_few_batches_are_a_warning_on_stderr(folders, tmp_path) -> None:
    result = run(folders[1], "-o", tmp_path / "m.safetensors", "--window", 3)
    assert result.exit_code == 0, result.output
    assert "Warning: no interval is promised: 90% needs at least 9 calibration batches" in result.stderr
    assert "no interval is promised" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "Missing option '-o' / '--output'"),
        (("-o", "m.safetensors"), 2, "give FOLDERS that hold before.tif and indents.csv"),
        (("-o", "m.safetensors", "--mosaic", "a.tif"), 2, "1 --mosaic and 0 --indents; wanted them in pairs"),
        (("-o", "m.safetensors", "x", "--network", "forest"), 2, "'forest' is not one of 'table', 'linear'"),
        (("-o", "m.safetensors", "x", "--properties", "colour"), 2, "'colour' is not modulus or hardness"),
        (("-o", "m.safetensors", "x", "--pixel-size", "40"), 2, "has no unit"),
        (("-o", "m.safetensors", "x", "--anchors", "120"), 2, "is not two grey levels of the mosaic"),
        (("-o", "m.safetensors", "x", "--anchors", "120,90"), 2, "the clinker's at least 1 above"),
        (("-o", "m.safetensors", "x", "--level", "1"), 2, "Invalid value for '--level'"),
        (("-o", "m.safetensors", "no-such-folder"), 1, "Error: cannot read no-such-folder/indents.csv: No such file"),
        (("-o", "m.pt", "x"), 1, "Error: output m.pt: wanted a name that ends in .safetensors"),
    ],
)
def test_wrong_usage_and_failures_are_one_clear_line(arguments, code, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_existing_model_is_kept(folders, tmp_path) -> None:
    output = tmp_path / "m.safetensors"
    output.write_text("precious")
    result = run(*folders, "-o", output)
    assert result.exit_code == 1
    assert "; choose another output or say --overwrite" in result.stderr
    assert output.read_text() == "precious"


def test_a_network_is_trained_and_its_epochs_are_told(folders, tmp_path) -> None:
    output = tmp_path / "net.safetensors"
    options = ["--network", "resnet", "--epochs", 2, "--batch", 64, "--learning-rate", "1e-3", "--device", "cpu"]
    result = run(folders[1], "-o", output, "--window", 3, "--properties", "modulus", *options, "--stem-pool", "--half")
    assert result.exit_code == 0, result.output
    network = load_model(output).window_network
    assert (network.targets, network.precision, network.layout.stem_pool) == (("modulus",), "float16", True)
    assert "epoch 1: validation loss " in result.stderr
    for name in ("net.history.csv", "net.history.png", "net.coverage.csv", "net.coverage.png", "net.png"):
        assert (tmp_path / name).is_file()
        assert name in result.stdout


def test_options_of_a_network_are_refused_for_others(folders, tmp_path) -> None:
    result = run(folders[0], "-o", tmp_path / "m.safetensors", "--epochs", 3, "--dense", 1)
    assert result.exit_code == 2
    assert "--epochs, --dense only with --network resnet; this is --network table" in result.stderr


def test_a_device_that_is_not_there_is_one_line(folders, tmp_path) -> None:
    result = run(
        folders[1], "-o", tmp_path / "m.safetensors", "--window", 3, "--network", "resnet", "--device", "cuda:77"
    )
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: device 'cuda:77' is not there; this machine has cpu")
