"""Orders and groups of maps: against trying everything, and on maps whose groups are known."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import numpy as np
import pytest

from cemvis.analysis.relevance.grouping import (
    LINKAGES,
    default_sizes,
    hierarchical_orders,
    least_different_groups,
    order_maps,
)
from cemvis.errors import InputError
from cemvis.kernels.annealing import path_cost, row_distances
from cemvis.kernels.difference_matrix import difference_matrix
from reference import annealing as naive


def matrix(n: int, seed: int = 0) -> np.ndarray:
    return difference_matrix(np.random.default_rng(seed).random((n, 30)))


def best_by_trying(differences: np.ndarray, order: np.ndarray, groups: int, fewest: int, most: int) -> float:
    n = len(order)
    d = differences[np.ix_(order, order)]
    runs = {
        (a, b): float(np.mean([d[i, j] for i, j in combinations(range(a, b), 2)]))
        for a, b in product(range(n + 1), repeat=2)
        if fewest <= b - a <= most
    }
    chosen = (pick for pick in combinations(sorted(runs), groups) if all(a[1] <= b[0] for a, b in pairwise(pick)))
    return min(sum(runs[run] for run in pick) for pick in chosen)


@pytest.mark.parametrize(
    ("n", "groups", "fewest", "most"), [(6, 1, 2, 6), (8, 2, 2, 4), (9, 3, 3, 3), (9, 3, 2, 4), (6, 3, 2, 2)]
)
def test_groups_are_the_best_of_all(n, groups, fewest, most) -> None:
    for seed in range(4):
        differences = matrix(n, seed)
        order = np.random.default_rng(seed).permutation(n)
        found = least_different_groups(differences, order, groups=groups, fewest=fewest, most=most)
        assert len(found) == groups
        assert all(fewest <= each.stop - each.start <= most for each in found)
        assert all(one.stop <= other.start for one, other in pairwise(found))
        for each in found:
            assert np.array_equal(each.members, order[each.start : each.stop])
            pairs = list(combinations(each.members.tolist(), 2))
            assert each.mean_difference == pytest.approx(np.mean([differences[pair] for pair in pairs]), rel=1e-12)
        total = sum(each.mean_difference for each in found)
        assert total == pytest.approx(best_by_trying(differences, order, groups, fewest, most), rel=1e-12)


def test_known_groups_are_found_in_a_shuffle() -> None:
    rng = np.random.default_rng(3)
    patterns = rng.random((3, 200))
    kind = rng.permutation(np.repeat([0, 1, 2, 3], [8, 8, 8, 20]))
    own = rng.random((44, 200))
    maps = np.where((kind < 3)[:, None], patterns[np.minimum(kind, 2)] + 0.2 * own, own)
    differences = difference_matrix(maps)
    ordered = order_maps(differences, moves=50_000)
    found = least_different_groups(differences, ordered.order, groups=3, fewest=8, most=8)
    assert sorted(set(kind[each.members]).pop() for each in found) == [0, 1, 2]
    assert all(len(set(kind[each.members])) == 1 for each in found)


def test_gradients_are_those_of_the_orders() -> None:
    differences = matrix(25)
    found = order_maps(differences, restarts=1, moves=10_000)
    assert found.gradient == pytest.approx(naive.total_gradient(differences, found.order), rel=1e-12)
    assert found.given_gradient == pytest.approx(naive.total_gradient(differences, np.arange(25)), rel=1e-12)
    assert set(found.hierarchical_gradients) == set(LINKAGES)
    assert found.gradient <= min(found.hierarchical_gradients.values())
    distances = row_distances(differences)
    for name, order in hierarchical_orders(distances).items():
        assert found.hierarchical_gradients[name] == 2 * path_cost(distances, order)
    assert np.array_equal(order_maps(differences, restarts=1, moves=10_000).order, found.order)
    assert order_maps(differences, restarts=0, moves=0).gradient <= min(found.hierarchical_gradients.values())


def test_one_map_and_two() -> None:
    assert order_maps(np.zeros((1, 1))).order.tolist() == [0]
    two = order_maps(np.array([[0, 3.0], [3, 0]]))
    assert two.order.tolist() == [0, 1]
    # The rows (0, 3) and (3, 0) are 6 apart, and the columns too.
    assert two.gradient == 12


def test_sizes() -> None:
    assert default_sizes(5) == (2, 4)
    assert default_sizes(300) == (30, 60)
    found = least_different_groups(matrix(40), np.arange(40))
    assert len(found) == 3
    assert all(4 <= len(each.members) <= 8 for each in found)
    assert len(least_different_groups(matrix(40), np.arange(40), fewest=12)[0].members) == 12


@pytest.mark.parametrize(
    "sizes", [{"groups": 0}, {"fewest": 1}, {"fewest": 4, "most": 3}, {"fewest": 4}, {"groups": 6}]
)
def test_groups_that_do_not_fit_are_refused(sizes) -> None:
    with pytest.raises(InputError, match="out of 10 maps"):
        least_different_groups(matrix(10), np.arange(10), **sizes)
