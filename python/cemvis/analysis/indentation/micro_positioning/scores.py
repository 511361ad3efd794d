"""How well an imprint's template fits at and around each place of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cemvis.analysis.indentation.micro_positioning.background import Filter
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.kernels.grid_walks import interpolated
from cemvis.kernels.indent_search import linear_response, response_patches

Floats = NDArray[np.float64]
Image = NDArray[np.generic]

_STRAIGHT_RAD = 0.02  # below this turn, offsets along the image's axes pass for offsets along the grid's
_WIDE = 12  # radius from which rounding places to samples is good enough


@dataclass(frozen=True)
class Scores:
    """A table of standardised responses around each place of a grid.

    Attributes
    ----------
    tables : (rows, columns, k, k) float32
        k offsets down and across along the image's axes; 0 where nothing is known or nobody indented.
    middle_px : (rows, columns, 2) float64
        x and y of the tables' middles on the image.
    step_px : float
        Between offsets.
    """

    tables: NDArray[np.float32]
    middle_px: Floats
    step_px: float

    @property
    def radius(self) -> int:
        """Offsets from a table's middle to its border."""
        return self.tables.shape[-1] // 2

    def at(self, places_px: Floats) -> Floats:
        """Return the score of each indent at places (..., rows, columns, 2), by cubic splines; 0 beyond its table."""
        rows, columns, k, _ = self.tables.shape
        offset = ((places_px - self.middle_px) / self.step_px).reshape(-1, rows * columns, 2)
        tables = np.ascontiguousarray(self.tables.reshape(-1, k, k))
        value = interpolated(tables, np.ascontiguousarray(offset))
        return value.reshape(places_px.shape[:-1]).astype(np.float64)

    def along(self, grid: Grid, radius: int) -> tuple[NDArray[np.float32], Floats]:
        """Return tables whose offsets run along the grid's axes, and what rounding moved each place by.

        Returns
        -------
        (rows, columns, k, k) float32
            k = 2 radius + 1.
        (rows, columns, 2) float64
            Of the tables' middles from the places, along the grid's axes in px.
        """
        places = grid.places()
        if radius >= _WIDE and abs(grid.angle_rad) < _STRAIGHT_RAD:
            return self._rounded(places, grid, radius)
        reach = np.arange(-radius, radius + 1) * self.step_px
        offsets = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 1, 1, 2) @ grid.axes
        rows, columns = grid.shape
        k = len(reach)
        values = self.at(places + offsets).astype(np.float32)
        return np.ascontiguousarray(values.transpose(1, 2, 0)).reshape(rows, columns, k, k), np.zeros_like(places)

    def _rounded(self, places: Floats, grid: Grid, radius: int) -> tuple[NDArray[np.float32], Floats]:
        offset = np.rint((places - self.middle_px) / self.step_px).astype(np.int64)
        if not offset.any() and radius == self.radius:
            cut = self.tables
        else:
            padded = np.pad(self.tables, ((0, 0), (0, 0), (radius, radius), (radius, radius)))
            reach = np.arange(2 * radius + 1)
            most = self.tables.shape[-1] - 1
            first = np.clip(offset + self.radius, 0, most)
            row = first[..., 1, None, None] + reach[:, None]
            col = first[..., 0, None, None] + reach[None, :]
            i, j = np.indices(grid.shape)[..., None, None]
            cut = padded[i, j, row, col]
        moved = (self.middle_px + offset * self.step_px - places) @ grid.axes.T
        return np.ascontiguousarray(cut), moved

    def smoothed(self, sd: float) -> Scores:
        """Return scores with broader peaks, standardised again by their quartiles."""
        smooth = scipy.ndimage.gaussian_filter(self.tables, (0, 0, sd, sd), mode="nearest")
        return Scores(_standardised(smooth), self.middle_px, self.step_px)


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    some = values[..., ::3, ::3]
    low, high = np.percentile(some[some != 0] if (some != 0).any() else some, (25, 75))
    return np.asarray(values * (1.349 / max(high - low, 1e-6)), dtype=np.float32)


def coarse_scores(
    image: NDArray[np.float32], corner_px: Floats, factor: int, filter_: Filter, grid: Grid, radius: int
) -> Scores:
    """Return scores around a grid on an image of block means, whose first pixel's centre lies at `corner_px`."""
    return scores_around(response_map(image, filter_), corner_px, factor, grid, radius)


def response_map(image: NDArray[np.float32], filter_: Filter) -> NDArray[np.float32]:
    """Return a filter's response at every pixel, (rows, cols) float32; the image goes on as its mean outside."""
    flat = image - image.mean(dtype=np.float64).astype(np.float32)
    return linear_response(np.pad(flat, len(filter_.taps) // 2), filter_.taps)


def scores_around(response: NDArray[np.float32], corner_px: Floats, factor: int, grid: Grid, radius: int) -> Scores:
    """Return scores around a grid cut from a map of the response."""
    if abs(grid.angle_rad) >= _STRAIGHT_RAD:
        radius = math.ceil(1.42 * radius) + 1
    middle = np.rint((grid.places() - corner_px) / factor).astype(np.int64)
    reach = np.arange(-radius, radius + 1)
    row = middle[..., 1, None, None] + reach[:, None]
    col = middle[..., 0, None, None] + reach[None, :]
    inside = (row >= 0) & (row < response.shape[0]) & (col >= 0) & (col < response.shape[1])
    inside &= grid.present[..., None, None]
    row, col = np.clip(row, 0, response.shape[0] - 1), np.clip(col, 0, response.shape[1] - 1)
    tables = np.where(inside, response[row, col], np.float32(0))
    return Scores(tables, middle * float(factor) + corner_px, float(factor))


def fine_scores(image: Image, filter_: Filter, grid: Grid, radius: int) -> Scores:
    """Return scores around a grid pixel by pixel; windows that leave the image are 0."""
    middle = np.rint(grid.places())
    k = 2 * radius + 1
    tables = response_patches(image, filter_.taps, middle.reshape(-1, 2), radius).reshape(*grid.shape, k, k)
    tables[~np.isfinite(tables)] = 0
    tables[~grid.present] = 0
    return Scores(tables, middle, 1.0)
