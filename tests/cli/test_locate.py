from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from cemvis.cli import main
from cemvis.models.model_file import load_model
from imprinted import make_imprinted


def run(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, [command, *map(str, arguments)])


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paste") / "area"
    truth = make_imprinted(folder, missed=(4, 61))
    truth.to_csv(folder / "truth.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def located(area: Path) -> Result:
    result = run("locate", area, "--grid", "5x10", "--threads", 2, "-q")
    assert result.exit_code == 0, result.output
    return result


def refused(result: Result, code: int = 1) -> str:
    """Return the one line of a command that failed."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    if code == 1:
        assert result.output.startswith("Error: ")
        assert len(result.output.strip().splitlines()) == 1
    return result.output


def test_it_says_what_it_found_and_where_it_is(located: Result, area: Path) -> None:
    lines = located.stdout.splitlines()
    assert lines[0].startswith("  indenter-1: 5 x 10, walk ")
    assert lines[1].startswith("  indenter-2: 5 x 10, walk ")
    assert lines[2] == "  98 of 100 indents are fine; 2 missing"
    assert lines[3].startswith("  position error 0.")
    files = [Path(line) for line in lines if not line.startswith(" ")]
    assert files[0] == area / "located" / "located.csv"
    assert all(file.is_file() for file in files)
    about = json.loads((area / "located" / "located.json").read_text("utf-8"))
    assert about["command"].split()[0] == "cemvis"
    assert about["settings"]["table"]["grid"] == [5, 10]


@pytest.mark.usefixtures("located")
def test_from_two_mosaics_and_a_table_to_a_model(area: Path, tmp_path: Path) -> None:
    truth, found = pd.read_csv(area / "truth.csv"), pd.read_csv(area / "located" / "located.csv")
    away = np.hypot(found["x_um"] * 10 - truth["x_px"], found["y_um"] * 10 - truth["y_px"])
    assert away.max() < 1
    data, model = tmp_path / "data", tmp_path / "model.safetensors"
    made = run("dataset", area / "located", "-o", data, "--window", 2, "-q")
    assert made.exit_code == 0, made.output
    assert len(pd.read_parquet(data / "manifest.parquet")) == 98
    trained = run("train", data, "-o", model)
    assert trained.exit_code == 0, trained.output
    training = load_model(model).training
    assert (training.pairs, training.areas[0].batches) == (98, 2)


@pytest.mark.usefixtures("located")
def test_results_are_replaced_only_when_asked(area: Path) -> None:
    table = (area / "located" / "located.csv").read_bytes()
    assert "--overwrite" in refused(run("locate", area, "-q"))
    again = run("locate", area, "--grid", "5x10", "--threads", 2, "--overwrite")
    assert again.exit_code == 0, again.output
    assert (area / "located" / "located.csv").read_bytes() == table


@pytest.mark.usefixtures("located")
def test_a_mirrored_table_is_refused_in_one_line(area: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(area / "indenter.csv")
    frame.assign(y_um=-frame["y_um"]).to_csv(tmp_path / "up.csv", index=False)
    (tmp_path / "out").symlink_to(area / "located")
    said = refused(run("locate", area, "--indents", tmp_path / "up.csv", "-o", tmp_path / "out", "--overwrite", "-q"))
    assert said.strip().endswith("locate again with --axes +x-y")


def test_bad_input_is_one_line(area: Path, tmp_path: Path) -> None:
    said = refused(run("locate", tmp_path, "-q"))
    assert "has no before.tif and no after.tif and no indenter.csv" in said
    for name in ("before.tif", "indenter.csv"):
        (tmp_path / name).write_bytes((area / name).read_bytes())
    assert "has no after.tif" in refused(run("locate", tmp_path, "-q"))
    output = tmp_path / "out"
    same = run("locate", area, "--after", area / "before.tif", "-o", output, "-q")
    assert "are the same image" in refused(same)
    frame = pd.read_csv(area / "indenter.csv")
    frame.assign(x_um=frame["x_um"] * 1000).to_csv(tmp_path / "nm.csv", index=False)
    assert "um" in refused(run("locate", area, "--indents", tmp_path / "nm.csv", "-o", output, "-q"))
    assert not output.exists()


def test_wrong_usage(area: Path) -> None:
    assert "give FOLDER, or --after, --indents, --output" in refused(run("locate", "--before", area / "before.tif"), 2)
    assert "not two numbers" in refused(run("locate", area, "--first", "12"), 2)
    assert "not rows and columns" in refused(run("locate", area, "--grid", "20"), 2)
    assert "+x+x" in refused(run("locate", area, "--axes", "+x+x"), 2)
    assert "--origin-error" in refused(run("locate", area, "--origin-error", "0"), 2)
