"""A residual network as bare convolutions: batch normalisation folded into weights and biases, in NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.models.resnet_layout import CHANNELS, ResNetLayout

Array = NDArray[np.float32]

_EPSILON = 1e-5  # PyTorch's, added to each variance


@dataclass(frozen=True)
class Affine:
    """A convolution or a linear layer.

    Attributes
    ----------
    weight : (go, come, edge, edge) or (go, come) float32
    bias : (go,) float32
    """

    weight: Array
    bias: Array


@dataclass(frozen=True)
class FoldedBlock:
    """A residual block: ``relu(second(relu(first(x))) + shortcut(x))``.

    Attributes
    ----------
    first, second : Affine
        `first` has stride 2 where there is a shortcut layer. The bias of `second` holds the shortcut's, too.
    shortcut : (go, come, 1, 1) float32 or None
        Stride 2; None where the input itself is added.
    """

    first: Affine
    second: Affine
    shortcut: Array | None


@dataclass(frozen=True)
class FoldedNetwork:
    """What is left of a `ResNet` when it only predicts.

    Attributes
    ----------
    layout : ResNetLayout
    stem : Affine
    blocks : tuple of FoldedBlock
    hidden, output : Affine
        `output` gives the values, and behind them the logarithms of the spreads, if there are any.
    """

    layout: ResNetLayout
    stem: Affine
    blocks: tuple[FoldedBlock, ...]
    hidden: Affine
    output: Affine


def fold(layout: ResNetLayout, state: Mapping[str, NDArray[Any]]) -> FoldedNetwork:
    """Return the network of `layout` with these arrays, computed in float64 and rounded once to float32."""
    blocks = []
    for index, (come, go) in enumerate(pairwise(CHANNELS)):
        name = f"blocks.{index}"
        first = _normalised(state, f"{name}.first", f"{name}.first_norm")
        weight, bias = _normalised(state, f"{name}.second", f"{name}.second_norm")
        shortcut: Array | None = None
        if come != go:
            shortcut = state[f"{name}.shortcut.weight"].astype(np.float32)
            bias = bias + state[f"{name}.shortcut.bias"].astype(np.float64)
        blocks.append(FoldedBlock(_rounded(*first), _rounded(weight, bias), shortcut))
    heads = ("value", "log_spread") if layout.spread else ("value",)
    return FoldedNetwork(
        layout,
        _rounded(*_normalised(state, "stem.1", "stem.2")),
        tuple(blocks),
        _rounded(state["hidden.weight"], state["hidden.bias"]),
        _rounded(*(np.concatenate([state[f"{head}.{part}"] for head in heads]) for part in ("weight", "bias"))),
    )


def _normalised(state: Mapping[str, NDArray[Any]], layer: str, norm: str) -> tuple[NDArray[np.float64], ...]:
    """Return weight and bias of a convolution with the normalisation behind it, in float64."""
    scale, shift, mean, variance = (
        state[f"{norm}.{name}"].astype(np.float64) for name in ("weight", "bias", "running_mean", "running_var")
    )
    weight, bias = (state[f"{layer}.{part}"].astype(np.float64) for part in ("weight", "bias"))
    factor = scale / np.sqrt(variance + _EPSILON)
    return weight * factor[:, np.newaxis, np.newaxis, np.newaxis], (bias - mean) * factor + shift


def _rounded(weight: NDArray[Any], bias: NDArray[Any]) -> Affine:
    return Affine(np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(bias, np.float32))
