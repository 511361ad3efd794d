"""Residual networks with made-up weights for tests: small windows, and models around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from cemvis.images.grey_scale import GreyScale
from cemvis.models.intervals import Interval
from cemvis.models.metrics import PropertyReport, Scores, SplitReport
from cemvis.models.model import Model, PropertyModel, Training, TrainingArea
from cemvis.models.networks import RESNET
from cemvis.models.resnet import ResNet
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.window_network import WindowNetwork

TARGETS = ("modulus", "hardness")


def random_resnet(layout: ResNetLayout, *, seed: int = 0) -> ResNet:
    """Return a network ready to predict, whose every number is random, the running statistics included."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ResNet(layout).eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, 0.0, 0.3)
                nn.init.uniform_(module.running_var, 0.3, 1.2)
                nn.init.uniform_(module.weight, 0.6, 1.4)
                nn.init.normal_(module.bias, 0.0, 0.3)
    return network


def random_window_network(layout: ResNetLayout, *, seed: int = 0, half: bool = False) -> WindowNetwork:
    """Return `random_resnet` with standards, its targets being modulus and hardness in this order."""
    return _with_standards(random_resnet(layout, seed=seed), half=half)


def settled_window_network(layout: ResNetLayout, *, seed: int = 0, half: bool = False) -> WindowNetwork:
    """Return `random_window_network` with running statistics of `bright_and_dark` windows.

    As in a trained network numbers are of the order of 1 throughout, and outputs differ from window to window by a
    good share of a deviation: small errors can be told from the outputs' own spread.
    """
    network = random_resnet(layout, seed=seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.from_numpy(bright_and_dark((8, 1, layout.window, layout.window), seed=seed)))
    return _with_standards(network.eval(), half=half)


def _with_standards(network: ResNet, *, half: bool) -> WindowNetwork:
    count = network.layout.targets
    return WindowNetwork.from_module(
        network,
        targets=TARGETS[:count],
        grey_mean=120.0,
        grey_sd=25.0,
        grey_range=(60.0, 215.0),
        target_mean_gpa=(40.0, 1.6)[:count],
        target_sd_gpa=(25.0, 1.1)[:count],
        half=half,
    )


def model_around(network: WindowNetwork, *, pixel_size_um: float = 0.05, window_um: float = 1.0) -> Model:
    """Return a model with `network` and made-up scores."""
    split = SplitReport(Scores(70, 0.9, 2.0, 8.0), Scores(15, 0.8, 3.0, 12.0), None, None, Scores(15, 0.85, 2.5, 10.0))
    return Model(
        properties=tuple(
            PropertyModel(name, RESNET, network, Interval(0.9, 1.5, 30, ""), PropertyReport(split, split))
            for name in network.targets
        ),
        grey_scale=GreyScale(matrix=110.0, clinker=210.0),
        pixel_size_um=pixel_size_um,
        window_um=window_um,
        training=Training((TrainingArea("made up", "0" * 64, "1" * 64, 1440, 24),), seed=1),
        note="For tests.",
        version="0.1.0",
    )


def bright_and_dark(shape: tuple[int, ...], *, seed: int = 0) -> np.ndarray:
    """Return standardised float32 samples whose last two axes have slopes, edges and noise, so that outputs differ."""
    rng = np.random.default_rng(seed)
    rows, cols = np.ogrid[: shape[-2], : shape[-1]]
    wave = np.sin(rows / 9.0) * np.cos(cols / 13.0) + (rows * cols > shape[-2] * shape[-1] // 3)
    level = rng.normal(0.0, 1.5, (*shape[:-2], 1, 1))
    return (level + wave + rng.normal(0.0, 0.4, shape)).astype(np.float32)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch work in one thread: networks this small train fastest so, and others' work does not hold them up."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
