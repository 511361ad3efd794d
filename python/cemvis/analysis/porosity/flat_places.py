"""Flat places of a micrograph: windows that vary no more than its noise does, and what their greys are.

All sums are integers, so that a window's verdict does not depend on what else is read with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

WINDOW_PX = 7
MOST_NOISE_TILES = 64  # that noise is measured in, evenly spread
FLATNESS = 1.6  # times the noise's variance: 3 standard deviations of the variance of 49 independent pixels
_NOISE_BINS = 32
_LEAST_IN_BIN = 400
_QUANTISATION = 1 / 12  # variance that rounding to whole greys leaves


@dataclass(frozen=True, eq=False)
class NoiseCurve:
    """Variance of the noise at each grey, between `greys` by straight lines.

    Attributes
    ----------
    greys, variances : (n,) float64
    """

    greys: NDArray[np.float64]
    variances: NDArray[np.float64]

    def variance(self, grey: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the variance of a pixel's noise where the mean is `grey`."""
        return np.interp(grey, self.greys, self.variances)


@dataclass(frozen=True, eq=False)
class FlatSample:
    """Histograms of tiles spread over images: of all pixels, and of the means of flat windows.

    Attributes
    ----------
    lowest, step : float
        Middle of the first bin, and what one bin is worth, in grey levels.
    pixels, flat : (tiles, bins) int64
    image : (tiles,) intp
        Which image a tile is of.
    noise : NoiseCurve
    """

    lowest: float
    step: float
    pixels: NDArray[np.int64]
    flat: NDArray[np.int64]
    image: NDArray[np.intp]
    noise: NoiseCurve

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def greys(self) -> NDArray[np.float64]:
        """Middles of the bins, (bins,)."""
        return self.lowest + self.step * np.arange(self.pixels.shape[1], dtype=np.float64)

    def counts(self, weights: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the pixels of all tiles by grey, each tile as often as `weights` says."""
        return _weighted(self.pixels, weights)

    def flat_counts(self, weights: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the flat windows of all tiles by grey, each tile as often as `weights` says."""
        return _weighted(self.flat, weights)

    def of_image(self, number: int) -> FlatSample:
        """Return the tiles of one image."""
        mine = self.image == number
        return FlatSample(self.lowest, self.step, self.pixels[mine], self.flat[mine], self.image[mine], self.noise)


def _weighted(counts: NDArray[np.int64], weights: NDArray[np.int64] | None) -> NDArray[np.int64]:
    total: NDArray[np.int64] = counts.sum(axis=0) if weights is None else weights @ counts
    return total


def box_sums(image: NDArray[Any], edge: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sums of the pixels and of their squares in windows of `edge` px around each pixel.

    Beyond the image its nearest pixel goes on. Exact.

    Parameters
    ----------
    image : (rows, cols) unsigned integers
    edge : int
        Odd.

    Returns
    -------
    (rows, cols) int64, (rows, cols) int64
    """
    padded = np.pad(image, edge // 2, mode="edge").astype(np.int64)
    return _box(padded, edge), _box(padded * padded, edge)


def _box(padded: NDArray[np.int64], edge: int) -> NDArray[np.int64]:
    for axis in (0, 1):
        shape = list(padded.shape)
        shape[axis] = 1
        running = np.concatenate([np.zeros(shape, np.int64), np.cumsum(padded, axis=axis)], axis=axis)
        ends = np.arange(edge, running.shape[axis])
        padded = np.take(running, ends, axis=axis) - np.take(running, ends - edge, axis=axis)
    return padded


def flat_windows(
    image: NDArray[Any], noise: NoiseCurve, *, edge: int = WINDOW_PX, flatness: float = FLATNESS
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return where the window around a pixel is flat, and its mean grey.

    Flat is a window whose variance is at most `flatness` times that of the noise at its mean.

    Parameters
    ----------
    image : (rows, cols) uint8 or uint16
    noise : NoiseCurve
    edge : int
        Of the window, odd.
    flatness : float

    Returns
    -------
    (rows, cols) bool, (rows, cols) float64
    """
    sums, squares = box_sums(image, edge)
    count = edge * edge
    mean = sums / count
    spread = count * squares - sums * sums
    return spread <= flatness * count * (count - 1) * noise.variance(mean), mean


def measure_noise(tiles: Sequence[NDArray[Any]]) -> NoiseCurve:
    """Return the noise of images by grey, from differences that leave out all that is linear over 3 px.

    The median of the absolute response of the mask ((1, -2, 1), (-2, 4, -2), (1, -2, 1)), whose standard deviation is
    6 times the noise's, by the mean grey of the 3 x 3 pixels. Noise that is correlated between neighbours (denoised
    or compressed images) is underestimated.

    Parameters
    ----------
    tiles : sequence of (rows, cols) uint8 or uint16

    Raises
    ------
    InputError
        If no tile is at least 3 x 3 px.

    References
    ----------
    J. Immerkaer, Fast noise variance estimation, Comput. Vis. Image Underst. 64 (1996) 300-302,
    doi:10.1006/cviu.1996.0060.
    """
    responses, means = [], []
    for tile in tiles:
        if min(tile.shape) < 3:
            continue
        wide = tile.astype(np.int64)
        across = wide[:, :-2] - 2 * wide[:, 1:-1] + wide[:, 2:]
        responses.append(np.abs(across[:-2] - 2 * across[1:-1] + across[2:]).reshape(-1))
        rows = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
        means.append((rows[:-2] + rows[1:-1] + rows[2:]).reshape(-1) / 9)
    if not responses:
        msg = "the images are smaller than 3 x 3 px; wanted pictures of paste"
        raise InputError(msg)
    response, mean = np.concatenate(responses), np.concatenate(means)
    low, high = np.percentile(mean, [0.1, 99.9])
    edges = np.linspace(low, max(high, low + 1), _NOISE_BINS + 1)
    which = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, _NOISE_BINS - 1)
    greys, variances = [], []
    for number in range(_NOISE_BINS):
        inside = response[which == number]
        if inside.size >= min(_LEAST_IN_BIN, response.size):
            greys.append((edges[number] + edges[number + 1]) / 2)
            # Whole numbers make the median of small noise coarse; the mean of the lower 80 % has no such steps.
            lower = np.sort(inside)[: max(1, int(0.8 * inside.size))]
            sd = float(lower.mean()) / _LOWER_MEAN / 6
            variances.append(max(sd * sd, _QUANTISATION))
    if not greys:
        greys, variances = [float(mean.mean())], [_QUANTISATION]
    return NoiseCurve(np.array(greys), np.array(variances))


_LOWER_MEAN = 0.55861
"""Mean of the lower 80 % of |x| for a standard normal x."""


def sample_tiles(tiles: Sequence[NDArray[Any]], images: Sequence[int], *, bins: tuple[float, float, int]) -> FlatSample:
    """Return histograms of tiles.

    Parameters
    ----------
    tiles : sequence of (rows, cols) uint8 or uint16
    images : sequence of int
        Which image each is of.
    bins : (float, float, int)
        Middle of the first bin, step, and how many.
    """
    noise = measure_noise(tiles[:: -(-len(tiles) // MOST_NOISE_TILES)] if tiles else tiles)
    lowest, step, count = bins
    pixels = np.zeros((len(tiles), count), np.int64)
    flat = np.zeros((len(tiles), count), np.int64)
    for number, tile in enumerate(tiles):
        pixels[number] = _binned(tile.astype(np.float64), lowest, step, count)
        if min(tile.shape) < WINDOW_PX:
            continue
        is_flat, mean = flat_windows(tile, noise)
        inner = slice(WINDOW_PX // 2, -(WINDOW_PX // 2))
        flat[number] = _binned(mean[inner, inner][is_flat[inner, inner]], lowest, step, count)
    return FlatSample(lowest, step, pixels, flat, np.asarray(images, np.intp), noise)


def _binned(values: NDArray[np.float64], lowest: float, step: float, count: int) -> NDArray[np.int64]:
    which = np.clip(np.rint((values.reshape(-1) - lowest) / step), 0, count - 1).astype(np.intp)
    return np.bincount(which, minlength=count)
