"""Maps put in an order that keeps like ones together, and runs of that order in which they differ least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.kernels.annealing import RESTARTS, annealed_order, path_cost, row_distances

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

LINKAGES = ("single", "complete", "average", "ward")
FEWEST_MAPS = 2


@dataclass(frozen=True, eq=False)
class MapOrder:
    """An order of maps, and the total gradient of their difference matrix in it and in others.

    Attributes
    ----------
    order : (n,) intp
        ``differences[np.ix_(order, order)]`` is the matrix in order.
    gradient : float
        Of the matrix in this order. `cemvis.kernels.annealing` says how it is counted.
    given_gradient : float
        Of the matrix as it was given.
    hierarchical_gradients : mapping of str to float
        Of the matrix in the order of the leaves of each linkage's tree, optimally turned.
    """

    order: Places
    gradient: float
    given_gradient: float
    hierarchical_gradients: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Group:
    """A run of maps along an order.

    Attributes
    ----------
    start, stop : int
        Its first place in the order, and the one behind its last.
    members : (stop - start,) intp
        The maps.
    mean_difference : float
        Over all pairs of them.
    """

    start: int
    stop: int
    members: Places
    mean_difference: float


def hierarchical_orders(weights: NDArray[np.generic]) -> dict[str, Places]:
    """Return for each of SciPy's linkages the order of its tree's leaves with the least path (optimal leaf ordering).

    Parameters
    ----------
    weights : (n, n) uint64 or float64
        Distances of the rows of a difference matrix, for the least gradient; n from 2.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

    near = weights[np.triu_indices(len(weights), 1)].astype(np.float64)
    trees = ((name, linkage(near, name)) for name in LINKAGES)
    return {name: leaves_list(optimal_leaf_ordering(tree, near)).astype(np.intp) for name, tree in trees}


def order_maps(
    differences: NDArray[np.generic],
    *,
    restarts: int = RESTARTS,
    moves: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> MapOrder:
    """Find the order of maps whose difference matrix has the least total gradient.

    By annealing (`cemvis.kernels.annealing.annealed_order`) from the orders of four hierarchical clusterings and from
    random ones: the gradient is never above the least of the four.

    Parameters
    ----------
    differences : (n, n) uint64 or float64
        As `cemvis.kernels.difference_matrix.difference_matrix` returns it.
    restarts, moves, seed, threads
        As for `annealed_order`.

    Returns
    -------
    MapOrder

    Raises
    ------
    InputError
        If the matrix is refused by `row_distances`, or an argument by `annealed_order`.
    """
    distances = row_distances(differences, threads=threads)
    starts = hierarchical_orders(distances) if len(distances) > 1 else {"single": np.zeros(1, np.intp)}
    found = annealed_order(distances, list(starts.values()), restarts=restarts, moves=moves, seed=seed, threads=threads)
    return MapOrder(
        found.order,
        2 * found.cost,
        2 * path_cost(distances),
        {name: 2 * cost for name, cost in zip(starts, found.start_costs, strict=True)},
    )


def default_sizes(count: int) -> tuple[int, int]:
    """Return the fewest and the most maps of a group among `count`: a tenth of them (at least 2), and twice that."""
    fewest = max(FEWEST_MAPS, count // 10)
    return fewest, 2 * fewest


def least_different_groups(
    differences: NDArray[np.generic],
    order: Places,
    *,
    groups: int = 3,
    fewest: int | None = None,
    most: int | None = None,
) -> tuple[Group, ...]:
    """Find the runs of an order, none overlapping another, in which maps differ least.

    Of all choices of `groups` runs of `fewest` to `most` maps the one with the least sum of the runs' mean differences
    between maps, by dynamic programming: the squares along the diagonal of the ordered matrix that are darkest.

    Parameters
    ----------
    differences : (n, n)
    order : (n,) intp
    groups : int
    fewest, most : int, optional
        Of a group; see `default_sizes`.

    Returns
    -------
    tuple of Group
        As they follow each other along the order.

    Raises
    ------
    InputError
        If so many groups of so many maps don't fit.
    """
    count = len(differences)
    usual = default_sizes(count)
    fewest = usual[0] if fewest is None else fewest
    most = max(fewest, usual[1]) if most is None else most
    if groups < 1 or not FEWEST_MAPS <= fewest <= most or groups * fewest > count:
        msg = (
            f"{groups} groups of {fewest} to {most} out of {count} maps; wanted at least 1 group, at least "
            f"{FEWEST_MAPS} maps in each, and no more than there are"
        )
        raise InputError(msg)
    ordered = np.asarray(differences, np.float64)[np.ix_(order, order)]
    means = _run_means(ordered, fewest, most)
    starts = _best_starts(means, groups, fewest)
    return tuple(
        Group(start, start + size, order[start : start + size].copy(), float(means[size - fewest, start]))
        for start, size in starts
    )


def _run_means(ordered: Floats, fewest: int, most: int) -> Floats:
    """Return the mean over pairs of the run of each size and start, (sizes, n), inf where it leaves the order."""
    count = len(ordered)
    sums = np.zeros((count + 1, count + 1))
    sums[1:, 1:] = np.triu(ordered, 1).cumsum(axis=0).cumsum(axis=1)
    means = np.full((most - fewest + 1, count), np.inf)
    for size in range(fewest, min(most, count) + 1):
        begin = np.arange(count - size + 1)
        end = begin + size
        inside = sums[end, end] - sums[begin, end] - sums[end, begin] + sums[begin, begin]
        means[size - fewest, : len(begin)] = inside / (size * (size - 1) / 2)
    return means


def _best_starts(means: Floats, groups: int, fewest: int) -> list[tuple[int, int]]:
    sizes, count = means.shape
    # least[g, e]: of g runs within the first e places; came[g, e]: size of the run that ends at e, 0 if none does.
    least = np.full((groups + 1, count + 1), np.inf)
    least[0] = 0
    came = np.zeros((groups + 1, count + 1), np.intp)
    for g in range(1, groups + 1):
        for end in range(1, count + 1):
            least[g, end] = least[g, end - 1]
            for size in range(fewest, min(fewest + sizes - 1, end) + 1):
                sum_of_means = least[g - 1, end - size] + means[size - fewest, end - size]
                if sum_of_means < least[g, end]:
                    least[g, end], came[g, end] = sum_of_means, size
    found = []
    g, end = groups, count
    while g:
        size = int(came[g, end])
        if size:
            found.append((end - size, size))
            g -= 1
        end -= size or 1
    return found[::-1]
