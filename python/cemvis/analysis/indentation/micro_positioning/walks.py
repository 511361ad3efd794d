"""Offsets of a grid's columns and rows that follow random walks: what is most likely given each indent's scores.

Column j of a grid is off by u[j] along x and row i by v[i] along y. An indent's evidence is a table of scores over
both offsets, and the joint score is the sum over indents. Columns given rows, and rows given columns, are chains that
dynamic programming solves exactly; alternating between the two is coordinate ascent, or mean-field inference where
each chain hands on its marginal distribution instead of its best path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.kernels.grid_walks import joint_offsets

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Offsets:
    """The best pair of walks, as indices into the offsets of the score tables.

    Attributes
    ----------
    column : (columns,) int64
    row : (rows,) int64
    score : float
        Sum of the indents' scores, and of the walks' log probabilities.
    spread : float
        Root mean square difference, in steps of the offsets, between the results of the starts whose score comes
        within 2 % of the best, weighted equally; 0 if there is only one.
    """

    column: Integers
    row: Integers
    score: float
    spread: float


def best_offsets(
    scores: Floats,
    *,
    step_sd: float,
    amplitude: float = 0.0,
    starts: int = 4,
    seed: int = 0,
) -> Offsets:
    """Return the offsets of columns and rows with the greatest joint score.

    Parameters
    ----------
    scores : (rows, columns, k, k) float32
        Standardised response of each indent at k offsets down and k across; 0 where nothing is known.
    step_sd : float
        Standard deviation of the walks' steps, in steps of the offsets.
    amplitude : float
        Expected score of an imprint; found on the way if 0.
    starts : int
        Beginnings that are tried: all offsets equally likely; all rows moved as the whole grid's scores say; then
        random ones. A response to sharp edges is a needle that the first does not see.
    seed : int
        Of the random beginnings.
    """
    rows, _, k, _ = scores.shape
    even = np.full((rows, k), 1 / k)
    together = np.zeros((rows, k))
    together[:, int(scores.sum(axis=(0, 1)).argmax()) // k] = 1
    drawn = np.random.default_rng(seed).dirichlet(np.full(k, 0.3), (max(0, starts - 2), rows))
    beginnings = [even, together, *drawn][:starts]
    u, v, score = joint_offsets(
        np.ascontiguousarray(scores, dtype=np.float32),
        step_sd=step_sd,
        amplitude=amplitude,
        beginnings=np.stack(beginnings).astype(np.float32),
    )
    best = int(score.argmax())
    near = score >= score[best] - 0.02 * abs(score[best])
    apart = ((u[near] - u[best]) ** 2).mean(axis=1) + ((v[near] - v[best]) ** 2).mean(axis=1)
    return Offsets(u[best], v[best], float(score[best]), float(np.sqrt(apart.mean())))


def best_path(scores: NDArray[np.floating], penalty: NDArray[np.floating]) -> tuple[Integers, float]:
    """Return the path with the greatest sum of scores and step penalties, and that sum (Viterbi).

    Parameters
    ----------
    scores : (n, k)
        Of each state at each place.
    penalty : (k, k)
        Added for the step from one state to the next.
    """
    n, k = scores.shape
    came_from = np.zeros((n, k), np.int64)
    total = scores[0].astype(np.float64)
    for i in range(1, n):
        reached = total[:, None] + penalty
        came_from[i] = reached.argmax(axis=0)
        total = reached.max(axis=0) + scores[i]
    path = np.empty(n, np.int64)
    path[-1] = total.argmax()
    for i in range(n - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path, float(total.max())
