"""The power spectrum of a micrograph's background, and filters that are best against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float32]

_BINS_PER_OCTAVE = 6
_MOST_BLOCKS = 100
_LEAST_NOISE = 0.03  # of the variance, as white noise: no template is as true as a smooth background asks


@dataclass(frozen=True)
class Spectrum:
    """Power spectral density of an isotropic background.

    Attributes
    ----------
    frequency : (n,) float64
        Rising, in cycles per px; the mean of each ring's frequencies.
    density : (n,) float64
        Variance per (cycle per px)^2, so that white noise of variance v has v everywhere.
    """

    frequency: NDArray[np.float64]
    density: NDArray[np.float64]

    def on(self, shape: tuple[int, int]) -> Floats:
        """Return the density at the frequencies of `scipy.fft.rfft2` for an image of `shape`, log-log between rings."""
        radius = np.hypot(scipy.fft.fftfreq(shape[0])[:, None], scipy.fft.rfftfreq(shape[1])[None, :])
        floor = self.frequency[0]
        between = np.interp(np.log(np.maximum(radius, floor)), np.log(self.frequency), np.log(self.density))
        return np.asarray(np.exp(between), dtype=np.float32)


def measured_spectrum(image: Floats, *, block_px: int = 256) -> Spectrum:
    """Return the power spectrum of an image, averaged over directions.

    The median over Hann-windowed blocks, so that a few blocks with large grains or imprints don't decide. At least 3 %
    of the variance is taken for white noise.

    Parameters
    ----------
    image : (rows, cols) float32
        Without NaN.
    block_px : int
        Edge of the blocks; smaller if the image is.

    Raises
    ------
    InputError
        If the image is constant or smaller than 8 x 8 px.
    """
    block_px = min(block_px, *image.shape)
    if block_px < 8:
        msg = f"an image of {image.shape[0]} x {image.shape[1]} px has no spectrum to measure; wanted at least 8 x 8"
        raise InputError(msg)
    taper = np.hanning(block_px + 2)[1:-1]
    window = np.outer(taper, taper).astype(np.float32)
    corners = [
        (row, col)
        for row in range(0, image.shape[0] - block_px + 1, block_px)
        for col in range(0, image.shape[1] - block_px + 1, block_px)
    ]
    corners = corners[:: max(1, -(-len(corners) // _MOST_BLOCKS))]
    blocks = np.stack([image[r : r + block_px, c : c + block_px] for r, c in corners])
    blocks = (blocks - blocks.mean(axis=(1, 2), keepdims=True)) * window
    power = np.abs(scipy.fft.rfft2(blocks)) ** 2 / float(np.sum(window**2))
    # The median of an exponential variable is log(2) of its mean.
    typical = np.median(power, axis=0) / np.log(2) if len(blocks) > 2 else power.mean(axis=0)
    return _radial(typical, block_px)


def _radial(power: NDArray[np.floating], block_px: int) -> Spectrum:
    radius = np.hypot(scipy.fft.fftfreq(block_px)[:, None], scipy.fft.rfftfreq(block_px)[None, :]).ravel()
    edges = np.geomspace(0.75 / block_px, 0.75, int(_BINS_PER_OCTAVE * np.log2(block_px)))
    ring = np.digitize(radius, edges)
    count = np.bincount(ring, minlength=len(edges) + 1)
    kept = np.flatnonzero((count > 0) & (np.arange(len(edges) + 1) > 0))
    mean = np.bincount(ring, power.ravel(), len(edges) + 1)[kept] / count[kept]
    frequency = np.bincount(ring, radius, len(edges) + 1)[kept] / count[kept]
    if not mean.max() > 0:
        msg = "the image is constant: there is nothing to find in it"
        raise InputError(msg)
    return Spectrum(frequency, np.maximum(mean, _LEAST_NOISE * power.mean()))


@dataclass(frozen=True)
class Filter:
    """A linear filter for a template, scaled so that its response to the background has unit variance.

    Attributes
    ----------
    taps : (m, m) float32
        Correlated with the image; m is odd and the template's centre in the middle.
    amplitude : float
        Response at the template itself.
    """

    taps: Floats
    amplitude: float


def whitened(template: Floats, spectrum: Spectrum, *, margin_px: int, whiten: bool = True) -> Filter:
    """Return the matched filter of a template in a background with this spectrum.

    The template's spectrum over the background's; only the mean is left out. Subtracting the template's own mean
    beforehand would turn its surroundings into a plateau that whitening makes edges of.

    Parameters
    ----------
    template : (t, t) float32
        What an imprint adds to the background, t odd, centre in the middle and close to 0 at the border.
    margin_px : int
        By which the taps exceed the template on each side.
    whiten : bool
        False for the template itself without its mean, which is best in white noise; still scaled by the spectrum.
    """
    edge = len(template) + 2 * margin_px
    padded = scipy.fft.next_fast_len(2 * edge, True)
    density = spectrum.on((padded, padded))
    shape = (padded, padded)
    of_template = scipy.fft.rfft2(_centred(template, padded))
    ideal = of_template / density if whiten else of_template.copy()
    ideal[0, 0] = 0
    taps = np.roll(scipy.fft.irfft2(ideal, s=shape), (edge // 2, edge // 2), (0, 1))[:edge, :edge]
    taper = np.ones(edge)
    if margin_px:
        taper[:margin_px] = np.sin(0.5 * np.pi * (np.arange(margin_px) + 0.5) / margin_px)
        taper[-margin_px:] = taper[:margin_px][::-1]
    taps = taps * np.outer(taper, taper)
    taps -= taps.mean()
    of_taps = scipy.fft.rfft2(_centred(taps, padded))
    noise = np.sqrt(_total(np.abs(of_taps) ** 2 * density, padded))
    signal = _total(np.real(np.conj(of_taps) * of_template), padded)
    return Filter((taps / noise).astype(np.float32), float(signal / noise))


def _centred(image: NDArray[np.floating], edge: int) -> NDArray[np.floating]:
    """Return an image with its centre at the first pixel of a periodic grid."""
    grid = np.zeros((edge, edge), image.dtype)
    grid[: image.shape[0], : image.shape[1]] = image
    return np.roll(grid, (-(image.shape[0] // 2), -(image.shape[1] // 2)), (0, 1))


def _total(values: NDArray[np.floating], edge: int) -> float:
    """Return the mean over all frequencies of an even function given at those of `rfft2`."""
    weight = np.full(values.shape[1], 2.0)
    weight[0] = 1
    if edge % 2 == 0:
        weight[-1] = 1
    return float((values * weight).sum() / edge**2)
