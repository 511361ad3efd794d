"""A mixture of populations in one property, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from cemvis.analysis.indentation.deconvolution.families import FAMILIES, NORMAL, Parameters
from cemvis.analysis.indentation.deconvolution.grouped import BINS_PER_SPREAD, Grouped, exact_values, grouped_values
from cemvis.analysis.indentation.deconvolution.maximise import LEAST_WEIGHT, Rules, log_terms, maximise
from cemvis.errors import InputError, NotFittedError

Floats = NDArray[np.float64]

NODES = 9  # of the rule that integrates skew normals over intervals that are not narrow
FLOOR_SHARE = 0.05  # of the robust spread: a narrower component would sit on a handful of values
RIVAL_WITHIN, MOST_RIVALS = 10.0, 4  # of log likelihood: optima that other data of the same kind may well prefer
SAME_OPTIMUM = 0.01  # of log likelihood: starts this close to the best have reached it


class PopulationMixture(BaseEstimator):  # type: ignore[misc]
    """Fractions, means and standard deviations of the populations in one property, by maximum likelihood.

    EM from many seeded starts at once, hastened by scoring steps. Components come in rising mean. They are mechanical
    populations: whether one is a phase has to be known from elsewhere.

    Parameters
    ----------
    n_components : int
    family : {"normal", "skew-normal"}
    fractions : sequence of float or None, optional
        Known fraction of each component in rising mean, None where it is free. Optima whose means do not rise are
        then left out.
    n_starts : int
    sd_floor : float, optional
        Least scale of a component, in the property's unit; by default 0.05 of the robust spread.
    binned : bool
        Whether `fit` groups the values into narrow intervals (and discrete values into the intervals around them) and
        uses the probability of the intervals, or else the density at each value.
    bin_width : float, optional
        Of those intervals.
    max_iter : int
    random_state : int

    Attributes
    ----------
    weights_, means_, sds_ : (k,) float64
    locations_, scales_, shapes_ : (k,) float64
        The same as means and sds, with shapes of 0, if the family is normal.
    log_likelihood_ : float
        Of all values.
    starts_at_best_ : int
        How many starts reached the best optimum, to 0.01 of log likelihood.
    optima_ : Parameters
        The best optimum and others nearly as good, for resamplings to start at.
    converged_ : bool
    n_iter_ : int
    sd_floor_ : float
    at_floor_ : (k,) bool
        Components whose scale is the floor.

    References
    ----------
    McLachlan and Peel (2000), Finite Mixture Models, doi:10.1002/0471721182.
    """

    def __init__(
        self,
        n_components: int = 4,
        *,
        family: str = NORMAL,
        fractions: Sequence[float | None] | None = None,
        n_starts: int = 30,
        sd_floor: float | None = None,
        binned: bool = True,
        bin_width: float | None = None,
        max_iter: int = 400,
        random_state: int = 0,
    ) -> None:
        self.n_components = n_components
        self.family = family
        self.fractions = fractions
        self.n_starts = n_starts
        self.sd_floor = sd_floor
        self.binned = binned
        self.bin_width = bin_width
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Floats, y: None = None) -> PopulationMixture:  # noqa: ARG002 - scikit-learn's signature
        """Fit to (n,) or (n, 1) values.

        Raises
        ------
        InputError
            If values are missing, constant or fewer than the parameters, or the estimator's parameters are impossible.
        """
        return self.fit_grouped(grouped_values(X, width=self.bin_width) if self.binned else exact_values(X))

    def fit_grouped(self, data: Grouped) -> PopulationMixture:
        """Fit to counts by interval; see `fit`."""
        self._check(data)
        rules = self.rules(data)
        start = self._starts(data, rules)
        found = maximise(data.total[None], data.lower, data.upper, start, rules)
        usable = np.ones(len(found.log_likelihood), bool)
        if self.fractions is not None:
            usable = np.all(np.diff(found.at.moments()[0], axis=1) > 0, axis=1)
            if not usable.any():
                msg = f"no optimum with the fractions {list(self.fractions)} has rising means; give others, or none"
                raise InputError(msg)
        best = int(np.argmax(np.where(usable, found.log_likelihood, -np.inf)))
        self._keep(found.at[[best]].ordered(), rules.floor)
        self.log_likelihood_ = float(found.log_likelihood[best])
        near = usable & (found.log_likelihood > self.log_likelihood_ - SAME_OPTIMUM)
        self.starts_at_best_ = int(near.sum())
        self.optima_ = found.at[_rivals(found.log_likelihood, usable)]
        self.converged_, self.n_iter_ = bool(found.converged[best]), int(found.steps[best])
        self.n_features_in_ = 1
        return self

    def rules(self, data: Grouped) -> Rules:
        """Return what fits to `data` keep to."""
        floor = FLOOR_SHARE * data.spread() if self.sd_floor is None else float(self.sd_floor)
        known = (None,) * self.n_components if self.fractions is None else tuple(self.fractions)
        wide = float((data.upper - data.lower).max()) > 2 * data.spread() / BINS_PER_SPREAD
        return Rules(self.family, floor, known, self.max_iter, nodes=NODES if wide and self.family != NORMAL else 1)

    def parameters(self) -> Parameters:
        """Return the fitted mixture as one row.

        Raises
        ------
        NotFittedError
        """
        if not hasattr(self, "weights_"):
            msg = "the mixture is not fitted; call fit first"
            raise NotFittedError(msg)
        rows = (self.weights_, self.locations_, self.scales_, self.shapes_)
        return Parameters(*(each[None].copy() for each in rows))

    def predict_proba(self, X: Floats) -> Floats:
        """Return the posterior probability of each component, (n, k) float64, by densities at (n,) values."""
        joint = self._joint(X)
        joint -= joint.max(axis=1, keepdims=True)
        share = np.exp(joint)
        return np.asarray(share / share.sum(axis=1, keepdims=True))

    def predict(self, X: Floats) -> NDArray[np.int64]:
        """Return the most probable component of each value, from 0, (n,) int64."""
        return np.asarray(self._joint(X).argmax(axis=1), np.int64)

    def score_samples(self, X: Floats) -> Floats:
        """Return the log density of the mixture at each value, (n,) float64."""
        joint = self._joint(X)
        top = joint.max(axis=1, keepdims=True)
        return np.asarray(np.log(np.exp(joint - top).sum(axis=1)) + top[:, 0], np.float64)

    def score(self, X: Floats, y: None = None) -> float:  # noqa: ARG002 - scikit-learn's signature
        """Return the mean log density."""
        return float(self.score_samples(X).mean())

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        known = 0 if self.fractions is None else sum(each is not None for each in self.fractions)
        free = max(self.n_components - known - 1, 0) if known < self.n_components else 0
        return int(free + self.n_components * (2 if self.family == NORMAL else 3))

    def bic(self, size: float) -> float:
        """Return the Bayesian information criterion of the fit to `size` values; less is better."""
        return -2 * self.log_likelihood_ + self.n_parameters * float(np.log(size))

    def icl(self, data: Grouped) -> float:
        """Return the integrated completed likelihood: BIC plus twice the entropy of the posteriors; less is better."""
        terms = log_terms(data.lower, data.upper, self.parameters(), self.family, self.rules(data).nodes)
        joint = (terms.log_p + np.log(np.maximum(self.weights_, LEAST_WEIGHT))[None, :, None])[0]
        joint -= joint.max(axis=0)
        share = np.exp(joint)
        share /= share.sum(axis=0)
        entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(axis=0)
        return self.bic(data.size) + 2 * float((data.total * entropy).sum())

    def _joint(self, X: Floats) -> Floats:
        values = np.asarray(X, np.float64).reshape(-1)
        at = self.parameters()
        terms = log_terms(values, values, at, self.family)
        return np.asarray(terms.log_p[0].T + np.log(np.maximum(self.weights_, LEAST_WEIGHT)), np.float64)

    def _keep(self, at: Parameters, floor: float) -> None:
        mean, sd = at.moments()
        self.weights_, self.means_, self.sds_ = at.weight[0], mean[0], sd[0]
        self.locations_, self.scales_, self.shapes_ = at.loc[0], at.scale[0], at.shape[0]
        self.sd_floor_, self.at_floor_ = floor, at.scale[0] <= floor * (1 + 1e-6)

    def _starts(self, data: Grouped, rules: Rules) -> Parameters:
        """Return seeded starts: the first by quantiles, the others at values drawn by how far they lie apart."""
        rng = np.random.default_rng(self.random_state)
        k, at, total = self.n_components, data.centre, data.total
        share = np.cumsum(total) / total.sum()
        middle = at[np.minimum(np.searchsorted(share, (np.arange(k) + 0.5) / k), len(at) - 1)]
        means = [middle]
        for number in range(1, self.n_starts):
            power = (0.0, 1.0, 2.0)[number % 3]  # 0 draws by frequency alone, 2 as k-means++ does
            drawn = [rng.choice(at, p=total / total.sum())]
            while len(drawn) < k:
                near = np.min(np.abs(at[:, None] - np.array(drawn)), axis=1) ** power * total
                drawn.append(rng.choice(at, p=near / near.sum() if near.sum() > 0 else total / total.sum()))
            means.append(np.sort(np.array(drawn)))
        loc = np.array(means) + 1e-3 * data.spread() * rng.standard_normal((self.n_starts, k))
        scale = data.spread() / k * np.exp(rng.uniform(-0.7, 0.9, loc.shape))
        weight = np.full(loc.shape, 1 / k)
        weight[1:] = rng.dirichlet(np.full(k, 4.0), self.n_starts - 1)
        weight = np.maximum(weight, 0.01)
        weight /= weight.sum(axis=1, keepdims=True)
        if self.fractions is not None:
            free = rules.free
            weight[:, ~free] = [each for each in self.fractions if each is not None]
            if free.any():
                weight[:, free] *= rules.left / weight[:, free].sum(axis=1, keepdims=True)
        shape = np.zeros(loc.shape)
        if self.family != NORMAL:
            shape = rng.uniform(-2, 2, loc.shape)
            shape[0] = 0.5
        return Parameters(weight, loc, np.maximum(scale, rules.floor), shape)

    def _check(self, data: Grouped) -> None:
        k = self.n_components
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= 50:
            msg = f"n_components is {k!r}; wanted a whole number from 1 to 50"
            raise InputError(msg)
        if self.family not in FAMILIES:
            msg = f"family is {self.family!r}; wanted {' or '.join(FAMILIES)}"
            raise InputError(msg)
        if self.n_starts < 1 or (self.sd_floor is not None and not self.sd_floor > 0):
            msg = (
                f"n_starts is {self.n_starts} and sd_floor {self.sd_floor}; wanted at least one start, a floor above 0"
            )
            raise InputError(msg)
        if self.fractions is not None:
            known = [each for each in self.fractions if each is not None]
            total = sum(known)
            whole = len(known) == k
            possible = all(0 < each < 1 for each in known) and (abs(total - 1) < 1e-6 if whole else total < 1)
            if len(self.fractions) != k or not possible:
                msg = f"fractions are {list(self.fractions)}; wanted {k}, each between 0 and 1, at most 1 together"
                raise InputError(msg)
        if data.size < self.n_parameters + 1:
            msg = f"{data.size:g} values cannot hold {k} populations ({self.n_parameters} parameters); give more values"
            raise InputError(msg)


def _rivals(log_likelihood: Floats, usable: NDArray[np.bool_]) -> list[int]:
    """Return a fit of each optimum that is nearly as good as the best, the best first."""
    kept: list[int] = []
    for each in np.argsort(-log_likelihood):
        if not usable[each] or (kept and log_likelihood[each] < log_likelihood[kept[0]] - RIVAL_WITHIN):
            continue
        apart = all(log_likelihood[other] - log_likelihood[each] > 10 * SAME_OPTIMUM for other in kept)
        if apart and len(kept) < MOST_RIVALS:
            kept.append(int(each))
    return kept
