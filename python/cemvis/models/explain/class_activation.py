"""Grad-CAM: which feature maps spoke for the score, and where they were active."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from cemvis.errors import InputError
from cemvis.models.explain.explanation import Explanation, Score, ScoreKind
from cemvis.models.explain.question import Question
from cemvis.models.resnet import ResNet


def grad_cam(
    network: nn.Module,
    x: ArrayLike | Tensor,
    target: int | Sequence[int] | NDArray[np.intp] | None = None,
    *,
    score: ScoreKind | Score = "logit",
    layer: str | None = None,
) -> Explanation:
    """Return the positive part of a layer's feature maps, weighted by the score's mean gradient over each [1]_.

    The layer's map is enlarged bilinearly to the image, pixel centres on pixel centres. For other arguments see
    `deep_taylor`.

    Parameters
    ----------
    layer : str, optional
        Name of the layer among the network's ``named_modules()``, or the end of a name. By default the last rectified
        feature maps: of a chain those of the last ReLU before the maps are averaged, of a `ResNet` the last block's.

    Raises
    ------
    InputError
        If there is no such layer, or it gives no maps.

    References
    ----------
    .. [1] Selvaraju et al., Grad-CAM: visual explanations from deep networks via gradient-based localization, ICCV
           2017, doi:10.1109/ICCV.2017.74
    """
    question = Question.of(network, x, target, score=score)
    found: list[Tensor] = []

    def keep(module: nn.Module, read: tuple[Tensor, ...], answer: Tensor) -> None:  # noqa: ARG001 - a hook's signature
        found.append(answer)

    handle = _layer(question.network, layer).register_forward_hook(keep)
    try:
        total = question.scores(question.values.clone().requires_grad_()).sum()
    finally:
        handle.remove()
    if len(found) != 1 or found[0].ndim != 4:
        msg = f"layer {layer!r} gives no feature maps of an image; wanted a convolution or what follows one"
        raise InputError(msg)
    [slope] = torch.autograd.grad(total, found)
    weights = slope.mean(dim=(2, 3), keepdim=True)
    cam = (weights * found[0]).sum(dim=1, keepdim=True).clamp(min=0)
    large = functional.interpolate(cam.detach(), size=question.values.shape[-2:], mode="bilinear", align_corners=False)
    return question.answer("Grad-CAM", large)


def _layer(network: nn.Module, name: str | None) -> nn.Module:
    named = dict(network.named_modules())
    if name is not None:
        fitting = [module for full, module in named.items() if full == name or full.endswith(f".{name}")]
        if not name or not fitting:
            names = ", ".join(full for full, module in named.items() if isinstance(module, nn.Conv2d))
            msg = f"the network has no layer {name!r}; its convolutions are {names}"
            raise InputError(msg)
        return fitting[0]
    if isinstance(network, ResNet):
        last: nn.Module = network.blocks[-1]
        return last
    modules = list(named.values())
    convolutions = [index for index, module in enumerate(modules) if isinstance(module, nn.Conv2d)]
    if not convolutions:
        msg = "the network has no convolution, so no feature maps for Grad-CAM"
        raise InputError(msg)
    behind = modules[convolutions[-1] :]
    return next((module for module in behind if isinstance(module, nn.ReLU)), behind[0])
