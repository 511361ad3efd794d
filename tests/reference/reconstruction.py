"""The energy of an annealed image, pair by pair, as the definition has it."""

from __future__ import annotations

import math
from itertools import product

import numpy as np


def pair_counts(image: np.ndarray, r_max: int, phases: int, *, periodic: bool, axes: bool) -> np.ndarray:
    """Count the pairs of each ring by their phases, (r_max + 1, cells), by a look at each pixel and displacement."""
    rows, cols = image.shape
    counts = np.zeros((r_max + 1, phases * (phases + 1) // 2), dtype=np.int64)
    for dy, dx in product(range(r_max + 1), range(-r_max, r_max + 1)):
        r = math.floor(math.hypot(dy, dx) + 0.5)
        if r > r_max or (dy == 0 and dx < 0) or (axes and dy != 0 and dx != 0):
            continue
        for y, x in product(range(rows), range(cols)):
            below, beside = y + dy, x + dx
            if periodic:
                below, beside = below % rows, beside % cols
            elif not (below < rows and 0 <= beside < cols):
                continue
            i, j = sorted((int(image[y, x]), int(image[below, beside])))
            counts[r, j * (j + 1) // 2 + i] += 1
    return counts


def energy(counts: np.ndarray, target: np.ndarray, weights: np.ndarray, *, autocorrelations: bool) -> float:
    """Add up the squared deviations of the probabilities from the target, each ring with its weight."""
    total = 0.0
    for r in range(1, len(counts)):
        for j in range(round((2 * counts.shape[1]) ** 0.5)):
            for i in range(j + 1):
                if i == j or not autocorrelations:
                    n = j * (j + 1) // 2 + i
                    total += weights[r] * (counts[r, n] / counts[r].sum() - target[r, n]) ** 2
    return total
