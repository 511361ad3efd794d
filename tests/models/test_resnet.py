from __future__ import annotations

import numpy as np
import pytest
import torch

from cemvis.errors import InputError
from cemvis.models.resnet import ResNet, parameter_counts
from cemvis.models.resnet_layout import ResNetLayout
from networks import bright_and_dark, random_resnet
from reference.resnet import resnet

PADDED = ResNetLayout(targets=2, window=21, spread=True)
LAYOUTS = {
    "padded": PADDED,
    "padded, pooled stem": ResNetLayout(window=38, stem_pool=True),
    "unpadded": ResNetLayout.dense(pooled=2, targets=2, spread=True),
    "unpadded, pooled stem": ResNetLayout.dense(pooled=1, stem_pool=True),
}


def test_the_papers_network_has_the_papers_numbers() -> None:
    layout = ResNetLayout()
    assert (layout.window, layout.downsample, layout.padding, layout.outputs) == (247, 1, "zero", 1)
    assert parameter_counts(ResNet(layout)) == (3_060_161, 3_904)
    assert layout.parameters == 3_060_161


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_knows_the_arrays_of_its_network(layout) -> None:
    network = ResNet(layout)
    arrays = {name: tuple(array.shape) for name, array in network.state_dict().items()}
    assert layout.state_shapes() == {name: shape for name, shape in arrays.items() if "num_batches" not in name}
    assert layout.parameters == parameter_counts(network)[0]


def test_geometry_by_hand() -> None:
    plain = 3 + 2 * 2 + 2 * 2  # stem, two blocks of two convolutions on samples
    plain += (2 + 4) + (4 + 4)  # halving block: one on samples, one on every 2nd; then a block on every 2nd
    plain += (4 + 8) + (8 + 8)
    plain += (8 + 16) + (16 + 16)
    assert plain == 109
    pooled = 3 + 2  # stem, and the pooling on samples; everything behind it counts twice
    pooled += 2 * (plain - 3)
    assert pooled == 217
    for stem_pool, field, stride in ((False, plain, 8), (True, pooled, 16)):
        layout = ResNetLayout.dense(pooled=3, downsample=4, stem_pool=stem_pool)
        assert (layout.field, layout.stride) == (field, stride)
        assert (layout.window, layout.window_px) == (field + 2 * stride, 4 * (field + 2 * stride))
        assert layout.stride_px == 4 * stride


@pytest.mark.parametrize("stem_pool", [False, True])
def test_the_field_is_what_one_feature_depends_on(stem_pool) -> None:
    layout = ResNetLayout.dense(pooled=1, stem_pool=stem_pool)
    network = random_resnet(layout)
    tile = torch.from_numpy(bright_and_dark((1, 1, layout.field + 4, layout.field))).requires_grad_()
    assert network.features(tile).shape == (1, 256, 1, 1)
    network.features(tile).sum().backward()
    touched = np.flatnonzero(tile.grad.abs().sum((0, 1, 3)).numpy())
    # The maximum in the stem need not lie in the outermost samples, so they may go unseen with a pooled stem.
    assert touched[0] >= 0
    assert touched[-1] < layout.field
    assert stem_pool or (touched[0], touched[-1]) == (0, layout.field - 1)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_network_is_the_naive_one(layout) -> None:
    network = random_resnet(layout, seed=3)
    window = bright_and_dark((layout.window, layout.window), seed=4)
    with torch.inference_mode():
        found = network(torch.from_numpy(window)[None, None])[0].numpy()
    state = {name: array.numpy() for name, array in network.state_dict().items()}
    wanted = resnet(state, window, padded=layout.padding == "zero", stem_pool=layout.stem_pool)
    # 19 layers, each with sums of up to 2,304 products in float32, whose rounding errors add up like a random walk:
    # 19 * sqrt(2304) * 6e-8 = 5e-5 of the numbers inside, which are around 1.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-5)


@pytest.mark.parametrize(
    ("pooled", "stem_pool", "more"),
    [(1, False, (0, 7)), (1, False, (8, 17)), (2, False, (9, 24)), (3, False, (16, 5)), (1, True, (15, 16))],
)
def test_dense_is_every_window_by_itself(pooled, stem_pool, more) -> None:
    layout = ResNetLayout.dense(pooled=pooled, targets=2, stem_pool=stem_pool, spread=True)
    network, edge, step = random_resnet(layout, seed=1), layout.window, layout.stride
    tile = torch.from_numpy(bright_and_dark((1, 1, edge + more[0], edge + more[1]), seed=2))
    with torch.inference_mode():
        found = network.dense(tile)
        assert found.shape == (1, 4, more[0] // step + 1, more[1] // step + 1)
        for i, j in np.ndindex(found.shape[2:]):
            window = tile[..., step * i : step * i + edge, step * j : step * j + edge]
            # Both add the same numbers in another order; the bound is that of the comparison with the naive network.
            np.testing.assert_allclose(found[0, :, i, j], network(window)[0], rtol=0, atol=5e-5)


def test_a_padded_network_has_no_dense_maps() -> None:
    with pytest.raises(InputError, match="a zero-padded network has no dense maps"):
        random_resnet(PADDED).dense(torch.zeros(1, 1, 40, 40))


def test_the_spread_leaves_no_gradient_behind_it() -> None:
    network = random_resnet(PADDED)
    network(torch.from_numpy(bright_and_dark((2, 1, 21, 21))))[:, 2:].sum().backward()
    with_gradient = {name for name, each in network.named_parameters() if each.grad is not None and each.grad.any()}
    assert with_gradient == {"log_spread.weight", "log_spread.bias"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": 0}, "targets of the network is 0; wanted a whole number from 1 to 16"),
        ({"targets": True}, "targets of the network is True"),
        ({"downsample": 2.0}, "downsample of the network is 2.0"),
        ({"window": 15}, "window of the network is 15; wanted a whole number from 16 to 4096"),
        ({"padding": "same"}, "padding of the network is 'same'; wanted one of zero, none"),
        ({"pooled": 2}, "pools all its features; wanted pooled = 0"),
        ({"padding": "none"}, "pools 0 x 0 features cannot have a window of 247"),
        ({"padding": "none", "window": 118, "pooled": 2}, r"window of 118 samples; wanted 109 \+ 8"),
    ],
)
def test_impossible_layouts_are_refused(arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        ResNetLayout(**arguments)


@pytest.mark.parametrize("pooled", [0, 257, 1.0, True])
def test_impossible_pooling_is_refused(pooled) -> None:
    with pytest.raises(InputError, match="wanted a whole number from 1 to 256"):
        ResNetLayout.dense(pooled=pooled)
