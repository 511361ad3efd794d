"""Values as counts in intervals, batch by batch: what a binned likelihood and a bootstrap over batches need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import positive
from cemvis.errors import InputError

Floats = NDArray[np.float64]

BINS_PER_SPREAD = 32  # of continuous values: intervals this narrow lose about 0.1 % of the information on an sd of 1/4
MOST_DISTINCT = 0.2  # a share of distinct values below this means that the values are discrete, as a table model's are
FEWEST_FOR_DISCRETE = 200


@dataclass(frozen=True)
class Grouped:
    """Counts of values by interval and batch.

    Attributes
    ----------
    lower, upper : (m,) float64
        Ends of the intervals; equal where an interval is one exact value, which then has a density.
    counts : (batches, m) float64
    batches : tuple of str
    discrete : bool
        Whether the intervals surround values that occur again and again.
    unit, single : str
        What the batches and the values are, in the plural: "batches" of "indents", or "blocks of the map" and "cells".
    """

    lower: Floats
    upper: Floats
    counts: Floats
    batches: tuple[str, ...]
    discrete: bool = False
    unit: str = "batches"
    single: str = "indents"

    @property
    def total(self) -> Floats:
        """Counts of all batches together, (m,) float64."""
        return np.asarray(self.counts.sum(axis=0))

    @property
    def size(self) -> float:
        """Number of values."""
        return float(self.counts.sum())

    @property
    def centre(self) -> Floats:
        """Middles of the intervals, (m,) float64."""
        return (self.lower + self.upper) / 2

    def spread(self) -> float:
        """Return the robust spread of the values: their interquartile range over 1.349, or else their sd."""
        return _spread(self.centre, self.total)

    def scatter_of_batches(self) -> float | None:
        """Return how many times as far the means of batches scatter as those of independent values would.

        The root of the F ratio of one-way analysis of variance; None for fewer than two batches, or values all alone.
        """
        own = self.counts.sum(axis=1)
        batches, size = len(own), own.sum()
        if batches < 2 or size <= batches:
            return None
        means = self.counts @ self.centre / own
        mean = own @ means / size
        between = own @ (means - mean) ** 2 / (batches - 1)
        within = float((self.counts * (self.centre - means[:, None]) ** 2).sum()) / (size - batches)
        return float(np.sqrt(between / within)) if within > 0 else None


def exact_values(values: Floats, *, weights: Floats | None = None) -> Grouped:
    """Return each distinct value as an interval of no width, so that densities are used; one batch."""
    values = checked_values(values)
    distinct, place = np.unique(values, return_inverse=True)
    counts = np.bincount(place, weights=weights, minlength=len(distinct)).astype(np.float64)
    return Grouped(distinct, distinct, counts[None], ("all",))


def grouped_values(
    values: Floats, batch: Sequence[str] | NDArray[np.str_] | None = None, *, width: float | None = None
) -> Grouped:
    """Count values by interval and batch.

    Parameters
    ----------
    values : (n,) float64
    batch : sequence of str, optional
        Batch of each value; one batch if not given.
    width : float, optional
        Of the intervals. By default 1/32 of the robust spread; where fewer than a fifth of the values are distinct,
        each distinct value gets the interval that reaches halfway to its neighbours.

    Raises
    ------
    InputError
        If values are not finite, all the same, or fewer than two.
    """
    values = checked_values(values)
    names = np.array(["all"] * len(values) if batch is None else [str(each) for each in batch])
    if len(names) != len(values):
        msg = f"{len(names)} batches for {len(values)} values; wanted one each"
        raise InputError(msg)
    distinct, place = np.unique(values, return_inverse=True)
    discrete = width is None and len(values) >= FEWEST_FOR_DISCRETE and len(distinct) < MOST_DISTINCT * len(values)
    if discrete:
        lower, upper = halfway(distinct)
    else:
        step = positive(
            _spread(distinct, np.bincount(place).astype(np.float64)) / BINS_PER_SPREAD if width is None else width,
            name="width",
        )
        cell = np.floor(values / step)
        used, place = np.unique(cell, return_inverse=True)
        lower, upper = used * step, (used + 1) * step
    called, of = np.unique(names, return_inverse=True)
    counts = np.zeros((len(called), len(lower)))
    np.add.at(counts, (of, place), 1.0)
    return Grouped(lower, upper, counts, tuple(str(each) for each in called), discrete)


def halfway(distinct: Floats) -> tuple[Floats, Floats]:
    """Return the intervals of sorted distinct values that reach halfway to their neighbours; the outermost likewise."""
    middle = (distinct[1:] + distinct[:-1]) / 2
    first, last = 2 * distinct[0] - middle[0], 2 * distinct[-1] - middle[-1]
    return np.concatenate([[first], middle]), np.concatenate([middle, [last]])


def checked_values(values: Floats) -> Floats:
    """Return values as (n,) float64, refusing too few, missing and constant ones.

    Raises
    ------
    InputError
    """
    values = np.asarray(values, np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        msg = f"values have shape {values.shape}; wanted (n,) or (n, 1)"
        raise InputError(msg)
    if len(values) < 2:
        msg = (
            f"a mixture needs at least two values, and many more to be worth anything; there is {len(values) or 'none'}"
        )
        raise InputError(msg)
    missing = int(np.count_nonzero(~np.isfinite(values)))
    if missing:
        msg = f"{missing} of {len(values)} values are NaN or infinite; leave them out first"
        raise InputError(msg)
    if np.ptp(values) <= 1e-9 * np.abs(values).max():
        msg = f"all {len(values)} values are {values[0]:g}; a mixture needs values that vary"
        raise InputError(msg)
    return values


def _spread(at: Floats, counts: Floats) -> float:
    share = np.cumsum(counts) / counts.sum()
    low, high = (at[min(int(np.searchsorted(share, each)), len(at) - 1)] for each in (0.25, 0.75))
    if high > low:
        return float(high - low) / 1.349
    mean = np.average(at, weights=counts)
    return float(np.sqrt(np.average((at - mean) ** 2, weights=counts)))
