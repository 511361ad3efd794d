"""What indents say of a virtual specimen as a whole, beside what its true phases say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cemvis.analysis.homogenisation.field import SOLUTION, WITH_PORES, estimate_field
from cemvis.analysis.homogenisation.known import Known
from cemvis.analysis.homogenisation.paste import Phase, PhaseDraws, estimate_paste
from cemvis.analysis.indentation.deconvolution.bootstrap import resampled
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.analysis.specimen.indentation import indent
from cemvis.analysis.specimen.recipes import CALIBRATED, RECIPES
from cemvis.kernels.specimen import Window, phase_plane

RECIPE = RECIPES[CALIBRATED]
PASTE = replace(RECIPE.paste, seed=5)
SIDE_UM, PIXEL_UM, NU = 200.0, 1.0, 0.24


@pytest.fixture(scope="module")
def phases() -> np.ndarray:
    side = round(SIDE_UM / PIXEL_UM)
    return np.asarray(phase_plane(PASTE, Window(0, 0, side, side), pixel_size_um=PIXEL_UM, threads=1))


def moduli() -> np.ndarray:
    return np.array([0.0, *RECIPE.mechanics.modulus_gpa[1:]])


def test_populations_are_worth_what_the_true_phases_are(phases: np.ndarray) -> None:
    share = np.bincount(phases.ravel(), minlength=8) / phases.size
    pores = Known(float(share[0]))
    true = [Phase(f"phase {n}", Known(share[n] / share[1:].sum()), Known(moduli()[n]), Known(NU)) for n in range(1, 8)]
    at = np.stack(np.meshgrid(*[np.arange(24) * 8.0 + 5] * 2), axis=-1).reshape(-1, 2)
    found = indent(PASTE, RECIPE.mechanics, at, rng=np.random.default_rng(1), threads=1)
    usable = ~found.failed
    batches = (at // 64).astype(int) @ (3, 1)
    data = grouped_values(found.modulus_gpa[usable], batches[usable].astype(str))
    mixture = PopulationMixture(4, n_starts=5).fit_grouped(data)
    resamplings = resampled(mixture, data, resamplings=20)
    populations = [
        Phase(f"population {n}", Known(float(weight)), Known(float(mean)), Known(NU))
        for n, (weight, mean) in enumerate(zip(mixture.weights_, mixture.means_, strict=True))
    ]
    draws = PhaseDraws(resamplings.fractions, resamplings.means)
    truth = estimate_paste(true, porosity=pores)
    estimate = estimate_paste(populations, porosity=pores, draws=draws, samples=500)
    for one, other in zip(truth[2:4], estimate[2:4], strict=True):
        # Contacts feel several phases at once, which takes stiffness from what is stiffest: a bias of a few percent.
        assert other.modulus_gpa == pytest.approx(one.modulus_gpa, rel=0.08), one.method
        assert other.interval_gpa is not None
        assert other.interval_gpa[0] < other.modulus_gpa < other.interval_gpa[1]


def test_the_true_field_lies_where_bounds_and_holes_say(phases: np.ndarray) -> None:
    cells = moduli()[phases[:80, :80]]
    share = float((cells == 0).mean())
    porous = estimate_field(cells, NU, threads=1)
    filled = estimate_field(np.where(cells == 0, cells[cells > 0].mean(), cells), NU, porosity=Known(share), threads=1)
    assert porous.inside
    assert filled.inside
    # Pores of any other shape than round ones take more of the stiffness away.
    assert porous.methods[SOLUTION].modulus_gpa < filled.all_methods[WITH_PORES].modulus_gpa
    assert porous.methods[SOLUTION].modulus_gpa > 0.8 * filled.all_methods[WITH_PORES].modulus_gpa
