from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from cemvis import __version__
from cemvis.analysis.porosity.backscatter import simulate_backscatter
from cemvis.analysis.porosity.compound import Compound
from cemvis.cli import main
from cemvis.errors import FileFormatError, InputError
from cemvis.workflows.backscatter import backscatter


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["backscatter", *words, "-q"])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_a_solid_and_an_energy():
    code, text = run("Cu", "--energy", "20", "-n", "2000")
    found = simulate_backscatter(Compound.parse("Cu"), 20.0, electrons=2000)
    assert code == 0
    assert f"eta {found.eta:.4f} +- {found.standard_error:.4f}  by mass 0.302" in text
    assert "nm" not in text


def test_densities_give_depths():
    code, text = run("Cu", "Bi 32.5, In 51, Sn 16.5", "--density", "8.96", "--density", "7.88", "-n", "2000")
    assert code == 0
    assert text.count("nm (half)") == 2


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_tables_are_written_with_their_origin(tmp_path, suffix):
    path = tmp_path / f"eta.{suffix}"
    words = ("Cu", "CaO", "-e", "5,20", "-n", "1000", "--seed", "3", "-o", str(path))
    assert run(*words)[0] == 0
    first = path.read_bytes()
    wanted = simulate_backscatter(Compound.parse("CaO"), 5.0, electrons=1000, seed=3)
    if suffix == "csv":
        table = pd.read_csv(path)
        assert table["solid"].tolist() == ["Cu", "Cu", "CaO", "CaO"]
        assert table["energy_kev"].tolist() == [5, 20, 5, 20]
        assert table["backscattered"][2] == wanted.counts.backscattered
        assert table["seed"].tolist() == [3] * 4
    else:
        found = json.loads(first)
        assert found["version"] == __version__
        assert found["command"].startswith("cemvis")
        assert found["rows"][2]["backscattered"] == wanted.counts.backscattered
        assert found["rows"][2]["compound"]["mass_fractions"]["Ca"] == pytest.approx(0.7147, abs=1e-4)
    code, text = run(*words)
    assert code == 1
    assert "--overwrite" in text
    assert run(*words, "--overwrite", "--threads", "1")[0] == 0
    assert path.read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Xx",), "'Xx' is not the symbol of an element from H to U"),
        (("Ca(",), "its brackets do not match"),
        (("Cu", "-e", "0.5"), "from 1 to 30 keV"),
        (("Cu", "-e", "nan"), "from 1 to 30 keV"),
        (("Cu", "-e", "five"), "not a list of energies"),
        (("Cu", "CaO", "--density", "8.96"), "given 1 times for 2 solids"),
        (("Cu", "--density", "0"), "0"),
        (("Cu", "--tilt", "90"), "90"),
        (("Cu", "-n", "0"), "0"),
        ((), "SOLID"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(words, message):
    code, text = run(*words)
    assert code == 2
    assert message in text


def test_names_that_are_no_tables_are_refused_before_work_starts(tmp_path):
    code, text = run("Cu", "-n", str(2**31), "-o", str(tmp_path / "eta.txt"))
    assert code == 1
    assert ".csv or .json" in text


@pytest.mark.parametrize(("name", "message"), [("none/eta.csv", "cannot write"), ("eta.csv", "is a folder")])
def test_tables_that_cannot_be_written_are_refused_before_work_starts(tmp_path, name, message):
    (tmp_path / "eta.csv").mkdir()
    code, text = run("Cu", "-n", str(2**31), "-o", str(tmp_path / name), "--overwrite")
    assert code == 1
    assert message in text


def test_the_workflow_refuses_nothing_to_do():
    with pytest.raises(InputError, match="nothing to simulate"):
        backscatter([], [20.0])
    with pytest.raises(FileFormatError, match="no suffix"):
        backscatter([Compound.parse("Cu")], [20.0], Path("eta"))
