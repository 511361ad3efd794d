"""Identification of single maps by plain statistics: the class whose mean is nearest, with and without own region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.validation.group_intervals import share_interval
from cemvis.errors import InputError

_ROUNDING = 1e-7  # of the range: sums of squares are no more exact
DEALS = 199
"""How often classes are dealt out anew for a p-value."""


@dataclass(frozen=True, eq=False)
class Identification:
    """Which class each map looks like, and how often that is right.

    Attributes
    ----------
    feature : str
    left_out : str
        "nothing": the class means are of all maps, the judged one included, as in the paper; "region" or "specimen":
        of all maps but those of the judged one's region or specimen.
    predicted : (n,) intp
    confusion : (classes, classes) int64
        Rows are the true classes.
    accuracy : float
    interval : (float, float)
        Of the accuracy, 95 %, as `share_interval` returns.
    chance : float
        What naming the largest class every time gets right.
    p_value : float
        How often the same is reached with the classes dealt out anew among whole groups. Unlike the interval, which
        takes the class means as they are, it knows that a few groups make means that differ by chance.
    """

    feature: str
    left_out: str
    predicted: NDArray[np.intp]
    confusion: NDArray[np.int64]
    accuracy: float
    interval: tuple[float, float]
    chance: float
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Return it for a record, without the maps."""
        return {
            "feature": self.feature,
            "left_out": self.left_out,
            "accuracy": self.accuracy,
            "accuracy_low": self.interval[0],
            "accuracy_high": self.interval[1],
            "chance": self.chance,
            "p_value": self.p_value,
            "confusion": self.confusion.tolist(),
        }


def nearest_mean(
    features: NDArray[np.float64], labels: NDArray[np.intp], *, left_out: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Return the class whose mean is nearest to each map.

    Several features are divided by their pooled standard deviation within classes first, so that none counts by its
    unit. Of classes at the same distance it is the first.

    Parameters
    ----------
    features : (n, features) float64
    labels : (n,) intp
        Classes from 0 on.
    left_out : (n,) intp, optional
        Groups; a map is judged by means (and scales) of which its own group is no part.

    Returns
    -------
    (n,) intp

    Raises
    ------
    InputError
        If a class has no maps besides a group of its own, so that nothing is left to judge by.
    """
    classes, many = int(labels.max()) + 1, labels.size
    middle = features - features.mean(axis=0)
    if left_out is None:
        groups, judged = 1, np.zeros(many, np.intp)
    else:
        numbers, judged = np.unique(left_out, return_inverse=True)
        groups = numbers.size
    # What each class holds without a group is what it holds in all less its part in the group.
    cell = judged * classes + labels
    held = np.stack(
        [
            np.bincount(cell, weights=column, minlength=groups * classes).reshape(groups, classes)
            for column in (None, *middle.T, *(middle**2).T)
        ],
        axis=-1,
    )
    held = held.sum(axis=0, keepdims=True) - (held if left_out is not None else 0)
    counts, sums, squares = np.split(held, [1, 1 + features.shape[1]], axis=-1)
    if not counts.all():
        number = int(np.argwhere(counts[..., 0] == 0)[0, 1])
        msg = f"class {number} has maps of one group only; without it nothing is left to judge it by"
        raise InputError(msg)
    means = sums / counts
    within = (squares - sums * means).sum(axis=1) / np.maximum(1, counts.sum(axis=1) - classes)
    scale = np.where(within > (_ROUNDING * np.ptp(features, axis=0)) ** 2, np.sqrt(np.maximum(within, 0)), 1.0)
    apart = (middle[:, None, :] - means[judged]) / scale[judged][:, None, :]
    nearest: NDArray[np.intp] = np.argmin((apart**2).sum(axis=2), axis=1)
    return nearest


def identify(
    features: NDArray[np.float64],
    labels: NDArray[np.intp],
    *,
    feature: str,
    groups: NDArray[np.intp],
    left_out: tuple[str, NDArray[np.intp]] | None = None,
    dealt: NDArray[np.intp] | None = None,
    resamplings: int = 2000,
    deals: int = DEALS,
    seed: int = 0,
) -> Identification:
    """Identify each map by its nearest class mean, and say how often that is right.

    Parameters
    ----------
    features : (n, features) float64
    labels : (n,) intp
    feature : str
        What the features are called.
    groups : (n,) intp
        Maps of one group are not independent; whole groups are drawn for the interval.
    left_out : (str, (n,) intp), optional
        Name and numbers of the groups that are left out while their maps are judged.
    dealt : (n,) intp, optional
        Groups of one class that classes are dealt out among for the p-value, `groups` without. What is left out has to
        lie within them, and each class to have two or more.
    resamplings, deals, seed : int
    """
    classes = int(labels.max()) + 1
    without = None if left_out is None else left_out[1]
    predicted = nearest_mean(features, labels, left_out=without)
    right = predicted == labels
    _, first, which = np.unique(groups if dealt is None else dealt, return_index=True, return_inverse=True)
    rng = np.random.default_rng([seed, 1])
    as_good = 1
    for _ in range(deals):
        others = rng.permutation(labels[first])[which]
        as_good += int((nearest_mean(features, others, left_out=without) == others).mean() >= right.mean())
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return Identification(
        feature=feature,
        left_out="nothing" if left_out is None else left_out[0],
        predicted=predicted,
        confusion=confusion,
        accuracy=float(right.mean()),
        interval=share_interval(right, labels, groups, resamplings=resamplings, seed=seed),
        chance=float(np.bincount(labels).max() / labels.size),
        p_value=as_good / (deals + 1),
    )
