from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from cemvis.errors import InputError
from cemvis.images import Micrograph, PixelSize
from cemvis.images.registration import Registration, RegistrationConfig, register
from cemvis.images.registration.levels import Level
from cemvis.images.registration.seams import Sides, find_intervals, regular_beyond

EDGE = 1200
SMALL = RegistrationConfig(tile_px=128, step_px=96)
SEAM_X, SEAM_Y = 599.5, 519.5
OFFSETS = np.array([[[3.0, -2.0], [-3.5, 2.0]], [[-2.0, -4.0], [2.5, 3.0]]])  # by row and column of pieces


@functools.cache
def surface(seed: int = 0) -> np.ndarray:
    """Blobs of many sizes, as of a paste, about 110 grey levels with an sd of 30."""
    rng = np.random.default_rng(seed)
    noise = sum(
        size * gaussian_filter(rng.normal(size=(EDGE + 200, EDGE + 200)).astype(np.float32), size)
        for size in (2.0, 4.0, 9.0, 25.0)
    )
    return 110 + 30 * noise / noise.std()


def image(values: np.ndarray, *, seed: int, dtype: str = "uint8", um: float | None = None) -> Micrograph:
    noisy = values + np.random.default_rng(seed).normal(0, 5, values.shape)
    top = np.iinfo(dtype).max
    scaled = noisy * (top / 255)
    size = None if um is None else PixelSize(um, "option")
    return Micrograph.from_array(np.clip(np.rint(scaled), 0, top).astype(dtype), pixel_size=size)


@functools.cache
def before_image() -> Micrograph:
    return image(surface()[100:-100, 100:-100], seed=1)


def truth(after_xy: np.ndarray, *, seams: bool = True, scale: float = 1.0) -> np.ndarray:
    """Rotation by 1.5 degrees and scale 0.994 about the middle, a bend of 6 px, an offset for each of four pieces."""
    away = scale * after_xy
    if seams:
        column, row = (after_xy[:, 0] > SEAM_X).astype(int), (after_xy[:, 1] > SEAM_Y).astype(int)
        away = away + OFFSETS[row, column]
    away = away - EDGE / 2
    angle = np.radians(1.5)
    turned = 0.994 * away @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    bend = 6 * np.stack([np.sin(away[:, 1] / 500), np.cos(away[:, 0] / 400)], axis=1)
    return turned + bend + EDGE / 2 + np.array([11.0, -8.0])


@functools.cache
def after_values(*, seams: bool = True, scale: float = 1.0, seed: int = 0, imprints: bool = True) -> np.ndarray:
    edge = round(EDGE / scale)
    cols, rows = np.meshgrid(np.arange(edge), np.arange(edge))
    at = truth(np.stack([cols.ravel(), rows.ravel()], axis=1).astype(float), seams=seams, scale=scale)
    values = map_coordinates(surface(seed), [at[:, 1] + 100, at[:, 0] + 100], order=1, mode="mirror")
    values = values.reshape(edge, edge)
    if imprints:
        pitch = round(150 / scale)
        marks = (cols % pitch < pitch / 6) & (rows % pitch < pitch / 6)
        values = np.where(marks, values - 45, values)
    return 0.85 * values + 12


def errors(found: Registration, *, seams: bool = True, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the truth at places of the after-image that the before-image shows, and where they lie there."""
    rows, cols = found.field.after_shape
    places = np.random.default_rng(9).uniform([0, 0], [cols - 1, rows - 1], (4000, 2))
    true = truth(places, seams=seams, scale=scale)
    shown = ((true >= 0) & (true <= EDGE - 1)).all(axis=1)
    return np.hypot(*(found.field.before_xy(places) - true).T)[shown], true[shown]


@functools.cache
def stitched() -> Registration:
    return register(before_image(), image(after_values(), seed=2), config=SMALL, threads=2)


def test_a_stitched_after_image_is_found_to_a_fraction_of_a_pixel() -> None:
    found = stitched()
    away, before = errors(found)
    assert np.median(away) < 0.25
    assert np.percentile(away, 99) < 2
    reliable = found.field.reliable(before)
    assert reliable.mean() > 0.9
    assert np.percentile(away[reliable], 99) < 1.5
    told = found.field.error_px(before)[reliable]
    assert 0.3 < np.median(away[reliable]) / 1.18 / np.median(told) < 3


def test_seams_are_found_to_the_pixel() -> None:
    seams = stitched().seams_px
    assert seams["x"] == pytest.approx([SEAM_X], abs=2)
    assert seams["y"] == pytest.approx([SEAM_Y], abs=2)


def test_threads_do_not_matter_and_no_seams_where_there_are_none() -> None:
    after = image(after_values(seams=False), seed=2)
    one, two = (register(before_image(), after, config=SMALL, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.field.residual_px, two.field.residual_px)
    np.testing.assert_array_equal(one.tiles.found_xy, two.tiles.found_xy)
    assert one.seams_px == {"x": [], "y": []}
    away, _ = errors(one, seams=False)
    assert np.median(away) < 0.2
    assert np.percentile(away, 99) < 1


def test_tiles_without_a_match_are_said_to_be_untrusted() -> None:
    values = after_values(seams=False).copy()
    values[300:800, 400:1000] = after_values(seams=False, seed=5, imprints=False)[300:800, 400:1000]
    found = register(before_image(), image(values, seed=2), config=SMALL, threads=2)
    x, y = found.tiles.after_xy.T
    foreign = (x > 464) & (x < 936) & (y > 364) & (y < 736)
    own = (x < 336) | (x > 1064) | (y < 236) | (y > 864)
    assert foreign.sum() > 10
    assert np.mean(found.status[foreign] == "used") < 0.1
    assert np.mean(found.status[own] == "used") > 0.95
    middle = truth(np.array([[700.0, 550.0]]), seams=False)
    assert not found.field.reliable(middle)[0]
    frame = found.to_frame()
    assert list(frame["status"]) == list(found.status)
    assert found.to_json()["tiles"]["used"] == np.count_nonzero(found.status == "used")


def test_tiles_that_show_nothing_are_weak_and_told() -> None:
    values = image(after_values(seams=False), seed=2).read(0, 0, EDGE, EDGE).copy()
    values[300:800, 400:1000] = 140
    after = Micrograph.from_array(values, pixel_size=None)
    found = register(before_image(), after, config=SMALL, threads=2)
    x, y = found.tiles.after_xy.T
    flat = (x > 464) & (x < 936) & (y > 364) & (y < 736)
    assert flat.sum() > 10
    assert set(found.status[flat]) == {"weak"}
    assert any("are not trusted" in note for note in found.notes)
    beyond = (truth(found.tiles.after_xy, seams=False) < -64).any(axis=1)
    assert set(found.status[beyond]) <= {"outside"}


def test_mostly_flat_images_are_refused() -> None:
    values = np.full((EDGE, EDGE), 140, np.uint8)
    values[:450, :700] = image(after_values(seams=False), seed=2).read(0, 0, 450, 700)
    before = before_image().read(0, 0, EDGE, EDGE)
    with pytest.raises(InputError, match=r"only \d+ of \d+ tiles that should"):
        register(
            Micrograph.from_array(before, pixel_size=None),
            Micrograph.from_array(values, pixel_size=None),
            config=SMALL,
            threads=2,
        )


@functools.cache
def holed() -> Registration:
    """A smooth distortion, and a part of the after-image in which nothing but noise shows."""
    values = after_values(seams=False, imprints=False).copy()
    values[350:850, 350:850] = 110
    return register(before_image(), image(values, seed=2), config=SMALL, threads=2)


def test_nothing_is_claimed_where_the_after_image_shows_nothing() -> None:
    found = holed()
    places = np.random.default_rng(3).uniform(0, EDGE - 1, (6000, 2))
    true = truth(places, seams=False)
    shown = ((true >= 0) & (true <= EDGE - 1)).all(axis=1)
    places, true = places[shown], true[shown]
    away = np.hypot(*(found.field.before_xy(places) - true).T)
    told, reliable = found.field.error_px(true), found.field.reliable(true)
    deep = ((places > 450) & (places < 750)).all(axis=1)
    far = ((places < 222) | (places > 978)).any(axis=1)
    assert deep.sum() > 300
    assert reliable[deep].mean() < 0.02
    assert reliable[far].mean() > 0.95
    # Half of the true errors, at least, are no larger than what is told, and the whole of them is of its size.
    assert np.sqrt(np.mean((away[deep] / told[deep]) ** 2) / 2) < 1.7
    assert np.median(told[deep]) > 2 * np.median(told[far])
    assert 0.3 < np.median(away[far & reliable]) / 1.18 / np.median(told[far & reliable]) < 3


def test_pixel_sizes_say_what_scale_to_expect_and_16_bit_is_fine() -> None:
    scale = 1.6
    after = image(after_values(seams=False, scale=scale), seed=2, dtype="uint16", um=0.064)
    before = Micrograph.from_array(before_image().read(0, 0, EDGE, EDGE), pixel_size=PixelSize(0.04, "option"))
    found = register(before, after, config=SMALL, threads=2)
    assert found.to_json()["scale"] == pytest.approx(1.6 * 0.994, rel=0.004)
    away, _ = errors(found, seams=False, scale=scale)
    assert np.median(away) < 0.4


def test_half_the_overlap_is_enough_and_less_is_said() -> None:
    after = image(after_values(seams=False)[:, 720:], seed=2)
    before = Micrograph.from_array(before_image().read(0, 0, EDGE, 920), pixel_size=None)
    found = register(before, after, config=SMALL, threads=2)
    assert any("low overlap" in note for note in found.notes)
    assert 0.3 < found.overlap < 0.5
    places = np.array([[100.0, 300.0], [80.0, 900.0]])
    np.testing.assert_allclose(found.field.before_xy(places), truth(places + np.array([720, 0]), seams=False), atol=1.0)


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (lambda a: np.rot90(a), "rotated by 90 degrees against the before-image: turn it by 90 degrees clockwise"),
        (lambda a: a[:, ::-1], "mirrored against the before-image: flip it left to right and register again"),
    ],
)
def test_turned_and_mirrored_images_are_named(turn, said: str) -> None:
    after = image(np.ascontiguousarray(turn(after_values(seams=False))), seed=2)
    with pytest.raises(InputError, match=said):
        register(before_image(), after, config=SMALL, threads=2)


def test_images_that_cannot_be_registered() -> None:
    with pytest.raises(InputError, match="do not overlap"):
        register(before_image(), image(after_values(seams=False, seed=5), seed=2), config=SMALL, threads=2)
    with pytest.raises(InputError, match="are the same image"):
        register(before_image(), before_image(), config=SMALL)
    tiny = Micrograph.from_array(np.zeros((100, 500), np.uint8), pixel_size=None)
    with pytest.raises(InputError, match="the after-image has 100 x 500 px; wanted at least 128"):
        register(before_image(), tiny)
    flat = Micrograph.from_array(np.full((EDGE, EDGE), 90, np.uint8), pixel_size=None)
    with pytest.raises(InputError, match="do not overlap"):
        register(before_image(), flat, config=SMALL, threads=2)


@pytest.mark.parametrize("wrong", [{"tile_px": 32}, {"step_px": 300}, {"step_px": 4}, {"overview_px": 100}])
def test_settings_have_to_make_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="wanted tiles of 64 to 2048 px"):
        RegistrationConfig(**wrong)


def test_levels_are_block_means() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 60000, (53, 47), dtype=np.uint16)
    level = Level(Micrograph.from_array(grey, pixel_size=None), 5)
    naive = grey[:50, :45].reshape(10, 5, 9, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(level.read(2, 1, 6, 7), naive[2:8, 1:8], rtol=1e-6)
    np.testing.assert_allclose(level.hold().read(0, 0, 10, 9), naive, rtol=1e-6)
    assert level.to_full(np.array([[0.0, 1.0]])).tolist() == [[2.0, 7.0]]
    assert level.from_full(np.array([[2.0, 7.0]])).tolist() == [[0.0, 1.0]]


def jumps(places: list[float], *, slope: float = 0.004) -> Sides:
    """Shifts of 50 columns of tiles, 96 px wide and 48 px apart, that jump by about 5 px at some places."""
    rng = np.random.default_rng(1)
    first = 48 * np.arange(50)
    middle = first + 47.5
    shift = np.empty((8, 50, 2))
    for row in range(8):
        offset = np.concatenate([[0.0], rng.choice([-4.0, 5.0, 6.0], len(places)).cumsum()])
        shift[row] = offset[np.searchsorted(places, middle)][:, None] + slope * middle[:, None]
    shift += rng.normal(0, 0.15, shift.shape)
    good = rng.uniform(size=(8, 50)) > 0.05
    return Sides(shift, good, first, 96)


def test_intervals_hold_the_seams_and_a_slope_is_none() -> None:
    found = find_intervals(jumps([700.0, 1400.0]))
    assert len(found) == 2
    for (low, high), place in zip(found, (700.0, 1400.0), strict=True):
        assert low - 60 <= place <= high + 60
    assert find_intervals(jumps([], slope=0.02)) == []


def test_equal_images_go_on_beyond_the_seams_that_are_known() -> None:
    assert regular_beyond([1023.5, 2047.5, 3073.5], 4200) == [4098.5]
    assert regular_beyond([1023.5], 1900) == []
    assert regular_beyond([1100.5, 2124.5], 2500) == [76.5]
    assert regular_beyond([300.0, 1000.0, 3000.0], 4000) == []
    assert regular_beyond([], 4000) == []


def test_small_images_get_tiles_that_can_follow_their_distortion() -> None:
    config = RegistrationConfig()
    assert config.fitting((8_000, 2_048)) is config
    small = config.fitting((1_000, 1_600))
    assert (small.tile_px, small.step_px) == (125, 62)
    assert config.fitting((300, 300)).tile_px == 96
    assert RegistrationConfig(tile_px=64, step_px=48).fitting((300, 300)).tile_px == 64
