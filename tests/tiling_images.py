"""Images to cut windows from."""

from __future__ import annotations

import numpy as np

SEED = 20241
BORDERS = ["reflect", "nearest", "constant"]
DTYPES = [np.uint8, np.uint16]
# Any view of the same pixels.
VIEWS = {
    "plain": lambda image: image.copy(),
    "flipped": lambda image: image[::-1, ::-1].copy()[::-1, ::-1],
    "every second column": lambda image: np.repeat(image, 2, axis=1)[:, ::2],
    "every third row": lambda image: np.repeat(image, 3, axis=0)[::3],
    "transposed": lambda image: image.T.copy().T,
    "transposed, flipped": lambda image: image[:, ::-1].T.copy().T[:, ::-1],
    "inside a larger one": lambda image: np.pad(image, ((2, 3), (1, 5)), constant_values=7)[2:-3, 1:-5],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
}


def noise(shape: tuple[int, int], dtype: type, seed: int = SEED) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
