from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from areas import save_mosaic
from cemvis.cli import main
from mosaics import paste_like


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["register", *map(str, arguments)])


def make_pair(folder: Path) -> tuple[Path, Path]:
    paste = paste_like((520, 620), seed=6)
    noise = np.random.default_rng(2).normal(0, 4, (500, 600))
    save_mosaic(folder / "before.tif", paste[:500, :600])
    save_mosaic(folder / "after.tif", np.clip(0.9 * paste[12:512, 7:607] + 10 + noise, 0, 255).astype(np.uint8))
    return folder / "after.tif", folder / "before.tif"


def test_register_says_what_it_found_and_where_it_is(tmp_path: Path) -> None:
    after, before = make_pair(tmp_path)
    output = tmp_path / "out"
    options = ("-o", output, "--tile", 128, "--step", 64, "--no-seams", "--threads", 2, "-q")
    result = run(after, before, *options)
    assert result.exit_code == 0, result.output
    assert "rotation" in result.output
    assert "0 along columns" in result.output
    assert result.output.splitlines()[-4:] == [
        str(output / name) for name in ("field.npz", "tiles.csv", "registration.json", "registration.png")
    ]
    again = run(after, before, *options)
    assert again.exit_code == 1
    assert "already holds field.npz" in again.output
    assert len(again.output.strip().splitlines()) == 1


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    after, before = make_pair(tmp_path)
    same = run(before, before, "-o", tmp_path / "out")
    assert same.exit_code == 1
    assert same.output.startswith("Error: ")
    assert "are the same image" in same.output
    assert len(same.output.strip().splitlines()) == 1
    wide = run(after, before, "--tile", 128, "--step", 256)
    assert wide.exit_code == 2
    assert "larger than --tile" in wide.output
    assert run(after, before, "--before-pixel-size", "40").exit_code == 2
