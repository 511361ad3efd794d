"""``cemvis baseline``: what it says, and one clear line for what goes wrong."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from cemvis.cli import main
from metal_paste import write_class


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["baseline", *map(str, arguments)])


def test_two_classes(tmp_path: Path) -> None:
    write_class(tmp_path / "in", "plain", mean=0.3, sigma=5)
    write_class(tmp_path / "in", "dense", mean=0.1, sigma=5)
    out = tmp_path / "out"
    result = run(tmp_path / "in", "-o", out, "--map-size", 64, "--bootstrap", 100, "-q", "--level", "0.95")
    assert result.exit_code == 0, result.output
    assert "32 maps of 2 classes" in result.output
    assert "nearest mean by porosity, all maps in the means:" in result.output
    assert "without own specimen" in result.output
    assert "chance 50.0%" in result.output
    assert "porosity over specimens: analysis of variance p = " in result.output
    assert "dense - plain:" in result.output
    assert ", different" in result.output
    assert (out / "baseline.json").is_file()
    assert "--overwrite" in run(tmp_path / "in", "-o", out, "--map-size", 64, "-q").output


def test_one_line_for_what_goes_wrong(tmp_path: Path) -> None:
    write_class(tmp_path / "in", "alone", mean=0.3, sigma=5)
    result = run(tmp_path / "in", "-o", tmp_path / "out", "--map-size", 64, "-q")
    assert result.exit_code == 1
    assert "all maps are of one class" in result.output
    wrong = run(tmp_path / "in", "-o", tmp_path / "out", "--level", "1")
    assert wrong.exit_code == 2
    assert "Traceback" not in wrong.output
