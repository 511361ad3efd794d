"""What a map says of a grey scale or a pixel size that does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cemvis.errors import (
    GreyScaleError,
    GreyScaleWarning,
    PixelSizeError,
    PixelSizeWarning,
)
from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model import Model
from cemvis.models.prediction import Flag
from cemvis.workflows.map import map_mosaic
from mapped import mapped

# Grey scale and pixel size


def test_windows_outside_the_training_range_are_warned_of_in_the_outputs(
    image: np.ndarray, model: Model, tmp_path: Path
) -> None:
    dark = tmp_path / "dark.png"
    Image.fromarray((image // 3).astype(np.uint8)).save(dark)
    with pytest.warns(GreyScaleWarning, match="lie outside the grey range"):
        result = mapped(dark, model, tmp_path / "map", anchors="none")
    assert result.counts.outside_share > 0.5
    summary = json.loads((tmp_path / "map" / "summary.json").read_text())
    assert any("lie outside the grey range" in text for text in summary["warnings"])
    flags = result.to_frame()["flags"]
    assert ((flags & Flag.CLIPPED_LOW.value) != 0).sum() == result.counts.outside
    assert summary["grey_scale"]["source"] == "none"
    picture = np.asarray(Image.open(tmp_path / "map" / "modulus.png").convert("RGB")).reshape(-1, 3)
    assert (picture == (0xB3, 0x26, 0x1E)).all(axis=1).mean() > 0.01


def test_constant_image_has_no_grey_scale(model: Model, tmp_path: Path) -> None:
    constant = tmp_path / "constant.png"
    Image.fromarray(np.full((100, 100), 140, np.uint8)).save(constant)
    with pytest.raises(GreyScaleError, match="--anchors"):
        mapped(constant, model, tmp_path / "map", anchors="auto")
    assert not (tmp_path / "map").exists()
    result = mapped(constant, model, tmp_path / "as_is", anchors="none")
    assert np.ptp(result.values("modulus")) == 0


def test_unsure_anchors_are_warned_of_in_the_outputs(image: np.ndarray, model: Model, tmp_path: Path) -> None:
    bright = image.copy()
    bright[:8] = 255
    saturated = tmp_path / "saturated.png"
    Image.fromarray(bright).save(saturated)
    with pytest.warns(GreyScaleWarning, match=r"the grey scale is uncertain .*saturated: 2\.6%"):
        result = mapped(saturated, model, tmp_path / "map", anchors="auto")
    assert not result.transform.reliable
    (said,) = json.loads((tmp_path / "map" / "summary.json").read_text())["warnings"]
    assert said.startswith("the grey scale is uncertain")
    picture = np.asarray(Image.open(tmp_path / "map" / "modulus.png").convert("RGB")).reshape(-1, 3)
    assert (picture == (0xB3, 0x26, 0x1E)).all(axis=1).mean() > 0.01


def test_warning_that_explains_an_error_is_given_before_it(model: Model, tmp_path: Path) -> None:
    constant = Micrograph.from_array(np.full((100, 100), 140, np.uint8), pixel_size=PixelSize(0.08, "option"))
    with pytest.warns(PixelSizeWarning, match="factor of 1.6"), pytest.raises(GreyScaleError):
        map_mosaic(constant, model, output=tmp_path / "map")


def test_unknown_pixel_size_is_asked_for(mosaic: Path, model: Model, tmp_path: Path) -> None:
    with pytest.raises(PixelSizeError, match="--pixel-size"):
        mapped(mosaic, model, tmp_path / "map", pixel_size=None)
    assert not (tmp_path / "map").exists()


def test_far_pixel_size_is_warned_of_in_the_outputs(mosaic: Path, model: Model, tmp_path: Path) -> None:
    with pytest.warns(PixelSizeWarning, match="factor of 1.6"):
        result = mapped(mosaic, model, tmp_path / "map", pixel_size=PixelSize(0.08, "option"))
    assert result.grid.window_px == 12
    assert "factor of 1.6" in (tmp_path / "map" / "summary.json").read_text()
