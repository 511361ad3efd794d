"""Agreement with zennit, an independent implementation of the same rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cemvis.models import resnet
from cemvis.models.explain import deep_taylor
from cemvis.models.pore_network import PoreNetwork
from cemvis.models.resnet import Block, ResNet
from cemvis.models.resnet_layout import ResNetLayout
from explained import images, one_thread, settled, small_network  # noqa: F401 - one_thread is a fixture

pytest.importorskip("zennit", reason="zennit, or torchvision that it needs, is missing", exc_type=ImportError)

from zennit.composites import SpecialFirstLayerMapComposite
from zennit.rules import Norm, Pass, ZBox, ZPlus

TINY = 1e-150  # nothing beside any sum, so that what it takes from relevance does not show
# zennit's z-box subtracts: where a unit's only pixels lie at the bound that counts nothing, it divides by this,
# and what is left of the difference must stay small beside the other units' share.
BOX_TINY = 1e-9
AGREEMENT = 1e-6


def by_zennit(network: nn.Module, batch: np.ndarray, answers: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the relevance of ``answers @ outputs``, (n, rows, cols)."""
    x = torch.from_numpy(batch)[:, None]
    bounds = torch.full_like(x[:1], low), torch.full_like(x[:1], high)
    box = ZBox(*bounds, stabilizer=BOX_TINY, zero_params="bias")
    rules = [
        (nn.ReLU, Pass()),
        (nn.AvgPool2d, Norm(stabilizer=TINY)),
        (nn.AdaptiveAvgPool2d, Norm(stabilizer=TINY)),
        (nn.Conv2d, ZPlus(stabilizer=TINY, zero_params="bias")),
        (nn.Linear, ZPlus(stabilizer=TINY, zero_params="bias")),
    ]
    composite = SpecialFirstLayerMapComposite(rules, [(nn.Conv2d, box)])
    mixed = nn.Sequential(*without_norms(network), Mixed(answers))
    with composite.context(mixed) as modified:
        x.requires_grad_()
        score = modified(x)
        [relevance] = torch.autograd.grad(score, x, score.detach())
    return relevance[:, 0].numpy()


class Mixed(nn.Module):
    """Which output is asked about, as weights of all."""

    def __init__(self, answers: np.ndarray) -> None:
        super().__init__()
        self.answers = torch.from_numpy(answers)

    def forward(self, outputs: Tensor) -> Tensor:
        return (outputs * self.answers).sum(dim=1)


def without_norms(network: nn.Module) -> list[nn.Module]:
    """Return the layers with batch normalisation folded in by PyTorch.

    zennit's own canonizer leaves identities behind that divide by the root of 1 + 1e-5, forward and backward: seven of
    them take 7e-5 of the relevance.
    """
    found: list[nn.Module] = []
    for layer in network.layers() if hasattr(network, "layers") else network:
        if isinstance(layer, nn.BatchNorm2d):
            found[-1] = merged(found[-1], layer)
        else:
            found.append(layer)
    return found


def assert_agree(found: np.ndarray, wanted: np.ndarray) -> None:
    scale = wanted.reshape(len(wanted), -1).max(axis=1)[:, None, None]
    np.testing.assert_allclose(found / scale, wanted / scale, rtol=AGREEMENT, atol=AGREEMENT)
    assert (scale > 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_chains_agree(seed: int) -> None:
    network, batch = small_network(channels=(4, 6, 5), seed=seed), images(3, 13, 16, seed=seed)
    with torch.no_grad():
        network.chain[-1].bias += 5.0
    found = deep_taylor(network, batch, 2)
    assert found.explained.all()
    assert_agree(found.relevance, by_zennit(network, batch, np.tile([0.0, 0.0, 1.0], (3, 1)), 0.0, 1.0))


def test_the_network_of_nano_porosity_maps_agrees() -> None:
    network, batch = settled(PoreNetwork(2)), images(2, 96, 96)
    with torch.no_grad():
        network.chain[-1].bias += 5.0
    found = deep_taylor(network, batch, 1)
    assert_agree(found.relevance, by_zennit(network, batch, np.tile([0.0, 1.0], (2, 1)), 0.0, 1.0))


class OneLayer(nn.Module):
    """A residual block whose join is one convolution over both ways, as the stated rule has it."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.step = 2 if block.halves else 1
        self.first, self.crop = merged(block.first, block.first_norm), 0 if block.padded else 1
        second = merged(block.second, block.second_norm)
        go, come = block.second.out_channels, block.first.in_channels
        past = torch.zeros(go, come, 3, 3, dtype=torch.float64)
        if isinstance(block.shortcut, nn.Conv2d):
            past[:, :, 1, 1] = block.shortcut.weight[:, :, 0, 0].detach()
            second.bias.data += block.shortcut.bias.detach()
        else:
            past[:, :, 1, 1] = torch.eye(go, dtype=torch.float64)
        self.join = nn.Conv2d(go + come, go, 3, padding=second.padding).double()
        self.join.weight.data = torch.cat([second.weight.data, past], dim=1)
        self.join.bias.data = second.bias.data
        self.inner, self.outer = nn.ReLU(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.inner(self.first(x))
        past = x[:, :, self.crop :: self.step, self.crop :: self.step][..., : inner.shape[2], : inner.shape[3]]
        return self.outer(self.join(torch.cat([inner, past], dim=1)))


def merged(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    return nn.utils.fuse_conv_bn_eval(layer, norm)


@pytest.mark.parametrize(("layout", "edge"), [(ResNetLayout(window=32), 32), (ResNetLayout.dense(pooled=1), 41)])
def test_residual_networks_agree(monkeypatch: pytest.MonkeyPatch, layout: ResNetLayout, edge: int) -> None:
    monkeypatch.setattr(resnet, "CHANNELS", (4, 4, 6, 6, 8))
    monkeypatch.setattr(resnet, "HIDDEN", 12)
    network = settled(ResNet(layout), seed=2)
    with torch.no_grad():
        network.value.bias += 5.0
    blocks = [OneLayer(block) for block in network.blocks]
    margin = 3 if layout.padding == "zero" else 0
    stem = merged(network.stem[1], network.stem[2])
    stem.padding = (margin, margin)
    flat = nn.Sequential(stem, nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    whole = nn.Sequential(*flat, network.hidden, nn.ReLU(), network.value)
    batch = images(2, edge, edge, seed=4) * 3 - 1.5
    x = torch.from_numpy(batch)[:, None]
    with torch.no_grad():
        torch.testing.assert_close(whole(x), network(x))
    found = deep_taylor(network, batch, low=-1.5, high=1.5)
    assert found.explained.all()
    assert_agree(found.relevance, by_zennit(whole, batch, np.ones((2, 1)), -1.5, 1.5))
