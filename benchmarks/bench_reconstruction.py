"""Annealing towards a two-point correlation: an update a swap against counting all pairs anew.

Each contender tries swaps and works out the energy after each; that of all is checked to be the same first. A rival
that counts anew does a stated share of the swaps. Counts of the FFT are rounded to whole ones, as they have to be.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cemvis.kernels.reconstruction import Reconstruction
from cemvis.kernels.two_point import pair_counts

ndimage = pytest.importorskip("scipy.ndimage")
fft = pytest.importorskip("scipy.fft")

CASES = [(128, 2, 32), (256, 2, 32), (512, 2, 64), (256, 4, 32), (256, 10, 32)]
TRIALS = 20_000
COUNTED, UPDATED = 8, 200  # swaps of the rivals that count anew, and of NumPy's update


@cache
def structure(side: int, phases: int) -> NDArray[np.uint8]:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((side, side)), 3, mode="wrap")
    return np.digitize(smooth, np.quantile(smooth, np.linspace(0, 1, phases + 1)[1:-1])).astype(np.uint8)


def probabilities(counts: NDArray[np.uint64]) -> NDArray[np.float64]:
    return counts / counts.sum(1, keepdims=True, dtype=np.float64)


def energy(counts: NDArray[np.uint64], target: NDArray[np.float64]) -> float:
    return float(np.sum((probabilities(counts) - target)[1:] ** 2))


class Rivals:
    """What one would write with NumPy and SciPy, for a periodic image."""

    def __init__(self, side: int, phases: int, r_max: int) -> None:
        self.side, self.phases, self.r_max = side, phases, r_max
        self.cells = phases * (phases + 1) // 2
        found = pair_counts(structure(side, phases), r_max=r_max, levels=phases, periodic=True)
        self.target = probabilities(found.counts)
        rng = np.random.default_rng(1)
        self.start = rng.permutation(structure(side, phases).ravel()).reshape(side, side)
        self.swaps = rng.integers(0, side, (max(COUNTED, UPDATED), 2, 2))
        dy, dx = np.mgrid[-r_max : r_max + 1, -r_max : r_max + 1]
        ring = np.rint(np.hypot(dy, dx)).astype(np.intp)
        near = (ring <= r_max) & (ring > 0)
        self.dy, self.dx, self.ring = dy[near], dx[near], ring[near]
        across = np.minimum(np.arange(side), side - np.arange(side))
        self.map_ring = np.rint(np.hypot(*np.meshgrid(across, across)))
        self.map_ring = np.minimum(self.map_ring.astype(np.intp), r_max + 1)
        self.columns = np.empty((phases, phases), np.intp)
        for j in range(phases):
            for i in range(j + 1):
                self.columns[i, j] = self.columns[j, i] = j * (j + 1) // 2 + i

    def counted(self, image: NDArray[np.uint8]) -> NDArray[np.uint64]:
        return pair_counts(image, r_max=self.r_max, levels=self.phases, periodic=True, threads=1).counts

    def transformed(self, image: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """Correlate the indicators of all pairs of phases but one by FFT, and add up rings."""
        spectra = [fft.rfft2(image == phase) for phase in range(self.phases)]
        counts = np.zeros((self.r_max + 1, self.cells), np.uint64)
        for j in range(self.phases):
            for i in range(j + 1):
                both = np.rint(fft.irfft2(spectra[i] * spectra[j].conj(), s=image.shape))
                sums = np.bincount(self.map_ring.ravel(), both.ravel(), self.r_max + 2)[:-1]
                half = np.where((np.arange(self.r_max + 1) > 0) & (i == j), 0.5, 1.0)
                counts[:, self.columns[i, j]] = np.rint(half * sums)
        return counts

    def anew(self, count: Callable[[NDArray[np.uint8]], NDArray[np.uint64]], swaps: int) -> list[float]:
        image, energies = self.start.copy(), []
        for (a, b), (c, d) in self.swaps[:swaps]:
            image[a, b], image[c, d] = image[c, d], image[a, b]
            energies.append(energy(count(image), self.target))
        return energies

    def updated(self, swaps: int) -> list[float]:
        """Move the counts of both pixels' neighbours, which NumPy gathers."""
        image, energies = self.start.copy(), []
        counts = self.counted(image).astype(np.int64)
        for (a, b), (c, d) in self.swaps[:swaps]:
            one, other = image[a, b], image[c, d]
            for (row, col), old, new in (((a, b), one, other), ((c, d), other, one)):
                around = image[(row + self.dy) % self.side, (col + self.dx) % self.side]
                for phase, sign in ((old, -1), (new, 1)):
                    cells = self.ring * self.cells + self.columns[phase, around]
                    counts += sign * np.bincount(cells, minlength=counts.size).reshape(counts.shape)
                image[row, col] = new
            energies.append(energy(counts.astype(np.uint64), self.target))
        return energies

    def begun(self) -> Reconstruction:
        return Reconstruction(self.start, self.target, phases=self.phases, seed=1, threads=1)

    def followed(self, swaps: int) -> list[float]:
        state, energies = self.begun(), []
        for first, second in self.swaps[:swaps]:
            state.swap(tuple(first), tuple(second))
            energies.append(state.energy)
        return energies


@pytest.mark.parametrize(("side", "phases", "r_max"), CASES)
def test_reconstruction_swaps(side: int, phases: int, r_max: int, compare: Callable[..., object]) -> None:
    rivals = Rivals(side, phases, r_max)
    expected = rivals.followed(UPDATED)
    np.testing.assert_allclose(rivals.updated(UPDATED), expected, rtol=1e-9)
    for count in (rivals.counted, rivals.transformed):
        np.testing.assert_allclose(rivals.anew(count, COUNTED), expected[:COUNTED], rtol=1e-9)
    state = rivals.begun()
    few = COUNTED if phases < 10 else 2
    compare(
        f"{TRIALS:,} swaps, {side} x {side} px, {phases} phases, r <= {r_max}: {2 * state.neighbours:,} looks each",
        {
            "cemvis": lambda: state.anneal(TRIALS, 1e-12),
            "NumPy update": lambda: rivals.updated(UPDATED),
            "two_point kernel anew, 1 thread": lambda: rivals.anew(rivals.counted, few),
            "scipy.fft anew": lambda: rivals.anew(rivals.transformed, few),
        },
        {
            "NumPy update": UPDATED / TRIALS,
            "two_point kernel anew, 1 thread": few / TRIALS,
            "scipy.fft anew": few / TRIALS,
        },
    )
