from __future__ import annotations

import numpy as np
import pytest
import torch

from cemvis.images.grey_scale import GreyScale, transform_to
from cemvis.images.micrograph import Micrograph
from cemvis.models.network_training import (
    MosaicWindows,
    WindowPairs,
    predict_examples,
    standardised,
    value_and_spread_loss,
    window_examples,
)
from cemvis.models.resnet import ResNet
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.window_network import WindowNetwork

LAYOUT = ResNetLayout(targets=2, downsample=2, window=16, spread=True)
SCALE = GreyScale(matrix=100.0, clinker=200.0)


class Given(torch.nn.Module):
    """Answers what it was made with, whatever it reads."""

    def __init__(self, values: list[list[float]]) -> None:
        super().__init__()
        self.out = torch.nn.Parameter(torch.tensor(values))

    def forward(self, windows: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - a network takes them
        return self.out


def make_pairs(*, digests: tuple[str, str] = ("a", "b")) -> WindowPairs:
    """Two mosaics, the second with half the contrast, and 20 windows in each."""
    rng = np.random.default_rng(5)
    base = rng.integers(40, 250, (90, 120)).astype(np.uint8)
    mosaics = []
    for digest, gain in zip(digests, (1.0, 0.5), strict=True):
        image = np.round(base * gain).astype(np.uint8)
        transform = transform_to(SCALE, GreyScale(matrix=100.0 * gain, clinker=200.0 * gain))
        corners = np.stack([rng.integers(0, 90 - 32, 20), rng.integers(0, 120 - 32, 20)], axis=1)
        mosaics.append(MosaicWindows(Micrograph.from_array(image, pixel_size=None), digest, transform, corners))
    measured = {"modulus": rng.uniform(10, 100, 40), "hardness": rng.uniform(0.5, 5, 40)}
    return WindowPairs(tuple(mosaics), rng.uniform(90, 210, 40), measured, np.repeat(np.arange(4), 10), 32)


def test_the_loss_is_the_mean_squared_error_and_spreads_learn_beside_it() -> None:
    network = Given([[0.5, -1.0, 0.2, -0.3], [2.0, 1.0, 0.0, 0.4]])
    truth = torch.tensor([[0.0, -1.5], [1.0, 1.0]])
    loss = value_and_spread_loss(network, (torch.zeros(2, 1, 16, 16), truth))
    assert loss.item() == pytest.approx((0.25 + 0.25 + 1.0 + 0.0) / 4)
    loss.backward()
    error = np.array([[0.5, 0.5], [1.0, 0.0]])
    np.testing.assert_allclose(network.out.grad[:, :2], 2 * error / 4, atol=1e-6)
    # The derivative of log(s) + (e / s)^2 / 2 by log(s) is 1 - (e / s)^2: none where the spread is the error.
    scaled = np.maximum(error, 1e-3) / np.exp([[0.2, -0.3], [0.0, 0.4]])
    np.testing.assert_allclose(network.out.grad[:, 2:], (1 - scaled**2) / 4, rtol=1e-5)


def test_a_network_without_spread_has_the_plain_loss() -> None:
    network = Given([[1.0, 2.0]])
    loss = value_and_spread_loss(network, (torch.zeros(1, 1, 16, 16), torch.tensor([[0.0, 4.0]])))
    assert loss.item() == pytest.approx(2.5)


def test_two_areas_on_one_mosaic_lie_on_one_mosaic() -> None:
    assert len(np.unique(make_pairs().places.mosaic)) == 2
    assert len(np.unique(make_pairs(digests=("a", "a")).places.mosaic)) == 1


def test_windows_are_standardised_on_the_model_scale_by_the_training_pairs() -> None:
    pairs, train = make_pairs(), np.arange(30)
    examples, standards = standardised(pairs, train, LAYOUT, seed=0)
    raw = []
    for mosaic in pairs.mosaics:
        image = mosaic.micrograph.read(0, 0, 90, 120).astype(float) * mosaic.transform.gain + mosaic.transform.offset
        raw += [image[r : r + 32, c : c + 32].reshape(16, 2, 16, 2).mean((1, 3)) for r, c in mosaic.top_left]
    seen = np.array(raw)[train]
    assert standards["grey_mean"] == pytest.approx(seen.mean(), rel=1e-5)
    assert standards["grey_sd"] == pytest.approx(seen.std(), rel=1e-5)
    windows, targets = examples.batch(np.arange(40), None)
    wanted = (np.array(raw) - standards["grey_mean"]) / standards["grey_sd"]
    np.testing.assert_allclose(windows[:, 0], wanted, atol=1e-4)
    np.testing.assert_allclose(targets[train].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(targets[train].std(axis=0), 1, atol=1e-5)


def test_predictions_are_those_of_the_module_in_gpa() -> None:
    pairs = make_pairs()
    _, standards = standardised(pairs, np.arange(40), LAYOUT, seed=0)
    torch.manual_seed(0)
    module = ResNet(LAYOUT).eval()
    network = WindowNetwork.from_module(module, targets=("modulus", "hardness"), **standards)
    examples = window_examples(pairs, network)
    found = predict_examples(network, examples, threads=1)
    with torch.inference_mode():
        plain = module(torch.from_numpy(examples.windows(np.arange(40)))[:, None]).numpy().astype(float)
    sd = np.array(network.target_sd_gpa)
    np.testing.assert_allclose(found.value_gpa, plain[:, :2] * sd + network.target_mean_gpa, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.spread_gpa, np.exp(plain[:, 2:]) * sd, rtol=1e-4)
