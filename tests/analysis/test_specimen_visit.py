from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from cemvis.analysis.specimen.visit import Visit, Wave, draw_visit
from cemvis.analysis.specimen.visit_settings import VisitSettings
from cemvis.errors import InputError

EDGE = 10_000


def drawn(seed: int, **settings: float) -> Visit:
    return draw_visit(VisitSettings(**settings), edge_px=EDGE, pixel_size_um=0.04, rng=np.random.default_rng(seed))


def places(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, EDGE - 1, (n, 2))


def naive(visit: Visit, x: float, y: float) -> tuple[float, float]:
    """One position, from the formula in the class's docstring."""
    row = min(max(math.floor((y + 0.5) / visit.image_px), 0), len(visit.offset_px) - 1)
    col = min(max(math.floor((x + 0.5) / visit.image_px), 0), len(visit.offset_px[0]) - 1)
    u = x + visit.offset_px[row][col][0] - visit.centre_after_px[0]
    v = y + visit.offset_px[row][col][1] - visit.centre_after_px[1]
    cos, sin = math.cos(math.radians(visit.rotation_deg)), math.sin(math.radians(visit.rotation_deg))
    before = [visit.scale * (cos * u - sin * v), visit.scale * (sin * u + cos * v)]
    for wave in visit.waves:
        along = u if wave.along == "x" else v
        shift = wave.amplitude_px * math.sin(2 * math.pi * along / wave.wavelength_px + wave.phase_rad)
        before["xy".index(wave.shifts)] += shift
    return before[0] + visit.centre_before_px[0], before[1] + visit.centre_before_px[1]


def test_the_map_is_the_formula() -> None:
    visit = drawn(1)
    after = np.random.default_rng(2).uniform(-50, 10_500, (200, 2))
    np.testing.assert_allclose(visit.after_to_before(after), [naive(visit, *xy) for xy in after], atol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_there_and_back(seed: int) -> None:
    visit, before = drawn(seed), places(20_000)
    after = visit.before_to_after(before)
    error = np.abs(visit.after_to_before(after) - before).max(axis=1)
    back = error < 1e-6
    assert back.mean() > 0.99  # some are lost in seams of some px every 2048 px
    # What is lost lies at a seam, and is put where the nearest image would show it.
    to_seam = np.abs((after + 0.5 + visit.image_px / 2) % visit.image_px - visit.image_px / 2).min(axis=1)
    jump = np.ptp(np.array(visit.offset_px).reshape(-1, 2), axis=0).max()
    assert (to_seam[~back] <= jump).all()
    assert error.max() <= 1.5 * jump


def test_a_place_that_one_image_shows_is_found_beside_a_seam() -> None:
    visit = drawn(3, seam_um=0.4)
    x, y = np.meshgrid(2048 + np.arange(-40.0, 40), 2048 + np.arange(-40.0, 40))
    shown = np.stack([x.ravel(), y.ravel()], axis=1)
    before = visit.after_to_before(shown)
    np.testing.assert_allclose(visit.after_to_before(visit.before_to_after(before)), before, atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_the_mosaic_shows_the_whole_area_and_a_margin(seed: int) -> None:
    visit = drawn(seed)
    line = np.linspace(-0.5, EDGE - 0.5, 333)
    for edge in (-0.5, EDGE - 0.5):
        for border in (np.stack([line, np.full(333, edge)], 1), np.stack([np.full(333, edge), line], 1)):
            after = visit.before_to_after(border)
            assert (after > 40).all()  # at least 2 um
            assert (after < [visit.cols - 40, visit.rows - 40]).all()
    assert visit.rows * visit.cols < 1.3 * EDGE**2


def test_visits_differ_as_much_as_stated() -> None:
    visits = [drawn(seed) for seed in range(100)]
    rotation, scale = (np.array([getattr(visit, name) for visit in visits]) for name in ("rotation_deg", "scale"))
    assert np.abs(rotation).max() <= 2
    assert np.abs(scale - 1).max() <= 0.01
    assert rotation.std() == pytest.approx(2 / math.sqrt(3), rel=0.2)
    offsets = np.concatenate([np.array(visit.offset_px).reshape(-1, 2) for visit in visits])
    assert offsets.std() == pytest.approx(3, rel=0.05)
    smooth = [np.ptp(visit._waves(places(500) - EDGE / 2), axis=0).max() for visit in visits]
    assert 15 < np.median(smooth) < 80  # tens of pixels
    assert len({visit.contrast for visit in visits}) == 100


def test_it_jumps_at_seams_only() -> None:
    visit = drawn(5)
    seam = visit.to_json()["seam_x_px"][1]
    y = np.full(3, 700.0)
    left, right, far = visit.after_to_before(np.stack([[seam - 1e-6, seam + 1e-6, seam + 1e-3], y], axis=1))
    offset = np.array(visit.offset_px[0][2]) - np.array(visit.offset_px[0][1])
    assert np.hypot(*(right - left)) == pytest.approx(visit.scale * np.hypot(*offset), rel=0.05)
    assert np.hypot(*(far - right)) < 2e-3


def test_a_visit_is_written_and_read() -> None:
    visit = drawn(6)
    plain = json.loads(json.dumps(visit.to_json()))
    assert Visit.from_json(plain) == visit
    assert plain["seam_x_px"][0] == 2047.5
    del plain["waves"]
    with pytest.raises(InputError, match="lacks 'waves'"):
        Visit.from_json(plain)


def test_one_wave_alone() -> None:
    wave = Wave("drift", "y", "x", 20.0, 4000.0, 0.0)
    calm = replace(drawn(0, seam_um=0.0), rotation_deg=0.0, scale=1.0, waves=(wave,))
    up = calm.after_to_before(np.array([[calm.centre_after_px[0], calm.centre_after_px[1] + 1000]]))
    np.testing.assert_allclose(up, [[calm.centre_before_px[0] + 20, calm.centre_before_px[1] + 1000]], atol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rotation_deg": -1.0}, "rotation_deg is -1.0; wanted 0 to 10"),
        ({"scan_um": math.nan}, "scan_um is nan"),
        ({"contrast": (1.2, 0.8)}, r"contrast is \(1.2, 0.8\); wanted 0.1 to 10, two of them in rising order"),
    ],
)
def test_impossible_visits_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        VisitSettings(**wrong)


def test_the_strongest_distortion_allowed_has_an_inverse() -> None:
    settings = VisitSettings(rotation_deg=10.0, scale=0.1, drift_um=5.0, scan_um=5.0, seam_um=0.0)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        visit = draw_visit(settings, edge_px=1000, pixel_size_um=0.2, rng=rng)
        before = rng.uniform(0, 1000, (2000, 2))
        np.testing.assert_allclose(visit.after_to_before(visit.before_to_after(before)), before, atol=1e-3)
