"""Differences of maps, written from their definition: one pair of maps at a time, exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def difference(a: np.ndarray, b: np.ndarray) -> Fraction:
    """Sum of |a - b| over all pixels, without any rounding."""
    pairs = zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
    return sum((abs(Fraction(x) - Fraction(y)) for x, y in pairs), Fraction(0))


def difference_matrix(maps: np.ndarray, others: np.ndarray) -> list[list[Fraction]]:
    """Of each map against each of the others."""
    return [[difference(a, b) for b in others] for a in maps]
