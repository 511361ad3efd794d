"""What scikit-learn estimators of a single feature share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import validate_data

Floats = NDArray[np.float64]


class OneFeatureRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Base of regressors whose one feature is a mean grey level, given as ``(n, 1)`` or ``(n,)``.

    scikit-learn has no tag for "one column"; as for its own `IsotonicRegression`, the tags say one-dimensional input.
    """

    def _training_data(self, X: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        table, truth = validate_data(self, self._as_table(X), y, dtype=np.float64, y_numeric=True)
        return self._only_column(table), np.asarray(truth, dtype=np.float64)

    def _feature(self, X: ArrayLike) -> Floats:
        return self._only_column(validate_data(self, self._as_table(X), reset=False, dtype=np.float64))

    @staticmethod
    def _as_table(X: ArrayLike) -> Any:
        return np.asarray(X).reshape(-1, 1) if np.ndim(X) == 1 else X

    @staticmethod
    def _only_column(X: Floats) -> Floats:
        if X.shape[1] != 1:
            msg = f"X has {X.shape[1]} features; wanted one, the mean grey level"
            raise ValueError(msg)
        return X[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags
