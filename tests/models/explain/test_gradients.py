from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cemvis.errors import InputError
from cemvis.models.explain import METHODS, Reading, explain, grad_cam, gradient_times_input, integrated_gradients
from cemvis.models.explain import randomised as with_random_weights
from cemvis.models.explain.question import Question
from cemvis.models.pore_network import PoreNetwork
from cemvis.models.resnet_layout import ResNetLayout
from explained import Chained, images, one_thread, settled, small_network  # noqa: F401 - one_thread is a fixture
from networks import random_resnet


def linear_network() -> nn.Module:
    return settled(Chained(nn.Flatten(), nn.Linear(30, 3)), seed=5)


def test_gradient_times_input_of_a_linear_network_is_its_terms() -> None:
    network, batch = linear_network(), images(4, 5, 6)
    weight = network.chain[1].weight.detach().numpy()[2].reshape(5, 6)
    found = gradient_times_input(network, batch, 2)
    np.testing.assert_allclose(found.relevance, batch * weight)
    assert np.isnan(found.conservation_error).all()


def test_gradient_times_input_equals_finite_differences() -> None:
    network, batch = small_network(seed=2), images(1, 8, 8)
    found = gradient_times_input(network, batch, 1)
    question = Question.of(network, batch, 1)
    for row, col in ((0, 0), (3, 4), (7, 2)):
        step = np.zeros_like(batch)
        step[0, row, col] = 1e-6
        slope = (question.scored(batch + step) - question.scored(batch - step)) / 2e-6
        assert found.relevance[0, row, col] == pytest.approx(batch[0, row, col] * slope[0], rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("baseline", ["blurred", "mean", "black"])
def test_integrated_gradients_add_up_to_the_difference(baseline: str) -> None:
    network, batch = small_network(channels=(4, 4), seed=3), images(3, 12, 12)
    coarse, fine = (
        integrated_gradients(network, batch, 0, baseline=baseline, steps=steps, blur_px=2.0) for steps in (2, 48)
    )
    assert np.all(fine.conservation_error < 2e-2)
    assert fine.conservation_error.max() < coarse.conservation_error.max()
    if baseline == "black":
        bare = Question.of(network, np.zeros_like(batch), 0).score
        np.testing.assert_allclose(fine.expected, fine.score - bare)


def test_integrated_gradients_of_a_linear_network_are_exact() -> None:
    network, batch = linear_network(), images(4, 5, 6)
    weight = network.chain[1].weight.detach().numpy()[1].reshape(5, 6)
    found = integrated_gradients(network, batch, 1, baseline="mean", steps=1)
    np.testing.assert_allclose(found.relevance, (batch - batch.mean(axis=(1, 2), keepdims=True)) * weight, atol=1e-15)


def test_grad_cam_of_one_feature_is_that_feature() -> None:
    network = Chained(nn.Conv2d(1, 2, 2, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)).double()
    with torch.no_grad():
        network.chain[0].weight[:] = torch.tensor([0.25, -0.25]).view(2, 1, 1, 1)
        network.chain[0].bias[:] = torch.tensor([0.0, 1.0])
        network.chain[4].weight[:] = torch.tensor([[2.0, 0.0], [0.0, -1.0]])
        network.chain[4].bias.zero_()
    batch = images(1, 4, 4)
    found = grad_cam(network, batch, 0)
    squares = batch[0].reshape(2, 2, 2, 2).mean(axis=(1, 3))
    # Each feature's slope is 2 / 4 places; bilinear with centres on centres: the corners are the features themselves.
    assert found.relevance[0][[0, 0, 3, 3], [0, 3, 0, 3]] == pytest.approx(0.5 * squares.ravel())
    assert found.relevance[0, 0, 1] == pytest.approx(0.5 * (0.75 * squares[0, 0] + 0.25 * squares[0, 1]))
    assert (grad_cam(network, batch, 1).relevance == 0).all()  # what speaks against the class is cut off


def test_grad_cam_of_a_named_layer() -> None:
    network, batch = PoreNetwork(3, (4, 4, 8)).eval(), images(2, 16, 16).astype(np.float32)
    default = grad_cam(network, batch, 1)
    last = [name for name, module in network.named_modules() if isinstance(module, nn.ReLU)][-1]
    assert np.array_equal(grad_cam(network, batch, 1, layer=last).relevance, default.relevance)
    assert not np.array_equal(grad_cam(network, batch, 1, layer="chain.0").relevance, default.relevance)
    with pytest.raises(InputError, match=r"its convolutions are chain\.0"):
        grad_cam(network, batch, 1, layer="nowhere")
    with pytest.raises(InputError, match="no feature maps"):
        grad_cam(network, batch, 1, layer=f"chain.{len(network.chain) - 1}")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_explains_both_networks(method: str) -> None:
    chain, batch = PoreNetwork(3, (4, 4, 8)).eval(), images(2, 16, 16).astype(np.float32)
    found = explain(chain, batch, 1, method=method, score="contrast", reading=Reading(steps=4, blur_px=2.0))
    assert found.relevance.shape == (2, 16, 16)
    assert found.relevance.dtype == np.float64
    assert found.target.tolist() == [1, 1]
    layout = ResNetLayout(window=16, targets=2, spread=True)
    residual = explain(
        random_resnet(layout),
        images(2, 16, 16) * 4 - 2,
        method=method,
        score="contrast",
        reading=Reading(low=-2.0, high=2.0, steps=4, blur_px=2.0),
    )
    assert residual.outputs.shape == (2, 2)
    assert (residual.score > 0).all()
    assert np.abs(residual.relevance).sum() > 0


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="wanted one of deep-taylor"):
        explain(small_network(), images(1, 8, 8), method="lime")
    with pytest.raises(InputError, match="1 to 10000"):
        integrated_gradients(small_network(), images(1, 8, 8), steps=0)
    with pytest.raises(InputError, match="blurred, mean, black"):
        integrated_gradients(small_network(), images(1, 8, 8), baseline="white")


def test_random_weights() -> None:
    network = small_network(seed=4)
    before = {name: each.clone() for name, each in network.state_dict().items()}
    one, same, other = (with_random_weights(network, seed) for seed in (1, 1, 2))
    assert all(torch.equal(each, network.state_dict()[name]) for name, each in before.items())
    for name, each in one.named_parameters():
        assert torch.equal(each, dict(same.named_parameters())[name])
    weights = [each.chain[0].weight for each in (network, one, other)]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])
    assert torch.equal(one.chain[1].running_mean, torch.zeros(3, dtype=torch.float64))
    for bad in (-1, 1.5, True):
        with pytest.raises(InputError, match="seed"):
            with_random_weights(network, bad)
