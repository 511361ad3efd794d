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
    binned, binning = _binned(counts)
    main_sd = _narrower_sd(smoothed(binned, _FINEST * binned.size))
    width = min(_SMOOTHING * main_sd, _COARSEST * binned.size)
    width = max(width, _FINEST * binned.size, 2 * binning.spacing)
    smooth = smoothed(binned, width)
    finer = smoothed(binned, max(width / 2, 1.5 * binning.spacing))
    main = int(smooth.argmax())
    log = np.log(smooth + _FLOOR * smooth.max())
    brighter = []
    for first, last in _downward_bends(log, main):
        is_peak, centre = _centre(log, first, last)
        # A parabola whose vertex is far from where it was fitted describes a tail, not a mode.
        if not first - _REACH * (first - main) <= centre <= binned.size - 1:
            continue
        grey = binning.grey(_climb(finer, round(centre)) if is_peak else centre)
        brighter.append(Mode(grey, 2 * float(counts[math.ceil(grey) :].sum() / counts.sum()), is_peak))
    return Modes(binning.grey(_climb(finer, main)), main_sd * binning.levels_per_bin, tuple(brighter))


def smoothed(counts: NDArray[Any], sd: float) -> NDArray[np.float64]:
    """Return `counts` convolved with a normal distribution of standard deviation `sd` bins, mirrored at the ends."""
    reach = min(math.ceil(4 * sd), counts.size - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    padded = np.pad(counts.astype(np.float64), reach, mode="symmetric")
    result: NDArray[np.float64] = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return result


@dataclass(frozen=True)
class _Binning:
    """Bins of equal width, `levels_per_bin`, from the lower edge of `lowest` on; `spacing` of levels in use in bins."""

    lowest: int
    levels_per_bin: float
    spacing: float

    def grey(self, position: float) -> float:
        """Return the grey level of a position in bins."""
        return self.lowest - 0.5 + (position + 0.5) * self.levels_per_bin


def _binned(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], _Binning]:
    """Return the histogram over the range in use, in 256 bins or one a level, without spikes at its ends.

    Each level's pixels are spread over the way to its neighbours in use, so that an image that was stretched to a
    wider range has no gaps.
    """
    used = np.flatnonzero(counts)
    tamed = counts[used].astype(np.float64)
    # Clipping piles pixels up at the end levels; a spike there is not a mode.
    tamed[0], tamed[-1] = min(tamed[0], tamed[1]), min(tamed[-1], tamed[-2])
    cumulated = np.cumsum(counts[used]) / counts.sum()
    lowest = int(used[np.searchsorted(cumulated, _TAIL)])
    highest = int(used[np.searchsorted(cumulated, 1 - _TAIL)])
    bins = min(_BINS, highest - lowest + 1)
    halfway = np.concatenate([[used[0] - 0.5], (used[1:] + used[:-1]) / 2, [used[-1] + 0.5]])
    edges = np.linspace(lowest - 0.5, highest + 0.5, bins + 1)
    binned = np.diff(np.interp(edges, halfway, np.concatenate([[0.0], np.cumsum(tamed)])))
    in_range = np.count_nonzero((used >= lowest) & (used <= highest))
    return binned, _Binning(lowest, (highest - lowest + 1) / bins, max(1.0, bins / in_range))


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
