from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cemvis.errors import FileAccessError, InputError, ModelFileError
from cemvis.models.deep_features import IMAGENET_MEAN, IMAGENET_SD, open_backbone
from cemvis.models.map_classifier import network_features
from cemvis.models.map_classifier_file import save_class_model
from cemvis.models.model_file import embedded_model, save_model
from class_models import learner_class_model, pore_class_model

MAPS = np.random.default_rng(0).integers(0, 256, (5, 64, 64), dtype=np.uint8)


def levels(indices: np.ndarray) -> np.ndarray:
    return MAPS[indices]


def test_a_pore_network_of_a_file_is_a_backbone(tmp_path) -> None:
    model = pore_class_model()
    save_class_model(tmp_path / "m.safetensors", model)
    backbone = open_backbone(None, tmp_path / "m.safetensors")
    found = backbone.of(levels, np.arange(5), batch=2)
    assert backbone.name == "pore-network"
    assert found.shape == (5, 6)
    assert found == pytest.approx(network_features(model.pore_network(), levels, np.arange(5)), rel=1e-5, abs=1e-6)
    save_class_model(tmp_path / "n.safetensors", pore_class_model(seed=1))
    assert open_backbone(None, tmp_path / "n.safetensors").digest != backbone.digest


def test_the_residual_network_is_a_backbone(tmp_path) -> None:
    save_model(tmp_path / "m.safetensors", embedded_model("resnet"))
    maps = np.random.default_rng(1).integers(0, 128, (2, 256, 256), dtype=np.uint8)
    backbone = open_backbone(None, tmp_path / "m.safetensors")
    found = backbone.of(lambda i: maps[i], np.arange(2))
    assert found.shape == (2, 256)
    assert np.isfinite(found).all()
    # Grey scale and contrast are another's: textures alone count.
    brighter = backbone.of(lambda i: maps[i] * 2, np.arange(2))
    assert brighter == pytest.approx(found, rel=1e-3, abs=1e-4)


class Tiny(nn.Module):
    """As small a network as timm could make: a mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 7, 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.layer(maps).mean((2, 3))


@pytest.fixture
def stand_in(monkeypatch) -> list[dict]:
    """A timm that knows one network and has no connection."""
    asked: list[dict] = []

    def create_model(name: str, **arguments) -> nn.Module:
        asked.append({"name": name, **arguments})
        if arguments["pretrained"]:
            msg = "no route to host"
            raise OSError(msg)
        return Tiny()

    timm = SimpleNamespace(is_model=lambda name: name == "tiny", create_model=create_model)
    monkeypatch.setitem(sys.modules, "timm", timm)
    return asked


def test_local_weights_are_loaded_and_grey_becomes_three_standardised_channels(stand_in, tmp_path) -> None:
    network = Tiny()
    save_file({**network.state_dict(), "fc.weight": torch.zeros(2, 7)}, tmp_path / "w.safetensors")
    found = open_backbone("tiny", tmp_path / "w.safetensors").of(levels, np.arange(5))
    assert stand_in == [{"name": "tiny", "pretrained": False, "num_classes": 0}]
    weight, bias = (each.detach().double().numpy() for each in (network.layer.weight[..., 0, 0], network.layer.bias))
    mean = (MAPS.mean(axis=(1, 2)) / 255)[:, None]
    by_hand = (mean - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_SD) @ weight.T + bias
    assert found == pytest.approx(by_hand, rel=1e-4, abs=1e-4)


def test_bad_weights_and_names_are_one_clear_line(stand_in, tmp_path) -> None:
    with pytest.raises(InputError, match=r"could not be fetched .*no route to host.*--weights"):
        open_backbone("tiny", None)
    with pytest.raises(InputError, match="timm has no network 'huge'"):
        open_backbone("huge", None)
    with pytest.raises(FileAccessError):
        open_backbone("tiny", tmp_path / "none.safetensors")
    (tmp_path / "w.pth").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ModelFileError, match=r"not a .safetensors file"):
        open_backbone("tiny", tmp_path / "w.pth")
    save_file({"layer.weight": torch.zeros(7, 3, 1, 1)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"no array 'layer\.bias' as tiny wants it"):
        open_backbone("tiny", tmp_path / "w.safetensors")
    assert all(not each["pretrained"] for each in stand_in[1:])


def test_without_timm_the_way_out_is_said(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="needs timm, which is not usable here"):
        open_backbone("resnet18", None)


def test_neither_name_nor_features(tmp_path) -> None:
    with pytest.raises(InputError, match="no backbone is given"):
        open_backbone(None, None)
    save_model(tmp_path / "t.safetensors", embedded_model("table"))
    with pytest.raises(InputError, match="has no features"):
        open_backbone(None, tmp_path / "t.safetensors")
    save_class_model(tmp_path / "k.safetensors", learner_class_model())
    with pytest.raises(InputError, match="holds no network"):
        open_backbone(None, tmp_path / "k.safetensors")


def test_timm_itself(tmp_path) -> None:
    timm = pytest.importorskip("timm", exc_type=ImportError)
    network = timm.create_model("resnet10t", pretrained=False, num_classes=0)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    assert open_backbone("resnet10t", tmp_path / "w.safetensors").of(levels, np.arange(2)).shape == (2, 512)
