from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.models.judge import JudgedPairs, PropertyJudgement, judge_property
from cemvis.models.prediction import Prediction

PAIRS = JudgedPairs.of(["a", "b"], [np.repeat([0, 1, 2], 30), np.repeat([0, 1], 25)])


def judged(*, half: float = 6.0) -> tuple[PropertyJudgement, Prediction, np.ndarray]:
    rng = np.random.default_rng(4)
    measured = rng.uniform(20, 90, 140)
    value = measured + rng.normal(0, 4, 140) + 3 * (PAIRS.area == 1)
    ends = np.where(np.arange(140) % 14 == 0, np.nan, half)
    predicted = Prediction(value, value - ends, value + ends, np.zeros(140, np.uint8))
    return judge_property(predicted, measured, PAIRS, name="modulus", unit="GPa", level=0.9), predicted, measured


def test_batches_of_two_areas_are_never_the_same() -> None:
    assert list(np.unique(PAIRS.counted_through)) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(PAIRS.counted_through[90:], np.repeat([3, 4], 25))
    assert [(one.area, one.batch, one.n) for one in judged()[0].batches] == [
        *(("a", number, 30) for number in range(3)),
        *(("b", number, 25) for number in range(2)),
    ]


def test_scores_are_those_of_the_pairs_pair_by_pair() -> None:
    found, predicted, measured = judged()
    error = predicted.value - measured
    held = np.abs(error) <= predicted.half_width
    assert found.overall.scores.n == 140
    assert found.overall.batches == 5
    assert found.overall.scores.mae == pytest.approx(np.abs(error).mean())
    for area, chosen in zip(found.areas, (slice(0, 90), slice(90, 140)), strict=True):
        assert area.scores.mse == pytest.approx((error[chosen] ** 2).mean())
    first = 0
    shares = []
    for batch in found.batches:
        here = np.arange(first, first + batch.n)
        first += batch.n
        bounded = here[np.isfinite(predicted.half_width[here])]
        assert batch.bounded == len(bounded)
        assert batch.bias == pytest.approx(error[here].mean())
        assert batch.mae == pytest.approx(np.abs(error[here]).mean())
        assert batch.coverage == pytest.approx(held[bounded].mean())
        shares.append(batch.coverage)
    assert found.overall.intervals.coverage == pytest.approx(np.mean(shares))
    assert found.overall.intervals.lowest_coverage == min(shares) == found.worst_batch.coverage
    assert sum(one.n for one in found.by_value) == np.isfinite(predicted.half_width).sum()
    assert all(one.batches <= 5 for one in found.by_value)


def test_without_intervals_nothing_is_held() -> None:
    found, _, _ = judged(half=np.nan)
    assert found.overall.intervals is None
    assert found.by_value == ()
    assert found.worst_batch is None
    assert {one.coverage for one in found.batches} == {None}


@pytest.mark.parametrize("count", [0, 1])
def test_an_area_of_one_pair_is_refused(count) -> None:
    with pytest.raises(InputError, match=f"b: usable pairs are {count}; wanted at least 2"):
        JudgedPairs.of(["a", "b"], [np.zeros(5, np.int64), np.zeros(count, np.int64)])
