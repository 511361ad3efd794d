"""``cemvis homogenise``: what it says, and one clear line for what goes wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner, Result

from cemvis.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["homogenise", *map(str, arguments)])


def test_phases_pores_and_a_map_at_once(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "map.tif", np.random.default_rng(1).uniform(15, 120, (10, 12)).astype(np.float32))
    result = run(
        *(tmp_path / "map.tif", "--phase", "gel=1,30+-1,0.2", "--porosity", "0.2\N{PLUS-MINUS SIGN}0.01"),
        *("--samples", 500, "-o", tmp_path / "out", "-q"),
    )
    assert result.exit_code == 0, result.output
    assert "Capillary pores: 0.2 +- 0.01 of the volume" in result.output
    told = r"nu 0\.200  95 %: 1\d\.\d\d to 2\d\.\d\d \(all errors one way: 1\d\.\d\d to 2\d\.\d\d\)\n"
    assert re.search(rf"Mori-Tanaka +E +20\.00 GPa  {told}", result.output)
    assert re.search(r"Reuss +E +0\.00 GPa  nu +- ", result.output)
    assert "10 x 12 cells, in plane strain" in result.output
    assert "Fourier solution, with pores" in result.output
    assert "note: the map is solved in plane strain" in result.output
    assert result.output.splitlines()[-4:] == [str(tmp_path / f"out.{end}") for end in ("json", "csv", "png", "pdf")]
    table = pd.read_csv(tmp_path / "out.csv")
    assert len(table) == 12
    assert table.groupby("source").size().to_dict() == {"map": 6, "phases": 6}


def test_a_table_of_phases(tmp_path: Path) -> None:
    (tmp_path / "phases.csv").write_text("phase,fraction,modulus_gpa,poisson\na,0.5,20,0.2\nb,0.5,60,0.2\n")
    result = run("--phases", tmp_path / "phases.csv", "--matrix", "b")
    assert result.exit_code == 0, result.output
    assert re.search(r"Voigt +E +40\.00 GPa", result.output)
    assert re.search(r"Reuss +E +30\.00 GPa", result.output)
    assert "note: no capillary pores" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["phases.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "give phases"),
        (("--phase", "a=1,30"), 2, "is not NAME=FRACTION,E,NU"),
        (("--phase", "a=1,x,0.2"), 2, "'x' is not a number"),
        (("--phase", "a=1,30+--1,0.2"), 2, "is not a number"),
        (("--phase", "a=1,30,0.6"), 2, "ratio is 0.6"),
        (("--phase", "a=1,30,0.2", "--phases", "x.csv"), 2, "not both"),
        (("--phase", "a=1,30,0.2", "--pore-image", "x.tif"), 2, "go together"),
        (("--phase", "a=1,30,0.2", "--porosity", "much"), 2, "'much' is not a number"),
        (("--phase", "a=1,30,0.2", "--porosity", "1.5"), 2, "wanted 0 to below 1"),
        (("--phase", "a=1,30,0.2", "--populations", "x"), 2, "only one of"),
        (("--phase", "a=1,30,0.2", "--by", "joint"), 2, "are for --populations"),
        (("--phase", "a=1,30,0.2", "--pore-tolerance", "3"), 2, "for an image of pores"),
        (("--populations", "nowhere"), 1, "there is no file nowhere"),
        (("--phase", "a=1,30000,0.2"), 1, "are they in MPa"),
        (("--phase", "a=1,-30,0.2"), 2, "such as -30 GPa"),
        (("--phase", "a=1,nan,0.2"), 2, "not a number"),
        (("--phase", "a=0.5,30,0.2"), 1, "sum to 0.5"),
        (("--phase", "a=1,30,0.2", "--matrix", "b"), 1, "cannot be the matrix"),
        (("--phases", "nowhere.csv"), 1, "cannot read nowhere.csv"),
        (("nowhere.tif",), 1, "there is no file nowhere.tif"),
    ],
)
def test_what_goes_wrong_is_one_line(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last
