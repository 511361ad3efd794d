"""The two models that know a window by its mean grey level only: a table and a straight line.

NumPy is all they need, so that predicting does not wait for scikit-learn; the estimators that fit them are
`cemvis.models.table.TableRegressor` and `cemvis.models.linear.LinearRegressor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.models.grey_levels import integer_grey, nearest_level
from cemvis.models.intervals import spread, spread_per_level
from cemvis.models.prediction import Flag, Prediction

if TYPE_CHECKING:
    from cemvis.models.table import TableRegressor

Floats = NDArray[np.float64]


class Network(Protocol):
    """What every model of a window's mean grey level offers."""

    @classmethod
    def fit(cls, mean_grey: Floats, truth: Floats, *, level: float) -> Self:
        """Return the model of these pairs, with quantile bounds that hold the share `level` of them."""

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Floats]) -> Self:
        """Return the model that these arrays describe; raises `InputError` where they cannot be one."""

    def tensors(self) -> dict[str, Floats]:
        """Return the arrays that describe the model."""

    @property
    def grey_range(self) -> tuple[float, float]:
        """Lowest and highest grey level in training, whole ones for a table."""

    def predict(self, mean_grey: Floats) -> Prediction:
        """Return the values of windows, with the bounds from the training quantiles, not calibrated."""


@dataclass(frozen=True)
class TableNetwork:
    """A value for every whole grey level that was seen in training.

    Attributes
    ----------
    levels : (m,) float64
        Whole grey levels, strictly rising.
    values : (m,) float64
        Mean measured value of the training windows at that level.
    lower, upper : (m,) float64
        Quantiles of the training windows at that level, around `values`.
    """

    levels: Floats
    values: Floats
    lower: Floats
    upper: Floats

    @classmethod
    def fit(cls, mean_grey: Floats, truth: Floats, *, level: float) -> TableNetwork:
        """Return the table of these pairs; levels with few pairs borrow their spread from neighbours."""
        from cemvis.models.table import TableRegressor

        table = TableRegressor().fit(mean_grey[:, np.newaxis], truth)
        grey = integer_grey(mean_grey)
        residuals = _left_out_residuals(grey, truth, table)
        below, above = spread_per_level(grey, residuals, table.levels_, level=level)
        return cls(table.levels_, table.values_, table.values_ - below, table.values_ + above)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Floats]) -> TableNetwork:
        """Return the table that these arrays describe."""
        _check_names(tensors, ("levels", "lower", "upper", "values"))
        table = cls(tensors["levels"], tensors["values"], tensors["lower"], tensors["upper"])
        if any(array.ndim != 1 or array.shape != table.levels.shape for array in tensors.values()):
            msg = "the arrays of a table must be one-dimensional and of one length"
            raise InputError(msg)
        if len(table.levels) == 0 or np.any(np.diff(table.levels) <= 0) or np.any(table.levels % 1 != 0):
            msg = "the levels of a table must be whole numbers in rising order, at least one"
            raise InputError(msg)
        if np.any(table.lower > table.values) or np.any(table.upper < table.values):
            msg = "the bounds of a table must enclose its values"
            raise InputError(msg)
        return table

    def tensors(self) -> dict[str, Floats]:
        """Return the table's arrays by name."""
        return {"levels": self.levels, "values": self.values, "lower": self.lower, "upper": self.upper}

    @property
    def grey_range(self) -> tuple[float, float]:
        """Lowest and highest whole grey level in training."""
        return float(self.levels[0]), float(self.levels[-1])

    def predict(self, mean_grey: Floats) -> Prediction:
        """Look up windows by their whole mean grey level.

        A level that training never saw takes the value of the nearest one that it saw, ties going to the lower one.
        Beyond the first or last level the value is theirs, and there is no bound.
        """
        wanted = integer_grey(mean_grey)
        index = nearest_level(self.levels, wanted)
        flags = _range_flags(wanted, *self.grey_range)
        unseen = (self.levels[index] != wanted) & (flags == 0)
        flags[unseen] |= np.uint8(Flag.UNSEEN_LEVEL)
        return _bounded(self.values[index], self.lower[index], self.upper[index], flags)


@dataclass(frozen=True)
class LinearNetwork:
    """A straight line through the mean grey levels.

    Attributes
    ----------
    slope, intercept : float
        ``value = slope * mean_grey + intercept``.
    below, above : float
        Distance of the bounds from the line, from the quantiles of the training residuals.
    grey_range : (float, float)
        Lowest and highest mean grey level in training.
    """

    slope: float
    intercept: float
    below: float
    above: float
    grey_range: tuple[float, float]

    @classmethod
    def fit(cls, mean_grey: Floats, truth: Floats, *, level: float) -> LinearNetwork:
        """Return the least-squares line of these pairs."""
        from cemvis.models.linear import LinearRegressor

        line = LinearRegressor().fit(mean_grey[:, np.newaxis], truth)
        below, above = spread(truth - line.predict(mean_grey[:, np.newaxis]), level=level)
        return cls(float(line.coef_[0]), line.intercept_, below, above, (line.grey_low_, line.grey_high_))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Floats]) -> LinearNetwork:
        """Return the line that these arrays describe."""
        _check_names(tensors, ("bounds", "grey_range", "line"))
        if any(array.shape != (2,) for array in tensors.values()):
            msg = "each array of a linear model must hold two numbers"
            raise InputError(msg)
        (slope, intercept), (below, above) = tensors["line"].tolist(), tensors["bounds"].tolist()
        low, high = tensors["grey_range"].tolist()
        if low > high or below < 0 or above < 0:
            msg = "a linear model needs a rising grey range and bounds that enclose the line"
            raise InputError(msg)
        return cls(slope, intercept, below, above, (low, high))

    def tensors(self) -> dict[str, Floats]:
        """Return the line's arrays by name."""
        return {
            "line": np.array([self.slope, self.intercept]),
            "bounds": np.array([self.below, self.above]),
            "grey_range": np.array(self.grey_range),
        }

    def predict(self, mean_grey: Floats) -> Prediction:
        """Evaluate the line; beyond the training range it stays at its end and has no bound."""
        value = self.slope * mean_grey.clip(*self.grey_range) + self.intercept
        flags = _range_flags(mean_grey, *self.grey_range)
        return _bounded(value, value - self.below, value + self.above, flags)


NETWORKS: dict[str, type[Network]] = {"table": TableNetwork, "linear": LinearNetwork}
"""Models of a mean grey level by the name that the command line and the model file give them."""

RESNET = "resnet"
"""What the command line and the model file call the residual network."""

KINDS = (*NETWORKS, RESNET)
"""All kinds of models."""


def _check_names(tensors: Mapping[str, Floats], wanted: tuple[str, ...]) -> None:
    if set(tensors) != set(wanted):
        msg = f"has the arrays {', '.join(sorted(tensors)) or 'none'}; wanted {', '.join(wanted)}"
        raise InputError(msg)


def _left_out_residuals(grey: Floats, truth: Floats, table: TableRegressor) -> Floats:
    """Return measured minus predicted for each training pair, by a table that was trained without that pair.

    Plain residuals would call a level with a single pair exact.
    """
    index = np.searchsorted(table.levels_, grey)
    count = table.counts_[index]
    residuals = (truth - table.values_[index]) * (count / np.maximum(count - 1, 1))
    if len(table.levels_) > 1:
        for pair in np.flatnonzero(count == 1):
            levels, values = (np.delete(array, index[pair]) for array in (table.levels_, table.values_))
            residuals[pair] = truth[pair] - values[nearest_level(levels, grey[pair])]
    return residuals


def _range_flags(grey: Floats, low: float, high: float) -> NDArray[np.uint8]:
    flags = np.zeros(grey.shape, np.uint8)
    flags[grey < low] = Flag.CLIPPED_LOW
    flags[grey > high] = Flag.CLIPPED_HIGH
    return flags


def _bounded(value: Floats, lower: Floats, upper: Floats, flags: NDArray[np.uint8]) -> Prediction:
    outside = (flags & (Flag.CLIPPED_LOW | Flag.CLIPPED_HIGH)) != 0
    return Prediction(value, np.where(outside, np.nan, lower), np.where(outside, np.nan, upper), flags)
