"""Numbers that are not known exactly, and drawing from what is known of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cemvis._checks import fraction
from cemvis.analysis.homogenisation.isotropic import Values
from cemvis.errors import InputError


@dataclass(frozen=True)
class Known:
    """A number with its standard error: how well it is known, not how much it scatters in the material.

    Attributes
    ----------
    value
        The median of what it may be.
    sd
        Standard error; of the values below where `sd_above` is given.
    sd_above
        Standard error of the values above; as `sd` if None.
    """

    value: float
    sd: float = 0.0
    sd_above: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or not all(math.isfinite(each) and each >= 0 for each in self.sds):
            msg = f"{self.value!r} +- {self.sd!r} is not a number with a standard error of 0 or more"
            raise InputError(msg)

    @classmethod
    def of_interval(cls, value: float, low: float, high: float, *, level: float) -> Known:
        """Return the number whose interval at `level` runs from `low` to `high`, both halves being normal.

        A `value` outside of its interval is one end of what is drawn.

        Raises
        ------
        InputError
            If the ends are not numbers in rising order.
        """
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            msg = f"the interval of {value!r} runs from {low!r} to {high!r}; wanted two numbers in rising order"
            raise InputError(msg)
        stretch = normal_quantile(level)
        return cls(value, max(0.0, value - low) / stretch, max(0.0, high - value) / stretch)

    @property
    def sds(self) -> tuple[float, float]:
        """Standard errors below and above."""
        return self.sd, self.sd if self.sd_above is None else self.sd_above

    @property
    def exact(self) -> bool:
        """Whether there is no error."""
        return self.sds == (0.0, 0.0)

    def interval(self, level: float, *, least: float = -math.inf, most: float = math.inf) -> tuple[float, float]:
        """Return the ends of the interval at `level`, cut to `least` and `most`."""
        stretch = normal_quantile(level)
        low, high = (self.value + side * stretch * sd for side, sd in zip((-1, 1), self.sds, strict=True))
        return min(max(low, least), most), min(max(high, least), most)

    def draw(self, samples: int, generator: np.random.Generator, *, least: float, most: float) -> Values:
        """Return draws (samples,), from halves of two normal distributions cut to `least` and `most`."""
        from scipy.special import ndtr, ndtri

        even = generator.random(samples)  # drawn in any case: what is known exactly does not change the other draws
        if self.exact:
            return np.full(samples, self.value)
        below, above = self.sds
        first = _position((least - self.value), below, above)
        last = _position((most - self.value), below, above)
        start, stop = ndtr(first), ndtr(last)
        normal = ndtri(start + even * (stop - start))
        values = self.value + np.where(normal < 0, below, above) * normal
        return np.asarray(np.clip(values, least, most), np.float64)


def normal_quantile(level: float) -> float:
    """Return how many standard errors an interval at `level` reaches to each side, 1.96 for 0.95."""
    from scipy.special import ndtri

    return float(ndtri((1 + fraction(level, name="level")) / 2))


def _position(distance: float, below: float, above: float) -> float:
    """Return a distance from the median in standard errors of its side."""
    sd = below if distance < 0 else above
    if sd == 0 or distance == 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / sd
