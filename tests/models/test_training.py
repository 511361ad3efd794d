from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.models.metrics import interval_scores, scores
from cemvis.models.networks import NETWORKS
from cemvis.models.splits import random_split
from cemvis.models.training import train_property


def pairs(n_batches: int, per_batch: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(12)
    batches = np.repeat(np.arange(n_batches), per_batch)
    grey = rng.normal(120, 15, len(batches))
    return grey, 0.4 * grey + rng.normal(0, 2, n_batches)[batches] + rng.normal(0, 3, len(batches)), batches


@pytest.mark.parametrize("network", NETWORKS)
def test_the_reported_scores_are_those_of_the_returned_model(network) -> None:
    grey, truth, batches = pairs(30)
    trained = train_property(grey, truth, batches, name="modulus", network=network, level=0.9, seed=3)
    report, test, train = trained.model.metrics.by_batch, trained.split.test, trained.split.train
    predicted = trained.model.predict(grey[test])
    assert report.test == scores(truth[test], predicted.value)
    assert report.train == scores(truth[train], trained.model.predict(grey[train]).value)
    assert report.intervals == interval_scores(predicted, truth[test], batches[test])
    used = np.r_[train, trained.split.calibration]
    assert set(batches[test]).isdisjoint(batches[used])
    assert trained.model.interval.calibration_batches == len(set(batches[trained.split.calibration])) == 9


@pytest.mark.parametrize("network", NETWORKS)
def test_the_random_split_is_of_a_fit_to_four_fifths(network) -> None:
    grey, truth, batches = pairs(30)
    trained = train_property(grey, truth, batches, name="modulus", network=network, level=0.9, seed=3)
    drawn = random_split(len(truth), seed=3)
    other = NETWORKS[network].fit(grey[drawn.train], truth[drawn.train], level=0.9)
    report = trained.model.metrics.random
    assert report.test == scores(truth[drawn.test], other.predict(grey[drawn.test]).value)
    assert report.quantiles == interval_scores(other.predict(grey[drawn.test]), truth[drawn.test], batches[drawn.test])
    assert report.intervals is None


def test_too_few_batches_leave_scores_but_no_interval() -> None:
    grey, truth, batches = pairs(8)
    model = train_property(grey, truth, batches, name="modulus", network="table", level=0.9, seed=3).model
    assert model.interval.stretch is None
    assert model.interval.note.startswith("no interval is promised: 90% needs at least 9 calibration batches")
    assert model.metrics.by_batch.intervals is None
    assert model.metrics.by_batch.quantiles is not None
    assert np.isnan(model.predict(grey).half_width).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, t, b: (g[:49], t[:49], b[:49]), "49 usable pairs; wanted at least 50"),
        (lambda g, t, b: (g * 0 + 7, t, b), r"every window has the same mean grey level \(7\)"),
        (lambda g, t, b: (g, t, b * 0), "all pairs are of one batch"),
        (lambda g, t, b: (g, t, np.minimum(np.arange(len(b)), 1)), "a split left"),
    ],
)
def test_pairs_that_nothing_can_be_learnt_from(change, message) -> None:
    grey, truth, batches = change(*pairs(10))
    with pytest.raises(InputError, match=message):
        train_property(grey, truth, batches, name="modulus", network="table", level=0.9, seed=0)
