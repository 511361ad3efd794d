from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support

from cemvis.errors import InputError
from cemvis.models.map_classifier_scores import accuracy_difference, classifier_scores

NAMES = ("a", "b", "c")


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, answers = rng.integers(3, size=200), rng.integers(3, size=200)
    groups = labels * 10 + rng.integers(4, size=200)
    found = classifier_scores(labels, answers, groups, groups, classes=NAMES)
    assert np.array_equal(found.confusion, confusion_matrix(labels, answers))
    assert found.row_shares.sum(axis=1) == pytest.approx(np.ones(3))
    assert found.accuracy == np.mean(labels == answers)
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, answers))
    assert found.chance == np.bincount(labels).max() / 200
    want = precision_recall_fscore_support(labels, answers)
    have = [[getattr(each, name) for each in found.per_class] for name in ("precision", "recall", "f1", "maps")]
    assert np.array(have) == pytest.approx(np.array(want))
    assert found.to_json()["confusion"] == found.confusion


def test_f1_is_the_harmonic_mean() -> None:
    found = classifier_scores(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), *2 * [np.arange(4)], classes=("a", "b"))
    precision, recall = 1.0, 1 / 3
    assert found.per_class[0].f1 == pytest.approx(2 / (1 / precision + 1 / recall))


def test_a_class_that_is_never_answered_scores_zero() -> None:
    found = classifier_scores(np.array([0, 0, 1]), np.array([0, 0, 0]), *2 * [np.arange(3)], classes=("a", "b"))
    assert (found.per_class[1].precision, found.per_class[1].recall, found.per_class[1].f1) == (0, 0, 0)


def clustered(each: int, groups: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, answers and regions where all maps of a region are right together or wrong together."""
    region = np.repeat(np.arange(2 * groups), each)
    labels = region // groups
    right = np.random.default_rng(seed).random(2 * groups) < 0.7
    return labels, np.where(right[region], labels, 1 - labels), region


def test_more_maps_of_the_same_regions_make_no_narrower_interval() -> None:
    few, many = (classifier_scores(a, b, c, c, classes=("a", "b")) for a, b, c in (clustered(2), clustered(50)))
    assert few.accuracy == many.accuracy
    assert few.interval == many.interval
    assert few.interval.by == "region"
    assert few.interval.groups == 20
    width = few.interval.high - few.interval.low
    binomial = 2 * 1.96 * np.sqrt(few.accuracy * (1 - few.accuracy) / 20)
    assert width == pytest.approx(binomial, rel=0.25)


def test_the_interval_covers() -> None:
    covered = []
    for seed in range(100):
        found = classifier_scores(*clustered(3, 20, seed)[:2], *2 * [clustered(3, 20, seed)[2]], classes=("a", "b"))
        covered.append(found.interval.low <= 0.7 <= found.interval.high)
    assert np.mean(covered) > 0.85


def test_the_interval_of_few_specimens_covers_too() -> None:
    """Without Student's t, 86 of 100 intervals of two specimens a class held the truth."""
    specimen = np.repeat(np.arange(4), 30)
    labels, covered = specimen // 2, []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        right = rng.random(120) < rng.beta(18.0, 2.0, size=4)[specimen]
        answers = np.where(right, labels, 1 - labels)
        found = classifier_scores(labels, answers, specimen, specimen, classes=("a", "b"), by="specimen").interval
        assert 0 <= found.low <= right.mean() <= found.high <= 1
        covered.append(found.low <= 0.9 <= found.high)
    assert np.mean(covered) > 0.9


def test_the_difference_of_two_that_agree_is_not_certain() -> None:
    labels, _, region = clustered(20, 3)
    right = np.ones(len(labels), np.bool_)
    value, low, high = accuracy_difference(labels, right, right, region)
    assert value == 0
    assert low < -0.05
    assert high > 0.05
    value, low, high = accuracy_difference(labels, right, ~right, region)
    assert (value, high) == (1, 1)
    assert low < 0.95
    assert accuracy_difference(labels, right, ~right, labels) == (1, None, None)


def test_the_difference_covers() -> None:
    region = np.repeat(np.arange(12), 20)
    labels, covered = region // 6, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        chance = rng.beta(8.0, 2.0, size=12), rng.beta(6.0, 4.0, size=12)
        one, other = (rng.random(240) < each[region] for each in chance)
        value, low, high = accuracy_difference(labels, one, other, region)
        assert low <= value <= high
        covered.append(low <= 0.2 <= high)
    assert np.mean(covered) > 0.85


def test_specimens_are_resampled_where_there_are_two_of_each_class() -> None:
    labels, answers, region = clustered(2, 12)
    by_specimen = classifier_scores(labels, answers, region // 4, region, classes=("a", "b"), by="specimen")
    assert (by_specimen.interval.by, by_specimen.interval.groups) == ("specimen", 6)
    alone = classifier_scores(labels, answers, labels, region, classes=("a", "b"), by="specimen")
    assert (alone.interval.by, alone.interval.groups) == ("region", 24)
    one = classifier_scores(labels, answers, labels, labels, classes=("a", "b"), by="specimen")
    assert (one.interval.by, one.interval.low, one.interval.high) == ("none", None, None)


def test_all_right_is_not_certain() -> None:
    labels, _, region = clustered(20, 3)
    found = classifier_scores(labels, labels, region, region, classes=("a", "b"))
    assert found.accuracy == 1.0
    # The mean of two shares, each Jeffreys' posterior of three right of three.
    shares = np.random.default_rng(1).beta(3.5, 0.5, size=(100_000, 2)).mean(axis=1)
    assert found.interval.low == pytest.approx(np.quantile(shares, 0.025), abs=0.02)
    assert found.interval.high == 1.0
    none = classifier_scores(labels, 1 - labels, region, region, classes=("a", "b"))
    assert none.interval.low == 0.0
    assert none.interval.high == pytest.approx(1 - np.quantile(shares, 0.025), abs=0.02)


def test_one_answer_for_all_is_not_certain_either() -> None:
    labels, _, region = clustered(20, 3)
    found = classifier_scores(labels, np.zeros_like(labels), region, region, classes=("a", "b"))
    assert found.accuracy == 0.5
    assert found.interval.low < 0.4
    assert found.interval.high > 0.6


def test_answers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="2 labels, 1 answers"):
        classifier_scores(np.zeros(2, np.intp), np.zeros(1, np.intp), *2 * [np.zeros(2, np.intp)], classes=("a", "b"))
