"""Solving a periodic map in plane strain: seconds and iterations over sizes and contrasts, against muSpectre.

muSpectre (`pip install muSpectre 'numpy<2'`, C++ with pocketfft) solves the same discrete problem where it is told to
take the rotated scheme as its gradient ("averaged upwind"), by conjugate gradients too, with a projection in place of
the reference material. Both are asked for a residual of 1e-6, each by its own norm, and answers have to agree to 1e-5.
Building muSpectre's cell, pixel by pixel, is outside its clock.

The title of each comparison says how many iterations both took for the three strains together. A laminate, whose moduli
are known exactly, is checked for both.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cemvis.analysis.homogenisation.fft import PlaneStiffness, effective_stiffness

POISSON, TOLERANCE = 0.24, 1e-6
STRAINS = ([[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 0.5], [0.5, 0]])


def paste(side: int, softest: float) -> np.ndarray:
    """Return a map of smooth structures 8 cells wide: 5 % of the softest, then 30, 38 and, for 15 %, 130 GPa."""
    smooth = gaussian_filter(np.random.default_rng(1).standard_normal((side, side)), 4, mode="wrap")
    return np.array([softest, 30.0, 38.0, 130.0])[np.digitize(smooth, np.quantile(smooth, [0.05, 0.55, 0.85]))]


def rival_of(modulus: np.ndarray) -> Callable[[], tuple[np.ndarray, int]]:
    msp: ModuleType = pytest.importorskip("muSpectre")
    import muFFT

    rows, cols = modulus.shape
    cell = msp.Cell(
        [cols, rows],
        [float(cols), float(rows)],
        msp.Formulation.small_strain,
        muFFT.Stencils2D.averaged_upwind,
        fft="pocketfft",
    )
    material = msp.material.MaterialLinearElastic4_2d.make(cell, "map")
    for number, each in enumerate(modulus.ravel()):
        material.add_pixel(number, float(each), POISSON)
    cell.initialise()

    def solve() -> tuple[np.ndarray, int]:
        tensor, count = np.zeros((3, 3)), 0
        for column, strain in enumerate(STRAINS):
            solver = msp.solvers.KrylovSolverCG(cell, TOLERANCE, 5000, msp.Verbosity.Silent)
            found = msp.solvers.newton_cg(
                cell, np.array(strain, float), solver, TOLERANCE, TOLERANCE, msp.Verbosity.Silent
            )
            stress = found.stress.reshape(4, -1, order="F").mean(axis=1)
            tensor[:, column] = stress[[0, 3, 1]]
            count += solver.counter
        return tensor, count

    return solve


def ours(modulus: np.ndarray, threads: int) -> PlaneStiffness:
    return effective_stiffness(modulus, POISSON, tolerance=TOLERANCE, threads=threads)


@pytest.mark.parametrize("side", [64, 128, 256, 512])
def test_homogenise_sizes(compare, side: int) -> None:
    run(compare, paste(side, 5.0), f"homogenise {side} x {side}, contrast 26")


@pytest.mark.parametrize("softest", [20.0, 1.0, 0.01, 0.0])
def test_homogenise_contrasts(compare, softest: float) -> None:
    name = f"contrast {130 / softest:,.3g}" if softest else "pores"
    run(compare, paste(128, softest), f"homogenise 128 x 128, {name}")


def run(compare, modulus: np.ndarray, title: str) -> None:
    solve = rival_of(modulus)
    (tensor, count), found = solve(), ours(modulus, 1)
    assert found.converged
    np.testing.assert_allclose(tensor, found.tensor_gpa, atol=1e-5 * float(found.tensor_gpa.max()))
    compare(
        f"{title}; iterations: cemvis {sum(found.iterations)}, muSpectre {count}",
        {
            "cemvis, 1 thread": lambda: ours(modulus, 1),
            "cemvis, 2 threads": lambda: ours(modulus, 2),
            "muSpectre": solve,
        },
    )


def test_homogenise_laminate(compare) -> None:
    """Layers along x: stiffness along x and y, and in shear, in closed form (plane strain)."""
    modulus = np.where(np.arange(64)[:, None] < 20, 120.0, 20.0) * np.ones((1, 64))
    shear = modulus[:, 0] / (2 * (1 + POISSON))
    first = 2 * shear * POISSON / (1 - 2 * POISSON)
    wave = first + 2 * shear
    across = 1 / (1 / wave).mean()
    coupled = (first / wave).mean() * across
    along = (wave - first**2 / wave).mean() + (first / wave).mean() ** 2 * across
    exact = np.array([[along, coupled, 0], [coupled, across, 0], [0, 0, 1 / (1 / shear).mean()]])
    solve = rival_of(modulus)
    tensor, found = solve()[0], ours(modulus, 1).tensor_gpa
    errors = [abs(each - exact).max() / exact.max() for each in (found, tensor)]
    assert max(errors) < 1e-6
    compare(
        f"homogenise a laminate of 64 x 64; largest error: cemvis {errors[0]:.1e}, muSpectre {errors[1]:.1e}",
        {"cemvis, 1 thread": lambda: ours(modulus, 1), "muSpectre": solve},
    )
