from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cemvis.cli import main
from cemvis.models.map_classifier_learners import LEARNERS
from npm_maps import texture, write_classes, write_map


@pytest.fixture(autouse=True)
def few_trees(monkeypatch) -> None:
    """Nothing here is about how many there are."""
    monkeypatch.setitem(LEARNERS, "forest", {**LEARNERS["forest"], "n_estimators": 40})


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_classes(tmp_path_factory.mktemp("maps"), {"coarse": 2.0, "fine": 1.0}, shape=(64, 64))


def run(*arguments: object):
    return CliRunner().invoke(main, ["classify", *map(str, arguments)])


def test_a_forest_is_trained_and_asked(root, tmp_path) -> None:
    trained = run(
        root, "-o", tmp_path / "out", "--classifier", "forest", "--size", 32, "--folds", 3, "-q", "--threads", 1
    )
    assert trained.exit_code == 0, trained.output
    assert "MulF: accuracy 1.000" in trained.output
    assert "chance 0.500" in trained.output
    assert "Warning: sessions are unknown" in trained.output
    assert "classify.json" in trained.output
    image = write_map(tmp_path / "new.tif", texture(1.0, (64, 64), 900))
    model = tmp_path / "out" / "model_mulf.safetensors"
    asked = run(image, "--model", model, "-q")
    assert asked.exit_code == 0, asked.output
    assert asked.output.count(": fine (") == 4
    assert "column 32" in asked.output
    written = run(image, "--model", model, "-o", tmp_path / "p.csv", "-q")
    assert written.exit_code == 0
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 5
    card = CliRunner().invoke(main, ["model", "info", str(model)])
    assert "WARNING: sessions are unknown" in card.output
    assert "forest on porosity and two-point statistics" in card.output
    about = json.loads(CliRunner().invoke(main, ["model", "info", "--json", str(model)]).output)
    assert about["classes"] == ["coarse", "fine"]
    again = run(root, "-o", tmp_path / "out", "--classifier", "forest", "--size", 32)
    assert again.exit_code == 1
    assert "--overwrite" in again.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--features", "bse", "-o", "x"], 2, "is not mulf, micf"),
        ([], 2, "Missing option '-o'"),
        (["-o", "x", "--size", 32, "--split", "specimen", "--folds", 9], 1, "has 3 specimens; wanted at least 9"),
        (["-o", "x", "--size", 100], 1, "smaller than a map of 100 x 100"),
        (["-o", "x", "--size", 32, "--classifier", "backbone"], 1, "no backbone is given"),
        (["-o", "x", "--pixel-size", "52"], 2, "has no unit"),
        (["--model", "m", "--epochs", 3], 2, "--epochs is for training"),
        (["--model", "m", "--size", 32], 2, "--size is for training"),
        (["-o", "x", "--classifier", "knn", "--batch", 4], 2, "knn on statistics trains none"),
        (["-o", "x", "--size", 32], 1, "maps are 32 px; a network of 7 convolutions wants at least 64 px"),
    ],
)
def test_wrong_usage_and_bad_input_are_one_line(arguments, code, message, root, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(root, *arguments, "-q")
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output
