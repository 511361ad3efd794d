"""Patterns that maps of relevance share: difference matrix, order, groups of like maps, and their overlays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.relevance.grouping import Group, MapOrder, least_different_groups, order_maps
from cemvis.analysis.relevance.overlay import normalised_relevance, overlay, paper_level
from cemvis.errors import InputError
from cemvis.kernels.annealing import RESTARTS
from cemvis.kernels.difference_matrix import difference_matrix

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PatternSearch:
    """How shared patterns are looked for.

    Attributes
    ----------
    groups : int
        How many.
    fewest, most : int, optional
        Maps of a group; by default a tenth of all, and twice that.
    level : float, optional
        Of the contour. By default the paper's.
    quantile : float, optional
        Instead of `level`: that quantile of the overlays of all groups together.
    restarts, moves, seed
        Of the annealing.
    """

    groups: int = 3
    fewest: int | None = None
    most: int | None = None
    level: float | None = None
    quantile: float | None = None
    restarts: int = RESTARTS
    moves: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Skeleton:
    """The low-signal region outside the contour.

    Attributes
    ----------
    clusters : int
        Of pixels that share an edge.
    largest_share : float
        Of the region that is in its largest cluster, 0 without any region: its connectedness.
    spans_across, spans_down : bool
        Whether one cluster reaches from the left to the right, from the top to the bottom.
    """

    clusters: int
    largest_share: float
    spans_across: bool
    spans_down: bool


@dataclass(frozen=True, eq=False)
class SharedPattern:
    """A group of maps, and what they share.

    Attributes
    ----------
    group : Group
    overlay : (rows, cols) float64
    level : float
        Of the contour.
    """

    group: Group
    overlay: Floats
    level: float

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Pixels inside the contour, (rows, cols): shared pores."""
        return self.overlay >= self.level

    @property
    def fraction(self) -> float:
        """Share of the area inside the contour."""
        return float(self.mask.mean())

    def skeleton(self) -> Skeleton:
        """Return how the region outside the contour hangs together."""
        from scipy.ndimage import label

        names, clusters = label(~self.mask)
        sizes = np.bincount(names.ravel(), minlength=1)[1:]

        def spans(one: NDArray[np.intp], other: NDArray[np.intp]) -> bool:
            return bool((set(one.tolist()) & set(other.tolist())) - {0})

        return Skeleton(
            int(clusters),
            float(sizes.max() / sizes.sum()) if clusters else 0.0,
            spans(names[:, 0], names[:, -1]),
            spans(names[0], names[-1]),
        )


@dataclass(frozen=True, eq=False)
class SharedPatterns:
    """The patterns that some maps share.

    Attributes
    ----------
    differences : (n, n) float64
        L1 differences of relevance; 2 at most.
    ordered : MapOrder
    patterns : tuple of SharedPattern
        As their groups follow each other along the order.
    search : PatternSearch
    """

    differences: Floats
    ordered: MapOrder
    patterns: tuple[SharedPattern, ...]
    search: PatternSearch

    @property
    def level(self) -> float:
        """Of the contour, the same for all patterns."""
        return self.patterns[0].level

    @property
    def fractions(self) -> Floats:
        """Share of the area inside the contour, of each pattern, (groups,)."""
        return np.array([each.fraction for each in self.patterns])

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each pattern."""
        import pandas as pd

        rows = []
        for each in self.patterns:
            bones = each.skeleton()
            rows.append(
                {
                    "first_place": each.group.start,
                    "maps": len(each.group.members),
                    "mean_difference": each.group.mean_difference,
                    "contour_level": each.level,
                    "shared_pore_fraction": each.fraction,
                    "skeleton_clusters": bones.clusters,
                    "skeleton_largest_share": bones.largest_share,
                    "skeleton_spans_across": bones.spans_across,
                    "skeleton_spans_down": bones.spans_down,
                }
            )
        return pd.DataFrame(rows)


def shared_patterns(
    relevance: NDArray[np.floating],
    levels: NDArray[np.uint8],
    search: PatternSearch | None = None,
    *,
    threads: int | None = None,
) -> SharedPatterns:
    """Find what maps of relevance share: difference matrix, order of least gradient, groups, overlays.

    Parameters
    ----------
    relevance : (n, rows, cols)
        Of the maps of one class, not below 0.
    levels : (n, rows, cols) uint8
        Their porosity, level = round(255 n).
    search : PatternSearch, optional
    threads : int, optional

    Returns
    -------
    SharedPatterns

    Raises
    ------
    InputError
        If shapes don't fit, relevance is refused by `normalised_relevance`, or there are too few maps for the groups.
    """
    search = PatternSearch() if search is None else search
    if levels.shape != relevance.shape or levels.dtype != np.uint8:
        msg = f"levels are {levels.shape} {levels.dtype}, relevance {relevance.shape}; wanted uint8 of the same shape"
        raise InputError(msg)
    if search.quantile is not None and (search.level is not None or not 0 <= search.quantile <= 1):
        msg = f"quantile is {search.quantile}, level {search.level}; wanted one of them, a quantile from 0 to 1"
        raise InputError(msg)
    if search.level is not None and not np.isfinite(search.level):
        msg = f"level is {search.level}; wanted a finite number"
        raise InputError(msg)
    maps = normalised_relevance(relevance)
    return patterns_of_normalised(maps, levels, search, threads=threads)


def shared_patterns_of_classes(
    relevance: NDArray[np.floating],
    levels: NDArray[np.uint8],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    search: PatternSearch | None = None,
    *,
    threads: int | None = None,
) -> dict[str, SharedPatterns]:
    """Find the shared patterns of each class by itself.

    Parameters
    ----------
    relevance, levels, search, threads
        As for `shared_patterns`.
    labels : (n,) int
        Index into `classes` of each map.
    classes : sequence of str

    Returns
    -------
    dict of str to SharedPatterns
        Members are numbered within their class.
    """
    found = {}
    for number, name in enumerate(classes):
        own = np.flatnonzero(labels == number)
        try:
            found[name] = shared_patterns(relevance[own], levels[own], search, threads=threads)
        except InputError as error:
            msg = f"class {name}: {error}"
            raise InputError(msg) from error
    return found


def patterns_of_normalised(
    maps: NDArray[np.float32], levels: NDArray[np.uint8], search: PatternSearch, *, threads: int | None = None
) -> SharedPatterns:
    """Do what `shared_patterns` does with maps of relevance that sum to 1 and have been checked."""
    differences = difference_matrix(maps, threads=threads).astype(np.float64)
    ordered = order_maps(differences, restarts=search.restarts, moves=search.moves, seed=search.seed, threads=threads)
    groups = least_different_groups(
        differences, ordered.order, groups=search.groups, fewest=search.fewest, most=search.most
    )
    overlays = [overlay(maps, levels, group.members) for group in groups]
    if search.quantile is not None:
        level = float(np.quantile(np.stack(overlays), search.quantile))
    else:
        level = paper_level(maps.shape[1:]) if search.level is None else search.level
    patterns = tuple(SharedPattern(group, each, level) for group, each in zip(groups, overlays, strict=True))
    return SharedPatterns(differences, ordered, patterns, search)
