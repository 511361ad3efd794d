"""Phases as ranges of grey levels, and pair counts of levels added up to pair counts of phases."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.kernels.two_point import MOST_LEVELS, PairCounts, pair_cell

REST = "rest"
MOST_PHASES = 32

_PART = re.compile(r"\s*([^=]+?)\s*=\s*(\d+)\s*(?:-\s*(\d+)\s*)?")


@dataclass(frozen=True)
class Phase:
    """A phase: its name, its lowest and its highest level, both included."""

    name: str
    lowest: int
    highest: int


@dataclass(frozen=True)
class Phases:
    """Phases that share no level; levels of none are one more phase, named "rest".

    Raises
    ------
    InputError
        If there are none or more than 32, a name or a level is there twice, or a range is empty or beyond 0..255.
    """

    given: tuple[Phase, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.given) < MOST_PHASES:
            msg = f"{len(self.given)} phases are given; wanted 1 to {MOST_PHASES - 1}"
            raise InputError(msg)
        taken: dict[int, str] = {}
        for each in self.given:
            if not 0 <= each.lowest <= each.highest < MOST_LEVELS:
                msg = f"phase {each.name} is {each.lowest} to {each.highest}; wanted 0 <= lowest <= highest <= 255"
                raise InputError(msg)
            for level in range(each.lowest, each.highest + 1):
                if level in taken:
                    msg = f"level {level} belongs to both {taken[level]} and {each.name}; wanted one phase for a level"
                    raise InputError(msg)
                taken[level] = each.name
        names = [each.name for each in self.given]
        if len(set(names)) < len(names) or REST in names:
            msg = f"the phases are named {', '.join(names)}; wanted each name once, and none {REST!r}"
            raise InputError(msg)

    @classmethod
    def parse(cls, text: str) -> Phases:
        """Return the phases that a text such as ``pores=0-50,solid=51-255`` or ``CH=2`` says.

        Raises
        ------
        InputError
            If it says something else.

        Examples
        --------
        >>> Phases.parse("pores=0-50, CH=51").given[1]
        Phase(name='CH', lowest=51, highest=51)
        """
        found = []
        for part in text.split(","):
            match = _PART.fullmatch(part)
            if match is None:
                msg = f"{part.strip()!r} is not a phase such as pores=0-50 or CH=2"
                raise InputError(msg)
            name, lowest, highest = match.groups()
            found.append(Phase(name, int(lowest), int(highest or lowest)))
        return cls(tuple(found))

    def names(self, levels: int) -> tuple[str, ...]:
        """Return the names, with "rest" behind them if one of `levels` levels belongs to no phase."""
        given = tuple(each.name for each in self.given)
        return (*given, REST) if (self.lookup()[:levels] == len(given)).any() else given

    def lookup(self) -> NDArray[np.uint8]:
        """Return the number of each level's phase, (256,); the rest has the number behind the last one."""
        table = np.full(MOST_LEVELS, len(self.given), dtype=np.uint8)
        for number, each in enumerate(self.given):
            table[each.lowest : each.highest + 1] = number
        return table


def phase_counts(counts: PairCounts, phases: Phases) -> PairCounts:
    """Add the pair counts of levels up to pair counts of phases: what counting the phases themselves would give.

    Parameters
    ----------
    counts : PairCounts
    phases : Phases

    Returns
    -------
    PairCounts
        Its levels are the numbers of the phases, the rest last.
    """
    number = phases.lookup().astype(np.intp)
    total = len(phases.names(counts.levels))
    if counts.ordered:
        i, j = np.divmod(np.arange(counts.levels**2), counts.levels)
        cell, cells = number[i] * total + number[j], total**2
    else:
        i, j = np.tril_indices(counts.levels)
        cell, cells = pair_cell(number[i], number[j]), total * (total + 1) // 2
    order = np.argsort(cell, kind="stable")
    used, starts = np.unique(cell[order], return_index=True)
    summed = np.zeros((len(counts.pairs), cells), dtype=np.uint64)
    for ring, row in zip(summed, counts.counts, strict=True):
        ring[used] = np.add.reduceat(row[order], starts)
    return PairCounts(summed, counts.pairs, total, counts.ordered, counts.algorithm)


def threshold_counts(counts: PairCounts) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return how many pairs have both levels at or above each threshold, and how many have both below it.

    Parameters
    ----------
    counts : PairCounts

    Returns
    -------
    both_above, both_below : (r_max + 1, levels) uint64
        Column t is the threshold t: both levels >= t, and both < t. Over the pairs of a ring they are S2 of the
        bright and of the dark phase of the image cut at t.
    """
    if counts.ordered:
        i, j = np.divmod(np.arange(counts.levels**2), counts.levels)
    else:
        i, j = np.tril_indices(counts.levels)
    above = np.zeros((len(counts.pairs), counts.levels), dtype=np.uint64)
    below = np.zeros_like(above)
    for values, ends in ((above, np.minimum(i, j)), (below, np.maximum(i, j))):
        order = np.argsort(ends, kind="stable")
        starts = np.searchsorted(ends[order], np.arange(counts.levels))
        for ring, row in zip(values, counts.counts, strict=True):
            ring[:] = np.add.reduceat(row[order], starts)
    running = np.cumsum(below, axis=1)
    below = np.concatenate([np.zeros_like(running[:, :1]), running[:, :-1]], axis=1)
    return np.cumsum(above[:, ::-1], axis=1)[:, ::-1], below
