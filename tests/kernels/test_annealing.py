"""Annealed orders: the gradient is twice a path's cost, small ones are the best of all, none is worse than a start."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.kernels.annealing import annealed_order, path_cost, row_distances, total_gradient
from cemvis.kernels.difference_matrix import difference_matrix
from reference import annealing as naive


def differences(n: int, seed: int = 0, dtype: str = "uint8", groups: int = 3) -> np.ndarray:
    """Of maps that are like one of a few patterns."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 100, (groups, 60))[rng.integers(0, groups, n)] + rng.integers(0, 100, (n, 60))
    return difference_matrix(maps.astype(dtype))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 20])
def test_the_gradient_is_twice_the_cost_of_a_path(n, dtype) -> None:
    """Maps of whole numbers, so that differences of either dtype are whole and every sum of them exact."""
    matrix = differences(n, dtype=dtype)
    distances = row_distances(matrix)
    assert distances.dtype == matrix.dtype
    wide = matrix.astype(np.float64)
    assert np.array_equal(distances.astype(np.float64), np.abs(wide[:, None] - wide[None]).sum(axis=2))
    rng = np.random.default_rng(1)
    for _ in range(5):
        order = rng.permutation(n)
        assert total_gradient(matrix, order) == naive.total_gradient(wide, order)
        assert total_gradient(matrix, order) == 2 * path_cost(distances, order)
        assert total_gradient(matrix, order[::-1]) == total_gradient(matrix, order)
    assert total_gradient(matrix) == naive.total_gradient(wide, np.arange(n))


@pytest.mark.parametrize("seed", range(6))
def test_small_orders_are_the_best_of_all(seed) -> None:
    n = 3 + seed
    if n == 8:
        n = 7
    matrix = differences(n, seed, dtype="float32" if seed % 2 else "uint8")
    found = annealed_order(row_distances(matrix), restarts=2, moves=3_000, seed=seed)
    assert naive.total_gradient(matrix.astype(np.float64), found.order) == naive.least_gradient(
        matrix.astype(np.float64)
    )
    assert 2 * found.cost == total_gradient(matrix, found.order)


def test_eight_by_trying_all() -> None:
    matrix = differences(8, 11)
    distances = row_distances(matrix).astype(np.int64)
    orders = np.array([order for order in permutations(range(8)) if order[0] < order[-1]])
    best = distances[orders[:, :-1], orders[:, 1:]].sum(axis=1).min()
    assert annealed_order(row_distances(matrix), moves=5_000).cost == best


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_costs_are_those_of_the_orders(dtype) -> None:
    weights = row_distances(differences(50, 2, dtype=dtype))
    starts = [np.random.default_rng(seed).permutation(50) for seed in range(2)]
    found = annealed_order(weights, starts, restarts=2, moves=5_000, seed=3)
    assert np.array_equal(np.sort(found.order), np.arange(50))
    assert found.order[0] < found.order[-1]
    assert found.cost == path_cost(weights, found.order) == min(found.run_costs)
    assert found.start_costs == tuple(path_cost(weights, start) for start in starts)
    assert found.cost < min(found.start_costs)
    assert len(found.run_costs) == 4
    assert found.moves == 20_000
    assert 0 < found.accepted < found.moves


def test_a_start_that_is_best_is_kept() -> None:
    """Maps on a line: their own order cannot be improved, and warm runs don't lose it."""
    at = np.sort(np.random.default_rng(0).uniform(0, 1, 40))
    weights = np.abs(at[:, None] - at[None])
    best = np.arange(40)
    found = annealed_order(weights, [best], restarts=0, moves=2_000)
    assert np.array_equal(found.order, best)
    assert found.cost == found.start_costs[0]
    shuffled = np.random.default_rng(1).permutation(40)
    again = annealed_order(weights[np.ix_(shuffled, shuffled)], restarts=2, moves=40_000)
    assert again.cost == pytest.approx(at[-1] - at[0], rel=1e-12)
    assert np.array_equal(np.abs(np.diff(shuffled[again.order])), np.ones(39))


def test_never_worse_than_optimal_leaf_ordering() -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    for seed in range(3):
        weights = row_distances(differences(70, seed, dtype="float32", groups=6))
        near = weights[np.triu_indices(70, 1)]
        starts = [
            hierarchy.leaves_list(hierarchy.optimal_leaf_ordering(hierarchy.linkage(near, method), near))
            for method in ("single", "complete", "average", "ward")
        ]
        rival = min(path_cost(weights, start) for start in starts)
        assert annealed_order(weights, starts, restarts=0, moves=0).cost <= rival
        assert annealed_order(weights, starts, restarts=1, moves=70_000, seed=seed).cost < rival
        # Without them, annealing finds what is no worse either.
        assert annealed_order(weights, restarts=2, moves=140_000, seed=seed).cost < rival


def test_scales_do_not_matter() -> None:
    weights = row_distances(differences(30, 4, dtype="float32"))
    plain = annealed_order(weights, restarts=2, moves=2_000)
    for scale in (2.0**-200, 2.0**200):
        scaled = annealed_order(weights * scale, restarts=2, moves=2_000)
        assert np.array_equal(scaled.order, plain.order)
        assert scaled.cost == plain.cost * scale


def test_a_seed_gives_one_order_at_any_number_of_threads() -> None:
    weights = row_distances(differences(60, 5))
    orders = [annealed_order(weights, restarts=3, moves=300, seed=7, threads=threads) for threads in (1, 2, 3)]
    assert all(np.array_equal(other.order, orders[0].order) for other in orders)
    assert all(other.run_costs == orders[0].run_costs for other in orders)
    assert annealed_order(weights, restarts=3, moves=300, seed=8).run_costs != orders[0].run_costs


def test_equal_things_and_single_ones() -> None:
    assert annealed_order(np.zeros((1, 1))).order.tolist() == [0]
    assert annealed_order(np.array([[0, 4.0], [4, 0]])).cost == 4
    assert annealed_order(np.zeros((9, 9)), moves=1_000).cost == 0


def test_starts_may_be_rows_of_an_array() -> None:
    weights = row_distances(differences(6))
    starts = np.array([range(6), range(5, -1, -1)])
    found = annealed_order(weights, starts, restarts=0, moves=100)
    assert found.start_costs == (path_cost(weights), path_cost(weights))


@pytest.mark.parametrize(
    ("weights", "more", "told"),
    [
        ([[0.0]], {}, "weights is a list; wanted a square matrix"),
        (np.zeros((2, 3)), {}, r"shape \(2, 3\); wanted a square matrix"),
        (np.zeros((0, 0)), {}, "square matrix"),
        (np.zeros((2, 2), np.int32), {}, "dtype int32; wanted uint64 or float64"),
        (np.full((2, 2), np.nan), {}, "NaN"),
        (np.array([[0, 1.0], [2, 0]]), {}, "not symmetric"),
        (np.array([[0, -1.0], [-1, 0]]), {}, "wanted numbers from 0"),
        (np.zeros((3, 3)), {"starts": [np.array([0, 1, 1])]}, "an order of 3 things"),
        (1e308 * (1 - np.eye(3)), {}, "sum along a path is finite"),
        (np.zeros((3, 3)), {"starts": [np.array([0, 1])]}, "an order of 3 things"),
        (np.zeros((3, 3)), {"starts": [np.array([0.0, 1.0, 2.0])]}, "an order of 3 things"),
        (np.zeros((3, 3)), {"restarts": 0}, "no starts and no restarts"),
        (np.zeros((3, 3)), {"moves": -1}, "moves is -1"),
        (np.zeros((3, 3)), {"seed": 2**63}, "seed is"),
    ],
)
def test_what_is_refused(weights, more, told) -> None:
    with pytest.raises(InputError, match=told):
        annealed_order(weights, **more)


def test_differences_too_large_to_be_exact_are_refused() -> None:
    huge = np.array([[0, 2**52], [2**52, 0]], np.uint64)
    with pytest.raises(InputError, match="2\\^53 / 2"):
        row_distances(huge)
    with pytest.raises(InputError, match="2\\^53"):
        total_gradient(huge)
    assert total_gradient(huge.astype(np.float64)) == 2.0**54
