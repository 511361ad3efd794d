"""Samples of known populations, and mixtures written from their formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.deconvolve import Settings

Floats = NDArray[np.float64]

# Liang et al. (2023), Table 1, test area A3: modulus in GPa.
FRACTIONS = np.array([0.52, 0.27, 0.12, 0.09])
MEANS = np.array([26.54, 34.81, 52.46, 121.88])
SDS = np.array([4.06, 6.76, 16.73, 27.46])


def drawn(count: int, *, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    which = rng.choice(4, count, p=FRACTIONS)
    return rng.normal(MEANS[which], SDS[which])


def two_far_apart(count: int, *, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return values of N(20, 2) and N(60, 5), 70 and 30 %, and which are of the second."""
    rng = np.random.default_rng(seed)
    second = rng.random(count) < 0.3
    return np.where(second, rng.normal(60, 5, count), rng.normal(20, 2, count)), second


@contextmanager
def few_tried(most: int) -> Iterator[None]:
    """Have commands try up to `most` normal populations, not eight and skew-normal ones, which take long."""
    module = "cemvis.analysis.indentation.deconvolution.deconvolve"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{module}.Settings", partial(Settings, most=most))
        patch.setattr(f"{module}.families_compared", lambda _data, _mixture: None)
        yield


def naive_log_likelihood(
    counts: Floats, lower: Floats, upper: Floats, weights: Floats, means: Floats, sds: Floats
) -> float:
    """Sum over intervals of count times the log of their probability, one term at a time."""
    total = 0.0
    for count, low, high in zip(counts, lower, upper, strict=True):
        share = 0.0
        for weight, mean, sd in zip(weights, means, sds, strict=True):
            a, b = ((each - mean) / sd / math.sqrt(2) for each in (low, high))
            if a > 0:
                part = math.erfc(a) - math.erfc(b)
            elif b < 0:
                part = math.erfc(-b) - math.erfc(-a)
            else:
                part = math.erf(b) - math.erf(a)
            share += weight * part / 2
        total += count * math.log(share)
    return total
