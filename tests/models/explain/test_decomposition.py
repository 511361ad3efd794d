from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cemvis.errors import InputError
from cemvis.models import resnet
from cemvis.models.explain import Explanation, Score, deep_taylor, randomised
from cemvis.models.explain.explanation import joined
from cemvis.models.pore_network import PoreNetwork
from cemvis.models.resnet import ResNet
from cemvis.models.resnet_layout import ResNetLayout
from explained import Chained, images, one_thread, settled, small_network  # noqa: F401 - one_thread is a fixture
from networks import random_resnet
from reference.deep_taylor import decompose

# Sums of at most 1e4 numbers of one sign, in ten layers: 1e4 * 10 * 2^-53 = 1e-11.
ROUNDING = 1e-11


def folded(layer: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> tuple:
    """Return a convolution of the reference, batch normalisation folded in by its definition."""
    weight = layer.weight.detach().numpy()
    bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().numpy()
    if norm is not None:
        mean, var, gain, shift = (
            each.detach().numpy() for each in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        factor = gain / np.sqrt(var + norm.eps)
        weight, bias = weight * factor[:, None, None, None], (bias - mean) * factor + shift
    return "conv", weight, bias, layer.stride[0], layer.padding[0]


def dense(layer: nn.Linear) -> tuple:
    return "dense", layer.weight.detach().numpy(), layer.bias.detach().numpy()


def reference_layers(network: Chained, edge: int) -> list[tuple]:
    found: list[tuple] = []
    chain = list(network.chain)
    for layer, behind in zip(chain, [*chain[1:], None], strict=True):
        if isinstance(layer, nn.Conv2d):
            found.append(folded(layer, behind if isinstance(behind, nn.BatchNorm2d) else None))
        elif isinstance(layer, nn.ReLU):
            found.append(("relu",))
        elif isinstance(layer, nn.AvgPool2d):
            found.append(("mean", 2))
            edge //= 2
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            found.append(("mean", edge))
        elif isinstance(layer, nn.Linear):
            found.append(dense(layer))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_formulas_written_out(seed: int) -> None:
    network, batch = small_network(channels=(3, 4, 3), seed=seed), images(3, 8, 8, seed=seed)
    found = deep_taylor(network, batch, score="contrast")
    answers = np.where(np.arange(3) == found.target[:, None], 1.0, -0.5)
    for index, image in enumerate(batch):
        relevance, absorbed, score = decompose(reference_layers(network, 8), image, answers[index], 0.0, 1.0)
        assert score == pytest.approx(found.score[index], rel=ROUNDING)
        assert absorbed == pytest.approx(found.absorbed[index], rel=ROUNDING, abs=ROUNDING * score)
        np.testing.assert_allclose(found.relevance[index], relevance, rtol=ROUNDING, atol=ROUNDING * score / 64)


def small_resnet(monkeypatch: pytest.MonkeyPatch, layout: ResNetLayout, *, seed: int) -> ResNet:
    """Return a residual network of few channels, one block of each kind."""
    monkeypatch.setattr(resnet, "CHANNELS", (2, 2, 3))
    monkeypatch.setattr(resnet, "HIDDEN", 5)
    return settled(ResNet(layout), seed=seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("layout", "edge", "features"), [(ResNetLayout(window=16), 8, 6), (ResNetLayout.dense(pooled=1), 15, 2)]
)
def test_residual_joins_equal_the_formulas_written_out(
    monkeypatch: pytest.MonkeyPatch, layout: ResNetLayout, edge: int, features: int, seed: int
) -> None:
    network = small_resnet(monkeypatch, layout, seed=seed)
    batch = images(2, edge, edge, seed=seed) * 3 - 1.5
    found = deep_taylor(network, batch, low=-1.5, high=1.5, score="contrast")
    padded = layout.padding == "zero"
    stem = ("conv", *folded(network.stem[1], network.stem[2])[1:3], 1, 3 if padded else 0)
    layers: list[tuple] = [stem, ("relu",)]
    for block in network.blocks:
        shortcut = folded(block.shortcut) if isinstance(block.shortcut, nn.Conv2d) else None
        inner = folded(block.first, block.first_norm), folded(block.second, block.second_norm)
        layers += [("join", *inner, shortcut, 0 if padded else 3 if block.halves else 2), ("relu",)]
    layers += [("mean", features), dense(network.hidden), ("relu",), dense(network.value)]
    for index, image in enumerate(batch):
        side = np.sign(found.outputs[index])
        relevance, absorbed, score = decompose(layers, image, side, -1.5, 1.5)
        assert score == pytest.approx(found.score[index], rel=ROUNDING)
        assert absorbed == pytest.approx(found.absorbed[index], rel=ROUNDING, abs=ROUNDING * score)
        np.testing.assert_allclose(found.relevance[index], relevance, rtol=ROUNDING, atol=ROUNDING * score / 64)


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, np.ndarray]:
    """Draw a chain of convolutions of any kind and images for it."""
    layers: list[nn.Module] = []
    come = 1
    for _ in range(draw(st.integers(1, 4))):
        go = draw(st.integers(1, 5))
        edge = draw(st.sampled_from([1, 2, 3, 5]))
        layers.append(nn.Conv2d(come, go, edge, draw(st.integers(1, 2)), edge // 2, bias=draw(st.booleans())))
        if draw(st.booleans()):
            layers.append(nn.BatchNorm2d(go))
        layers.append(nn.ReLU())
        pool = draw(st.sampled_from([None, nn.AvgPool2d(2, 1), nn.AvgPool2d(3, 2, 1), nn.MaxPool2d(2, 1)]))
        if pool is not None and len(layers) < 6:
            layers.append(pool)
        come = go
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if draw(st.booleans()):
        layers += [nn.Linear(come, 6), nn.ReLU(), nn.Dropout(0.5)]
        come = 6
    layers.append(nn.Linear(come, draw(st.integers(2, 4))))
    rows, cols, seed = draw(st.integers(8, 19)), draw(st.integers(8, 19)), draw(st.integers(0, 10_000))
    batch = images(3, rows, cols, seed=seed)
    batch[0] = draw(st.sampled_from([0.0, 0.5, 1.0]))
    return settled(Chained(*layers), seed=seed), batch


@settings(max_examples=20, deadline=None)
@given(networks())
def test_relevance_is_conserved(drawn: tuple[nn.Module, np.ndarray]) -> None:
    network, batch = drawn
    found = deep_taylor(network, batch, score="contrast")
    with torch.no_grad():
        np.testing.assert_allclose(found.outputs, network(torch.from_numpy(batch)[:, None]), rtol=1e-9, atol=1e-12)
    assert np.isfinite(found.relevance).all()
    assert (found.relevance >= 0).all()
    assert (found.lost >= 0).all()
    explained = found.explained
    assert np.all(found.conservation_error[explained] < 1e-10)
    assert np.all(found.relevance[~explained] == 0)


@pytest.mark.parametrize(
    "layout",
    [
        ResNetLayout(window=20),
        ResNetLayout(window=17, targets=2, spread=True, stem_pool=True),
        ResNetLayout.dense(pooled=1),
    ],
)
def test_relevance_is_conserved_in_residual_networks(layout: ResNetLayout) -> None:
    network = random_resnet(layout, seed=3)
    batch = images(2, layout.window, layout.window) * 4 - 2
    found = deep_taylor(network, batch, low=-2.0, high=2.0, score="contrast")
    assert found.explained.all()
    assert np.all(found.conservation_error < 1e-10)
    with torch.no_grad():
        outputs = network.double()(torch.from_numpy(batch)[:, None])[:, : layout.targets]
    np.testing.assert_allclose(found.outputs, outputs, rtol=1e-9, atol=1e-12)


def test_what_biases_alone_keep_active_absorbs_and_is_counted() -> None:
    network = Chained(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)).double()
    with torch.no_grad():
        network.chain[0].weight[:] = torch.tensor([1.0, 1.0]).view(2, 1, 1, 1)
        network.chain[0].bias[:] = torch.tensor([0.0, 0.5])
        network.chain[4].weight[:] = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
        network.chain[4].bias[:] = 0.0
    batch = np.zeros((1, 2, 2))
    batch[0, 0, 0] = 1.0
    # Channel 0 is the pixels, channel 1 the pixels + 1/2: the score is 0.25 + 3 * 0.75. In three of four places channel
    # 1 is active without a contribution, and each holds 3 * 0.5 / 4.
    found = deep_taylor(network, batch, 0)
    assert found.score == pytest.approx([2.5])
    assert found.absorbed == pytest.approx([3 * 3 * 0.5 / 4])
    assert found.lost_units.tolist() == [[3, 0, 0]]
    assert found.layers == ("0 Conv2d", "2 AdaptiveAvgPool2d", "4 Linear")
    assert found.relevance[0].ravel() == pytest.approx([2.5 - 1.125, 0, 0, 0])
    assert found.absorbed_share == pytest.approx([0.45])


def test_padding_is_handed_nothing() -> None:
    # A layer that reads only what is above its place: the first row of units reads padding alone.
    network = Chained(
        nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)
    ).double()
    with torch.no_grad():
        network.chain[0].weight.zero_()
        network.chain[0].weight[0, 0, 0, 1] = -1.0
        network.chain[0].bias.fill_(1.0)
        network.chain[4].weight[:] = torch.tensor([[1.0], [-1.0]])
        network.chain[4].bias.zero_()
    batch = np.full((1, 4, 4), 0.25)
    found = deep_taylor(network, batch, 0)
    # Units of the first row hold 1/16 each and have no pixel: with h = 1 on the padding it would count as a dark pixel.
    assert found.absorbed == pytest.approx([4 / 16])
    assert found.lost_units[0, 0] == 4
    assert found.relevance[0, :3] == pytest.approx(0.75 / 16 * np.ones((3, 4)))
    assert found.relevance[0, 3] == pytest.approx(np.zeros(4))
    assert found.conservation_error < 1e-15


def test_folding_batch_normalisation_by_hand_changes_nothing() -> None:
    network, batch = small_network(channels=(3, 5, 4), seed=7), images(3, 12, 10)
    by_hand: list[nn.Module] = []
    for layer in network.chain:
        if isinstance(layer, nn.BatchNorm2d):
            _, weight, bias, _, _ = folded(by_hand[-1], layer)
            plain = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            plain.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
            by_hand[-1] = plain.double()
            by_hand[-1].load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        else:
            by_hand.append(layer)
    one, other = (deep_taylor(each, batch, 1, score="contrast") for each in (network, Chained(*by_hand)))
    np.testing.assert_allclose(one.relevance, other.relevance, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(one.lost, other.lost, rtol=1e-10, atol=1e-14)


def test_a_trained_network_in_training_mode_is_used_as_for_predicting() -> None:
    network, batch = PoreNetwork(3, (4, 4, 8)), images(2, 16, 16).astype(np.float32)
    before = deep_taylor(network.eval(), batch, 0, score="contrast")
    state = {name: each.clone() for name, each in network.state_dict().items()}
    after = deep_taylor(network.train(), batch, 0, score="contrast")
    assert np.array_equal(before.relevance, after.relevance)
    assert network.training
    assert all(torch.equal(each, network.state_dict()[name]) for name, each in state.items())


def test_only_a_positive_score_is_explained() -> None:
    network, batch = small_network(seed=1), images(3, 8, 8)
    with torch.no_grad():
        network.chain[-1].bias -= 100
    found = deep_taylor(network, batch)
    assert not found.explained.any()
    assert (found.relevance == 0).all()
    assert np.isnan(found.conservation_error).all()
    assert np.isnan(found.absorbed_share).all()
    assert deep_taylor(network, batch, score="contrast").explained.all()


def test_a_score_in_the_unit_of_a_property() -> None:
    network = random_resnet(ResNetLayout(window=20, targets=2))
    batch = images(3, 20, 20) * 4 - 2
    value = deep_taylor(network, batch, 1, low=-2.0, high=2.0, score=Score("logit", 5.0, 100.0))
    np.testing.assert_allclose(value.score, 100 + 5 * value.outputs[:, 1])
    away = deep_taylor(network, batch, 1, low=-2.0, high=2.0, score=Score("contrast", 5.0, 100.0))
    np.testing.assert_allclose(away.score, 5 * np.abs(away.outputs[:, 1]))
    assert np.all(value.conservation_error < 1e-12)
    assert np.all(away.conservation_error < 1e-12)


def test_float32_conserves_to_its_precision() -> None:
    network, batch = PoreNetwork(2, (4, 8, 8)).eval(), images(2, 32, 32)
    exact = deep_taylor(network, batch, score="contrast")
    quick = deep_taylor(network, batch, score="contrast", precision="float32")
    assert np.all(quick.conservation_error < 1e-5)
    np.testing.assert_allclose(quick.relevance, exact.relevance, rtol=1e-3, atol=1e-6 * exact.relevance.max())


def test_batches_join() -> None:
    network, batch = small_network(), images(5, 8, 8)
    whole = deep_taylor(network, batch, score="contrast")
    parts = joined(
        [deep_taylor(network, batch[:2], score="contrast"), deep_taylor(network, batch[2:], score="contrast")]
    )
    assert isinstance(parts, Explanation)
    np.testing.assert_allclose(parts.relevance, whole.relevance, rtol=1e-12)
    np.testing.assert_allclose(parts.absorbed, whole.absorbed)
    with pytest.raises(InputError, match="0 explanations"):
        joined([])


@pytest.mark.parametrize(
    ("batch", "more", "words"),
    [
        (images(2, 8, 8) + 1, {}, "wanted 0 to 1"),
        (images(2, 8, 8)[0, 0], {}, "wanted .n, rows, cols"),
        (np.zeros((2, 8, 8), np.uint8), {}, "wanted float32"),
        (np.full((2, 8, 8), np.nan), {}, "not finite"),
        (images(2, 8, 8), {"target": 3}, "from 0 to 2"),
        (images(2, 8, 8), {"target": [0, 1, 2]}, "from 0 to 2"),
        (images(2, 8, 8), {"score": "softmax"}, "logit or contrast"),
        (images(2, 8, 8), {"precision": "float16"}, "float64 or float32"),
    ],
)
def test_bad_input_is_refused(batch: np.ndarray, more: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        deep_taylor(small_network(), batch, **more)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((nn.Conv2d(1, 2, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(72, 2)), "no rule"),
        ((nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)), "does not begin"),
        ((nn.Conv2d(1, 2, 3), nn.ReLU()), "does not end"),
        ((nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2)), "cannot be folded"),
        ((nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.Flatten(), nn.Linear(128, 2)), "number of zeros"),
        ((nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)), "a ReLU before it"),
    ],
)
def test_layers_without_a_rule_are_refused(layers: tuple[nn.Module, ...], words: str) -> None:
    network = settled(Chained(*layers))
    with pytest.raises(InputError, match=words):
        deep_taylor(network, images(2, 8, 8), 0, score=Score("logit", offset=1e3))


def test_a_network_without_layers_is_refused() -> None:
    with pytest.raises(InputError, match=r"no layers\(\)"):
        deep_taylor(nn.Linear(3, 2), images(2, 8, 8))


def roughness_network() -> Chained:
    """Return a network made by hand that tells rough from smooth: its class 1 is a mean of steep Laplacians.

    Without padding, whose edge would be steep.
    """
    network = Chained(
        nn.Conv2d(1, 2, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(2, 1, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1, 2),
    ).double()
    laplacian = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    with torch.no_grad():
        network.chain[0].weight[:] = torch.stack([laplacian, -laplacian])[:, None] / 4
        network.chain[0].bias.fill_(-0.1)
        network.chain[3].weight.fill_(1 / 18)
        network.chain[3].bias.zero_()
        network.chain[7].weight[:] = torch.tensor([[-1.0], [1.0]])
        network.chain[7].bias.zero_()
    return network


def test_relevance_falls_on_what_the_class_is_told_by() -> None:
    down, across = np.mgrid[:48, :48]
    smooth = 0.5 + 0.3 * np.sin(down / 9) * np.cos(across / 7)
    rough = smooth + 0.2 * np.random.default_rng(0).uniform(-1, 1, smooth.shape)
    modified = (down - 30) ** 2 + (across - 12) ** 2 < 8**2
    image = np.where(modified, rough, smooth)[None]
    network = roughness_network()
    found = deep_taylor(network, image, 1)
    around = (down - 30) ** 2 + (across - 12) ** 2 < 10**2  # what the first layer reads around it
    assert found.explained.all()
    assert found.relevance[0][around].sum() > 0.99 * found.relevance[0].sum()
    blind = [randomised(PoreNetwork(2, (8, 16, 16)), seed) for seed in range(6)]
    by_chance = np.sum([deep_taylor(each, image, score="contrast").relevance[0] for each in blind], axis=0)
    assert by_chance[around].sum() < 0.4 * by_chance.sum()  # its area is 0.13
