"""Tiles of the after-image matched to the before-image: how far each lies from where it was expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cemvis.images.registration.levels import Level

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]
"""Takes positions (n, 2) on the after-level, gives those expected on the before-level."""

# Grey levels are compared at wavelengths of about 10 to 100 px of the level: finer ones are noise, coarser ones drift
# with the detector. Half of what is left of the spectrum's slope is levelled, so that a few strong edges, such as an
# imprint's, do not outweigh everything else. Median errors of 0.13 px (256 px tiles of virtual paste); neither phase
# correlation (0.18) nor plain correlation (0.19) does as well.
FINE_PX, COARSE_PX = 2.0, 20.0
WHITENING = 0.5
LEAST_TILE_PX = 40  # along either edge
_KNOT_PX = 32
_BLOCK_PX = 1024
_LEAST_SEEN = 0.7  # of a tile has to be on the before-image


@dataclass(frozen=True, eq=False)
class Tiles:
    """Matched tiles, positions in px of the after-level or before-level.

    Attributes
    ----------
    after_xy : (n, 2) float64
        Centres.
    expected_xy, found_xy : (n, 2) float64
        Where the centre was expected and found on the before-image; NaN where it was not found.
    peak : (n,) float64
        Height of the correlation's peak: 1 for equal tiles, 0 where one shows nothing at all, NaN where the tile is not
        on the before-image.
    contrast : (n,) float64
        The peak over the highest one elsewhere.
    error_px : (n,) float64
        Standard deviation along one axis that peak and sharpness let expect.
    """

    after_xy: Floats
    expected_xy: Floats
    found_xy: Floats
    peak: Floats
    contrast: Floats
    error_px: Floats

    def __len__(self) -> int:
        return len(self.after_xy)

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Tiles:
        """Return the tiles that are chosen."""
        return Tiles(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})

    @property
    def shift(self) -> Floats:
        """How far from where they were expected the tiles were found, (n, 2) in px of the before-level."""
        return self.found_xy - self.expected_xy

    @staticmethod
    def joined(parts: Sequence[Tiles]) -> Tiles:
        """Return the tiles of several."""
        return Tiles(
            **{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Tiles)}
        )


def spread(first_px: float, last_px: float, *, side_px: int, step_px: float) -> NDArray[np.int64]:
    """Return where tiles of `side_px` begin that lie evenly from `first_px` to `last_px`, at most `step_px` apart."""
    first, last = int(np.ceil(first_px)), int(np.floor(last_px)) - side_px + 1
    if last <= first:
        return np.array([first])
    return np.rint(np.linspace(first, last, int(np.ceil((last - first) / step_px)) + 1)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class TileJob:
    """Tiles of one size that share an expectation.

    Attributes
    ----------
    corners : (n, 2) int64
        First column and row of each tile on the after-level; tiles lie inside it.
    shape : (rows, cols)
    predict : callable
    """

    corners: NDArray[np.int64]
    shape: tuple[int, int]
    predict: Predict


def match_tiles(
    before: Level,
    after: Level,
    jobs: Sequence[TileJob],
    *,
    reach_px: int,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Tiles]:
    """Match the tiles of each job; the result does not depend on the number of threads.

    Parameters
    ----------
    before, after : Level
        Of like pixel size, but for what the prediction says.
    jobs : sequence of TileJob
    reach_px : int
        How far from its expectation a tile is looked for; at most a quarter of its side is.
    threads : int
    progress : callable, optional
        Called with tiles done and all tiles.
    """
    parts = [(number, part) for number, job in enumerate(jobs) for part in _blocks(job)]
    total = sum(len(job.corners) for job in jobs)
    found: list[tuple[int, NDArray[np.intp], Tiles]] = []
    done = 0

    def run(item: tuple[int, NDArray[np.intp]]) -> tuple[int, NDArray[np.intp], Tiles]:
        number, part = item
        return number, part, _match_block(before, after, jobs[number], part, reach_px)

    with ThreadPoolExecutor(threads) as pool:
        try:
            for result in pool.map(run, parts):
                found.append(result)
                done += len(result[1])
                if progress is not None:
                    progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    results = []
    for number in range(len(jobs)):
        mine = [(part, tiles) for owner, part, tiles in found if owner == number]
        order = np.argsort(np.concatenate([part for part, _ in mine]))
        results.append(Tiles.joined([tiles for _, tiles in mine]).only(order))
    return results


def _blocks(job: TileJob) -> list[NDArray[np.intp]]:
    """Return the numbers of a job's tiles, those close together in one array each."""
    cell = job.corners // max(_BLOCK_PX, *job.shape)
    _, block = np.unique(cell, axis=0, return_inverse=True)
    order = np.argsort(block.ravel(), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(block.ravel()[order])) + 1)


def _match_block(before: Level, after: Level, job: TileJob, part: NDArray[np.intp], reach_px: int) -> Tiles:
    corners = job.corners[part]
    rows, cols = job.shape
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0) + np.array([cols, rows])
    grey_after = after.read(int(top), int(left), int(bottom - top), int(right - left))
    grey_before = resampled(before, job.predict, int(left), int(top), (int(bottom - top), int(right - left)))
    windows = [np.s_[y - top : y - top + rows, x - left : x - left + cols] for x, y in corners]
    centres = corners + np.array([cols - 1, rows - 1]) / 2
    correlate = _Correlation((rows, cols), reach_px)
    matches = np.array([correlate(grey_after[window], grey_before[window]) for window in windows])
    expected = job.predict(centres)
    # The shift is measured on the after-image's pixels: turn it by the prediction's own slope.
    ahead = np.stack([job.predict(centres + step) - expected for step in ((1.0, 0.0), (0.0, 1.0))], axis=-1)
    return Tiles(
        after_xy=centres,
        expected_xy=expected,
        found_xy=expected + np.einsum("nij,nj->ni", ahead, matches[:, :2]),
        peak=matches[:, 2],
        contrast=matches[:, 3],
        error_px=matches[:, 4] * np.sqrt(np.abs(np.linalg.det(ahead))),
    )


def resampled(before: Level, predict: Predict, left: int, top: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the before-level on the pixels of a window of the after-level, NaN where there is none."""
    from scipy.ndimage import map_coordinates

    rows, cols = shape
    xs = np.append(np.arange(0, cols - 1, _KNOT_PX), cols - 1) if cols > 1 else np.array([0, 1])
    ys = np.append(np.arange(0, rows - 1, _KNOT_PX), rows - 1) if rows > 1 else np.array([0, 1])
    knots = np.stack(np.meshgrid(xs + left, ys + top), axis=-1).reshape(-1, 2).astype(np.float64)
    coarse = np.asarray(predict(knots).reshape(len(ys), len(xs), 2), np.float32)
    x, y = (_filled_in(coarse[..., axis], xs, ys, shape) for axis in (0, 1))
    out = np.full(shape, np.nan, np.float32)
    inside = (x >= 0) & (x <= before.shape[1] - 1) & (y >= 0) & (y <= before.shape[0] - 1)
    if not inside.any():
        return out
    first_col, first_row = int(np.floor(x[inside].min())), int(np.floor(y[inside].min()))
    last_col, last_row = int(np.ceil(x[inside].max())), int(np.ceil(y[inside].max()))
    block = before.read(first_row, first_col, last_row - first_row + 1, last_col - first_col + 1)
    places = np.stack([y - first_row, x - first_col])
    map_coordinates(block, places, order=1, mode="nearest", output=out)
    out[~inside] = np.nan
    return out


def _filled_in(
    coarse: NDArray[np.float32], xs: NDArray[np.int64], ys: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return values at every pixel by straight lines between knots at the columns `xs` and rows `ys`."""
    col, row = np.arange(shape[1]), np.arange(shape[0])
    i = np.clip(np.searchsorted(xs, col, side="right") - 1, 0, len(xs) - 2)
    j = np.clip(np.searchsorted(ys, row, side="right") - 1, 0, len(ys) - 2)
    s = ((col - xs[i]) / (xs[i + 1] - xs[i])).astype(np.float32)
    t = ((row - ys[j]) / (ys[j + 1] - ys[j])).astype(np.float32)[:, None]
    lines = coarse[:, i] * (1 - s) + coarse[:, i + 1] * s
    return np.asarray(lines[j] * (1 - t) + lines[j + 1] * t, np.float32)


class _Correlation:
    """Correlation of two tiles of one shape, band-passed and half whitened; its peak to a fraction of a pixel."""

    def __init__(self, shape: tuple[int, int], reach_px: int) -> None:
        from scipy import fft

        rows, cols = shape
        self._fft = fft
        self._shape = shape
        self._window = np.outer(*(np.hanning(side + 2)[1:-1] for side in shape)).astype(np.float32)
        frequency = np.hypot(fft.fftfreq(rows)[:, None], fft.rfftfreq(cols)[None]) * np.pi
        self._band = np.exp(-2 * (frequency * FINE_PX) ** 2) - np.exp(-2 * (frequency * COARSE_PX) ** 2)
        self._band = (self._band**2).astype(np.float32)
        both = np.full(self._band.shape, 2.0, np.float32)  # each column of a real FFT but the first stands for two
        both[:, 0] = 1.0
        self._both = both if cols % 2 else np.concatenate([both[:, :-1], both[:, :1]], axis=1)
        self._reach = (min(reach_px, rows // 4), min(reach_px, cols // 4))

    def __call__(self, after: NDArray[np.float32], before: NDArray[np.float32]) -> tuple[float, ...]:
        """Return shift x, shift y, peak, contrast and error of the after-tile's place on the before-tile."""
        seen = np.isfinite(before)
        share = float(seen.mean())
        if share < _LEAST_SEEN:
            return (np.nan, np.nan, np.nan, 0.0, np.nan)
        if share < 1:
            before = np.where(seen, before, before[seen].mean())
            after = np.where(seen, after, after[seen].mean())
        one = self._fft.rfft2((after - after.mean()) * self._window)
        two = self._fft.rfft2((before - before.mean()) * self._window)
        size = np.abs(one) * np.abs(two)
        levelled = (
            self._band * size**-WHITENING if size.min() > 0 else self._band * np.maximum(size, 1e-12) ** -WHITENING
        )
        total = float((self._band * size ** (1 - WHITENING) * self._both).sum())
        if not total > 0:
            return (np.nan, np.nan, 0.0, 0.0, np.nan)
        surface = self._fft.irfft2(two * np.conj(one) * levelled, s=self._shape) * (
            self._shape[0] * self._shape[1] / total
        )
        return self._peak(surface)

    def _peak(self, surface: NDArray[np.float32]) -> tuple[float, ...]:
        down, across = self._reach
        near = np.take(
            np.take(surface, range(-down, down + 1), axis=0, mode="wrap"), range(-across, across + 1), 1, mode="wrap"
        )
        j, i = (int(k) for k in np.unravel_index(near.argmax(), near.shape))
        height = float(near[j, i])
        if not (0 < j < 2 * down and 0 < i < 2 * across) or height <= 0:
            return (np.nan, np.nan, height, 0.0, np.nan)
        around = near[j - 1 : j + 2, i - 1 : i + 2].astype(np.float64)
        slope = np.array([around[1, 2] - around[1, 0], around[2, 1] - around[0, 1]]) / 2
        bend_x = 2 * around[1, 1] - around[1, 0] - around[1, 2]
        bend_y = 2 * around[1, 1] - around[0, 1] - around[2, 1]
        if min(bend_x, bend_y) <= 0:
            return (np.nan, np.nan, height, 0.0, np.nan)
        x, y = i - across + slope[0] / bend_x, j - down + slope[1] / bend_y
        elsewhere = near.copy()
        clear = round(2 * FINE_PX) + 2
        elsewhere[max(0, j - clear) : j + clear + 1, max(0, i - clear) : i + clear + 1] = -1
        other = max(float(elsewhere.max()), 1e-6)
        # The noise of the surface against its bend says how far the peak may have been moved.
        noise = float(np.sqrt(np.mean(np.square(elsewhere[elsewhere > -1])))) if (elsewhere > -1).any() else height
        error = _NOISE_SLOPE * noise / min(bend_x, bend_y)
        return (float(x), float(y), height, height / other, error)


_NOISE_SLOPE = 0.045  # sd of the noise's slope over its own sd, per px, as measured on tiles whose place is known
