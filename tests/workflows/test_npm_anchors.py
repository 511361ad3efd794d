"""Anchors of `cemvis npm`: how images share them, what a person points out, and errors that are not made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cemvis._files import sha256_of
from cemvis.analysis.porosity.anchors import find_csh, find_metal
from cemvis.analysis.porosity.flat_places import FlatSample, NoiseCurve
from cemvis.workflows._npm_drift import drift_notes, drift_of
from cemvis.workflows._npm_figures import _greys
from cemvis.workflows.npm import NpmConfig, NpmResult, Region, npm
from metal_paste import Linear, picture, write_mask, write_picture


def run(paths: list[Path], output: Path, **settings: object) -> NpmResult:
    settings = {"figures": False, "map_px": 64, "resamplings": 20, "clinker": "none", **settings}
    return npm(paths, output, NpmConfig(**settings), curve=Linear())  # type: ignore[arg-type]


def two_folders(root: Path) -> list[Path]:
    return [
        write_picture(root / f"d{number}" / f"r{number}.tif", picture(shape=(128, 160), seed=number).grey)
        for number in range(2)
    ]


def test_a_session_is_a_folder_however_images_are_given(tmp_path: Path) -> None:
    paths = two_folders(tmp_path / "in")
    ways = (paths, [path.parent for path in paths], [tmp_path / "in"])
    for number, way in enumerate(ways):
        found = run(way, tmp_path / f"out{number}", session="folder", csh_grey=60.0, metal_grey=220.0)
        assert [each.name for each in found.sessions] == [path.parent.as_posix() for path in paths]


def test_each_session_has_its_own_regions(tmp_path: Path) -> None:
    paths = two_folders(tmp_path / "in")
    settings = {
        "csh_regions": (Region.parse("r0.tif:0,0,32,32"), Region.parse("r1.tif:64,64,32,32")),
        "metal_grey": 250.0,
        "session": "image",
    }
    found = run([tmp_path / "in"], tmp_path / "out", **settings)
    wanted = [picture(shape=(128, 160), seed=0).grey[:32, :32], picture(shape=(128, 160), seed=1).grey[64:96, 64:96]]
    assert [each.anchors.csh for each in found.sessions] == [pytest.approx(part.mean()) for part in wanted]
    assert len(paths) == len(found.sessions)


def test_a_small_region_has_an_error_nevertheless(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = picture(shape=(128, 160)).grey.copy()
    grey[:12, :12] = np.rint(80 + 8 * rng.normal(size=(12, 12)))
    path = write_picture(tmp_path / "x.tif", grey)
    settings = {"csh_regions": (Region(0, 0, 12, 12),), "metal_grey": 220.0, "metal_error": 1.0}
    anchors = run([path], tmp_path / "out", **settings).sessions[0].anchors
    # 144 pixels with a noise of 8; nine squares tell it to a quarter.
    assert anchors.csh_error == pytest.approx(8 / 12, rel=0.6)
    again = run([path], tmp_path / "none", **{**settings, "resamplings": 0})
    assert again.sessions[0].anchors.csh_error == anchors.csh_error
    assert again.images[0].whole.porosity_draws.size == 1
    assert any("no draws of the anchors" in note for note in again.notes)


def test_without_draws_an_interval_does_not_stray(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "x.tif", picture(shape=(128, 160)).grey)
    settings = {"csh_grey": 60.0, "metal_grey": 220.0, "csh_error": 10.0, "resamplings": 0}
    whole = run([path], tmp_path / "out", **settings).images[0].whole
    porosity = (whole.counts * np.arange(256)).sum() / 255 / whole.counts.sum()
    assert whole.porosity_draws == pytest.approx([porosity], abs=0.001)


def test_an_error_that_one_tile_cannot_tell_is_not_zero(tmp_path: Path) -> None:
    grey = np.full((60, 60), 60.0)
    grey[:, 22:] = 220
    noisy = grey + 3 * np.random.default_rng(1).normal(size=grey.shape)
    path = write_picture(tmp_path / "x.tif", np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    anchors = run([path], tmp_path / "out").sessions[0].anchors
    assert not anchors.reliable
    assert "one tile only" in anchors.note


def test_given_anchors_without_errors_are_said(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "x.tif", picture(shape=(128, 160)).grey)
    given = {"csh_grey": 60.0, "metal_grey": 200.0}
    assert any("without --csh-error and --metal-error" in note for note in run([path], tmp_path / "a", **given).notes)
    sure = run([path], tmp_path / "b", csh_error=1.0, metal_error=1.0, **given)
    assert not any("-error" in note for note in sure.notes)


def test_hot_and_dead_pixels_of_16_bit_move_nothing(tmp_path: Path) -> None:
    grey = picture(shape=(384, 384)).grey.astype(np.uint16) * np.uint16(20)
    hot = grey.copy()
    hot[7, 9], hot[300, 300] = 65535, 0
    found = [
        run([write_picture(tmp_path / f"{name}.tif", each)], tmp_path / name).sessions[0].anchors
        for name, each in (("clean", grey), ("hot", hot))
    ]
    assert found[1].csh == pytest.approx(found[0].csh, abs=1)
    assert found[1].metal == pytest.approx(found[0].metal, abs=1)


def test_drift_of_16_bit_is_measured_by_the_anchors(tmp_path: Path) -> None:
    for number in range(2):
        grey = picture(shape=(384, 384), seed=number + 1).grey.astype(np.uint16) * np.uint16(200)
        write_picture(tmp_path / "in" / f"{number}.tif", grey)
    found = run([tmp_path / "in"], tmp_path / "out")
    spread = np.ptp([metal.grey for _, _, metal in found.sessions[0].drift])
    assert 2 < spread < 100  # of 32,000 between the anchors
    assert not any("drift" in note for note in found.notes)


def test_another_crystal_is_no_drift() -> None:
    """Two images of one session; the darkest flat places of one are portlandite, of the other belite."""
    signals = {"portlandite": 0.107, "belite": 0.157}
    flat = np.zeros((2, 256), np.int64)
    for image, name in enumerate(signals):
        flat[image, round(60 + 160 * signals[name])] = 5000
        flat[image, 220] = 500
    sample = FlatSample(0.0, 1.0, flat, flat, np.arange(2), NoiseCurve(np.array([0.0]), np.array([4.0])))
    drift = drift_of(["a", "b"], sample, (60.0, 220.0), signals)
    assert [csh.grey for _, csh, _ in drift] == pytest.approx([60, 60], abs=0.7)
    assert drift_notes(drift, 2.0) == []
    assert drift_notes(drift_of(["a", "b"], sample, (60.0, 220.0), {}), 2.0)  # not known to be crystals
    assert find_metal(sample).reliable
    assert find_csh(sample).reliable


def test_a_mask_written_over_is_named_by_what_was_given(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "x.tif", picture(shape=(128, 160)).grey)
    (tmp_path / "out").mkdir()
    mask = write_mask(tmp_path / "out" / "x.clinker.tif", picture(shape=(128, 160)).clinker)
    digest = sha256_of(mask)
    config = NpmConfig(figures=False, map_px=64, clinker=mask, csh_grey=60.0, metal_grey=220.0)
    found = npm([path], tmp_path / "out", config, curve=Linear(), overwrite=True)
    assert sha256_of(mask) != digest
    assert found.images[0].source.clinker_sha256 == digest


def test_the_histogram_of_16_bit_shows_the_greys_in_use(tmp_path: Path) -> None:
    grey = picture(shape=(384, 384)).grey.astype(np.uint16) * np.uint16(16)
    grey[0, 0] = 65535
    found = run([write_picture(tmp_path / "x.tif", grey)], tmp_path / "out")
    greys = _greys(found.images[0])
    used = greys.greys[greys.every > 0]
    assert used[-1] < 5000
    assert np.count_nonzero(greys.every) > 100
    inside = greys.every[np.flatnonzero(greys.every)[0] : np.flatnonzero(greys.every)[-1]]
    assert (inside > 0).mean() > 0.9  # no comb, though only every 16th grey is used
    for share in (greys.every, greys.flat):
        assert share.sum() == pytest.approx(1)
