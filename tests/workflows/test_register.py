from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import map_coordinates

from cemvis.errors import FileAccessError, InputError, OutputExistsError
from cemvis.images import open_micrograph
from cemvis.images.registration import DisplacementField, RegistrationConfig, warped_window
from cemvis.workflows.register import FIELD, FIGURE, SUMMARY, TILES, register_mosaics
from mosaics import paste_like

SMALL = RegistrationConfig(tile_px=128, step_px=96)
SHIFT = (14.5, -9.25)  # x and y of a place on the before-image less those on the after-image


def save(path: Path, image: np.ndarray, *, pixel_um: float = 0.1) -> Path:
    per_cm = 1e4 / pixel_um
    tifffile.imwrite(path, image, tile=(128, 128), resolution=(per_cm, per_cm), resolutionunit="CENTIMETER")
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    paste = paste_like((760, 860), seed=4).astype(float)
    rows, cols = np.meshgrid(np.arange(700), np.arange(800), indexing="ij")
    moved = map_coordinates(paste, [rows + SHIFT[1] + 30, cols + SHIFT[0] + 30], order=1)
    moved = 0.9 * moved + 8 + np.random.default_rng(1).normal(0, 4, moved.shape)
    before = save(folder / "before.tif", paste[30:730, 30:830].astype(np.uint8))
    return save(folder / "after.tif", np.clip(moved, 0, 255).astype(np.uint8)), before


@pytest.fixture(scope="module")
def registered(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("registered") / "out"
    stages = []
    result = register_mosaics(
        *pair, output, config=SMALL, threads=2, command="cemvis register", progress=lambda *said: stages.append(said)
    )
    assert result.files == tuple(output / name for name in (FIELD, TILES, SUMMARY, FIGURE))
    assert {"overview", "coarse field", "tiles"} <= {stage for stage, _, _ in stages}
    return output


def test_the_field_is_right_and_says_where_it_comes_from(registered: Path, pair: tuple[Path, Path]) -> None:
    field = DisplacementField.load(registered / FIELD)
    places = np.random.default_rng(0).uniform([60, 60], [740, 640], (200, 2))
    away = np.hypot(*(field.before_xy(places) - places - SHIFT).T)
    assert np.median(away) < 0.2
    assert away.max() < 1
    assert field.reliable(places).mean() > 0.95
    assert field.about["before"]["sha256"] != field.about["after"]["sha256"]
    assert field.about["settings"]["tile_px"] == 128
    with open_micrograph(pair[0]) as after, open_micrograph(pair[1]) as before:
        laid = warped_window(after, field, 100, 100, 400, 400)
        assert np.corrcoef(laid.ravel(), before.read(100, 100, 400, 400).ravel())[0, 1] > 0.9


def test_summary_tiles_and_figure(registered: Path, pair: tuple[Path, Path]) -> None:
    summary = json.loads((registered / SUMMARY).read_text(encoding="utf-8"))
    assert summary["command"] == "cemvis register"
    assert summary["after"]["file"] == "after.tif"
    assert summary["before"]["path"] == str(pair[1])
    assert summary["before"]["pixel_size_um"] == pytest.approx(0.1)
    assert summary["registration"]["seams_px"] == {"x": [], "y": []}
    assert abs(summary["registration"]["angle_deg"]) < 0.05
    tiles = pd.read_csv(registered / TILES)
    assert summary["registration"]["tiles"] == tiles["status"].value_counts().to_dict()
    used = tiles[tiles["status"] == "used"]
    assert (used["before_x_px"] - used["after_x_px"]).median() == pytest.approx(SHIFT[0], abs=0.2)
    assert (registered / FIGURE).read_bytes().startswith(b"\x89PNG")


def test_the_same_images_give_the_same_files(registered: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    register_mosaics(*pair, tmp_path, config=SMALL, threads=1, command="cemvis register")
    for name in (FIELD, TILES, SUMMARY, FIGURE):
        assert (tmp_path / name).read_bytes() == (registered / name).read_bytes(), name


def test_outputs_are_not_overwritten_unasked(registered: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match=r"already holds field\.npz.*--overwrite"):
        register_mosaics(*pair, registered, config=SMALL)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(FileAccessError, match="is a file; wanted a folder"):
        register_mosaics(*pair, file, config=SMALL)


def test_bad_input_leaves_nothing_behind(pair: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(InputError, match="are the same image; wanted the mosaic taken after indentation first"):
        register_mosaics(pair[1], pair[1], output)
    with pytest.raises(FileAccessError, match="cannot read"):
        register_mosaics(tmp_path / "none.tif", pair[1], output)
    other = save(tmp_path / "other.tif", paste_like((700, 800), seed=77))
    with pytest.raises(InputError, match="do not overlap"):
        register_mosaics(other, pair[1], output, config=SMALL, threads=2)
    assert not output.exists()
