"""Patterns of relevance that maps of a class share, beside what chance makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.relevance.shared_nulls import Null, NullFractions, null_fractions
from cemvis.analysis.relevance.shared_patterns import PatternSearch, SharedPatterns, shared_patterns
from cemvis.errors import InputError
from cemvis.workflows._compare_correlation import Explained
from cemvis.workflows._npm_maps import MapSet

NULLS: tuple[Null, ...] = ("displaced", "exchanged", "drawn")


@dataclass(frozen=True, eq=False)
class Patterns:
    """Shared patterns of all classes.

    Attributes
    ----------
    found : dict of SharedPatterns
        By class.
    nulls : dict of tuple of NullFractions
        By class.
    left_out : dict of str
        Classes without patterns, and why.
    """

    found: dict[str, SharedPatterns]
    nulls: dict[str, tuple[NullFractions, ...]]
    left_out: dict[str, str]


def find_patterns(
    maps: MapSet,
    explained: Explained,
    relevance: NDArray[np.float32],
    levels: NDArray[np.uint8],
    *,
    draws: int,
    seed: int,
    threads: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> Patterns:
    """Find the shared patterns of each class among its explained maps, and their nulls."""
    labels = maps.labels()[explained.indices]
    search = PatternSearch(seed=seed)
    found: dict[str, SharedPatterns] = {}
    nulls: dict[str, tuple[NullFractions, ...]] = {}
    left_out: dict[str, str] = {}
    for number, name in enumerate(maps.classes):
        if progress is not None:
            progress(number, len(maps.classes))
        own = (labels == number) & (relevance.sum(axis=(1, 2)) > 0)
        try:
            found[name] = shared_patterns(relevance[own], levels[own], search, threads=threads)
        except InputError as error:
            left_out[name] = str(error)
            continue
        nulls[name] = tuple(
            null_fractions(relevance[own], levels[own], found[name], kind=kind, draws=draws, seed=seed, threads=threads)
            for kind in NULLS
        )
    return Patterns(found, nulls, left_out)
