"""A network as a chain of bare linear steps and rectifiers in float64: what a decomposition walks back through.

Batch normalisation is folded into the convolution before it, dropout left out, zeros that are padded on by a layer of
their own become those of the convolution behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from cemvis.errors import InputError
from cemvis.models.resnet import Block, ResNet


@dataclass(frozen=True, eq=False)
class Weighted:
    """A convolution or a linear layer: ``weight * x + bias``.

    Attributes
    ----------
    name : str
    weight : (go, come, rows, cols) or (go, come)
    bias : (go,)
    stride, padding, dilation : (int, int)
        Of a convolution, which is padded with zeros.
    groups : int
    """

    name: str
    weight: Tensor
    bias: Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def linear(self, values: Tensor, weight: Tensor) -> Tensor:
        """Return what the layer makes of `values` with another weight of the same shape, and no bias."""
        if weight.ndim == 2:
            return functional.linear(values, weight)
        return functional.conv2d(
            values,
            weight,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def __call__(self, values: Tensor) -> Tensor:
        """Return the layer's answer."""
        shape = (1, -1) if self.weight.ndim == 2 else (1, -1, 1, 1)
        return self.linear(values, self.weight) + self.bias.view(shape)


@dataclass(frozen=True, eq=False)
class Pool:
    """A mean or a maximum over windows; the maximum's relevance goes to the winner."""

    name: str
    apply: Callable[[Tensor], Tensor]

    def __call__(self, values: Tensor) -> Tensor:
        """Return the layer's answer."""
        return self.apply(values)


@dataclass(frozen=True)
class Rectify:
    """ReLU."""

    def __call__(self, values: Tensor) -> Tensor:
        """Return the layer's answer."""
        return values.clamp(min=0)


@dataclass(frozen=True)
class Flatten:
    """One row of numbers for each map."""

    def __call__(self, values: Tensor) -> Tensor:
        """Return the layer's answer."""
        return values.flatten(1)


@dataclass(frozen=True, eq=False)
class Join:
    """A residual join before its rectifier: ``last(inner(x)) + shortcut(crop(x))``.

    Attributes
    ----------
    name : str
    inner : tuple of Weighted, Rectify
        Ends in a rectifier, so that what `last` reads is not negative.
    last : Weighted
        Its bias holds the shortcut's, too.
    shortcut : Weighted or None
        None where the input itself is added.
    crop : int
        Pixels that are taken off each edge of the input for the shortcut.
    """

    name: str
    inner: tuple[Weighted | Rectify, ...]
    last: Weighted
    shortcut: Weighted | None
    crop: int

    def inside(self, values: Tensor) -> list[Tensor]:
        """Return the input of each step of `inner`, and behind them that of `last`."""
        found = [values]
        for step in self.inner:
            found.append(step(found[-1]))
        return found

    def beside(self, values: Tensor, weight: Tensor | None) -> Tensor:
        """Return what goes past, through the shortcut with this weight, or as it is."""
        cropped = functional.pad(values, (-self.crop,) * 4) if self.crop else values
        return cropped if self.shortcut is None or weight is None else self.shortcut.linear(cropped, weight)

    def __call__(self, values: Tensor) -> Tensor:
        """Return the sum of both ways."""
        weight = None if self.shortcut is None else self.shortcut.weight
        return self.last(self.inside(values)[-1]) + self.beside(values, weight)


Step = Weighted | Pool | Rectify | Flatten | Join


@dataclass(frozen=True, eq=False)
class Chain:
    """A network.

    Attributes
    ----------
    steps : tuple of Step
        The first one is `Weighted`.
    head : Weighted
        The linear layer at the end.
    classes : bool
        Whether the outputs are logits of classes; else they are standardised properties.
    """

    steps: tuple[Step, ...]
    head: Weighted
    classes: bool

    def inputs(self, values: Tensor) -> list[Tensor]:
        """Return the input of each step, and behind them that of the head."""
        found = [values]
        for step in self.steps:
            found.append(step(found[-1]))
        return found


def chain_of(network: nn.Module, *, dtype: torch.dtype = torch.float64) -> Chain:
    """Return the chain of a `ResNet`, or of a network whose ``layers()`` are applied one after the other.

    Raises
    ------
    InputError
        If it has a layer that the decomposition has no rule for.
    """
    if isinstance(network, ResNet):
        return _of_resnet(network, dtype)
    layers = getattr(network, "layers", None)
    if layers is None:
        msg = f"a {type(network).__name__} has no layers() that follow each other; wanted one that has, or a ResNet"
        raise InputError(msg)
    steps = _steps(layers(), "", dtype)
    if len(steps) < 2 or not isinstance(steps[0], Weighted):
        msg = "the network does not begin with a convolution or a linear layer; the decomposition has no rule for that"
        raise InputError(msg)
    head = steps[-1]
    if not isinstance(head, Weighted) or head.weight.ndim != 2:
        msg = "the network does not end in a linear layer; the decomposition has no rule for that"
        raise InputError(msg)
    return Chain(steps[:-1], head, classes=True)


def _steps(layers: Sequence[nn.Module], prefix: str, dtype: torch.dtype) -> tuple[Step, ...]:
    steps: list[Step] = []
    padding = (0, 0)
    for index, layer in enumerate(layers):
        name = f"{prefix}{index} {type(layer).__name__}"
        if padding != (0, 0) and not isinstance(layer, nn.Conv2d):
            msg = f"layer {name} follows zeros that are padded on; wanted a convolution behind them"
            raise InputError(msg)
        if isinstance(layer, nn.Conv2d):
            steps.append(_padded(_convolution(layer, name, dtype), padding))
            padding = (0, 0)
        elif isinstance(layer, nn.Linear):
            weight = _number(layer.weight, dtype)
            steps.append(Weighted(name, weight, _bias(layer.bias, len(weight), dtype)))
        elif isinstance(layer, nn.BatchNorm2d):
            steps.append(_folded(steps.pop() if steps else None, layer, name, dtype))
        elif isinstance(layer, nn.ZeroPad2d):
            padding = _even(layer, name)
        elif isinstance(layer, nn.ReLU):
            steps.append(Rectify())
        elif isinstance(layer, nn.Flatten):
            steps.append(Flatten())
        elif isinstance(layer, nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.MaxPool2d):
            steps.append(Pool(name, layer))
        elif not isinstance(layer, nn.Identity | nn.Dropout):
            msg = f"layer {name} of the network is of a kind that the decomposition has no rule for"
            raise InputError(msg)
    return tuple(steps)


def _of_resnet(network: ResNet, dtype: torch.dtype) -> Chain:
    steps = list(_steps(list(network.stem), "stem.", dtype))
    for index, block in enumerate(network.blocks):
        assert isinstance(block, Block)
        steps += [_joined(block, f"block {index}", dtype), Rectify()]
    steps += _steps([nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.hidden, nn.ReLU()], "head.", dtype)
    value = _number(network.value.weight, dtype)
    return Chain(tuple(steps), Weighted("value", value, _bias(network.value.bias, len(value), dtype)), classes=False)


def _joined(block: Block, name: str, dtype: torch.dtype) -> Join:
    first, last = (
        _folded(_convolution(layer, f"{name} {which}", dtype), norm, name, dtype)
        for which, layer, norm in (
            ("first", block.first, block.first_norm),
            ("second", block.second, block.second_norm),
        )
    )
    shortcut = None
    if isinstance(block.shortcut, nn.Conv2d):
        shortcut = _convolution(block.shortcut, f"{name} shortcut", dtype)
        last = replace(last, bias=last.bias + shortcut.bias)
    crop = 0 if block.padded else 3 if block.halves else 2
    return Join(name, (first, Rectify()), last, shortcut, crop)


def _convolution(layer: nn.Conv2d, name: str, dtype: torch.dtype) -> Weighted:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        msg = f"layer {name} is padded by {layer.padding_mode!r}, {layer.padding!r}; wanted a number of zeros"
        raise InputError(msg)
    weight = _number(layer.weight, dtype)
    return Weighted(
        name,
        weight,
        _bias(layer.bias, len(weight), dtype),
        _pair(layer.stride),
        _pair(layer.padding),
        _pair(layer.dilation),
        layer.groups,
    )


def _folded(layer: Step | None, norm: nn.BatchNorm2d, name: str, dtype: torch.dtype) -> Weighted:
    if not isinstance(layer, Weighted) or norm.running_mean is None or norm.running_var is None:
        msg = f"layer {name} has no convolution before it, or no running statistics; it cannot be folded"
        raise InputError(msg)
    mean, factor = _number(norm.running_mean, dtype), (_number(norm.running_var, dtype) + norm.eps).rsqrt()
    shift = torch.zeros_like(mean) if norm.bias is None else _number(norm.bias, dtype)
    if norm.weight is not None:
        factor = factor * _number(norm.weight, dtype)
    return replace(layer, weight=layer.weight * factor.view(-1, 1, 1, 1), bias=(layer.bias - mean) * factor + shift)


def _padded(layer: Weighted, more: tuple[int, int]) -> Weighted:
    if more == (0, 0):
        return layer
    return replace(layer, padding=(layer.padding[0] + more[0], layer.padding[1] + more[1]))


def _even(layer: nn.ZeroPad2d, name: str) -> tuple[int, int]:
    left, right, top, bottom = layer.padding
    if left != right or top != bottom or min(left, top) < 0:
        msg = f"layer {name} pads {layer.padding} zeros; wanted as many left as right and above as below"
        raise InputError(msg)
    return top, left


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _number(values: Tensor, dtype: torch.dtype) -> Tensor:
    return values.detach().to("cpu", dtype)


def _bias(values: Tensor | None, count: int, dtype: torch.dtype) -> Tensor:
    return torch.zeros(count, dtype=dtype) if values is None else _number(values, dtype)
