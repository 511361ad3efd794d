"""Rendering virtual paste: seconds per megapixel over sizes and threads, against Gaussian-filtered noise in SciPy.

The rival is what one would otherwise write: white noise filtered at the wavelengths of the paste's own fields and
thresholded into phases, in two dimensions. It is simpler by far (no grains, rims, crystals, depth or probe), and it
cannot be cut into tiles; it shows the price of a pixel in a general tool. The answer is checked first: a tile must be
a piece of the whole, to the bit, for any thread count.

The limit is arithmetic: about 20 noise octaves of 8 hashes per pixel and layer; no memory traffic to speak of.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cemvis.analysis.specimen.recipes import CALIBRATED, RECIPES
from cemvis.kernels.specimen import Window, contact_volumes, render_bse

RECIPE = RECIPES[CALIBRATED]
PASTE = replace(RECIPE.paste, seed=3)
PIXEL_UM = 0.04
WAVELENGTHS_UM = (25.0, 9.0, 6.0, 4.5, 3.0, 2.2, 2.0, 1.5, 1.0, 0.8, 0.75, 0.5, 0.4, 0.2)


def filtered_noise(side: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    field = np.zeros((side, side), np.float32)
    for wavelength in WAVELENGTHS_UM:
        white = rng.standard_normal((side, side), dtype=np.float32)
        layer = gaussian_filter(white, wavelength / 4 / PIXEL_UM, mode="wrap")
        field += layer / layer.std()
    return np.digitize(field, np.quantile(field, [0.03, 0.5, 0.78, 0.88])).astype(np.uint8)


@pytest.fixture(scope="module")
def checked() -> None:
    whole = render_bse(PASTE, RECIPE.imaging, Window(0, 0, 300, 600), pixel_size_um=PIXEL_UM, threads=2)
    part = render_bse(PASTE, RECIPE.imaging, Window(100, 37, 150, 500), pixel_size_um=PIXEL_UM, threads=1)
    assert (part == whole[100:250, 37:537]).all()


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize("side", [1024, 2048])
@pytest.mark.parametrize("threads", [1, 2])
def test_specimen_render(benchmark, side: int, threads: int) -> None:
    benchmark.group = f"specimen {side} x {side}"
    window = Window(0, 0, side, side)
    benchmark.pedantic(
        lambda: render_bse(PASTE, RECIPE.imaging, window, pixel_size_um=PIXEL_UM, threads=threads), rounds=3
    )
    benchmark.extra_info["seconds_per_megapixel"] = benchmark.stats.stats.median / (side * side / 1e6)


@pytest.mark.parametrize("side", [1024, 2048])
def test_specimen_filtered_noise(benchmark, side: int) -> None:
    benchmark.group = f"specimen {side} x {side}"
    benchmark.pedantic(lambda: filtered_noise(side), rounds=3)
    benchmark.extra_info["seconds_per_megapixel"] = benchmark.stats.stats.median / (side * side / 1e6)


@pytest.mark.parametrize("threads", [1, 2])
def test_specimen_contacts(benchmark, threads: int) -> None:
    benchmark.group = "specimen 400 contacts"
    x, y = np.meshgrid(np.arange(20) * 10.0, np.arange(20) * 10.0)
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    benchmark.pedantic(lambda: contact_volumes(PASTE, xy, radius_um=2.3, threads=threads), rounds=5)
    benchmark.extra_info["milliseconds_per_contact"] = benchmark.stats.stats.median * 1e3 / len(xy)
