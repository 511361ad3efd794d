"""Intervals of a mixture's parameters by resampling whole batches, and how the parameters settle with more indents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction
from cemvis.analysis.indentation.deconvolution.families import Parameters
from cemvis.analysis.indentation.deconvolution.grouped import Grouped
from cemvis.analysis.indentation.deconvolution.maximise import maximise
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.errors import InputError, NotFittedError

Floats = NDArray[np.float64]

FEWEST_BATCHES = 8
RESAMPLINGS = 400
SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 100_000, 400_000)


@dataclass(frozen=True)
class Resampled:
    """Parameters of fits to resampled data, in rising mean.

    Attributes
    ----------
    fractions, means, sds : (resamplings, k) float64
    unit : str
        What was drawn, in the plural: "batches" or "indents", for a map "blocks of the map" or "cells".
    units : int
        How many there are.
    converged : float
        Share of the fits that converged.
    whole : bool
        Whether batches or blocks were drawn, not single values.
    """

    fractions: Floats
    means: Floats
    sds: Floats
    unit: str
    units: int
    converged: float
    whole: bool = True

    def interval(self, values: Floats, *, level: float = 0.95) -> tuple[Floats, Floats]:
        """Return the ends of an interval of some function of the parameters, by its values in each resampling.

        Percentiles, widened for the number of units as Student's t widens a normal interval.
        """
        low, high = tails(self.units, level)
        finite = np.asarray(values, np.float64)
        return np.quantile(finite, low, axis=0), np.quantile(finite, high, axis=0)


@dataclass(frozen=True)
class Settling:
    """Spread of the parameters over draws of a number of indents.

    Attributes
    ----------
    indents : int
    fractions, means, sds : (3, k) float64
        Quantiles 0.025, 0.5 and 0.975 over the draws.
    """

    indents: int
    fractions: Floats
    means: Floats
    sds: Floats

    def half_width(self) -> float:
        """Return half the width of the interval of the fraction that scatters most."""
        return float((self.fractions[2] - self.fractions[0]).max() / 2)


def tails(units: int, level: float) -> tuple[float, float]:
    """Return the percentiles (0..1) of an expanded percentile interval.

    References
    ----------
    Hesterberg (2015), The American Statistician 69, 371, doi:10.1080/00031305.2015.1089789.
    """
    from scipy.stats import norm, t

    level = fraction(level, name="level")
    stretched = t.ppf(0.5 + level / 2, units - 1) * np.sqrt(units / (units - 1))
    low = float(norm.cdf(-stretched))
    return low, 1 - low


def resampled(
    mixture: PopulationMixture,
    data: Grouped,
    *,
    resamplings: int = RESAMPLINGS,
    random_state: int = 0,
    fewest_batches: int = FEWEST_BATCHES,
) -> Resampled:
    """Fit the mixture to resampled data, each from the optima that are nearly the best for all data.

    Whole batches are drawn, with replacement, as many as there are; single indents where there are fewer than
    `fewest_batches`, which makes intervals too narrow if indents of a batch are alike.

    Raises
    ------
    InputError
        If fewer than 20 resamplings are wanted.
    NotFittedError
    """
    if resamplings < 20:
        msg = f"resamplings is {resamplings}; wanted at least 20 for an interval"
        raise InputError(msg)
    rng = np.random.default_rng(random_state)
    batches, size = len(data.counts), round(data.size)
    whole = batches >= fewest_batches
    if whole:
        drawn = rng.multinomial(batches, np.full(batches, 1 / batches), resamplings) @ data.counts
        unit, units = data.unit, batches
    else:
        drawn = rng.multinomial(size, data.total / data.total.sum(), resamplings).astype(np.float64)
        unit, units = data.single, size
    at, converged = _fitted_to(drawn, mixture, data)
    mean, sd = at.moments()
    return Resampled(at.weight, mean, sd, unit, units, converged, whole)


def settling(
    mixture: PopulationMixture,
    data: Grouped,
    *,
    draws: int = 60,
    sizes: tuple[int, ...] = SIZES,
    random_state: int = 0,
) -> tuple[Settling, ...]:
    """Return how far the parameters scatter over draws of 100, 200 ... indents (with replacement), and of all of them.

    Draws ignore batches, so that each size differs from the next by the number of indents alone.
    """
    rng = np.random.default_rng(random_state)
    share = data.total / data.total.sum()
    rows = []
    for size in (*(each for each in sizes if each < data.size), round(data.size)):
        if size < mixture.n_parameters + 1:
            continue
        drawn = rng.multinomial(size, share, draws).astype(np.float64)
        at, _ = _fitted_to(drawn, mixture, data)
        mean, sd = at.moments()
        three = (np.quantile(each, (0.025, 0.5, 0.975), axis=0) for each in (at.weight, mean, sd))
        rows.append(Settling(size, *three))
    return tuple(rows)


def _fitted_to(counts: Floats, mixture: PopulationMixture, data: Grouped) -> tuple[Parameters, float]:
    mixture.parameters()  # refuses one that is not fitted
    rules, best = mixture.rules(data), None
    for number in range(len(mixture.optima_.weight)):
        start = mixture.optima_[np.full(len(counts), number)]
        found = maximise(counts, data.lower, data.upper, start, rules)
        if mixture.fractions is not None:  # they belong to populations in rising mean
            found.log_likelihood[(np.diff(found.at.moments()[0], axis=1) <= 0).any(axis=1)] = -np.inf
        if best is None:
            best = found
            continue
        better = found.log_likelihood > best.log_likelihood
        best.at.put(better, found.at[better])
        best.log_likelihood[better], best.converged[better] = found.log_likelihood[better], found.converged[better]
    if best is None:
        msg = "the mixture has no optimum; fit it again"
        raise NotFittedError(msg)
    at = best.at if mixture.fractions is not None else best.at.ordered()
    return at, float(best.converged.mean())
