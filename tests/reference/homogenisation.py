"""Naive plane-strain homogenisation: a dense matrix of bilinear elements, and Moulinec and Suquet's basic scheme."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def plane_tensor(modulus: float, ratio: float) -> NDArray[np.float64]:
    """Return the stiffness (3, 3) in plane strain, shear strain as an angle."""
    shear = modulus / (2 * (1 + ratio))
    first = 2 * shear * ratio / (1 - 2 * ratio)
    return np.array([[first + 2 * shear, first, 0], [first, first + 2 * shear, 0], [0, 0, shear]])


def dense_elements(
    modulus: NDArray[np.float64], ratio: NDArray[np.float64], *, exact: bool = False
) -> NDArray[np.float64]:
    """Return the effective stiffness from a dense system of bilinear elements.

    With one Gauss point at the centre, or integrated exactly with 2 x 2.
    """
    rows, cols = modulus.shape
    count = 2 * rows * cols
    matrix, load, mean = np.zeros((count, count)), np.zeros((count, 3)), np.zeros((3, 3))
    gauss = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3) if exact else np.array([0.5])
    for row in range(rows):
        for col in range(cols):
            tensor = plane_tensor(modulus[row, col], ratio[row, col])
            nodes = [((row + j) % rows) * cols + (col + i) % cols for j in (0, 1) for i in (0, 1)]
            where = np.array([2 * node + axis for node in nodes for axis in (0, 1)])
            mean += tensor
            for x in gauss:
                for y in gauss:
                    by_x = np.array([-(1 - y), 1 - y, -y, y])
                    by_y = np.array([-(1 - x), -x, 1 - x, x])
                    strain = np.zeros((3, 8))
                    strain[0, 0::2], strain[1, 1::2] = by_x, by_y
                    strain[2, 0::2], strain[2, 1::2] = by_y, by_x
                    np.add.at(matrix, np.ix_(where, where), strain.T @ tensor @ strain / gauss.size**2)
                    np.add.at(load, where, strain.T @ tensor / gauss.size**2)
    moved = np.linalg.lstsq(matrix, -load, rcond=1e-12)[0]
    return (mean + load.T @ moved) / (rows * cols)


def basic_scheme(modulus: NDArray[np.float64], ratio: NDArray[np.float64], *, steps: int = 300) -> NDArray[np.float64]:
    """Return the effective stiffness by the fixed-point iteration of the 1998 paper, on an odd grid."""
    rows, cols = modulus.shape
    shear = modulus / (2 * (1 + ratio))
    first = 2 * shear * ratio / (1 - 2 * ratio)
    shear0, first0 = (shear.min() + shear.max()) / 2, (first.min() + first.max()) / 2
    y, x = np.meshgrid(np.fft.fftfreq(rows) * rows / rows, np.fft.fftfreq(cols), indexing="ij")
    waves = np.stack([x, y])
    square = (waves**2).sum(axis=0)
    square[0, 0] = 1
    eye = np.eye(2)
    out = np.zeros((3, 3))
    for column, mean in enumerate(([[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 0.5], [0.5, 0]])):
        strain = np.array(mean, float)[:, :, None, None] * np.ones((rows, cols))
        for _ in range(steps):
            stress = first * np.einsum("kkyx->yx", strain) * eye[:, :, None, None] + 2 * shear * strain
            tau = np.fft.fft2(stress)
            force = np.einsum("jyx,ijyx->iyx", waves, tau)
            along = np.einsum("iyx,iyx->yx", waves, force)
            moved = force / (shear0 * square)
            moved -= (first0 + shear0) / (shear0 * (first0 + 2 * shear0)) * waves * along / square**2
            moved[:, 0, 0] = 0
            change = (np.einsum("iyx,jyx->ijyx", waves, moved) + np.einsum("jyx,iyx->ijyx", waves, moved)) / 2
            strain = strain - np.fft.ifft2(change).real
        stress = first * np.einsum("kkyx->yx", strain) * eye[:, :, None, None] + 2 * shear * strain
        out[:, column] = stress[0, 0].mean(), stress[1, 1].mean(), stress[0, 1].mean()
    return out
