"""How well a classifier did on maps that it never saw: accuracy with an interval, confusion, scores of each class."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.validation.group_intervals import share_interval
from cemvis.errors import InputError

Labels = NDArray[np.intp]
RESAMPLINGS = 2000


@dataclass(frozen=True)
class AccuracyInterval:
    """A 95 % interval of an accuracy, from resampling whole specimens or regions.

    Maps of one region are alike, so resampling maps one by one would make the interval too narrow. So does resampling
    few groups: its deviations are widened as Student's t of so many groups less classes is, and by the square root of
    groups over that. Where all groups of a class did equally well (all right, say), resampling them shows no doubt at
    all; the share of that class is then drawn as if each group were one trial (Jeffreys' prior). The interval always
    holds the accuracy.

    Attributes
    ----------
    low, high : float or None
        None where a class was tested on one region alone: nothing says how much another would differ.
    by : {"specimen", "region", "none"}
        What was resampled.
    groups : int
        How many of them were tested.
    """

    low: float | None
    high: float | None
    by: str
    groups: int


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class; each NaN-free: a share of nothing is 0.

    Attributes
    ----------
    name : str
    maps : int
        Tested.
    precision, recall, f1 : float
        F1 is the harmonic mean of precision and recall.
    """

    name: str
    maps: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassifierScores:
    """What a classifier got right.

    Attributes
    ----------
    classes : tuple of str
    maps : int
    accuracy : float
        Share of the maps whose class was told.
    interval : AccuracyInterval
    balanced_accuracy : float
        Mean recall of the classes.
    chance : float
        Accuracy of naming the largest tested class always: what guessing cannot pass.
    confusion : tuple of tuple of int
        Rows are true classes, columns the answers.
    per_class : tuple of ClassScores
    """

    classes: tuple[str, ...]
    maps: int
    accuracy: float
    interval: AccuracyInterval
    balanced_accuracy: float
    chance: float
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassScores, ...]

    @property
    def row_shares(self) -> NDArray[np.float64]:
        """The confusion matrix with each row divided by its sum, (classes, classes); a class without maps has zeros."""
        counts = np.array(self.confusion, dtype=np.float64)
        found: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return all scores, JSON-ready."""
        return {**asdict(self), "row_shares": self.row_shares.tolist()}


def classifier_scores(
    labels: Labels,
    answers: Labels,
    specimens: Labels,
    regions: Labels,
    *,
    classes: tuple[str, ...],
    by: str = "region",
    seed: int = 0,
) -> ClassifierScores:
    """Compare answers with true classes.

    Parameters
    ----------
    labels, answers : (n,) int
        Index into `classes`, of each tested map.
    specimens, regions : (n,) int
        Of each map.
    classes : tuple of str
    by : {"specimen", "region"}
        What was split by. The interval resamples that, within each class; regions instead where a class was tested on
        one specimen only.
    seed : int
        Of the resampling.
    """
    if not len(labels) == len(answers) == len(specimens) == len(regions) or len(labels) == 0:
        msg = f"{len(labels)} labels, {len(answers)} answers; wanted as many, and some, with specimen and region each"
        raise InputError(msg)
    count = len(classes)
    confusion = np.bincount(labels * count + answers, minlength=count * count).reshape(count, count)
    right, per_true, per_answer = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    per_class = tuple(
        ClassScores(
            name,
            int(per_true[index]),
            _share(right[index], per_answer[index]),
            _share(right[index], per_true[index]),
            # 2 P R / (P + R) with both shares written out.
            _share(2 * right[index], per_true[index] + per_answer[index]),
        )
        for index, name in enumerate(classes)
    )
    tested = per_true > 0
    return ClassifierScores(
        classes=classes,
        maps=len(labels),
        accuracy=float(right.sum() / len(labels)),
        interval=_interval(labels, answers == labels, specimens, regions, by, seed),
        balanced_accuracy=float(np.mean(right[tested] / per_true[tested])),
        chance=float(per_true.max() / len(labels)),
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        per_class=per_class,
    )


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def _interval(
    labels: Labels, right: NDArray[np.bool_], specimens: Labels, regions: Labels, by: str, seed: int
) -> AccuracyInterval:
    """Resample whole groups within each class."""
    for name, groups in (("specimen", specimens), ("region", regions)):
        if (name == "specimen" and by != "specimen") or _fewest(labels, groups) < 2:
            continue
        low, high = share_interval(right, labels, groups, resamplings=RESAMPLINGS, seed=seed)
        return AccuracyInterval(low, high, name, len(np.unique(groups)))
    return AccuracyInterval(None, None, "none", len(np.unique(regions)))


def _fewest(labels: Labels, groups: Labels) -> int:
    return min(len(np.unique(groups[labels == label])) for label in np.unique(labels))


def accuracy_difference(
    labels: Labels, right: NDArray[np.bool_], other_right: NDArray[np.bool_], groups: Labels, *, seed: int = 0
) -> tuple[float, float | None, float | None]:
    """Return by how much one accuracy is above another on the same maps, and its 95 % interval.

    Whole groups are resampled within each class, the same for both, as `AccuracyInterval` says; None where a class has
    one group alone.

    Parameters
    ----------
    labels : (n,) int
        Class of each map.
    right, other_right : (n,) bool
        Whether each of the two told it.
    groups : (n,) int
        Specimen or region of each map.
    seed : int
    """
    value = float(right.mean() - other_right.mean())
    if _fewest(labels, groups) < 2:
        return value, None, None
    low, high = share_interval(
        right & ~other_right, labels, groups, lost=other_right & ~right, resamplings=RESAMPLINGS, seed=seed
    )
    return value, low, high
