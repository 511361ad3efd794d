"""A micrograph at a whole-numbered fraction of its resolution, read by window."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cemvis.images.micrograph import Micrograph
from cemvis.kernels.tiling import window_sums_grid

_BAND_BYTES = 1 << 26


class Level:
    """A micrograph of which each `factor` x `factor` px are one: their mean.

    Pixel i of the level has its centre at ``factor * i + (factor - 1) / 2`` px of the micrograph; rows and columns
    that do not make a whole pixel at the lower and right edges are left out.
    """

    def __init__(self, image: Micrograph, factor: int) -> None:
        self.image = image
        self.factor = factor
        self.shape: tuple[int, int] = (image.shape[0] // factor, image.shape[1] // factor)
        self._held: NDArray[np.float32] | None = None

    def hold(self, *, threads: int = 1) -> Level:
        """Read the whole level into memory, by bands of the micrograph; it should be small. Return it."""
        self._held = self.banded(0, 0, *self.shape, threads=threads)
        return self

    def banded(self, row: int, col: int, rows: int, cols: int, *, threads: int = 1) -> NDArray[np.float32]:
        """Return a window inside the level, (rows, cols) float32, read by bands of the micrograph."""
        out = np.empty((rows, cols), np.float32)
        chunk = max(1, self.image.chunk_shape[0])
        band = max(1, _BAND_BYTES // (max(1, cols) * self.factor * self.image.dtype.itemsize))
        band = max(1, math.ceil(min(max(band, chunk), 16 * chunk + 4096) / self.factor))
        for first in range(0, rows, band):
            part = out[first : first + band]
            part[...] = self._mean(row + first, col, len(part), cols, threads)
        return out

    def read(self, row: int, col: int, rows: int, cols: int) -> NDArray[np.float32]:
        """Return a window inside the level, (rows, cols) float32; it may be a view of what is held."""
        if self._held is not None:
            return self._held[row : row + rows, col : col + cols]
        return self._mean(row, col, rows, cols, 1)

    def _mean(self, row: int, col: int, rows: int, cols: int, threads: int) -> NDArray[np.float32]:
        factor = self.factor
        block = self.image.read(row * factor, col * factor, rows * factor, cols * factor, threads=threads)
        if factor == 1:
            return block.astype(np.float32)
        sums = window_sums_grid(block, window_px=factor, step_px=factor, squares=False, threads=threads)
        return np.asarray(sums.mean, np.float32)

    def to_full(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions on the micrograph of positions on the level."""
        return xy * self.factor + (self.factor - 1) / 2

    def from_full(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions on the level of positions on the micrograph."""
        return (xy - (self.factor - 1) / 2) / self.factor
