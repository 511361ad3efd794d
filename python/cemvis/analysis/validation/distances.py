"""How far one distribution is from another, beside how far the measured one is from itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import tails
from cemvis.analysis.indentation.deconvolution.populations import Estimate
from cemvis.analysis.validation.sample import Sample, moments
from cemvis.errors import InputError

Floats = NDArray[np.float64]

RESAMPLINGS = 400
HALVINGS = 200
LEVEL = 0.95
_AT_ONCE = 4_000_000  # values held for some of the resamplings


@dataclass(frozen=True)
class Halves:
    """How far two halves of the measured values are from each other, in their unit.

    Attributes
    ----------
    median, high : float
        Of the Wasserstein distances of random halvings: the median and the 95 % quantile.
    halved : str
        "batches" or "single values".
    values_each : int
        In a half.
    """

    median: float
    high: float
    halved: str
    values_each: int


@dataclass(frozen=True)
class Comparison:
    """A distribution against the measured one, in the property's unit.

    Attributes
    ----------
    distance : Estimate
        First Wasserstein distance.
    difference : Estimate
        Of the means: this one's minus the measured one's.
    sd_ratio : Estimate
        Its standard deviation over the measured one's.
    mean, sd : float
    values : int
    drawn, of_measured : str
        What was resampled of this one and of the measured one, with their number.
    halves : Halves
        Of the measured values.
    """

    distance: Estimate
    difference: Estimate
    sd_ratio: Estimate
    mean: float
    sd: float
    values: int
    drawn: str
    of_measured: str
    halves: Halves

    @property
    def told_apart(self) -> bool:
        """Whether this distribution is farther from the measured one than 95 % of that one's halves are apart."""
        return self.distance.value > self.halves.high and self.distance.low > 0

    @property
    def narrower(self) -> bool:
        """Whether all of the interval of the ratio of standard deviations lies below 1."""
        return self.sd_ratio.high < 1

    def verdict(self) -> str:
        """Return in words how near this distribution is."""
        halves = (
            f"halves of the measured values are {self.halves.median:.3g} apart (95 % of them {self.halves.high:.3g})"
        )
        if not self.told_apart:
            return f"not told apart from the measured values: {halves}"
        times = self.distance.value / self.halves.median
        return f"told apart from the measured values, {times:.1f} times as far as halves of them: {halves}"

    def to_json(self) -> dict[str, Any]:
        """Return all numbers and the verdict, ready for JSON."""
        return {**asdict(self), "told_apart": self.told_apart, "narrower": self.narrower, "verdict": self.verdict()}


def wasserstein(first: Floats, first_counts: Floats, second: Floats, second_counts: Floats) -> Floats:
    """Return the first Wasserstein distances between pairs of distributions, (draws,) float64.

    It is the area between the cumulative distributions: how far, on average, values have to be moved to make one
    distribution of the other. Counts may be of any sum above zero.

    Parameters
    ----------
    first, second : (m,) and (n,) float64
        Values, distinct and rising.
    first_counts, second_counts : (draws, m) and (draws, n) float64

    References
    ----------
    Ramdas, Garcia Trillos and Cuturi (2017), Entropy 19, 47, doi:10.3390/e19020047
    """
    support = np.union1d(first, second)
    gaps = np.diff(support)
    places = np.searchsorted(support, first), np.searchsorted(support, second)
    draws = len(first_counts)
    found = np.empty(draws)
    step = max(1, _AT_ONCE // max(1, len(support)))
    for begin in range(0, draws, step):
        rows = slice(begin, begin + step)
        apart = np.zeros((min(step, draws - begin), len(support)))
        apart[:, places[0]] = first_counts[rows] / first_counts[rows].sum(axis=1, keepdims=True)
        apart[:, places[1]] -= second_counts[rows] / second_counts[rows].sum(axis=1, keepdims=True)
        np.cumsum(apart, axis=1, out=apart)
        np.abs(apart, out=apart)
        found[rows] = apart[:, :-1] @ gaps
    return found


def halves_of(measured: Sample, *, halvings: int = HALVINGS, seed: int = 0) -> Halves:
    """Return how far random halves of the measured values are from each other.

    A half has half the values, so chance moves halves about 1.4 times as far apart as two whole samples of this size.
    """
    first, second = measured.halved(halvings, np.random.default_rng([seed, 1]))
    apart = wasserstein(measured.values, first, measured.values, second)
    whole = len(measured.units) >= 4
    return Halves(
        float(np.median(apart)),
        float(np.quantile(apart, 0.95)),
        measured.kind if whole else "single values",
        measured.size // 2,
    )


def compare(
    measured: Sample,
    other: Sample,
    *,
    halves: Halves | None = None,
    resamplings: int = RESAMPLINGS,
    level: float = LEVEL,
    seed: int = 0,
) -> Comparison:
    """Return how far a distribution is from the measured one, with intervals by resampling both.

    Whole batches and whole blocks of the map are drawn with replacement; single values of what has fewer than eight of
    them. Resampling moves near distributions apart, so the interval of a distance W is the reflected one, from 2 W less
    the upper percentile to 2 W less the lower one, not below 0, and widened to hold W where it does not.

    Parameters
    ----------
    measured, other : Sample
    halves : Halves, optional
        Of `measured`, if they are known already.
    resamplings : int
    level : float
    seed : int

    Raises
    ------
    InputError
        If fewer than 20 resamplings are wanted, or the measured values do not vary.
    """
    if resamplings < 20:
        msg = f"resamplings is {resamplings}; wanted at least 20 for an interval"
        raise InputError(msg)
    rng = np.random.default_rng([seed, 0])
    drawn = measured.resampled(resamplings, rng), other.resampled(resamplings, rng)
    whole = measured.total[None], other.total[None]
    apart = wasserstein(measured.values, drawn[0], other.values, drawn[1])
    distance = float(wasserstein(measured.values, whole[0], other.values, whole[1])[0])
    units = min(measured.drawn[1], other.drawn[1])
    ends = tails(units, level)
    low, high = (2 * distance - float(np.quantile(apart, end)) for end in reversed(ends))
    means, sds = zip(
        *(moments(of.values, counts) for of, counts in zip((measured, other), drawn, strict=True)), strict=True
    )
    return Comparison(
        distance=Estimate(distance, min(distance, max(0.0, low)), max(distance, high)),
        difference=_estimate(other.mean - measured.mean, means[1] - means[0], ends),
        sd_ratio=_estimate(other.sd / measured.sd, sds[1] / sds[0], ends),
        mean=other.mean,
        sd=other.sd,
        values=other.size,
        drawn=_in_words(other),
        of_measured=_in_words(measured),
        halves=halves or halves_of(measured, seed=seed),
    )


def _estimate(value: float, drawn: Floats, ends: tuple[float, float]) -> Estimate:
    finite = drawn[np.isfinite(drawn)]
    return Estimate(value, float(np.quantile(finite, ends[0])), float(np.quantile(finite, ends[1])))


def _in_words(sample: Sample) -> str:
    kind, count = sample.drawn
    return f"{count:,} {kind}"
