"""Values with the batches or blocks that they come from: what distances between distributions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import FEWEST_BATCHES
from cemvis.analysis.indentation.deconvolution.grouped import (
    BINS_PER_SPREAD,
    Grouped,
    checked_values,
    halfway,
)
from cemvis.analysis.indentation.deconvolution.grouped import MOST_DISTINCT as DISCRETE_BELOW
from cemvis.errors import InputError

Floats = NDArray[np.float64]

MOST_DISTINCT = 16_384  # more distinct values than this are rounded to as many steps of their range
FEWEST_TO_HALVE = 4
MOST_LEVELS = 2048  # more distinct values than this are no levels of a table


@dataclass(frozen=True)
class Sample:
    """Distinct values and how often each unit has them.

    Attributes
    ----------
    values : (m,) float64
        Distinct, rising.
    counts : (units, m) float64
    units : tuple of str
        Names of what values come from together: batches of indents, or blocks of a map.
    kind : str
        What the units are, in the plural: "batches" or "blocks of the map".
    """

    values: Floats
    counts: Floats
    units: tuple[str, ...]
    kind: str

    @property
    def total(self) -> Floats:
        """Counts of all units together, (m,) float64."""
        return np.asarray(self.counts.sum(axis=0))

    @property
    def size(self) -> int:
        """Number of values."""
        return round(float(self.counts.sum()))

    @property
    def by_unit(self) -> bool:
        """Whether there are enough units to resample them whole."""
        return len(self.units) >= FEWEST_BATCHES

    @property
    def drawn(self) -> tuple[str, int]:
        """What is drawn at a resampling, in the plural, and how many of them there are."""
        return (self.kind, len(self.units)) if self.by_unit else ("single values", self.size)

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return float(self.total @ self.values / self.total.sum())

    @property
    def sd(self) -> float:
        """Standard deviation of the values, the population's."""
        return float(moments(self.values, self.total[None])[1][0])

    def quantiles(self, low: float, high: float) -> tuple[float, float]:
        """Return the values that shares of `low` and `high` of all values do not exceed."""
        share = np.cumsum(self.total) / self.total.sum()
        first, last = (min(int(np.searchsorted(share, each)), len(share) - 1) for each in (low, high))
        return float(self.values[first]), float(self.values[last])

    def grouped(self) -> Grouped:
        """Return the values as counts in intervals, for a mixture.

        Intervals are as wide as those of indents: 1/32 of the robust spread; where fewer than a fifth of the values are
        distinct, and no more than 2,048, each gets the interval that reaches halfway to its neighbours.
        """
        if len(self.values) <= min(MOST_LEVELS, DISCRETE_BELOW * self.size):
            return Grouped(*halfway(self.values), self.counts, self.units, discrete=True)
        step = Grouped(self.values, self.values, self.counts, self.units).spread() / BINS_PER_SPREAD
        used, place = np.unique(np.floor(self.values / step), return_inverse=True)
        first = np.flatnonzero(np.diff(place, prepend=-1))  # values rise, so those of an interval stand together
        return Grouped(used * step, (used + 1) * step, np.add.reduceat(self.counts, first, axis=1), self.units)

    def resampled(self, draws: int, rng: np.random.Generator) -> Floats:
        """Return counts of resamplings, (draws, m) float64.

        As many whole units as there are, drawn with replacement; single values where there are fewer than eight units.
        """
        if self.by_unit:
            count = len(self.units)
            return np.asarray(rng.multinomial(count, np.full(count, 1 / count), draws) @ self.counts)
        share = self.total / self.total.sum()
        return np.asarray(rng.multinomial(self.size, share, draws), np.float64)

    def halved(self, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return counts of two halves that share nothing, (draws, m) float64 each.

        Halves are of whole units, drawn at random without replacement, and of single values where there are fewer than
        four units. An odd unit is left out.
        """
        if len(self.units) >= FEWEST_TO_HALVE:
            half = len(self.units) // 2
            order = np.argsort(rng.random((draws, len(self.units))), axis=1)
            chosen = np.zeros((2, draws, len(self.units)))
            for side in (0, 1):
                np.put_along_axis(chosen[side], order[:, side * half : (side + 1) * half], 1.0, axis=1)
            return np.asarray(chosen[0] @ self.counts), np.asarray(chosen[1] @ self.counts)
        whole = np.rint(self.total).astype(np.int64)
        first = rng.multivariate_hypergeometric(whole, int(whole.sum()) // 2, draws, method="marginals")
        return first.astype(np.float64), (whole - first).astype(np.float64)


def sample_of(values: Floats, units: Sequence[str] | NDArray[np.str_], *, kind: str) -> Sample:
    """Count distinct values by unit.

    More than 16,384 distinct values are rounded to steps of 1/16,384 of their range, which moves a distance by at most
    half a step.

    Parameters
    ----------
    values : (n,) float64
    units : sequence of str
        The unit of each value.
    kind : str
        What the units are, in the plural.

    Raises
    ------
    InputError
        If values are not finite, all the same, or fewer than two.
    """
    values = checked_values(values)
    if len(units) != len(values):
        msg = f"{len(units)} units for {len(values)} values; wanted one each"
        raise InputError(msg)
    distinct, place = np.unique(values, return_inverse=True)
    if len(distinct) > MOST_DISTINCT:
        distinct, place = np.unique(rounded(values, values.min(), values.max()), return_inverse=True)
    named, of = np.unique(np.asarray(units, np.str_), return_inverse=True)
    counts = np.bincount(of * len(distinct) + place, minlength=len(named) * len(distinct)).astype(np.float64)
    return Sample(distinct, counts.reshape(len(named), -1), tuple(str(each) for each in named), kind)


def rounded(values: Floats, low: float, high: float) -> Floats:
    """Return values rounded to steps of 1/16,384 of the range from `low` to `high`."""
    step = (high - low) / MOST_DISTINCT
    return np.asarray(low + np.rint((values - low) / step) * step, np.float64)


def moments(values: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of (m,) values for each row of (draws, m) counts."""
    middle = float(values.mean())  # so that squares of values far from 0 lose no digits
    at, size = values - middle, counts.sum(axis=1)
    mean = counts @ at / size
    variance = counts @ at**2 / size - mean**2
    return mean + middle, np.sqrt(np.maximum(variance, 0.0))
