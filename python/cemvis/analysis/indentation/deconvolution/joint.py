"""Populations in modulus and hardness together: scikit-learn's mixture underneath, with floors and many starts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from cemvis.analysis.indentation.deconvolution.threads import one_thread
from cemvis.errors import InputError, NotFittedError

Floats = NDArray[np.float64]

# of log likelihood between two steps: for every start; for each optimum that is nearly the best; for what is kept
ROUGH, FINE, FINEST = 0.03, 3e-4, 3e-6
NEAR = 10.0  # of log likelihood: EM may stop 3 short of its optimum when steps gain less than `ROUGH`
ALIKE = 0.1  # of log likelihood: starts that came this close to each other are at the same optimum
FLOOR = 0.01  # of a property's sd, added in squares to the covariances: more would pull fits away from the optimum


class JointMixture(BaseEstimator):  # type: ignore[misc]
    """Populations in several properties together, as normal components with full covariances.

    Parameters
    ----------
    n_components : int
    n_starts : int
    max_iter : int
    random_state : int

    Attributes
    ----------
    weights_ : (k,) float64
    means_, sds_ : (k, d) float64
        In rising mean of the first property.
    correlations_ : (k,) float64
        Between the first two properties.
    log_likelihood_ : float
        Of all values, in their own units.
    starts_at_best_ : int
        How many starts reached the best optimum, to 0.1 of log likelihood: EM stops short of it by some 0.01.
    converged_ : bool
    at_floor_ : (k,) bool
        Components whose narrowest direction is little wider than the floor.
    """

    def __init__(
        self, n_components: int = 4, *, n_starts: int = 10, max_iter: int = 2000, random_state: int = 0
    ) -> None:
        self.n_components = n_components
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.random_state = random_state

    @property
    def n_parameters(self) -> int:
        """Number of free parameters, for two properties."""
        return 6 * self.n_components - 1

    def fit(self, X: Floats, y: None = None) -> JointMixture:  # noqa: ARG002 - scikit-learn's signature
        """Fit to (n, d) values.

        Raises
        ------
        InputError
            If values are missing, constant or fewer than the parameters.
        """
        values = _checked(X, self.n_parameters)
        with one_thread():
            return self._fit(values)

    def _fit(self, values: Floats) -> JointMixture:
        self.centre_, self.unit_ = values.mean(axis=0), values.std(axis=0)
        rng = np.random.default_rng(self.random_state)
        fits = [
            self._one(values, int(seed), number) for number, seed in enumerate(rng.integers(2**31, size=self.n_starts))
        ]
        gained = np.array([each.score(self._scaled(values)) for each in fits]) * len(values)
        best, most = fits[0], -np.inf
        for alike in _alike(gained):
            finer = self._from(fits[alike[0]], self._scaled(values), FINE)
            gained[alike] = finer.score(self._scaled(values)) * len(values)
            if gained[alike[0]] > most:
                best, most = finer, float(gained[alike[0]])
        best = self._from(best, self._scaled(values), FINEST)
        self._keep(best, len(values), best.score(self._scaled(values)) * len(values))
        self.starts_at_best_ = int((gained > most - ALIKE).sum())
        return self

    def refitted(self, values: Floats) -> tuple[Floats, Floats, Floats, bool]:
        """Return fractions, means and sds of a fit to other values that starts at this one, and if it converged."""
        with one_thread():
            again = self._from(self._fitted(), self._scaled(np.asarray(values, np.float64)), FINE)
        order = np.argsort(again.means_[:, 0])
        sds = np.sqrt(np.diagonal(again.covariances_, axis1=1, axis2=2))
        means = self.centre_ + self.unit_ * again.means_[order]
        return again.weights_[order], means, self.unit_ * sds[order], bool(again.converged_)

    def predict_proba(self, X: Floats) -> Floats:
        """Return the posterior probability of each component, (n, k) float64."""
        return np.asarray(self._fitted().predict_proba(self._scaled(np.asarray(X, np.float64)))[:, self.order_])

    def score(self, X: Floats, y: None = None) -> float:  # noqa: ARG002 - scikit-learn's signature
        """Return the mean log density."""
        values = np.asarray(X, np.float64)
        return float(self._fitted().score(self._scaled(values)) - np.log(self.unit_).sum())

    def bic(self, size: float) -> float:
        """Return the Bayesian information criterion of the fit to `size` values; less is better."""
        return -2 * self.log_likelihood_ + self.n_parameters * float(np.log(size))

    def icl(self, X: Floats) -> float:
        """Return BIC plus twice the entropy of the posteriors; less is better."""
        share = self.predict_proba(X)
        return self.bic(len(share)) - 2 * float((share * np.log(np.maximum(share, 1e-300))).sum())

    def _fitted(self) -> Any:
        if not hasattr(self, "inner_"):
            msg = "the mixture is not fitted; call fit first"
            raise NotFittedError(msg)
        return self.inner_

    def _scaled(self, values: Floats) -> Floats:
        return np.asarray((values - self.centre_) / self.unit_)

    def _one(self, values: Floats, seed: int, number: int) -> Any:
        from sklearn.mixture import GaussianMixture

        mixture = GaussianMixture(
            self.n_components,
            reg_covar=FLOOR**2,
            tol=ROUGH / len(values),
            max_iter=self.max_iter,
            init_params=("k-means++", "kmeans", "random_from_data")[number % 3],
            random_state=seed,
        )
        return _quietly(mixture, self._scaled(values))

    def _from(self, start: Any, scaled: Floats, gain: float) -> Any:
        from sklearn.mixture import GaussianMixture

        mixture = GaussianMixture(
            self.n_components,
            reg_covar=FLOOR**2,
            tol=gain / len(scaled),
            max_iter=self.max_iter,
            weights_init=start.weights_,
            means_init=start.means_,
            precisions_init=start.precisions_,
        )
        return _quietly(mixture, scaled)

    def _keep(self, inner: Any, size: int, log_likelihood: float) -> None:
        self.inner_, self.order_ = inner, np.argsort(inner.means_[:, 0])
        covariance = inner.covariances_[self.order_]
        sds = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        self.weights_ = inner.weights_[self.order_]
        self.means_, self.sds_ = self.centre_ + self.unit_ * inner.means_[self.order_], self.unit_ * sds
        self.correlations_ = covariance[:, 0, 1] / (sds[:, 0] * sds[:, 1])
        self.log_likelihood_ = log_likelihood - size * float(np.log(self.unit_).sum())
        self.converged_ = bool(inner.converged_)
        self.at_floor_ = np.linalg.eigvalsh(covariance)[:, 0] < 2 * FLOOR**2
        self.n_features_in_ = len(self.unit_)


def _alike(gained: Floats) -> list[NDArray[np.int64]]:
    """Return the starts that are nearly the best, together where they came to the same log likelihood."""
    order = np.argsort(-gained, kind="stable")
    order = order[gained[order] > gained.max() - NEAR]
    return np.split(order, np.flatnonzero(-np.diff(gained[order]) > ALIKE) + 1)


def _quietly(mixture: Any, values: Floats) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said by converged_
        return mixture.fit(values)


def _checked(values: Floats, parameters: int) -> Floats:
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        msg = f"values have shape {values.shape}; wanted (n, 2): modulus and hardness"
        raise InputError(msg)
    if not np.isfinite(values).all():
        msg = (
            f"{np.count_nonzero(~np.isfinite(values).all(axis=1))} of {len(values)} rows have NaN; leave them out first"
        )
        raise InputError(msg)
    if len(values) < parameters + 1:
        msg = f"{len(values)} indents cannot hold so many populations ({parameters} parameters); give more indents"
        raise InputError(msg)
    if (np.ptp(values, axis=0) <= 1e-9 * np.abs(values).max(axis=0)).any():
        msg = "all values of a property are the same; a mixture needs values that vary"
        raise InputError(msg)
    return values
