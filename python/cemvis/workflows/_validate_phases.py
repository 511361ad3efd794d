"""Which phase the cells of a map stand on, from an image of the true phases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.kernels.specimen import Phase

Floats = NDArray[np.float64]

CLINKER = (Phase.ALITE, Phase.BELITE, Phase.ALUMINATE, Phase.FERRITE)
GROUPS = {
    "pore": (Phase.PORE,),
    "LD-CSH": (Phase.LD_CSH,),
    "HD-CSH": (Phase.HD_CSH,),
    "CH": (Phase.CH,),
    "clinker": CLINKER,
}
PHASE_NAMES = (*GROUPS, "mixed")
PURE = 0.6  # a cell is of a phase that so much of the surface around its centre shows
FELT_UM = 2.3 * math.sqrt(math.pi)  # edge of the square as large as the circle with 63 % of the elastic response


class Strips:
    """Rows of a raster, read in whole tiles and kept until others are wanted."""

    def __init__(self, raster: Any) -> None:
        self._raster, self._high = raster, int(raster.chunks[0])
        self._first, self._rows = 0, np.zeros((0, raster.shape[1]), np.uint8)
        self.shape = raster.shape

    def read(self, first: int, last: int) -> NDArray[np.uint8]:
        """Return the rows `first` to `last` (left out)."""
        if first < self._first or last > self._first + len(self._rows):
            begin = first // self._high * self._high
            end = min(self.shape[0], -(-last // self._high) * self._high)
            self._first, self._rows = begin, np.asarray(self._raster[begin:end])
        return self._rows[first - self._first : last - self._first]


def phases_at(strips: Strips, x_um: Floats, y_um: float, *, pixel_um: float) -> NDArray[np.intp]:
    """Return which of `PHASE_NAMES` the surface around each (n,) x at one y is of.

    It is the phase that shows on 60 % or more of a square of 4.1 um around the place, cut at the image's border.
    """
    half = FELT_UM / 2
    rows, cols = strips.shape

    def pixels(at: Floats, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        first = np.clip(np.rint((at - half) / pixel_um).astype(np.intp), 0, most - 1)
        last = np.clip(np.rint((at + half) / pixel_um).astype(np.intp), 0, most - 1)
        return first, last + 1

    top, bottom = (int(each[0]) for each in pixels(np.array([y_um]), rows))
    left, right = pixels(x_um, cols)
    strip = strips.read(top, bottom)
    area = (bottom - top) * (right - left)
    shares = []
    for phases in GROUPS.values():
        along = np.concatenate([[0], np.cumsum(np.isin(strip, phases).sum(axis=0))])
        shares.append((along[right] - along[left]) / area)
    most = np.argmax(shares, axis=0)
    return np.where(np.max(shares, axis=0) >= PURE, most, len(PHASE_NAMES) - 1)
