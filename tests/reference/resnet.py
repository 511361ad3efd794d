"""The residual network, layer by layer in plain NumPy, float64: slow, and written from the paper's description."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

WIDTHS = (32, 32, 32, 64, 64, 128, 128, 256, 256)


def convolve(maps, weight, bias, *, stride=1, zeros=0):
    """Return (go, rows, cols) for maps (come, rows, cols) and a weight (go, come, edge, edge)."""
    maps = np.pad(maps, ((0, 0), (zeros, zeros), (zeros, zeros)))
    edge = weight.shape[-1]
    rows, cols = ((size - edge) // stride + 1 for size in maps.shape[1:])
    total = np.zeros((len(weight), rows, cols)) + bias[:, None, None]
    for i in range(edge):
        for j in range(edge):
            shifted = maps[:, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (cols - 1) + 1 : stride]
            total += np.tensordot(weight[:, :, i, j], shifted, axes=1)
    return total


def normalise(maps, mean, variance, weight, bias):
    scaled = (maps - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)
    return weight[:, None, None] * scaled + bias[:, None, None]


def relu(values):
    return np.maximum(values, 0.0)


def pool_maximum(maps, *, padded):
    """Return the maxima of 3 x 3 squares, two samples apart; padding never wins."""
    if padded:
        maps = np.pad(maps, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    rows, cols = ((size - 3) // 2 + 1 for size in maps.shape[1:])
    return np.array(
        [[maps[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2)) for j in range(cols)] for i in range(rows)]
    ).transpose(2, 0, 1)


def resnet(state, window, *, padded, stem_pool):
    """Return the outputs for one standardised window, (rows, cols), by the arrays that PyTorch calls the state."""
    state = {name: np.asarray(array, np.float64) for name, array in state.items()}

    def part(name, *ends):
        return (state[f"{name}.{end}"] for end in ends)

    def norm(name, maps):
        return normalise(maps, *part(name, "running_mean", "running_var", "weight", "bias"))

    zeros = 1 if padded else 0
    maps = convolve(window[None].astype(np.float64), *part("stem.1", "weight", "bias"), zeros=3 * zeros)
    maps = relu(norm("stem.2", maps))
    if stem_pool:
        maps = pool_maximum(maps, padded=padded)
    for index, (come, go) in enumerate(pairwise(WIDTHS)):
        block, halves = f"blocks.{index}", come != go
        inner = convolve(maps, *part(f"{block}.first", "weight", "bias"), stride=2 if halves else 1, zeros=zeros)
        inner = relu(norm(f"{block}.first_norm", inner))
        inner = norm(f"{block}.second_norm", convolve(inner, *part(f"{block}.second", "weight", "bias"), zeros=zeros))
        if not padded:  # the part of the input that lies under the middles of both convolutions
            start = 3 if halves else 2
            maps = maps[:, start:-start, start:-start]
        if halves:
            maps = convolve(maps, *part(f"{block}.shortcut", "weight", "bias"), stride=2)
        maps = relu(inner + maps)
    hidden = relu(state["hidden.weight"] @ maps.mean((1, 2)) + state["hidden.bias"])
    heads = [name for name in ("value", "log_spread") if f"{name}.weight" in state]
    return np.concatenate([state[f"{head}.weight"] @ hidden + state[f"{head}.bias"] for head in heads])
