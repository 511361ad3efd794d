"""Virtual paste beside a real BSE image of paste, on one grey scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cemvis.analysis.specimen.recipes import CALIBRATED, RECIPES
from cemvis.images.grey_scale import find_anchors, grey_histogram
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.kernels.specimen import Window, render_bse

REAL_PIXEL_UM = 0.25  # the file does not say; at this size its clinker and slag grains measure 5 to 30 um


def on_common_scale(image: np.ndarray) -> np.ndarray:
    """Return grey levels with the matrix at 0 and clinker at 1."""
    scale = find_anchors(grey_histogram(Micrograph.from_array(image, pixel_size=None))).scale
    assert scale is not None
    return (image.astype(float) - scale.matrix) / (scale.clinker - scale.matrix)


def correlation_of_clinker(grey: np.ndarray, lags_px: tuple[int, ...]) -> np.ndarray:
    """Return the normalised autocovariance of what is brighter than 0.75, along rows and columns (periodic)."""
    bright = (grey > 0.75).astype(float)
    bright -= bright.mean()
    spectrum = np.abs(np.fft.rfft2(bright)) ** 2
    covariance = np.fft.irfft2(spectrum, bright.shape)
    return np.array([(covariance[0, k] + covariance[k, 0]) / 2 for k in lags_px]) / covariance[0, 0]


@pytest.fixture(scope="module")
def pair(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    with open_micrograph(shared_data / "bse" / "paste_bse_768x1024.tif") as micrograph:
        real = micrograph.read(0, 0, *micrograph.shape)
    recipe = RECIPES[CALIBRATED]
    window = Window(0, 0, *real.shape)
    virtual = render_bse(replace(recipe.paste, seed=4), recipe.imaging, window, pixel_size_um=REAL_PIXEL_UM)
    return on_common_scale(real), on_common_scale(virtual)


def test_grey_levels_of_pores_and_matrix_are_spread_alike(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Up to the upper quartile; above it the real paste, a blended one, holds a quarter of the clinker."""
    real, virtual = (np.quantile(grey, [0.02, 0.1, 0.25, 0.5, 0.75]) for grey in pair)
    np.testing.assert_allclose(virtual, real, atol=0.2)


def test_clinker_is_as_large(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """The correlation has half its length at 1 to 4 um in both, and is nearly gone at 12 um."""
    lags = (1, 4, 8, 16, 48)
    for grey in pair:
        falling = correlation_of_clinker(grey, lags)
        assert (np.diff(falling) < 0).all()
        assert falling[0] > 0.7
        assert 0.3 < falling[1] < 0.8
        assert abs(falling[-1]) < 0.25
