from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from cemvis.analysis.specimen.imprints import (
    Crack,
    Imprint,
    ImprintLook,
    contact_depth_nm,
    draw_imprint,
    imprint_grey,
    load_mn,
    reduced_modulus,
    side_um,
)
from cemvis.errors import InputError

AXIS = np.arange(-6, 6, 0.04)
GRID = np.stack(np.meshgrid(AXIS, AXIS), axis=-1)
SOUND = Imprint(0.0, 0.0, 3.4, 0.8, 1.0)


def inside(side: float, orientation: float) -> np.ndarray:
    """The straight-edged triangle, from its corners."""
    corners = [
        side / math.sqrt(3) * np.array([math.cos(t), math.sin(t)]) for t in orientation + np.arange(3) * 2 * math.pi / 3
    ]
    sides = []
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        sides.append((b[0] - a[0]) * (GRID[..., 1] - a[1]) - (b[1] - a[1]) * (GRID[..., 0] - a[0]) > 0)
    return np.all(sides, axis=0)


def test_the_contact_depth_solves_oliver_and_pharr() -> None:
    modulus, hardness = np.array([20.0, 40.0, 130.0]), np.array([0.5, 1.3, 8.0])
    contact = contact_depth_nm(modulus, hardness, depth_nm=500.0)
    area = 24.5 * (contact / 1e3) ** 2  # um2
    load = hardness * area  # mN
    stiffness = 2 * reduced_modulus(modulus) * np.sqrt(area / math.pi)  # mN/um
    np.testing.assert_allclose(contact + 1e3 * 0.75 * load / stiffness, 500.0)
    np.testing.assert_allclose(load_mn(contact, hardness), load)
    np.testing.assert_allclose(math.sqrt(3) / 4 * side_um(contact) ** 2, area)
    assert (np.diff(contact) < 0).all()  # the stiff ones here are the more elastic ones


def test_diamond_hardly_adds_compliance_to_paste() -> None:
    soft, rigid = reduced_modulus(np.array([20.0, 1e9]))
    assert soft == pytest.approx(20.0 / (1 - 0.24**2) / (1 + 20.0 / (1 - 0.24**2) * (1 - 0.07**2) / 1141))
    assert rigid == pytest.approx(1141 / (1 - 0.07**2), rel=1e-4)


@pytest.mark.parametrize("side", [2.6, 3.0, 3.4])
@pytest.mark.parametrize("grey", [20.0, 5.0])
def test_contrast_is_the_root_mean_square_within_the_triangle(side: float, grey: float) -> None:
    look = ImprintLook(grey=grey)
    drawn = imprint_grey(replace(SOUND, side_um=side), look, GRID, orientation_rad=0.4)
    assert np.sqrt((drawn[inside(side, 0.4)] ** 2).mean()) == pytest.approx(grey, rel=0.1)


def test_the_edge_shows_where_the_triangle_is() -> None:
    look = ImprintLook(concave=0.0)
    drawn = imprint_grey(replace(SOUND, pile_up=0.0), look, GRID, orientation_rad=1.0)
    covers = inside(3.4, 1.0)
    bright = drawn > 0.45 * drawn.max()
    from scipy.ndimage import distance_transform_edt

    to_edge = np.where(covers, distance_transform_edt(covers), distance_transform_edt(~covers)) * 0.04
    assert np.median(to_edge[bright]) < 0.08
    assert bright.sum() * 0.04**2 > 0.5  # um2: three edges of 3.4 um, some hundredths wide


def test_orientation_turns_everything_with_it() -> None:
    look = ImprintLook(detector_rad=0.3)
    cracked = replace(SOUND, cracks=(Crack(1, 2.0, 0.2),))
    drawn = imprint_grey(cracked, look, GRID, orientation_rad=0.5)
    turn = 0.7
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    turned = imprint_grey(
        cracked, replace(look, detector_rad=0.3 + turn), GRID @ rotation.T, orientation_rad=0.5 + turn
    )
    np.testing.assert_allclose(turned, drawn, atol=1e-4)


def test_faces_differ_and_the_apex_is_dark() -> None:
    look = ImprintLook()
    bearing = 0.4 + math.pi / 3 + np.arange(3) * 2 * math.pi / 3
    faces = 0.5 * np.stack([np.cos(bearing), np.sin(bearing)], axis=1)
    levels = np.sort(imprint_grey(SOUND, look, faces, orientation_rad=0.4))
    assert (np.diff(levels) > 0.1 * look.grey).all()
    apex = imprint_grey(SOUND, look, 0.3 * faces, orientation_rad=0.4)
    assert (np.sort(apex) < levels).all()


def test_nothing_shows_beyond_its_reach() -> None:
    look = ImprintLook()
    for imprint in (SOUND, replace(SOUND, cracks=(Crack(0, 2.7, 0.3), Crack(2, 1.0, -0.3)))):
        drawn = imprint_grey(imprint, look, GRID, orientation_rad=0.4)
        far = np.hypot(GRID[..., 0], GRID[..., 1]) > imprint.reach_um(look)
        assert np.abs(drawn[far]).max() < 0.06 * look.grey
        assert far.any()


def test_a_crack_is_dark_and_runs_from_its_corner() -> None:
    look = ImprintLook()
    cracked = replace(SOUND, cracks=(Crack(0, 2.0, 0.0),))
    both = [imprint_grey(each, look, GRID, orientation_rad=0.0) for each in (SOUND, cracked)]
    darker = both[1] - both[0] < -0.5 * look.grey
    where = GRID[darker]
    assert where[:, 0].min() > 3.4 / math.sqrt(3) - 0.2
    assert where[:, 0].max() == pytest.approx(3.4 / math.sqrt(3) + 2.0, abs=0.2)
    assert np.abs(where[:, 1]).max() < 0.2


def test_soft_phases_pile_up_and_clinker_cracks() -> None:
    def many(modulus: float, hardness: float) -> list[Imprint]:
        rng = np.random.default_rng(1)
        return [draw_imprint((0, 0), modulus, hardness, side_um=3.4, rng=rng) for _ in range(300)]

    csh, clinker = many(26.0, 0.6), many(130.0, 8.0)
    assert np.mean([each.pile_up for each in csh]) > 2 * np.mean([each.pile_up for each in clinker])
    assert sum(bool(each.cracks) for each in csh) < 30
    assert sum(bool(each.cracks) for each in clinker) > 150


def test_looks_out_of_range() -> None:
    with pytest.raises(InputError, match="grey is -1; wanted 0 to 255"):
        ImprintLook(grey=-1)
    with pytest.raises(InputError, match="beam_um"):
        ImprintLook(beam_um=0)
