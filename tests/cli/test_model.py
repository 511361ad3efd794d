from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from areas import make_area
from cemvis.cli import main
from mosaics import example_model


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["model", *map(str, arguments)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_the_card_says_what_a_person_has_to_know(path) -> None:
    model = example_model(path)
    result = run("info", path)
    assert result.exit_code == 0, result.output
    for text in (
        "modulus in GPa (table of mean grey levels)",
        "square window of 1 um",
        "matrix at 110, clinker at 210",
        "50 nm",
        "1,440 pairs of 24 batches, 1 area (made up)",
        "For tests.",
        model.digest,
        f"{model.properties[1].metrics.random.test.r2:.3f}",
        "90% interval on the test batches holds",
        "for a new batch of the same specimens and sessions. They promise nothing for",
    ):
        assert text in result.stdout


def test_a_model_without_intervals_says_why(path) -> None:
    example_model(path, batches=4)
    assert "no interval is promised: 90% needs at least 9 calibration batches" in run("info", path).stdout


def test_json_is_the_header(path) -> None:
    model = example_model(path, properties=("hardness",))
    header = json.loads(run("info", path, "--json").stdout)
    assert header["sha256"] == model.digest
    assert header["window_um"] == 1.0
    assert [one["name"] for one in header["properties"]] == ["hardness"]
    assert header["properties"][0]["metrics"]["by_batch"]["test"]["n"] == model.properties[0].metrics.by_batch.test.n


def test_a_tampered_model_and_a_pickle_are_one_line_each(path) -> None:
    example_model(path)
    path.write_bytes(path.read_bytes().replace(b"For tests.", b"For sales."))
    tampered = run("info", path)
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    for result, message in ((tampered, "was edited"), (run("info", path), "it is a pickle, which could run code")):
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.startswith(f"Error: cannot use model {path}: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_missing_file(tmp_path) -> None:
    result = run("info", tmp_path / "no.safetensors")
    assert result.exit_code == 1
    assert "cannot read model" in result.stderr


@pytest.fixture(scope="module")
def area(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("paste") / "area-7"
    make_area(folder, seed=7, grid=(1, 3))
    return folder


def test_a_model_is_tested_on_another_area(area, path, tmp_path) -> None:
    example_model(path, window_um=3.0)
    result = run("test", path, area, "-o", tmp_path / "judged", "--threads", 1)
    assert result.exit_code == 0, result.output
    assert "area-7: 108 pairs, windows of 30 px at 100 nm per px" in result.stderr
    for text in ("modulus, GPa", "hardness, GPa", "held of 90%", "worst batch: number", "judged.json, judged.csv"):
        assert text in result.stdout
    record = json.loads((tmp_path / "judged.json").read_text())
    found = record["properties"]["modulus"]["overall"]
    assert f"{108:>8}{3:>9}{found['scores']['r2']:>8.3f}" in result.stdout
    assert f"{found['intervals']['coverage']:.1%}" in result.stdout
    again = run("test", path, area, "-o", tmp_path / "judged")
    assert again.exit_code == 1
    assert "; choose another output or say --overwrite" in again.stderr


def test_a_test_without_output_only_prints(area, path, tmp_path) -> None:
    example_model(path, window_um=3.0, batches=4)
    arguments = ("--mosaic", area / "before.tif", "--indents", area / "indents.csv", "--anchors", "110,210")
    result = run("test", path, *arguments)
    assert result.exit_code == 0, result.output
    assert "no pair has an interval: the model promises none" in result.stdout
    assert "Scores:" not in result.stdout
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "Missing argument 'FILE'"),
        (("m.safetensors",), 2, "give FOLDERS that hold before.tif and indents.csv"),
        (("m.safetensors", "--mosaic", "a.tif"), 2, "1 --mosaic and 0 --indents; wanted them in pairs"),
        (("m.safetensors", "x"), 1, "cannot read model m.safetensors"),
        (("embedded", "no-such-folder"), 1, "cannot read no-such-folder"),
        (("embedded", "x", "-o", "no-folder/y"), 1, "no-folder is not a folder that can be written to"),
    ],
)
def test_wrong_usage_is_one_clear_line(arguments, code, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("test", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []
