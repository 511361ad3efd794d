"""Numbers with errors: intervals in, the same intervals out of the draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cemvis.analysis.homogenisation.known import Known, normal_quantile
from cemvis.errors import InputError


def test_draws_have_the_interval_that_was_given() -> None:
    number = Known.of_interval(0.5, 0.44, 0.53, level=0.9)
    drawn = number.draw(200_000, np.random.default_rng(0), least=0.0, most=1.0)
    # an end's own error: sqrt(p (1 - p) / n) / density, at most 1.8e-4 here; five of them
    np.testing.assert_allclose(np.quantile(drawn, (0.05, 0.5, 0.95)), (0.44, 0.5, 0.53), atol=9e-4)
    assert number.interval(0.9) == pytest.approx((0.44, 0.53), rel=1e-12)


def test_cut_draws_stay_inside_and_keep_their_shape() -> None:
    number = Known(0.02, 0.02)
    drawn = number.draw(100_000, np.random.default_rng(1), least=0.0, most=1.0)
    assert drawn.min() >= 0
    assert number.interval(0.95, least=0.0)[0] == 0
    # a normal distribution cut one sd below its mean: mean + sd density(1) / P(z > -1)
    expected = 0.02 + 0.02 * math.exp(-0.5) / math.sqrt(2 * math.pi) / 0.8413447
    assert drawn.mean() == pytest.approx(expected, abs=5 * 0.02 / 100_000**0.5)


def test_a_value_at_an_end_of_its_interval_is_drawn_to_one_side() -> None:
    number = Known.of_interval(3.0, 3.0, 5.0, level=0.95)
    drawn = number.draw(1000, np.random.default_rng(2), least=0.0, most=math.inf)
    assert drawn.min() == 3.0
    assert drawn.max() > 4.0
    outside = Known.of_interval(2.0, 3.0, 5.0, level=0.95)
    assert outside.interval(0.95) == pytest.approx((2.0, 5.0))


def test_exact_numbers_do_not_change_other_draws() -> None:
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    assert (Known(1.0).draw(5, one, least=0, most=2) == 1).all()
    Known(1.0, 0.1).draw(5, other, least=0, most=2)
    assert one.random() == other.random()


def test_what_is_no_number_is_refused() -> None:
    assert normal_quantile(0.95) == pytest.approx(1.959964, abs=1e-6)
    for low, high in ((2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)):
        with pytest.raises(InputError, match="rising order"):
            Known.of_interval(1.0, low, high, level=0.95)
    with pytest.raises(InputError, match="standard error"):
        Known(1.0, 0.1, -0.1)
    with pytest.raises(InputError, match="level"):
        Known.of_interval(1.0, 0.5, 2.0, level=95)
