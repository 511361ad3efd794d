"""A map as a whole, with intervals from the errors of its cells and of its pores."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cemvis.analysis.homogenisation.fft import effective_stiffness
from cemvis.analysis.homogenisation.field import SOLUTION, WITH_PORES, estimate_field
from cemvis.analysis.homogenisation.isotropic import PlaneSolid
from cemvis.analysis.homogenisation.known import Known
from cemvis.errors import InputError

MAP = np.random.default_rng(1).choice([0.0, 25.0, 35.0, 120.0], (13, 16), p=[0.04, 0.5, 0.3, 0.16])
ERROR = np.random.default_rng(2).uniform(0.5, 3.0, MAP.shape)


def young(modulus: np.ndarray) -> float:
    return float(effective_stiffness(modulus, 0.24, tolerance=1e-9).isotropic.modulus_gpa)


def test_derivatives_by_cells_are_those_of_differences() -> None:
    found = effective_stiffness(MAP, 0.24, tolerance=1e-9, local=True)
    assert found.local is not None
    slope = found.local.by_modulus(found.isotropic)
    for cell in ((0, 0), (5, 7), tuple(np.argwhere(MAP == 0)[0])):
        more, less = MAP.copy(), MAP.copy()
        more[cell] += 0.02
        less[cell] += 0.01
        # second-order ends of the first difference: 4 f(h/2) - 3 f(0) - f(h), also where less than 0 is not possible
        by_difference = (4 * young(less) - 3 * young(MAP) - young(more)) / 0.02
        assert slope[cell] == pytest.approx(by_difference, rel=2e-4)


def test_moduli_are_of_first_degree_in_all_cells() -> None:
    found = effective_stiffness(MAP, 0.24, tolerance=1e-9, local=True)
    assert found.local is not None
    isotropic = found.isotropic
    assert (found.local.by_modulus(isotropic) * MAP).sum() == pytest.approx(float(isotropic.modulus_gpa), rel=1e-9)
    assert (found.local.bulk_by_modulus * MAP).sum() == pytest.approx(float(isotropic.bulk_gpa), rel=1e-9)
    assert found.local.strain.mean() == pytest.approx(1, abs=1e-12)
    assert found.local.stress_gpa.mean() == pytest.approx(found.tensor_gpa[0, 0], rel=1e-9)
    assert not found.local.stress_gpa[MAP == 0].any()


def test_a_homogeneous_map_strains_evenly() -> None:
    found = effective_stiffness(np.full((4, 6), 30.0), 0.2, local=True).local
    assert found is not None
    np.testing.assert_allclose(found.strain, 1, rtol=1e-12)
    np.testing.assert_allclose(found.by_modulus(PlaneSolid.of(30.0, 0.2)), 1 / 24, rtol=1e-12)


def test_independent_errors_are_those_of_drawn_maps() -> None:
    solid, error = np.maximum(MAP, 10.0)[:7, :8], ERROR[:7, :8]
    found = estimate_field(solid, 0.24, error_gpa=error)
    low, high = found.intervals[SOLUTION].independent_gpa or (np.nan, np.nan)
    random = np.random.default_rng(3)
    drawn = [young(solid + error * random.standard_normal(solid.shape)) for _ in range(100)]
    assert (low + high) / 2 == pytest.approx(young(solid), rel=1e-5)
    # the standard deviation of 100 draws is known to 7 %; three of them
    assert (high - low) / (2 * 1.959964) == pytest.approx(np.std(drawn, ddof=1), rel=0.21)


def test_errors_that_go_the_same_way_are_maps_at_their_ends() -> None:
    found = estimate_field(MAP, 0.24, error_gpa=ERROR, level=0.9)
    reach = 1.6448536 * ERROR
    ends = found.intervals[SOLUTION].correlated_gpa
    assert ends == pytest.approx((young(np.maximum(MAP - reach, 0)), young(MAP + reach)), rel=1e-5)
    assert list(found.intervals) == list(found.methods)
    for name, each in found.intervals.items():
        assert each.correlated_gpa[0] <= float(found.methods[name].modulus_gpa) <= each.correlated_gpa[1]
    inner = found.intervals[SOLUTION].independent_gpa or (0.0, 0.0)
    assert ends[0] < inner[0] < inner[1] < ends[1]


def test_pores_add_to_the_interval() -> None:
    alone = estimate_field(MAP, 0.24, porosity=Known(0.1, 0.02))
    both = estimate_field(MAP, 0.24, porosity=Known(0.1, 0.02), error_gpa=ERROR)
    exact = estimate_field(MAP, 0.24, porosity=Known(0.1))
    assert list(alone.intervals) == [WITH_PORES]
    assert exact.intervals == {}
    assert exact.with_pores is not None
    middle = float(exact.with_pores.modulus_gpa)
    inner, outer = both.intervals[WITH_PORES].independent_gpa, both.intervals[WITH_PORES].correlated_gpa
    only = alone.intervals[WITH_PORES].independent_gpa
    assert inner is not None
    assert only is not None
    assert outer[0] < inner[0] < only[0] < middle < only[1] < inner[1] < outer[1]
    ends = [
        float(found.with_pores.modulus_gpa)
        for pores in (0.1 + 1.96 * 0.02, 0.1 - 1.96 * 0.02)
        if (found := estimate_field(MAP, 0.24, porosity=Known(pores))).with_pores is not None
    ]
    assert only == pytest.approx(ends, rel=0.005)  # 10,000 draws: 1 % of the interval's half, which is 8 % of it
    assert alone.intervals[WITH_PORES].correlated_gpa == pytest.approx(ends, rel=1e-4)


def test_no_errors_are_no_interval() -> None:
    found = estimate_field(MAP, 0.24, error_gpa=np.zeros(MAP.shape))
    middle = float(found.methods[SOLUTION].modulus_gpa)
    assert found.intervals[SOLUTION].independent_gpa == pytest.approx((middle, middle))
    assert found.intervals[SOLUTION].correlated_gpa == pytest.approx((middle, middle))


def test_all_bounds_are_in_order() -> None:
    found = estimate_field(np.maximum(MAP, 5.0), 0.24)
    moduli = [float(each.plane_modulus_gpa) for each in found.methods.values()]
    assert all(low < high for low, high in pairwise(moduli))


def test_bad_errors_are_refused() -> None:
    with pytest.raises(InputError, match="errors have shape"):
        estimate_field(MAP, 0.24, error_gpa=ERROR[:-1])
    for wrong in (-1.0, np.nan, np.inf):
        bad = ERROR.copy()
        bad[2, 3] = wrong
        with pytest.raises(InputError, match="1 of the 208 errors"):
            estimate_field(MAP, 0.24, error_gpa=bad)
    with pytest.raises(InputError, match="porosity is 1;"):
        estimate_field(MAP, 0.24, porosity=Known(1.0))
    with pytest.raises(InputError, match="level"):
        estimate_field(MAP, 0.24, level=1.0)
    with pytest.raises(InputError, match="such as nan GPa"):
        estimate_field(np.where(MAP > 100, np.nan, MAP), 0.24)
