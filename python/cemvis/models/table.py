"""The table model as a scikit-learn estimator."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from cemvis.models._one_feature import Floats, OneFeatureRegressor
from cemvis.models.grey_levels import integer_grey, nearest_level


class TableRegressor(OneFeatureRegressor):
    """Predict the mean of the training values that had the same whole grey level.

    Mean grey levels are rounded to whole ones, halves upwards (``floor(x + 0.5)``). A level that training never saw
    takes the value of the nearest one that it saw, ties going to the lower level; so does anything beyond the first
    or last level. The prediction is a step function of the one feature.

    Attributes
    ----------
    levels_ : (m,) float64
        Whole grey levels that occurred in training, rising.
    values_ : (m,) float64
        Mean training value at each level.
    counts_ : (m,) int64
        Training pairs at each level.
    n_features_in_ : int
        1.

    References
    ----------
    Liang et al. (2023), section 5.2, doi:10.1016/j.matdes.2023.111905

    Examples
    --------
    >>> table = TableRegressor().fit([[80.2], [79.9], [120.0]], [20.0, 22.0, 60.0])
    >>> table.predict([[80.0], [100.0], [101.0], [250.0]])
    array([21., 21., 60., 60.])
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Average `y` over each whole grey level of `X`.

        Parameters
        ----------
        X : (n, 1) array-like
            Mean grey level of each window.
        y : (n,) array-like
            Measured value.
        """
        grey, truth = self._training_data(X, y)
        self.levels_, index, self.counts_ = np.unique(integer_grey(grey), return_inverse=True, return_counts=True)
        self.values_ = np.bincount(index, weights=truth) / self.counts_
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return the value of each of the ``(n, 1)`` mean grey levels as ``(n,) float64``."""
        check_is_fitted(self)
        predicted: Floats = self.values_[nearest_level(self.levels_, integer_grey(self._feature(X)))]
        return predicted
