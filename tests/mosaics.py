"""Small mosaics and models for tests: grey discs in a noisy matrix, and a table trained on made-up pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cemvis.images.grey_scale import GreyScale
from cemvis.models.model import Model, Training, TrainingArea
from cemvis.models.model_file import load_model, save_model
from cemvis.models.training import train_property

MATRIX, CLINKER, PORE = 110.0, 210.0, 30.0


def paste_like(shape: tuple[int, int], *, seed: int = 0, gain: float = 1.0, offset: float = 0.0) -> np.ndarray:
    """Return (rows, cols) uint8: a matrix at 110, a fifth of clinker at 210, some pores at 30, all with noise."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, MATRIX)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    count = max(4, shape[0] * shape[1] // 3000)
    for level, radius in [(CLINKER, 16.0)] * count + [(PORE, 6.0)] * (count // 2):
        row, col = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        size = radius * rng.uniform(0.5, 1.2)
        top, left = max(0, int(row - size)), max(0, int(col - size))
        part = np.s_[top : int(row + size) + 2, left : int(col + size) + 2]
        inside = (rows[part[0]] - row) ** 2 + (cols[:, part[1]] - col) ** 2 <= size**2
        image[part][inside] = level
    image += rng.normal(0, 7, shape)
    return np.clip(np.rint(gain * image + offset), 0, 255).astype(np.uint8)


def example_model(
    path: Path, *, batches: int = 24, window_um: float = 1.0, properties=("modulus", "hardness")
) -> Model:
    """Return a table model of (110, 210) grey, 0.05 um/px, trained on grey levels 60 to 215, saved as `path`.

    With 24 batches there are intervals, with few there are none.
    """
    rng = np.random.default_rng(7)
    grey = rng.uniform(60, 215, (batches, 60)).ravel()
    batch = np.repeat(np.arange(batches), 60)
    modulus = 20 + 0.004 * np.clip(grey - 60, 0, None) ** 2 + rng.normal(0, 3, grey.size)
    truths = {"modulus": modulus, "hardness": modulus / 25}
    trained = [
        train_property(grey, truths[name], batch, name=name, network="table", level=0.9, seed=1).model
        for name in properties
    ]
    area = TrainingArea("made up", "0" * 64, "1" * 64, pairs=grey.size, batches=batches, virtual="")
    scale, training = GreyScale(MATRIX, CLINKER), Training((area,), seed=1)
    model = Model(tuple(trained), scale, 0.05, window_um, training, note="For tests.", version="0.1.0")
    save_model(path, model)
    return load_model(path)
