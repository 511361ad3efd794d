"""Features of maps from a network that was trained on something else: a pretrained backbone, or a cemvis model file.

Backbones come from timm, which is optional (``pip install 'cemvis[backbones]'``) and imported only here and only when
one is asked for. Their weights are either fetched by timm or read from a local .safetensors file; pickles are never
opened. A grey map becomes three equal channels, standardised by ImageNet's mean and standard deviation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cemvis._files import access_errors
from cemvis.errors import InputError, ModelFileError
from cemvis.models.device import torch_device
from cemvis.models.map_examples import Indices, Levels, as_input

IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HOW_TO_INSTALL = "install it with pip install 'cemvis[backbones]', or give a cemvis model file with --weights"


@dataclass(frozen=True)
class Backbone:
    """A network that turns maps into features.

    Attributes
    ----------
    name : str
        "pore-network", "resnet" (a cemvis model file), or as timm names it.
    digest : str
        SHA-256 over the names and bytes of its weights, so that a trained head finds the same backbone again.
    network : nn.Module
    features : callable
        Turns ``(n, 1, rows, cols)``, 0 to 1, into ``(n, width)``.
    """

    name: str
    digest: str
    network: nn.Module
    features: Callable[[Tensor], Tensor]

    def of(self, levels: Levels, indices: Indices, *, device: str = "cpu", batch: int = 8) -> NDArray[np.float64]:
        """Return features, (n, width) float64, of maps by their indices; `batch` of them in memory at a time."""
        where = torch_device(device)
        self.network.to(where).eval()
        found = []
        with torch.inference_mode():
            for begin in range(0, len(indices), batch):
                maps = torch.from_numpy(as_input(levels(indices[begin : begin + batch]))).to(where)
                found.append(self.features(maps).double().cpu().numpy())
        self.network.cpu()
        return np.concatenate(found)


def open_backbone(name: str | None, weights: Path | None) -> Backbone:
    """Return the backbone of a cemvis model file, or one of timm's with its own or given weights.

    Parameters
    ----------
    name : str or None
        As timm names it, for example "resnet18"; None if `weights` is a cemvis model file.
    weights : Path or None
        A cemvis model file, or the weights of timm's network as .safetensors; None lets timm fetch them.

    Raises
    ------
    InputError
        If there is neither name nor weights, timm is not installed or does not know the name, or the weights are of
        another network or cannot be fetched.
    FileAccessError, ModelFileError
    """
    if name is None and weights is None:
        msg = "no backbone is given; wanted --backbone NAME (of timm), or --weights with a cemvis model file"
        raise InputError(msg)
    if name is None:
        assert weights is not None
        return _of_cemvis(weights)
    return _of_timm(name, weights)


def _of_cemvis(path: Path) -> Backbone:
    from cemvis.models.map_classifier_file import ClassModel, load_any_model

    model = load_any_model(path)
    if isinstance(model, ClassModel):
        network = model.pore_network()
        return Backbone("pore-network", _digest(network), network, network.features)
    if model.window_network is None:
        msg = f"{path} is a table of grey levels, which has no features; wanted a network"
        raise InputError(msg)
    resnet, layout = model.window_network.module(), model.window_network.layout
    side = layout.downsample

    def features(maps: Tensor) -> Tensor:
        # Grey levels mean something else in a nano-porosity map: only the textures carry over.
        sampled = nn.functional.avg_pool2d(maps, side) if side > 1 else maps
        spread = sampled.std((2, 3), keepdim=True).clamp_min(1e-4)
        sampled = (sampled - sampled.mean((2, 3), keepdim=True)) / spread
        return resnet.features(sampled).mean((2, 3))

    return Backbone("resnet", _digest(resnet), resnet, features)


def _of_timm(name: str, weights: Path | None) -> Backbone:
    network = _made_by_timm(name, fetch=weights is None)
    if weights is not None:
        _load(network, weights, name)
    network.eval()
    mean, sd = (torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_SD))

    def features(maps: Tensor) -> Tensor:
        found: Tensor = network((maps.expand(-1, 3, -1, -1) - mean.to(maps.device)) / sd.to(maps.device))
        return found

    return Backbone(name, _digest(network), network, features)


def _made_by_timm(name: str, *, fetch: bool) -> nn.Module:
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # torchvision, which timm needs, may not fit this PyTorch
        msg = f"backbone {name!r} needs timm, which is not usable here ({error}); {HOW_TO_INSTALL}"
        raise InputError(msg) from error
    if not timm.is_model(name):
        msg = f"timm has no network {name!r}; wanted a name such as resnet18 or efficientnet_b0"
        raise InputError(msg)
    try:
        network: nn.Module = timm.create_model(name, pretrained=fetch, num_classes=0)
    except Exception as error:  # whatever a failed download raises depends on the library below timm
        msg = (
            f"the weights of {name} could not be fetched ({type(error).__name__}: {str(error)[:80]}); "
            "when offline, give a local file with --weights"
        )
        raise InputError(msg) from error
    return network


def _load(network: nn.Module, path: Path, name: str) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with access_errors(path, doing="read"):
            state = load_file(path)
    except (SafetensorError, ValueError) as error:
        msg = f"{path} is not a .safetensors file, or it is damaged; cemvis opens no other weights"
        raise ModelFileError(msg) from error
    wanted = {key: each.shape for key, each in network.state_dict().items()}
    wrong = [key for key, shape in wanted.items() if key not in state or state[key].shape != shape]
    if wrong:
        msg = f"{path} has no array {wrong[0]!r} as {name} wants it; wanted the weights of {name}"
        raise InputError(msg)
    # A file may hold its own classifier as well, which is not wanted.
    network.load_state_dict({key: state[key] for key in wanted})


def _digest(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            array = tensor.detach().cpu().contiguous().numpy()
            digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
