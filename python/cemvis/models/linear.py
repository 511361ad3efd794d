"""The linear model as a scikit-learn estimator."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LinearRegression
from sklearn.utils.validation import check_is_fitted

from cemvis.models._one_feature import Floats, OneFeatureRegressor


class LinearRegressor(OneFeatureRegressor):
    """Predict by an ordinary least-squares line through the mean grey level.

    Beyond the grey levels of training the line is not continued: the prediction stays at its end.

    Attributes
    ----------
    coef_ : (1,) float64
        Slope, in the unit of `y` per grey level.
    intercept_ : float
    grey_low_, grey_high_ : float
        Lowest and highest mean grey level in training.
    n_features_in_ : int
        1.

    Examples
    --------
    >>> line = LinearRegressor().fit([[80.0], [120.0]], [20.0, 60.0])
    >>> line.predict([[100.0], [250.0]]).round(6)
    array([40., 60.])
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the line that leaves the least sum of squares.

        Parameters
        ----------
        X : (n, 1) array-like
            Mean grey level of each window.
        y : (n,) array-like
            Measured value.
        """
        grey, truth = self._training_data(X, y)
        line = LinearRegression().fit(grey[:, np.newaxis], truth)
        self.coef_, self.intercept_ = line.coef_, float(line.intercept_)
        self.grey_low_, self.grey_high_ = float(grey.min()), float(grey.max())
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return the value of each of the ``(n, 1)`` mean grey levels as ``(n,) float64``."""
        check_is_fitted(self)
        predicted: Floats = self.coef_[0] * self._feature(X).clip(self.grey_low_, self.grey_high_) + self.intercept_
        return predicted
