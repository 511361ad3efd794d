"""What a model says about windows: values, intervals and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray


class Flag(IntFlag):
    """What a reader should know about one predicted window; flags add up."""

    CLIPPED_LOW = 1
    """Darker than every training window: no interval. A table model predicts it as the darkest one."""
    CLIPPED_HIGH = 2
    """Brighter than every training window: no interval. A table model predicts it as the brightest one."""
    UNSEEN_LEVEL = 4
    """A grey level inside the training range that no training window had: the nearest one answers."""
    MASKED = 8
    """The window lies partly outside the region of interest."""
    BORDER = 16
    """What a network reads around the window reaches over the border of the mosaic, where it was mirrored, or of the
    region of interest: no interval."""


@dataclass(frozen=True)
class Prediction:
    """Predicted values of windows with their prediction intervals.

    All arrays have the same shape: (n,), or as many axes as the windows were given in, such as (rows, cols).

    Attributes
    ----------
    value : (...) float64
        In the unit of the property.
    lower, upper : (...) float64
        Ends of the prediction interval in the same unit; NaN where no interval can be promised.
    flags : (...) uint8
        Sums of `Flag`.
    """

    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    flags: NDArray[np.uint8]

    @property
    def half_width(self) -> NDArray[np.float64]:
        """Half the length of each interval; NaN where none can be promised. `value` need not lie at its middle."""
        return (self.upper - self.lower) / 2.0

    def only(self, chosen: NDArray[np.intp]) -> Prediction:
        """Return the prediction of the windows of these indices along the first axis."""
        return Prediction(self.value[chosen], self.lower[chosen], self.upper[chosen], self.flags[chosen])
