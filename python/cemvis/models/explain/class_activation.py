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
        feature maps, of a ReLU or of a `ResNet`'s block, that have more than one place: a single one says nothing of
        where.

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

    for each in _layers(question.network, layer):  # a copy, whose hooks nobody else meets
        each.register_forward_hook(keep)
    total = question.scores(question.values.clone().requires_grad_()).sum()
    maps = [each for each in found if each.ndim == 4]
    if not maps:
        msg = f"layer {layer!r} gives no feature maps of an image; wanted a convolution or what follows one"
        raise InputError(msg)
    last = next((each for each in reversed(maps) if each.shape[2] * each.shape[3] > 1), maps[-1])
    [slope] = torch.autograd.grad(total, last)
    weights = slope.mean(dim=(2, 3), keepdim=True)
    cam = (weights * last).sum(dim=1, keepdim=True).clamp(min=0)
    large = functional.interpolate(cam.detach(), size=question.values.shape[-2:], mode="bilinear", align_corners=False)
    return question.answer("Grad-CAM", large)


def _layers(network: nn.Module, name: str | None) -> list[nn.Module]:
    """Return the layers of which one is to be taken, in the order in which they come."""
    named: dict[str, nn.Module] = dict(network.named_modules())
    if name is not None:
        fitting = [module for full, module in named.items() if full == name or full.endswith(f".{name}")]
        if not name or not fitting:
            names = ", ".join(full for full, module in named.items() if isinstance(module, nn.Conv2d))
            msg = f"the network has no layer {name!r}; its convolutions are {names}"
            raise InputError(msg)
        return fitting[:1]
    if isinstance(network, ResNet):
        return list(network.blocks)
    kind = nn.ReLU if any(isinstance(module, nn.ReLU) for module in named.values()) else nn.Conv2d
    return [module for module in named.values() if isinstance(module, kind)]
