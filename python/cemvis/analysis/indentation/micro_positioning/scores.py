"""How well an imprint's template fits at and around each place of a grid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cemvis.analysis.indentation.micro_positioning.background import Filter
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.kernels.grid_walks import interpolated
from cemvis.kernels.indent_search import linear_response, response_patches

Floats = NDArray[np.float64]
Image = NDArray[np.generic]

STRAIGHT_RAD = 0.02
"""Below this turn, offsets along the image's axes pass for offsets along the grid's."""


@dataclass(frozen=True)
class Scores:
    """A table of standardised responses around each place of a grid.

    Attributes
    ----------
    tables : (rows, columns, k, k) float32
        k offsets down and across; 0 where nothing is known or nobody indented.
    middle_px : (rows, columns, 2) float64
        x and y of the tables' middles on the image.
    step_px : float
        Between a table's numbers.
    axes : (2, 2) float64
        Unit vectors across and down the tables.
    every : int
        Walks have an offset at every so many numbers from the middle.
    """

    tables: NDArray[np.float32]
    middle_px: Floats
    step_px: float
    axes: Floats = field(default_factory=lambda: np.eye(2))
    every: int = 1

    @property
    def radius(self) -> int:
        """Walks' offsets from a table's middle to its border."""
        return int(self.tables.shape[-1]) // 2 // self.every

    @property
    def offset_px(self) -> float:
        """Between a walk's offsets."""
        return self.step_px * self.every

    def at(self, places_px: Floats) -> Floats:
        """Return the score of each indent at places (..., rows, columns, 2), by cubic splines; 0 beyond its table."""
        rows, columns, k, _ = self.tables.shape
        offset = (places_px - self.middle_px) @ (self.axes.T / self.step_px)
        tables = np.ascontiguousarray(self.tables.reshape(-1, k, k))
        value = interpolated(tables, np.ascontiguousarray(offset.reshape(-1, rows * columns, 2)))
        return value.reshape(places_px.shape[:-1]).astype(np.float64)

    def along(self, grid: Grid, radius: int) -> tuple[NDArray[np.float32], Floats]:
        """Return tables of a walk's offsets around a grid's places, and what rounding to samples moved each place by.

        Returns
        -------
        (rows, columns, k, k) float32
            k = 2 radius + 1; 0 beyond what is known.
        (rows, columns, 2) float64
            Of the tables' middles from the places, along the grid's axes in px.
        """
        places = grid.places()
        offset = np.rint((places - self.middle_px) @ (self.axes.T / self.step_px)).astype(np.int64)
        moved = (self.middle_px - places + offset @ (self.axes * self.step_px)) @ grid.axes.T
        if not offset.any() and radius == self.radius:
            return np.ascontiguousarray(self.tables[..., :: self.every, :: self.every]), moved
        reach, size = radius * self.every, self.tables.shape[-1]
        low = offset.reshape(-1, 2) + size // 2 - reach
        tables = self.tables.reshape(-1, size, size)
        k = 2 * radius + 1
        if (low >= 0).all() and (low <= size - 1 - 2 * reach).all():
            cut = _windows(tables, low, k, self.every)
        else:
            cut = np.zeros((len(tables), k, k), np.float32)
            for own, table, (x, y) in zip(cut, tables, low.tolist(), strict=True):
                skip = [max(0, -(n // self.every)) for n in (y, x)]
                part = table[y + skip[0] * self.every :: self.every, x + skip[1] * self.every :: self.every]
                to = own[skip[0] :, skip[1] :]
                rows, cols = (min(a, b) for a, b in zip(part.shape, to.shape, strict=True))
                to[:rows, :cols] = part[:rows, :cols]
        return cut.reshape(*grid.shape, k, k), moved

    def resampled(self, grid: Grid, radius: int, *, every: int = 1) -> Scores:
        """Return scores around a grid's places along its axes, `radius` offsets far with `every` samples to each."""
        reach = np.arange(-radius * every, radius * every + 1) * (self.offset_px / every)
        offsets = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 1, 1, 2) @ grid.axes
        places = grid.places()
        values = self.at(places + offsets).astype(np.float32)
        rows, columns = grid.shape
        tables = np.ascontiguousarray(values.reshape(-1, rows * columns).T)
        tables = tables.reshape(rows, columns, len(reach), len(reach))
        return Scores(tables, places, self.offset_px / every, grid.axes, every)

    def around(self, grid: Grid, radius: int) -> Scores:
        """Return scores within `radius` numbers of a grid's places; what is left of larger tables."""
        whole = replace(self, every=1)
        tables, moved = whole.along(grid, radius)
        return replace(whole, tables=tables, middle_px=grid.places() + moved @ grid.axes)

    def smoothed(self, sd: float) -> Scores:
        """Return scores with broader peaks, standardised again by their quartiles."""
        k = self.tables.shape[-1]
        # As one product of matrices: filtering so many small tables takes several times as long.
        blur = scipy.ndimage.gaussian_filter1d(np.eye(k, dtype=np.float32), sd, axis=0, mode="nearest")
        smooth = np.matmul(blur, (self.tables.reshape(-1, k) @ blur.T).reshape(-1, k, k))
        return replace(self, tables=_standardised(smooth.reshape(self.tables.shape)))


def _windows(tables: NDArray[np.float32], low: NDArray[np.int64], k: int, every: int) -> NDArray[np.float32]:
    """Return (k, k) numbers of each table from x and y of a first one, all of them inside."""
    n, size, _ = tables.shape
    tables = np.ascontiguousarray(tables)
    row, number = tables.strides[1:]
    shape, strides = (n, size, size, k, k), (*tables.strides, row * every, number * every)
    view = np.lib.stride_tricks.as_strided(tables, shape, strides, writeable=False)
    return np.asarray(view[np.arange(n), low[:, 1], low[:, 0]])


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    some = values[..., ::3, ::3].ravel()
    known = some[some != 0]
    low, high = np.percentile(known if known.size else some, (25, 75))
    return np.asarray(values * np.float32(1.349 / max(high - low, 1e-6)))


def response_map(image: NDArray[np.float32], filter_: Filter) -> NDArray[np.float32]:
    """Return a filter's response at every pixel, (rows, cols) float32; the image is mirrored at its borders."""
    flat = image - image.mean(dtype=np.float64).astype(np.float32)
    return linear_response(np.pad(flat, len(filter_.taps) // 2, mode="symmetric"), filter_.taps)


@dataclass(frozen=True)
class Responses:
    """A map of standardised responses on an image of block means.

    Attributes
    ----------
    response : (rows, cols) float32
    corner_px : (2,) float64
        x and y of the first block's centre, in px of the image itself.
    factor : int
        Edge of the blocks in px.
    axes : (2, 2) float64
        Unit vectors across and down the map.
    """

    response: NDArray[np.float32]
    corner_px: Floats
    factor: int
    axes: Floats = field(default_factory=lambda: np.eye(2))

    def smoothed(self, sd: float) -> Responses:
        """Return responses with broader peaks, standardised again by their quartiles."""
        smooth = scipy.ndimage.gaussian_filter(self.response, sd, mode="nearest", truncate=3.0)
        return replace(self, response=_standardised(smooth))

    def straightened(self, grid: Grid, reach: int) -> Responses:
        """Return the map along a turned grid's axes, by cubic splines, up to `reach` blocks from the grid."""
        axes = grid.axes
        local = (grid.places().reshape(-1, 2) - self.corner_px) @ axes.T / self.factor
        low = np.floor(local.min(axis=0)).astype(np.int64) - reach
        size = np.ceil(local.max(axis=0)).astype(np.int64) + reach + 1 - low
        response = scipy.ndimage.affine_transform(
            self.response, axes[::-1, ::-1].T, (low @ axes)[::-1], output_shape=tuple(size[::-1].tolist()), order=3
        )
        return Responses(response, self.corner_px + self.factor * (low @ axes), self.factor, axes)

    def around(self, grid: Grid, radius: int) -> Scores:
        """Return scores around a grid's places, along the map's axes."""
        middle = np.rint((grid.places() - self.corner_px) @ self.axes.T / self.factor).astype(np.int64)
        low, size = middle.reshape(-1, 2) - radius, np.array(self.response.shape[::-1])
        k = 2 * radius + 1
        if (low >= 0).all() and (low + k <= size).all():
            view = np.lib.stride_tricks.sliding_window_view(self.response, (k, k))
            tables = view[low[:, 1], low[:, 0]]
        else:
            tables = np.zeros((len(low), k, k), np.float32)
            for own, (x, y) in zip(tables, low.tolist(), strict=True):
                part = self.response[max(y, 0) : max(y + k, 0), max(x, 0) : max(x + k, 0)]
                top, left = max(-y, 0), max(-x, 0)
                own[top : top + part.shape[0], left : left + part.shape[1]] = part
        tables = tables.reshape(*grid.shape, k, k)
        tables[~grid.present] = 0
        middle_px = self.corner_px + self.factor * (middle @ self.axes)
        return Scores(tables, middle_px, float(self.factor), self.axes)


def fine_scores(image: Image, filter_: Filter, grid: Grid, radius: int) -> Scores:
    """Return scores around a grid pixel by pixel; the image is mirrored at its borders, and scores outside are 0."""
    middle = np.rint(grid.places())
    k, reach = 2 * radius + 1, radius + len(filter_.taps) // 2
    flat = middle.reshape(-1, 2).astype(np.int64)
    size = np.array(image.shape[::-1])
    whole = ((flat >= reach) & (flat < size - reach)).all(axis=1)
    tables = np.zeros((len(flat), k, k), np.float32)
    if whole.any():
        tables[whole] = response_patches(image, filter_.taps, flat[whole], radius)
    shown = ~whole & grid.present.ravel() & ((flat > -radius) & (flat < size + radius)).all(axis=1)
    for n in np.flatnonzero(shown):
        part = mirrored_window(image, flat[n], reach)
        tables[n] = response_patches(part, filter_.taps, np.array([[reach, reach]]), radius)[0]
        outside = [
            (at + np.arange(-radius, radius + 1) < 0) | (at + np.arange(-radius, radius + 1) >= end)
            for at, end in zip(flat[n], size, strict=True)
        ]
        tables[n, outside[1]] = 0
        tables[n][:, outside[0]] = 0
    tables[~grid.present.ravel()] = 0
    return Scores(tables.reshape(*grid.shape, k, k), middle, 1.0)


def mirrored_window(image: Image, centre_px: NDArray[np.int64], reach: int) -> Image:
    """Return the pixels up to `reach` from one, as if the image went on mirrored at its borders."""
    around = np.arange(-reach, reach + 1)
    rows, cols = (
        np.abs((at + around + end) % (2 * end) - end + 0.5).astype(np.int64)
        for at, end in zip(centre_px[::-1], image.shape, strict=True)
    )
    first, last = (rows.min(), cols.min()), (rows.max() + 1, cols.max() + 1)
    near = np.asarray(image[first[0] : last[0], first[1] : last[1]])
    return np.ascontiguousarray(near[np.ix_(rows - first[0], cols - first[1])])
