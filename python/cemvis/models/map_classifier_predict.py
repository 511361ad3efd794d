"""A classifier at work: scores and probabilities of maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.models.calibration_curve import probabilities
from cemvis.models.deep_features import Backbone, open_backbone
from cemvis.models.map_classifier import network_features, network_scores
from cemvis.models.map_classifier_learners import Learner
from cemvis.models.map_classifier_model import BACKBONE, NETWORK, PORE_NETWORK, ClassModel
from cemvis.models.map_classifier_statistics import map_statistics
from cemvis.models.map_examples import Indices, Levels

Floats = NDArray[np.float64]


class ClassPredictor:
    """A `ClassModel` with what it needs to answer.

    Parameters
    ----------
    model : ClassModel
    backbone : Backbone, optional
        Of a model on a pretrained backbone.
    device : str
    threads : int, optional
        Of the statistics.

    Raises
    ------
    InputError
        If the model wants another backbone.
    """

    def __init__(
        self, model: ClassModel, *, backbone: Backbone | None = None, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.model, self.device, self.threads = model, device, threads
        self._backbone = backbone
        if model.describe == BACKBONE and (backbone is None or backbone.digest != model.backbone_digest):
            given = "none" if backbone is None else f"{backbone.name} of digest {backbone.digest[:12]}"
            msg = (
                f"the model wants the backbone {model.backbone} of digest {model.backbone_digest[:12]}, got {given}; "
                "give the weights that it was trained with (--weights)"
            )
            raise InputError(msg)
        self._network = model.pore_network() if model.describe == NETWORK else None
        self._learner = _learner(model)

    @classmethod
    def of(
        cls, model: ClassModel, weights: Path | None, *, device: str = "cpu", threads: int | None = None
    ) -> ClassPredictor:
        """Return a predictor, with its backbone from `weights` or, by its name, from timm."""
        backbone = None
        if model.describe == BACKBONE:
            own = model.backbone in (PORE_NETWORK, "resnet")
            backbone = open_backbone(None if own else model.backbone, weights)
        return cls(model, backbone=backbone, device=device, threads=threads)

    def features(self, levels: Levels, indices: Indices) -> Floats:
        """Return what the last step decides by, (n, width) float64; maps as the model wants them (MulF or MicF)."""
        if self._backbone is not None and self.model.describe == BACKBONE:
            return self._backbone.of(levels, indices, device=self.device)
        if self._network is not None:
            return network_features(self._network, levels, indices, device=self.device)
        return map_statistics(levels, indices, threads=self.threads)

    def scores(self, levels: Levels, indices: Indices) -> Floats:
        """Return scores, (n, classes) float64, before temperature and softmax."""
        if self.model.classifier == PORE_NETWORK:
            assert self._network is not None
            return network_scores(self._network, levels, indices, device=self.device)
        return self.scores_of_features(self.features(levels, indices))

    def scores_of_features(self, features: Floats) -> Floats:
        """Return scores for features that are there already."""
        if self._learner is not None:
            return self._learner.scores(features)
        arrays = self.model.arrays
        standard = (features - arrays["head.mean"]) / arrays["head.scale"]
        found: Floats = standard @ arrays["head.weight"].T + arrays["head.bias"]
        return found

    def probabilities(self, levels: Levels, indices: Indices) -> Floats:
        """Return class probabilities, (n, classes) float64, each row adding up to 1."""
        return probabilities(self.scores(levels, indices), temperature=self.model.temperature)


def _learner(model: ClassModel) -> Learner | None:
    if model.classifier in (PORE_NETWORK, BACKBONE):
        return None
    labels = model.arrays["learner.labels"].astype(np.intp)
    return Learner(model.classifier, np.array(model.arrays["learner.features"]), labels, seed=model.training.seed)
