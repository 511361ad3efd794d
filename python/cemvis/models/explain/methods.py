"""All methods by name, with one call for each: what a comparison runs through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from cemvis.analysis.relevance.faithfulness import BLUR_PX, Baseline
from cemvis.errors import InputError
from cemvis.models.explain.class_activation import grad_cam
from cemvis.models.explain.decomposition import Precision, deep_taylor
from cemvis.models.explain.explanation import Explanation, Score, ScoreKind
from cemvis.models.explain.gradients import STEPS, gradient_times_input, integrated_gradients

METHODS = ("deep-taylor", "grad-cam", "integrated-gradients", "gradient-input")
"""Names of the methods, for `explain` and the command line."""


@dataclass(frozen=True)
class Reading:
    """How a network reads pixels, and what the methods need beside the image.

    Attributes
    ----------
    low, high : float
        What it reads for the darkest and the brightest possible pixel.
    baseline : "blurred", "mean" or "black"
        Of integrated gradients; black is `low`.
    blur_px : float
    steps : int
        Of integrated gradients.
    layer : str, optional
        Of Grad-CAM.
    precision : "float64" or "float32"
        Of deep Taylor decomposition.
    """

    low: float = 0.0
    high: float = 1.0
    baseline: Baseline = "blurred"
    blur_px: float = BLUR_PX
    steps: int = STEPS
    layer: str | None = None
    precision: Precision = "float64"


def explain(
    network: nn.Module,
    x: ArrayLike | Tensor,
    target: int | Sequence[int] | NDArray[np.intp] | None = None,
    *,
    method: str = "deep-taylor",
    score: ScoreKind | Score = "logit",
    reading: Reading | None = None,
) -> Explanation:
    """Explain the scores of a batch of images by one of `METHODS`; for arguments see `deep_taylor`.

    Raises
    ------
    InputError
    """
    how = reading or Reading()
    if method == "deep-taylor":
        return deep_taylor(network, x, target, score=score, low=how.low, high=how.high, precision=how.precision)
    if method == "grad-cam":
        return grad_cam(network, x, target, score=score, layer=how.layer)
    if method == "gradient-input":
        return gradient_times_input(network, x, target, score=score)
    if method == "integrated-gradients":
        return integrated_gradients(
            network,
            x,
            target,
            score=score,
            baseline=how.baseline,
            steps=how.steps,
            black=how.low,
            blur_px=how.blur_px,
        )
    msg = f"method is {method!r}; wanted one of {', '.join(METHODS)}"
    raise InputError(msg)
