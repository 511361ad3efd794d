"""To which population a value belongs by posterior probability, and where that is not certain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture

NOT_MAPPED, UNCERTAIN = 0, 255
CERTAIN = 0.8
_SLICE = 250_000


def assigned(
    mixture: PopulationMixture, values: NDArray[np.floating], *, certain: float = CERTAIN
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the number of the population of each value, from 1, and the posterior probability of the likeliest one.

    Parameters
    ----------
    mixture : PopulationMixture
        Fitted.
    values : (...) floating
        NaN where nothing is mapped.
    certain : float
        Posterior probability that it takes.

    Returns
    -------
    number : (...) uint8
        0 where there is no value; 255 where the posterior is less than `certain`, or where a wide population takes over
        on the far side of a narrower one's mean, which is the doing of the normal shape and not of the data.
    probability : (...) float32
        NaN where there is no value.

    Raises
    ------
    InputError
        If `certain` is not between 0 and 1.
    NotFittedError
    """
    certain = fraction(certain, name="certain")
    flat = np.asarray(values).ravel()
    number, probability = np.zeros(flat.shape, np.uint8), np.full(flat.shape, np.nan, np.float32)
    mean = np.concatenate([[-np.inf], np.asarray(mixture.parameters().moments()[0][0]), [np.inf]])
    for first in range(0, flat.size, _SLICE):
        part = flat[first : first + _SLICE].astype(np.float64)
        there = np.isfinite(part)
        value = part[there]
        if not value.size:
            continue
        posterior = mixture.predict_proba(value)
        best = posterior.argmax(axis=1)
        largest = posterior[np.arange(len(value)), best]
        beyond = (value < mean[best]) | (value > mean[best + 2])
        own = np.where((largest < certain) | beyond, UNCERTAIN, best + 1).astype(np.uint8)
        number[first : first + _SLICE][there] = own
        probability[first : first + _SLICE][there] = largest
    return number.reshape(np.shape(values)), probability.reshape(np.shape(values))
