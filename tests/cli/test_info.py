from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from cemvis.cli import main

RNG = np.random.default_rng(6)


def paste(rows=300, cols=400):
    """Pixels of a matrix at 110 with clinker at 190, in squares of 10 px."""
    shape = (rows // 10, cols // 10)
    greys = np.where(RNG.random(shape) < 0.12, 190.0, 110.0).repeat(10, 0).repeat(10, 1)
    return np.clip(np.rint(greys + RNG.normal(0, 7, greys.shape)), 0, 255).astype(np.uint8)


@pytest.fixture
def micrograph(tmp_path):
    path = tmp_path / "paste.tif"
    tifffile.imwrite(path, paste(), tile=(64, 64), compression="zlib", resolution=(250_000, 250_000), resolutionunit=3)
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["info", *map(str, arguments)])


def lines_of(result):
    """Return the printed lines by their names."""
    return {line[2:16].strip(): line[17:] for line in result.stdout.splitlines() if line.startswith("  ")}


def test_a_file_is_described(micrograph):
    result = run(micrograph)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert result.stdout.splitlines()[0] == str(micrograph)
    lines = lines_of(result)
    assert lines["size"] == "400 x 300 px (width x height), uint8"
    assert lines["pixel size"] == "40 nm (resolution tags)"
    assert lines["field of view"] == "16 um x 12 um (width x height)"
    assert lines["info bar"] == "none"
    assert lines["storage"] == "TIFF, 35 tiles of 64 x 64 px, ADOBE_DEFLATE compressed"
    assert "in use" in lines["grey levels"]
    assert lines["anchors"].startswith("matrix 1")
    assert "sha256" not in lines


def test_without_a_pixel_size_it_says_how_to_give_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", paste())
    lines = lines_of(run(tmp_path / "a.tif"))
    assert "--pixel-size '40 nm'" in lines["pixel size"]
    assert "field of view" not in lines


def test_the_option_counts_and_a_conflict_is_told(micrograph):
    lines = lines_of(run(micrograph, "--pixel-size", "0.5 um"))
    assert lines["pixel size"] == "500 nm (option)"
    assert lines["warning"].startswith("two pixel sizes, 500 nm (option) and 40 x 40 nm (resolution tags)")


@pytest.mark.parametrize("text", ["40", "forty", "40 px"])
def test_a_bad_pixel_size_is_wrong_usage(micrograph, text):
    result = run(micrograph, "--pixel-size", text)
    assert result.exit_code == 2
    assert f"pixel size '{text}'" in result.stderr


def test_json_for_machines(micrograph):
    result = run(micrograph, "--json", "--digest")
    assert result.exit_code == 0
    (told,) = json.loads(result.stdout)["files"]
    assert told["path"] == str(micrograph)
    assert told["shape"] == [300, 400]
    assert told["dtype"] == "uint8"
    assert told["pixel_size"] == {"um": pytest.approx(0.04), "source": "resolution tags"}
    assert told["field_um"] == pytest.approx([12, 16])
    assert told["info_bar_rows"] == 0
    assert told["pixels_counted"] == 120_000
    assert told["anchors"]["scale"]["matrix"] == pytest.approx(110, abs=2)
    assert told["anchors"]["scale"]["clinker"] == pytest.approx(190, abs=2)
    assert told["anchors"]["reliable"] is True
    assert told["sha256"] == hashlib.sha256(micrograph.read_bytes()).hexdigest()
    assert told["warnings"] == []


def test_several_files_carry_on_after_a_bad_one_and_end_in_failure(micrograph, tmp_path):
    (tmp_path / "bad.tif").write_text("no image")
    result = run(micrograph, tmp_path / "bad.tif", tmp_path / "missing.tif", micrograph)
    assert result.exit_code == 1
    assert result.stdout.count("matrix") == 2
    assert result.stderr.count("Error: ") == 2
    assert "bad.tif is not an image" in result.stderr
    assert "No such file" in result.stderr
    told = json.loads(run(tmp_path / "bad.tif", micrograph, "--json").stdout)["files"]
    assert "not an image" in told[0]["error"]
    assert told[1]["shape"] == [300, 400]


def test_anchors_that_do_not_hold_are_called_so(tmp_path):
    tifffile.imwrite(tmp_path / "flat.tif", np.full((200, 200), 80, np.uint8))
    lines = lines_of(run(tmp_path / "flat.tif"))
    assert lines["anchors"] == "not reliable: grey levels in use: 1; no phases to tell apart"


def test_devices_are_listed_or_the_reason_is(micrograph):
    result = run("--devices")
    assert result.exit_code == 0
    assert result.stdout.startswith("CUDA devices\n")
    told = json.loads(run("--devices", "--json").stdout)
    assert told["files"] == []
    assert bool(told["cuda"]["devices"]) != bool(told["cuda"]["reason"])
    both = run(micrograph, "--devices").stdout
    assert both.index("storage") < both.index("CUDA devices")


def test_no_file_at_all_is_wrong_usage():
    result = run()
    assert result.exit_code == 2
    assert "FILE" in result.stderr


def test_real_files(shared_data):
    paths = sorted((shared_data / "sem_vendor").glob("*.tif"))
    result = run(*paths)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("pixel size") == len(paths) == 6
    assert "269.792 nm (FEI)" in result.stdout
    assert "60 rows left out, found in the picture" in result.stdout
