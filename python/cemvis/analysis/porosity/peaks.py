"""Peaks of a histogram of flat places."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VALLEY = 0.8  # of the lower of two peaks: a dip above this does not part them
_SMOOTHING = 0.008  # of the range of greys


@dataclass(frozen=True)
class Peak:
    """A peak among flat windows: its grey, and the share of the windows between the dips beside it."""

    grey: float
    share: float


def flat_peaks(counts: NDArray[Any], greys: NDArray[np.float64]) -> list[Peak]:
    """Return the peaks of a histogram of flat windows, from dark to bright.

    The histogram is smoothed by 0.8 % of the range of greys; two maxima are two peaks if the dip between them goes
    below 80 % of the lower one. A peak's grey is that of its maximum, between the bins.

    Parameters
    ----------
    counts : (bins,) numbers
    greys : (bins,) float64
        Of the middles of the bins, evenly spaced.
    """
    from scipy.ndimage import gaussian_filter1d

    total = float(counts.sum())
    used = np.flatnonzero(counts)
    if total == 0:
        return []
    width = max(1.0, _SMOOTHING * (used[-1] - used[0]))
    smooth = gaussian_filter1d(counts.astype(np.float64), width, mode="constant")
    tops = _tops(smooth)
    dips = [int(low + np.argmin(smooth[low:high])) for low, high in pairwise(tops)]
    found = []
    for at, left, right in zip(tops, [0, *dips], [*dips, counts.size], strict=True):
        grey = float(np.interp(_vertex(smooth, at), np.arange(counts.size), greys))
        found.append(Peak(grey, float(counts[left:right].sum() / total)))
    return found


def _vertex(smooth: NDArray[np.float64], at: int) -> float:
    """Return where a peak's top lies between bins: the vertex of the parabola through the logarithms beside it."""
    if not 0 < at < smooth.size - 1 or smooth[at - 1] <= 0 or smooth[at + 1] <= 0:
        return float(at)
    left, top, right = np.log(smooth[at - 1 : at + 2])
    bend = left - 2 * top + right
    return float(at) if bend >= 0 else at + float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))


def _tops(smooth: NDArray[np.float64]) -> list[int]:
    """Return where a curve has maxima that its dips part."""
    padded = np.concatenate([[0.0], smooth, [0.0]])
    candidates = np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:])).tolist()
    tops: list[int] = []
    for at in candidates:
        while tops:
            dip = smooth[tops[-1] : at].min()
            if dip < _VALLEY * min(smooth[tops[-1]], smooth[at]):
                tops.append(at)
                break
            if smooth[at] <= smooth[tops[-1]]:
                break
            tops.pop()
        else:
            tops.append(at)
    return tops
