"""Groove-like features of relevance: where it changes steeply from pixel to pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction, positive
from cemvis.analysis.relevance.regions import Mask, stack_of
from cemvis.errors import InputError

THRESHOLD_PER_PX = 1.5e-5
"""The paper's; it does not say of which scale of relevance. Here a map's relevance adds up to 1."""


def relevance_gradient(relevance: NDArray[np.floating], *, normalise: bool = True) -> NDArray[np.float64]:
    """Return the magnitude of the gradient of relevance, per px.

    By central differences, at the map's edge by one-sided ones.

    Parameters
    ----------
    relevance : (rows, cols) or (n, rows, cols) float
        At least 2 x 2 px.
    normalise : bool
        Whether each map is first divided by the sum of its magnitudes: relevance adds up to a score, so that the
        gradient of a map goes with how sure the network was. A map of zeros stays one.

    Returns
    -------
    (rows, cols) or (n, rows, cols) float64

    Raises
    ------
    InputError
    """
    maps = stack_of(relevance)
    if min(maps.shape[1:]) < 2:
        msg = f"relevance has shape {relevance.shape}; wanted at least 2 px each way for a gradient"
        raise InputError(msg)
    if normalise:
        total = np.abs(maps).sum(axis=(1, 2), keepdims=True)
        maps = np.divide(maps, total, out=np.zeros_like(maps), where=total > 0)
    down, across = np.gradient(maps, axis=(1, 2))
    steep: NDArray[np.float64] = np.hypot(down, across)
    return steep.reshape(relevance.shape)


def boundary_features(
    relevance: NDArray[np.floating],
    threshold_per_px: float = THRESHOLD_PER_PX,
    *,
    quantile: float | None = None,
    normalise: bool = True,
) -> Mask:
    """Return where the gradient of relevance is steeper than a threshold.

    Parameters
    ----------
    relevance : (rows, cols) or (n, rows, cols) float
    threshold_per_px : float
        Of `relevance_gradient`; not used if there is a `quantile`.
    quantile : float, optional
        Take this quantile of each map's gradient for the threshold: the same area in each map, whatever the scale.
    normalise : bool
        See `relevance_gradient`.

    Returns
    -------
    (rows, cols) or (n, rows, cols) bool

    Raises
    ------
    InputError
    """
    steep = relevance_gradient(relevance, normalise=normalise)
    if quantile is None:
        return np.asarray(steep > positive(threshold_per_px, name="threshold_per_px"))
    limits = np.quantile(steep, fraction(quantile, name="quantile"), axis=(-2, -1), keepdims=True)
    return np.asarray(steep > limits)
