"""Shapes of components: probability of an interval, its scores, and the maximising step of EM, for many fits at once.

Everything is ``(fits, components, intervals)``. Scores are derivatives of the log probability by location (in units
of the scale), by log scale and, for the skew normal, by its shape.

References
----------
McLachlan and Jones (1988), Biometrics 44, 571: EM for grouped data.
Basso et al. (2010), Comput. Stat. Data Anal. 54, 2926: EM for skew-normal mixtures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOG_2PI = float(np.log(2 * np.pi))
STEEPEST = 20.0  # largest absolute shape of a skew normal; beyond, it cannot be told from a half normal
NORMAL, SKEW_NORMAL = "normal", "skew-normal"
FAMILIES = (NORMAL, SKEW_NORMAL)


@dataclass
class Parameters:
    """Of many mixtures: ``(fits, components)`` fractions, locations, scales and shapes (0: normal)."""

    weight: Floats
    loc: Floats
    scale: Floats
    shape: Floats

    def __getitem__(self, chosen: Any) -> Parameters:
        return Parameters(self.weight[chosen], self.loc[chosen], self.scale[chosen], self.shape[chosen])

    def put(self, chosen: Any, other: Parameters) -> None:
        """Replace the fits that `chosen` marks."""
        self.weight[chosen], self.loc[chosen] = other.weight, other.loc
        self.scale[chosen], self.shape[chosen] = other.scale, other.shape

    def moments(self) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of each component."""
        delta = self.shape / np.sqrt(1 + self.shape**2)
        mean = self.loc + self.scale * delta * np.sqrt(2 / np.pi)
        return mean, self.scale * np.sqrt(1 - 2 * delta**2 / np.pi)

    def ordered(self) -> Parameters:
        """Return the same mixtures with their components in rising mean."""
        order = np.argsort(self.moments()[0], axis=1, kind="stable")
        return Parameters(*(np.take_along_axis(each, order, axis=1) for each in self._all()))

    def _all(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.weight, self.loc, self.scale, self.shape


@dataclass(frozen=True)
class Terms:
    """Log probability of each interval under each component, and its scores by location, log scale and shape."""

    log_p: Floats
    by_loc: Floats
    by_scale: Floats
    by_shape: Floats | None


def normal_terms(lower: Floats, upper: Floats, at: Parameters) -> Terms:
    """Return the terms of normal components, integrated over intervals; densities where an interval has no width."""
    loc, scale = at.loc[..., None], at.scale[..., None]
    middle = ((lower + upper) / 2 - loc) / scale
    wide = upper > lower
    with np.errstate(under="ignore"):
        if not wide.any():
            return Terms(-0.5 * middle**2 - np.log(scale) - LOG_2PI / 2, middle, middle**2 - 1, None)
        return _interval_terms((lower - loc) / scale, (upper - loc) / scale, middle, wide, scale)


def _interval_terms(low: Floats, high: Floats, middle: Floats, wide: NDArray[np.bool_], scale: Floats) -> Terms:
    from scipy.special import ndtr

    right = low > 0  # differences of small numbers are exact to rounding only in the left tail
    share = np.where(right, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    near, far = (np.exp(-0.5 * each**2) / np.sqrt(2 * np.pi) for each in (low, high))
    usable = wide & (share > 1e-200)
    share = np.where(usable, share, 1.0)
    first = np.where(usable, (near - far) / share, middle)
    second = np.where(usable, (low * near - high * far) / share, middle**2 - 1)
    width = np.where(wide, high - low, 1 / scale)
    log_p = np.where(usable, np.log(share), -0.5 * middle**2 - LOG_2PI / 2 + np.log(width))
    return Terms(log_p, first, second, None)


def skew_terms(lower: Floats, upper: Floats, at: Parameters, nodes: int = 1) -> Terms:
    """Return the terms of skew-normal components, integrated over intervals by a Gauss-Legendre rule of so many nodes.

    One node, the middle, is as good as any where intervals are narrow; where an interval has no width, it is a density.
    """
    x, share = _inside(lower, upper, nodes)
    z, ratio, log_p = _skew_densities(x, at)
    log_p = log_p + np.log(share)
    shape = at.shape[..., None, None]
    slope = z - shape * ratio
    by = (slope, z * slope - 1, ratio * z)
    if nodes == 1:
        return Terms(log_p[..., 0], *(each[..., 0] for each in by))
    top = log_p.max(axis=-1, keepdims=True)
    part = np.exp(log_p - top)
    total = part.sum(axis=-1, keepdims=True)
    part /= total
    return Terms((np.log(total) + top)[..., 0], *((part * each).sum(axis=-1) for each in by))


def _inside(lower: Floats, upper: Floats, nodes: int) -> tuple[Floats, Floats]:
    """Return places inside intervals and what each stands for, (m, nodes); a share of 1 where there is no width."""
    at, weight = np.polynomial.legendre.leggauss(nodes)
    half = (upper - lower)[:, None] / 2
    return (upper + lower)[:, None] / 2 + half * at, np.where(half > 0, half, 0.5) * weight


def _skew_densities(x: Floats, at: Parameters) -> tuple[Floats, Floats, Floats]:
    """Return standardised places, phi/Phi of the shape times those, and log densities, (fits, components, m, nodes)."""
    from scipy.special import log_ndtr

    scale, shape = at.scale[..., None, None], at.shape[..., None, None]
    z = (x - at.loc[..., None, None]) / scale
    log_cdf = log_ndtr(shape * z)
    ratio = np.exp(-0.5 * (shape * z) ** 2 - LOG_2PI / 2 - log_cdf)
    return z, ratio, np.log(2) - LOG_2PI / 2 - 0.5 * z**2 + log_cdf - np.log(scale)


def normal_step(at: Parameters, terms: Terms, mass: Floats, floor: float) -> Parameters:
    """Return locations and scales after a maximising step of EM; `mass` is count times posterior."""
    total = mass.sum(axis=2)
    some = total > 1e-8
    held = np.where(some, total, 1.0)
    shift = (mass * terms.by_loc).sum(axis=2) / held
    square = 1 + (mass * terms.by_scale).sum(axis=2) / held
    loc = np.where(some, at.loc + at.scale * shift, at.loc)
    scale = np.where(some, at.scale * np.sqrt(np.maximum(square - shift**2, 0.0)), at.scale)
    return Parameters(at.weight, loc, np.maximum(scale, floor), at.shape)


def skew_step(lower: Floats, upper: Floats, at: Parameters, mass: Floats, floor: float, nodes: int = 1) -> Parameters:
    """Return locations, scales and shapes of skew normals after a conditional maximising step of EM."""
    delta = at.shape / np.sqrt(1 + at.shape**2)
    pull, rest = at.scale * delta, at.scale**2 * (1 - delta**2)
    places, share = _inside(lower, upper, nodes)
    z, ratio, log_p = _skew_densities(places, at)
    if nodes > 1:
        log_p = log_p + np.log(share)
        part = np.exp(log_p - log_p.max(axis=-1, keepdims=True))
        mass = (mass[..., None] * part / part.sum(axis=-1, keepdims=True)).reshape(*mass.shape[:2], -1)
    x = places.ravel()
    z, ratio = (each.reshape(*each.shape[:2], -1) for each in (z, ratio))
    part = delta[..., None] * z
    root = np.sqrt(rest / at.scale**2)[..., None]
    one = part + root * ratio
    two = part**2 + root**2 + part * root * ratio
    total = mass.sum(axis=2)
    some = total > 1e-8
    held = np.where(some, total, 1.0)
    loc = (mass * (x - pull[..., None] * one)).sum(axis=2) / held
    away = x - loc[..., None]
    pull = (mass * away * one).sum(axis=2) / np.maximum((mass * two).sum(axis=2), 1e-300)
    rest = (mass * (away**2 - 2 * away * pull[..., None] * one + pull[..., None] ** 2 * two)).sum(axis=2) / held
    rest = np.maximum(rest, floor**2)
    scale = np.sqrt(rest + pull**2)
    shape = np.clip(pull / np.sqrt(rest), -STEEPEST, STEEPEST)
    return Parameters(
        at.weight, np.where(some, loc, at.loc), np.where(some, scale, at.scale), np.where(some, shape, at.shape)
    )
