"""Modes of a grey-level histogram: where they lie and how many pixels they hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 256
_TAIL = 1e-4  # share of the pixels at each end that does not stretch the range
_FINEST, _COARSEST = 0.01, 0.03  # of the range: standard deviation of the smoothing
_SMOOTHING = 0.35  # of the main mode's standard deviation
_REACH = 0.15  # of a shoulder's distance from the main mode: how far its centre may lie before its bend
_FLOOR = 1e-6  # of the highest bin: keeps the logarithm finite where a histogram is empty


@dataclass(frozen=True)
class Mode:
    """A mode of a histogram.

    Parameters
    ----------
    grey : float
        Grey level of its centre.
    share : float
        Share of all pixels: twice those beyond its centre, on the side away from the main mode.
    is_peak : bool
        Whether the histogram has a maximum there; otherwise it is a shoulder of something larger.
    """

    grey: float
    share: float
    is_peak: bool


@dataclass(frozen=True)
class Modes:
    """The main mode of a histogram with the standard deviation of its narrower side, and the brighter modes."""

    main: float
    main_sd: float
    brighter: tuple[Mode, ...]


def find_modes(counts: NDArray[np.int64]) -> Modes:
    """Find the highest mode of a histogram and every mode above it.

    The histogram is smoothed in proportion to the width of its main mode. A mode is a stretch of levels where the
    logarithm of the smoothed histogram bends downwards, parted from the main mode by one where it bends upwards:
    the logarithm of a normal distribution is a parabola, so that even a shoulder without a maximum shows. The
    centre of a shoulder is the vertex of the parabola [1]_, that of a peak its maximum, at a finer smoothing.

    Parameters
    ----------
    counts : (levels,) int64
        Pixels of each grey level; at least three levels must be in use.

    References
    ----------
    .. [1] C. G. Bhattacharya, "A simple method of resolution of a distribution into Gaussian components",
       Biometrics 23 (1967) 115-135. https://doi.org/10.2307/2528285
    """
    binned, grey_of = _binned(counts)
    smooth = smoothed(binned, _FINEST * binned.size)
    main_sd = _narrower_sd(smooth)
    gap = binned.size / int(np.count_nonzero(binned))
    width = max(min(_SMOOTHING * main_sd, _COARSEST * binned.size), _FINEST * binned.size, 2 * gap)
    smooth = smoothed(binned, width)
    finer = smoothed(binned, max(width / 2, gap, 1.0))
    main = int(smooth.argmax())
    log = np.log(smooth + _FLOOR * smooth.max())
    brighter = []
    for first, last in _downward_bends(log, main):
        is_peak, centre = _centre(log, first, last)
        # A parabola whose vertex is far from where it was fitted describes a tail, not a mode.
        if not first - _REACH * (first - main) <= centre <= binned.size - 1:
            continue
        grey = grey_of(_climb(finer, round(centre)) if is_peak else centre)
        brighter.append(Mode(grey, 2 * float(counts[math.ceil(grey) :].sum() / counts.sum()), is_peak))
    grey_per_bin = grey_of(1.0) - grey_of(0.0)
    return Modes(grey_of(_climb(finer, main)), main_sd * grey_per_bin, tuple(brighter))


def smoothed(counts: NDArray[Any], sd: float) -> NDArray[np.float64]:
    """Return `counts` convolved with a normal distribution of standard deviation `sd` bins, mirrored at the ends."""
    reach = min(math.ceil(4 * sd), counts.size - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    padded = np.pad(counts.astype(np.float64), reach, mode="symmetric")
    result: NDArray[np.float64] = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return result


class _GreyOf:
    """Grey level of a position in bins."""

    def __init__(self, lowest: int, levels_per_bin: int) -> None:
        self._lowest, self._levels = lowest, levels_per_bin

    def __call__(self, position: float) -> float:
        return self._lowest + (position + 0.5) * self._levels - 0.5


def _binned(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], _GreyOf]:
    """Return the histogram over the range in use, in about 256 bins or one a level, without spikes at its ends."""
    used = np.flatnonzero(counts)
    tamed = counts.astype(np.float64)
    # Clipping piles pixels up at the end levels; a spike there is not a mode.
    for end, inward in ((used[0], 1), (used[-1], -1)):
        tamed[end] = min(tamed[end], tamed[end + inward]) if used.size > 2 else tamed[end]
    cumulated = np.cumsum(counts) / counts.sum()
    lowest = int(np.searchsorted(cumulated, _TAIL))
    highest = int(np.searchsorted(cumulated, 1 - _TAIL))
    levels_per_bin = max(1, (highest - lowest + 1) // _BINS)
    bins = max(1, -(-(highest - lowest + 1) // levels_per_bin))
    padded = np.zeros(bins * levels_per_bin)
    inside = tamed[lowest : lowest + padded.size]
    padded[: inside.size] = inside
    return padded.reshape(bins, levels_per_bin).sum(axis=1), _GreyOf(lowest, levels_per_bin)


def _narrower_sd(smooth: NDArray[np.float64]) -> float:
    """Return the standard deviation in bins that the steeper side of the highest mode has."""
    top = int(smooth.argmax())
    below_half = np.flatnonzero(smooth < smooth[top] / 2)
    distances = np.abs(below_half - top)
    return max(1.0, float(distances.min(initial=smooth.size)) / math.sqrt(2 * math.log(2)))


def _downward_bends(log: NDArray[np.float64], main: int) -> list[tuple[int, int]]:
    """Return first and last bin of each stretch above `main` that bends downwards after one that bends upwards."""
    upwards = np.gradient(np.gradient(log)) > 0
    bends = []
    start: int | None = None
    seen_upwards = False
    for position in range(main, log.size):
        if upwards[position]:
            if start is not None and seen_upwards:
                bends.append((start, position - 1))
            start, seen_upwards = None, True
        elif start is None:
            start = position
    if start is not None and seen_upwards:
        bends.append((start, log.size - 1))
    return [(first, last) for first, last in bends if last - first >= 2]


def _centre(log: NDArray[np.float64], first: int, last: int) -> tuple[bool, float]:
    """Return whether a stretch that bends downwards has a maximum inside, and its centre in bins."""
    highest = first + int(log[first : last + 1].argmax())
    if first < highest < last:
        return True, float(highest)
    bend = np.gradient(np.gradient(log))[first : last + 1]
    strong = first + np.flatnonzero(bend <= 0.5 * bend.min())
    if strong.size < 3:
        return False, math.nan
    at = np.arange(strong[0], strong[-1] + 1)
    middle = at.mean()
    square, slope, _ = np.polyfit(at - middle, log[at], 2, w=np.exp(log[at] / 2))
    return False, float(middle - slope / (2 * square)) if square < 0 else math.nan


def _climb(counts: NDArray[np.float64], position: int) -> float:
    """Return the maximum reached by climbing from `position`, between bins by the parabola through three of them."""
    while 0 < position < counts.size - 1:
        best = position + int(counts[position - 1 : position + 2].argmax()) - 1
        if best == position:
            below, here, above = (float(count) for count in counts[position - 1 : position + 2])
            curve = below - 2 * here + above
            return position + (0.5 * (below - above) / curve if curve < 0 else 0.0)
        position = best
    return float(position)
