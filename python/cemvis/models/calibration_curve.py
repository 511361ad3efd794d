"""How far a classifier's probabilities can be believed: reliability, calibration error, temperature scaling.

References
----------
.. [1] Guo, Pleiss, Sun, Weinberger, On calibration of modern neural networks, ICML 2017, doi:10.48550/arXiv.1706.04599
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

BINS = 10
_COLDEST, _HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy, by bins of equal width.

    The confidence of a map is the highest of its class probabilities.

    Attributes
    ----------
    edges : tuple of float
        Of the bins, from 0 to 1.
    count : tuple of int
        Maps in each bin; a bin holds its upper edge.
    confidence, accuracy : tuple of float or None
        Mean confidence and share of right answers in each bin, None where it is empty.
    expected_error : float
        Mean over the maps of |accuracy - confidence| of their bin (ECE [1]_): 0 is perfect. It is biased upwards where
        bins hold few maps.

    References
    ----------
    .. [1] Guo et al. 2017, doi:10.48550/arXiv.1706.04599
    """

    edges: tuple[float, ...]
    count: tuple[int, ...]
    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    expected_error: float

    def to_json(self) -> dict[str, Any]:
        """Return the curve, JSON-ready."""
        return asdict(self)


def probabilities(scores: Floats, *, temperature: float = 1.0) -> Floats:
    """Return class probabilities, (n, classes), each row adding up to 1: the softmax of scores / temperature.

    Raises
    ------
    InputError
        If a score is not finite.
    """
    scaled = np.asarray(scores, dtype=np.float64) / temperature
    if not np.isfinite(scaled).all():
        msg = "the classifier's scores are not finite; wanted a model whose numbers make sense"
        raise InputError(msg)
    weight = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found: Floats = weight / weight.sum(axis=1, keepdims=True)
    return found


def reliability(probability: Floats, labels: Labels, *, bins: int = BINS) -> Reliability:
    """Return how often the most probable class is right, by how probable it was said to be.

    Parameters
    ----------
    probability : (n, classes) float64
    labels : (n,) int
    bins : int
    """
    _check(probability, labels)
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == labels
    at = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(at, minlength=bins)
    sums = np.bincount(at, confidence, bins), np.bincount(at, right, bins)
    means = [[float(s / n) if n else None for s, n in zip(each, count, strict=True)] for each in sums]
    gap = float(np.abs(sums[0] - sums[1]).sum() / len(labels))
    edges = tuple(float(edge) for edge in np.linspace(0.0, 1.0, bins + 1))
    return Reliability(edges, tuple(map(int, count)), tuple(means[0]), tuple(means[1]), gap)


def negative_log_likelihood(scores: Floats, labels: Labels, *, temperature: float = 1.0) -> float:
    """Return the mean of -ln(probability of the true class)."""
    _check(scores, labels)
    scaled = np.asarray(scores, dtype=np.float64) / temperature
    highest = scaled.max(axis=1)
    total = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
    return float(np.mean(total - scaled[np.arange(len(labels)), labels]))


def fitted_temperature(scores: Floats, labels: Labels) -> float:
    """Return the temperature that makes the true classes of held-out maps most likely, from 0.05 to 20.

    One number: it makes probabilities bolder or more careful and leaves every answer as it is. Where every answer is
    right, the likelihood alone would want certainty; a prior on ln(temperature), normal around 0 with standard
    deviation 1, keeps a few right answers from ending there.

    Parameters
    ----------
    scores : (n, classes) float64
        Of maps that were not trained on.
    labels : (n,) int
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(scores, labels, temperature=float(np.exp(log_temperature)))

    bounds = (float(np.log(_COLDEST)), float(np.log(_HOTTEST)))
    found = minimize_scalar(lambda t: loss(t) + 0.5 * t**2 / len(labels), bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def _check(values: Floats, labels: Labels) -> None:
    if values.ndim != 2 or len(values) != len(labels) or len(labels) == 0 or not np.isfinite(values).all():
        msg = f"values of shape {values.shape} for {len(labels)} labels; wanted finite (n, classes), one row a label"
        raise InputError(msg)
