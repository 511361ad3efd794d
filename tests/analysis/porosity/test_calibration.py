from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest
from scipy import stats

from cemvis.analysis.porosity import _curve_fit
from cemvis.analysis.porosity.calibration import (
    CSH,
    FIELDS_METAL,
    POINTS,
    BackscatterCurve,
    CurvePoint,
    csh_metal_curve,
    curve_of,
    metal_curve,
    simulated_points,
)
from cemvis.analysis.porosity.compound import Compound
from cemvis.errors import InputError

TABLE = json.loads(resources.files("cemvis").joinpath("data", "csh_metal_backscatter.json").read_text(encoding="utf-8"))


def points_of(eta: np.ndarray, electrons: int) -> list[CurvePoint]:
    return [CurvePoint(n, round(e * electrons), electrons) for n, e in zip(POINTS, eta, strict=True)]


@pytest.mark.parametrize("index", [0, 14, 24])
def test_shipped_counts_are_made_anew(index):
    porosity, back, of_first = TABLE["points"][index]
    assert porosity == POINTS[index]
    first = TABLE["first"]
    found = simulated_points(CSH, FIELDS_METAL, energy_kev=5.0, electrons=first, porosities=[porosity])[0]
    assert found.backscattered == of_first
    # And the first electrons are a fair draw of all of them: within four standard errors.
    assert abs(found.eta - back / TABLE["electrons"]) < 4 * found.standard_error


def test_the_shipped_table_is_of_what_the_package_calls_so():
    assert TABLE["matrix"] == CSH.to_json()
    assert TABLE["metal"] == FIELDS_METAL.to_json()
    assert [row[0] for row in TABLE["points"]] == list(POINTS)


def test_the_curve_agrees_with_the_points_it_is_fitted_to():
    curve = csh_metal_curve()
    off = [
        (np.interp(point.porosity, curve.porosity, curve.eta) - point.eta) / point.standard_error
        for point in curve.points
    ]
    assert stats.chi2.sf(np.square(off).sum(), len(off) - 4) > 0.01
    assert np.abs(off).max() < 3.5
    assert max(curve.standard_error) < 3e-4
    assert max(curve.porosity_error) < 1e-3  # a quarter of a grey level of the maps


def test_porosity_rises_from_0_to_1_and_is_clamped():
    curve = csh_metal_curve()
    relative = np.linspace(-0.5, 1.5, 1001)
    found = curve.porosity_of(relative)
    assert (np.diff(found) >= 0).all()
    assert (found[relative <= 0] == 0).all()
    assert (found[relative >= 1] == 1).all()
    inside = (relative > 0) & (relative < 1)
    assert curve.relative_of(found[inside]) == pytest.approx(relative[inside], abs=1e-12)
    assert curve.porosity_of(np.zeros((2, 3))).shape == (2, 3)
    with pytest.raises(InputError, match="not numbers"):
        curve.porosity_of(np.array([0.5, np.nan]))


def test_the_mixture_by_mass_is_a_cross_check():
    # By mass, the relative coefficient is the metal's share of the mass. Electron paths give up to 0.036 more porosity.
    curve, mixture = csh_metal_curve(), csh_metal_curve(method="mixture")
    n = np.asarray(mixture.porosity)
    assert mixture.relative == pytest.approx(7.88 * n / (7.88 * n + 2.12 * (1 - n)), abs=1e-12)
    more = n - mixture.porosity_of(curve.relative_of(n))
    assert 0.03 < more.max() < 0.04
    assert more.min() > -1e-9
    assert np.abs(np.subtract(curve.eta, mixture.eta)).max() < 0.02


def test_few_electrons_give_the_curve_within_its_error():
    exact = csh_metal_curve()
    off = []
    for seed in range(1, 9):
        rough = csh_metal_curve(electrons=2000, seed=seed)
        assert len(rough.points) == len(POINTS)
        off.append((np.subtract(rough.eta, exact.eta) / rough.standard_error)[[0, 10, 50, 100]])
    assert 0.4 < np.sqrt(np.mean(np.square(off))) < 1.7  # root mean square of standardised errors: 1


# Factors of the metal's mass fraction: made up, and fitted to 4, 0.6 and 0.2 million electrons a point.
TRUTHS = {
    "quadratic": (20_000, [0.15, 0.35, -0.07]),
    "5 keV": (200_000, [0.15063, 0.26128, 0.00335, 0.02171]),
    "1 keV": (200_000, [0.17271, 0.12486, -0.07224, 0.46891, -0.56583, 0.28533]),
    "15 keV": (200_000, [0.13765, 0.31693, 0.14288, -0.48548, 0.50255, -0.17208]),
}


@pytest.mark.parametrize(("electrons", "factors"), TRUTHS.values(), ids=list(TRUTHS))
def test_the_fit_finds_what_it_was_given_with_true_errors(electrons, factors):
    random = np.random.default_rng(0)
    mass = np.array([_curve_fit.mass_fraction(n, CSH, FIELDS_METAL) for n in POINTS])
    truth = np.polynomial.Polynomial(factors)(mass)
    inside = []
    for _ in range(60):
        back = random.binomial(electrons, truth)
        curve = curve_of(points_of(back / electrons, electrons), CSH, FIELDS_METAL, energy_kev=5.0)
        wanted = (truth - truth[0]) / (truth[-1] - truth[0])
        error = np.interp(POINTS, curve.porosity, curve.porosity_error)[1:-1]
        inside.append(np.abs(curve.porosity_of(wanted) - POINTS)[1:-1] < 1.96 * error)
    assert 0.9 < np.mean(inside) < 0.99


def test_contradicted_fits_widen_their_errors():
    mass = np.array([_curve_fit.mass_fraction(n, CSH, FIELDS_METAL) for n in POINTS])
    smooth = 0.15 + 0.28 * mass
    rugged = smooth + 0.002 * (-1.0) ** np.arange(len(POINTS))
    wide = curve_of(points_of(rugged, 10_000_000), CSH, FIELDS_METAL, energy_kev=5.0)
    narrow = curve_of(points_of(smooth, 10_000_000), CSH, FIELDS_METAL, energy_kev=5.0)
    assert np.median(wide.standard_error) > 5 * np.median(narrow.standard_error)


def test_metals_that_scatter_no_more_are_refused():
    with pytest.raises(InputError, match="eta does not rise"):
        metal_curve(CSH, Compound.parse("H2O", density_g_cm3=1.0), electrons=500)
    with pytest.raises(InputError, match="eta does not rise"):
        metal_curve(CSH, Compound.parse("C", density_g_cm3=2.2), method="mixture")


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="method is 'casino'; wanted one of monte-carlo, mixture"):
        csh_metal_curve(method="casino")
    with pytest.raises(InputError, match="from 1 to 30 keV"):
        csh_metal_curve(energy_kev=0.5)
    with pytest.raises(InputError, match="electrons is 0"):
        csh_metal_curve(electrons=0)
    for seed in (-1, 1.5, True, 2**62):
        with pytest.raises(InputError, match=f"seed is {seed}; wanted"):
            csh_metal_curve(electrons=10, seed=seed)
    with pytest.raises(InputError, match="has no density"):
        metal_curve(CSH, Compound.parse("Bi"), electrons=10)
    with pytest.raises(InputError, match="simulated for no curve"):
        simulated_points(CSH, FIELDS_METAL, energy_kev=5.0, electrons=10, porosities=[0.123])
    with pytest.raises(InputError, match="at least 8"):
        curve_of(points_of(np.linspace(0.1, 0.4, 25), 100)[:7], CSH, FIELDS_METAL, energy_kev=5.0)
    with pytest.raises(InputError, match="must rise from 0 to 1"):
        BackscatterCurve((0.0, 0.5), (0.1, 0.2), (0.0, 0.0), 5.0, "mixture")
    with pytest.raises(InputError, match="as many eta"):
        BackscatterCurve((0.0, 1.0), (0.1,), (0.0, 0.0), 5.0, "mixture")


def test_tables_hold_the_curve():
    curve = csh_metal_curve()
    frame = curve.to_frame()
    assert list(frame.columns) == ["porosity", "eta", "standard_error", "relative", "porosity_error"]
    assert frame["eta"].tolist() == list(curve.eta)
    assert json.loads(json.dumps(curve.to_json()))["points"][0] == [0.0, TABLE["points"][0][1], TABLE["electrons"]]
