"""The rotation, scale and shift that lay one overview on another, found without any hint of where they overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.images.registration.levels import Level

Floats = NDArray[np.float64]

MOST_ANGLE_DEG, ANGLE_STEP_DEG = 5.25, 0.75
MOST_SCALE, SCALE_STEP = 0.03, 0.015
LEAST_SIDE_SHARE = 0.2  # of the shorter image has to overlap along either axis
SEARCH_PX = 256  # edge of the images among which angles and scales are searched
# The highest value of a correlation surface over its sd: among some 10^7 values of noise it stays below 6.5.
LEAST_SCORE = 8.0
SURE_SCORE = 20.0
_FINE_PX, _COARSE_PX = 1.0, 8.0


@dataclass(frozen=True)
class Similarity:
    """How an after-image lies on a before-image.

    Attributes
    ----------
    quarter_turns : int
        Times 90 degrees that the after-image has to be turned, from x towards y, before all else.
    mirrored : bool
        Whether it has to be flipped left to right before that.
    angle_deg, scale : float
        Of the small rotation from x towards y, and px of the before-image per px of the after-image.
    affine : (2, 3) float64
        All of it: ``before = affine @ (after, 1)`` in px.
    score : float
        Height of the correlation's peak over the sd of its surface.
    """

    quarter_turns: int
    mirrored: bool
    angle_deg: float
    scale: float
    affine: Floats
    score: float


def find_similarity(
    before: Level,
    after: Level,
    *,
    scale: float = 1.0,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Similarity | None:
    """Return how the after-image lies on the before-image, or None if no way of laying it on stands out.

    Angles to +-5 degrees and scales to +-3 % around `scale` are tried first; only if none fits, images turned by
    quarters and mirrored ones, too.

    Parameters
    ----------
    before, after : Level
        Held in memory.
    scale
        Expected px of the before-image per px of the after-image (full resolution).
    threads
    progress
        Called with steps done and all steps.
    """

    def search(edge_px: int) -> _Search:
        shrink = max(1.0, max(*before.shape, *after.shape) / edge_px)
        return _Search(before, after, shrink=shrink, scale=scale, threads=threads)

    if min(float(np.ptp(level.read(0, 0, *level.shape))) for level in (before, after)) == 0:
        return None
    quick = search(SEARCH_PX)
    best = quick.best(0, False)
    if best.score >= SURE_SCORE:
        return best
    ways = [(turns, mirrored) for mirrored in (False, True) for turns in range(4) if turns or mirrored]
    for number, way in enumerate(ways):
        best = max(best, quick.best(*way), key=lambda found: found.score)
        if progress is not None:
            progress(number + 1, len(ways))
        if best.score >= SURE_SCORE:
            return best
    best = max(best, search(2 * SEARCH_PX).best(0, False), key=lambda found: found.score)  # if they overlap little
    return best if best.score >= LEAST_SCORE else None


class _Search:
    """Correlates the before-image with the after-image, turned and scaled, both small and high-passed."""

    def __init__(self, before: Level, after: Level, *, shrink: float, scale: float, threads: int) -> None:
        from scipy import fft

        self._fft = fft
        self._threads = threads
        self._scale = scale
        self._before, self._after = before, after
        self._pixel = shrink * before.factor  # px of the before-image per px of the search
        self._small = _shrunk(before, shrink)
        # As many px of the search per um in the after-image as in the before-image, by what is known of the scale.
        self._after_pixel = self._pixel / scale
        self._small_after = _shrunk(after, self._after_pixel / after.factor)
        longest = math.hypot(*self._small_after.shape) * (1 + MOST_SCALE)
        self._shape = tuple(fft.next_fast_len(math.ceil(side + longest), real=True) for side in self._small.shape)
        rows, cols = self._shape
        frequency = np.hypot(fft.fftfreq(rows)[:, None], fft.rfftfreq(cols)[None]) * np.pi
        band = np.exp(-2 * (frequency * _FINE_PX) ** 2) - np.exp(-2 * (frequency * _COARSE_PX) ** 2)
        self._band = band.astype(np.float32)
        spectrum = fft.rfft2(_prepared(self._small), s=self._shape)
        self._spectrum = spectrum * self._band / np.sqrt(np.abs(spectrum) + 1e-6)

    def best(self, turns: int, mirrored: bool) -> Similarity:
        """Return the best similarity with this orientation."""
        with ThreadPoolExecutor(self._threads) as pool:
            coarse = list(pool.map(lambda way: self._score(turns, mirrored, *way), _ways()))
            angle, scale = max(coarse)[1:3]
            finer = [
                (angle + i * ANGLE_STEP_DEG / 3, scale + j * SCALE_STEP / 3) for i in (-1, 0, 1) for j in (-1, 0, 1)
            ]
            fine = list(pool.map(lambda way: self._score(turns, mirrored, *way), finer))
        score, angle, scale, x, y = max(fine + coarse)
        return Similarity(
            quarter_turns=turns,
            mirrored=mirrored,
            angle_deg=angle,
            scale=scale * self._scale,
            affine=self._affine(turns, mirrored, angle, scale, x, y),
            score=score,
        )

    def _matrix(self, turns: int, mirrored: bool, angle: float, scale: float) -> Floats:
        """Return the 2 x 2 matrix that takes (x, y) of the small after-image to the search's."""
        turn = math.radians(angle + 90.0 * turns)
        flip = np.diag([-1.0 if mirrored else 1.0, 1.0])
        return scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ flip

    def _score(self, turns: int, mirrored: bool, angle: float, scale: float) -> tuple[float, ...]:
        """Return the peak's height, the angle and scale given, and where the after-image's centre comes to lie."""
        from scipy.ndimage import affine_transform

        image = _prepared(self._small_after)
        matrix = self._matrix(turns, mirrored, angle, scale)
        corners = np.abs(matrix) @ np.array([image.shape[1], image.shape[0]])
        cols, rows = (min(math.ceil(corner), side) for corner, side in zip(corners, self._shape[::-1], strict=True))
        back = np.linalg.inv(matrix)[::-1, ::-1]  # rows and columns instead of x and y
        centre_in, centre_out = (np.array(image.shape) - 1) / 2, (np.array([rows, cols]) - 1) / 2
        turned = affine_transform(
            image, back, centre_in - back @ centre_out, output_shape=(rows, cols), order=1, output=np.float32
        )
        spectrum = self._fft.rfft2(turned, s=self._shape)
        levelled = spectrum * self._band / np.sqrt(np.abs(spectrum) + 1e-6)
        surface = self._fft.irfft2(self._spectrum * np.conj(levelled), s=self._shape)
        shared = [
            _overlap(n, own, out) for n, own, out in zip(self._shape, self._small.shape, (rows, cols), strict=True)
        ]
        surface *= np.outer(*(1 / np.sqrt(share) for share in shared))  # so that noise is as high at any overlap
        likely = np.outer(*(share > LEAST_SIDE_SHARE for share in shared))
        y, x = (int(k) for k in np.unravel_index(np.where(likely, surface, 0).argmax(), surface.shape))
        score = float(surface[y, x] / max(float(surface[likely].std()), 1e-30))
        y, x = (
            at - side if at >= own else at
            for at, side, own in ((y, self._shape[0], self._small.shape[0]), (x, self._shape[1], self._small.shape[1]))
        )
        return score, angle, scale, x + centre_out[1], y + centre_out[0]

    def _affine(self, turns: int, mirrored: bool, angle: float, scale: float, x: float, y: float) -> Floats:
        """Return the transform between the full images: centre to (x, y) of the search, in between the matrix."""
        linear = self._matrix(turns, mirrored, angle, scale) * (self._pixel / self._after_pixel)
        small = (np.array(self._small_after.shape[::-1]) - 1) / 2
        centre = (small + 0.5) * self._after_pixel - 0.5
        target = (np.array([x, y]) + 0.5) * self._pixel - 0.5
        return np.hstack([linear, (target - linear @ centre)[:, None]])


def _overlap(length: int, one: int, two: int) -> NDArray[np.float32]:
    """Return the share of the shorter side over which two lines of px overlap at each cyclic lag, at least a little."""
    lag = np.arange(length)
    lag = np.where(lag >= one, lag - length, lag)
    both = np.minimum(one, lag + two) - np.maximum(0, lag)
    return np.asarray(np.maximum(both / min(one, two), 0.01), np.float32)


def _ways() -> Iterator[tuple[float, float]]:
    angles, scales = round(MOST_ANGLE_DEG / ANGLE_STEP_DEG), round(MOST_SCALE / SCALE_STEP)
    for i in range(-angles, angles + 1):
        for j in range(-scales, scales + 1):
            yield i * ANGLE_STEP_DEG, 1 + j * SCALE_STEP


def _shrunk(level: Level, shrink: float) -> NDArray[np.float32]:
    """Return a level with `shrink` of its px in one; the pixel grid keeps its corner."""
    from scipy.ndimage import affine_transform, gaussian_filter

    image = level.read(0, 0, *level.shape)
    if shrink > 1:
        image = gaussian_filter(image, 0.45 * math.sqrt(max(shrink**2 - 1, 0.01)), mode="nearest")
    shape = tuple(max(1, math.floor(side / shrink)) for side in image.shape)
    return np.asarray(
        affine_transform(image, [shrink] * 2, [(shrink - 1) / 2] * 2, output_shape=shape, order=1, mode="nearest"),
        np.float32,
    )


def _prepared(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image without its mean, fading out at its edges, so that the edges do not correlate."""
    windows = [
        np.clip(np.minimum(k + 0.5, n - k - 0.5) / max(1.0, 0.06 * n), 0, 1)
        for n in image.shape
        for k in [np.arange(n)]
    ]
    return np.asarray((image - np.median(image)) * np.outer(*windows), np.float32)
