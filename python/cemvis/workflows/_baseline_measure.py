"""What `cemvis baseline` measures of each map, and how maps belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity.pores import BAND_EDGES, band_shares, isodata_level, mean_porosity, pore_statistics
from cemvis.workflows._npm_maps import MapSet

if TYPE_CHECKING:
    import pandas as pd

BATCH = 16


@dataclass(frozen=True, eq=False)
class Measured:
    """Features of each map of a set.

    Attributes
    ----------
    maps : MapSet
    labels, regions, specimens : (n,) intp
    porosity : (n,) float64
    pore_size_um2 : (n,) float64
    bands : (n, 5) float64
        Shares of the pixels by porosity.
    pores : (n,) int64
    pore_threshold : float
        Of all maps.
    """

    maps: MapSet
    labels: NDArray[np.intp]
    regions: NDArray[np.intp]
    specimens: NDArray[np.intp]
    porosity: NDArray[np.float64]
    pore_size_um2: NDArray[np.float64]
    bands: NDArray[np.float64]
    pores: NDArray[np.int64]
    pore_threshold: float

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each map."""
        import pandas as pd

        names = [f"band_{low:g}_{high:g}" for low, high in pairwise(BAND_EDGES)]
        rows = [
            {
                "file": str(place.path),
                "class": place.class_name,
                "specimen": place.specimen,
                "region": place.region,
                "row_px": place.row_px,
                "column_px": place.column_px,
                "porosity": self.porosity[number],
                "pores": self.pores[number],
                "pore_size_um2": self.pore_size_um2[number],
                **dict(zip(names, self.bands[number], strict=True)),
            }
            for number, place in enumerate(self.maps.places)
        ]
        return pd.DataFrame(rows)


def measure(
    maps: MapSet,
    *,
    pore_threshold: float | None,
    area_weighted: bool,
    progress: Callable[[str, int, int], None] | None = None,
) -> Measured:
    """Measure porosity, bands and pores of each map, holding 16 maps in memory.

    Parameters
    ----------
    maps : MapSet
    pore_threshold : float, optional
        Porosity above which a pixel is pore; without it, ISODATA of all maps' levels together.
    area_weighted : bool
        Whether the pore size of a map is the mean over pore pixels instead of over pores.
    progress : callable, optional
    """
    many = len(maps)
    counts = np.zeros((many, 256), np.int64)
    for first in range(0, many, BATCH):
        batch = range(first, min(many, first + BATCH))
        for number, levels in zip(batch, maps.levels(batch), strict=True):
            counts[number] = np.bincount(levels.reshape(-1), minlength=256)
        if progress is not None:
            progress("measuring porosity", batch.stop, many)
    threshold = pore_threshold if pore_threshold is not None else isodata_level(counts.sum(axis=0)) / 255
    # A threshold of all pixels at the lowest or the highest level leaves no pores, whatever its exact value.
    usable = min(max(threshold, 1e-6), 1 - 1e-6)
    sizes, pores = np.zeros(many), np.zeros(many, np.int64)
    for first in range(0, many, BATCH):
        batch = range(first, min(many, first + BATCH))
        for number, levels in zip(batch, maps.levels(batch), strict=True):
            found = pore_statistics(levels, threshold=usable)
            sizes[number] = (found.area_weighted_px if area_weighted else found.mean_px) * maps.pixel_size_um**2
            pores[number] = found.pores
        if progress is not None:
            progress("measuring pores", batch.stop, many)
    return Measured(
        maps,
        maps.labels(),
        maps.regions(),
        maps.specimens(),
        np.array([mean_porosity(each) for each in counts]),
        sizes,
        np.array([band_shares(each) for each in counts]),
        pores,
        float(threshold),
    )


def least_groups(labels: NDArray[np.intp], groups: NDArray[np.intp]) -> int:
    """Return how many groups the class with the fewest has."""
    return min(np.unique(groups[labels == number]).size for number in np.unique(labels))
