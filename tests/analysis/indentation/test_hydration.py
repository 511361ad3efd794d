from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.indentation.deconvolution.bootstrap import tails
from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.indentation.hydration import degree_of_hydration, hydration, low_density_share
from cemvis.errors import InputError
from populations import FRACTIONS, drawn, two_far_apart

QUICK = {"starts": 8, "resamplings": 60, "settling_draws": 0, "most": 2}


def test_exact_values() -> None:
    alpha = degree_of_hydration(0.90, 0.10)
    assert alpha == pytest.approx(0.9 / 2.2 / (0.9 / 2.2 + 0.1), rel=1e-15)
    assert round(float(alpha), 4) == 0.8036
    assert round(float(low_density_share(alpha, water_cement=0.4)), 4) == 0.4253
    assert degree_of_hydration(0.45, 0.05) == pytest.approx(alpha)  # pores and all else cancel
    assert degree_of_hydration(0.3, 0.0) == 1.0
    assert degree_of_hydration(0.0, 0.2) == 0.0


@pytest.mark.parametrize(("hydrates", "clinker"), [(-0.1, 0.2), (0.0, 0.0), (np.nan, 0.1), (0.5, np.inf)])
def test_impossible_fractions_are_refused(hydrates: float, clinker: float) -> None:
    with pytest.raises(InputError):
        degree_of_hydration(hydrates, clinker)


@pytest.mark.parametrize("ratio", [0.0, -0.4, 40.0, np.nan])
def test_impossible_water_is_refused(ratio: float) -> None:
    with pytest.raises(InputError, match="water_cement"):
        low_density_share(0.8, water_cement=ratio)


def test_intervals_are_those_of_the_resamplings() -> None:
    data = grouped_values(drawn(5000, seed=1), [f"{n % 25:02d}" for n in range(5000)])
    found, mixture = deconvolve(data, settings=Settings(populations=4, **QUICK))
    result = hydration(found, water_cement=0.4)
    clinker = mixture.weights_[3]
    alpha = (1 - clinker) / 2.2 / ((1 - clinker) / 2.2 + clinker)
    assert result.degree.value == pytest.approx(alpha)
    truth = degree_of_hydration(FRACTIONS[:3].sum(), FRACTIONS[3])
    assert result.degree.low < truth < result.degree.high
    # alpha falls as clinker rises, so that the ends are those of the clinker's fraction
    fraction = found.populations[3].fraction
    for end, of in ((result.degree.low, fraction.high), (result.degree.high, fraction.low)):
        assert end == pytest.approx(float(degree_of_hydration(1 - of, of)), abs=2e-3)
    slope = 3.017 * 0.4 - 1.347
    assert result.low_density_by_mass.low == pytest.approx(slope * result.degree.high + 0.538, abs=1e-4)
    share = found.draws.fractions[:, 0] / found.draws.fractions[:, :2].sum(axis=1)
    ends = np.quantile(share, tails(25, 0.95))
    assert (result.low_density_by_volume.low, result.low_density_by_volume.high) == pytest.approx(tuple(ends))
    assert result.low_density_by_volume.value == pytest.approx(mixture.weights_[0] / mixture.weights_[:2].sum())
    assert hydration(found).low_density_by_mass is None


def test_other_populations_say_nothing_about_hydration() -> None:
    found, _ = deconvolve(grouped_values(two_far_apart(300, seed=2)[0]), settings=Settings(populations=2, **QUICK))
    with pytest.raises(InputError, match="LD-CSH"):
        hydration(found)
