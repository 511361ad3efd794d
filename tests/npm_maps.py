"""Small classes of nano-porosity maps on disk: random textures that differ in their correlation length alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from cemvis.images.ome_tiff import Raster, write_ome_tiff


def texture(length_px: float, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Noise smoothed over a length, brought to one histogram: no mean, spread or porosity tells lengths apart."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), length_px, mode="wrap")
    ranks = rankdata(noise, method="ordinal").reshape(shape) - 0.5
    return np.floor(256 * (ranks / noise.size) ** 2).astype(np.uint8)


def write_map(path: Path, levels: np.ndarray, *, pixel_size_um: float = 0.052) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raster = Raster("Equivalent porosity", "Level 255 is pore alone.", pixel_size_um)
    write_ome_tiff(path, [levels], shape=levels.shape, dtype="uint8", raster=raster)
    return path


def write_classes(
    root: Path,
    lengths_px: dict[str, float],
    *,
    specimens: int = 3,
    regions: int = 2,
    shape: tuple[int, int] = (128, 128),
) -> Path:
    """Write ``root/<class>/s<n>/r<n>.tif``; no two images share a seed."""
    seed = 0
    for name, length in lengths_px.items():
        for specimen in range(specimens):
            for region in range(regions):
                seed += 1
                write_map(root / name / f"s{specimen}" / f"r{region}.tif", texture(length, shape, seed))
    return root
