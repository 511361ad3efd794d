"""Mori-Tanaka and self-consistent estimates, against exact values, limits and bounds."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.homogenisation.bounds import hashin_shtrikman, with_reference
from cemvis.analysis.homogenisation.isotropic import Solid
from cemvis.analysis.homogenisation.schemes import mori_tanaka, self_consistent
from cemvis.errors import InputError


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.45])
def test_few_pores_are_the_dilute_solution(ratio: float) -> None:
    solid = Solid.of([30.0, 0.0], ratio)
    bulk, shear = solid.bulk_gpa[0], solid.shear_gpa[0]
    few = 1e-6
    for found in (mori_tanaka([1 - few, few], solid, matrix=0), self_consistent([1 - few, few], solid)):
        # Eshelby's cavity; the next term of the series is of the order of the share of pores
        assert (1 - found.bulk_gpa / bulk) / few == pytest.approx(1 + 3 * bulk / (4 * shear), rel=1e-4)
        slope = (15 * bulk + 20 * shear) / (9 * bulk + 8 * shear)
        assert (1 - found.shear_gpa / shear) / few == pytest.approx(slope, rel=1e-4)


def test_one_phase_is_itself() -> None:
    solids = Solid.of([30.0, 30.0], [0.25, 0.25])
    for found in (mori_tanaka([0.4, 0.6], solids, matrix=0), self_consistent([0.4, 0.6], solids)):
        assert float(found.modulus_gpa) == pytest.approx(30, rel=1e-12)
        assert float(found.poisson) == pytest.approx(0.25, rel=1e-12)


def test_pores_at_a_fifth_have_closed_forms() -> None:
    pores = np.linspace(0, 1, 41)
    share = np.stack([1 - pores, pores], axis=-1)
    solid = Solid.of([30.0, 0.0], 0.2)
    found = self_consistent(share, solid)
    np.testing.assert_allclose(found.modulus_gpa, 30 * np.maximum(1 - 2 * pores, 0), atol=1e-9)
    np.testing.assert_allclose(found.poisson[pores < 0.5], 0.2, rtol=1e-9)
    some = mori_tanaka(share[:-1], solid, matrix=0)
    np.testing.assert_allclose(some.modulus_gpa, 30 * (1 - pores[:-1]) / (1 + pores[:-1]), rtol=1e-12)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.35, 0.49])
def test_half_pores_take_all_stiffness_whatever_poissons_ratio(ratio: float) -> None:
    solid = Solid.of([30.0, 0.0], ratio)
    pores = np.array([0.45, 0.499, 0.4999, 0.5, 0.5001, 0.6])
    found = self_consistent(np.stack([1 - pores, pores], axis=-1), solid)
    assert (found.modulus_gpa[3:] == 0).all()
    assert (np.diff(found.modulus_gpa[:4]) < 0).all()
    assert float(found.poisson[2]) == pytest.approx(0.2, abs=2e-3)  # where every solid ends


def test_self_consistent_moduli_solve_their_equation_and_do_not_ask_for_the_order() -> None:
    random = np.random.default_rng(3)
    share = random.dirichlet(np.ones(5), 300)
    modulus, ratio = 10 ** random.uniform(-3, 4, (300, 5)), random.uniform(-0.5, 0.49, (300, 5))
    modulus[:150, 4] = 0  # of the rest, the softest is a solid, and holds together whatever its share
    solids = Solid.of(modulus, ratio)
    found = self_consistent(share, solids)
    again = with_reference(share, solids, found)
    np.testing.assert_allclose(again.bulk_gpa, found.bulk_gpa, rtol=1e-9)
    np.testing.assert_allclose(again.shear_gpa, found.shear_gpa, rtol=1e-9)
    pores = np.where(modulus[:, 4] == 0, share[:, 4], 0)
    np.testing.assert_array_equal(found.modulus_gpa > 0, pores < 0.5)
    turned = self_consistent(share[:, ::-1], Solid.of(modulus[:, ::-1], ratio[:, ::-1]))
    np.testing.assert_allclose(turned.modulus_gpa, found.modulus_gpa, rtol=1e-9)


def test_schemes_lie_between_the_bounds_in_the_right_order() -> None:
    random = np.random.default_rng(4)
    share = random.dirichlet(np.ones(3), 300)
    modulus = np.sort(random.uniform(1, 150, (300, 3)), axis=1)
    solids = Solid.of(modulus, 0.25)
    bounds = hashin_shtrikman(share, solids)
    softest, middle, stiffest = (mori_tanaka(share, solids, matrix=index) for index in range(3))
    consistent = self_consistent(share, solids)
    np.testing.assert_allclose(softest.modulus_gpa, bounds.lower.modulus_gpa, rtol=1e-12)
    np.testing.assert_allclose(stiffest.modulus_gpa, bounds.upper.modulus_gpa, rtol=1e-12)
    for name in ("bulk_gpa", "shear_gpa", "modulus_gpa"):
        for each in (middle, consistent):
            assert (getattr(bounds.lower, name) < getattr(each, name)).all()
            assert (getattr(each, name) < getattr(bounds.upper, name)).all()


def test_a_matrix_has_to_be_there() -> None:
    solids = Solid.of([20.0, 60.0], 0.2)
    for share, matrix in (([0.0, 1.0], 0), ([0.5, 0.5], 2), ([0.5, 0.5], -1)):
        with pytest.raises(InputError, match="cannot be the matrix"):
            mori_tanaka(share, solids, matrix=matrix)
