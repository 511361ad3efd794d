"""Windows of mosaics as training examples, gathered when they are needed and turned and mirrored at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.images.micrograph import Micrograph
from cemvis.kernels.tiling import gather_windows

Floats = NDArray[np.float64]

HELD_BYTES = 4 * 2**30
"""Mosaics up to this size together are decoded once and held; larger ones are read window by window."""


@dataclass(frozen=True)
class WindowSource:
    """Windows of one mosaic.

    Attributes
    ----------
    micrograph : Micrograph
    top_left : (n, 2) int64
        Row and column of the first pixel of what the network reads; all of it lies inside the mosaic.
    grey_mean, grey_sd : float
        On the mosaic's own scale: the grey level that becomes 0, and the grey levels that become 1.
    """

    micrograph: Micrograph
    top_left: NDArray[np.int64]
    grey_mean: float
    grey_sd: float


class WindowExamples:
    """Standardised windows with standardised targets.

    Parameters
    ----------
    sources : sequence of WindowSource
    targets : (n, k) float32
        Standardised; the windows of all sources in their order.
    window_px, downsample : int
        Edge of what the network reads, and of the squares of pixels that are averaged into a sample.
    """

    def __init__(
        self, sources: Sequence[WindowSource], targets: NDArray[np.float32], *, window_px: int, downsample: int
    ) -> None:
        self._sources = tuple(sources)
        self._targets = np.ascontiguousarray(targets, np.float32)
        self._window_px, self._downsample = window_px, downsample
        counts = [len(each.top_left) for each in sources]
        self._source = np.repeat(np.arange(len(counts)), counts)
        self._top_left = np.concatenate([each.top_left for each in sources])
        if len(self._top_left) != len(targets) or not np.isfinite(targets).all():
            msg = f"{len(self._top_left)} windows with {len(targets)} targets, or targets that are not finite"
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self._top_left)

    def only(self, chosen: NDArray[np.intp]) -> Subset:
        """Return the examples of these indices."""
        return Subset(self, chosen)

    def windows(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the windows of these examples as they are, (len(indices), window, window) float32."""
        edge, size = self._window_px // self._downsample, self._window_px
        out = np.empty((len(indices), edge, edge), np.float32)
        for place, index in enumerate(indices):
            source = self._sources[self._source[index]]
            row, col = map(int, self._top_left[index])
            gather_windows(
                source.micrograph.read(row, col, size, size),
                [((size - 1) / 2, (size - 1) / 2)],
                window_px=size,
                border="refuse",
                downsample=self._downsample,
                grey_mean=source.grey_mean,
                grey_sd=source.grey_sd,
                threads=1,
                out=out[place : place + 1],
            )
        return out

    def batch(self, indices: NDArray[np.intp], rng: np.random.Generator | None) -> tuple[NDArray[np.float32], ...]:
        """Return windows, (n, 1, window, window), and targets, (n, k).

        With `rng`, each window is turned by quarters and mirrored: an indent in its middle measures the same.
        """
        windows = self.windows(indices)
        if rng is not None:
            for window, symmetry in zip(windows, rng.integers(8, size=len(indices)), strict=True):
                window[:] = turned(window, int(symmetry))
        return windows[:, np.newaxis], self._targets[indices]


@dataclass(frozen=True)
class Subset:
    """Some of the examples."""

    of: WindowExamples
    chosen: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.chosen)

    def windows(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the windows of these of the chosen examples; see `WindowExamples.windows`."""
        return self.of.windows(self.chosen[indices])

    def batch(self, indices: NDArray[np.intp], rng: np.random.Generator | None) -> tuple[NDArray[np.float32], ...]:
        """Return windows and targets of these of the chosen examples; see `WindowExamples.batch`."""
        return self.of.batch(self.chosen[indices], rng)


def turned(window: NDArray[np.float32], symmetry: int) -> NDArray[np.float32]:
    """Return one of the eight symmetric copies of a square window; 0 is the window itself."""
    quarter = np.rot90(window, symmetry % 4)
    return np.ascontiguousarray(quarter[:, ::-1] if symmetry >= 4 else quarter)


def held(micrographs: Sequence[Micrograph], *, most_bytes: int = HELD_BYTES) -> list[Micrograph]:
    """Return the micrographs decoded in memory if all of them together fit into `most_bytes`, else as they are."""
    size = sum(each.shape[0] * each.shape[1] * each.dtype.itemsize for each in micrographs)
    if size > most_bytes:
        return list(micrographs)
    return [
        Micrograph.from_array(each.read(0, 0, *each.shape, threads=2), pixel_size=each.pixel_size)
        for each in micrographs
    ]
