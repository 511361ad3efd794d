"""Classical learners on features of maps: random forest, support vectors, nearest neighbours.

A fitted learner is kept as its training features and settings and fitted again when it is read: the same seed gives the
same learner, and nothing of a model file has to be executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

FOREST, SVM, KNN = "forest", "svm", "knn"
LEARNERS: Mapping[str, Mapping[str, Any]] = {
    FOREST: {"n_estimators": 300, "min_samples_leaf": 2},
    SVM: {"C": 10.0},
    KNN: {"n_neighbors": 5},
}
"""The learners' settings, as scikit-learn names them. Classes weigh alike in the forest and the support vectors (a
Gaussian kernel as wide as the standardised features ask for); neighbours cannot be weighted by class."""


class Learner:
    """A classical learner of `LEARNERS`, fitted to features that are first standardised.

    Parameters
    ----------
    kind : {"forest", "svm", "knn"}
    features : (n, width) float64
    labels : (n,) int
        Each class at least once.
    seed : int
        Of the forest.

    Raises
    ------
    InputError
        If the kind is unknown, or the features are not finite.
    """

    def __init__(self, kind: str, features: Floats, labels: Labels, *, seed: int) -> None:
        if kind not in LEARNERS:
            msg = f"learner {kind!r} is unknown; wanted one of {', '.join(LEARNERS)}"
            raise InputError(msg)
        if features.ndim != 2 or len(features) != len(labels) or not np.isfinite(features).all():
            msg = f"features of shape {features.shape} for {len(labels)} maps; wanted finite (maps, width)"
            raise InputError(msg)
        self.kind, self.features, self.labels, self.seed = kind, features, labels, seed
        self.classes = int(labels.max()) + 1
        if len(np.unique(labels)) != self.classes or self.classes < 2:
            msg = (
                f"the maps to learn from are of {len(np.unique(labels))} classes; wanted two or more, and each of them"
            )
            raise InputError(msg)
        self._mean = features.mean(axis=0)
        sd = features.std(axis=0)
        # A feature that never varies says nothing, whatever rounding leaves of its deviation.
        self._scale = np.where(sd > 1e-12 * (1.0 + np.abs(self._mean)), sd, np.inf)
        self._fitted = self._estimator().fit(self._standard(features), labels)

    def scores(self, features: Floats) -> Floats:
        """Return scores, (n, classes), whose softmax is the learner's probabilities as it gives them.

        Of forest and neighbours: the logarithm of votes, with half a vote more for each class. Of the support vectors:
        distances from the borders, which temperature scaling turns into probabilities.
        """
        given = self._standard(np.asarray(features, dtype=np.float64))
        if self.kind == SVM:
            distance = self._fitted.decision_function(given)
            found = np.stack([-distance, distance], axis=1) / 2 if self.classes == 2 else distance
            return np.asarray(found, dtype=np.float64)
        votes = self._fitted.n_estimators if self.kind == FOREST else self._fitted.n_neighbors
        share = np.asarray(self._fitted.predict_proba(given), dtype=np.float64)
        found_scores: Floats = np.log((share * votes + 0.5) / (votes + 0.5 * self.classes))
        return found_scores

    def _standard(self, features: Floats) -> Floats:
        found: Floats = (features - self._mean) / self._scale
        return found

    def _estimator(self) -> Any:
        settings = dict(LEARNERS[self.kind])
        if self.kind == FOREST:
            from sklearn.ensemble import RandomForestClassifier

            return RandomForestClassifier(class_weight="balanced", random_state=self.seed, **settings)
        if self.kind == SVM:
            from sklearn.svm import SVC

            return SVC(kernel="rbf", gamma="scale", class_weight="balanced", decision_function_shape="ovr", **settings)
        from sklearn.neighbors import KNeighborsClassifier

        settings["n_neighbors"] = min(settings["n_neighbors"], len(self.features))
        return KNeighborsClassifier(**settings)
