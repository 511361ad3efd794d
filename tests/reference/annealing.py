"""Orders of a matrix, written from their definition: the gradient cell by cell, the best order by trying them all."""

from __future__ import annotations

from itertools import permutations

import numpy as np


def total_gradient(matrix: np.ndarray, order: np.ndarray) -> float:
    """Sum over cells of the absolute difference to the cell below and to the one on the right."""
    d = matrix[np.ix_(order, order)].tolist()
    n = len(d)
    down = sum(abs(d[i + 1][j] - d[i][j]) for i in range(n - 1) for j in range(n))
    right = sum(abs(d[i][j + 1] - d[i][j]) for i in range(n) for j in range(n - 1))
    return down + right


def least_gradient(matrix: np.ndarray) -> float:
    """Of all orders. An order and its reverse have the same gradient."""
    n = len(matrix)
    orders = (order for order in permutations(range(n)) if order[0] <= order[-1])
    return min(total_gradient(matrix, np.array(order)) for order in orders)
