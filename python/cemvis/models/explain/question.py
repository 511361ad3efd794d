"""The question that gradients and perturbations ask of a network again and again: the score of each image."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from cemvis.models.explain._batches import batch_of, targets_of
from cemvis.models.explain.explanation import Explanation, Floats, Score, ScoreKind
from cemvis.models.resnet import ResNet


@dataclass(frozen=True, eq=False)
class Question:
    """A network and what is asked of each image of a batch, settled by the images as they are.

    Attributes
    ----------
    network : nn.Module
        A copy that predicts.
    values : (n, 1, rows, cols)
        The images in the network's precision.
    targets : (n,) intp
    outputs : (n, k) float64
    weights, offsets : (n, k) and (n,) float64
        The score is ``weights @ outputs + offsets``.
    """

    network: nn.Module
    values: Tensor
    targets: NDArray[np.intp]
    outputs: Floats
    weights: Floats
    offsets: Floats

    @classmethod
    def of(
        cls,
        network: nn.Module,
        x: ArrayLike | Tensor,
        target: int | Sequence[int] | NDArray[np.intp] | None = None,
        *,
        score: ScoreKind | Score = "logit",
    ) -> Question:
        """Return the question about the images `x`; see `deep_taylor` for what it is given.

        Raises
        ------
        InputError
        """
        ready = copy.deepcopy(network).eval()
        dtype = next((each.dtype for each in ready.parameters()), torch.float32)
        values = batch_of(x, dtype)
        classes = not isinstance(network, ResNet)
        with torch.no_grad():
            outputs = _asked(ready, values).double().numpy()
        targets = targets_of(target, outputs, classes=classes)
        return cls(ready, values, targets, outputs, *Score.of(score).weights(outputs, targets, classes=classes))

    @property
    def score(self) -> Floats:
        """Of the images as they are, (n,) float64."""
        found: Floats = (self.weights * self.outputs).sum(axis=1) + self.offsets
        return found

    def scores(self, values: Tensor) -> Tensor:
        """Return the scores of other images in place of these, (n,), so that gradients can pass."""
        outputs = _asked(self.network, values)
        weights, offsets = (torch.from_numpy(each).to(outputs) for each in (self.weights, self.offsets))
        return (weights * outputs).sum(dim=1) + offsets

    def scored(self, images: Floats) -> Floats:
        """Return the scores of images (n, rows, cols) in place of these, (n,) float64."""
        with torch.inference_mode():
            found: Floats = self.scores(batch_of(images, self.values.dtype)).double().numpy()
            return found

    def answer(self, method: str, relevance: Tensor, *, expected: Floats | None = None) -> Explanation:
        """Return an explanation of the scores by `method` in which nothing gets absorbed."""
        count = len(self.values)
        return Explanation(
            method,
            relevance.detach().reshape(count, *self.values.shape[-2:]).double().numpy(),
            self.score,
            self.targets,
            self.outputs,
            np.ones(count, bool),
            expected,
            (),
            np.zeros((count, 0)),
            np.zeros((count, 0), np.int64),
        )


def _asked(network: nn.Module, values: Tensor) -> Tensor:
    outputs: Tensor = network(values)
    return outputs[:, : network.layout.targets] if isinstance(network, ResNet) else outputs
