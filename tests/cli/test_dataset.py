from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import zarr
from click.testing import CliRunner, Result

from areas import make_area
from cemvis.cli import main
from cemvis.models.model_file import load_model
from located import make_located


def run(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, [command, *map(str, arguments)])


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("paste")
    for seed, name in enumerate(("one", "two"), 1):
        make_area(base / name, seed=seed, grid=(2, 4))
    make_located(base / "one", base / "located-1")
    return base


def test_from_located_indents_to_a_model(base, tmp_path) -> None:
    data = tmp_path / "data"
    limits = ["--min-score", 5.2, "--max-residual", 3, "--max-error", 1, "--depth", "300,700", "--flags", "pore"]
    result = run("dataset", base / "located-1", "-o", data, "--window", 3, "--seed", 4, *limits)
    assert result.exit_code == 0, result.output
    frame = pd.read_parquet(data / "manifest.parquet")
    assert 200 < len(frame) < 288
    assert frame["score"].min() >= 5.2
    assert f"located-1: {len(frame)} pairs of 288 indents" in result.stderr
    assert f"{len(frame)} pairs of 8 batches; seed 4." in result.stdout
    assert f"Data set: {data}" in result.stdout
    settings = json.loads((data / "manifest.json").read_text())["settings"]
    assert (settings["depth_nm"], settings["flags"], settings["statuses"]) == ([300, 700], ["pore"], ["ok"])
    trained = run("train", data, "-o", tmp_path / "m.safetensors")
    assert trained.exit_code == 0, trained.output
    model = load_model(tmp_path / "m.safetensors")
    assert (model.window_um, model.training.seed, model.training.pairs) == (3, 4, len(frame))
    assert f"located-1: {len(frame)} pairs, windows of 30 px at 100 nm per px (located.json)" in trained.stderr
    other = run("train", data, "-o", tmp_path / "n.safetensors", "--seed", 1)
    assert other.exit_code == 0, other.output
    assert load_model(tmp_path / "n.safetensors").training.seed == 1


def test_depths_without_an_upper_bound(base, tmp_path) -> None:
    result = run("dataset", base / "located-1", "-o", tmp_path / "data", "--window", 3, "--depth", "500,inf")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "data" / "manifest.json").read_text())["settings"]["depth_nm"] == [500, None]


def test_mosaics_with_tables_and_an_export(base, tmp_path) -> None:
    pairs = ["--mosaic", base / "two" / "before.tif", "--indents", base / "two" / "indents.csv"]
    options = ["--window", 3, "--pixel-size", "100 nm", "--anchors", "108,208", "--export", tmp_path / "pairs.zarr"]
    result = run("dataset", base / "one", *pairs, "-o", tmp_path / "data", *options)
    assert result.exit_code == 0, result.output
    assert f"Windows:  {tmp_path / 'pairs.zarr'}" in result.stdout
    store = zarr.open_group(tmp_path / "pairs.zarr", mode="r")
    assert store["windows"].shape == (576, 30, 30)
    assert store.attrs["areas"][1]["name"] == "before"


def test_a_data_set_is_taken_alone_and_as_it_is(base, tmp_path) -> None:
    data, output = tmp_path / "data", tmp_path / "m.safetensors"
    assert run("dataset", base / "one", "-o", data, "--window", 3).exit_code == 0
    for others in ([base / "two"], ["--pixel-size", "100 nm"], ["--mosaic", "a.tif", "--indents", "a.csv"]):
        result = run("train", data, *others, "-o", output)
        assert result.exit_code == 2
        assert "a data set is taken as it is: give it alone" in result.stderr
    result = run("train", data, "-o", output, "--window", 5)
    assert result.exit_code == 1
    assert "its data set has windows of 3 um, 5 um is asked for" in result.stderr
    assert not output.exists()
    judged = run("model", "test", "embedded", data)
    assert judged.exit_code == 2
    assert "is a data set; give the areas that it was made from" in judged.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("x",), 2, "Missing option '-o' / '--output'"),
        (("-o", "d"), 2, "give FOLDERS that hold"),
        (("-o", "d", "--mosaic", "a.tif"), 2, "1 --mosaic and 0 --indents; wanted them in pairs"),
        (("-o", "d", "x", "--depth", "300"), 2, "is not two depths in nm such as 300,700"),
        (("-o", "d", "x", "--depth", "700,300"), 2, "wanted a smaller and a larger depth in nm"),
        (("-o", "d", "x", "--depth", "nan,300"), 2, "wanted a smaller and a larger depth in nm"),
        (("-o", "d", "x", "--depth", "inf,inf"), 2, "wanted a smaller and a larger depth in nm"),
        (("-o", "d", "x", "--max-error", "0"), 2, "Invalid value for '--max-error'"),
        (("-o", "d", "x", "--pixel-size", "40"), 2, "has no unit"),
        (("-o", "d", "x", "--flags", "odd"), 1, "Error: flag 'odd' is unknown; wanted some of missing, pore"),
        (("-o", "d", "no-such-folder"), 1, "Error: cannot read no-such-folder: there is no such folder"),
        (("-o", "d", "x", "--export", "pairs.h5"), 1, "Error: export pairs.h5: wanted a name that ends in .zarr"),
    ],
)
def test_wrong_usage_and_failures_are_one_clear_line(arguments, code, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("dataset", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []
