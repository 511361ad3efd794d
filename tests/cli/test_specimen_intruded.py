from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cemvis.cli import main

SMALL = ["--specimens", "1", "--regions", "1", "--maps", "2x1", "--map-size", "32", "--threads", "1", "--quiet"]


def test_classes_are_made_and_the_picture_named(tmp_path: Path) -> None:
    output = tmp_path / "paste"
    classes = ["--class", "plain", "--class", "modified:strength=0.5,density=0.02,radius=0.7um"]
    result = CliRunner().invoke(main, ["specimen", "intruded", str(output), *classes, "--seed", "7", *SMALL])
    assert result.exit_code == 0, result.output
    assert str(output / "specimen.png") in result.output
    assert (output / "specimen.png").read_bytes().startswith(b"\x89PNG")
    assert (output / "modified" / "modified-01" / "region-01.tif").exists()
    about = json.loads((output / "specimen.json").read_text())
    assert about["settings"]["seed"] == 7
    assert about["classes"][1]["strength"] == 0.5


def test_a_design_names_its_classes(tmp_path: Path) -> None:
    output = tmp_path / "paste"
    call = ["specimen", "intruded", str(output), "--design", "strength:0,1", "--session", "by-class", *SMALL]
    assert CliRunner().invoke(main, call).exit_code == 0
    assert sorted(path.name for path in output.iterdir() if path.is_dir()) == ["strength-0", "strength-1"]
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 1
    assert again.output.strip().splitlines() == [
        f"Error: {output} is there already; choose another folder or replace it with --overwrite"
    ]
    assert CliRunner().invoke(main, [*call, "--overwrite"]).exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--class", "a", "--design", "null:2"],
        ["--class", "a", "--maps", "5"],
        ["--class", "a", "--maps", "9" * 5000 + "x1"],
        ["--class", "a", "--session", "mine"],
    ],
)
def test_wrong_usage_is_exit_code_2(tmp_path: Path, options: list[str]) -> None:
    assert CliRunner().invoke(main, ["specimen", "intruded", str(tmp_path / "paste"), *options]).exit_code == 2
    assert not (tmp_path / "paste").exists()


def test_a_bad_class_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["specimen", "intruded", str(tmp_path / "paste"), "--class", "a:strength=9"])
    assert result.exit_code == 1
    assert result.output.strip() == "Error: strength is 9; wanted 0 to 1"


def test_help_tells_both_commands_apart() -> None:
    intruded = CliRunner().invoke(main, ["specimen", "intruded", "--help"])
    assert "cemvis specimen intruded" in intruded.output.replace("main", "cemvis")
    assert "--session" in intruded.output
    plain = CliRunner().invoke(main, ["specimen", "--help"])
    assert "--batches" in plain.output
    assert "cemvis specimen intruded" in plain.output
