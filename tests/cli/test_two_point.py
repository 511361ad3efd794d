"""``cemvis two-point``: what it says, and one clear line for what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result

from cemvis.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["two-point", *map(str, arguments)])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    coarse = np.random.default_rng(1).integers(40, 200, (40, 40))
    tifffile.imwrite(tmp_path / "image.tif", np.kron(coarse, np.ones((4, 4))).astype(np.uint8))
    return tmp_path / "image.tif"


def test_an_image_with_everything(tmp_path: Path, image: Path) -> None:
    result = run(
        *(
            image,
            "-o",
            tmp_path / "out",
            "--pixel-size",
            "50 nm",
            "--r-max",
            "1um",
            "--phases",
            "dark=0-99,bright=100-255",
        ),
        *("--full", "--directional", "6px", "--lineal-path", "--clusters", "--bootstrap", 30, "--seed", 2, "-q"),
    )
    assert result.exit_code == 0, result.output
    assert "1 image: 25,600 valid pixels" in result.output
    assert "to 20 px" in result.output
    assert "correlation length     0.2" in result.output
    assert "characteristic length" in result.output
    assert "perimeter" in result.output
    assert "Note: bands are drawn from" in result.output
    said = json.loads((tmp_path / "out" / "two_point.json").read_text(encoding="utf-8"))
    assert said["bands"]["seed"] == 2
    assert said["counting"]["full"]
    for name in ("map", "curves", "phases", "directions"):
        assert (tmp_path / "out" / f"two_point_{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert (tmp_path / "out" / f"two_point_{name}.pdf").read_bytes()[:4] == b"%PDF"


def test_floats_and_a_table_of_phases(tmp_path: Path) -> None:
    np.save(tmp_path / "map.npy", np.random.default_rng(1).uniform(0, 1, (40, 40)))
    (tmp_path / "phases.csv").write_text("phase,lowest,highest\nlow,0,3\n")
    result = run(
        *(tmp_path / "map.npy", "-o", tmp_path / "out", "--range", "0,1", "--levels", 8, "--r-max", 9, "-q"),
        *("--phases", tmp_path / "phases.csv", "--bootstrap", 0),
    )
    assert result.exit_code == 0, result.output
    assert "low" in result.output
    assert "px/px2" in result.output
    assert "no bands: none were wanted" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--r-max", "3 miles"], 2, "is not a distance such as"),
        (["--phases", "a=9-3"], 2, "wanted 0 <= lowest"),
        (["--phases", "nothing.csv"], 2, "cannot read nothing.csv"),
        (["--range", "5"], 2, "is not two numbers"),
        (["--range", "5,1"], 2, "the first below the second"),
        (["--clusters"], 2, "give --phases"),
        (["--bootstrap", "3"], 2, "wanted 0, or at least 20"),
        (["--levels", "300"], 2, "300 is not in the range"),
        (["--r-max", "300px"], 1, "r_max is 300 px; wanted 1 to 225"),
        (["--r-max", "3um"], 1, "needs the pixel size"),
        (["--mask", "absent.tif"], 1, "absent.tif"),
    ],
)
def test_what_goes_wrong_is_one_line(
    tmp_path: Path, image: Path, arguments: list[str], code: int, message: str
) -> None:
    result = run(image, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == code, result.output
    line = result.output.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    assert message in line
    assert not (tmp_path / "out").exists()
