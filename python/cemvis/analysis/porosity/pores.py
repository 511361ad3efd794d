"""What a nano-porosity map says in numbers: porosity, bands of porosity, and the sizes of pores.

A pore is a connected set (8 neighbours) of pixels whose equivalent porosity lies above a threshold. The threshold is
stated: a fixed porosity, or the one that ISODATA finds in each map. Pores at the map's edge are cut by it and count as
what is seen of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction, image_2d
from cemvis.errors import InputError

BAND_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the porosity bands; each holds its lower edge, the last one both."""
SIZE_EDGES_PX = tuple(float(2 ** (k / 2)) for k in range(25))
"""Equivalent diameters, 1 to 4096 px, that the pore-size distribution is counted between."""


@dataclass(frozen=True)
class PoreStatistics:
    """The pores of one map.

    Attributes
    ----------
    threshold : float
        Pixels above this porosity are pore.
    pores : int
    pore_share : float
        Of the map's area.
    mean_px, area_weighted_px, median_px, largest_px : float
        Area of a pore in px: the plain mean; the mean over pore pixels of the area of their pore; the median; the
        largest. 0 without pores.
    mean_diameter_px : float
        Mean diameter of the circles of the pores' areas.
    cut_share : float
        Of the pores' pixels: those of pores that touch the map's edge.
    size_counts : tuple of int
        Pores by equivalent diameter, between `SIZE_EDGES_PX`, the last one open.
    size_areas_px : tuple of int
        The same by their area.
    """

    threshold: float
    pores: int
    pore_share: float
    mean_px: float
    area_weighted_px: float
    median_px: float
    largest_px: float
    mean_diameter_px: float
    cut_share: float
    size_counts: tuple[int, ...]
    size_areas_px: tuple[int, ...]

    def to_json(self, pixel_size_um: float) -> dict[str, Any]:
        """Return it for a record, with areas in um2 and diameters in um beside px."""
        area = pixel_size_um**2
        return {
            "pore_threshold": self.threshold,
            "pores": self.pores,
            "pore_share": self.pore_share,
            "mean_pore_px": self.mean_px,
            "mean_pore_um2": self.mean_px * area,
            "area_weighted_pore_px": self.area_weighted_px,
            "area_weighted_pore_um2": self.area_weighted_px * area,
            "median_pore_px": self.median_px,
            "largest_pore_um2": self.largest_px * area,
            "mean_pore_diameter_um": self.mean_diameter_px * pixel_size_um,
            "diameter_of_mean_pore_um": 2 * float(np.sqrt(self.mean_px / np.pi)) * pixel_size_um,
            "cut_share": self.cut_share,
        }


def isodata_level(counts: NDArray[np.integer[Any]]) -> int:
    """Return the ISODATA threshold (Ridler and Calvard) of a histogram of levels: pixels above it are the upper class.

    It is the lowest level t for which the mean of the two classes' means lies in [t, t + 1). The iteration climbs to it
    from the lowest level in use: raising the threshold raises both means, so that no step can pass it.

    Parameters
    ----------
    counts : (levels,) integers

    Returns
    -------
    int
        Of one level in use: that level, so that nothing lies above.

    Raises
    ------
    InputError
        If there are no counts.

    References
    ----------
    T. W. Ridler, S. Calvard, Picture thresholding using an iterative selection method, IEEE Trans. Syst. Man Cybern. 8
    (1978) 630-632, doi:10.1109/TSMC.1978.4310039.

    Examples
    --------
    >>> isodata_level(np.bincount([10, 10, 200, 200]))
    105
    """
    counts = np.asarray(counts, np.int64)
    if counts.ndim != 1 or not counts.any():
        msg = (
            f"the histogram has shape {counts.shape} and {int(counts.sum())} pixels; wanted a row of counts, not all 0"
        )
        raise InputError(msg)
    weights: list[int] = np.cumsum(counts).tolist()
    sums: list[int] = np.cumsum(counts * np.arange(counts.size)).tolist()
    level = int(np.flatnonzero(counts)[0])
    while weights[level] < weights[-1]:
        below, above = weights[level], weights[-1] - weights[level]
        # floor((mean below + mean above) / 2) in whole numbers, so that no rounding decides.
        halfway = (sums[level] * above + (sums[-1] - sums[level]) * below) // (2 * below * above)
        if halfway == level:
            break
        level = halfway
    return level


def pore_areas(pores: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the areas in px of the connected sets (8 neighbours) of a mask, and which of them touch its edge.

    Parameters
    ----------
    pores : (rows, cols) bool

    Returns
    -------
    (pores,) int64 and (pores,) bool
    """
    from scipy.ndimage import label

    labels, count = label(pores, structure=np.ones((3, 3), int))
    areas = np.bincount(labels.reshape(-1), minlength=count + 1)[1:].astype(np.int64)
    cut = np.zeros(count + 1, bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        cut[edge] = True
    return areas, cut[1:]


def pore_statistics(levels: NDArray[np.uint8], *, threshold: float | None = None) -> PoreStatistics:
    """Return the pores of a map and their sizes.

    Parameters
    ----------
    levels : (rows, cols) uint8
        level = round(255 n).
    threshold : float, optional
        Porosity above which a pixel is pore; without it, ISODATA of this map's levels.

    Raises
    ------
    InputError
        If `levels` is no such map, or `threshold` not between 0 and 1.
    """
    image_2d(levels, name="levels", dtypes=("uint8",))
    if threshold is None:
        level = isodata_level(np.bincount(levels.reshape(-1), minlength=256))
        used = level / 255
    else:
        used = fraction(threshold, name="threshold")
        level = int(np.floor(255 * used + 1e-9))
    areas, cut = pore_areas(levels > level)
    total = int(areas.sum())
    diameters = 2 * np.sqrt(areas / np.pi)
    which = np.clip(np.searchsorted(SIZE_EDGES_PX, diameters, side="right") - 1, 0, None)
    return PoreStatistics(
        threshold=used,
        pores=int(areas.size),
        pore_share=total / levels.size,
        mean_px=total / areas.size if total else 0.0,
        area_weighted_px=float((areas.astype(np.float64) ** 2).sum() / total) if total else 0.0,
        median_px=float(np.median(areas)) if total else 0.0,
        largest_px=float(areas.max(initial=0)),
        mean_diameter_px=float(diameters.mean()) if total else 0.0,
        cut_share=float(areas[cut].sum() / total) if total else 0.0,
        size_counts=tuple(np.bincount(which, minlength=len(SIZE_EDGES_PX)).tolist()),
        size_areas_px=tuple(np.bincount(which, weights=areas, minlength=len(SIZE_EDGES_PX)).astype(int).tolist()),
    )


def mean_porosity(counts: NDArray[np.integer[Any]]) -> float:
    """Return the mean equivalent porosity of a histogram of 256 levels; 0 for an empty one."""
    total = int(counts.sum())
    return float((counts * np.arange(counts.size)).sum() / (255 * total)) if total else 0.0


def band_shares(counts: NDArray[np.integer[Any]]) -> tuple[float, ...]:
    """Return the shares of the pixels in the bands of porosity between `BAND_EDGES`, from a histogram of 256 levels.

    Examples
    --------
    >>> band_shares(np.bincount([0, 50, 51, 255], minlength=256))
    (0.5, 0.25, 0.0, 0.0, 0.25)
    """
    edges = np.rint(255 * np.array(BAND_EDGES)).astype(int)
    edges[-1] = 256
    total = max(1, int(counts.sum()))
    return tuple(float(counts[low:high].sum() / total) for low, high in pairwise(edges))
