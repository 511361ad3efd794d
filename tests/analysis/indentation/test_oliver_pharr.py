from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from cemvis.analysis.indentation.oliver_pharr import (
    ContactModel,
    Curve,
    analysed,
    drift_nm_per_s,
    fit_unloading,
    unloading_of,
)
from cemvis.errors import InputError

QUARTZ = ContactModel(nu=0.18)


def reduced_gpa(modulus_gpa: float, model: ContactModel) -> float:
    return 1 / ((1 - model.nu**2) / modulus_gpa + (1 - model.tip_nu**2) / model.tip_modulus_gpa)


def curve_of(
    modulus_gpa: float, hardness_gpa: float, contact_depth_nm: float, model: ContactModel, *, exponent: float = 1.4
) -> Curve:
    """Return loading, hold and unloading whose analysis gives exactly `modulus_gpa` and `hardness_gpa`."""
    area = model.area_nm2(contact_depth_nm)
    load = hardness_gpa * area * 1e-6
    stiffness = 2 * model.beta * reduced_gpa(modulus_gpa, model) * math.sqrt(area / math.pi) * 1e-6
    depth = contact_depth_nm + 0.75 * load / stiffness
    reach = exponent * load / stiffness
    fall = np.linspace(1, 0.02, 400)
    loads = np.concatenate([load * np.linspace(0, 1, 200) ** 2, np.full(50, load), load * fall])
    depths = np.concatenate(
        [depth * np.linspace(0, 1, 200), np.full(50, depth), depth - reach + reach * fall ** (1 / exponent)]
    )
    return Curve("synthetic", depths, loads, np.arange(len(loads)) * 0.05)


@pytest.mark.parametrize(("modulus", "hardness"), [(72.0, 9.2), (25.0, 0.8), (210.0, 3.0), (500.0, 30.0)])
@pytest.mark.parametrize("exponent", [1.2, 1.5, 2.0])
def test_a_curve_of_known_modulus_and_hardness(modulus: float, hardness: float, exponent: float) -> None:
    found = analysed(curve_of(modulus, hardness, 800.0, QUARTZ, exponent=exponent), QUARTZ)
    assert found.modulus_gpa == pytest.approx(modulus, rel=1e-5)
    assert found.hardness_gpa == pytest.approx(hardness, rel=1e-5)
    assert found.contact_depth_nm == pytest.approx(800, rel=1e-5)
    assert found.fit.exponent == pytest.approx(exponent, rel=1e-4)
    assert found.sound


def test_tip_area_beta_and_tip_enter_as_the_formulas_say() -> None:
    model = ContactModel(nu=0.25, area=(24.5, 1500.0, 800.0, 20.0), beta=1.034, tip_modulus_gpa=1000.0, tip_nu=0.1)
    assert model.area_nm2(100.0) == pytest.approx(24.5e4 + 1500e2 + 800 * 10 + 20 * 100**0.25)
    found = analysed(curve_of(60.0, 2.0, 300.0, model), model)
    assert found.modulus_gpa == pytest.approx(60, rel=1e-5)
    assert found.hardness_gpa == pytest.approx(2, rel=1e-5)
    plain = analysed(curve_of(60.0, 2.0, 300.0, model), replace(model, beta=1.0))
    assert plain.reduced_modulus_gpa == pytest.approx(1.034 * found.reduced_modulus_gpa)


def test_frame_and_drift_are_taken_off_the_depth() -> None:
    true = curve_of(72.0, 9.2, 900.0, QUARTZ)
    measured = replace(true, depth_nm=true.depth_nm + 0.3 * true.load_mn + 0.05 * true.time_s)
    model = replace(QUARTZ, frame_compliance_nm_per_mn=0.3, drift_nm_per_s=0.05)
    assert analysed(measured, model).modulus_gpa == pytest.approx(72, rel=1e-4)
    assert abs(analysed(measured, QUARTZ).modulus_gpa - 72) > 3


def test_the_drift_of_a_hold_is_its_slope() -> None:
    time = np.linspace(100, 160, 50)
    hold = Curve("hold", 400 + 0.07 * time, np.full(50, 2.0), time)
    assert drift_nm_per_s(hold) == pytest.approx(0.07)
    with pytest.raises(InputError, match="a hold of 1 points tells no drift"):
        drift_nm_per_s(Curve("hold", hold.depth_nm[:1], hold.load_mn[:1], time[:1]))


def test_the_fit_minimises_the_misfit_under_noise() -> None:
    curve = curve_of(72.0, 9.2, 800.0, QUARTZ)
    noisy = replace(curve, load_mn=curve.load_mn * (1 + 0.002 * np.random.default_rng(3).standard_normal(650)))
    part = unloading_of(noisy)
    fit = fit_unloading(part)
    used = part.load_mn >= 0.5 * part.load_mn.max()

    def misfit(final: float, exponent: float) -> float:
        basis = np.abs(part.depth_nm[used] - final) ** exponent
        rest = part.load_mn[used] - (basis @ part.load_mn[used]) / (basis @ basis) * basis
        return float(np.sqrt(np.mean(rest**2)))

    best = misfit(fit.final_depth_nm, fit.exponent)
    assert fit.misfit * part.load_mn.max() == pytest.approx(best, rel=1e-6)
    for final in (-3.0, 3.0):
        for exponent in (-0.02, 0.02):
            assert misfit(fit.final_depth_nm + final, fit.exponent + exponent) >= best


def test_stiffness_is_the_slope_of_the_fitted_power_law() -> None:
    fit = fit_unloading(unloading_of(curve_of(72.0, 9.2, 800.0, QUARTZ)))
    # Elastic work under the fitted law, once by quadrature and once from stiffness, load and exponent.
    reach = fit.depth_nm - fit.final_depth_nm
    work = quad(lambda h: fit.load_mn * (h / reach) ** fit.exponent, 0, reach)[0]
    assert fit.exponent * fit.load_mn / reach == pytest.approx(fit.stiffness_mn_per_nm)
    assert work == pytest.approx(fit.load_mn**2 * fit.exponent / (fit.stiffness_mn_per_nm * (fit.exponent + 1)))


def test_without_poissons_ratio_there_is_a_reduced_modulus_only() -> None:
    found = analysed(curve_of(72.0, 9.2, 800.0, QUARTZ), ContactModel())
    assert math.isnan(found.modulus_gpa)
    assert found.reduced_modulus_gpa == pytest.approx(reduced_gpa(72.0, QUARTZ), rel=1e-5)
    with pytest.raises(InputError, match=r"Poisson's ratio is not known; .*\(--nu\)"):
        ContactModel().modulus_gpa(np.array([70.0]))


def test_a_reduced_modulus_that_a_soft_tip_alone_would_have_is_none() -> None:
    model = ContactModel(nu=0.2, tip_modulus_gpa=100.0)
    found = model.modulus_gpa(np.array([50.0, 101.0, math.nan]))
    assert found[0] == pytest.approx(0.96 / (1 / 50 - 0.9951 / 100))
    assert np.isnan(found[1:]).all()


def test_curves_that_are_no_unloading_are_not_sound() -> None:
    curve = curve_of(72.0, 9.2, 800.0, QUARTZ)
    creeping = replace(curve, depth_nm=curve.depth_nm + np.r_[np.zeros(250), np.linspace(0, 900, 400)])
    found = analysed(creeping, QUARTZ)
    assert not found.sound
    assert "the unloading is no power law" in found.unsound
    assert "the depth still rises by" in found.unsound


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (np.linspace(0, 1, 50), "the load does not fall below half of its greatest"),
        (np.zeros(50), "no positive load"),
        (np.r_[np.linspace(0, 1, 47), 0.6, 0.4, 0.1], "2 points of unloading above 50% of the load; wanted 8"),
    ],
)
def test_curves_without_what_the_analysis_needs(load: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        analysed(Curve("c", np.linspace(1, 100, 50), load, np.arange(50.0)), QUARTZ)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nu": 0.6}, "Poisson's ratio is 0.6"),
        ({"area": ()}, "first coefficient of the tip's area"),
        ({"beta": 0.0}, "beta is 0"),
        ({"upper_fraction": 1.0}, "upper_fraction is 1"),
    ],
)
def test_models_that_cannot_be(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ContactModel(**wrong)
