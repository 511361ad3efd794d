"""Orders of least gradient: moves a second against a Python loop, and path lengths against optimal leaf ordering.

The Python loop makes the same kinds of moves, and works out each one's cost from the few steps that it changes, as one
would who knows the problem; a second one works out the gradient of the whole reordered matrix, as the formula says.
Costs are checked to be those of a full recomputation first. `python benchmarks/bench_annealing.py` prints path lengths.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cemvis.kernels.annealing import annealed_order, path_cost, row_distances, total_gradient
from cemvis.kernels.difference_matrix import difference_matrix

ndimage = pytest.importorskip("scipy.ndimage")
hierarchy = pytest.importorskip("scipy.cluster.hierarchy")

MOVES, LOOPED, WHOLE = 2_000_000, 20_000, 20
LINKAGES = ("single", "complete", "average", "ward")


@cache
def matrix(count: int, groups: int = 10, seed: int = 0) -> NDArray[np.float64]:
    """Differences of smooth maps of 48 x 48 px, each like one of `groups` patterns."""
    rng = np.random.default_rng(seed)

    def smooth(n: int) -> NDArray[np.float64]:
        fields = ndimage.gaussian_filter(rng.standard_normal((n, 48, 48)), (0, 3, 3), mode="wrap")
        return fields / fields.std()

    maps = np.exp(0.5 * smooth(groups)[rng.integers(0, groups, count)] + smooth(count))
    return difference_matrix((maps / maps.sum((1, 2), keepdims=True)).astype(np.float32))


def python_loop(weights: list[list[float]], order: list[int], moves: int, heat: float, seed: int) -> float:
    """Anneal with swaps, shifts and reversals; return the cost that was followed."""
    rng = random.Random(seed)
    n = len(order)

    def step(i: int, j: int) -> float:
        return weights[order[i]][order[j]] if min(i, j) >= 0 and max(i, j) < n else 0.0

    cost = sum(step(k, k + 1) for k in range(n - 1))
    for move in range(moves):
        temperature = heat * 1e-3 ** (move / moves)
        i, j = sorted(rng.sample(range(n), 2))
        kind = rng.randrange(3)
        if kind == 0 and j > i + 1:
            ends = ((i - 1, i), (i, i + 1), (j - 1, j), (j, j + 1))
            change = step(i - 1, j) + step(j, i + 1) + step(j - 1, i) + step(i, j + 1) - sum(step(*end) for end in ends)
        elif kind == 1 and j > i + 1:
            change = step(i - 1, i + 1) + step(j, i) + step(i, j + 1) - step(i - 1, i) - step(i, i + 1) - step(j, j + 1)
        else:
            kind = 2
            change = step(i - 1, j) + step(i, j + 1) - step(i - 1, i) - step(j, j + 1)
        if change > 0 and rng.random() >= math.exp(-change / temperature):
            continue
        cost += change
        if kind == 0:
            order[i], order[j] = order[j], order[i]
        elif kind == 1:
            order.insert(j, order.pop(i))
        else:
            order[i : j + 1] = order[i : j + 1][::-1]
    return cost


def whole_gradients(differences: NDArray[np.float64], moves: int) -> float:
    rng = np.random.default_rng(0)
    order = np.arange(len(differences))
    best = math.inf
    for _ in range(moves):
        i, j = rng.integers(0, len(order), 2)
        order[[i, j]] = order[[j, i]]
        now = differences[np.ix_(order, order)]
        gradient = np.abs(np.diff(now, axis=0)).sum() + np.abs(np.diff(now, axis=1)).sum()
        if gradient < best:
            best = gradient
        else:
            order[[i, j]] = order[[j, i]]
    return best


@pytest.mark.parametrize("count", [100, 300, 1000])
def test_annealing_moves(count: int, compare: Callable[..., object]) -> None:
    differences = matrix(count)
    weights = row_distances(differences)
    nested = weights.tolist()
    heat = float(weights.std())
    order = list(range(count))
    followed = python_loop(nested, order, LOOPED, heat, 0)
    assert followed == pytest.approx(path_cost(weights, np.array(order)), rel=1e-9)
    found = annealed_order(weights, restarts=1, moves=LOOPED)
    assert 2 * found.cost == pytest.approx(total_gradient(differences, found.order), rel=1e-12)
    compare(
        f"{MOVES:,} moves in a path of {count}",
        {
            "cemvis, 1 thread": lambda: annealed_order(weights, restarts=1, moves=MOVES, threads=1),
            "cemvis, 2 threads": lambda: annealed_order(weights, restarts=2, moves=MOVES // 2, threads=2),
            "Python loop, incremental": lambda: python_loop(nested, list(range(count)), LOOPED, heat, 0),
            "NumPy, whole gradient": lambda: whole_gradients(differences, WHOLE),
        },
        {"Python loop, incremental": LOOPED / MOVES, "NumPy, whole gradient": WHOLE / MOVES},
    )


def quality(count: int, groups: int) -> str:
    """Return how long paths are, relative to the best of optimal leaf ordering, and what they took."""
    weights = row_distances(matrix(count, groups))
    near = weights[np.triu_indices(count, 1)]
    began = time.process_time()
    trees = [hierarchy.optimal_leaf_ordering(hierarchy.linkage(near, name), near) for name in LINKAGES]
    starts = [hierarchy.leaves_list(tree) for tree in trees]
    rival_s = time.process_time() - began
    costs = [path_cost(weights, start) for start in starts]
    began = time.process_time()
    found = annealed_order(weights, starts)
    own_s = time.process_time() - began
    told = ", ".join(f"{name} {cost / min(costs):.3f}" for name, cost in zip(LINKAGES, costs, strict=True))
    return (
        f"{count:5} maps, {groups} patterns: leaf ordering {told} ({rival_s:.1f} s of CPU); annealing "
        f"{found.cost / min(costs):.4f} ({own_s:.1f} s of CPU); order as made {path_cost(weights) / min(costs):.3f}"
    )


if __name__ == "__main__":
    for maps_and_patterns in ((60, 5), (300, 10), (1000, 20)):
        print(quality(*maps_and_patterns), flush=True)
