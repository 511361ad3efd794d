from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from cemvis.analysis.porosity.anchors import GreyAnchors
from cemvis.analysis.porosity.backscatter import simulate_backscatter
from cemvis.analysis.porosity.calibration import csh_metal_curve
from cemvis.analysis.porosity.compound import Compound
from cemvis.analysis.porosity.nano_porosity import nano_porosity
from cemvis.analysis.specimen.intruded import CLINKER, NOISE, PIXEL_SIZE_UM, IntrudedRegion, RegionKey, make_region
from cemvis.analysis.specimen.intruded_image import (
    CLINKER_SIGNAL,
    Session,
    draw_session,
    region_image,
)
from cemvis.analysis.specimen.intruded_recipes import IntrudedClass, Modification
from cemvis.analysis.specimen.intruded_spots import Spots, scatter_spots, spot_profile
from cemvis.analysis.specimen.intruded_texture import FINE_TEXTURE, PLAIN_TEXTURE, stream, texture
from cemvis.errors import InputError
from cemvis.kernels.specimen import Phase

KEY = RegionKey(seed=4, class_index=1, specimen=2, region=1)
SHAPE = (300, 420)
FULL = Modification(strength=1.0, density_per_um2=0.1)
CSH_ONLY = np.full((1064, 1064), Phase.LD_CSH, np.uint8)


def region(modification: Modification, key: RegionKey = KEY, shape: tuple[int, int] = SHAPE) -> IntrudedRegion:
    return make_region(key, modification, shape_px=shape, threads=1)


@pytest.fixture(scope="module")
def twin() -> IntrudedRegion:
    return region(Modification())


@pytest.fixture(scope="module")
def modified() -> IntrudedRegion:
    return region(FULL)


def neighbour_difference(levels: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    both = where[:, 1:] & where[:, :-1]
    return float(np.abs(np.diff(levels.astype(int), axis=1))[both].mean())


@pytest.mark.parametrize("null", [Modification(), replace(FULL, strength=0.0), replace(FULL, density_per_um2=0.0)])
def test_a_null_modification_is_the_twin_to_the_bit(null: Modification, twin: IntrudedRegion) -> None:
    made = region(null)
    assert np.array_equal(made.levels, twin.levels)
    assert np.array_equal(made.porosity, twin.porosity)
    assert not made.modified.any()


def test_modified_pixels_are_those_that_differ_from_the_twin(twin: IntrudedRegion, modified: IntrudedRegion) -> None:
    assert np.array_equal(modified.modified, modified.levels != twin.levels)
    assert 0.05 < modified.modified.mean() < 0.3


def test_all_else_is_the_twins(twin: IntrudedRegion, modified: IntrudedRegion) -> None:
    assert np.array_equal(modified.phases, twin.phases)
    inside = spot_profile(modified.spots, SHAPE, pixel_size_um=PIXEL_SIZE_UM) > 0
    assert np.array_equal(modified.porosity[~inside], twin.porosity[~inside])
    assert not modified.modified[modified.clinker].any()


def test_nearly_all_csh_in_a_spot_is_modified(modified: IntrudedRegion) -> None:
    well_inside = spot_profile(modified.spots, SHAPE, pixel_size_um=PIXEL_SIZE_UM) == 1
    csh = np.isin(modified.phases, (Phase.LD_CSH, Phase.HD_CSH))
    assert modified.modified[well_inside & csh].mean() > 0.9


def test_a_spot_is_finer_and_as_porous(twin: IntrudedRegion, modified: IntrudedRegion) -> None:
    inside = spot_profile(modified.spots, SHAPE, pixel_size_um=PIXEL_SIZE_UM) > 0.9
    inside &= modified.phases == Phase.LD_CSH
    assert neighbour_difference(modified.levels, inside) > 1.3 * neighbour_difference(twin.levels, inside)
    assert modified.levels[inside].mean() == pytest.approx(twin.levels[inside].mean(), rel=0.08)
    assert modified.levels[inside].std() == pytest.approx(twin.levels[inside].std(), rel=0.15)


def test_densified_spots_are_less_porous(twin: IntrudedRegion) -> None:
    made = region(replace(FULL, mode="densify"))
    inside = (spot_profile(made.spots, SHAPE, pixel_size_um=PIXEL_SIZE_UM) == 1) & (made.phases == Phase.LD_CSH)
    assert made.levels[inside].mean() < 0.75 * twin.levels[inside].mean()


def test_strength_is_how_much_changes(twin: IntrudedRegion, modified: IntrudedRegion) -> None:
    weak = region(replace(FULL, strength=0.2))
    assert np.array_equal(weak.spots.xy_um, modified.spots.xy_um)

    def change(made: IntrudedRegion) -> float:
        return float(np.abs(made.porosity - twin.porosity).sum())

    assert 0 < change(weak) < 0.6 * change(modified)


def test_porosity_is_that_of_the_phases(twin: IntrudedRegion) -> None:
    assert np.array_equal(twin.clinker, np.isin(twin.phases, CLINKER))
    assert not twin.levels[twin.clinker].any()
    mean = {phase: twin.levels[twin.phases == phase].mean() / 255 for phase in Phase if phase not in CLINKER}
    assert mean[Phase.CH] < 0.05 < mean[Phase.HD_CSH] < 0.15
    assert 0.2 < mean[Phase.LD_CSH] < 0.35
    assert mean[Phase.PORE] > 0.8
    assert 0.1 < twin.levels.mean() / 255 < 0.3


def test_another_key_is_another_region(twin: IntrudedRegion) -> None:
    for name in ("seed", "class_index", "specimen", "region"):
        other = region(Modification(), replace(KEY, **{name: getattr(KEY, name) + 1}), shape=(64, 64))
        assert not np.array_equal(other.phases, twin.phases[:64, :64])
        assert not np.array_equal(other.levels, twin.levels[:64, :64])


def test_regions_of_a_specimen_share_its_paste() -> None:
    assert KEY.paste_seed == replace(KEY, region=7).paste_seed
    assert KEY.paste_seed != replace(KEY, specimen=7).paste_seed


@pytest.mark.parametrize("parts", [PLAIN_TEXTURE, FINE_TEXTURE])
def test_textures_have_unit_variance_everywhere(parts: tuple[tuple[float, float], ...]) -> None:
    fields = np.stack([texture(stream(n), (40, 40), pixel_size_um=0.052, parts=parts) for n in range(300)])
    variance = fields.astype(float).var(axis=0)
    assert variance.mean() == pytest.approx(1, abs=0.02)
    # At a pixel the variance of 300 draws has an sd of 0.08: edges and corners are no different.
    assert abs(variance[[0, -1]].mean() - 1) < 0.06
    assert np.abs(fields.mean(axis=0)).max() < 0.3


def test_the_plain_texture_reaches_farther_than_the_fine_one() -> None:
    def correlation(parts: tuple[tuple[float, float], ...], lag: int) -> float:
        field = texture(stream(9), (600, 600), pixel_size_um=0.052, parts=parts)
        return float((field[:, lag:] * field[:, :-lag]).mean())

    # A Gaussian filter of sd s leaves a correlation of exp(-lag^2 / 4 s^2); the field's own shares add them up.
    wanted = sum(share * np.exp(-((4 * 0.052) ** 2) / (4 * length**2)) for length, share in PLAIN_TEXTURE)
    assert correlation(PLAIN_TEXTURE, 4) == pytest.approx(wanted, abs=0.03)
    assert correlation(FINE_TEXTURE, 4) == pytest.approx(0.018, abs=0.02)


def scattered(modification: Modification, seed: int = 3) -> Spots:
    return scatter_spots(stream(seed), CSH_ONLY, modification, margin_px=32, pixel_size_um=0.052)


def test_spots_are_as_dense_as_wanted_and_nested() -> None:
    many, few = scattered(replace(FULL, density_per_um2=0.4)), scattered(replace(FULL, density_per_um2=0.1))
    area_um2 = (1000 * 0.052) ** 2

    def within(spots: Spots) -> int:
        return int(((spots.xy_um >= 0) & (spots.xy_um < 52)).all(axis=1).sum())

    for spots, density in ((many, 0.4), (few, 0.1)):
        assert within(spots) == pytest.approx(density * area_um2, abs=4 * np.sqrt(density * area_um2))
    assert {tuple(place) for place in few.xy_um} <= {tuple(place) for place in many.xy_um}


def test_spots_cover_the_share_that_is_expected() -> None:
    shares = [(spot_profile(scattered(FULL, n), (1000, 1000), pixel_size_um=0.052) >= 0.5).mean() for n in range(8)]
    assert np.mean(shares) == pytest.approx(FULL.expected_share, abs=0.012)


def test_spots_have_their_centres_in_csh_alone() -> None:
    phases = CSH_ONLY.copy()
    phases[:, : 32 + 500] = Phase.ALITE
    spots = scatter_spots(stream(3), phases, FULL, margin_px=32, pixel_size_um=0.052)
    assert len(spots) > 50
    assert (spots.xy_um[:, 0] > 499 * 0.052).all()


def test_a_spots_profile_is_a_disc_with_a_soft_edge() -> None:
    spots = Spots(np.array([[2.6, 1.3]]), np.array([0.7]))
    profile = spot_profile(spots, (60, 100), pixel_size_um=0.052)
    y, x = np.mgrid[:60, :100] * 0.052
    distance = np.hypot(x - 2.6, y - 1.3)
    assert (profile[distance < 0.59] == 1).all()
    assert not profile[distance > 0.81].any()
    edge = (distance > 0.61) & (distance < 0.79)
    assert ((profile[edge] > 0) & (profile[edge] < 1)).all()


def test_calibrating_an_image_with_its_sessions_anchors_gives_back_the_porosity(twin: IntrudedRegion) -> None:
    session = Session(grey_csh=20, grey_metal=250, electrons=1e7, focus_um=0.0)
    grey = region_image(twin, session, KEY.stream(NOISE))
    found = nano_porosity(grey, GreyAnchors(20, 250), curve=csh_metal_curve(), clinker=twin.clinker)
    far = binary_erosion(~twin.clinker, iterations=6)
    # A grey level is worth most porosity near metal, where the curve is flat.
    off = np.abs(found.astype(int) - twin.levels.astype(int))[far]
    assert off.max() <= 3
    assert off.mean() < 0.6


def test_clinker_shows_as_electron_paths_say() -> None:
    curve = csh_metal_curve()
    formulas = {
        Phase.ALITE: "Ca3SiO5",
        Phase.BELITE: "Ca2SiO4",
        Phase.ALUMINATE: "Ca3Al2O6",
        Phase.FERRITE: "Ca4Al2Fe2O10",
    }
    assert formulas.keys() == CLINKER_SIGNAL.keys() == set(CLINKER)
    for phase, formula in formulas.items():
        simulated = simulate_backscatter(Compound.parse(formula), 5.0, electrons=300_000, threads=1, seed=1)
        relative = (simulated.eta - curve.eta[0]) / (curve.eta[-1] - curve.eta[0])
        # Both are good to 0.0026; phases lie 0.009 to 0.05 apart.
        assert CLINKER_SIGNAL[phase] == pytest.approx(relative, abs=0.008)


def test_grey_levels_follow_the_session(twin: IntrudedRegion) -> None:
    quiet = Session(grey_csh=50, grey_metal=240, electrons=1e9, focus_um=0.0)
    grey = region_image(twin, quiet, KEY.stream(NOISE)).astype(float)
    relative = csh_metal_curve().relative_of(twin.porosity)
    far = binary_erosion(~twin.clinker, iterations=6)  # where a pixel blends no clinker
    assert np.abs(grey[far] - (50 + 190 * relative[far])).max() <= 0.54  # rounding, and the noise of 1e9 electrons
    deep = binary_erosion(twin.phases == Phase.ALITE, iterations=6)
    assert 50 + 190 * 0.05 < grey[deep].mean() < 50 + 190 * 0.3


def test_noise_is_that_of_counts_and_focus_blurs(twin: IntrudedRegion) -> None:
    sharp = Session(focus_um=0.0)
    grey = region_image(twin, sharp, KEY.stream(NOISE)).astype(float)
    expected = region_image(twin, replace(sharp, electrons=1e9), KEY.stream(NOISE)).astype(float)
    curve = csh_metal_curve()
    csh, metal = curve.eta[0], curve.eta[-1]
    eta = csh + curve.relative_of(twin.porosity) * (metal - csh)
    sd = 160 * np.sqrt(eta * metal / 4000) / (metal - csh)
    scores = ((grey - expected) / np.hypot(sd, np.sqrt(1 / 6)))[~twin.clinker]
    assert scores.std() == pytest.approx(1, abs=0.05)
    soft = region_image(twin, replace(sharp, focus_um=0.1, electrons=1e9), KEY.stream(NOISE)).astype(float)
    assert np.abs(np.diff(soft)).mean() < 0.8 * np.abs(np.diff(expected)).mean()


def test_sessions_are_drawn_about_the_usual_one() -> None:
    assert draw_session(stream(1), spread=0) == Session()
    drawn = [draw_session(stream(n)) for n in range(50)]
    assert all(abs(each.grey_csh - 60) <= 15 and abs(each.grey_metal - 220) <= 20 for each in drawn)
    assert np.std([each.grey_csh for each in drawn]) > 5


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Modification(strength=1.5), "strength is 1.5; wanted 0 to 1"),
        (lambda: Modification(strength=float("nan")), "strength is nan"),
        (lambda: Modification(density_per_um2=0.6), "density is 0.6 spots per um2; wanted 0 to 0.5"),
        (lambda: Modification(radius_um=0), "radius is 0; wanted a finite number above 0"),
        (lambda: Modification(radius_um=4), "radius is 4 um; wanted at most 3"),
        (lambda: Modification(mode="melt"), "mode is 'melt'; wanted conserve or densify"),
        (lambda: IntrudedClass(name="../up"), "a class is called '../up'"),
        (lambda: IntrudedClass(name="_hidden"), "a class is called '_hidden'"),
        (lambda: Session(grey_csh=200, grey_metal=100), "metal brighter"),
        (lambda: Session(electrons=0), "electrons is 0"),
        (lambda: Session(focus_um=2), "focus_um is 2"),
        (lambda: draw_session(stream(0), spread=3), "spread is 3"),
        (lambda: region(Modification(), shape=(0, 64)), "a region of 0 x 64 px; wanted at least 1 x 1"),
    ],
)
def test_what_makes_no_specimen_is_refused(make: object, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(").replace(".", r"\.")):
        make()  # type: ignore[operator]
