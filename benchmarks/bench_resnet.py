"""The residual network against PyTorch as one would write it, and dense maps against windows one by one.

Weights are random and the batch normalisations settled on the windows themselves, so that numbers are of the size that
they have in a trained network and outputs differ from window to window. The answer of every contender is checked first:
no output may differ from plain PyTorch's by more than 1e-4 of the outputs' own spread.

"of a map" puts prices side by side that a map of the same area has: all outputs 8 px apart from the dense pass, all of
them window by window, and the paper's windows, one for each 247 x 247 px. Contenders that are too slow for all of it do
the share that the table states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from cemvis._checks import thread_count
from cemvis.models.inference import Predictor
from cemvis.models.resnet import ResNet
from cemvis.models.resnet_layout import PAPER_WINDOW, ResNetLayout
from cemvis.models.window_network import WindowNetwork

pytest.importorskip("onnxruntime", reason="one of the contenders")

BATCH = 8
PAPER = ResNetLayout()
DENSE = ResNetLayout.dense(pooled=18, targets=2, spread=True)  # reads 245 px, as nearly as can be the paper's 247
LARGEST_ERROR = 1e-4  # of the spread of the outputs
THREADS = sorted({1, thread_count(None)})


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def samples(*shape: int) -> np.ndarray:
    """Return standardised samples with smooth grains of several sizes, and a level of its own for each window."""
    rng = np.random.default_rng(0)
    rows, cols = np.ogrid[: shape[-2], : shape[-1]]
    grains = sum(np.sin(rows / size + size) * np.cos(cols / size) for size in (3.0, 17.0, 61.0))
    levels = rng.normal(0.0, 0.7, (*shape[:-2], 1, 1))
    return (0.5 * grains + levels + rng.normal(0.0, 0.4, shape)).astype(np.float32)


@cache
def network(layout: ResNetLayout) -> tuple[nn.Module, WindowNetwork]:
    """Return a settled network as the plain module and as cemvis keeps it."""
    torch.manual_seed(0)
    module = ResNet(layout)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.momentum = 1.0
    with torch.no_grad():
        module.train()(torch.from_numpy(samples(BATCH, layout.window, layout.window))[:, None])
    count = layout.targets
    kept = WindowNetwork.from_module(
        module,
        targets=("modulus", "hardness")[:count],
        grey_mean=120.0,
        grey_sd=25.0,
        grey_range=(0.0, 255.0),
        target_mean_gpa=(0.0,) * count,
        target_sd_gpa=(1.0,) * count,
    )
    return module.eval(), kept


def eager(layout: ResNetLayout, batch: np.ndarray) -> np.ndarray:
    """Return the standardised values of windows as plain PyTorch computes them."""
    with torch.inference_mode():
        found: np.ndarray = network(layout)[0](torch.from_numpy(batch)[:, None])[:, : layout.targets].numpy()
    return found


def predictors(layout: ResNetLayout, threads: int) -> dict[str, Predictor]:
    backends = {"cemvis, PyTorch": "torch", "cemvis, ONNX Runtime": "onnx"}
    return {name: network(layout)[1].predictor(backend=one, threads=threads) for name, one in backends.items()}


def check(found: np.ndarray, wanted: np.ndarray) -> None:
    spread = wanted.reshape(-1, wanted.shape[-1]).std(axis=0)
    assert (np.abs(found - wanted) <= LARGEST_ERROR * spread).all()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("layout", [PAPER, DENSE], ids=["paper", "unpadded"])
def test_windows(layout: ResNetLayout, threads: int, compare: Callable[..., object]) -> None:
    torch.set_num_threads(threads)
    batch = samples(BATCH, layout.window, layout.window)
    contenders: dict[str, Callable[[], object]] = {}
    for name, each in predictors(layout, threads).items():
        check(each.windows(batch).value_gpa, eager(layout, batch))
        contenders[name] = lambda each=each: each.windows(batch)
    contenders["PyTorch, eager"] = lambda: eager(layout, batch)
    compare(f"ResNet, {BATCH} windows of {layout.window} px, padding {layout.padding}, threads {threads}", contenders)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("side", [512, 2048])
def test_dense(side: int, threads: int, compare: Callable[..., object]) -> None:
    torch.set_num_threads(threads)
    tile, step, edge = samples(side, side), DENSE.stride, DENSE.window
    running = predictors(DENSE, threads)
    dense = {name: each.dense(tile).value_gpa for name, each in running.items()}
    rows, cols = next(iter(dense.values())).shape[:2]
    places = [(rows * k // BATCH, cols * k // BATCH) for k in range(BATCH)]
    batch = np.stack([tile[step * i : step * i + edge, step * j : step * j + edge] for i, j in places])
    for found in dense.values():
        check(np.stack([found[place] for place in places]), eager(DENSE, batch))
    contenders: dict[str, Callable[[], object]] = {}
    shares = {}
    for name, each in running.items():
        contenders[f"{name}, dense"] = lambda each=each: each.dense(tile)
        contenders[f"{name}, its windows one by one"] = lambda each=each: each.windows(batch)
        shares[f"{name}, its windows one by one"] = BATCH / (rows * cols)
    paper = samples(BATCH, PAPER_WINDOW, PAPER_WINDOW)
    for name, each in predictors(PAPER, threads).items():
        contenders[f"{name}, the paper's windows side by side"] = lambda each=each: each.windows(paper)
        shares[f"{name}, the paper's windows side by side"] = BATCH * PAPER_WINDOW**2 / (rows * cols * step**2)
    title = f"ResNet of a map of {rows} x {cols} outputs {step} px apart, a tile of {side} px, threads {threads}"
    compare(title, contenders, shares)
