from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cemvis.analysis.specimen.recipes import CALIBRATED, RECIPES
from cemvis.errors import InputError
from cemvis.kernels.specimen import Imaging, Phase, Window, contact_volumes, phase_plane, render_bse

PASTE = replace(RECIPES[CALIBRATED].paste, seed=7)
IMAGING = RECIPES[CALIBRATED].imaging
WHOLE = Window(-30, 40, 300, 620)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return render_bse(PASTE, IMAGING, WHOLE, pixel_size_um=0.1)


@pytest.mark.parametrize(
    ("row", "col", "rows", "cols"),
    [(0, 0, 300, 1), (0, 0, 1, 620), (299, 619, 1, 1), (13, 57, 101, 203), (150, 400, 150, 220), (7, 100, 60, 515)],
)
def test_a_tile_is_a_piece_of_the_whole(image: np.ndarray, row: int, col: int, rows: int, cols: int) -> None:
    window = Window(WHOLE.row + row, WHOLE.col + col, rows, cols)
    tile = render_bse(PASTE, IMAGING, window, pixel_size_um=0.1, threads=1)
    assert tile.dtype == np.uint8
    np.testing.assert_array_equal(tile, image[row : row + rows, col : col + cols])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(image: np.ndarray, threads: int) -> None:
    np.testing.assert_array_equal(render_bse(PASTE, IMAGING, WHOLE, pixel_size_um=0.1, threads=threads), image)


def test_another_seed_is_another_paste(image: np.ndarray) -> None:
    other = render_bse(replace(PASTE, seed=8), IMAGING, WHOLE, pixel_size_um=0.1)
    assert np.mean(other != image) > 0.8


def test_the_seed_counts_in_all_its_64_bits() -> None:
    window = Window(0, 0, 60, 60)
    low, high = (phase_plane(replace(PASTE, seed=s), window, pixel_size_um=1.0) for s in (1, 1 + 2**40))
    assert np.mean(low != high) > 0.2


def test_phases_are_cut_like_the_image() -> None:
    whole = phase_plane(PASTE, Window(0, 0, 90, 700), pixel_size_um=0.3, depth_um=0.5)
    part = phase_plane(PASTE, Window(11, 500, 70, 123), pixel_size_um=0.3, depth_um=0.5, threads=1)
    np.testing.assert_array_equal(part, whole[11:81, 500:623])
    assert set(np.unique(whole)) <= {int(p) for p in Phase}


def test_a_plain_image_is_the_blurred_backscatter_of_the_phases() -> None:
    """One layer, no texture, no noise: the image follows from the phases alone."""
    plain = Imaging(
        eta=IMAGING.eta,
        eta_per_packing=(0.0,) * 8,
        surface_depth_um=0.03,
        surface_weight=1.0,
        surface_blur_um=0.2,
        layer_depth_um=(),
        layer_weight=(),
        layer_blur_um=(),
        gain=1000.0,
        offset=10.0,
        read_noise=0.0,
        shot_noise=0.0,
    )
    window = Window(0, 0, 200, 200)
    got = render_bse(PASTE, plain, window, pixel_size_um=0.1).astype(float)
    wide = phase_plane(PASTE, Window(-6, -6, 212, 212), pixel_size_um=0.1, depth_um=0.03)
    eta = gaussian_filter(np.array(plain.eta)[wide], 2.0, radius=6)[6:-6, 6:-6]
    assert np.ptp(got) > 50
    assert np.abs(got - (10 + 1000 * eta)).max() <= 0.51  # rounding to whole grey levels


def test_deeper_layers_show_what_lies_below() -> None:
    """A signal from one deep layer only, of a wide blur, follows the phases at that depth."""
    deep = replace(
        IMAGING,
        eta_per_packing=(0.0,) * 8,
        surface_weight=0.0,
        layer_depth_um=(1.5,),
        layer_weight=(1.0,),
        layer_blur_um=(0.8,),
        gain=1000.0,
        offset=10.0,
        read_noise=0.0,
        shot_noise=0.0,
    )
    got = render_bse(PASTE, deep, Window(0, 0, 240, 240), pixel_size_um=0.1).astype(float)
    wide = phase_plane(PASTE, Window(-40, -40, 320, 320), pixel_size_um=0.1, depth_um=1.5)
    eta = gaussian_filter(np.array(deep.eta)[wide], 8.0)[40:-40, 40:-40]
    # The coarse grid samples the phases at every fourth pixel, so agreement is close but not to the level.
    assert np.corrcoef(got.ravel(), eta.ravel())[0, 1] > 0.99


def test_noise_has_the_stated_variance() -> None:
    flat = replace(
        IMAGING, eta=(0.1,) * 8, eta_per_packing=(0.0,) * 8, gain=0.0, offset=120.0, read_noise=3.0, shot_noise=700.0
    )
    grey = render_bse(PASTE, flat, Window(0, 0, 400, 400), pixel_size_um=0.1).astype(float)
    expected = 3.0**2 + 700.0 * 0.1 + 1 / 12  # the last term is rounding's
    assert grey.var() == pytest.approx(expected, rel=0.02)
    assert grey.mean() == pytest.approx(120.0, abs=0.1)
    assert abs(np.corrcoef(grey[:, :-1].ravel(), grey[:, 1:].ravel())[0, 1]) < 0.01


def test_contacts_sum_to_one_and_do_not_depend_on_their_neighbours() -> None:
    xy = np.random.default_rng(0).uniform(-50, 150, (40, 2))
    volumes = contact_volumes(PASTE, xy, radius_um=2.0, points=200)
    np.testing.assert_allclose(volumes.share.sum(axis=1), 1, atol=1e-6)
    alone = contact_volumes(PASTE, np.ascontiguousarray(xy[17:18]), radius_um=2.0, points=200, threads=1)
    np.testing.assert_array_equal(alone.share[0], volumes.share[17])
    np.testing.assert_array_equal(alone.packing[0], volumes.packing[17])
    np.testing.assert_array_equal(volumes.orientation > 0, volumes.share[:, Phase.CH] > 0)


def test_a_tiny_contact_feels_the_phase_below_it() -> None:
    plane = phase_plane(PASTE, Window(0, 0, 20, 20), pixel_size_um=3.0)
    x, y = np.meshgrid(np.arange(20) * 3.0, np.arange(20) * 3.0)
    felt = contact_volumes(PASTE, np.stack([x.ravel(), y.ravel()], axis=1), radius_um=0.01, points=50)
    assert np.mean(felt.share.argmax(axis=1).reshape(20, 20) == plane) > 0.97


def test_a_large_contact_feels_the_average() -> None:
    plane = phase_plane(PASTE, Window(0, 0, 400, 400), pixel_size_um=0.5)
    shares = np.bincount(plane.ravel(), minlength=8) / plane.size
    x, y = np.meshgrid(np.linspace(20, 180, 5), np.linspace(20, 180, 5))
    felt = contact_volumes(PASTE, np.stack([x.ravel(), y.ravel()], axis=1), radius_um=12.0, points=3000)
    np.testing.assert_allclose(felt.share.mean(axis=0), shares, atol=0.04)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grains": ()}, "at least one grain class"),
        ({"grains": ((4.0, 2.0, 0.1),)}, "grain radii must rise"),
        ({"grains": ((1.0, 4.0, 0.1), (2.0, 8.0, 0.1))}, "without overlap"),
        ({"grains": ((1.0, 4.0, 0.9),)}, "at most 0.4"),
        ({"crystal_um": 0.0}, "lengths must lie"),
        ({"belite_share": 1.5}, "shares must lie"),
        ({"grains": ((1.0, 4.0),)}, "grains is .*wanted"),
        ({"grains": ((0.5, 10.0, 0.4),)}, "radii this far apart"),
        ({"pore_threshold": float("nan")}, "finite"),
        ({"rim_um": -0.1}, "rims"),
        ({"rim_um": 2.5}, "below 2.5 um"),
        ({"outline_coarse_um": 1.2}, "below 2.5 um"),
        ({"texture_um": 0.1}, "texture_um"),
        ({"seed": 2**64}, "paste: seed is 18446744073709551616; wanted a whole number"),
        ({"rim_um": "thick"}, "paste: rim_um is 'thick'; wanted a number"),
    ],
)
def test_parameters_that_make_no_paste_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        phase_plane(replace(PASTE, **change), Window(0, 0, 4, 4), pixel_size_um=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offset": float("nan")}, "finite"),
        ({"gain": float("inf")}, "finite"),
        ({"eta_per_packing": (float("nan"),) * 8}, "finite"),
        ({"surface_weight": 1e300}, "finite"),
        ({"read_noise": -1.0}, "noise"),
        ({"surface_depth_um": -3.0}, "depth"),
        ({"layer_depth_um": (0.2, 0.45, 1e9)}, "depth"),
        ({"surface_blur_um": 1e4}, "blur"),
        ({"eta": (0.1,) * 7}, "imaging: eta is .*wanted 8 numbers"),
    ],
)
def test_parameters_that_make_no_image_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        render_bse(PASTE, replace(IMAGING, **change), Window(0, 0, 4, 4), pixel_size_um=0.1)


def test_pixel_noise_follows_all_bits_of_the_seed() -> None:
    flat = replace(IMAGING, gain=0.0, offset=120.0, read_noise=5.0, shot_noise=0.0)
    low, high = (
        render_bse(replace(PASTE, seed=s), flat, Window(0, 0, 50, 50), pixel_size_um=1.0) for s in (1, 1 + 2**40)
    )
    assert np.mean(low != high) > 0.8


def test_windows_and_positions_are_checked() -> None:
    with pytest.raises(InputError, match="0 rows"):
        Window(0, 0, 0, 5)
    with pytest.raises(InputError, match="2\\^30"):
        phase_plane(PASTE, Window(2**31, 0, 4, 4), pixel_size_um=0.1)
    with pytest.raises(InputError, match=r"row 0\.5; wanted a whole number"):
        Window(0.5, 0, 4, 4)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="2\\^31 pixels"):
        Window(0, 0, 2**20, 2**20)
    with pytest.raises(InputError, match="20 m"):
        phase_plane(PASTE, Window(0, -(2**29), 4, 4), pixel_size_um=0.1)
    with pytest.raises(InputError, match="at most 2e\\+07"):
        contact_volumes(PASTE, np.array([[0.0, -1e12]]), radius_um=1.0)
    with pytest.raises(InputError, match="depth_um"):
        phase_plane(PASTE, Window(0, 0, 4, 4), pixel_size_um=0.1, depth_um=-1.0)
    with pytest.raises(InputError, match="pixel_size_um"):
        render_bse(PASTE, IMAGING, Window(0, 0, 4, 4), pixel_size_um=-0.04)
    with pytest.raises(InputError, match=r"\(n, 2\) float64"):
        contact_volumes(PASTE, np.zeros((3, 2), np.float32), radius_um=1.0)
    with pytest.raises(InputError, match="not finite"):
        contact_volumes(PASTE, np.array([[np.nan, 0.0]]), radius_um=1.0)
    with pytest.raises(InputError, match="each layer"):
        render_bse(PASTE, replace(IMAGING, layer_weight=(0.5,)), Window(0, 0, 4, 4), pixel_size_um=0.1)
