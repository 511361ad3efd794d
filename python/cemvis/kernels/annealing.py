"""Orders of many things that keep like ones together: least total gradient of their difference matrix, by annealing.

The total gradient of a matrix ``D`` whose rows and columns are put in the same order ``p`` is the sum, over all pairs
of neighbouring cells, of the absolute difference between them: ``|D[p[i+1], p[j]] - D[p[i], p[j]]|`` down a column, and
the like along a row. The sum over ``j`` runs over all columns, whatever their order. So the first part is
``sum_i |row p[i+1] - row p[i]|``, the L1 distance between rows that follow each other, and, D being symmetric, the
second is the same again:

    total gradient = 2 sum_i d(p[i], p[i+1]),    d(a, b) = sum_k |D[a, k] - D[b, k]|

The order of least gradient is the shortest path through all rows by the distances ``d`` (a travelling salesman who
doesn't come home); nothing is approximated. A move costs a few look-ups in `row_distances`, whatever the size.
(With the length of the gradient vector in each cell, instead of the sum of its parts, this would not hold.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis import _core
from cemvis._checks import thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors
from cemvis.kernels.difference_matrix import difference_matrix

Order = NDArray[np.intp]

RESTARTS = 4
MOVES_EACH = 10_000
"""Moves of a run, for each thing in the path."""
WARM = 0.1
"""First temperature of a run that begins with a given order, relative to that of one that begins anywhere."""


@dataclass(frozen=True, eq=False)
class AnnealedOrder:
    """The shortest path that was found, and what the runs came to.

    Attributes
    ----------
    order : (n,) intp
        The things in their order: ``matrix[np.ix_(order, order)]`` is put in order. The first is below the last.
    cost : float
        Sum of the weights along it, worked out anew from the weights.
    start_costs : tuple of float
        Of the orders that were given. None is below `cost`.
    run_costs : tuple of float
        Where each run ended: those from given orders, then the restarts.
    moves : int
        That were tried, over all runs.
    accepted : int
        Of these.
    """

    order: Order
    cost: float
    start_costs: tuple[float, ...]
    run_costs: tuple[float, ...]
    moves: int
    accepted: int


def row_distances(
    differences: NDArray[np.generic], *, threads: int | None = None
) -> NDArray[np.uint64] | NDArray[np.float64]:
    """Return the L1 distance between each two rows of a symmetric matrix, (n, n).

    Parameters
    ----------
    differences : (n, n) uint64 or float64
        As `difference_matrix` returns it. Distances of whole numbers are exact.
    threads : int, optional

    Returns
    -------
    (n, n) of the same dtype

    Raises
    ------
    InputError
        If the matrix is not square, symmetric and finite, or its whole numbers are so large that distances could reach
        2^53.
    """
    matrix = _symmetric(differences, name="differences")
    if matrix.dtype.kind == "f":
        return difference_matrix(matrix, threads=threads)
    if int(matrix.max()) * len(matrix) >= 2**53:
        msg = f"differences reach {int(matrix.max())}; wanted less than 2^53 / {len(matrix)}, or float64"
        raise InputError(msg)
    # Sums of whole numbers below 2^53 are whole numbers in float64 too.
    return difference_matrix(matrix.astype(np.float64), threads=threads).astype(np.uint64)


def path_cost(weights: NDArray[np.generic], order: NDArray[np.integer] | None = None) -> float:
    """Return the sum of ``weights[order[k], order[k + 1]]``, correctly rounded; without an order, as the rows stand."""
    matrix = _symmetric(weights, name="weights")
    places = np.arange(len(matrix)) if order is None else _order(order, len(matrix))
    return _sum(matrix, places)


def total_gradient(
    differences: NDArray[np.generic], order: NDArray[np.integer] | None = None, *, threads: int | None = None
) -> float:
    """Return the sum over neighbouring cells, down and to the right, of their absolute difference, in the given order.

    Raises
    ------
    InputError
        If the matrix is refused by `row_distances`, or the order names not each row once.

    Examples
    --------
    >>> import numpy as np
    >>> total_gradient(np.array([[0.0, 5, 1], [5, 0, 4], [1, 4, 0]]))
    50.0
    >>> total_gradient(np.array([[0.0, 5, 1], [5, 0, 4], [1, 4, 0]]), np.array([1, 2, 0]))
    30.0
    """
    return 2 * path_cost(row_distances(differences, threads=threads), order)


def annealed_order(
    weights: NDArray[np.generic],
    starts: Sequence[NDArray[np.integer]] = (),
    *,
    restarts: int = RESTARTS,
    moves: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> AnnealedOrder:
    """Find the shortest path through all things, by simulated annealing from given orders and from random ones.

    Each run swaps two things, moves up to three elsewhere or turns a stretch round, and takes a longer path with the
    probability ``exp(-change / temperature)``. Temperatures fall geometrically to a thousandth, from the mean increase
    of drawn moves where a run begins with a random order, and from `WARM` of it where it begins with a given one. In
    the end no reversal and no shift shortens the path. Costs are followed in whole numbers (float weights are scaled by
    a power of two and rounded to 62 bits): nothing drifts. The same arguments and seed give the same order at any
    number of threads.

    Parameters
    ----------
    weights : (n, n) uint64 or float64
        Symmetric, not below 0: `row_distances` for the least total gradient. The diagonal is not looked at.
    starts : sequence of (n,) integers
        Orders to begin with, one run each. The result is never worse than any of them.
    restarts : int
        Runs that begin with a random order.
    moves : int, optional
        Of each run. Default: 10,000 n.
    seed : int
        From 0 to 2^63 - 1.
    threads : int, optional
        Runs are dealt to them.

    Returns
    -------
    AnnealedOrder

    Raises
    ------
    InputError
        If an argument has the wrong shape or range, or there is no run.
    """
    matrix = _symmetric(weights, name="weights")
    if matrix.min() < 0:
        msg = f"weights go down to {matrix.min()}; wanted numbers from 0"
        raise InputError(msg)
    moves = MOVES_EACH * len(matrix) if moves is None else moves
    for name, number, most in (("restarts", restarts, 10**6), ("moves", moves, 2**62), ("seed", seed, 2**63 - 1)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not 0 <= number <= most:
            msg = f"{name} is {number!r}; wanted a whole number from 0 to {most}"
            raise InputError(msg)
    if len(starts) == 0 and restarts == 0:
        msg = "there are no starts and no restarts; wanted at least one"
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    given = [_order(start, len(matrix)) for start in starts]
    begun = [*given, *(rng.permutation(len(matrix)) for _ in range(restarts))]
    orders = np.array(begun, np.int32)
    heats = np.array([WARM] * len(given) + [1.0] * restarts)
    seeds = rng.integers(0, 2**63, len(begun), dtype=np.uint64)
    with input_errors():
        told = _core.anneal_paths(_whole(matrix), orders, heats, seeds, int(moves), thread_count(threads))
    ends = [order.astype(np.intp) for order in orders]
    run_costs, start_costs = ([_sum(matrix, order) for order in group] for group in (ends, given))
    # Rounded weights can't tell paths apart that differ in the last bits: a start that is best in these is kept.
    best, cost = min(zip([*ends, *given], [*run_costs, *start_costs], strict=True), key=lambda pair: pair[1])
    best = best[::-1].copy() if best[0] > best[-1] else best
    tried = int(moves) * len(begun) if len(matrix) > 2 else 0
    return AnnealedOrder(
        best, cost, tuple(start_costs), tuple(run_costs), tried, sum(accepted for _, _, accepted in told)
    )


def _sum(weights: NDArray[np.generic], order: NDArray[np.integer]) -> float:
    steps = weights[order[:-1], order[1:]]
    return float(sum(steps.tolist())) if weights.dtype.kind == "u" else math.fsum(steps.tolist())


def _whole(weights: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return the weights as whole numbers whose sum along any path is below 2^62."""
    if weights.dtype.kind == "u" and int(weights.max()) * len(weights) < 2**62:
        return weights.astype(np.int64)
    numbers = weights.astype(np.float64)
    np.fill_diagonal(numbers, 0)
    # The sum is below 2^exponent.
    exponent = int(np.frexp(numbers.max())[1]) + len(weights).bit_length()
    return np.rint(np.ldexp(numbers, 61 - exponent)).astype(np.int64)


def _order(order: NDArray[np.integer], count: int) -> Order:
    places = np.asarray(order)
    if places.shape != (count,) or places.dtype.kind not in "iu" or not np.array_equal(np.sort(places), range(count)):
        msg = f"an order of {count} things must name each of 0 to {count - 1} once"
        raise InputError(msg)
    return places.astype(np.intp)


def _symmetric(matrix: NDArray[np.generic], *, name: str) -> NDArray[np.generic]:
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        got = f"has shape {matrix.shape}" if isinstance(matrix, np.ndarray) else f"is a {type(matrix).__name__}"
        msg = f"{name} {got}; wanted a square matrix (n, n)"
        raise InputError(msg)
    if matrix.dtype.name not in ("uint64", "float64"):
        msg = f"{name} has dtype {matrix.dtype}; wanted uint64 or float64"
        raise InputError(msg)
    if matrix.dtype.kind == "f" and not np.isfinite(matrix).all():
        msg = f"{name} holds NaN or infinity; wanted finite numbers"
        raise InputError(msg)
    if matrix.dtype.kind == "f" and np.abs(matrix).max() > np.finfo(np.float64).max / len(matrix):
        msg = f"{name} holds {np.abs(matrix).max():g}; wanted numbers whose sum along a path is finite"
        raise InputError(msg)
    if not np.array_equal(matrix, matrix.T):
        msg = f"{name} is not symmetric; wanted the same difference both ways"
        raise InputError(msg)
    return matrix
