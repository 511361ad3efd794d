"""Small networks with made-up weights for tests of explanations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from networks import one_torch_thread


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Keep modules that import this to one thread: on maps this small a second one only waits."""
    with one_torch_thread():
        yield


class Chained(nn.Module):
    """Layers that follow each other."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.chain = nn.Sequential(*layers)

    def layers(self) -> tuple[nn.Module, ...]:
        return tuple(self.chain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.chain(x)


def settled(network: nn.Module, *, seed: int = 0) -> nn.Module:
    """Give every number of `network` a random value, biases and running statistics included; ready to predict."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, 0.05, 0.7 / np.sqrt(module.weight[0].numel()) * 1.5)
                if module.bias is not None:
                    nn.init.normal_(module.bias, 0.0, 0.2)
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, 0.0, 0.3)
                nn.init.uniform_(module.running_var, 0.3, 1.2)
                nn.init.uniform_(module.weight, 0.6, 1.4)
                nn.init.normal_(module.bias, 0.1, 0.3)
    return network.double().eval()


def small_network(
    *, channels: tuple[int, ...] = (3, 4), classes: int = 3, seed: int = 0, bias: bool = True
) -> nn.Module:
    """Return convolutions with batch normalisation and ReLU, means of 2 x 2 between them, and a linear layer."""
    layers: list[nn.Module] = []
    come = 1
    for index, go in enumerate(channels):
        layers += [nn.Conv2d(come, go, 3, padding=1, bias=bias), nn.BatchNorm2d(go), nn.ReLU()]
        if index < len(channels) - 1:
            layers.append(nn.AvgPool2d(2))
        come = go
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(come, classes)]
    return settled(Chained(*layers), seed=seed)


def images(count: int, rows: int, cols: int, *, seed: int = 0) -> np.ndarray:
    """Return images of 0 to 1 with exact zeros and ones among them, (count, rows, cols) float64."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0.5, 0.5, (count, rows, cols)), 0, 1)
