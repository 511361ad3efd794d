"""Periodic maps in plane strain, against exact values, a dense system and Moulinec and Suquet's own scheme."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.homogenisation.fft import effective_stiffness
from cemvis.analysis.homogenisation.field import estimate_field
from cemvis.analysis.homogenisation.isotropic import PlaneSolid
from cemvis.analysis.homogenisation.known import Known
from cemvis.errors import InputError
from reference.homogenisation import basic_scheme, dense_elements, plane_tensor


def disc(rows: int, cols: int, share: float) -> np.ndarray:
    y, x = np.mgrid[:rows, :cols] + 0.5
    return (x - cols / 2) ** 2 + (y - rows / 2) ** 2 < rows * cols * share / np.pi


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (8, 5), (6, 6)])
def test_a_homogeneous_map_is_its_material_at_once(shape: tuple[int, int]) -> None:
    found = effective_stiffness(np.full(shape, 30.0), 0.2)
    np.testing.assert_allclose(found.tensor_gpa, plane_tensor(30, 0.2), rtol=1e-12, atol=1e-12)
    assert found.iterations == (0, 0, 0)
    assert found.converged
    assert found.anisotropy < 1e-12
    assert float(found.isotropic.modulus_gpa) == pytest.approx(30, rel=1e-12)
    assert found.plane_moduli_gpa == pytest.approx((31.25, 31.25), rel=1e-12)


@pytest.mark.parametrize("along", [0, 1])
def test_a_laminate_has_its_exact_tensor(along: int) -> None:
    layer = np.arange(12) < 4
    modulus, ratio = np.where(layer, 2.0, 90.0), np.where(layer, 0.35, 0.1)
    solid = PlaneSolid.of(modulus, ratio)
    straight, cross = solid.bulk_gpa + solid.shear_gpa, solid.bulk_gpa - solid.shear_gpa
    through = 1 / (1 / straight).mean()
    beside = (cross / straight).mean() * through
    within = (straight - cross**2 / straight).mean() + (cross / straight).mean() ** 2 * through
    slide = 1 / (1 / solid.shear_gpa).mean()
    exact = np.array([[through, beside, 0], [beside, within, 0], [0, 0, slide]])
    if along == 0:  # layers along x, stacked along y
        exact = exact[[1, 0, 2]][:, [1, 0, 2]]
        fields = [np.repeat(each[:, None], 9, axis=1) for each in (modulus, ratio)]
    else:
        fields = [np.repeat(each[None, :], 9, axis=0) for each in (modulus, ratio)]
    found = effective_stiffness(*fields, tolerance=1e-10)
    np.testing.assert_allclose(found.tensor_gpa, exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(4, 5), (5, 6), (1, 4)])
def test_it_is_the_dense_system_with_pores_too(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    modulus, ratio = random.uniform(1, 120, shape), random.uniform(0, 0.4, shape)
    modulus[random.random(shape) < 0.25] = 0
    found = effective_stiffness(modulus, ratio, tolerance=1e-10)
    assert found.converged
    np.testing.assert_allclose(found.tensor_gpa, dense_elements(modulus, ratio), rtol=1e-7, atol=1e-7)


def test_it_goes_where_the_basic_scheme_goes() -> None:
    gaps = []
    for size in (15, 45):
        modulus = np.where(disc(size, size, 0.25), 90.0, 30.0)
        ratio = np.full(modulus.shape, 0.25)
        ours, theirs = effective_stiffness(modulus, 0.25).tensor_gpa, basic_scheme(modulus, ratio, steps=40)
        gaps.append(abs(ours - theirs).max() / theirs.max())
    assert gaps[1] < 0.003
    assert gaps[1] < gaps[0] / 2  # two discretisations of one problem


def test_the_reference_and_threads_change_nothing() -> None:
    modulus = np.random.default_rng(2).choice([0.0, 30.0, 120.0], (24, 31), p=[0.1, 0.6, 0.3])
    first = effective_stiffness(modulus, 0.25, tolerance=1e-9)
    for reference, threads in (((1.0, 0.0), 1), ((1e4, 0.45), 2), (None, 2)):
        other = effective_stiffness(modulus, 0.25, reference=reference, tolerance=1e-9, threads=threads)
        np.testing.assert_allclose(other.tensor_gpa, first.tensor_gpa, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("ratio", [0.0, 0.3])
def test_one_small_hole_is_the_dilute_solution(ratio: float) -> None:
    hole = disc(128, 128, 0.01)
    found = effective_stiffness(np.where(hole, 0.0, 30.0), ratio)
    lost = 1 - float(found.isotropic.plane_modulus_gpa) / (30 / (1 - ratio**2))
    # Three times the share of the holes, whatever Poisson's ratio; 5 % are 0.2 px of the stepped hole's radius of 7 px
    assert lost / hole.mean() == pytest.approx(3, rel=0.05)


def test_it_is_never_stiffer_than_exactly_integrated_elements() -> None:
    random = np.random.default_rng(9)
    modulus = random.choice([0.0, 20.0, 100.0], (7, 6), p=[0.15, 0.6, 0.25])
    found = effective_stiffness(modulus, 0.3, tolerance=1e-9).tensor_gpa
    above = dense_elements(modulus, np.full(modulus.shape, 0.3), exact=True)
    assert np.linalg.eigvalsh(above - found).min() > 0.1


@pytest.mark.parametrize(("softest", "near"), [(15.0, 0.005), (0.0, 0.03)])
def test_one_strain_a_cell_is_near_the_limit_of_split_cells(softest: float, near: float) -> None:
    modulus = np.random.default_rng(3).choice([softest, 30.0, 120.0], (16, 15), p=[0.1, 0.7, 0.2])
    once, often = (
        float(effective_stiffness(np.kron(modulus, np.ones((times, times))), 0.2).isotropic.plane_modulus_gpa)
        for times in (1, 4)
    )
    assert once == pytest.approx(often, rel=near)


def test_a_map_on_its_side_has_its_tensor_on_its_side() -> None:
    modulus = np.random.default_rng(4).uniform(5, 100, (12, 17))
    upright, lying = effective_stiffness(modulus, 0.2), effective_stiffness(modulus.T.copy(), 0.2)
    np.testing.assert_allclose(lying.tensor_gpa, upright.tensor_gpa[[1, 0, 2]][:, [1, 0, 2]], rtol=1e-5, atol=1e-4)
    assert lying.plane_moduli_gpa == pytest.approx(upright.plane_moduli_gpa[::-1], rel=1e-6)
    shifted = effective_stiffness(np.roll(modulus, (5, 3), axis=(0, 1)), 0.2)
    np.testing.assert_allclose(shifted.tensor_gpa, upright.tensor_gpa, rtol=1e-5, atol=1e-4)


def test_voigt_and_reuss_hold_as_tensors() -> None:
    random = np.random.default_rng(5)
    modulus, ratio = random.uniform(2, 150, (15, 16)), random.uniform(0, 0.45, (15, 16))
    found = effective_stiffness(modulus, ratio).tensor_gpa
    cells = [plane_tensor(each, nu) for each, nu in zip(modulus.ravel(), ratio.ravel(), strict=True)]
    voigt, reuss = np.mean(cells, axis=0), np.linalg.inv(np.mean([np.linalg.inv(each) for each in cells], axis=0))
    assert np.linalg.eigvalsh(voigt - found).min() > 0
    assert np.linalg.eigvalsh(found - reuss).min() > 0


def test_layers_of_pores_carry_along_but_not_across() -> None:
    modulus = np.where(np.arange(10)[:, None] < 4, 0.0, 30.0) * np.ones((1, 8))
    found = effective_stiffness(modulus, 0.2)
    assert found.converged
    along_x, along_y = found.plane_moduli_gpa
    assert along_x == pytest.approx(0.6 * 30 / (1 - 0.04), rel=1e-9)
    assert along_y == pytest.approx(0, abs=1e-9)
    islands = effective_stiffness(np.where(disc(20, 20, 0.3), 30.0, 0.0), 0.2, tolerance=1e-10)
    np.testing.assert_allclose(islands.tensor_gpa, 0, atol=1e-9)
    empty = effective_stiffness(np.zeros((5, 6)), 0.2)
    assert not empty.tensor_gpa.any()
    assert empty.anisotropy == 0


def test_a_hexagonal_lattice_is_isotropic_and_inside_the_bounds() -> None:
    rows, cols = 56, 97  # near enough to 1 : sqrt 3
    y, x = np.mgrid[:rows, :cols] + 0.5
    discs = np.zeros((rows, cols), bool)
    for at_y, at_x in ((0, 0), (0, cols), (rows, 0), (rows, cols), (rows / 2, cols / 2)):
        discs |= (x - at_x) ** 2 + (y - at_y) ** 2 < 20**2
    found = estimate_field(np.where(discs, 120.0, 25.0), 0.24, porosity=Known(0.1))
    assert found.stiffness.anisotropy < 0.005
    assert found.inside
    low, middle, high = (
        float(found.methods[name].shear_gpa)
        for name in ("Hashin-Shtrikman lower", "Fourier solution", "Hashin-Shtrikman upper")
    )
    assert low < middle < low + 0.3 * (high - low)  # stiff discs in a soft matrix are near the lower bound
    assert found.with_pores is not None
    porous = float(found.with_pores.plane_modulus_gpa / found.methods["Fourier solution"].plane_modulus_gpa)
    assert porous == pytest.approx(0.9 / 1.2, rel=1e-9)


def test_a_map_with_a_direction_is_said_to_be_outside() -> None:
    layers = np.where(np.arange(10)[:, None] < 5, 2.0, 150.0) * np.ones((1, 10))
    found = estimate_field(layers, 0.2)
    assert found.stiffness.anisotropy > 0.2
    assert not found.inside
    assert found.with_pores is None


def test_too_few_iterations_are_told() -> None:
    modulus = np.random.default_rng(6).choice([1.0, 100.0], (20, 20))
    found = effective_stiffness(modulus, 0.2, most_iterations=2)
    assert not found.converged
    assert found.iterations == (2, 2, 2)
    assert found.residual > 1e-6


def test_bad_maps_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        effective_stiffness(np.ones(4), 0.2)
    with pytest.raises(InputError, match="shape"):
        effective_stiffness(np.ones((0, 4)), 0.2)
    with pytest.raises(InputError, match="such as -1 GPa"):
        effective_stiffness(np.array([[1.0, -1.0]]), 0.2)
    with pytest.raises(InputError, match=r"ratio is 0\.5"):
        effective_stiffness(np.ones((2, 2)), 0.5)
    with pytest.raises(InputError, match="ratios have shape"):
        effective_stiffness(np.ones((2, 2)), np.full((3, 2, 2), 0.2))
    with pytest.raises(InputError, match="tolerance"):
        effective_stiffness(np.ones((2, 2)), 0.2, tolerance=0.0)
