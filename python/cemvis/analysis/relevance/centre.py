"""How much relevance leans to the middle of the image, whatever the image shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.relevance.regions import stack_of

if TYPE_CHECKING:
    from pandas import DataFrame

RINGS = 12


@dataclass(frozen=True, eq=False)
class CentreBias:
    """Mean relevance by distance from the middle of the map, over several maps.

    Attributes
    ----------
    distance : (rings,) float64
        Outer edge of each ring: 0 is the middle, 1 the edge.
    density : (rings,) float64
        Relevance per px over its mean: 1 everywhere would be no bias.
    share_inside_half : float
        Relevance within half the way to the edges, over its share of the area: 1 would be no bias.
    """

    distance: NDArray[np.float64]
    density: NDArray[np.float64]
    share_inside_half: float

    def to_frame(self) -> DataFrame:
        """Return a row for each ring."""
        import pandas as pd

        return pd.DataFrame({"distance": self.distance, "density": self.density})


def centre_bias(relevance: NDArray[np.floating]) -> CentreBias:
    """Return how the mean of several maps, each of relevance 1, depends on the distance from the middle.

    Distances are those of squares (the larger of both ways), so that every ring up to the edge is whole. Negative
    relevance counts as 0; maps without relevance are left out.

    Parameters
    ----------
    relevance : (rows, cols) or (n, rows, cols) float

    Raises
    ------
    InputError
    """
    maps = np.maximum(stack_of(relevance), 0.0)
    total = maps.sum(axis=(1, 2))
    maps = maps[total > 0] / total[total > 0, np.newaxis, np.newaxis]
    rows, cols = relevance.shape[-2:]
    mean = maps.mean(axis=0) if len(maps) else np.full((rows, cols), 1.0 / (rows * cols))
    down, across = (np.abs(2 * np.arange(side) + 1 - side) / side for side in (rows, cols))
    away = np.maximum(down[:, np.newaxis], across)
    ring = np.minimum((away * RINGS).astype(np.intp), RINGS - 1).ravel()
    area = np.bincount(ring, minlength=RINGS)
    held = np.bincount(ring, weights=mean.ravel(), minlength=RINGS)
    density = np.divide(held * rows * cols, area, out=np.full(RINGS, np.nan), where=area > 0)
    inside = away < 0.5
    share = float(mean[inside].sum() / inside.mean()) if inside.any() else 1.0
    return CentreBias((np.arange(RINGS) + 1) / RINGS, density, share)
