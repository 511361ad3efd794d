from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.indentation.deconvolution.populations import Deconvolution
from cemvis.analysis.validation.mixtures import differences, side_by_side
from cemvis.errors import InputError


def found_in(seed: int, *, soft: float = 20.0, share: float = 0.3, populations: int = 2) -> Deconvolution:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(2400) < share, rng.normal(60, 5, 2400), rng.normal(soft, 2, 2400))
    data = grouped_values(values, np.repeat(np.arange(12).astype(str), 200))
    settings = Settings(populations=populations, starts=5, resamplings=40, settling_draws=0, most=3)
    return deconvolve(data, settings=settings)[0]


@pytest.fixture(scope="module")
def measured() -> Deconvolution:
    return found_in(5)


def test_what_differs_is_named_and_what_does_not_is_not(measured) -> None:
    same = differences(measured, found_in(6), source="map", name="modulus")
    assert [each.differs for each in same] == [(), ()]
    other = differences(measured, found_in(3, soft=22.0, share=0.4), source="map", name="modulus")
    assert set(other[0].differs) == {"fraction", "mean"}
    assert other[0].mean.low < 2.0 < other[0].mean.high
    assert other[0].fraction.low < -0.1 < other[0].fraction.high
    assert other[1].differs == ("fraction",)
    assert other[0].to_json()["source"] == "map"


def test_resamplings_of_one_seed_do_not_move_together(measured) -> None:
    again = differences(measured, found_in(5), source="map", name="modulus")
    for own, each in zip(measured.populations, again, strict=True):
        one, both = own.fraction.high - own.fraction.low, each.fraction.high - each.fraction.low
        assert 1.1 * one < both < 1.9 * one  # about sqrt(2) times; nothing at all if both draw the same batches


def test_mixtures_stand_side_by_side(measured) -> None:
    table = side_by_side({"measured": measured, "map": measured}, name="modulus")
    assert table["source"].tolist() == ["measured", "measured", "map", "map"]
    np.testing.assert_allclose(table["fraction"], [0.7, 0.3] * 2, atol=0.04)
    np.testing.assert_allclose(table["mean_gpa"], [20, 60] * 2, atol=0.6)
    assert (table["mean_low_gpa"] < table["mean_gpa"]).all()


def test_other_numbers_of_populations_are_refused(measured) -> None:
    with pytest.raises(InputError, match="map has 3 populations and the measured values 2"):
        differences(measured, found_in(2, populations=3), source="map", name="modulus")
