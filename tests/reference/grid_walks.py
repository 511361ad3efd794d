"""The joint fit of a grid's walks and spline interpolation, written from the formulas: no speed wanted."""

from __future__ import annotations

import itertools

import numpy as np


def joint_score(scores: np.ndarray, u: np.ndarray, v: np.ndarray, step_sd: float, amplitude: float) -> float:
    """What a pair of walks reaches: weighed scores of the indents, and log probabilities of the steps."""
    rows, columns = scores.shape[:2]
    total = 0.0
    for i, j in itertools.product(range(rows), range(columns)):
        total += amplitude * min(float(scores[i, j, v[i], u[j]]), 2 * amplitude)
    for walk in (u, v):
        total -= 0.5 * float(((np.diff(walk) / step_sd) ** 2).sum())
    return total


def joint_offsets(
    scores: np.ndarray, step_sd: float, amplitude: float, belief_v: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Columns, rows and score from one beginning, all in float64."""
    scores = scores.astype(np.float64)
    u, v = soft(scores, step_sd, amplitude, belief_v.astype(np.float64))
    if amplitude == 0:
        i, j = np.indices(scores.shape[:2])
        amplitude = max(1.0, float(np.median(scores[i, j, v[i], u[j]])))
    return hard(scores, step_sd, amplitude, u, v)


def soft(scores: np.ndarray, step_sd: float, amplitude: float, belief_v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest columns and rows after four mean-field sweeps at each of three temperatures."""
    clipped = np.minimum(scores, max(3.0, 1.5 * amplitude))
    for weight in (0.5, 1.0, 2.0):
        for _ in range(4):
            belief_u = marginals(weight * np.einsum("ijvu,iv->ju", clipped, belief_v), step_sd)
            belief_v = marginals(weight * np.einsum("ijvu,ju->iv", clipped, belief_u), step_sd)
    return belief_u.argmax(axis=1), belief_v.argmax(axis=1)


def marginals(log_likelihood: np.ndarray, step_sd: float) -> np.ndarray:
    """Marginal distributions of a chain, by the forward-backward recursion."""
    n, k = log_likelihood.shape
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    move = np.exp(penalty(k, step_sd))
    # A leap that no walk takes keeps a chain from having no path at all.
    move = np.maximum(move / move.sum(axis=1, keepdims=True), 1e-30)
    forward, backward = likelihood.copy(), np.ones((n, k))
    forward[0] /= forward[0].sum()
    for i in range(1, n):
        forward[i] *= forward[i - 1] @ move
        forward[i] /= forward[i].sum()
    for i in range(n - 2, -1, -1):
        backward[i] = move @ (backward[i + 1] * likelihood[i + 1])
        backward[i] /= backward[i].sum()
    both = forward * backward
    return both / both.sum(axis=1, keepdims=True)


def penalty(k: int, step_sd: float) -> np.ndarray:
    """Logarithm of each step's probability but for a constant."""
    at = np.arange(k)
    return -0.5 * ((at[:, None] - at[None, :]) / step_sd) ** 2


def hard(
    scores: np.ndarray, step_sd: float, amplitude: float, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Best columns for the rows and best rows for the columns, in turn, until the score stays."""
    i, j = np.arange(scores.shape[0]), np.arange(scores.shape[1])
    weighed = amplitude * np.minimum(scores, 2 * amplitude)
    best = -np.inf
    for _ in range(20):
        u = best_path(weighed[i, :, v, :].sum(axis=0), step_sd)
        v = best_path(weighed[:, j, :, u].sum(axis=0), step_sd)
        score = joint_score(scores, u, v, step_sd, amplitude)
        if score <= best + 1e-9 * abs(best):
            break
        best = score
    return u, v, score


def best_path(scores: np.ndarray, step_sd: float) -> np.ndarray:
    """The path with the greatest sum of scores and penalties (Viterbi)."""
    n, k = scores.shape
    steps = penalty(k, step_sd)
    total, came_from = scores[0], []
    for i in range(1, n):
        reached = total[:, None] + steps
        came_from.append(reached.argmax(axis=0))
        total = reached.max(axis=0) + scores[i]
    path = [int(total.argmax())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return np.array(path[::-1])


def interpolated(tables: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """SciPy's cubic spline of each table, mirrored; 0 beyond the table."""
    from scipy.ndimage import map_coordinates

    radius = tables.shape[-1] // 2
    out = np.zeros(offsets.shape[:2])
    for n, table in enumerate(tables.astype(np.float64)):
        inside = (np.abs(offsets[:, n]) <= radius).all(axis=1)
        places = offsets[inside, n, ::-1].T + radius
        out[inside, n] = map_coordinates(table, places, order=3, mode="mirror")
    return out
