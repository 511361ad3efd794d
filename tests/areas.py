"""Small training areas for tests: a mosaic and a table of indents whose values follow the grey level around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from mosaics import paste_like

PIXEL_UM, WINDOW_UM, WINDOW_PX = 0.1, 3.0, 30
SIDE, PITCH_UM, BATCH_UM = 6, 3.0, 20.0


def window_mean(image: np.ndarray, x_um: float, y_um: float, *, window_px: int = WINDOW_PX) -> float:
    """Return the mean of the window centred on a position, by slicing."""
    row, col = (int(np.floor(at / PIXEL_UM - (window_px - 1) / 2 + 0.5)) for at in (y_um, x_um))
    return float(image[row : row + window_px, col : col + window_px].mean())


def make_area(folder: Path, *, seed: int = 0, grid: tuple[int, int] = (3, 6), grey_gain: float = 1.0) -> pd.DataFrame:
    """Write before.tif and indents.csv with `grid` batches of 6 x 6 indents; return the table."""
    folder.mkdir(parents=True)
    rows, cols = (round((count * BATCH_UM + 4) / PIXEL_UM) for count in grid)
    image = paste_like((rows, cols), seed=seed, gain=grey_gain)
    save_mosaic(folder / "before.tif", image)
    rng = np.random.default_rng(seed)
    indents = []
    for batch in range(grid[0] * grid[1]):
        shared = rng.normal(0, 1.0)
        top, left = ((index * BATCH_UM + 3.5) for index in divmod(batch, grid[1]))
        for i, j in np.ndindex(SIDE, SIDE):
            x, y = left + j * PITCH_UM, top + i * PITCH_UM
            grey = window_mean(image, x, y) / grey_gain
            modulus = max(3.0, 15 + 0.6 * (grey - 90) + shared + rng.normal(0, 3))
            indents.append((x, y, modulus, modulus / 25, f"b{batch}", "ok"))
    table = pd.DataFrame(indents, columns=["x_um", "y_um", "modulus_gpa", "hardness_gpa", "batch", "status"])
    table.to_csv(folder / "indents.csv", index=False)
    return table


def save_mosaic(path: Path, image: np.ndarray) -> None:
    """Write a tiled TIFF with its pixel size in the resolution tags."""
    per_cm = 1e4 / PIXEL_UM
    tifffile.imwrite(path, image, tile=(128, 128), resolution=(per_cm, per_cm), resolutionunit="CENTIMETER")
