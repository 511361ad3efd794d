"""Bounds in three dimensions and in plane strain, against closed formulas and each other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cemvis.analysis.homogenisation.bounds import hashin_shtrikman, voigt_reuss
from cemvis.analysis.homogenisation.isotropic import PlaneSolid, Solid
from cemvis.analysis.homogenisation.two_dimensional import plane_hashin_shtrikman, plane_voigt_reuss
from cemvis.errors import InputError

SHARES = [[0.0, 1.0], [0.3, 0.7], [0.5, 0.5], [0.9, 0.1], [1.0, 0.0]]


def test_moduli_there_and_back() -> None:
    modulus, ratio = np.array([10.0, 30.0, 120.0]), np.array([-0.3, 0.2, 0.45])
    solid = Solid.of(modulus, ratio)
    np.testing.assert_allclose(solid.modulus_gpa, modulus, rtol=1e-13)
    np.testing.assert_allclose(solid.poisson, ratio, rtol=1e-12)
    plane = PlaneSolid.of(modulus, abs(ratio))
    np.testing.assert_allclose(plane.modulus_gpa, modulus, rtol=1e-13)
    np.testing.assert_allclose(plane.poisson, abs(ratio), rtol=1e-12)
    np.testing.assert_allclose(plane.plane_modulus_gpa, modulus / (1 - ratio**2), rtol=1e-13)
    same = Solid.of(modulus, abs(ratio))
    np.testing.assert_allclose(plane.bulk_gpa, same.bulk_gpa + same.shear_gpa / 3, rtol=1e-13)


def test_nothing_has_no_poissons_ratio() -> None:
    for solid in (Solid.of(0.0, 0.2), PlaneSolid.of(0.0, 0.2)):
        assert float(solid.modulus_gpa) == 0
        assert np.isnan(solid.poisson)


@pytest.mark.parametrize("shares", SHARES)
def test_two_phases_in_space_are_hashins_and_shtrikmans_formula(shares: list[float]) -> None:
    phases = Solid.of([20.0, 90.0], [0.3, 0.2])
    found = hashin_shtrikman(shares, phases)
    for matrix, inclusion, bound in ((0, 1, found.lower), (1, 0, found.upper)):
        if shares[matrix] == 0:
            continue  # the other phase alone
        k1, g1 = phases.bulk_gpa[matrix], phases.shear_gpa[matrix]
        k2, g2 = phases.bulk_gpa[inclusion], phases.shear_gpa[inclusion]
        bulk = k1 + shares[inclusion] / (1 / (k2 - k1) + 3 * shares[matrix] / (3 * k1 + 4 * g1))
        factor = 6 * (k1 + 2 * g1) / (5 * g1 * (3 * k1 + 4 * g1))
        shear = g1 + shares[inclusion] / (1 / (g2 - g1) + shares[matrix] * factor)
        assert float(bound.bulk_gpa) == pytest.approx(bulk, rel=1e-12)
        assert float(bound.shear_gpa) == pytest.approx(shear, rel=1e-12)


@pytest.mark.parametrize("shares", SHARES)
def test_two_phases_in_the_plane_are_hashins_formula(shares: list[float]) -> None:
    phases = PlaneSolid.of([20.0, 90.0], [0.3, 0.2])
    found = plane_hashin_shtrikman(shares, phases)
    for matrix, inclusion, bound in ((0, 1, found.lower), (1, 0, found.upper)):
        if shares[matrix] == 0:
            continue
        k1, g1 = phases.bulk_gpa[matrix], phases.shear_gpa[matrix]
        k2, g2 = phases.bulk_gpa[inclusion], phases.shear_gpa[inclusion]
        bulk = k1 + shares[inclusion] / (1 / (k2 - k1) + shares[matrix] / (k1 + g1))
        factor = (k1 + 2 * g1) / (2 * g1 * (k1 + g1))
        shear = g1 + shares[inclusion] / (1 / (g2 - g1) + shares[matrix] * factor)
        assert float(bound.bulk_gpa) == pytest.approx(bulk, rel=1e-12)
        assert float(bound.shear_gpa) == pytest.approx(shear, rel=1e-12)


def test_holes_in_the_plane_do_not_feel_poissons_ratio() -> None:
    for ratio in (0.0, 0.2, 0.45):
        upper = plane_hashin_shtrikman([0.8, 0.2], PlaneSolid.of([30.0, 0.0], ratio)).upper
        assert float(upper.plane_modulus_gpa) == pytest.approx(30 / (1 - ratio**2) * 0.8 / 1.4, rel=1e-12)


@pytest.mark.parametrize("plane", [False, True])
def test_bounds_lie_in_each_other_and_meet_at_one_phase(plane: bool) -> None:
    random = np.random.default_rng(5)
    share = random.dirichlet(np.ones(4), 500)
    modulus, ratio = random.uniform(5, 130, (500, 4)), random.uniform(0, 0.45, (500, 4))
    modulus[:100, 0] = 0
    if plane:
        solids = PlaneSolid.of(modulus, ratio)
        wide, narrow = plane_voigt_reuss(share, solids), plane_hashin_shtrikman(share, solids)
        alone = plane_hashin_shtrikman([0.0, 1.0, 0.0, 0.0], solids)
    else:
        solids = Solid.of(modulus, ratio)
        wide, narrow = voigt_reuss(share, solids), hashin_shtrikman(share, solids)
        alone = hashin_shtrikman([0.0, 1.0, 0.0, 0.0], solids)
    for name in ("bulk_gpa", "shear_gpa", "modulus_gpa"):
        chain = [getattr(each, name) for each in (wide.lower, narrow.lower, narrow.upper, wide.upper)]
        for low, high in pairwise(chain):
            assert (low <= high * (1 + 1e-12)).all()
            assert (low[100:] < high[100:]).all()
    assert (wide.lower.bulk_gpa[:100] == 0).all()
    np.testing.assert_allclose(alone.lower.modulus_gpa, modulus[:, 1], rtol=1e-12)
    np.testing.assert_allclose(alone.upper.modulus_gpa, modulus[:, 1], rtol=1e-12)


def test_bad_input_is_refused() -> None:
    two = Solid.of([20.0, 60.0], 0.2)
    with pytest.raises(InputError, match=r"sum to 0\.9"):
        voigt_reuss([0.5, 0.4], two)
    with pytest.raises(InputError, match="negative"):
        hashin_shtrikman([1.5, -0.5], two)
    with pytest.raises(InputError, match="such as nan GPa"):
        Solid.of([np.nan, 2.0], 0.2)
    with pytest.raises(InputError, match=r"wanted between -1 and 0\.5"):
        Solid.of(20.0, 0.5)
    with pytest.raises(InputError, match=r"wanted 0 to below 0\.5"):
        PlaneSolid.of(20.0, -0.1)
