"""Window sums and gathered windows, written from their definitions: one pixel at a time, no speed wanted."""

from __future__ import annotations

import math

import numpy as np


def window_sums(image: np.ndarray, row: int, col: int, window: tuple[int, int]) -> tuple[int, int]:
    """Sum of the grey levels and of their squares in the window whose first pixel is (row, col)."""
    levels = [int(image[r, c]) for r in range(row, row + window[0]) for c in range(col, col + window[1])]
    return sum(levels), sum(v * v for v in levels)


def window_sums_grid(
    image: np.ndarray, window: tuple[int, int], step: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Both sums of all whole windows of a grid that starts in the first pixel."""
    rows = range(0, image.shape[0] - window[0] + 1, step[0])
    cols = range(0, image.shape[1] - window[1] + 1, step[1])
    sums = [[window_sums(image, r, c, window) for c in cols] for r in rows]
    both = np.array(sums, dtype=np.uint64)
    return both[..., 0], both[..., 1]


def reflected(index: int, size: int) -> int:
    """Walk `index` steps from pixel 0, turning round at either end without stepping on the spot."""
    position, direction = 0, 1 if index >= 0 else -1
    for _ in range(abs(index)):
        if size > 1:
            if not 0 <= position + direction < size:
                direction = -direction
            position += direction
    return position


def grey(image: np.ndarray, row: int, col: int, border: str, fill: float) -> float:
    """Grey level of a pixel that may lie outside the image."""
    rows, cols = image.shape
    if 0 <= row < rows and 0 <= col < cols:
        return float(image[row, col])
    if border == "reflect":
        return float(image[reflected(row, rows), reflected(col, cols)])
    if border == "nearest":
        return float(image[min(max(row, 0), rows - 1), min(max(col, 0), cols - 1)])
    assert border == "constant"
    return fill


def sample(image: np.ndarray, row: float, col: float, border: str, fill: float) -> float:
    """Grey level between pixels, bilinear, in double precision."""
    r, c = math.floor(row), math.floor(col)
    y, x = row - r, col - c
    return (
        (1 - y) * (1 - x) * grey(image, r, c, border, fill)
        + (1 - y) * x * grey(image, r, c + 1, border, fill)
        + y * (1 - x) * grey(image, r + 1, c, border, fill)
        + y * x * grey(image, r + 1, c + 1, border, fill)
    )


def gather_window(
    image: np.ndarray,
    centre: tuple[float, float],
    window: tuple[int, int],
    *,
    border: str = "reflect",
    fill: float = 0.0,
    downsample: int = 1,
    grey_mean: float = 0.0,
    grey_sd: float = 1.0,
) -> np.ndarray:
    """Samples a pixel apart around the centre, averaged over squares, normalised, in double precision."""
    samples = np.array(
        [
            [
                sample(image, centre[0] - (window[0] - 1) / 2 + k, centre[1] - (window[1] - 1) / 2 + m, border, fill)
                for m in range(window[1])
            ]
            for k in range(window[0])
        ]
    )
    rows, cols = window[0] // downsample, window[1] // downsample
    means = np.array(
        [
            [
                samples[i * downsample : (i + 1) * downsample, j * downsample : (j + 1) * downsample].mean()
                for j in range(cols)
            ]
            for i in range(rows)
        ]
    )
    return (means - grey_mean) / grey_sd
