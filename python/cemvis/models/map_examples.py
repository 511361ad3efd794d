"""Nano-porosity maps as a network's examples: levels brought to 0 to 1, turned and mirrored while it learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Indices = NDArray[np.intp]
Levels = Callable[[Indices], NDArray[np.uint8]]
"""Returns maps, (n, size, size) uint8, by their indices; called from a thread of its own."""


class MapExamples:
    """Maps with their classes, for `cemvis.models.trainer.fit`.

    Parameters
    ----------
    levels : callable
        Returns maps by their indices.
    indices : (n,) int
        The maps that are examples.
    labels : (m,) int
        Class of every map there is, by its index.
    augment : bool
        Whether maps are turned and mirrored at random while learning. The nano-porosity of a polished section has no
        preferred direction and no preferred hand, so all eight symmetries of the square are equally true.
    """

    def __init__(self, levels: Levels, indices: Indices, labels: Indices, *, augment: bool = True) -> None:
        self.levels, self.indices, self.labels, self.augment = levels, indices, labels, augment

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Indices, rng: np.random.Generator | None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return ``(n, 1, size, size)`` values from 0 to 1 and ``(n,)`` classes; each map turned if there is `rng`."""
        chosen = self.indices[indices]
        maps = self.levels(chosen)
        if rng is not None and self.augment:
            turns = rng.integers(8, size=len(maps))
            maps = np.stack([symmetry(one, int(which)) for one, which in zip(maps, turns, strict=True)])
        return as_input(maps), self.labels[chosen].astype(np.int64)


def as_input(levels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``(n, 1, rows, cols)`` float32, levels / 255, for maps ``(n, rows, cols)`` uint8."""
    if levels.ndim != 3 or levels.dtype != np.uint8:
        msg = f"maps are {levels.dtype} of shape {levels.shape}; wanted uint8, (n, rows, cols)"
        raise InputError(msg)
    found: NDArray[np.float32] = levels[:, None].astype(np.float32) / np.float32(255.0)
    return found


def symmetry(image: NDArray[np.uint8], which: int) -> NDArray[np.uint8]:
    """Return a square image under one of the eight symmetries of the square, number 0 (itself) to 7."""
    turned = np.rot90(image, which % 4)
    return turned.T if which >= 4 else turned
