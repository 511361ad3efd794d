"""Explaining images batch by batch: relevance, regions, boundaries, and the same network with random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.relevance.boundary import boundary_features
from cemvis.analysis.relevance.centre import CentreBias, centre_bias
from cemvis.analysis.relevance.regions import characteristic_regions, region_shares
from cemvis.models.explain.explanation import Explanation, ScoreKind
from cemvis.models.explain.methods import explain
from cemvis.models.explain.random_weights import randomised
from cemvis.workflows._explain_result import ExplainConfig, Explained
from cemvis.workflows._explain_subjects import Floats, Levels, Subjects

Progress = Callable[[str, int, int], None]

RANDOM_WEIGHTS = "random weights"
_FREE: ScoreKind = "contrast"  # the random network's own choice against the rest is positive whatever its weights are


@dataclass(frozen=True, eq=False)
class Drawn:
    """One image with all that is drawn or written about it.

    Attributes
    ----------
    explained : Explained
    levels : (rows, cols) uint8
    relevance, random : (rows, cols) float64
    regions, boundary : (rows, cols) bool
    """

    explained: Explained
    levels: Levels
    relevance: Floats
    random: Floats
    regions: NDArray[np.bool_]
    boundary: NDArray[np.bool_]


@dataclass(eq=False)
class Totals:
    """What is added up over images, so that no more than a batch of them is held."""

    relevance: dict[str, Floats] = field(default_factory=dict)
    maps: dict[str, int] = field(default_factory=dict)
    lost: dict[str, float] = field(default_factory=dict)
    lost_units: dict[str, float] = field(default_factory=dict)
    explained: int = 0

    def add(self, name: str, relevance: Floats) -> None:
        """Add a map, its relevance brought to 1, to those of a class."""
        positive = np.maximum(relevance, 0.0)
        if (total := positive.sum()) > 0:
            self.relevance[name] = self.relevance.get(name, np.zeros(relevance.shape)) + positive / total
            self.maps[name] = self.maps.get(name, 0) + 1

    def absorb(self, found: Explanation) -> None:
        """Add what layers absorbed of each explained score, as shares."""
        there = found.explained
        self.explained += int(there.sum())
        for index, layer in enumerate(found.layers):
            share = found.lost[there, index] / found.score[there]
            self.lost[layer] = self.lost.get(layer, 0.0) + float(share.sum())
            self.lost_units[layer] = self.lost_units.get(layer, 0.0) + float(found.lost_units[there, index].sum())

    def centre(self) -> dict[str, CentreBias]:
        """Return the bias to the middle of each class' mean map."""
        return {name: centre_bias(self.relevance[name]) for name in self.names()}

    def names(self) -> list[str]:
        """Return the classes, and the floor that they are compared with behind them."""
        return sorted(self.relevance, key=lambda name: name == RANDOM_WEIGHTS)

    def layers(self) -> dict[str, tuple[float, float]]:
        """Return the mean share of the score that each layer absorbed, and the mean number of units that did."""
        count = max(self.explained, 1)
        return {name: (lost / count, self.lost_units[name] / count) for name, lost in self.lost.items()}


def explained_images(
    subjects: Subjects, config: ExplainConfig, totals: Totals, *, progress: Progress | None = None
) -> Iterator[Drawn]:
    """Yield the images of `subjects` one after the other, explained; `totals` is added to on the way."""
    count = len(subjects.pictures)
    random = randomised(subjects.network, config.seed)
    for first in range(0, count, config.batch):
        indices = range(first, min(first + config.batch, count))
        levels, values = subjects.read(indices)
        found = explanation(subjects, indices, values, method=config.method)
        free = replace(subjects.score, kind=_FREE)
        by_chance = explain(random, values, method=config.method, score=free, reading=subjects.reading)
        if found.layers:
            totals.absorb(found)
        for place, index in enumerate(indices):
            drawn = _drawn(subjects, config, index, place, levels[place], found, by_chance.relevance[place])
            totals.add(drawn.explained.picture.class_name or "all", drawn.relevance)
            totals.add(RANDOM_WEIGHTS, drawn.random)
            yield drawn
        if progress is not None:
            progress("explaining", indices.stop, count)


def explanation(subjects: Subjects, indices: Sequence[int], values: Floats, *, method: str) -> Explanation:
    """Explain some of the subjects, whose pixels are `values`, by any method."""
    wanted = subjects.targets[list(indices)]
    target = None if (wanted < 0).any() else wanted
    return explain(subjects.network, values, target, method=method, score=subjects.score, reading=subjects.reading)


def _drawn(
    subjects: Subjects,
    config: ExplainConfig,
    index: int,
    place: int,
    levels: Levels,
    found: Explanation,
    random: Floats,
) -> Drawn:
    relevance = found.relevance[place]
    regions = characteristic_regions(relevance, config.share)
    by_chance = characteristic_regions(random, config.share)
    boundary = boundary_features(relevance, config.boundary_per_px, quantile=config.boundary_quantile)
    shares = region_shares(levels, relevance, regions)
    high = levels > shares.threshold
    explained = Explained(
        subjects.pictures[index],
        int(np.argmax(found.outputs[place])),
        int(found.target[place]),
        tuple(map(float, found.outputs[place])),
        float(found.score[place]),
        bool(found.explained[place]),
        float(found.conservation_error[place]),
        float(found.absorbed_share[place]),
        shares,
        float(boundary.mean()),
        float((boundary & ~high).mean()),
        float((boundary & high).mean()),
        half_distance_px(relevance) * subjects.pixel_size_um,
        rank_correlation(relevance, random),
        float((regions & by_chance).sum() / regions.sum()) if regions.any() else float("nan"),
    )
    return Drawn(explained, levels, relevance, random, regions, boundary)


def half_distance_px(relevance: Floats) -> float:
    """Return the distance from the middle within which half of the positive relevance is; NaN without any."""
    positive = np.maximum(relevance, 0.0).ravel()
    if positive.sum() == 0:
        return float("nan")
    down, across = (np.arange(side) - (side - 1) / 2 for side in relevance.shape)
    away = np.hypot(down[:, np.newaxis], across).ravel()
    order = np.argsort(away, kind="stable")
    running = np.cumsum(positive[order])
    return float(away[order][np.searchsorted(running, 0.5 * running[-1])])


def rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's rank correlation of two maps; NaN where one of them is the same everywhere."""
    from scipy.stats import rankdata

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])
