"""Counts of one window of an image: pairs that belong to its core, so that windows add up to the image exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.correlation.phases import Phases, phase_counts
from cemvis.analysis.correlation.segments import LinealCounts, lineal_counts
from cemvis.errors import InputError
from cemvis.kernels.two_point import (
    MOST_LEVELS,
    DifferenceCounts,
    DirectionalCounts,
    PairCounts,
    difference_counts,
    directional_counts,
    pair_counts,
)

Radial = TypeVar("Radial", PairCounts, DifferenceCounts)


@dataclass(frozen=True)
class Counting:
    """What is counted.

    Attributes
    ----------
    r_max : int
        Largest ring in px.
    levels : int
    phases : Phases, optional
        Pairs of phases too.
    full : bool
        Pairs of levels too, and differences and phases from them.
    directional_px : int, optional
        Differences by displacement too, up to so many px each way.
    lineal : bool
        The lineal path of each phase too.
    periodic : bool
    threads : int, optional
    """

    r_max: int
    levels: int = MOST_LEVELS
    phases: Phases | None = None
    full: bool = False
    directional_px: int | None = None
    lineal: bool = False
    periodic: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.lineal and self.phases is None:
            msg = "a lineal path is that of a phase; give phases"
            raise InputError(msg)


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of an image, and which pairs of it count.

    Attributes
    ----------
    levels : (rows, cols) uint8
    valid : (rows, cols) bool, optional
        All if None.
    core : tuple of int
        First row, first column, rows and columns of the core. In one image the window begins where its core begins and
        reaches r_max below and to the right of it, as far as the image goes: a pair belongs to the row of its upper
        and to the column of its left pixel. Between two images it reaches r_max all around, and a pair belongs to
        where its first pixel is.
    other, other_valid : as `levels` and `valid`, optional
        Of the second image.
    """

    levels: NDArray[np.uint8]
    core: tuple[int, int, int, int]
    valid: NDArray[np.bool_] | None = None
    other: NDArray[np.uint8] | None = None
    other_valid: NDArray[np.bool_] | None = None

    @classmethod
    def whole(cls, levels: NDArray[np.uint8], **parts: NDArray[np.generic] | None) -> Window:
        """Return an image as one window; `parts` are valid, other and other_valid."""
        return cls(levels, (0, 0, *levels.shape), **parts)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts of a window, an image or an ensemble; they add up with ``+``. None is what was not counted."""

    differences: DifferenceCounts
    phases: PairCounts | None = None
    full: PairCounts | None = None
    directional: DirectionalCounts | None = None
    lineal: LinealCounts | None = None

    def __add__(self, other: Counted) -> Counted:
        if not isinstance(other, Counted):
            return NotImplemented
        return Counted(
            self.differences + other.differences,
            _sum(self.phases, other.phases),
            _sum(self.full, other.full),
            _sum(self.directional, other.directional),
            _sum(self.lineal, other.lineal),
        )


def count_window(window: Window, what: Counting) -> Counted | None:
    """Count the pairs of pixels that belong to a window's core.

    Parameters
    ----------
    window : Window
    what : Counting

    Returns
    -------
    Counted or None
        None if the window has no valid pixel.

    Raises
    ------
    InputError
        If arrays don't fit each other, a level is too large, or r_max is beyond a periodic image.

    Notes
    -----
    In one image the pairs whose left pixel lies in the core's columns are those of the window less those of what lies
    to the right of the core; both are exact, and so is their difference.
    """
    views = _views(window, periodic=what.periodic)
    if not views:
        return None
    full = phases = lineal = directional = None
    differences: DifferenceCounts
    if what.full:
        full = _radial(pair_counts, views, what, what.levels)
        differences = full.differences()
    else:
        differences = _radial(difference_counts, views, what, what.levels)
    if what.phases is not None:
        lookup, number = what.phases.lookup(), len(what.phases.names(what.levels))
        if full is not None:
            phases = phase_counts(full, what.phases)
        else:
            phases = _radial(pair_counts, [view.mapped(lookup) for view in views], what, number)
        if what.lineal:
            labels = lookup[window.levels]
            lineal = lineal_counts(labels, number, r_max=what.r_max, valid=window.valid, core=window.core)
    if what.directional_px is not None:
        directional = _directional(views, what, what.directional_px)
    return Counted(differences, phases, full, directional, lineal)


def largest_ring(shape: tuple[int, ...]) -> int:
    """Return the largest ring, in px, that holds a pair of pixels of an image."""
    return round(float(np.hypot(shape[0] - 1, shape[1] - 1)))


class _View(NamedTuple):
    """What the kernel is given."""

    levels: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None
    other: NDArray[np.uint8] | None
    other_valid: NDArray[np.bool_] | None
    core_rows: tuple[int, int] | None

    def mapped(self, lookup: NDArray[np.uint8]) -> _View:
        """Return the view with other levels in place of its own."""
        other = None if self.other is None else lookup[self.other]
        return self._replace(levels=lookup[self.levels], other=other)

    def arguments(self, what: Counting) -> dict[str, Any]:
        """Return the kernel's arguments."""
        return {
            "mask": self.valid,
            "other": self.other,
            "other_mask": self.other_valid,
            "periodic": what.periodic,
            "core_rows": self.core_rows,
            "threads": what.threads,
        }


def _views(window: Window, *, periodic: bool) -> list[_View]:
    """Return the views whose counts are those of the core: the first one's, less those of a second."""
    top, _, rows, cols = window.core
    for valid in (window.valid, window.other_valid):
        if valid is not None and not valid.any():
            return []
    if periodic:
        return [_View(window.levels, window.valid, window.other, window.other_valid, None)]
    if window.other is not None:
        inside = _inside(window)
        rows_of_core = (top, top + rows)
        return [_View(window.levels, inside, window.other, window.other_valid, rows_of_core)] if inside.any() else []
    views = [_View(window.levels, window.valid, None, None, (0, rows))]
    right = None if window.valid is None else window.valid[:, cols:]
    if window.levels.shape[1] > cols and (right is None or right.any()):
        views.append(_View(window.levels[:, cols:], right, None, None, (0, rows)))
    return views


def _inside(window: Window) -> NDArray[np.bool_]:
    top, left, rows, cols = window.core
    inside = np.zeros(window.levels.shape, dtype=bool)
    inside[top : top + rows, left : left + cols] = True
    return inside if window.valid is None else inside & window.valid


def _radial(kernel: Callable[..., Radial], views: list[_View], what: Counting, levels: int) -> Radial:
    """Return the core's counts up to what.r_max; rings that a small window lacks are empty."""
    found = []
    for view in views:
        r_max = what.r_max if what.periodic else min(what.r_max, largest_ring(view.levels.shape))
        part = kernel(view.levels, r_max=r_max, levels=levels, **view.arguments(what))
        rings = (0, what.r_max - r_max)
        found.append(replace(part, counts=np.pad(part.counts, (rings, (0, 0))), pairs=np.pad(part.pairs, rings)))
    if len(found) == 1:
        return found[0]
    first, beside = found
    algorithm = first.algorithm if first.algorithm == beside.algorithm else "mixed"
    return replace(first, counts=first.counts - beside.counts, pairs=first.pairs - beside.pairs, algorithm=algorithm)


def _directional(views: list[_View], what: Counting, reach: int) -> DirectionalCounts:
    found = []
    for view in views:
        rows, cols = view.levels.shape
        dy_max, dx_max = min(reach, rows - 1), min(reach, cols - 1)
        part = directional_counts(view.levels, dy_max=dy_max, dx_max=dx_max, levels=what.levels, **view.arguments(what))
        above = reach - dy_max
        edges = ((above if part.ordered else 0, above), (reach - dx_max, reach - dx_max))
        found.append(
            replace(
                part,
                counts=np.pad(part.counts, (*edges, (0, 0))),
                pairs=np.pad(part.pairs, edges),
                dy_px=np.arange(-reach if part.ordered else 0, reach + 1),
                dx_px=np.arange(-reach, reach + 1),
            )
        )
    if len(found) == 1:
        return found[0]
    return replace(found[0], counts=found[0].counts - found[1].counts, pairs=found[0].pairs - found[1].pairs)


T = TypeVar("T", PairCounts, DirectionalCounts, LinealCounts)


def _sum(one: T | None, other: T | None) -> T | None:
    if one is None and other is None:
        return None
    if one is None or other is None:
        msg = "counts of different things can't be added; count the same of every image"
        raise InputError(msg)
    return one + other
