"""How much worse a fitted field is where no tile lies nearby: learnt by leaving tiles out where there are some."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Fit = Callable[[Floats, Floats, Floats, Floats], tuple[Floats, Floats, Floats]]
"""Takes where neighbours (m, k, 2) lie from each place, their values (m, k, 2), errors (m, k) and distances (m, k)."""

_DIRECTIONS = np.stack([np.cos(np.arange(16) * np.pi / 8), np.sin(np.arange(16) * np.pi / 8)])
_LEFT_OUT = (0.5, 1.2, 2.2, 3.2)  # in distances of tiles
_WITHIN = 0.75  # of a tile's distance: no place among tiles on a square grid lies farther from the nearest
_MOST_TILES, _MOST_PIECES = 48, 100
_MOST_AWAY = 200  # tiles around one that are looked at
_LEAST_KEPT = 6
_HELD_DOWN = 97  # percentile


@dataclass(frozen=True, eq=False)
class Gaps:
    """How far places lie from tiles.

    Attributes
    ----------
    distance_px : (m,) float64
        To the nearest one.
    beyond_px : (m,) float64
        By how much a place lies outside all that bear it: all lie at least that far to one side of it; 0 among them.
    """

    distance_px: Floats
    beyond_px: Floats


def gaps_of(away: Floats) -> Gaps:
    """Return the gaps of places from where their neighbours lie seen from them, (m, k, 2)."""
    beyond = (away @ _DIRECTIONS).min(axis=1).max(axis=1)
    return Gaps(np.hypot(away[..., 0], away[..., 1]).min(axis=1), np.maximum(beyond, 0.0))


@dataclass(frozen=True, eq=False)
class Misses:
    """What leaving tiles out around one of them did to the field there.

    Attributes
    ----------
    beside : (n,) bool
        Whether all tiles on one side were left out, not all within a distance.
    left_out : (n,) int64
        Which distance it was, in rising order.
    gap_px, excess_px2 : (n,) float64
        The gap, and the squared distance along one axis from what the tile itself said, less what the errors of that
        tile and of the fit account for.
    spacing_px : (n,) float64
        Of the tiles.
    """

    beside: NDArray[np.bool_]
    left_out: NDArray[np.int64]
    gap_px: Floats
    excess_px2: Floats
    spacing_px: Floats

    @staticmethod
    def joined(parts: Sequence[Misses]) -> Misses:
        """Return those of several pieces."""
        names = Misses.__dataclass_fields__
        return Misses(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def misses_in(
    xy: Floats, values: Floats, error_px: Floats, *, reach_px: float, neighbours: int, fit: Fit
) -> list[Misses]:
    """Leave out tiles around some of the tiles at xy (n, 2) of one piece, fit the others and compare.

    Parameters
    ----------
    values : (n, 2) float64
    error_px : (n,) float64
    reach_px
        How far from the nearest tile the fit goes on; beyond, it stays what it is there.
    neighbours
        Tiles that a fit goes through, at most.
    fit : callable
    """
    from scipy.spatial import cKDTree

    count = min(neighbours, len(xy) // 2)
    if count < _LEAST_KEPT:
        return []
    chosen = np.unique(np.linspace(0, len(xy) - 1, _MOST_TILES).astype(np.int64))
    distance, index = cKDTree(xy).query(xy[chosen], k=min(len(xy), _MOST_AWAY))
    away = xy[index] - xy[chosen][:, None]
    spacing = float(np.median(distance[:, 1]))
    turn = _DIRECTIONS.T[np.arange(len(chosen)) * 5 % _DIRECTIONS.shape[1]]
    beside = np.einsum("mkc,mc->mk", away, turn)
    found = []
    for one_sided, size in ((False, distance), (True, beside)):
        for number, share in enumerate(_LEFT_OUT):
            kept = size > share * spacing
            enough = np.flatnonzero(kept.sum(axis=1) >= count)
            if len(enough) == 0:
                continue
            order = np.argsort(~kept[enough], axis=1, kind="stable")[:, :count]
            near = np.take_along_axis(index[enough], order, axis=1)
            own = chosen[enough]
            first = xy[near[:, 0]]
            reach = np.minimum(1.0, reach_px / np.maximum(np.hypot(*(xy[own] - first).T), 1e-9))[:, None]
            held = first + reach * (xy[own] - first)
            seen = xy[near] - held[:, None]
            fitted, error, _ = fit(seen, values[near], error_px[near], np.hypot(seen[..., 0], seen[..., 1]))
            gap = np.take_along_axis(size[enough], order, axis=1).min(axis=1)
            shape = len(enough)
            excess = ((fitted - values[own]) ** 2).sum(axis=1) / 2 - error**2 - error_px[own] ** 2
            found.append(
                Misses(np.full(shape, one_sided), np.full(shape, number), gap, excess, np.full(shape, spacing))
            )
    return found


@dataclass(frozen=True, eq=False)
class GapError:
    """What gaps add to the error of a field, in px along one axis: two curves that rise.

    Attributes
    ----------
    around_px, beside_px : (k, 2) float64
        Gap and what it adds, for places among tiles and for places beside all of them.
    """

    around_px: Floats
    beside_px: Floats

    @classmethod
    def learnt(cls, parts: Sequence[Misses], *, spacing_px: float, steepest: float) -> GapError:
        """Return the curves that misses show; where there are none, the field may go on as steeply as `steepest`."""
        if not parts:
            curve = np.array([[0.0, 0.0], [spacing_px, steepest * spacing_px]])
            return cls(curve, curve)
        misses = Misses.joined(parts)
        spacing = float(np.median(misses.spacing_px))
        points = {False: [(0.0, 0.0)], True: [(0.0, 0.0)]}
        for side, number in itertools.product((False, True), range(len(_LEFT_OUT))):
            these = (misses.left_out == number) & (misses.beside == side)
            if np.count_nonzero(these) < _LEAST_KEPT:
                continue
            gap, added = float(np.median(misses.gap_px[these])), _root_mean(misses.excess_px2[these])
            if (side, number) == (False, 0):  # what a smooth surface misses among tiles, none of them left out
                points = {False: [(0.0, added), (_WITHIN * spacing, added)], True: [(0.0, added)]}
            elif gap > points[side][-1][0]:
                points[side].append((gap, max(points[side][-1][1], added)))
        for line in points.values():
            if len(line) == 1 or line[-1][1] == line[0][1] == 0:
                line.append((line[-1][0] + spacing, steepest * spacing))
        return cls(np.array(points[False]), np.array(points[True]))

    def __call__(self, gaps: Gaps) -> Floats:
        """Return what the gaps add, (m,) in px; beyond the widest that was tried it grows with the square."""
        return np.maximum(_along(self.around_px, gaps.distance_px), _along(self.beside_px, gaps.beyond_px))


def _root_mean(squared: Floats) -> float:
    """Return the root of the mean, the largest held down: a tile that was matched wrongly says nothing about gaps."""
    return float(np.sqrt(max(0.0, float(np.minimum(squared, np.percentile(squared, _HELD_DOWN)).mean()))))


def _along(curve: Floats, gap_px: Floats) -> Floats:
    last, most = curve[-1]
    return np.asarray(np.interp(gap_px, curve[:, 0], curve[:, 1]) + most * np.maximum((gap_px / last) ** 2 - 1, 0.0))


def some_pieces(count: int) -> NDArray[np.int64]:
    """Return numbers of the pieces in which tiles are left out: all, or some of very many."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_PIECES)).astype(np.int64))
