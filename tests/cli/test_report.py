"""``cemvis report``: exit code, one clear line for what goes wrong, and what it says it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cemvis.cli import main
from report_folders import write_map


@pytest.fixture(scope="module")
def mapped(tmp_path_factory) -> Path:
    return write_map(tmp_path_factory.mktemp("cli_report") / "map", warnings=["the grey scale is doubtful"])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_the_page_and_its_figures_are_named(mapped, tmp_path) -> None:
    result = run(
        mapped, "-o", tmp_path / "deep" / "page.html", "--figures", tmp_path / "figures", "--title", "My paste"
    )
    assert result.exit_code == 0, result.output
    assert "Warning: the grey scale is doubtful" in result.stderr
    *figures, page = result.stdout.splitlines()
    assert page.startswith(f"{tmp_path / 'deep' / 'page.html'} (")
    assert page.endswith(" MB, 1 folder)")
    assert sorted(Path(each) for each in figures) == sorted((tmp_path / "figures").iterdir())
    assert "<h1>My paste</h1>" in (tmp_path / "deep" / "page.html").read_text("utf-8")


def test_the_mosaic_is_named_where_it_moved(mapped, tmp_path) -> None:
    moved = tmp_path / "elsewhere" / "kept.tif"
    moved.parent.mkdir()
    moved.write_bytes((mapped.parent / "mosaic.tif").read_bytes())
    alone = write_map(tmp_path / "map", mosaic=mapped.parent / "mosaic.tif")
    assert "The image is not shown" in run(alone, "-o", tmp_path / "a.html").stderr
    assert "The image is not shown" not in run(alone, "-o", tmp_path / "b.html", "--mosaic", moved).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere does not exist; wanted a folder that a cemvis command wrote"),
        (("empty",), "holds no results"),
        (("map", "-o", "page.txt"), "wanted one that ends in .html"),
        (("map", "-o", "there.html"), "already holds there.html; choose another output or say --overwrite"),
    ],
)
def test_what_goes_wrong_is_one_line(mapped, tmp_path, monkeypatch, arguments, said) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.html").write_text("mine")
    (tmp_path / "map").symlink_to(mapped)
    result = run(*arguments)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert not (tmp_path / "report.html").exists()


def test_folders_are_wanted() -> None:
    assert run().exit_code == 2
