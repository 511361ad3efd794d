"""Two-point correlation of classes: whole maps, their characteristic regions, and the same masks on other maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.correlation.classes import (
    ClassCorrelation,
    ClassMap,
    CorrelationTest,
    compare_correlations,
    correlate_class,
)
from cemvis.workflows._npm_maps import MapSet

Kind = Literal["maps", "regions", "foreign"]
Mask = NDArray[np.bool_]

KINDS: dict[Kind, str] = {
    "maps": "whole maps",
    "regions": "characteristic regions",
    "foreign": "the same masks on other maps",
}


@dataclass(frozen=True, eq=False)
class Explained:
    """Maps whose relevance is known.

    Attributes
    ----------
    indices : (n,) int
        Into the places of a `MapSet`.
    regions : (n, size, size) bool
        Characteristic regions.
    """

    indices: NDArray[np.intp]
    regions: Mask


@dataclass(frozen=True, eq=False)
class Correlations:
    """Correlations of all classes.

    Attributes
    ----------
    found : dict
        By kind, those of the classes in their order.
    tests : dict
        By kind, each class with each other; fewer where a class has too few images.
    """

    found: dict[Kind, tuple[ClassCorrelation, ...]]
    tests: dict[Kind, tuple[CorrelationTest, ...]]

    def rows(self, pixel_size_um: float) -> list[dict[str, Any]]:
        """Return a row for each class and kind: lengths in um with their intervals, None where not known."""
        return [_row(kind, each, pixel_size_um) for kind, classes in self.found.items() for each in classes]

    def test_rows(self, pixel_size_um: float) -> list[dict[str, Any]]:
        """Return a row for each test."""
        return [
            {
                "of": KINDS[kind],
                "first": each.first,
                "second": each.second,
                "distance": each.distance,
                "distance_under_permutation": each.usual_distance,
                "distance_p": each.distance_p,
                "characteristic_difference_um": each.characteristic_difference_px * pixel_size_um,
                "characteristic_p": each.characteristic_p,
                "permutations": each.permutations,
                "exchanged": each.exchanged,
            }
            for kind, tests in self.tests.items()
            for each in tests
        ]


def correlate(
    maps: MapSet,
    explained: Explained,
    *,
    whole: Sequence[int],
    sigma_px: float | None,
    r_max: int,
    seed: int,
    threads: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> Correlations:
    """Count correlations of the maps `whole` and of the regions of those explained.

    Parameters
    ----------
    maps : MapSet
    explained : Explained
    whole : sequence of int
        Maps that are counted as a whole.
    sigma_px : float, optional
        As for `MapSet.levels`.
    r_max : int
    seed : int
    threads : int, optional
    progress : callable, optional
        Called with maps done and all of them.
    """
    steps, done = len(whole) + 2 * len(explained.indices), 0
    labels, images, specimens = maps.labels(), maps.regions(), maps.specimens()

    def counted(indices: Sequence[int], masks: Mask | None) -> Iterator[ClassMap]:
        nonlocal done
        for row, index in enumerate(indices):
            levels = maps.levels([index], sigma_px=sigma_px)[0]
            valid = None if masks is None else masks[row]
            yield ClassMap(levels, valid, int(images[index]), int(specimens[index]))
            done += 1
            if progress is not None:
                progress(done, steps)

    found: dict[Kind, tuple[ClassCorrelation, ...]] = {}
    for kind in KINDS:
        classes = []
        for number, name in enumerate(maps.classes):
            if kind == "maps":
                chosen, masks = [index for index in whole if labels[index] == number], None
            else:
                rows = np.flatnonzero(labels[explained.indices] == number)
                chosen, masks = explained.indices[rows].tolist(), explained.regions[rows]
                if kind == "foreign":
                    if len(rows) < 2:  # there is no other map
                        continue
                    masks = masks[elsewhere(images[explained.indices[rows]])]
                kept = np.flatnonzero(masks.any(axis=(1, 2)))
                chosen, masks = [chosen[row] for row in kept], masks[kept]
            if chosen:
                one = correlate_class(name, counted(chosen, masks), r_max=r_max, seed=seed, threads=threads)
                classes.append(one)
        found[kind] = tuple(classes)
    tests = {
        kind: tuple(
            test
            for one, other in combinations(classes, 2)
            if (test := compare_correlations(one, other, seed=seed)) is not None
        )
        for kind, classes in found.items()
    }
    return Correlations(found, tests)


def elsewhere(images: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return, for each map, another one whose mask is laid on it: of another image wherever there is one.

    Maps are put in the order of their images, and each takes the mask of the one as many places on as the largest
    image has maps: no mask is used twice, none stays on its map if there are two.
    """
    order = np.argsort(images, kind="stable")
    _, counts = np.unique(images, return_counts=True)
    shift = int(counts.max()) if 2 * counts.max() <= len(images) else max(1, len(images) // 2)
    found = np.empty_like(order)
    found[order] = np.roll(order, -shift)
    return found


def _row(kind: Kind, each: ClassCorrelation, pixel_size_um: float) -> dict[str, Any]:
    bands = each.bands
    row: dict[str, Any] = {
        "of": KINDS[kind],
        "class": each.name,
        "maps": each.maps,
        "images": len(each.units),
        "pixels": int(each.total.pairs[0]),
    }
    for name, value, ends in (
        ("correlation", each.correlation_px, None if bands is None else bands.correlation_px),
        ("characteristic", each.characteristic_px, None if bands is None else bands.characteristic_px),
    ):
        row[f"{name}_um"] = _um(value, pixel_size_um)
        row[f"{name}_low_um"] = None if ends is None else _um(float(ends.low), pixel_size_um)
        row[f"{name}_high_um"] = None if ends is None else _um(float(ends.high), pixel_size_um)
    row["characteristic_distinct"] = None if bands is None else bands.minimum_is_distinct
    row["characteristic_at_end"] = each.characteristic_px == each.total.r_max
    return row


def _um(value_px: float | None, pixel_size_um: float) -> float | None:
    return None if value_px is None or not np.isfinite(value_px) else round(float(value_px * pixel_size_um), 6)
