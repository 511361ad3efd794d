"""What a classification found, for tables, the summary and the figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.models.calibration_curve import Reliability, negative_log_likelihood, probabilities, reliability
from cemvis.models.map_classifier_scores import ClassifierScores, accuracy_difference, classifier_scores
from cemvis.workflows._classify_run import Fold
from cemvis.workflows._npm_maps import MapSet

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeaturesResult:
    """How well classes were told on maps of one kind, over all folds.

    Attributes
    ----------
    features : {"mulf", "micf"}
    folds : tuple of Fold
    tested : (n,) int
        Maps that were tested, fold after fold.
    fold_of : (n,) int
        From 0.
    probability : (n, classes) float64
        With each fold's temperature.
    scores : ClassifierScores
    before, after : Reliability
        Without and with temperature scaling.
    likelihood_before, likelihood_after : float
        Mean of -ln(probability of the true class), without and with it.
    """

    features: str
    folds: tuple[Fold, ...]
    tested: NDArray[np.intp]
    fold_of: NDArray[np.intp]
    probability: Floats
    scores: ClassifierScores
    before: Reliability
    after: Reliability
    likelihood_before: float
    likelihood_after: float

    def to_json(self) -> dict[str, Any]:
        """Return all results, JSON-ready."""
        return {
            "scores": self.scores.to_json(),
            "reliability_without_scaling": self.before.to_json(),
            "reliability": self.after.to_json(),
            "negative_log_likelihood": {"without_scaling": self.likelihood_before, "scaled": self.likelihood_after},
            "folds": [
                {
                    "temperature": fold.model.temperature,
                    "accuracy": fold.model.test.accuracy,
                    "train_maps": len(fold.split.train),
                    "validation_maps": len(fold.split.validation),
                    "test_maps": len(fold.split.test),
                    "epochs": None if fold.history is None else len(fold.history.epochs),
                    "best_epoch": None if fold.history is None else fold.history.best.epoch,
                }
                for fold in self.folds
            ],
        }


def features_result(maps: MapSet, features: str, folds: tuple[Fold, ...], *, seed: int) -> FeaturesResult:
    """Put the folds' answers together and judge them."""
    tested = np.concatenate([fold.split.test for fold in folds])
    fold_of = np.repeat(np.arange(len(folds)), [len(fold.split.test) for fold in folds])
    labels = maps.labels()[tested]
    scaled = np.concatenate([fold.test_scores / fold.model.temperature for fold in folds])
    plain = np.concatenate([fold.test_scores for fold in folds])
    probability = probabilities(scaled)
    scores = classifier_scores(
        labels,
        plain.argmax(axis=1),
        maps.specimens()[tested],
        maps.regions()[tested],
        classes=maps.classes,
        by=folds[0].split.tested_by,
        seed=seed,
    )
    return FeaturesResult(
        features,
        folds,
        tested,
        fold_of,
        probability,
        scores,
        reliability(probabilities(plain), labels),
        reliability(probability, labels),
        negative_log_likelihood(plain, labels),
        negative_log_likelihood(scaled, labels),
    )


@dataclass(frozen=True)
class Comparison:
    """By how much one kind of maps is better than another, on the same maps.

    Attributes
    ----------
    better, other : str
        Kinds of maps; the difference is the first's accuracy minus the second's.
    difference : float
    low, high : float or None
        95 % interval, by resampling what was split by.
    """

    better: str
    other: str
    difference: float
    low: float | None
    high: float | None


def compared(maps: MapSet, one: FeaturesResult, other: FeaturesResult, *, seed: int) -> Comparison:
    """Compare two kinds of maps that were tested on the same maps."""
    labels = maps.labels()[one.tested]
    groups = maps.specimens() if one.scores.interval.by == "specimen" else maps.regions()
    right = [each.probability.argmax(axis=1) == labels for each in (one, other)]
    found = accuracy_difference(labels, right[0], right[1], groups[one.tested], seed=seed)
    return Comparison(one.features, other.features, *found)
