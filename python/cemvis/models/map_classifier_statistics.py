"""Numbers of a nano-porosity map that need no network: porosity, its spread, and how levels differ over distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.kernels.two_point import difference_counts
from cemvis.models.map_examples import Indices, Levels

DISTANCES_PX = (1, 2, 4, 8, 16)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STATISTICS = (
    "porosity",
    "porosity_sd",
    *(f"porosity_q{round(100 * q):02d}" for q in QUANTILES),
    *(f"{what}_r{r}" for r in DISTANCES_PX for what in ("difference", "square", "equal")),
)
"""Names of the statistics in their order. Those of r: mean |dn| and mean dn^2 of the pairs of pixels r px apart, and
the share of pairs of equal level, from the two-point counts of all directions."""


def map_statistics(
    levels: Levels, indices: Indices, *, threads: int | None = None, batch: int = 16
) -> NDArray[np.float64]:
    """Return the `STATISTICS` of maps, (n, len(STATISTICS)) float64; `batch` maps in memory at a time.

    None of them changes when a map is turned or mirrored, up to the two directions of a half plane that a diagonal
    distance rounds alike.
    """
    rows = []
    for begin in range(0, len(indices), batch):
        rows += [_of(one, threads) for one in levels(indices[begin : begin + batch])]
    return np.array(rows, dtype=np.float64).reshape(len(indices), len(STATISTICS))


def _of(image: NDArray[np.uint8], threads: int | None) -> list[float]:
    if min(image.shape) <= DISTANCES_PX[-1]:
        msg = f"the map is {image.shape[0]} x {image.shape[1]} px; wanted more than {DISTANCES_PX[-1]} px along an edge"
        raise InputError(msg)
    porosity = image / 255.0
    found = [float(porosity.mean()), float(porosity.std()), *map(float, np.quantile(porosity, QUANTILES))]
    counted = difference_counts(image, r_max=DISTANCES_PX[-1], threads=threads)
    step = np.arange(counted.levels) / 255.0
    for r in DISTANCES_PX:
        share = counted.counts[r] / counted.pairs[r]
        found += [float(share @ step), float(share @ step**2), float(share[0])]
    return found
