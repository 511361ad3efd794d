"""``cemvis map``: exit code, one clear line for what goes wrong, and the files read back."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner, Result
from PIL import Image

from cemvis.cli import main
from cemvis.cli import map as map_command
from cemvis.errors import InputError
from cemvis.models.model_file import save_model
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.workflows import map as map_workflow
from cemvis.workflows._map_network_plan import plan_network
from cemvis.workflows._map_plan import BLOCK_BYTES, CellGrid
from cemvis.workflows.map import unfinished
from mosaics import example_model, paste_like
from networks import model_around, random_window_network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli_map")


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    example_model(folder / "model.safetensors", properties=("modulus",))
    return folder / "model.safetensors"


@pytest.fixture(scope="module")
def mosaic(folder: Path) -> Path:
    path = folder / "mosaic.tif"
    tifffile.imwrite(path, paste_like((250, 300)), tile=(64, 64), compression="zlib", metadata=None)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["map", *map(str, arguments)])


def failed(result: Result, code: int = 1) -> str:
    """Return the one line that a failed command says."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def test_mosaic_is_mapped_and_the_files_are_named(mosaic: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "map"
    result = run(mosaic, "--model", model, "-o", output, "--pixel-size", "50 nm", "--step", "0.5")
    assert result.exit_code == 0, result.output
    assert "Mapped 696 cells (24 x 29) of 1 um, one every 0.5 um, at 50 nm per pixel (option)." in result.stdout
    assert "Modulus: mean" in result.stdout
    for name in ("modulus.png", "histogram.png"):
        assert str(output / name) in result.stdout
        with Image.open(output / name) as picture:
            assert picture.size[0] > 800
    assert result.stderr == ""
    values = tifffile.imread(output / "modulus.ome.tif")
    table = pd.read_csv(output / "cells.csv")
    np.testing.assert_allclose(values.ravel(), table["modulus_gpa"], rtol=1e-6)
    assert values.shape == (24, 29)


def test_quiet_says_nothing_but_warnings(mosaic: Path, model: Path, tmp_path: Path) -> None:
    given = ("--model", model, "--pixel-size", "80nm", "-q", "--threads", 1)
    result = run(mosaic, *given, "-o", tmp_path / "map")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Warning: the mosaic has 80 nm/px, the model was trained at 50 nm/px")
    assert len(result.stderr.splitlines()) == 1


def test_anchors_and_mask_are_used(mosaic: Path, model: Path, tmp_path: Path) -> None:
    region = np.zeros((250, 300), np.uint8)
    region[:100] = 1
    Image.fromarray(region).save(tmp_path / "mask.png")
    given = ("--model", model, "--pixel-size", "50 nm", "--anchors", "100, 190.5", "--mask", tmp_path / "mask.png")
    result = run(mosaic, *given, "-o", tmp_path / "map")
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "map" / "summary.json").read_text())
    assert summary["grey_scale"]["anchors"] == {"matrix": 100.0, "clinker": 190.5}
    assert summary["cells"]["mapped"] == 5 * 15
    assert "Mapped 75 of 180 cells (12 x 15)" in result.stdout


def test_info_bar_that_was_left_out_is_told(mosaic: Path, model: Path, tmp_path: Path) -> None:
    barred = np.concatenate([tifffile.imread(mosaic), np.zeros((20, 300), np.uint8)])
    barred[255:265, 20:120:3] = 255
    tifffile.imwrite(tmp_path / "barred.tif", barred, metadata=None)
    result = run(tmp_path / "barred.tif", "--model", model, "--pixel-size", "50 nm", "-o", tmp_path / "map")
    assert result.exit_code == 0, result.output
    said = "the info bar, 20 rows at the bottom, is left out (by the picture)"
    assert f"Note: {said}." in result.stdout
    assert json.loads((tmp_path / "map" / "summary.json").read_text())["mosaic"]["notes"] == [said]


def test_earlier_map_needs_overwrite(mosaic: Path, model: Path, tmp_path: Path) -> None:
    given = (mosaic, "--model", model, "--pixel-size", "50 nm", "-o", tmp_path / "map", "-q")
    assert run(*given).exit_code == 0
    assert "--overwrite" in failed(run(*given))
    assert run(*given, "--overwrite").exit_code == 0


def test_sample_needs_neither_mosaic_nor_pixel_size(
    mosaic: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = tmp_path / "sample.tif"
    tifffile.imwrite(sample, tifffile.imread(mosaic), ome=True, metadata={"PhysicalSizeX": 0.05, "PhysicalSizeY": 0.05})
    monkeypatch.setattr(map_command, "SAMPLE", sample)
    monkeypatch.chdir(tmp_path)
    result = run("--sample", "--model", model)
    assert result.exit_code == 0, result.output
    assert "one every 1.3 um" in result.stdout  # 26 px of 50 nm
    assert (tmp_path / "cemvis-map" / "modulus.png").is_file()


def test_sample_that_is_not_installed_is_one_clear_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_command, "SAMPLE", tmp_path / "sample.tif")
    assert "has no sample" in failed(run("--sample", "--model", model, "-o", tmp_path / "map"))


# Networks


@pytest.fixture(scope="module")
def network(folder: Path) -> Path:
    layout = ResNetLayout.dense(pooled=1, targets=2, spread=True)
    save_model(folder / "network.safetensors", model_around(random_window_network(layout)))
    return folder / "network.safetensors"


def test_sample_is_mapped_in_one_pass_at_the_step_that_it_has_by_default() -> None:
    """With the embedded network's layout, at the sample's 40 nm per pixel."""
    step_px = map_command.SAMPLE_STEP_UM / 0.04
    assert step_px == pytest.approx(round(step_px))
    grid = CellGrid((3000, 4000), 0.04, 250, round(step_px))
    layout = ResNetLayout.dense(pooled=1, downsample=2, targets=2, spread=True)
    plan, notes = plan_network(layout, grid, step_given=True, tile_samples=None, block_px=BLOCK_BYTES, batch=None)
    assert (plan.dense, plan.phases, notes) == (True, 1, ())
    assert plan.grid == grid


def test_rounded_step_is_told_once_and_early(mosaic: Path, network: Path, tmp_path: Path) -> None:
    given = (mosaic, "--model", network, "--pixel-size", "50 nm", "--step", "0.85", "--device", "cpu", "--tile", 200)
    result = run(*given, "-o", tmp_path / "map")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Note: the step was rounded from 0.85 to 0.8 um: dense maps")
    assert len(result.stderr.splitlines()) == 1
    assert "Note:" not in result.stdout
    assert "one every 0.8 um" in result.stdout
    assert "Network: reads 109 px (5.45 um) around each cell, computed densely, in one pass" in result.stdout
    assert "reads over the mosaic's border: 16" in result.stdout
    assert run(*given, "-o", tmp_path / "quiet", "-q").stderr == ""


def test_network_options_reach_the_map(mosaic: Path, network: Path, tmp_path: Path, monkeypatch) -> None:
    seen: dict[str, object] = {}

    def stop(*_: object, **settings: object) -> None:
        seen.update(settings)
        msg = "seen"
        raise InputError(msg)

    monkeypatch.setattr(map_workflow, "map_mosaic", stop)
    options = ("--tile", 200, "--batch", 7, "--backend", "torch", "--device", "cpu", "--threads", 3)
    assert failed(run(mosaic, "--model", network, "-o", tmp_path / "map", *options)) == "Error: seen"
    assert {name: seen[name] for name in ("tile_samples", "batch", "backend", "device", "threads")} == {
        "tile_samples": 200, "batch": 7, "backend": "torch", "device": "cpu", "threads": 3
    }  # fmt: skip


def test_options_for_networks_are_not_swallowed_by_tables(mosaic: Path, model: Path, tmp_path: Path) -> None:
    given = (mosaic, "--model", model, "--pixel-size", "50nm", "-o", tmp_path / "map")
    result = run(*given, "--device", "cpu", "--batch", 4, "--tile", 200, "--backend", "torch")
    assert result.exit_code == 0, result.output
    assert result.stderr == "Note: --device, --backend, --batch, --tile: for networks, and this model has none.\n"
    assert "device 'cuda:99' is not there; this machine has cpu" in failed(
        run(*given, "--device", "cuda:99", "--overwrite")
    )


def test_device_or_pixel_size_that_does_not_fit_a_network_is_one_clear_line(
    mosaic: Path, network: Path, tmp_path: Path
) -> None:
    given = (mosaic, "--model", network, "-o", tmp_path / "map", "--pixel-size")
    assert "device 'cuda:99' is not there; this machine has cpu" in failed(run(*given, "50nm", "--device", "cuda:99"))
    assert "one of the network's samples of 50 nm" in failed(run(*given, "70nm", "--device", "cpu"))
    assert not (tmp_path / "map").exists()


def test_embedded_table_goes_by_its_name(mosaic: Path, tmp_path: Path) -> None:
    given = (mosaic, "--pixel-size", "40 nm", "--anchors", "110,210", "--step", "1", "-o", tmp_path / "map")
    assert run(*given, "--model", "table", "-q").exit_code == 0
    networks = json.loads((tmp_path / "map" / "summary.json").read_text())["model"]["networks"]
    assert networks == {"modulus": "table", "hardness": "table"}


# Wrong usage: exit code 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either a MOSAIC or --sample"),
        (("m.tif", "--sample"), "either a MOSAIC or --sample"),
        (("m.tif", "--pixel-size", "40"), "has no unit"),
        (("m.tif", "--pixel-size", "wide"), "is not a length"),
        (("m.tif", "--anchors", "112"), "two grey levels of the mosaic such as 112,205"),
        (("m.tif", "--anchors", "205,112"), "the clinker's at least 1 above the matrix's"),
        (("m.tif", "--step", "0"), "0"),
        (("m.tif", "--threads", "0"), "0"),
        (("m.tif", "--batch", "0"), "0"),
        (("m.tif", "--backend", "paper"), "'paper' is not one of 'auto', 'torch', 'onnx'"),
    ],
)
def test_wrong_usage_is_told_apart(arguments: tuple[str, ...], said: str) -> None:
    assert said in failed(run(*arguments), code=2)


# Bad input: exit code 1, one clear line, nothing written


def write_truncated(path: Path) -> None:
    tifffile.imwrite(path, paste_like((250, 300)), compression="zlib", rowsperstrip=8, metadata=None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_coloured(path: Path) -> None:
    grey = paste_like((250, 300))
    tifffile.imwrite(path, np.stack([grey, grey // 2, grey], axis=-1), photometric="rgb", metadata=None)


def write_float_with_nan(path: Path) -> None:
    values = paste_like((250, 300)).astype(np.float32)
    values[100, 100] = np.nan
    tifffile.imwrite(path, values, metadata=None)


def write_small(path: Path) -> None:
    tifffile.imwrite(path, paste_like((15, 300)), metadata=None)


def write_constant(path: Path) -> None:
    tifffile.imwrite(path, np.full((250, 300), 90, np.uint8), metadata=None)


def write_text(path: Path) -> None:
    path.write_text("not a picture")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (write_truncated, "truncated"),
        (write_coloured, "grey"),
        (write_float_with_nan, "NaN"),
        (write_small, "larger than the image of 15 x 300 px"),
        (write_constant, "--anchors"),
        (write_text, "wanted a TIFF, PNG, JPEG or Zarr image"),
    ],
)
def test_bad_mosaic_is_one_clear_line(write, said: str, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.tif"
    write(path)
    line = failed(run(path, "--model", model, "--pixel-size", "50 nm", "-o", tmp_path / "map"))
    assert said in line
    assert not (tmp_path / "map").exists()


def test_unknown_pixel_size_is_asked_for(mosaic: Path, model: Path, tmp_path: Path) -> None:
    assert "--pixel-size '40 nm'" in failed(run(mosaic, "--model", model, "-o", tmp_path / "map"))


def test_wrong_unit_is_suspected(mosaic: Path, model: Path, tmp_path: Path) -> None:
    line = failed(run(mosaic, "--model", model, "--pixel-size", "50 um", "-o", tmp_path / "map"))
    assert "0.02 px wide" in line
    assert "is the unit of the pixel size right" in line


def test_missing_mosaic_is_one_clear_line(model: Path, tmp_path: Path) -> None:
    assert "absent.tif" in failed(run(tmp_path / "absent.tif", "--model", model, "-o", tmp_path / "map"))


def test_model_of_another_grey_scale_is_warned_of(mosaic: Path, model: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark.tif"
    tifffile.imwrite(dark, tifffile.imread(mosaic) // 3, metadata=None)
    given = ("--model", model, "--pixel-size", "50 nm", "--anchors", "none", "-o", tmp_path / "map")
    result = run(dark, *given)
    assert result.exit_code == 0, result.output
    assert "lie outside the grey range that the model was trained on" in result.stderr
    assert "Warnings: 1" in result.stdout


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("opened",)


def test_pickle_is_not_opened_as_a_model(mosaic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Trap()))
    assert "pickle" in failed(run(mosaic, "--model", "model.pkl", "--pixel-size", "50 nm"))
    assert [path.name for path in tmp_path.iterdir()] == ["model.pkl"]


def test_tampered_model_is_refused(mosaic: Path, model: Path, tmp_path: Path) -> None:
    data = bytearray(model.read_bytes())
    data[-3] ^= 0x10
    (tmp_path / "model.safetensors").write_bytes(data)
    line = failed(run(mosaic, "--model", tmp_path / "model.safetensors", "--pixel-size", "50 nm"))
    assert "damaged or was edited" in line


def test_output_that_cannot_be_written_is_one_clear_line(mosaic: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    given = ("--model", model, "--pixel-size", "50 nm", "-o")
    assert "is a file; wanted a folder" in failed(run(mosaic, *given, tmp_path / "file"))
    assert "cannot write to" in failed(run(mosaic, *given, tmp_path / "file" / "map"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX names")
def test_output_with_too_long_a_name_is_one_clear_line(mosaic: Path, model: Path, tmp_path: Path) -> None:
    given = ("--model", model, "--pixel-size", "50 nm", "-o")
    assert "cannot write to" in failed(run(mosaic, *given, tmp_path / ("n" * 300)))


def test_error_of_the_system_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "mosaic.tif")

    monkeypatch.setattr(map_command.command, "callback", refused)
    assert failed(run("--sample")) == "Error: mosaic.tif: Permission denied"


# In a process of its own: a real limit on what may be written, a real Ctrl-C

DRIVER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is started with it ignored
from cemvis.workflows import _map_plan
_map_plan.BLOCK_BYTES = 4_000  # so that a small mosaic has many blocks
from cemvis.images.micrograph import Micrograph
from cemvis.cli import main
plain_read = Micrograph.read
def slow_read(self, *window, threads=1):
    time.sleep({pause})
    return plain_read(self, *window, threads=threads)
Micrograph.read = slow_read
{before}
main(sys.argv[1:])
"""


def start(
    arguments: list[str], *, pause: float = 0.0, before: str = "", stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    code = DRIVER.format(pause=pause, before=textwrap.dedent(before))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": stderr, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, **pipes)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_what_was_finished_and_says_how_to_go_on(mosaic: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "map"
    given = [str(mosaic), "--model", str(model), "--pixel-size", "50 nm", "--anchors", "110,210", "-o", str(output)]
    process = start(["map", *given], pause=0.4)
    journal = output / ".cemvis-map.part" / "finished.txt"
    waited_until = time.monotonic() + 60
    while not (journal.is_file() and journal.stat().st_size > 0) and time.monotonic() < waited_until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert stderr.startswith("Interrupted; what was finished is kept in ")
    assert "--resume" in stderr
    assert len(stderr.splitlines()) == 1
    assert unfinished(output) is not None
    assert [path.name for path in output.iterdir()] == [".cemvis-map.part"]

    process = start(["map", *given, "--resume"])
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert unfinished(output) is None
    run(*given[:-1], tmp_path / "at_once")
    for name in ("modulus.ome.tif", "cells.parquet", "modulus.png", "summary.json"):
        assert (output / name).read_bytes() == (tmp_path / "at_once" / name).read_bytes(), name


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_full_disk_is_one_clear_line(mosaic: Path, model: Path, tmp_path: Path) -> None:
    """A limit on the size of files makes writing fail in the middle, as a full disk does."""
    output = tmp_path / "map"
    given = [str(mosaic), "--model", str(model), "--pixel-size", "50 nm", "--anchors", "110,210", "-o", str(output)]
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))"
    process = start(["map", *given], before=limit)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1, stderr
    assert stdout == ""
    assert stderr.startswith("Error: cannot write ")
    assert "Traceback" not in stderr
    assert [path.name for path in output.iterdir()] == [".cemvis-map.part"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_progress_is_shown_on_a_terminal(mosaic: Path, model: Path, tmp_path: Path) -> None:
    terminal, stderr = os.openpty()
    given = [str(mosaic), "--model", str(model), "--pixel-size", "50 nm", "-o", str(tmp_path / "map")]
    process = start(["map", *given], pause=0.01, stderr=stderr)
    os.close(stderr)
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # its end is an error on Linux
        while part := screen.read(4096):
            shown += part
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0, shown.decode()
    assert b"reading the mosaic" in shown
    assert b"writing the files" in shown
    assert b"left:" in shown
    assert stdout.startswith("Mapped 180 cells")


def test_help_states_units_and_defaults() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for said in ("um", "[default: auto]", "[default: cemvis-map]", "40 nm"):
        assert said in result.stdout
