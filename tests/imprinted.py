"""Small areas for tests: a mosaic, the same surface with imprints on a second one, and the indenter's table."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates

from areas import PIXEL_UM, save_mosaic
from mosaics import paste_like

PITCH_PX, SIZE_PX = 40, 14
ROOM_PX = 30  # of the surface beyond the first mosaic
SHIFT_PX = (11.4, -7.7)  # x and y of a place on the second mosaic less those on the first
STAGE_UM = (4210.0, -1333.0)


def draw_imprints(image: np.ndarray, places_px: np.ndarray, *, level: float = -60.0, size_px: float = SIZE_PX) -> None:
    """Add triangles with two sides up and one down to a float image, in place."""
    reach = math.ceil(size_px)
    normals = [(math.cos(a), math.sin(a)) for a in math.radians(90) + 2 * math.pi / 3 * np.arange(3)]
    for x, y in places_px:
        col, row = round(float(x)) - reach, round(float(y)) - reach
        part = image[max(row, 0) : row + 2 * reach + 1, max(col, 0) : col + 2 * reach + 1]
        down, right = np.indices(part.shape)
        away = [(right + max(col, 0) - x) * c + (down + max(row, 0) - y) * s for c, s in normals]
        part += level * np.clip(size_px / (2 * math.sqrt(3)) - np.max(away, axis=0) + 0.5, 0, 1)


def grid_places(rows: int, columns: int, *, seed: int = 0, walk_px: float = 0.6, turn_rad: float = 0.0) -> np.ndarray:
    """Return x and y of (rows, columns) places from (0, 0) on, with a walk per column and per row."""
    rng = np.random.default_rng(seed)
    x = PITCH_PX * np.arange(columns) + np.cumsum(rng.normal(0, walk_px, columns))
    y = PITCH_PX * np.arange(rows) + np.cumsum(rng.normal(0, walk_px, rows))
    places = np.stack(np.meshgrid(x, y), axis=-1)
    c, s = math.cos(turn_rad), math.sin(turn_rad)
    return places @ np.array([[c, s], [-s, c]])


def surface_like(shape: tuple[int, int], *, seed: int = 0) -> np.ndarray:
    """Return a float image of grains and noise-free patches, so that two visits have their own noise."""
    smooth = gaussian_filter(np.random.default_rng(seed + 99).normal(0, 1, shape), 9)
    return paste_like(shape, seed=seed).astype(float) + 14 * smooth / smooth.std()


def make_imprinted(
    folder: Path, *, side: int = 10, seed: int = 0, missed: tuple[int, ...] = (), imprints: bool = True
) -> pd.DataFrame:
    """Write before.tif, after.tif and indenter.csv of one batch of side x side; return the truth, in px of the first.

    The modulus follows the grey level; tests in `missed` left no imprint.
    """
    folder.mkdir(parents=True)
    rows = (side + 2) * PITCH_PX
    shape = rows + 2 * ROOM_PX, rows + 60 + 2 * ROOM_PX
    surface = surface_like(shape, seed=seed)
    rng = np.random.default_rng(seed + 1)
    corner = np.array([1.6 * PITCH_PX, 1.4 * PITCH_PX]) + rng.uniform(-9, 9, 2)
    places = grid_places(side, side, seed=seed).reshape(-1, 2) + corner
    first = surface[ROOM_PX:-ROOM_PX, ROOM_PX:-ROOM_PX]
    cells = np.rint(places).astype(int)
    grey = np.array([first[y - 9 : y + 10, x - 9 : x + 10].mean() for x, y in cells])
    changed = surface.copy()
    if imprints:
        draw_imprints(changed, np.delete(places, missed, axis=0) + ROOM_PX)
    down, right = np.indices(first.shape)
    second = map_coordinates(changed, [down + ROOM_PX - SHIFT_PX[1], right + ROOM_PX - SHIFT_PX[0]], order=3)
    for name, image in (("before", first), ("after", 0.9 * second + 9)):
        seen = image + rng.normal(0, 3, image.shape)
        save_mosaic(folder / f"{name}.tif", np.clip(np.rint(seen), 0, 255).astype(np.uint8))
    row, column = np.divmod(np.arange(side * side), side)
    modulus = 20 + 0.3 * (grey - 60) + rng.normal(0, 0.5, len(grey))
    commanded = pd.DataFrame(
        {
            "id": [f"T{n:03d}" for n in range(side * side)],
            "x_um": STAGE_UM[0] + column * PITCH_PX * PIXEL_UM,
            "y_um": STAGE_UM[1] + row * PITCH_PX * PIXEL_UM,
            "modulus_gpa": modulus,
            "hardness_gpa": modulus / 25,
            "depth_nm": 500.0,
            "load_mn": 24.5e-6 * 500**2 * modulus / 25,
            "status": "ok",
        }
    )
    commanded.to_csv(folder / "indenter.csv", index=False)
    return commanded.assign(x_px=places[:, 0], y_px=places[:, 1], row=row, column=column)
