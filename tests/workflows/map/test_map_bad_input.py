"""What cannot be mapped is one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cemvis.errors import (
    FileFormatError,
    InputError,
    ModelFileError,
)
from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model import Model
from cemvis.workflows.map import map_mosaic
from mapped import PIXEL_UM, SMALL_BLOCKS, mapped

# Bad input


def test_mosaic_that_is_damaged_half_way_leaves_nothing(mosaic: Path, model: Model, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tif"
    with tifffile.TiffFile(mosaic) as tiff:
        middle = len(tiff.pages[0].dataoffsets) // 2
        offset, count = tiff.pages[0].dataoffsets[middle], tiff.pages[0].databytecounts[middle]
    data = bytearray(mosaic.read_bytes())
    data[offset : offset + count] = bytes(count)
    damaged.write_bytes(data)
    seen: list[tuple[str, int, int]] = []
    with pytest.raises(FileFormatError):
        mapped(damaged, model, tmp_path / "map", block_bytes=SMALL_BLOCKS, progress=lambda *step: seen.append(step))
    assert max(done for _, done, _ in seen) >= 1
    assert not (tmp_path / "map").exists()


def test_model_file_is_read(mosaic: Path, model: Model, folder: Path, tmp_path: Path) -> None:
    result = mapped(mosaic, folder / "model.safetensors", tmp_path / "map")
    assert json.loads((tmp_path / "map" / "summary.json").read_text())["model"]["sha256"] == model.digest
    assert result.units == {"modulus": "GPa"}
    with pytest.raises(ModelFileError):
        mapped(mosaic, mosaic, tmp_path / "other")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pixel_size": 0.4}, "pixel_size is 0.4; wanted a length with its unit"),
        ({"anchors": (1, 2, 3)}, "wanted two grey levels"),
        ({"anchors": ("110", "210")}, "wanted two grey levels"),
        ({"model": 3}, "model is a int; wanted a path"),
        ({"mosaic": 3}, "mosaic is a int; wanted a path"),
        ({"output": 3}, "output is a int; wanted a path"),
        ({"mask": 3}, "mask is a int; wanted a path"),
        ({"mask": np.zeros((3, 3, 3))}, r"mask is an array of shape \(3, 3, 3\)"),
        ({"block_bytes": "x"}, "block_bytes is 'x'; wanted a whole number"),
        ({"batch": 0}, "batch is 0; wanted a whole number"),
        ({"tile_samples": 2.5}, r"tile_samples is 2\.5; wanted a whole number"),
        ({"backend": "tensor"}, "backend is 'tensor'; wanted one of auto, torch, onnx"),
        ({"block_bytes": 0}, "block_bytes is 0; wanted a whole number"),
        ({"block_bytes": -5}, "block_bytes is -5; wanted a whole number"),
    ],
)
def test_wrong_arguments_are_one_clear_line(mosaic: Path, model: Model, tmp_path: Path, wrong, said: str) -> None:
    with pytest.raises(InputError, match=said):
        mapped(**{"mosaic": mosaic, "model": model, "output": tmp_path / "map"} | wrong)


@pytest.mark.parametrize("anchors", ["automatic", "", 3])
def test_unknown_anchors_are_refused(mosaic: Path, model: Model, tmp_path: Path, anchors: object) -> None:
    with pytest.raises(InputError, match="wanted 'auto', 'none' or a GreyScale"):
        mapped(mosaic, model, tmp_path / "map", anchors=anchors)


def test_pixel_size_of_an_opened_micrograph_is_its_own(image: np.ndarray, model: Model, tmp_path: Path) -> None:
    opened = Micrograph.from_array(image, pixel_size=PixelSize(PIXEL_UM, "option"))
    with pytest.raises(InputError, match="goes with a path"):
        map_mosaic(opened, model, output=tmp_path / "map", pixel_size="40 nm")


def test_progress_runs_to_the_end(mosaic: Path, model: Model, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    mapped(mosaic, model, tmp_path / "map", block_bytes=SMALL_BLOCKS, progress=lambda *step: seen.append(step))
    for stage in ("reading the mosaic", "writing the files"):
        steps = [(done, count) for name, done, count in seen if name == stage]
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1][0] == steps[-1][1] > 3
