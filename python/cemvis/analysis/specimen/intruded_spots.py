"""Where a virtual specimen is modified: Poisson spots in C-S-H, and how much at each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.specimen.intruded_recipes import (
    MOST_DENSITY_PER_UM2,
    MOST_RADIUS_UM,
    RADIUS_SPREAD,
    Modification,
)
from cemvis.kernels.specimen import Phase

#: A spot fades out over this width. A hard edge would be sharper than anything else in the image and give it away.
EDGE_UM = 0.2
BORDER_UM = (1 + RADIUS_SPREAD) * MOST_RADIUS_UM + EDGE_UM


@dataclass(frozen=True)
class Spots:
    """Discs; x, y and radius in um, from the centre of the region's top-left pixel.

    Attributes
    ----------
    xy_um
        (n, 2) float64; a spot whose centre lies beyond the edge may reach in.
    radius_um
        (n,) float64.
    """

    xy_um: NDArray[np.float64]
    radius_um: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.radius_um)


def scatter_spots(
    rng: np.random.Generator,
    phases: NDArray[np.uint8],
    modification: Modification,
    *,
    margin_px: int,
    pixel_size_um: float,
) -> Spots:
    """Return the spots of a region: a Poisson process, thinned to the wanted density and to centres in C-S-H.

    A spot's place, its rank and its relative radius do not depend on the modification: with the same `rng`, a sparser
    one has some of a denser one's spots, in the same places.

    Parameters
    ----------
    rng
        Of this region's spots.
    phases
        (rows, cols) uint8 as in `Phase`, of the region with a margin; beyond it the phase at its edge goes on.
    modification
        Density and radius.
    margin_px, pixel_size_um
        Of `phases`.
    """
    height_um, width_um = ((edge - 2 * margin_px) * pixel_size_um for edge in phases.shape)
    low, high = (-BORDER_UM, -BORDER_UM), (width_um + BORDER_UM, height_um + BORDER_UM)
    area_um2 = (high[0] - low[0]) * (high[1] - low[1])
    count = int(rng.poisson(MOST_DENSITY_PER_UM2 * area_um2))
    xy_um = rng.uniform(low, high, size=(count, 2))
    rank, spread = rng.random(count), rng.uniform(-RADIUS_SPREAD, RADIUS_SPREAD, size=count)
    if modification.is_null:
        return Spots(np.empty((0, 2)), np.empty(0))
    place = np.rint(xy_um / pixel_size_um).astype(np.intp) + margin_px
    rows, cols = (np.clip(place[:, axis], 0, phases.shape[1 - axis] - 1) for axis in (1, 0))
    in_csh = np.isin(phases[rows, cols], (Phase.LD_CSH, Phase.HD_CSH))
    kept = in_csh & (rank < modification.density_per_um2 / MOST_DENSITY_PER_UM2)
    return Spots(xy_um[kept], modification.radius_um * (1 + spread[kept]))


def spot_profile(spots: Spots, shape: tuple[int, int], *, pixel_size_um: float) -> NDArray[np.float32]:
    """Return how far inside a spot each pixel is: 1 within, 0 outside, smooth between; the largest where they overlap.

    Returns
    -------
    (rows, cols) float32
    """
    profile = np.zeros(shape, np.float32)
    edge_px = EDGE_UM / pixel_size_um
    for (x, y), radius in zip(spots.xy_um / pixel_size_um, spots.radius_um / pixel_size_um, strict=True):
        reach = radius + edge_px / 2
        top, bottom = _ends(y, reach, shape[0])
        left, right = _ends(x, reach, shape[1])
        if top >= bottom or left >= right:
            continue
        distance = np.hypot(np.arange(top, bottom)[:, None] - y, np.arange(left, right)[None, :] - x)
        inside = np.clip((reach - distance) / edge_px, 0, 1)
        box = profile[top:bottom, left:right]
        np.maximum(box, (inside * inside * (3 - 2 * inside)).astype(np.float32), out=box)
    return profile


def _ends(centre: float, reach: float, edge: int) -> tuple[int, int]:
    return max(0, int(np.ceil(centre - reach))), min(edge, int(np.floor(centre + reach)) + 1)
