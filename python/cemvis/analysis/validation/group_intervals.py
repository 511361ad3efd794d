"""Intervals of shares of things that come in groups, such as maps of specimens: groups are drawn, not things."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95


def share_interval(
    won: NDArray[np.bool_],
    labels: NDArray[np.intp],
    groups: NDArray[np.intp],
    *,
    lost: NDArray[np.bool_] | None = None,
    resamplings: int,
    seed: int,
) -> tuple[float, float]:
    """Return the 95 % interval of the share won, less the share lost, over whole groups drawn within each class.

    Things of one group are alike, so drawing them one by one would make the interval too narrow. It is widened as
    Student's t widens a normal interval, for the groups are few. Where all groups of a class did equally well nothing
    varies, but that is not certain either: the class's share is then drawn as if each group were one trial (Jeffreys'
    prior). The interval always holds the share.

    Parameters
    ----------
    won : (n,) bool
    labels, groups : (n,) int
        A group is of one class.
    lost : (n,) bool, optional
        None where nothing can be lost.
    resamplings, seed : int
    """
    from scipy.stats import norm, t

    numbers, of_map = np.unique(groups, return_inverse=True)
    maps, wins = np.bincount(of_map), np.bincount(of_map, won)
    losses = np.zeros(len(numbers)) if lost is None else np.bincount(of_map, lost)
    doubt = np.array([0.5, 0.0 if lost is None else 0.5, 0.5])
    gains = wins - losses
    class_of = np.array([labels[of_map == index][0] for index in range(len(numbers))])
    rng = np.random.default_rng([seed, 19])
    total, count = np.zeros(resamplings), np.zeros(resamplings)
    drawn_groups, freedom = 0, 0
    for label in np.unique(class_of):
        mine = np.flatnonzero(class_of == label)
        if np.ptp(gains[mine] / maps[mine]) == 0:
            kinds = np.stack([wins, losses, maps - wins - losses], axis=1)[mine] / maps[mine, None]
            # Shares by Dirichlet's distribution, which is that of gamma variates over their sum.
            likely = rng.gamma(doubt + kinds.sum(axis=0), size=(resamplings, 3))
            total += maps[mine].sum() * (likely[:, 0] - likely[:, 1]) / likely.sum(axis=1)
            count += maps[mine].sum()
        else:
            drawn = rng.choice(mine, size=(resamplings, len(mine)))
            total += gains[drawn].sum(axis=1)
            count += maps[drawn].sum(axis=1)
            drawn_groups, freedom = drawn_groups + len(mine), freedom + len(mine) - 1
    value = float(gains.sum() / len(labels))
    ends = np.quantile(total / count, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if freedom:
        at = (1 + LEVEL) / 2
        ends = value + (ends - value) * t.ppf(at, freedom) / norm.ppf(at) * np.sqrt(drawn_groups / freedom)
    least = 0.0 if lost is None else -1.0
    return max(min(float(ends[0]), value), least), min(max(float(ends[1]), value), 1.0)
