from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cemvis.cli import explain as command_line
from cemvis.cli import main
from cemvis.models.explain import METHODS
from cemvis.models.map_classifier_file import save_class_model
from class_models import pore_class_model
from explained import one_thread  # noqa: F401 - a fixture
from npm_maps import write_classes


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    root = write_classes(tmp_path / "maps", {"plain": 1.0, "graphene": 3.0}, specimens=1, regions=1, shape=(32, 32))
    model = tmp_path / "classes.safetensors"
    save_class_model(model, pore_class_model())
    return ["explain", str(root), "--model", str(model), "-o", str(tmp_path / "out"), "--figures", "0"]


def test_says_what_was_found_and_where_it_is(inputs: list[str], tmp_path: Path) -> None:
    quick = ["--score", "contrast", "--compare", "1", "--steps", "2", "--blur", "3", "--block", "4"]
    result = CliRunner().invoke(main, [*inputs, *quick])
    assert result.exit_code == 0, result.output
    assert "2 images, 2 explained by deep-taylor" in result.output
    for words in ("characteristic regions", "absorbed by biases", "conserved to", "random weights", "random order"):
        assert words in result.output
    assert str(tmp_path / "out" / "explain.json") in result.output
    assert json.loads((tmp_path / "out" / "explain.json").read_text(encoding="utf-8"))["score"]["kind"] == "contrast"


def test_the_command_knows_all_methods() -> None:
    assert command_line.METHODS == METHODS


def test_a_second_run_is_one_clear_line(inputs: list[str]) -> None:
    quick = [*inputs, "--score", "contrast", "--compare", "0", "--maps", "1"]
    assert CliRunner().invoke(main, quick).exit_code == 0
    result = CliRunner().invoke(main, quick)
    assert result.exit_code == 1
    assert "--overwrite" in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert CliRunner().invoke(main, [*quick, "--overwrite"]).exit_code == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--at", "60"], "is not a place"),
        (["--method", "lime"], "deep-taylor"),
        (["--share", "1"], "--share"),
        (["--anchors", "5"], "two grey levels"),
    ],
)
def test_wrong_usage(inputs: list[str], more: list[str], words: str) -> None:
    result = CliRunner().invoke(main, [*inputs, *more])
    assert result.exit_code == 2
    assert words in result.output


def test_a_missing_model_is_one_clear_line(inputs: list[str], tmp_path: Path) -> None:
    inputs[3] = str(tmp_path / "none.safetensors")
    result = CliRunner().invoke(main, inputs)
    assert result.exit_code == 1
    assert "none.safetensors" in result.output
    assert len(result.output.strip().splitlines()) == 1
