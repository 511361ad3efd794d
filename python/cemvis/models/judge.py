"""How well a model does on pairs that it never saw: scores and intervals, by area, by batch, by predicted value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.models.metrics import BinScores, IntervalScores, Scores, coverage_by_value, interval_scores, scores
from cemvis.models.prediction import Prediction

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AreaScores:
    """How a property was predicted in one area, or in all of them.

    Attributes
    ----------
    area : str
    batches : int
    scores : Scores
    intervals : IntervalScores or None
        None if no pair has an interval.
    """

    area: str
    batches: int
    scores: Scores
    intervals: IntervalScores | None


@dataclass(frozen=True)
class BatchScores:
    """How a property was predicted in one batch.

    Attributes
    ----------
    area : str
    batch : int
        As the area counts its batches: from 0, in the order of their names.
    n : int
        Pairs.
    bias, mae : float
        Mean of predicted minus measured values, and of its magnitude, in the property's unit.
    bounded : int
        Pairs with an interval.
    coverage : float or None
        Share of those whose interval holds the measured value; None without any.
    """

    area: str
    batch: int
    n: int
    bias: float
    mae: float
    bounded: int
    coverage: float | None


@dataclass(frozen=True)
class PropertyJudgement:
    """How a model predicts one property.

    Attributes
    ----------
    name, unit : str
    level : float
        Share of the measured values that the intervals were to hold.
    measured : (n,) float64
    predicted : Prediction
        Of the same pairs.
    overall : AreaScores
    areas : tuple of AreaScores
    by_value : tuple of BinScores
        From the softest predicted value to the stiffest.
    batches : tuple of BatchScores
        In the order of the areas.
    """

    name: str
    unit: str
    level: float
    measured: Floats
    predicted: Prediction
    overall: AreaScores
    areas: tuple[AreaScores, ...]
    by_value: tuple[BinScores, ...]
    batches: tuple[BatchScores, ...]

    @property
    def worst_batch(self) -> BatchScores | None:
        """The batch of the least coverage; None without intervals."""
        covered = [each for each in self.batches if each.coverage is not None]
        return min(covered, key=lambda each: each.coverage or 0.0) if covered else None


@dataclass(frozen=True)
class JudgedPairs:
    """Which pairs are of which area and batch.

    Attributes
    ----------
    areas : tuple of str
    area, batch : (n,) int64
        Index into `areas`, and the batch as that area counts it.
    """

    areas: tuple[str, ...]
    area: NDArray[np.int64]
    batch: NDArray[np.int64]

    @classmethod
    def of(cls, areas: Sequence[str], batches: Sequence[NDArray[np.int64]]) -> JudgedPairs:
        """Return the pairs of areas one after the other, from the batches of each one's pairs.

        Raises
        ------
        InputError
            If an area has fewer than two pairs.
        """
        for name, each in zip(areas, batches, strict=True):
            if len(each) < 2:
                msg = f"{name}: usable pairs are {len(each)}; wanted at least 2 to judge a model on"
                raise InputError(msg)
        area = np.repeat(np.arange(len(areas)), [len(each) for each in batches])
        return cls(tuple(areas), area, np.concatenate(batches))

    @property
    def counted_through(self) -> NDArray[np.int64]:
        """The batch of each pair, batches of two areas never being the same."""
        offsets = np.cumsum([0, *(int(self.batch[self.area == one].max()) + 1 for one in range(len(self.areas)))])
        through: NDArray[np.int64] = self.batch + offsets[self.area]
        return through


def judge_property(
    predicted: Prediction, measured: Floats, pairs: JudgedPairs, *, name: str, unit: str, level: float
) -> PropertyJudgement:
    """Compare predictions with measured values, both of n pairs, n >= 2.

    Parameters
    ----------
    predicted : Prediction
    measured : (n,) float64
    pairs : JudgedPairs
    name, unit : str
        Of the property.
    level : float
        Share of the measured values that the intervals were to hold.
    """
    through = pairs.counted_through

    def of(area: str, chosen: NDArray[np.intp]) -> AreaScores:
        some, truth, batches = predicted.only(chosen), measured[chosen], through[chosen]
        return AreaScores(
            area, len(np.unique(batches)), scores(truth, some.value), interval_scores(some, truth, batches)
        )

    return PropertyJudgement(
        name=name,
        unit=unit,
        level=level,
        measured=measured,
        predicted=predicted,
        overall=of("all", np.arange(len(measured))),
        areas=tuple(of(area, np.flatnonzero(pairs.area == one)) for one, area in enumerate(pairs.areas)),
        by_value=coverage_by_value(predicted, measured, batches=through),
        batches=tuple(
            _batch_scores(predicted, measured, pairs, np.flatnonzero(through == one)) for one in np.unique(through)
        ),
    )


def _batch_scores(predicted: Prediction, measured: Floats, pairs: JudgedPairs, chosen: NDArray[np.intp]) -> BatchScores:
    some, truth = predicted.only(chosen), measured[chosen]
    error = some.value - truth
    bounded = np.isfinite(some.half_width)
    inside = (some.lower <= truth) & (truth <= some.upper)
    return BatchScores(
        area=pairs.areas[pairs.area[chosen[0]]],
        batch=int(pairs.batch[chosen[0]]),
        n=len(chosen),
        bias=float(error.mean()),
        mae=float(np.abs(error).mean()),
        bounded=int(np.count_nonzero(bounded)),
        coverage=float(inside[bounded].mean()) if bounded.any() else None,
    )
