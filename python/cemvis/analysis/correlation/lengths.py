"""Lengths that the reduced two-point correlation has, and the boundary of phases by its slope at the origin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.correlation.two_point import pair_probabilities, probabilities, ring_moments
from cemvis.kernels.two_point import DifferenceCounts, PairCounts

Floats = NDArray[np.float64]

PLATEAU_FROM = 0.75
TOLERANCE = 0.05
SLOPE_RINGS = 3
FLATNESS = 0.2  # of the tolerance: what the plateau itself may change


def plateau_start(r_max: int) -> int:
    """Return the first ring of the plateau: the outer quarter of the rings."""
    return math.ceil(PLATEAU_FROM * r_max)


def plateau(counts: DifferenceCounts) -> Floats:
    """Return the probabilities of the differences over all pairs of the plateau's rings, (levels,)."""
    outer = counts.counts[plateau_start(counts.r_max) :].sum(axis=0)
    with np.errstate(invalid="ignore"):
        shares: Floats = outer / np.float64(outer.sum())
    return shares


def change(shares: Floats, outer: Floats) -> Floats:
    """Return how far the distribution of differences at r is from the plateau's, 1 at r = 0.

    Half the sum over dn of ``|P(dn | r) - P(dn | plateau)|``, the total variation distance, over what it is at r = 0,
    where all pairs have dn = 0: ``1 - P(0 | plateau)``. Of two phases it is the absolute value of the normalised
    covariance ``(S2(r) - S2(plateau)) / (S2(0) - S2(plateau))``.

    Parameters
    ----------
    shares : (..., levels) float64
        Of each ring.
    outer : (levels,) or of a shape that broadcasts, float64
        Of the plateau. If no pair differs there the change is 0.
    """
    whole = 1 - outer[..., 0]
    distance = 0.5 * np.abs(shares - outer).sum(axis=-1)
    share: Floats = np.divide(distance, whole, out=np.zeros_like(distance), where=(whole > 0) & np.isfinite(distance))
    return share


def drift(first: Floats, last: Floats, outer: Floats) -> Floats:
    """Return the `change` from the first to the last ring of the plateau, 0 if it is flat.

    Parameters
    ----------
    first, last, outer : (..., levels) float64
        Probabilities in these rings, and of the whole plateau.
    """
    return change(first - last + outer, outer)


def correlation_length(
    changes: Floats, noise: Floats | float, *, tolerance: float = TOLERANCE, drifted: float = 0.0
) -> int | None:
    """Return the ring from which on D[r, .] does not change any more, in px.

    The first r from which on all rings have a `change` of at most `tolerance`, or of what sampling noise explains.

    Parameters
    ----------
    changes : (r_max + 1,) float64
    noise : (r_max + 1,) float64 or float
    tolerance : float
        As a share of the change from r = 0 to the plateau.
    drifted : float
        The plateau's `drift`. It is no plateau if that is beyond a fifth of the tolerance and beyond noise. Of an
        exponential decay, a fifth of 5 % lets r_max be no less than 5.8 decay lengths, and the length is 3 of them.

    Returns
    -------
    int or None
        None if that r is not below the plateau, or there is none: the length is not below 3/4 of r_max, or beyond it.

    Examples
    --------
    >>> correlation_length(np.array([1, 0.5, 0.01, 0.2, 0.04, 0, 0, 0, 0]), 0.0)
    4
    """
    bounds = np.broadcast_to(noise, changes.shape)
    start = plateau_start(len(changes) - 1)
    if drifted > max(FLATNESS * tolerance, float(bounds[start] + bounds[-1])):
        return None
    above = np.flatnonzero(changes > np.maximum(tolerance, bounds))
    first = int(above.max(initial=-1)) + 1
    return first if first < start else None


def least_noise(counts: DifferenceCounts) -> Floats:
    """Return what `change` has from sampling at least, (r_max + 1,): that of pairs of independent pixels.

    A share p of n pairs is off by sqrt(2 p (1 - p) / (pi n)) on average; half the sum over the differences, times 2.5,
    which 1 of 80 normal deviations exceeds. Pixels that are alike have more: it stands in where there are no bands.
    """
    shares, whole = np.nan_to_num(probabilities(counts)), 1 - plateau(counts)[0]
    pairs = np.maximum(counts.pairs, 1).astype(np.float64)
    usual = 0.5 * np.sqrt(2 / (np.pi * pairs)) * np.sqrt(shares * (1 - shares)).sum(axis=1)
    noise: Floats = np.where(whole > 0, 2.5 * usual / max(whole, 1e-300), 0.0)
    return noise


def characteristic_length(same: Floats) -> int:
    """Return the first ring r >= 1 at which two pixels are least likely to have the same level, in px."""
    inner = np.where(np.isfinite(same), same, np.inf)[1:]
    return 1 + int(inner.argmin()) if inner.size else 0


def slope_weights(r_max: int) -> Floats:
    """Return weights whose sum over rings 1, 2 and 3 with a structure function is its slope at r = 0.

    A structure function is ``a |h| - b |h|^2`` near the origin; a is fitted by least squares to its means over the
    rings, for which the means of |h| and |h|^2 over the displacements of each ring are taken (1.207 px, not 1 px, in
    ring 1). So pixels are taken as samples at points, at whose distances the function is exact; what is left out is of
    the order of |h|^3. With one ring only, b is 0.
    """
    rings = min(SLOPE_RINGS, r_max)
    first, second = (moments[1 : rings + 1] for moments in ring_moments(rings))
    design = np.stack([first, -second], axis=1) if rings > 1 else first[:, None]
    weights: Floats = np.linalg.pinv(design)[0]
    return weights


def boundary_slopes(counts: PairCounts) -> Floats:
    """Return the slope ``-S2'(0)`` of each phase in 1/px, (phases,).

    By the pairs with one pixel in the phase and one outside: half their share is ``S2(0) - S2(r)`` free of the
    image's edge.

    Parameters
    ----------
    counts : PairCounts
        Of phases in one image.

    Notes
    -----
    Of an isotropic structure the boundary's length over the area of the section is pi times the slope, and the surface
    over the volume of the solid that was cut is 4 times it [1]_.

    References
    ----------
    .. [1] S. Torquato, Random Heterogeneous Materials, Springer (2002), section 2.2.5.
       https://doi.org/10.1007/978-1-4757-6355-3
    """
    weights = slope_weights(counts.r_max)
    pairs = pair_probabilities(_few_rings(counts, len(weights)))
    structure = pairs.sum(axis=2) - np.einsum("rii->ri", pairs)
    slopes: Floats = weights @ np.nan_to_num(structure[1:])
    return slopes


def _few_rings(counts: PairCounts, rings: int) -> PairCounts:
    return PairCounts(
        counts.counts[: rings + 1], counts.pairs[: rings + 1], counts.levels, counts.ordered, counts.algorithm
    )
