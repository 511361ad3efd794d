from __future__ import annotations

import pytest
import torch
from torch import nn

from cemvis.errors import InputError
from cemvis.models.pore_network import CHANNELS, PoreNetwork


def test_seven_convolutions_each_with_normalisation_and_relu() -> None:
    layers = PoreNetwork(3).layers()
    convolutions = [each for each in layers if isinstance(each, nn.Conv2d)]
    assert [each.out_channels for each in convolutions] == list(CHANNELS) == [8, 16, 32, 32, 64, 64, 128]
    assert all(each.kernel_size == (3, 3) and each.padding == (1, 1) for each in convolutions)
    kinds = [type(each) for each in layers]
    one = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert kinds == 6 * [*one, nn.AvgPool2d] + [*one, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]


def test_the_layers_one_after_the_other_are_the_network() -> None:
    torch.manual_seed(1)
    network = PoreNetwork(2).eval()
    maps = torch.rand(3, 1, 96, 80)
    through = maps
    for layer in network.layers():
        through = layer(through)
    assert torch.equal(through, network(maps))
    assert through.shape == (3, 2)
    assert torch.equal(network.layers()[-1](network.features(maps)), through)


def test_full_resolution_in_the_first_convolution_and_half_of_it_after_each_mean() -> None:
    network = PoreNetwork(2).eval()
    through, sides = torch.rand(1, 1, 384, 384), []
    for layer in network.layers():
        through = layer(through)
        if isinstance(layer, nn.Conv2d):
            sides.append(through.shape[-1])
    assert sides == [384, 192, 96, 48, 24, 12, 6]


def test_the_smallest_map() -> None:
    network = PoreNetwork(2).eval()
    least = network.smallest_map_px
    assert least == 64
    assert network(torch.rand(1, 1, least, least)).shape == (1, 2)
    with pytest.raises(RuntimeError, match="small"):
        network(torch.rand(1, 1, least - 1, least - 1))


@pytest.mark.parametrize("arguments", [{"classes": 1}, {"channels": ()}, {"channels": (8, 0)}])
def test_what_is_no_network_is_refused(arguments) -> None:
    with pytest.raises(InputError, match="at least two classes"):
        PoreNetwork(**arguments)
