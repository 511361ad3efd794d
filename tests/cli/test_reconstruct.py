"""``cemvis reconstruct``: what it says, and one clear line for what goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result

from cemvis.analysis.correlation import reconstruction_annealing
from cemvis.cli import main
from cemvis.workflows._reconstruct_files import output_names


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["reconstruct", *map(str, arguments)])


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cemvis.report.figure_files.PNG_DPI", 60)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    stripes = np.zeros((30, 36), np.uint8)
    stripes[:, ::6] = 5
    stripes[:, 1::6] = 5
    tifffile.imwrite(tmp_path / "stripes.tif", stripes)
    return tmp_path / "stripes.tif"


def test_an_image(source: Path, tmp_path: Path) -> None:
    result = run(source, "-o", tmp_path / "out", "--r-max", 5, "--tolerance", 0.003, "--source-periodic", "-q")
    assert result.exit_code == 0, result.output
    assert "30 x 36 px, 2 phases, distances up to 5 px" in result.output
    assert "Deviation of the probabilities: rms 0.00" in result.output
    assert result.output.splitlines()[-7:] == [str(tmp_path / "out" / name) for name in output_names()]
    found = tifffile.imread(tmp_path / "out" / "reconstruction.tif")
    assert np.array_equal(np.unique(found, return_counts=True)[1], [720, 360])
    again = run(source, "-o", tmp_path / "out", "--r-max", 5)
    assert again.exit_code == 1
    assert "already holds" in again.output


def test_all_options(source: Path, tmp_path: Path) -> None:
    result = run(
        *(source, "-o", tmp_path / "out", "--size", "20x24", "--r-max", 6, "--directions", "axes", "--seed", 3),
        *("--terms", "autocorrelations", "--open-edges", "--selection", "random", "--candidates", 2, "--tolerance", 0),
        *("--start-acceptance", 0.5, "--cooling", 0.5, "--trials-per-pixel", 0.5, "--max-stages", 5, "--threads", 1),
        *("--pixel-size", "40 nm", "--overwrite", "-q"),
    )
    assert result.exit_code == 0, result.output
    assert "20 x 24 px" in result.output
    assert "2,400 swaps tried in 10 stages" in result.output
    assert "all 5 stages were done" in result.output


def test_an_interrupt(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reconstruction_annealing.Candidate, "advance", stop)
    result = run(source, "-o", tmp_path / "out", "-q")
    assert result.exit_code == 130, result.output
    assert "note: the deviation is" in result.output
    assert "it was interrupted" in result.output
    assert str(tmp_path / "out" / "reconstruction.partial.tif") in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--size", "big"), 2, "'big' is not a size such as 256 or 256x384"),
        (("--size", "3"), 2, "the size is 3 x 3 px"),
        (("--size", "20", "--r-max", "11"), 1, "wanted r_max up to half the shorter side, 10"),
        (("--r-max", "0"), 2, "x>=1"),
        (("--cooling", "1"), 2, "0<x<1"),
        (("--directions", "up"), 2, "'up' is not one of"),
    ],
)
def test_one_clear_line(source: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run(source, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    for name in ("no.tif", "no.npy", "no.csv"):
        result = run(tmp_path / name, "-o", tmp_path / "out")
        assert result.exit_code == 1
        assert "no" in result.output
        assert len(result.output.strip().splitlines()) == 1
