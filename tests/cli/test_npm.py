"""``cemvis npm``: what it says, and one clear line for what goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cemvis.cli import main
from metal_paste import picture, write_picture


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["npm", *map(str, arguments)])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_picture(tmp_path / "image.tif", picture(shape=(192, 256)).grey)


def test_an_image_becomes_maps(tmp_path: Path, image: Path) -> None:
    out = tmp_path / "out"
    result = run(
        *(image, "-o", out, "--curve", "mixture", "--map-size", 96, "--metal-grey", 220, "--metal-error", 1),
        *("--csh-region", "image.tif:5,5,3,3um", "--bootstrap", 20, "--no-figures", "-q"),
    )
    assert result.exit_code == 0, result.output
    assert "metal 220.00 +- 1.00 (given)" in result.output
    assert "(regions)" in result.output
    assert "image.mulf.tif: porosity 0." in result.output
    assert "4 maps: porosity 0." in result.output
    for name in ("npm.json", "porosity.csv", "pore_sizes.csv", "image.mulf.tif", "image.micf.tif", "image.clinker.tif"):
        assert (out / name).is_file()
    again = run(image, "-o", out, "--curve", "mixture", "--no-figures", "-q")
    assert again.exit_code == 1
    assert "--overwrite" in again.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--csh-grey", 200, "--metal-grey", 100), 2, "metal's at least 1 above"),
        (("--csh-grey", 60, "--csh-region", "0,0,20,20"), 2, "wanted one of the two"),
        (("--csh-region", "1,2,3"), 2, "not a region"),
        (("--pore-threshold", "2"), 2, "neither isodata nor a porosity"),
        (("--pore-threshold", "half"), 2, "neither isodata nor a porosity"),
        (("--clinker-range", "0.3"), 2, "two numbers"),
        (("--clinker-range", "0.3,0.1"), 2, "clinker's relative grey"),
        (("--clinker", "nowhere.tif"), 1, "is not there"),
        (("--csh-grey", 1, "--metal-grey", 3), 1, "on one side of both"),
        (("--csh-error", -1), 2, "csh-error"),
    ],
)
def test_one_line_for_what_goes_wrong(
    tmp_path: Path, image: Path, arguments: tuple[object, ...], code: int, said: str
) -> None:
    result = run(image, "-o", tmp_path / "out", "-q", "--curve", "mixture", *arguments)
    assert result.exit_code == code, result.output
    assert said in result.output
    assert "Traceback" not in result.output
