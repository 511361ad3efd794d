"""Prediction intervals that hold for a new batch: quantiles of the training pairs, calibrated batch by batch.

A model first bounds each window by quantiles of its training pairs. Those are too narrow for a new batch: they
were fitted to the pairs they describe, and indents of one batch share their surroundings, polish and session, so
that a neighbour of a training pair says little about a batch that the model never saw. Calibration therefore takes
whole batches that were not trained on. Each of their pairs gets a score: its distance from the predicted value, as a
multiple of the distance of the bound on its side. The distances of all bounds are then multiplied by one quantile of
these scores, so that intervals stay narrow where the training pairs were, and lopsided where they were [3]_, [4]_.

The quantile treats batches, not indents, as exchangeable. Each of the K calibration batches weighs 1 / (K + 1),
shared evenly by its pairs, and the missing 1 / (K + 1) stands for the new batch, whose scores could be anything.
The interval then holds a pair of a new batch with at least the wanted probability, on average over the draws of
calibration batches and whatever the distributions within and between batches [1]_. A finite quantile needs
K / (K + 1) >= level: 9 batches for 90 %, 19 for 95 %. It is the average of what conformal prediction gives when one
indent is drawn from each batch [2]_, without the draw's luck. The price is width: with the fewest batches allowed the
quantile is the largest score of all, and coverage is well above the level; it comes down towards it as batches are
added.

A new batch is one more of those that calibration drew from: of the same specimens, imaged and indented in the same
sessions. Batches are drawn across areas, so areas, mosaics and fits of the grey scale are shared by training,
calibration and test. Nothing is promised for another material, another mosaic or another fit of the grey scale; what
intervals hold there has to be measured on indents made there.

References
----------
.. [1] Lee, Barber, Willett, Distribution-free inference with hierarchical data (2023), doi:10.48550/arXiv.2306.06342
.. [2] Dunn, Wasserman, Ramdas, Distribution-free prediction sets for two-layer hierarchical models, J. Am. Stat.
       Assoc. 118 (2023), doi:10.1080/01621459.2022.2060112
.. [3] Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, Distribution-free predictive inference for regression, J. Am. Stat.
       Assoc. 113 (2018), section 5.2, doi:10.1080/01621459.2017.1307116
.. [4] Romano, Patterson, Candes, Conformalized quantile regression (2019), doi:10.48550/arXiv.1905.03222
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction
from cemvis.errors import InputError
from cemvis.models.prediction import Flag, Prediction

Floats = NDArray[np.float64]
Batches = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """How the prediction intervals of a property were made, and what they promise.

    Attributes
    ----------
    level : float
        Share of the measurements that the intervals are to hold, in a new batch of the specimens and sessions that
        the model was trained on; nothing is promised for another material or mosaic.
    stretch : float or None
        Factor between the distances of an interval's ends from the value and those of the bounds before calibration
        (quantiles of the training pairs, or of the errors that a network expects); None where nothing can be promised.
    calibration_batches : int
        Batches behind `stretch`.
    note : str
        Why there is no promise; empty where there is one.
    """

    level: float
    stretch: float | None
    calibration_batches: int
    note: str

    def calibrated(self, quantiles: Prediction) -> Prediction:
        """Return `quantiles` with calibrated ends, or with NaN for ends if nothing can be promised.

        No interval reaches below zero unless its value does: a modulus or hardness is never negative.
        """
        stretch = math.nan if self.stretch is None else self.stretch
        below, above = _distances(quantiles)
        lower = np.maximum(quantiles.value - stretch * below, np.minimum(quantiles.value, 0.0))
        return replace(quantiles, lower=lower, upper=quantiles.value + stretch * above)


def least_batches(level: float) -> int:
    """Return how many calibration batches an interval at `level` needs: the least K with ``K / (K + 1) >= level``.

    Examples
    --------
    >>> least_batches(0.9), least_batches(0.95)
    (9, 19)
    """
    share = Fraction(str(fraction(level, name="level")))
    return math.ceil(share / (1 - share))


def batch_quantile(scores: Floats, batches: Batches, *, level: float) -> float:
    """Return the score that a pair of a new batch stays under with probability `level` or more.

    Parameters
    ----------
    scores : (n,) float64
    batches : (n,) int64
        The batch of each score; batches are exchangeable, the scores of one batch need not be independent.
    level : float
        Between 0 and 1.

    Returns
    -------
    float
        Infinity if there are fewer batches than `least_batches`.
    """
    if scores.shape != batches.shape:
        msg = f"got {scores.shape} scores of {batches.shape} batches; wanted one batch for each score"
        raise InputError(msg)
    _, index, sizes = np.unique(batches, return_inverse=True, return_counts=True)
    if len(sizes) < least_batches(level):
        return math.inf
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(1.0 / sizes[index[order]])
    # The sum of many 1/n falls short of a whole number by rounding only; the slack is far below any single weight.
    first = int(np.searchsorted(reached, level * (len(sizes) + 1) - 1e-9))
    return float(scores[order[first]])


def calibrate(quantiles: Prediction, truth: Floats, batches: Batches, *, level: float) -> Interval:
    """Return the interval that calibration batches support.

    Pairs outside the training range have no bounds and take no part, so that the promise is for windows inside it.

    Parameters
    ----------
    quantiles : Prediction
        Of the calibration pairs, with bounds from the training quantiles.
    truth : (n,) float64
        Measured values.
    batches : (n,) int64
        None of them trained on.
    level : float
    """
    below, above = _distances(quantiles)
    scores = np.maximum((quantiles.value - truth) / below, (truth - quantiles.value) / above)
    bounded = np.isfinite(scores)
    count = len(np.unique(batches[bounded]))
    stretch = batch_quantile(scores[bounded], batches[bounded], level=level)
    if math.isfinite(stretch):
        return Interval(level, stretch, count, "")
    note = (
        f"no interval is promised: {level:.0%} needs at least {least_batches(level)} calibration batches, "
        f"{count} could be set aside"
    )
    return Interval(level, None, count, note)


def normal_quantiles(value: Floats, sd: Floats, flags: NDArray[np.uint8], *, level: float) -> Prediction:
    """Return predictions bounded by the quantiles of normal errors; NaN bounds where `flags` rule an interval out.

    Parameters
    ----------
    value, sd : (n,) float64
        What a network predicts, and the standard deviation that it expects of its error.
    flags : (n,) uint8
        Sums of `Flag`.
    level : float
        Share of the errors between the bounds.
    """
    without = np.uint8(Flag.CLIPPED_LOW | Flag.CLIPPED_HIGH | Flag.BORDER)
    reach = np.where(flags & without, np.nan, NormalDist().inv_cdf((1 + level) / 2) * sd)
    return Prediction(value, value - reach, value + reach, flags)


def spread(residuals: Floats, *, level: float) -> tuple[float, float]:
    """Return how far the central share `level` of `residuals` reaches below and above zero, both >= 0."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(residuals, [tail, 1.0 - tail])
    return max(0.0, -float(low)), max(0.0, float(high))


def spread_per_level(of: Floats, residuals: Floats, levels: Floats, *, level: float) -> tuple[Floats, Floats]:
    """Return `spread` at each grey level, from that level's pairs and, where they are few, its neighbours'.

    A level needs ``4 / (1 - level)`` pairs (40 for 90 %), so that two lie in each tail; with fewer, the levels within
    1, 2, 3, ... of it are pooled until there are enough. Residuals are pooled, not values, so that the slope of the
    table does not widen the interval.

    Parameters
    ----------
    of : (n,) float64
        Whole grey level of each pair.
    residuals : (n,) float64
        Measured minus table value.
    levels : (m,) float64
        Levels to return the spread at, strictly rising.
    level : float
        Share of the pairs that the spread is to hold.

    Returns
    -------
    below, above : (m,) float64
    """
    order = np.argsort(of, kind="stable")
    of, residuals = of[order], residuals[order]
    wanted = min(math.ceil(round(4.0 / (1.0 - level), 9)), len(of))
    found = []
    for grey in levels:
        distance = np.partition(np.abs(of - grey), wanted - 1)[wanted - 1]
        first, last = np.searchsorted(of, grey - distance), np.searchsorted(of, grey + distance, side="right")
        found.append(spread(residuals[first:last], level=level))
    below, above = np.array(found, dtype=np.float64).T
    return below, above


def _distances(quantiles: Prediction) -> tuple[Floats, Floats]:
    """Return how far the bounds lie below and above the value."""
    # A distance of zero (identical training values) must still be able to stretch.
    least = 1e-6 * (1.0 + np.abs(quantiles.value))
    return np.maximum(quantiles.value - quantiles.lower, least), np.maximum(quantiles.upper - quantiles.value, least)
