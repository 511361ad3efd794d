from __future__ import annotations

import numpy as np
import pytest

from cemvis.models.metrics import interval_scores, scores
from cemvis.models.prediction import Prediction


def test_the_three_scores_are_the_papers() -> None:
    rng = np.random.default_rng(6)
    y = rng.normal(30, 10, 200)
    p = y + rng.normal(0, 4, 200)
    found = scores(y, p)
    assert found.n == 200
    assert found.mse == pytest.approx(sum((a - b) ** 2 for a, b in zip(y, p, strict=True)) / 200)
    assert found.mae == pytest.approx(sum(abs(a - b) for a, b in zip(y, p, strict=True)) / 200)
    residual, total = ((y - p) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    assert found.r2 == pytest.approx(1 - residual / total)


def test_coverage_is_averaged_over_batches() -> None:
    truth = np.array([1.0, 1.0, 1.0, 5.0, 1.0])
    ends = np.array([2.0, 2.0, 2.0, 2.0, np.nan])
    found = interval_scores(Prediction(truth, -ends, ends, np.zeros(5, np.uint8)), truth, np.array([0, 0, 0, 1, 1]))
    assert found is not None
    assert (found.n, found.coverage, found.lowest_coverage, found.mean_width) == (4, 0.5, 0.0, 4.0)


def test_without_intervals_there_is_no_coverage() -> None:
    nothing = np.full(3, np.nan)
    found = Prediction(np.ones(3), nothing, nothing, np.zeros(3, np.uint8))
    assert interval_scores(found, np.ones(3), np.arange(3)) is None
