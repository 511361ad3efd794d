from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from cemvis.analysis.specimen import after as module
from cemvis.analysis.specimen.after import AfterImage, after_image
from cemvis.analysis.specimen.area import Area
from cemvis.analysis.specimen.campaign import run_campaign
from cemvis.analysis.specimen.dust import Speck, draw_dust
from cemvis.analysis.specimen.imprints import ImprintLook, imprint_grey
from cemvis.analysis.specimen.recipes import CALIBRATED, RECIPES
from cemvis.analysis.specimen.stage import StageErrors
from cemvis.kernels.specimen import Phase, Window

PIXEL_UM = 0.25
RECIPE = RECIPES[CALIBRATED]
STILL = replace(RECIPE, imaging=replace(RECIPE.imaging, read_noise=0.0, shot_noise=0.0))


@pytest.fixture(scope="module", autouse=True)
def _small_tiles() -> Iterator[None]:
    """Several tiles in a small image, and cheap windows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE_PX", 384)
        yield


@pytest.fixture(scope="module")
def noisy() -> AfterImage:
    area = Area(RECIPE, seed=6, batches=1, pixel_size_um=PIXEL_UM)
    return after_image(area, run_campaign(area, StageErrors(missed=0.05)), look=ImprintLook(grey=40.0))


@pytest.fixture(scope="module")
def still(noisy: AfterImage) -> AfterImage:
    """Without noise, dust and another session's grey levels."""
    flat = tuple(tuple(0.0 for _ in row) for row in noisy.visit.image_brightness)
    visit = replace(noisy.visit, contrast=1.0, brightness=0.0, image_brightness=flat)
    return replace(noisy, area=replace(noisy.area, recipe=STILL), visit=visit, dust=())


def bare(image: AfterImage) -> AfterImage:
    """The same without imprints."""
    return replace(image, campaign=replace(image.campaign, imprints=(None,) * len(image.campaign.imprints)))


@pytest.fixture(scope="module")
def surface(still: AfterImage) -> np.ndarray:
    return np.concatenate(list(bare(still).bands(threads=2))).astype(float)


@pytest.fixture(scope="module")
def added(still: AfterImage, surface: np.ndarray) -> np.ndarray:
    return np.concatenate(list(still.bands(threads=2))) - surface


def positions(shape: tuple[int, ...], row: int = 0, col: int = 0) -> np.ndarray:
    y, x = np.indices(shape, dtype=float)
    return np.stack([x + col, y + row], axis=-1)


def test_without_tests_it_shows_the_same_surface(still: AfterImage, surface: np.ndarray) -> None:
    assert surface.shape == still.shape
    before = still.area.image(Window(-120, -120, 1040, 1040)).astype(float)
    place = still.visit.after_to_before(positions(surface.shape)) + 120
    linear, off = (map_coordinates(before, [place[..., 1], place[..., 0] + by], order=1) for by in (0, 2))
    error = np.abs(surface - linear).mean()
    assert error < 2.0  # a straight line between pixels in place of the spline
    assert np.abs(surface - off).mean() > 3 * error


def test_imprints_lie_where_the_truth_says(still: AfterImage, added: np.ndarray) -> None:
    """The best place of each imprint's own picture, drawn by the rotation and the scale alone."""
    campaign, visit = still.campaign, still.visit
    turn = visit.scale * np.exp(1j * np.radians(visit.rotation_deg)) * PIXEL_UM
    sound = [n for n, imprint in enumerate(campaign.imprints) if imprint and campaign.pore_share[n] == 0]
    assert len(sound) > 200
    shifts = [(dx, dy) for dx in np.arange(-1, 1.1, 0.25) for dy in np.arange(-1, 1.1, 0.25)]
    found = []
    for n in sound[::8]:
        at, imprint = still.after_xy_px[n], campaign.imprints[n]
        low = np.floor(at).astype(int) - 12
        if (low < 0).any():
            continue
        grid = positions((25, 25), row=low[1], col=low[0])
        error = []
        for shift in shifts:
            away = grid - at - shift
            rotated = (away[..., 0] + 1j * away[..., 1]) * turn
            place = np.stack([rotated.real + imprint.x_um, rotated.imag + imprint.y_um], axis=-1)
            drawn = imprint_grey(imprint, still.look, place, orientation_rad=campaign.orientation_rad)
            error.append(np.abs(added[low[1] : low[1] + 25, low[0] : low[0] + 25] - drawn).mean())
        found.append(shifts[int(np.argmin(error))])
    assert len(found) > 25
    # An imprint on a seam is cut in two; the others lie on the spot.
    assert (np.abs(found).max(axis=1) <= 0.25).mean() > 0.9


def test_imprints_show_nowhere_else(still: AfterImage, added: np.ndarray) -> None:
    shows = np.array([imprint is not None for imprint in still.campaign.imprints])
    around = np.zeros(added.shape, bool)
    for x, y in still.after_xy_px[shows].astype(int):
        around[max(0, y - 28) : y + 29, max(0, x - 28) : x + 29] = True
    assert np.abs(added[~around]).max() == 0
    assert (~around).mean() > 0.1
    for x, y in still.after_xy_px[~shows].astype(int):
        assert np.abs(added[y - 4 : y + 5, x - 4 : x + 5]).max() <= 2
    assert (~shows).sum() > 10


def test_nothing_is_drawn_in_pores(added: np.ndarray, surface: np.ndarray) -> None:
    imaging = RECIPE.imaging
    pore = imaging.offset + imaging.gain * imaging.eta[Phase.PORE]
    assert np.abs(added[surface < pore - 2]).max() <= 1
    assert np.abs(added[surface > pore + 30]).max() > 40


def test_any_part_and_any_threads_give_the_same_bytes(noisy: AfterImage) -> None:
    image = noisy.image(Window(300, 300, 300, 400), threads=1)
    np.testing.assert_array_equal(noisy.image(Window(400, 500, 80, 150), threads=3), image[100:180, 200:350])
    band = next(noisy.bands(threads=2))
    np.testing.assert_array_equal(noisy.image(Window(0, 100, 384, 200)), band[:, 100:300])


def test_noise_is_fresh_and_the_session_another(noisy: AfterImage, surface: np.ndarray) -> None:
    visit, window = noisy.visit, Window(300, 200, 250, 300)
    calm = surface[300:550, 200:500]
    noise = bare(replace(noisy, dust=())).image(window).astype(float)
    step = visit.brightness_of(visit.image_of(positions(calm.shape, row=300, col=200)))
    inside = (calm > 0) & (calm < 225)
    residual = (noise - (visit.contrast * calm + visit.brightness + step))[inside]
    assert abs(residual.mean()) < 0.1
    eta = (calm[inside] - RECIPE.imaging.offset) / RECIPE.imaging.gain
    expected = visit.contrast**2 * (RECIPE.imaging.read_noise**2 + RECIPE.imaging.shot_noise * eta)
    # Rounding adds a twelfth to both images' share.
    assert residual.var() == pytest.approx(expected.mean() + (1 + visit.contrast**2) / 12, rel=0.03)
    assert abs(np.corrcoef(residual[:-1], residual[1:])[0, 1]) < 0.02


def test_dust_hides_what_is_below(still: AfterImage) -> None:
    n = int(np.flatnonzero(still.visible())[200])
    x, y = still.campaign.xy_um[n]
    dusty = replace(still, dust=(Speck(float(x), float(y), 4.0, 20.0, ()),))
    changed = np.flatnonzero(still.visible() & ~dusty.visible())
    assert changed.tolist() == [n]
    col, row = dusty.after_xy_px[n].astype(int)
    shown = dusty.image(Window(row - 8, col - 8, 17, 17))
    np.testing.assert_allclose(shown, 20, atol=1)


def test_specks_are_drawn_by_area_and_size() -> None:
    dust = draw_dust((0, 0), (2000, 1000), per_mm2=200, rng=np.random.default_rng(0))
    assert 330 < len(dust) < 470
    diameter = 2 * np.array([speck.radius_um for speck in dust])
    assert diameter.min() >= 1
    assert diameter.max() <= 10
    assert np.median(diameter) < 5
    grey = np.array([speck.grey for speck in dust])
    assert (grey < 50).any()
    assert (grey > 180).any()
    speck = max(dust, key=lambda each: each.radius_um)
    angle = np.linspace(0, 2 * np.pi, 99)
    rim = np.stack([speck.x_um + speck.reach_um * np.cos(angle), speck.y_um + speck.reach_um * np.sin(angle)], axis=1)
    assert speck.cover(rim).max() < 0.01
    assert speck.cover(np.array([[speck.x_um, speck.y_um]]))[0] > 0.99
