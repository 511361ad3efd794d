"""How much relevance falls on truly modified pixels, against their area, other masks and random weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cemvis.analysis.relevance.regions import characteristic_regions
from cemvis.models.explain.methods import METHODS, explain
from cemvis.models.explain.random_weights import randomised
from cemvis.models.map_examples import as_input

AT_ONCE = 4


def localisation(
    network: nn.Module, levels: NDArray[np.uint8], modified: NDArray[np.bool_], *, seed: int = 0
) -> Iterator[dict[str, object]]:
    """Yield a row for each map, method and network: shares of relevance on its own and on other maps' masks.

    `lift` is the share of the positive relevance on modified pixels over their share of the area; `other_lift` that on
    the next map's mask. `auc` is the chance that a modified pixel has more relevance than one that is not.
    """
    # The trained network is asked about the modified class. One with random weights has no opinion: about its answer.
    for which, one, target in (("trained", network, 1), ("random", randomised(network, seed), None)):
        for method in METHODS:
            for begin in range(0, len(levels), AT_ONCE):
                part = slice(begin, begin + AT_ONCE)
                found = explain(one, as_input(levels[part]), target, method=method, score="contrast")
                for row, relevance in enumerate(found.relevance):
                    index = begin + row
                    yield {
                        "network": which,
                        "method": method,
                        "map": index,
                        "explained": bool(found.explained[row]),
                        "score": float(found.score[row]),
                        **_shares(relevance, modified[index], modified[(index + 1) % len(modified)]),
                    }


def _shares(relevance: NDArray[np.float64], mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> dict[str, float]:
    positive = np.maximum(relevance, 0)
    total = positive.sum()
    if total <= 0 or not mask.any() or not other.any():
        return {"area": float(mask.mean())}
    regions = characteristic_regions(relevance)
    return {
        "area": float(mask.mean()),
        "share": float(positive[mask].sum() / total),
        "lift": float(positive[mask].sum() / total / mask.mean()),
        "other_lift": float(positive[other].sum() / total / other.mean()),
        "auc": _auc(relevance, mask),
        "regions_area": float(regions.mean()),
        "regions_modified": float(mask[regions].mean()),
    }


def _auc(relevance: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(relevance.ravel())
    inside = int(mask.sum())
    rest = mask.size - inside
    return float((ranks[mask.ravel()].sum() - inside * (inside + 1) / 2) / (inside * rest)) if rest else float("nan")
