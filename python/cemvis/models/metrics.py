"""How well a model predicts: the paper's three scores, and how often its intervals hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.models.prediction import Prediction

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Agreement of predicted with measured values.

    Attributes
    ----------
    n : int
        Pairs compared.
    r2 : float
        ``1 - sum((y - p)^2) / sum((y - mean(y))^2)``.
    mae : float
        Mean of ``|y - p|``, in the property's unit.
    mse : float
        Mean of ``(y - p)^2``, in that unit squared.
    """

    n: int
    r2: float
    mae: float
    mse: float


@dataclass(frozen=True)
class IntervalScores:
    """How often intervals hold the measured value, over the pairs that have an interval.

    Attributes
    ----------
    n : int
        Pairs with an interval.
    coverage : float
        Share of a batch's pairs inside their interval, averaged over the batches.
    lowest_coverage : float
        The same share in the batch that fares worst.
    mean_width : float
        Mean length of the intervals (the whole length, not half of it), in the property's unit.
    """

    n: int
    coverage: float
    lowest_coverage: float
    mean_width: float


@dataclass(frozen=True)
class SplitReport:
    """What one split of the pairs into training and test sets shows.

    Attributes
    ----------
    train, test : Scores
    validation : Scores or None
        Of the pairs that the epoch of a network was chosen by.
    quantiles : IntervalScores or None
        On the test set, of the bounds from the training quantiles, before calibration.
    intervals : IntervalScores or None
        On the test set, of the calibrated intervals; None where the split has none.
    """

    train: Scores
    test: Scores
    quantiles: IntervalScores | None
    intervals: IntervalScores | None
    validation: Scores | None = None


@dataclass(frozen=True)
class BinScores:
    """How often intervals hold among the pairs whose predicted value lies in one bin.

    Attributes
    ----------
    low, high : float
        Of the predicted values, in the property's unit; `high` is left out.
    n : int
        Pairs with an interval.
    coverage : float
        Share of them whose measured value their interval holds.
    mean_width : float
        Mean length of their intervals, in the property's unit.
    mae : float
        Mean of ``|measured - predicted|``, in the property's unit.
    """

    low: float
    high: float
    n: int
    coverage: float
    mean_width: float
    mae: float


@dataclass(frozen=True)
class PropertyReport:
    """How a property is predicted, by two ways of setting pairs aside.

    Attributes
    ----------
    random : SplitReport
        Tested on pairs drawn one by one: neighbours of each test pair are trained on, which flatters. For a table or
        a line it is a fit of its own to 80 % of the pairs; for a network the model in the file, tested on pairs of
        its training batches that were left out.
    by_batch : SplitReport
        The model in the file, tested on whole batches that it never saw.
    """

    random: SplitReport
    by_batch: SplitReport

    def to_json(self) -> dict[str, object]:
        """Return the report as nested dicts of plain numbers, without validation scores where there are none."""
        splits = {name: asdict(each) for name, each in (("random", self.random), ("by_batch", self.by_batch))}
        for each in splits.values():
            if each["validation"] is None:
                del each["validation"]
        return dict(splits)


def scores(truth: Floats, predicted: Floats) -> Scores:
    """Return R2, MAE and MSE of `predicted` against the measured `truth`, both ``(n,) float64``, n >= 2.

    References
    ----------
    Liang et al. (2023), eqs. 6-8, doi:10.1016/j.matdes.2023.111905
    """
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    return Scores(
        n=len(truth),
        r2=float(r2_score(truth, predicted)),
        mae=float(mean_absolute_error(truth, predicted)),
        mse=float(mean_squared_error(truth, predicted)),
    )


def coverage_by_value(prediction: Prediction, truth: Floats, *, bins: int = 8) -> tuple[BinScores, ...]:
    """Return how often intervals hold, from the softest predicted value to the stiffest.

    The bins hold equally many pairs; those without an interval are left out.

    Parameters
    ----------
    prediction : Prediction
        Of n pairs.
    truth : (n,) float64
        Measured values.
    bins : int
        At most so many; each has at least 20 pairs.
    """
    bounded = np.flatnonzero(np.isfinite(prediction.half_width))
    order = bounded[np.argsort(prediction.value[bounded], kind="stable")]
    parts = np.array_split(order, max(1, min(bins, len(order) // 20))) if len(order) else []
    edges = [float(prediction.value[part[0]]) for part in parts] + [float(prediction.value[order[-1]])] * bool(parts)
    inside = (prediction.lower <= truth) & (truth <= prediction.upper)
    return tuple(
        BinScores(
            low=low,
            high=high,
            n=len(part),
            coverage=float(inside[part].mean()),
            mean_width=float(2.0 * prediction.half_width[part].mean()),
            mae=float(np.abs(truth[part] - prediction.value[part]).mean()),
        )
        for part, low, high in zip(parts, edges[:-1], edges[1:], strict=True)
    )


def interval_scores(prediction: Prediction, truth: Floats, batches: NDArray[np.int64]) -> IntervalScores | None:
    """Return how often the intervals of `prediction` hold `truth`; None if no pair has an interval.

    Parameters
    ----------
    prediction : Prediction
        Of n pairs; those with NaN ends are left out.
    truth : (n,) float64
        Measured values.
    batches : (n,) int64
    """
    bounded = np.isfinite(prediction.half_width)
    if not bounded.any():
        return None
    inside = (prediction.lower <= truth) & (truth <= prediction.upper)
    _, index, sizes = np.unique(batches[bounded], return_inverse=True, return_counts=True)
    per_batch = np.bincount(index, weights=inside[bounded]) / sizes
    return IntervalScores(
        n=int(bounded.sum()),
        coverage=float(per_batch.mean()),
        lowest_coverage=float(per_batch.min()),
        mean_width=float(2.0 * prediction.half_width[bounded].mean()),
    )
