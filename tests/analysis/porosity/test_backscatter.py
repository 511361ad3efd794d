from __future__ import annotations

import math

import numpy as np
import pytest

from cemvis.analysis.porosity import backscatter as module
from cemvis.analysis.porosity.backscatter import (
    binomial_error,
    element_backscatter,
    mixture_backscatter,
    simulate_backscatter,
    solid_of,
)
from cemvis.analysis.porosity.compound import Compound
from cemvis.errors import InputError
from cemvis.kernels.backscatter import backscattered

# Measured at 20 keV, normal incidence, bulk (Heinrich; Reimer 1998), to about 0.02.
MEASURED = {"C": 0.06, "Al": 0.15, "Si": 0.17, "Ti": 0.25, "Cu": 0.31, "Ag": 0.41, "Au": 0.50}


def eta(text: str, energy_kev: float, electrons: int = 40_000) -> float:
    return simulate_backscatter(Compound.parse(text), energy_kev, electrons=electrons).eta


@pytest.mark.parametrize(("symbol", "measured"), MEASURED.items())
def test_measured_coefficients_at_20_kev_are_reached(symbol, measured):
    # 0.02, less than which no two laboratories agree; the simulation's own error is 0.0025 at most.
    assert eta(symbol, 20.0) == pytest.approx(measured, abs=0.02)


@pytest.mark.parametrize("symbol", ["Al", "Si", "Ti", "Cu", "Ag", "Au", "Bi"])
@pytest.mark.parametrize("energy_kev", [5.0, 10.0, 30.0])
def test_other_energies_are_those_of_the_fit_to_measurements(symbol, energy_kev):
    number = Compound.parse(symbol).mass_fractions[0][0]
    fit = mixture_backscatter(Compound.parse(number), energy_kev)
    assert eta(symbol, energy_kev, 20_000) == pytest.approx(fit, abs=0.03)


def test_light_elements_rise_and_heavy_ones_fall_towards_5_kev():
    for symbol in ("C", "Al", "Si"):
        assert eta(symbol, 5.0) > eta(symbol, 20.0) + 0.01
    assert eta("Au", 5.0) < eta("Au", 20.0) - 0.005


def test_coefficients_rise_with_the_atomic_number():
    found = [eta(symbol, 15.0, 20_000) for symbol in ("Be", "C", "O", "Al", "Ca", "Cu", "Ag", "Au", "U")]
    assert found == sorted(found)


def test_the_density_changes_depths_alone():
    light = simulate_backscatter(Compound.parse("Cu", density_g_cm3=4.48), 20.0, electrons=5000)
    heavy = simulate_backscatter(Compound.parse("Cu", density_g_cm3=8.96), 20.0, electrons=5000)
    assert light.eta == heavy.eta
    assert light.depth_nm(0.5) == pytest.approx(2 * heavy.depth_nm(0.5))
    assert light.radius_nm(0.9) == pytest.approx(2 * heavy.radius_nm(0.9))
    without = simulate_backscatter(Compound.parse("Cu"), 20.0, electrons=5000)
    assert without.depth_nm(0.5) is None


def test_quantiles_are_those_of_the_histogram():
    found = simulate_backscatter(Compound.parse("Cu", density_g_cm3=8.96), 20.0, electrons=5000)
    depths = [found.depth_nm(share) for share in (0.01, 0.1, 0.5, 0.9, 1.0)]
    assert depths == sorted(depths)
    width = found.counts.range_g_cm2 / 8.96 * 1e7 / 2 / 256
    last = np.flatnonzero(found.counts.depths).max() + 1
    assert found.depth_nm(1.0) == pytest.approx(last * width)
    below = found.counts.depths[: int(found.depth_nm(0.5) / width)].sum() / found.counts.backscattered
    assert below <= 0.5 <= below + found.counts.depths.max() / found.counts.backscattered
    for share in (0.0, 1.1, math.nan):
        with pytest.raises(InputError, match="share is"):
            found.depth_nm(share)


def test_standard_errors_are_binomial_and_never_0():
    assert binomial_error(250, 1000) == pytest.approx(math.sqrt(0.25 * 0.75 / 1000), rel=2e-3)
    assert 0 < binomial_error(0, 1) < 1
    assert binomial_error(7, 7) > 0
    found = simulate_backscatter(Compound.parse("Cu"), 5.0, electrons=1)
    assert found.standard_error > 0
    assert found.to_json()["electrons"] == 1


def test_mean_energy_is_none_where_nothing_comes_back():
    found = simulate_backscatter(Compound.parse("H", density_g_cm3=1), 30.0, electrons=3)
    assert found.counts.backscattered == 0
    assert found.mean_energy_kev is None
    assert found.depth_nm(0.5) is None


def test_many_electrons_are_followed_in_parts_and_give_the_counts_of_one_call(monkeypatch):
    copper = Compound.parse("Cu", density_g_cm3=8.96)
    whole = simulate_backscatter(copper, 5.0, electrons=2500, seed=3)
    called = []

    def follow(*arguments, **options):
        called.append((options["first"], options["electrons"]))
        return backscattered(*arguments, **options)

    monkeypatch.setattr(module, "_AT_ONCE", 1000)
    monkeypatch.setattr(module, "backscattered", follow)
    parts = simulate_backscatter(copper, 5.0, electrons=2500, seed=3)
    assert called == [(0, 1000), (1000, 1000), (2000, 500)]
    assert parts.to_json() == whole.to_json()
    for name in ("energies", "depths", "radii"):
        assert (getattr(parts.counts, name) == getattr(whole.counts, name)).all()
    for electrons in (2**31 + 1, 2500.0, "2500", True):
        with pytest.raises(InputError, match="electrons is"):
            simulate_backscatter(copper, 5.0, electrons=electrons)


def test_mixture_is_the_mean_by_mass():
    both = mixture_backscatter(Compound.from_weight_fractions({"Cu": 1, "Au": 3}), 20.0)
    assert both == pytest.approx(0.25 * element_backscatter(29, 20.0) + 0.75 * element_backscatter(79, 20.0))
    with pytest.raises(InputError, match="energy_kev is 0"):
        element_backscatter(29, 0)
    for number in (0, 93, math.nan):
        with pytest.raises(InputError, match="atomic_number is"):
            element_backscatter(number, 20.0)


def test_solids_hold_numbers_weights_and_fractions():
    assert solid_of(Compound.parse("CaO")).tolist() == [
        [8, 15.999, pytest.approx(0.28530, abs=1e-5)],
        [20, 40.078, pytest.approx(0.71470, abs=1e-5)],
    ]
