"""Where most of the relevance is: characteristic regions, and their shares in low and high porosity."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction
from cemvis.analysis.relevance.isodata import isodata_threshold
from cemvis.errors import InputError

SHARE = 0.7
"""Of the relevance, in the paper's characteristic regions."""

Mask = NDArray[np.bool_]


def characteristic_regions(relevance: NDArray[np.floating], share: float = SHARE) -> Mask:
    """Return the fewest pixels that hold `share` of all relevance of a map.

    Pixels are taken in falling relevance, of equals the one further up, then further left first, until their sum
    reaches the share: the same map gives the same pixels anywhere. Negative relevance speaks against the class; it
    counts as 0.

    Parameters
    ----------
    relevance : (rows, cols) or (n, rows, cols) float
        Several maps are taken one by one.
    share : float
        Between 0 and 1.

    Returns
    -------
    (rows, cols) or (n, rows, cols) bool
        Empty for a map without relevance.

    Raises
    ------
    InputError
    """
    share = fraction(share, name="share")
    maps = stack_of(relevance)
    found = np.zeros(maps.shape, bool)
    for mask, one in zip(found, maps, strict=True):
        flat = np.maximum(one.ravel(), 0.0)
        order = np.argsort(-flat, kind="stable")
        running = np.cumsum(flat[order])
        if running[-1] > 0:
            count = int(np.searchsorted(running, share * running[-1])) + 1
            mask.ravel()[order[:count]] = True
    return found if relevance.ndim == 3 else found[0]


def stack_of(relevance: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return one map or several as (n, rows, cols) float64; raises `InputError` unless they are finite."""
    if relevance.ndim not in (2, 3) or relevance.size == 0 or relevance.dtype.kind != "f":
        msg = f"relevance is {relevance.dtype} of shape {relevance.shape}; wanted float (rows, cols) or (n, rows, cols)"
        raise InputError(msg)
    if not np.isfinite(relevance).all():
        msg = "relevance holds numbers that are not finite; leave those maps out"
        raise InputError(msg)
    return relevance.reshape(-1, *relevance.shape[-2:]).astype(np.float64)


@dataclass(frozen=True)
class RegionShares:
    """What of a map its characteristic regions are; areas as shares of the map's.

    Attributes
    ----------
    threshold : int
        ISODATA's, of the levels: low porosity is up to it, high porosity above it.
    area : float
        Of the characteristic regions.
    low_porosity, high_porosity : float
        Of the map, `low_porosity` + `high_porosity` = 1.
    area_low, area_high : float
        Of the characteristic regions in low and in high porosity, together `area`.
    relevance_low, relevance_high : float
        Shares of the map's positive relevance in low and in high porosity; 0 for a map without any.
    """

    threshold: int
    area: float
    low_porosity: float
    high_porosity: float
    area_low: float
    area_high: float
    relevance_low: float
    relevance_high: float

    def to_json(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


def region_shares(
    levels: NDArray[np.uint8], relevance: NDArray[np.floating], regions: Mask, *, threshold: int | None = None
) -> RegionShares:
    """Return the area and the relevance of regions in low and high porosity of one map.

    Parameters
    ----------
    levels : (rows, cols) uint8
    relevance : (rows, cols) float
    regions : (rows, cols) bool
    threshold : int, optional
        By default ISODATA's of these levels.

    Raises
    ------
    InputError
        If shapes differ.
    """
    if not levels.shape == relevance.shape == regions.shape or levels.ndim != 2:
        msg = f"levels {levels.shape}, relevance {relevance.shape} and regions {regions.shape}; wanted one (rows, cols)"
        raise InputError(msg)
    threshold = isodata_threshold(levels) if threshold is None else threshold
    high = levels > threshold
    positive = np.maximum(relevance.astype(np.float64), 0.0)
    total = float(positive.sum()) or 1.0
    return RegionShares(
        threshold,
        float(regions.mean()),
        float(1.0 - high.mean()),
        float(high.mean()),
        float((regions & ~high).mean()),
        float((regions & high).mean()),
        float(positive[~high].sum()) / total,
        float(positive[high].sum()) / total,
    )
