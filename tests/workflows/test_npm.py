"""Nano-porosity maps: against known porosity, equal in tiles and whole, by session, with masks given and corrected."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from cemvis._files import sha256_of
from cemvis.analysis.porosity.anchors import GreyAnchors
from cemvis.analysis.porosity.calibration import csh_metal_curve
from cemvis.analysis.porosity.clinker import segment_clinker
from cemvis.analysis.porosity.nano_porosity import micro_features, nano_porosity
from cemvis.analysis.porosity.phases import phase_signals
from cemvis.analysis.porosity.pores import pore_statistics
from cemvis.images.micrograph import open_micrograph
from cemvis.workflows import _npm_pass
from cemvis.workflows._npm_maps import read_map_set
from cemvis.workflows.npm import NpmConfig, NpmResult, Region, npm
from metal_paste import PIXEL_UM, Linear, field, picture, write_mask, write_picture

GIVEN = {"csh_grey": 60.0, "metal_grey": 220.0, "resamplings": 40}


def run(paths: list[Path], output: Path, **settings: object) -> NpmResult:
    settings = {"figures": False, "map_px": 128, **settings}
    return npm(paths, output, NpmConfig(**settings), curve=Linear(), command="cemvis npm")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_picture(tmp_path_factory.mktemp("images") / "one.tif", picture().grey)


def test_a_picture_of_known_porosity(tmp_path: Path, one: Path) -> None:
    made = picture()
    found = run([one], tmp_path / "out", resamplings=40)
    anchors = found.sessions[0].anchors
    assert anchors.csh == pytest.approx(60, abs=2.5)
    assert anchors.metal == pytest.approx(220, abs=1.5)
    assert anchors.csh_error > 0
    assert anchors.reliable
    table = found.to_frame()
    whole = table[table["kind"] == "image"].iloc[0]
    assert whole["porosity"] == pytest.approx(made.porosity.mean(), abs=0.02)
    assert whole["clinker_share"] == pytest.approx(made.clinker.mean(), abs=0.03)
    assert whole["porosity_low"] <= whole["porosity"] + 1 / 255
    assert whole["porosity_high"] >= whole["porosity"] - 1 / 255
    assert whole["matrix_porosity"] > whole["porosity"]
    maps = table[table["kind"] == "map"]
    assert len(maps) == 3 * 4
    assert maps["porosity"].to_numpy(float).mean() == pytest.approx(
        pixels(tmp_path / "out" / "one.mulf.tif")[:384, :512].mean() / 255
    )
    levels = pixels(tmp_path / "out" / "one.mulf.tif")
    for _, row in maps.iterrows():
        square = levels[row["row_px"] : row["row_px"] + 128, row["column_px"] : row["column_px"] + 128]
        again = pore_statistics(square, threshold=0.5)
        assert row["mean_pore_px"] == again.mean_px
        bands = row[[name for name in maps.columns if name.startswith("band_")]].astype(float)
        assert bands.sum() == pytest.approx(1)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(tifffile.imread(path))


@pytest.mark.parametrize(("tile_cols", "map_px"), [(64, 50), (100, 128), (4096, 384)])
def test_tiles_give_the_pixels_of_the_whole(
    tmp_path: Path, one: Path, monkeypatch: pytest.MonkeyPatch, tile_cols: int, map_px: int
) -> None:
    monkeypatch.setattr(_npm_pass, "TILE_COLS", tile_cols)
    found = run([one], tmp_path, map_px=map_px, **GIVEN)
    grey = picture().grey
    anchors = GreyAnchors(60, 220)
    clinker = segment_clinker(grey, anchors, noise=found.sessions[0].sample.noise, pixel_size_um=PIXEL_UM)
    mulf = nano_porosity(grey, anchors, curve=Linear(), clinker=clinker)
    np.testing.assert_array_equal(pixels(tmp_path / "one.clinker.tif"), clinker * np.uint8(255))
    np.testing.assert_array_equal(pixels(tmp_path / "one.mulf.tif"), mulf)
    np.testing.assert_array_equal(pixels(tmp_path / "one.micf.tif"), micro_features(mulf))
    image = found.images[0]
    np.testing.assert_array_equal(image.whole.counts, np.bincount(mulf.ravel(), minlength=256))
    np.testing.assert_array_equal(image.greys, np.bincount(grey.ravel(), minlength=256))
    np.testing.assert_array_equal(image.clinker_greys, np.bincount(grey[clinker], minlength=256))
    assert len(image.maps) == (384 // map_px) * (576 // map_px)


def test_micf_is_what_a_reader_of_maps_makes_of_mulf(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made = picture(shape=(192, 256), seed=ord(name))
        write_picture(tmp_path / "in" / name / "s" / "r.bse.tif", made.grey)
    run([tmp_path / "in"], tmp_path / "out", **GIVEN)
    maps = read_map_set([tmp_path / "out"], size_px=128)
    assert maps.classes == ("a", "b")
    assert len(maps) == 4
    whole = pixels(tmp_path / "out" / "a" / "s" / "r.micf.tif")
    np.testing.assert_array_equal(maps.levels([1], sigma_px=10)[0], whole[:128, 128:256])


def test_a_corrected_mask_is_taken(tmp_path: Path, one: Path) -> None:
    run([one], tmp_path / "auto", **GIVEN)
    mask = pixels(tmp_path / "auto" / "one.clinker.tif") > 0
    mask[:40] = True
    write_mask(tmp_path / "one.clinker.tif", mask)
    for number, given in enumerate((tmp_path / "one.clinker.tif", tmp_path)):
        found = run([one], tmp_path / f"out{number}", clinker=given, **GIVEN)
        np.testing.assert_array_equal(pixels(tmp_path / f"out{number}" / "one.clinker.tif") > 0, mask)
        assert (pixels(tmp_path / f"out{number}" / "one.mulf.tif")[mask] == 0).all()
        assert found.images[0].source.clinker_sha256 == sha256_of(tmp_path / "one.clinker.tif")
    without = run([one], tmp_path / "none", clinker="none", **GIVEN)
    assert not (tmp_path / "none" / "one.clinker.tif").exists()
    assert without.images[0].whole.clinker_px == 0


def test_the_anchors_errors_are_carried_through(tmp_path: Path, one: Path) -> None:
    sure = run([one], tmp_path / "sure", clinker="none", **GIVEN).images[0].whole
    settings = {**GIVEN, "resamplings": 400, "csh_error": 3.0}
    unsure = run([one], tmp_path / "unsure", clinker="none", **settings).images[0].whole
    assert np.ptp(sure.porosity_draws) == 0
    grey = picture().grey
    ends = [nano_porosity(grey, GreyAnchors(60 + 3 * z, 220), curve=Linear()).mean() / 255 for z in (-1, 1)]
    # The mean porosity is nearly linear in the anchor, so its spread is half the distance of one error each way; with
    # 400 draws the sd is known to 4 %.
    assert unsure.porosity_draws.std() == pytest.approx((ends[0] - ends[1]) / 2, rel=0.15)


def test_regions_of_pixels_and_of_um(tmp_path: Path) -> None:
    made = picture()
    grey = made.grey.copy()
    grey[:64, :64] = 50 + (np.indices((64, 64)).sum(axis=0) % 2)
    grey[:64, 64:128] = 230
    path = write_picture(tmp_path / "two.tif", grey)
    settings = {
        "csh_regions": (Region.parse("0,0,64,64"),),
        "metal_regions": (Region.parse(f"two.tif:{64 * PIXEL_UM},0,{64 * PIXEL_UM},{64 * PIXEL_UM}um"),),
    }
    anchors = run([path], tmp_path / "out", **settings).sessions[0].anchors
    assert anchors.csh == pytest.approx(50.5)
    assert anchors.metal == 230
    assert anchors.csh_source == anchors.metal_source == "regions"


def test_images_of_a_session_share_anchors_and_drift_is_said(tmp_path: Path) -> None:
    for number, shift in enumerate((0.0, 12.0)):
        made = picture(seed=number, csh=60 + shift, metal=220 + shift, shape=(384, 384))
        write_picture(tmp_path / "in" / f"d{number}" / "r.tif", made.grey)
    shared = run([tmp_path / "in"], tmp_path / "shared", resamplings=20)
    assert len(shared.sessions) == 1
    assert any("drift: C-S-H" in note for note in shared.notes)
    assert any("drift: metal" in note for note in shared.notes)
    apart = run([tmp_path / "in"], tmp_path / "apart", resamplings=20, session="folder")
    assert [round(each.anchors.metal / 6) for each in apart.sessions] == [37, 39]
    assert not any("drift" in note for note in apart.notes)
    assert (tmp_path / "apart" / "d1" / "r.mulf.tif").is_file()


def test_16_bit_gives_what_8_bit_gives(tmp_path: Path) -> None:
    made = picture()
    write_picture(tmp_path / "b8.tif", made.grey)
    write_picture(tmp_path / "b16.tif", made.grey.astype(np.uint16) * np.uint16(200))
    run([tmp_path / "b8.tif"], tmp_path / "o8", clinker="none", **GIVEN)
    deep = {**GIVEN, "csh_grey": 12000.0, "metal_grey": 44000.0}
    run([tmp_path / "b16.tif"], tmp_path / "o16", clinker="none", **deep)
    np.testing.assert_array_equal(pixels(tmp_path / "o8" / "b8.mulf.tif"), pixels(tmp_path / "o16" / "b16.mulf.tif"))
    found = run([tmp_path / "b16.tif"], tmp_path / "auto", resamplings=10)
    assert found.sessions[0].anchors.csh == pytest.approx(12000, abs=500)
    assert found.sessions[0].anchors.metal == pytest.approx(44000, abs=300)


def test_files_say_where_they_come_from(tmp_path: Path, one: Path) -> None:
    found = npm([one], tmp_path, NpmConfig(map_px=128, resamplings=20), curve=Linear(), command="cemvis npm one.tif")
    said = json.loads((tmp_path / "npm.json").read_text(encoding="utf-8"))
    assert said["command"] == "cemvis npm one.tif"
    assert said["pixel_size_um"] == PIXEL_UM
    assert len(said["images"][0]["sha256"]) == 64
    assert said["images"][0]["clipped_bright_share"] == 0
    assert said["sessions"][0]["csh_source"] == "histogram"
    assert said["over_maps"]["maps"] == 12
    for name in said["images"][0]["files"]:
        assert (tmp_path / name).is_file()
    assert (tmp_path / "_figures" / "one.png").read_bytes()[:4] == b"\x89PNG"
    with open_micrograph(tmp_path / "one.micf.tif") as image:
        assert image.require_pixel_size().um == PIXEL_UM
    table = pd.read_csv(tmp_path / "porosity.csv")
    assert len(table) == 13
    sizes = pd.read_csv(tmp_path / "pore_sizes.csv")
    assert sizes["share_of_pore_area"].sum() == pytest.approx(1)
    assert sizes["pores"].sum() == table.loc[table["kind"] == "map", "pores"].sum()
    assert found.files[0] == tmp_path / "npm.json"


def test_the_same_seed_gives_the_same_files(tmp_path: Path, one: Path) -> None:
    for name in ("a", "b"):
        npm([one], tmp_path / name, NpmConfig(map_px=128, resamplings=20), curve=Linear(), command="same")
    for path in sorted((tmp_path / "a").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path


def test_anchors_that_tiles_do_not_agree_on_are_not_reliable(tmp_path: Path) -> None:
    parts = [picture(shape=(384, 192), csh=csh, seed=number).grey for number, csh in enumerate((50.0, 95.0, 120.0))]
    path = write_picture(tmp_path / "mixed.tif", np.hstack(parts))
    session = run([path], tmp_path / "out", resamplings=60).sessions[0]
    assert not session.anchors.reliable
    assert "above 3% of their distance" in session.anchors.note
    assert any("uncertain" in note for note in session.notes)


def test_without_flat_c_s_h_it_follows_from_portlandite_and_clinker(tmp_path: Path) -> None:
    """No place without metal but crystals: with the simulated curve, C-S-H lies where no pixel is."""
    curve = csh_metal_curve()
    signals = phase_signals(curve)
    rng = np.random.default_rng(3)
    shape = (384, 512)
    relative = np.clip(0.5 + 0.15 * field(rng, shape, 2), 0.3, 0.8)
    relative[field(rng, shape, 9) > 1.5] = 1
    phases = dict.fromkeys(("portlandite", "alite", "ferrite"), np.zeros(shape, bool))
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    for number, name in enumerate(phases):
        inside = [(rows - y) ** 2 + (cols - 90 - 160 * number) ** 2 < 50**2 for y in (90, 280)]
        phases[name] = inside[0] | inside[1]
        relative[phases[name]] = signals[name]
    grey = 50 + 170 * gaussian_filter(relative, 0.7) + 2.5 * rng.normal(size=shape)
    path = write_picture(tmp_path / "x.tif", np.clip(np.rint(grey), 0, 255).astype(np.uint8))
    found = npm([path], tmp_path / "out", NpmConfig(figures=False, resamplings=60, map_px=128))
    session = found.sessions[0]
    assert session.phase.name == "portlandite"
    assert session.phase.confirmed_by == ("alite", "ferrite")
    assert session.anchors.csh == pytest.approx(50, abs=1.5)
    assert session.anchors.metal == pytest.approx(220, abs=1)
    assert session.anchors.csh_error > 0.3
    assert session.anchors.reliable
    clinker = pixels(tmp_path / "out" / "x.clinker.tif") > 0
    assert clinker[phases["alite"] | phases["ferrite"]].mean() > 0.9
    assert clinker[phases["portlandite"]].mean() < 0.02
    said = json.loads((tmp_path / "out" / "npm.json").read_text(encoding="utf-8"))
    assert said["curve"]["method"] == "monte-carlo"
    assert said["curve"]["phases"] == pytest.approx(signals)
    levels = pixels(tmp_path / "out" / "x.mulf.tif")
    matrix = (relative > 0.3) & (relative < 0.8)
    wanted = curve.porosity_of(relative[matrix]).mean()
    assert levels[matrix].mean() / 255 == pytest.approx(wanted, abs=0.01)
