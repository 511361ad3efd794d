"""Template responses and block means, written from their definitions: one window at a time, no speed wanted."""

from __future__ import annotations

import math

import numpy as np


def windows(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Every window of this shape that lies in the image, as (rows, cols, window_rows, window_cols) float64."""
    return np.lib.stride_tricks.sliding_window_view(image.astype(np.float64), shape)


def pearson(window: np.ndarray, template: np.ndarray) -> float:
    """Covariance over both standard deviations; 0 for a flat window."""
    if window.min() == window.max():
        return 0.0
    a, b = window - window.mean(), template - template.mean()
    return float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()))


def normalised_correlation(image: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each window with the template."""
    pattern = template.astype(np.float64)
    return np.array([[pearson(w, pattern) for w in row] for row in windows(image, template.shape)])


def linear_response(image: np.ndarray, template: np.ndarray) -> np.ndarray:
    """The sum of template times window for each window."""
    pattern = template.astype(np.float64)
    return np.array([[(w * pattern).sum() for w in row] for row in windows(image, template.shape)])


def response_patches(image: np.ndarray, template: np.ndarray, centres_px: np.ndarray, radius: int) -> np.ndarray:
    """The same around places alone: the window nearest to each, and so many to each side of it."""
    rows, cols = template.shape
    pattern = template.astype(np.float64)
    patches = np.full((len(centres_px), 2 * radius + 1, 2 * radius + 1), np.nan)
    for n, (x, y) in enumerate(centres_px):
        left, top = math.floor(x - (cols - 1) / 2 + 0.5), math.floor(y - (rows - 1) / 2 + 0.5)
        for i in range(-radius, radius + 1):
            for j in range(-radius, radius + 1):
                r, c = top + i, left + j
                if 0 <= r <= image.shape[0] - rows and 0 <= c <= image.shape[1] - cols:
                    window = image[r : r + rows, c : c + cols].astype(np.float64)
                    patches[n, i + radius, j + radius] = (window * pattern).sum()
    return patches


def downsampled(image: np.ndarray, factor: int) -> np.ndarray:
    """The mean of each whole square."""
    rows, cols = image.shape[0] // factor, image.shape[1] // factor
    squares = image.astype(np.float64)[: rows * factor, : cols * factor].reshape(rows, factor, cols, factor)
    return squares.mean(axis=(1, 3))
