"""Where a whole table of indents lies on an image: one shift and one turn, from a coarse map of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cemvis.analysis.indentation.micro_positioning.appearance import blob_responses
from cemvis.kernels.indent_search import downsampled

Floats = NDArray[np.float64]
Image = NDArray[np.generic]

_COARSE_PITCH_PX = 20
_MOST_PIXELS = 2**24
_LEAST_PITCH_PX = 8
_CLIP = 4.0
_AGAINST = 0.25  # of what an imprint speaks for a shift
_TURN_STEP = 0.35  # of the comb's tolerance, at the places farthest from the middle


@dataclass(frozen=True)
class TablePlace:
    """Where a table's positions lie on an image.

    Attributes
    ----------
    shift_px : (2,) float64
        Added to the turned positions.
    turn_rad : float
        By which they are turned about the origin, from x towards y.
    evidence : float
        Height of the correlation's peak in standard deviations of the map.
    runner_up : float
        The same of the next best peak at least half a pitch away, less what speaks against it for covering more of
        the image.
    """

    shift_px: Floats
    turn_rad: float
    evidence: float
    runner_up: float

    def apply(self, positions_px: Floats) -> Floats:
        """Return positions on the image, (..., 2) float64."""
        return np.asarray(positions_px @ _turning(self.turn_rad) + self.shift_px)


@dataclass(frozen=True)
class Near:
    """Where a table's first test lies, if that is known beforehand.

    Attributes
    ----------
    first_px : tuple of float
        x and y on the image.
    reach_px : float
        How far off it may be in x and in y.
    """

    first_px: tuple[float, float]
    reach_px: float


def find_table(
    image: Image,
    positions_px: Floats,
    *,
    pitch_px: float,
    tolerance_px: float,
    turn_rad: float,
    near: Near | None = None,
) -> TablePlace:
    """Find where a table of indents lies on an image, whatever its imprints look like.

    Blobs of three sizes, dark and bright on the image and on its edges, give coarse maps; each is correlated with a
    comb of Gaussians at the positions. The best map and turn win.

    Parameters
    ----------
    image : (rows, cols) uint8, uint16 or float32
        Without NaN; may be mapped from a file.
    positions_px : (n, 2) float64
        The table's positions in px of the image, in a frame of their own that x and y of the image share.
    pitch_px : float
        Least distance between neighbours.
    tolerance_px : float
        Standard deviation of the places about the shifted and turned table: the stage's errors.
    turn_rad : float
        Greatest turn.
    near : Near, optional
        Leave out all places that do not agree with this.
    """
    factor = max(1, int(pitch_px // _COARSE_PITCH_PX))
    while image.shape[0] * image.shape[1] / factor**2 > _MOST_PIXELS and pitch_px / (factor + 1) >= _LEAST_PITCH_PX:
        factor += 1
    small = downsampled(image, factor)
    middle = (positions_px.max(axis=0) + positions_px.min(axis=0)) / 2
    centred = positions_px - middle
    shape = _padded(small.shape, np.ptp(centred, axis=0) / factor)
    maps = [_spectrum(response, shape) for response in blob_responses(small, pitch_px / factor)]
    best: tuple[float, float, NDArray[np.floating], NDArray[np.complexfloating]] | None = None
    for turn in _turns(centred, tolerance_px, turn_rad):
        comb = _comb(centred @ _turning(turn) / factor, shape, max(tolerance_px / factor, 0.7))
        for spectrum in maps:
            surface = scipy.fft.irfft2(spectrum * comb, s=shape, workers=-1)
            surface /= max(float(surface.std()), 1e-12)
            if near is not None:
                surface = _only_near(surface, near, centred[0] @ _turning(turn), factor)
            evidence = float(surface.max())
            if best is None or evidence > best[0]:
                best = evidence, turn, surface, comb
    assert best is not None
    _, turn, surface, comb = best
    evidence, at, runner_up = _peak(surface, _covered(comb, small.shape, shape, len(centred)), pitch_px / factor / 2)
    shift = at * factor + (factor - 1) / 2 - middle @ _turning(turn)
    return TablePlace(shift, turn, evidence, runner_up)


def _turning(angle_rad: float) -> Floats:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, s], [-s, c]])


def _turns(centred: Floats, tolerance_px: float, turn_rad: float) -> Floats:
    reach = max(float(np.hypot(*centred.T).max()), 1.0)
    step = _TURN_STEP * 2 * max(tolerance_px, 1.0) / reach
    number = min(math.ceil(turn_rad / step), 60)
    return np.linspace(-turn_rad, turn_rad, 2 * number + 1) if number else np.zeros(1)


def _padded(shape: tuple[int, ...], span: Floats) -> tuple[int, int]:
    """Return a shape on whose ring no shift of the table meets itself."""
    rows, cols = (scipy.fft.next_fast_len(int(n + s) + 2, True) for n, s in zip(shape, span[::-1], strict=True))
    return rows, cols


def _spectrum(response: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.complexfloating]:
    """Return the transform of a clipped map without its mean; beyond the map it is 0, which is no evidence."""
    clipped = np.clip(response, -_CLIP, _CLIP)
    return np.asarray(scipy.fft.rfft2(clipped - clipped.mean(), s=shape, workers=-1))


def _comb(places: Floats, shape: tuple[int, int], sd: float) -> NDArray[np.complexfloating]:
    """Return the conjugate transform of Gaussians of unit height at places, on a periodic grid."""
    grid = np.zeros(shape, np.float32)
    cells = np.rint(places).astype(np.int64)
    np.add.at(grid, (cells[:, 1] % shape[0], cells[:, 0] % shape[1]), 1.0)
    fy, fx = scipy.fft.fftfreq(shape[0])[:, None], scipy.fft.rfftfreq(shape[1])[None, :]
    blur = np.exp(-2 * (math.pi * sd) ** 2 * (fy**2 + fx**2)).astype(np.float32)
    transform = np.conj(scipy.fft.rfft2(grid, workers=-1)) * blur
    transform[0, 0] = 0
    return np.asarray(transform)


def _only_near(surface: NDArray[np.floating], near: Near, first_px: Floats, factor: int) -> NDArray[np.floating]:
    """Return the surface with all shifts ruled out that put the first test elsewhere than said."""
    x, y = (np.array(near.first_px) - first_px - (factor - 1) / 2) / factor
    block = _block(surface.shape, round(float(y)), round(float(x)), max(1, math.ceil(near.reach_px / factor)))
    left = np.full_like(surface, -np.inf)
    left[block] = surface[block]
    return left


def _covered(
    comb: NDArray[np.complexfloating], image: tuple[int, ...], shape: tuple[int, int], places: int
) -> NDArray[np.floating]:
    """Return how many of the table's places lie on the image, for each shift."""
    inside = scipy.fft.rfft2(np.ones(image, np.float32), s=shape, workers=-1)
    mean = places * image[0] * image[1] / (shape[0] * shape[1])  # the comb is without it
    return np.asarray(scipy.fft.irfft2(inside * comb, s=shape, workers=-1) + mean)


def _peak(surface: NDArray[np.floating], covered: NDArray[np.floating], apart: float) -> tuple[float, Floats, float]:
    """Return the peak's height, its x and y (negative beyond half the ring), and the next peak's height.

    A place on the image that shows no imprint speaks a little against a shift: a batch that leaves the image would be
    drawn into it otherwise. By no more than that, since imprints along the border show half as well as others.
    """
    rows, cols = surface.shape
    top = int(surface.argmax())
    each = float(surface.flat[top]) / max(float(covered.flat[top]), 1.0)
    score = surface - _AGAINST * each * covered
    row, col = np.unravel_index(int(score.argmax()), score.shape)
    against = _AGAINST * each * float(covered[row, col])
    height = float(score[row, col]) + against
    score[_block(score.shape, int(row), int(col), math.ceil(apart))] = -np.inf
    # A shift that puts the table's middle off the ring's first half wraps around.
    x = float(col) if col < 0.75 * cols else float(col) - cols
    y = float(row) if row < 0.75 * rows else float(row) - rows
    return height, np.array([x, y]), float(score.max()) + against


def _block(shape: tuple[int, ...], row: int, col: int, reach: int) -> tuple[NDArray[np.intp], ...]:
    """Return the indices of a square on a ring."""
    offset = np.arange(-reach, reach + 1)
    return np.ix_((row + offset) % shape[0], (col + offset) % shape[1])
