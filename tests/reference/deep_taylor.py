"""Deep Taylor decomposition as the formulas say: every layer a matrix, every rule a sum over its entries.

Layers are tuples: ("dense", weight, bias), ("conv", weight, bias, stride, padding), ("relu",), ("mean", edge),
("join", first, second, shortcut or None, crop), where the three are convolutions; numbers are flat vectors.
"""

from __future__ import annotations

import numpy as np

Shape = tuple[int, ...]


def conv_matrix(weight: np.ndarray, shape: Shape, stride: int, padding: int) -> tuple[np.ndarray, Shape]:
    """Return the matrix of a zero-padded convolution on (channels, rows, cols), entry by entry."""
    go, come, high, wide = weight.shape
    rows = (shape[1] + 2 * padding - high) // stride + 1
    cols = (shape[2] + 2 * padding - wide) // stride + 1
    matrix = np.zeros((go, rows, cols, *shape))
    for j in range(go):
        for row in range(rows):
            for col in range(cols):
                for i in range(come):
                    for down in range(high):
                        for across in range(wide):
                            y, x = row * stride + down - padding, col * stride + across - padding
                            if 0 <= y < shape[1] and 0 <= x < shape[2]:
                                matrix[j, row, col, i, y, x] = weight[j, i, down, across]
    return matrix.reshape(go * rows * cols, -1), (go, rows, cols)


def mean_matrix(edge: int, shape: Shape) -> tuple[np.ndarray, Shape]:
    """Return the matrix of the mean over squares side by side."""
    channels, rows, cols = shape[0], shape[1] // edge, shape[2] // edge
    matrix = np.zeros((channels, rows, cols, *shape))
    for c in range(channels):
        for row in range(rows):
            for col in range(cols):
                square = slice(row * edge, (row + 1) * edge), slice(col * edge, (col + 1) * edge)
                matrix[(c, row, col, c, *square)] = 1 / edge**2
    return matrix.reshape(channels * rows * cols, -1), (channels, rows, cols)


def hand_on(contributions: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what each input gets, and what is lost, for contributions (units, inputs) that are not negative."""
    got, lost = np.zeros(contributions.shape[1]), 0.0
    for unit, parts in enumerate(contributions):
        if parts.sum() > 0:
            got += held[unit] * parts / parts.sum()
        else:
            lost += held[unit]
    return got, lost


def z_plus(matrix: np.ndarray, values: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, float]:
    return hand_on(np.maximum(matrix, 0) * values, held)


def z_box(
    matrix: np.ndarray, values: np.ndarray, held: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, float]:
    contributions = matrix * values - low * np.maximum(matrix, 0) - high * np.minimum(matrix, 0)
    return hand_on(contributions, held)


def as_matrix(layer: tuple, shape: Shape) -> tuple[np.ndarray, np.ndarray, Shape]:
    if layer[0] == "dense":
        return layer[1], layer[2], layer[2].shape
    if layer[0] == "mean":
        matrix, after = mean_matrix(layer[1], shape)
        return matrix, np.zeros(len(matrix)), after
    _, weight, bias, stride, padding = layer
    matrix, after = conv_matrix(weight, shape, stride, padding)
    return matrix, np.repeat(bias, after[1] * after[2]), after


def through_join(layer: tuple, values: np.ndarray, shape: Shape) -> tuple:
    """Return the answer of a join, its shape, and the function that hands back."""
    _, first, second, shortcut, crop = layer
    into, bias, inside = as_matrix(first, shape)
    hidden = np.maximum(into @ values + bias, 0)
    out, out_bias, after = as_matrix(second, inside)
    kept = np.zeros(shape, bool)
    kept[:, crop : shape[1] - crop, crop : shape[2] - crop] = True
    past, past_bias = np.eye(len(values))[kept.ravel()], 0.0
    if shortcut is not None:
        through, past_bias, _ = as_matrix(shortcut, (shape[0], shape[1] - 2 * crop, shape[2] - 2 * crop))
        past = through @ past
    answer = out @ hidden + out_bias + past @ values + past_bias

    def back(held: np.ndarray) -> tuple[np.ndarray, float]:
        both, lost = z_plus(np.hstack([out, past]), np.concatenate([hidden, values]), held)
        inner, more = z_plus(into, values, both[: len(hidden)])
        return inner + both[len(hidden) :], lost + more

    return answer, after, back


def decompose(
    layers: list[tuple], image: np.ndarray, answer: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, float, float]:
    """Return relevance (rows, cols), what was absorbed, and the score ``answer @ outputs`` of one image.

    The last layer is dense; `answer` is mixed into it, so that the score is one unit.
    """
    values, shape = image.ravel(), (1, *image.shape)
    backs = []
    for index, layer in enumerate(layers[:-1]):
        if layer[0] == "relu":
            values = np.maximum(values, 0)
        elif layer[0] == "join":
            values, shape, back = through_join(layer, values, shape)
            backs.append(back)
        else:
            matrix, bias, shape = as_matrix(layer, shape)
            if index == 0:
                backs.append(lambda held, m=matrix, v=values: z_box(m, v, held, low, high))
            else:
                backs.append(lambda held, m=matrix, v=values: z_plus(m, v, held))
            values = matrix @ values + bias
    weight, bias = answer @ layers[-1][1], answer @ layers[-1][2]
    score = weight @ values + bias
    held, absorbed = z_plus(weight[np.newaxis], values, np.array([score]))
    for back in reversed(backs):
        held, lost = back(held)
        absorbed += lost
    return held.reshape(image.shape), absorbed, score
