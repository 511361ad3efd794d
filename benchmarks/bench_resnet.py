"""The residual network against PyTorch as one would write it, and dense maps against windows one by one.

Weights are random and the batch normalisations settled on the windows themselves, so that numbers are of the size that
they have in a trained network and outputs differ from window to window. The answer of every contender is checked first:
no value and no expected error may differ from plain PyTorch's by more than 1e-4 of its own spread, anywhere in a dense
map.

Below each table stand the ratios that the network was written for, what is asked of them, and whether they are met.

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
from cemvis.models.inference import Outputs, Predictor
from cemvis.models.resnet import ResNet
from cemvis.models.resnet_layout import PAPER_WINDOW, ResNetLayout
from cemvis.models.window_network import WindowNetwork

pytest.importorskip("onnxruntime", reason="one of the contenders")

BATCH = 8
PAPER = ResNetLayout()
DENSE = ResNetLayout.dense(pooled=18, targets=2, spread=True)  # reads 245 px, as nearly as can be the paper's 247
EAGER, SINGLY, TILED = "PyTorch, eager", "its windows one by one", "the paper's windows side by side"
LARGEST_TILE = 2048
# What the network was written to reach.
FASTER_THAN_EAGER = {"cemvis, PyTorch": 1.8, "cemvis, ONNX Runtime": 2.4}
CHEAPER_THAN_WINDOWS, PRICE_IN_PAPERS_WINDOWS = 400.0, 1.8
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
    """Return the raw outputs of windows as plain PyTorch computes them, (n, outputs)."""
    with torch.inference_mode():
        found: np.ndarray = network(layout)[0](torch.from_numpy(batch)[:, None]).numpy()
    return found


def eager_dense(layout: ResNetLayout, tile: np.ndarray) -> np.ndarray:
    """Return the raw outputs of every window of a tile as plain PyTorch computes them, (r, c, outputs)."""
    with torch.inference_mode():
        found: np.ndarray = network(layout)[0].dense(torch.from_numpy(tile)[None, None])[0].permute(1, 2, 0).numpy()
    return found


def predictors(layout: ResNetLayout, threads: int) -> dict[str, Predictor]:
    backends = {"cemvis, PyTorch": "torch", "cemvis, ONNX Runtime": "onnx"}
    return {name: network(layout)[1].predictor(backend=one, threads=threads) for name, one in backends.items()}


def check(found: Outputs, wanted: np.ndarray, layout: ResNetLayout) -> None:
    """Compare values, and expected errors if there are any, with raw outputs."""
    value, log_spread = np.split(wanted.astype(np.float64), [layout.targets], axis=-1)
    pairs = [(found.value_gpa, value), (found.spread_gpa, np.exp(log_spread))][: 2 if layout.spread else 1]
    for mine, theirs in pairs:
        assert mine.shape == theirs.shape
        typical = theirs.reshape(-1, theirs.shape[-1]).std(axis=0)
        assert (np.abs(mine - theirs) <= LARGEST_ERROR * typical).all()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("layout", [PAPER, DENSE], ids=["paper", "unpadded"])
def test_windows(layout: ResNetLayout, threads: int, compare: Callable[..., object]) -> None:
    torch.set_num_threads(threads)
    batch = samples(BATCH, layout.window, layout.window)
    contenders: dict[str, Callable[[], object]] = {EAGER: lambda: eager(layout, batch)}
    for name, each in predictors(layout, threads).items():
        check(each.windows(batch), eager(layout, batch), layout)
        contenders[name] = lambda each=each: each.windows(batch)
    bars = {f"{name}, times as fast": (EAGER, name, "at least", bar) for name, bar in FASTER_THAN_EAGER.items()}
    title = f"ResNet, {BATCH} windows of {layout.window} px, padding {layout.padding}, threads {threads}"
    compare(title, contenders, bars=bars)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("side", [512, LARGEST_TILE])
def test_dense(side: int, threads: int, compare: Callable[..., object]) -> None:
    torch.set_num_threads(threads)
    tile, step, edge = samples(side, side), DENSE.stride, DENSE.window
    wanted, running = eager_dense(DENSE, tile), predictors(DENSE, threads)
    for each in running.values():
        check(each.dense(tile), wanted, DENSE)
    rows, cols = wanted.shape[:2]
    places = [(rows * k // BATCH, cols * k // BATCH) for k in range(BATCH)]
    batch = np.stack([tile[step * i : step * i + edge, step * j : step * j + edge] for i, j in places])
    paper, paper_running = samples(BATCH, PAPER_WINDOW, PAPER_WINDOW), predictors(PAPER, threads)
    contenders: dict[str, Callable[[], object]] = {}
    shares, bars = {}, {}
    for name, each in running.items():
        contenders[f"{name}, dense"] = lambda each=each: each.dense(tile)
        contenders[f"{name}, {SINGLY}"] = lambda each=each: each.windows(batch)
        shares[f"{name}, {SINGLY}"] = BATCH / (rows * cols)
        contenders[f"{name}, {TILED}"] = lambda each=paper_running[name]: each.windows(paper)
        shares[f"{name}, {TILED}"] = BATCH * PAPER_WINDOW**2 / (rows * cols * step**2)
        own, paper_price = (f"{name}, {SINGLY}", f"{name}, dense"), (f"{name}, dense", f"{name}, {TILED}")
        bars[f"{name}, times cheaper an output than its windows"] = (*own, "at least", CHEAPER_THAN_WINDOWS)
        bars[f"{name}, price in the paper's windows"] = (*paper_price, "at most", PRICE_IN_PAPERS_WINDOWS)
    title = f"ResNet of a map of {rows} x {cols} outputs {step} px apart, a tile of {side} px, threads {threads}"
    compare(title, contenders, shares, bars if side == LARGEST_TILE else {})  # a small tile is mostly border
