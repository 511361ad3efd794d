"""Nano-porosity maps: what does not go together is refused in one line, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cemvis.errors import (
    CemvisError,
    FileAccessError,
    InputError,
    OutputExistsError,
    PixelSizeError,
    PixelSizeWarning,
)
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows.npm import NpmConfig, NpmResult, Region, npm
from metal_paste import Linear, picture, write_mask, write_picture

GIVEN = {"csh_grey": 60.0, "metal_grey": 220.0}


def run(paths: list[Path], output: Path, **settings: object) -> NpmResult:
    settings = {"figures": False, "map_px": 64, "resamplings": 10, **settings}
    return npm(paths, output, NpmConfig(**settings), curve=Linear())  # type: ignore[arg-type]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_picture(tmp_path / "image.tif", picture(shape=(128, 160)).grey)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"csh_grey": 200.0, "metal_grey": 100.0}, "metal's at least 1 above"),
        ({"csh_grey": 100.0, "metal_grey": 100.0}, "metal's at least 1 above"),
        ({"csh_grey": float("nan")}, "wanted a number"),
        ({"csh_grey": 60.0, "csh_regions": (Region(0, 0, 9, 9),)}, "wanted one of the two"),
        ({"map_px": 4}, "wanted 8 to"),
        ({"sigma_px": -1.0}, "sigma_px"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        NpmConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"csh_grey": 250.0, "metal_grey": 254.0}, "on one side of both"),
        ({"csh_grey": 1.0, "metal_grey": 3.0}, "on one side of both"),
        ({"csh_grey": 60.0, "metal_grey": 3000.0}, "wanted one of uint8"),
        ({"csh_regions": (Region(150, 0, 64, 64),), "metal_grey": 220.0}, "not inside the image"),
        ({"csh_regions": (Region(0, 0, 4, 4),), "metal_grey": 220.0}, "8 x 8 px"),
        ({"csh_regions": (Region(0, 0, 64, 64, "px", "other.tif"),), "metal_grey": 220.0}, "names 0"),
    ],
)
def test_anchors_that_are_not_of_the_image(tmp_path: Path, image: Path, settings: dict[str, object], said: str) -> None:
    with pytest.raises(CemvisError, match=said):
        run([image], tmp_path / "out", **settings)
    assert not (tmp_path / "out" / "npm.json").exists()


def test_anchors_beyond_the_greys_are_said(tmp_path: Path, image: Path) -> None:
    found = run([image], tmp_path / "out", csh_grey=2.0, metal_grey=255.0)
    assert any("2, is outside those of the images" in note for note in found.notes)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((128, 159), bool), "wanted the same"),
        (np.arange(128 * 160).reshape(128, 160) % 3, "besides 0"),
    ],
)
def test_masks_that_do_not_fit(tmp_path: Path, image: Path, mask: np.ndarray, said: str) -> None:
    tifffile.imwrite(tmp_path / "mask.tif", mask.astype(np.uint8) * np.uint8(100))
    with pytest.raises(InputError, match=said):
        run([image], tmp_path / "out", clinker=tmp_path / "mask.tif", **GIVEN)
    assert not list((tmp_path / "out").glob("*.mulf.tif"))
    assert not (tmp_path / "out" / "npm.json").exists()


def test_masks_that_are_missing(tmp_path: Path, image: Path) -> None:
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match=r"no image.clinker.tif"):
        run([image], tmp_path / "out", clinker=tmp_path / "masks", **GIVEN)
    with pytest.raises(FileAccessError, match="is not there"):
        run([image], tmp_path / "out", clinker=tmp_path / "nothing.tif", **GIVEN)
    other = write_picture(tmp_path / "other.tif", picture(shape=(128, 160), seed=3).grey)
    mask = write_mask(tmp_path / "mask.tif", np.zeros((128, 160), bool))
    with pytest.raises(InputError, match="several images"):
        run([image, other], tmp_path / "out", clinker=mask, **GIVEN)


def constant(folder: Path) -> list[Path]:
    return [write_picture(folder / "x.tif", np.full((96, 96), 90, np.uint8))]


def twice(folder: Path) -> list[Path]:
    grey = picture(shape=(96, 96)).grey
    return [write_picture(folder / "x.tif", grey), write_picture(folder / "y.tif", grey)]


def same_name(folder: Path) -> list[Path]:
    return [write_picture(folder / f"{n}" / "x.tif", picture(shape=(96, 96), seed=n).grey) for n in range(2)]


def unequal_pixels(folder: Path) -> list[Path]:
    return [
        write_picture(folder / f"{n}.tif", picture(shape=(96, 96), seed=n).grey, pixel_um=0.05 + 0.01 * n)
        for n in range(2)
    ]


def unequal_types(folder: Path) -> list[Path]:
    deep = picture(shape=(96, 96), seed=5).grey.astype(np.uint16)
    return [
        write_picture(folder / "x.tif", picture(shape=(96, 96)).grey),
        write_picture(folder / "y.tif", deep),
    ]


def no_images(folder: Path) -> list[Path]:
    (folder / "empty").mkdir()
    return [folder / "empty"]


def missing(folder: Path) -> list[Path]:
    return [folder / "nowhere.tif"]


def empty_file(folder: Path) -> list[Path]:
    (folder / "x.tif").write_bytes(b"")
    return [folder / "x.tif"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (constant, "one grey only"),
        (twice, "given twice"),
        (same_name, "would both be written"),
        (unequal_pixels, "wanted one size"),
        (unequal_types, "are of one"),
        (no_images, "holds no images"),
        (missing, "is not there"),
        (empty_file, "empty"),
        (lambda _: [], "at least one image"),
    ],
)
def test_images_that_do_not_go_together(tmp_path: Path, made: Callable[[Path], list[Path]], said: str) -> None:
    with pytest.raises(CemvisError, match=said) as caught:
        run(made(tmp_path), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_pixel_size_that_nobody_knows(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", picture(shape=(96, 96)).grey)
    with pytest.raises(PixelSizeError, match="--pixel-size"):
        run([tmp_path / "x.tif"], tmp_path / "out")


def test_saturated_and_black_pixels_are_said(tmp_path: Path) -> None:
    grey = picture(shape=(128, 160)).grey.copy()
    grey[grey > 100] = 255
    grey[:8] = 0
    found = run([write_picture(tmp_path / "x.tif", grey)], tmp_path / "out", csh_grey=60.0, metal_grey=255.0)
    assert any("saturated" in note for note in found.notes)
    assert any("black" in note for note in found.notes)


def test_an_image_smaller_than_a_map_has_its_own_row(tmp_path: Path, image: Path) -> None:
    found = run([image], tmp_path / "out", map_px=384, **GIVEN)
    assert len(found.to_frame()) == 1
    assert any("smaller than a map" in note for note in found.notes)


def test_nothing_is_replaced_unasked(tmp_path: Path, image: Path) -> None:
    run([image], tmp_path / "out", **GIVEN)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run([image], tmp_path / "out", **GIVEN)
    config = NpmConfig(figures=False, map_px=64, **GIVEN)
    assert npm([image], tmp_path / "out", config, curve=Linear(), overwrite=True).files


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "-1,2,3,4", "a,b,c,d", "1,2,3,4 nm", "1,2,3,4e99"]
)
def test_regions_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="not a region"):
        Region.parse(text)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sigma_px": 1000.0}, "0.1 to 256"),
        ({"sigma_px": 1e-200}, "0.1 to 256"),
        ({"pore_threshold": 2.0}, "pore_threshold"),
        ({"csh_error": float("nan")}, "csh_error"),
        ({"resamplings": -1}, "resamplings"),
    ],
)
def test_settings_out_of_range_are_refused_before_maps_are_made(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        NpmConfig(**settings)  # type: ignore[arg-type]


def test_pixels_too_small_to_look_for_clinker(tmp_path: Path, image: Path) -> None:
    """Otherwise a tile's halo, and with it memory, would grow without bounds."""
    size = PixelSize(0.0005, "option")
    with pytest.warns(PixelSizeWarning), pytest.raises(InputError, match="check the pixel size"):
        run([image], tmp_path / "out", pixel_size=size, **GIVEN)
    assert not list((tmp_path / "out").glob("*.tif"))


def test_a_warning_of_pixel_sizes_comes_once_an_image(tmp_path: Path, image: Path) -> None:
    with pytest.warns(PixelSizeWarning) as caught:
        run([image], tmp_path / "out", pixel_size=PixelSize(0.06, "option"), figures=True, clinker="none", **GIVEN)
    assert len([each for each in caught if each.category is PixelSizeWarning]) == 1


def test_a_mask_that_covers_nearly_all_is_said(tmp_path: Path, image: Path) -> None:
    mask = write_mask(tmp_path / "mask.tif", np.arange(160)[None, :].repeat(128, axis=0) > 20)
    found = run([image], tmp_path / "out", clinker=mask, **GIVEN)
    assert any("is the mask inverted" in note for note in found.notes)


def test_clinker_that_is_not_found_is_said(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "x.tif", picture(shape=(128, 160), grains=0).grey)
    assert any("no clinker was found" in note for note in run([path], tmp_path / "auto", **GIVEN).notes)
    without = run([path], tmp_path / "none", clinker="none", **GIVEN)
    assert not any("no clinker" in note for note in without.notes)


def test_a_region_that_names_no_image_of_any_session(tmp_path: Path, image: Path) -> None:
    other = write_picture(tmp_path / "other.tif", picture(shape=(128, 160), seed=3).grey)
    regions = (Region(0, 0, 32, 32, "px", "nothing.tif"),)
    with pytest.raises(InputError, match="names 0"):
        run([image, other], tmp_path / "out", session="image", csh_regions=regions, metal_grey=220.0)
