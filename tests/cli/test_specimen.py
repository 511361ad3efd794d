from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from click.testing import CliRunner

from cemvis.cli import main

SMALL = ["--batches", "1", "--pixel-size", "0.5", "--truth-step", "50", "--quiet"]


def test_a_specimen_is_made_and_its_picture_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["specimen", str(tmp_path / "paste"), "--recipe", "wc050-7d", *SMALL])
    assert result.exit_code == 0, result.output
    area = tmp_path / "paste" / "area-000"
    assert str(area / "specimen.png") in result.output
    assert (area / "specimen.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(area / "indents.csv")) == 400


def test_after_leaves_imprints_of_the_contrast_asked_for(tmp_path: Path) -> None:
    options = [*SMALL, "--after", "--imprint-contrast", "35"]
    result = CliRunner().invoke(main, ["specimen", str(tmp_path / "paste"), *options])
    assert result.exit_code == 0, result.output
    area = tmp_path / "paste" / "area-000"
    assert (area / "after.tif").exists()
    assert json.loads((area / "specimen.json").read_text())["origin"]["imprints"]["grey"] == 35
    assert CliRunner().invoke(main, ["specimen", str(tmp_path), "--imprint-contrast", "-1"]).exit_code == 2


def test_recipes_are_listed() -> None:
    result = CliRunner().invoke(main, ["specimen", "--list"])
    assert result.exit_code == 0
    assert "wc040-28d" in result.output
    assert "wc035-90d" in result.output


def test_an_unknown_recipe_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["specimen", str(tmp_path / "paste"), "--recipe", "granite", *SMALL])
    assert result.exit_code == 1
    assert result.output.strip().splitlines() == [
        "Error: no recipe is called 'granite'; there are wc040-28d, wc050-7d, wc035-90d"
    ]
    assert not (tmp_path / "paste").exists()


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["specimen", str(tmp_path), "--areas", "0"]).exit_code == 2
    assert CliRunner().invoke(main, ["specimen"]).exit_code == 2
