"""Pictures of metal-intruded paste with known porosity, anchors and clinker, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

from cemvis.images.ome_tiff import Raster, write_ome_tiff

PIXEL_UM = 0.052


class Linear:
    """A curve on which porosity is the relative backscatter coefficient itself."""

    def porosity_of(self, relative):
        return np.asarray(relative, np.float64)


@dataclass(frozen=True)
class Picture:
    grey: np.ndarray
    porosity: np.ndarray
    clinker: np.ndarray


def field(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    made = gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    return made / made.std()


def picture(
    *,
    shape: tuple[int, int] = (384, 576),
    seed: int = 0,
    csh: float = 60.0,
    metal: float = 220.0,
    noise: float = 4.0,
    grains: int = 5,
    dtype: type = np.uint8,
) -> Picture:
    """Porous C-S-H with dense regions, pores full of metal and round clinker at relative grey 0.18."""
    rng = np.random.default_rng(seed)
    porosity = np.clip(0.15 + 0.1 * field(rng, shape, 30) + 0.08 * field(rng, shape, 3), 0, 1)
    porosity[field(rng, shape, 25) > 1.0] = 0
    porosity[field(rng, shape, 9) > 1.6] = 1
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    clinker = np.zeros(shape, bool)
    for _ in range(grains):
        row, col, radius = rng.integers(0, shape[0]), rng.integers(0, shape[1]), rng.uniform(30, 55)
        clinker |= (rows - row) ** 2 + (cols - col) ** 2 < radius**2
    relative = np.where(clinker, 0.18, porosity)
    porosity = np.where(clinker, 0, porosity)
    grey = csh + (metal - csh) * gaussian_filter(relative, 0.8) + noise * rng.normal(size=shape)
    return Picture(np.clip(np.rint(grey), 0, np.iinfo(dtype).max).astype(dtype), porosity, clinker)


def write_picture(path: Path, grey: np.ndarray, *, pixel_um: float = PIXEL_UM) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raster = Raster("BSE", "a test", pixel_um)
    write_ome_tiff(path, [grey], shape=grey.shape, dtype=grey.dtype.name, raster=raster)
    return path


def write_mask(path: Path, mask: np.ndarray) -> Path:
    tifffile.imwrite(path, mask.astype(np.uint8) * np.uint8(255))
    return path


def write_class(root: Path, name: str, *, mean: float, sigma: float, specimens: int = 2, regions: int = 2) -> None:
    """Maps of one class: a smooth field of porosity, 128 px a region."""
    rng = np.random.default_rng([ord(letter) for letter in name])
    for specimen in range(specimens):
        for region in range(regions):
            porosity = np.clip(mean + 0.2 * field(rng, (128, 128), sigma) + 0.01 * rng.normal(), 0, 1)
            levels = np.rint(255 * porosity).astype(np.uint8)
            write_picture(root / name / f"s{specimen}" / f"r{region}.mulf.tif", levels)
