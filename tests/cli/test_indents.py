from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from cemvis.analysis.indentation.reading import FORMATS
from cemvis.cli import indents, main
from cemvis.workflows.indents import read_indents
from workbooks import write_xlsx


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["indents", *map(str, arguments)])


def write_grid(path: Path, *, rows: int = 4, columns: int = 5, origin: float = 0.0) -> Path:
    rng = np.random.default_rng(rows)
    y, x = np.mgrid[:rows, :columns] * 10.0
    x[1::2] = x[1::2, ::-1]  # serpentine
    modulus = rng.uniform(15, 60, x.size)
    modulus[3] = np.nan
    frame = pd.DataFrame({"X (mm)": (x.ravel() + origin) / 1e3, "Y (mm)": y.ravel() / 1e3, "E (MPa)": modulus * 1e3})
    frame.assign(**{"H (GPa)": modulus / 30}).to_csv(path, index=False, sep=";")
    return path


def test_a_file_is_shown_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_grid(tmp_path / "grid.csv")
    result = run(path)
    assert result.exit_code == 0, result.output
    assert "20 tests (1 failed)" in result.output
    assert "grid: 4 rows x 5 columns, 10 um apart, serpentine (+x, then +y)" in result.output
    assert [each.name for each in tmp_path.iterdir()] == ["grid.csv"]


def test_the_table_is_the_one_that_train_reads(tmp_path: Path) -> None:
    path, output = write_grid(tmp_path / "grid.csv"), tmp_path / "out" / "indents.csv"
    result = run(path, "-o", output)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-3:] == [str(output.with_suffix(end)) for end in (".csv", ".json", ".png")]
    read = read_indents(output, properties=("modulus", "hardness"))
    assert (len(read), read.not_ok, read.incomplete) == (19, 1, 0)
    assert read.x_um[:4].tolist() == [0, 10, 20, 40]
    frame = pd.read_csv(output)
    assert frame["row"].tolist() == sorted([*range(4)] * 5)
    assert frame["column"].tolist()[:10] == [0, 1, 2, 3, 4, 4, 3, 2, 1, 0]
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_summary_tells_where_the_tests_came_from(tmp_path: Path) -> None:
    path, output = write_grid(tmp_path / "grid.csv"), tmp_path / "indents.csv"
    run(path, "-o", output)
    about = json.loads(output.with_suffix(".json").read_text())
    assert about["sources"][0]["format"] == "table"
    assert len(about["sources"][0]["sha256"]) == 64
    assert about["status"] == {"ok": 19, "failed": 1}
    assert about["units"]["modulus_gpa"] == "GPa"
    assert about["batches"][0] | {"first": ""} == {
        "name": "grid",
        "tests": 20,
        "rows": 4,
        "columns": 5,
        "pitch_um": pytest.approx([10, 10]),
        "angle_deg": pytest.approx(0),
        "order": "serpentine",
        "first": "",
    }


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    path = write_grid(tmp_path / "grid.csv")
    for name in ("a", "b"):
        run(path, "-o", tmp_path / name / "indents.csv")
    for end in (".csv", ".png"):
        first, second = ((tmp_path / name / "indents").with_suffix(end).read_bytes() for name in ("a", "b"))
        assert first == second


def test_several_files_are_joined_with_their_batches_apart(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [write_grid(tmp_path / "grid.csv"), write_grid(tmp_path / "other" / "grid.csv", origin=500.0)]
    result = run(*paths, "-o", tmp_path / "all.csv")
    assert result.exit_code == 0, result.output
    assert pd.read_csv(tmp_path / "all.csv")["batch"].unique().tolist() == ["grid", "grid (2)"]
    assert "grid (2): 4 rows x 5 columns" in result.output
    assert len(read_indents(tmp_path / "all.csv", properties=("modulus",))) == 38


def test_files_given_twice_or_lying_on_each_other_are_refused(tmp_path: Path) -> None:
    path = write_grid(tmp_path / "grid.csv")
    (tmp_path / "copy.csv").write_bytes(path.read_bytes())
    assert "copy.csv holds the same bytes as" in run(path, tmp_path / "copy.csv").output
    other = write_grid(tmp_path / "bigger.csv", rows=5)
    result = run(path, other)
    assert result.exit_code == 1
    assert "2 files together: 20 tests repeat the place of an earlier one" in result.output


def test_positions_of_a_workbook_without_them_have_to_be_stated(tmp_path: Path) -> None:
    values = [[20.0 + i, 0.5 + i / 50] for i in range(6)]
    path = write_xlsx(tmp_path / "eh.xlsx", {"Results": [["AvgModulus", "AvgHardness"], ["GPa", "GPa"], *values]})
    result = run(path, "-o", tmp_path / "no.csv")
    assert "no positions in the file: state the grid and the pitch" in result.output
    assert pd.read_csv(tmp_path / "no.csv")["x_um"].isna().all()
    result = run(path, "-o", tmp_path / "laid.csv", "--grid", "2x3", "--pitch", "10x5", "--order", "serpentine")
    assert result.exit_code == 0, result.output
    assert "positions follow from the order of the tests as stated: serpentine" in result.output
    assert pd.read_csv(tmp_path / "laid.csv")["x_um"].tolist() == [0, 10, 20, 20, 10, 0]
    assert "eh has 6 tests; a grid of 2 rows x 4 columns has 8" in run(path, "--grid", "2x4", "--pitch", "10").output


def test_reduced_moduli_are_converted_with_nu_only(tmp_path: Path) -> None:
    path = tmp_path / "er.csv"
    path.write_text("x_um,y_um,Er (GPa),H (GPa)\n0,0,30,1\n10,0,32,1.1\n")
    run(path, "-o", tmp_path / "er_only.csv")
    assert "modulus_gpa" not in pd.read_csv(tmp_path / "er_only.csv")
    run(path, "-o", tmp_path / "both.csv", "--nu", 0.2)
    found = pd.read_csv(tmp_path / "both.csv")
    assert found["modulus_gpa"][0] == pytest.approx(0.96 / (1 / 30 - 0.9951 / 1141))
    assert found["reduced_modulus_gpa"].tolist() == [30, 32]


def test_outputs_are_not_replaced_unless_asked(tmp_path: Path) -> None:
    path, output = write_grid(tmp_path / "grid.csv"), tmp_path / "out.csv"
    output.with_suffix(".png").write_text("mine")
    result = run(path, "-o", output)
    assert result.exit_code == 1
    assert "already holds out.png; choose another output or say --overwrite" in result.output
    assert not output.exists()
    assert run(path, "-o", output, "--overwrite").exit_code == 0
    assert "is one of the files that are read" in run(path, "-o", path, "--overwrite").output
    assert "does not end in .csv" in run(path, "-o", tmp_path / "out.xlsx").output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", "2by3"], "'2by3' is not one or two numbers above 0"),
        (["--pitch", "10"], "--pitch wants --grid too"),
        (["--nu", "0.7"], "Poisson's ratio is 0.7"),
        (["--area", "24.5;3"], "is not coefficients such as"),
        (["--format", "xls"], "is not one of"),
    ],
)
def test_wrong_usage_is_exit_code_2(tmp_path: Path, options: list[str], message: str) -> None:
    result = run(write_grid(tmp_path / "grid.csv"), *options)
    assert result.exit_code == 2
    assert message in result.output


def test_bad_files_are_one_line_and_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "picture.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    result = run(path)
    assert result.exit_code == 1
    assert result.output == f"Error: {path} is a PNG image; wanted a table of indents (CSV, text, xls or xlsx)\n"


def test_the_formats_offered_are_those_there_are() -> None:
    assert indents._FORMATS == FORMATS
