"""Textures of C-S-H below a micrometre: Gaussian random fields from a seed, and the streams of random numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

#: Smoothing length (sd of the Gaussian filter, um) and share of the variance of what the plain texture is made of.
PLAIN_TEXTURE: tuple[tuple[float, float], ...] = ((0.052, 0.10), (0.115, 0.40), (0.26, 0.50))
#: Of the texture inside modified spots.
FINE_TEXTURE: tuple[tuple[float, float], ...] = ((0.052, 1.0),)
TRUNCATE = 4.0
#: Full width at half maximum of a Gaussian of unit sd.
FWHM_PER_SD = 2.354820045


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of random numbers of one purpose: the same key, the same numbers, whatever else is drawn."""
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed, spawn_key=key)))


def texture(
    rng: np.random.Generator, shape: tuple[int, int], *, pixel_size_um: float, parts: tuple[tuple[float, float], ...]
) -> Field:
    """Return a stationary Gaussian random field of mean 0 and variance 1.

    White noise through Gaussian filters of several lengths, each brought to unit variance by the norm of its weights,
    then added by their shares of the variance. The noise reaches beyond the field by the filter's own reach, so the
    field has no boundary.

    Parameters
    ----------
    rng
        Where the noise comes from.
    shape
        Rows and columns.
    pixel_size_um
        Of the field.
    parts
        Smoothing length in um and share of the variance; the shares add up to 1.

    Returns
    -------
    (rows, cols) float32
    """
    field = np.zeros(shape, np.float32)
    for length_um, share in parts:
        weights = _weights(length_um / pixel_size_um)
        reach = len(weights) // 2
        noise = rng.standard_normal((shape[0] + 2 * reach, shape[1] + 2 * reach), dtype=np.float32)
        # Of unit variance: the weights' squares add up to 1 along each axis.
        field += np.float32(np.sqrt(share)) * _filtered(noise, weights / np.sqrt(np.square(weights).sum()))
    return field


def _weights(sigma_px: float) -> NDArray[np.float64]:
    reach = int(TRUNCATE * sigma_px + 0.5)
    at = np.arange(-reach, reach + 1)
    return np.exp(-0.5 * np.square(at / sigma_px))


def _filtered(noise: Field, weights: NDArray[np.float64]) -> Field:
    from scipy.ndimage import correlate1d

    reach = len(weights) // 2
    across = correlate1d(noise, weights, axis=1, output=np.float32)[:, reach : noise.shape[1] - reach]
    down: Field = correlate1d(across, weights, axis=0, output=np.float32)[reach : noise.shape[0] - reach]
    return down
