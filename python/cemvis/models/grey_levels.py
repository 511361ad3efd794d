"""Whole grey levels: how a mean is rounded to one, and which of a table's levels stands for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def integer_grey(mean_grey: Floats) -> Floats:
    """Return mean grey levels rounded to whole ones, halves upwards: ``floor(x + 0.5)``."""
    return np.floor(mean_grey + 0.5)


def nearest_level(levels: Floats, wanted: Floats) -> NDArray[np.intp]:
    """Return the index of the entry of `levels` nearest to each of `wanted`; a tie goes to the lower one.

    Parameters
    ----------
    levels : (m,) float64
        At least one level, strictly rising.
    wanted : (n,) float64
    """
    above = np.searchsorted(levels, wanted).clip(max=len(levels) - 1)
    below = (above - 1).clip(min=0)
    return np.where(wanted - levels[below] <= levels[above] - wanted, below, above)
