"""How well a model predicts: the paper's three scores, and how often its intervals hold."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.models.prediction import Prediction

Floats = NDArray[np.float64]

_LEAST_IN_BIN = 20


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
        On the test set, of the bounds before calibration: quantiles of the training pairs, or for a network those of
        normal errors as large as it expects.
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
        Of the predicted values, in the property's unit; `high` is left out, except that of the last bin.
    n, batches : int
        Pairs with an interval, and batches that they are of.
    coverage : float
        Share of them whose measured value their interval holds.
    coverage_low, coverage_high : float
        Coverages in the long run that other batches of this kind could show: see `coverage_range`.
    mean_width : float
        Mean length of their intervals, in the property's unit.
    mae : float
        Mean of ``|measured - predicted|``, in the property's unit.
    """

    low: float
    high: float
    n: int
    batches: int
    coverage: float
    coverage_low: float
    coverage_high: float
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
        its training batches that were left out. Neither its weights nor its epoch was chosen by them.
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


def coverage_by_value(
    prediction: Prediction, truth: Floats, *, batches: NDArray[np.int64] | None = None, bins: int = 8
) -> tuple[BinScores, ...]:
    """Return how often intervals hold, from the softest predicted value to the stiffest.

    The bins hold about equally many pairs, and pairs of one predicted value are in one bin; those without an interval
    are left out.

    Parameters
    ----------
    prediction : Prediction
        Of n pairs.
    truth : (n,) float64
        Measured values.
    batches : (n,) int64, optional
        The batch of each pair, for the range of the coverage; without it, each pair counts as a batch of its own.
    bins : int
        At most so many; each has at least 20 pairs, a single one fewer if there are no more.
    """
    bounded = np.flatnonzero(np.isfinite(prediction.half_width))
    if len(bounded) == 0:
        return ()
    order = bounded[np.argsort(prediction.value[bounded], kind="stable")]
    cuts = _cuts(prediction.value[order], bins)
    edges = [float(prediction.value[order[cut]]) for cut in (0, *cuts, -1)]
    inside = (prediction.lower <= truth) & (truth <= prediction.upper)
    batches = np.arange(len(truth)) if batches is None else batches
    found = []
    for part, low, high in zip(np.split(order, cuts), edges[:-1], edges[1:], strict=True):
        coverage_low, coverage_high = coverage_range(inside[part], batches[part])
        found.append(
            BinScores(
                low=low,
                high=high,
                n=len(part),
                batches=len(np.unique(batches[part])),
                coverage=float(inside[part].mean()),
                coverage_low=coverage_low,
                coverage_high=coverage_high,
                mean_width=float(2.0 * prediction.half_width[part].mean()),
                mae=float(np.abs(truth[part] - prediction.value[part]).mean()),
            )
        )
    return tuple(found)


def coverage_range(
    inside: NDArray[np.bool_], batches: NDArray[np.int64], *, level: float = 0.95
) -> tuple[float, float]:
    """Return the range of coverages in the long run that fits what was seen, pairs of one batch being alike.

    It is Wilson's range for a share, with as many pairs as would scatter like the batches do if they were independent:
    between the number of batches and that of pairs. As that scatter is itself estimated from the batches, the quantile
    is Student's, with a degree of freedom less than there are batches. One batch says nothing of others: 0 to 1.

    Parameters
    ----------
    inside : (n,) bool
        Which measured values lie in their interval, n >= 1.
    batches : (n,) int64
    level : float
        Of the range itself.

    References
    ----------
    Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212, doi:10.1080/01621459.1927.10502953
    """
    from scipy.special import stdtrit

    n, share = len(inside), float(inside.mean())
    _, index = np.unique(batches, return_inverse=True)
    off = np.bincount(index, weights=inside - share)
    count = len(off)
    if count == 1:
        return 0.0, 1.0
    alike = float(count)
    variance = count / (count - 1) * float(off @ off) / n**2
    if variance > 0:
        alike = min(max(share * (1 - share) / variance, count), n)
    t2 = float(stdtrit(count - 1, (1 + level) / 2)) ** 2
    centre = (share + t2 / (2 * alike)) / (1 + t2 / alike)
    reach = math.sqrt(t2 * (share * (1 - share) / alike + t2 / (4 * alike**2))) / (1 + t2 / alike)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _cuts(rising: Floats, bins: int) -> list[int]:
    """Return where to cut sorted values into bins of `_LEAST_IN_BIN` or more, never between equal ones."""
    cuts: list[int] = []
    for part in np.array_split(np.arange(len(rising)), max(1, min(bins, len(rising) // _LEAST_IN_BIN)))[1:]:
        cut = int(np.searchsorted(rising, rising[part[0]]))
        if cut - (cuts[-1] if cuts else 0) >= _LEAST_IN_BIN and len(rising) - cut >= _LEAST_IN_BIN:
            cuts.append(cut)
    return cuts


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
