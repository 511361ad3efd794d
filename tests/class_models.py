"""Classifiers with made-up numbers, for tests of files, cards and predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cemvis.models.map_classifier_model import ClassModel, ClassTest, ClassTraining, network_arrays
from cemvis.models.pore_network import PoreNetwork

CHANNELS = (4, 4, 6)


def pore_class_model(classes: tuple[str, ...] = ("plain", "graphene"), *, seed: int = 0) -> ClassModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = PoreNetwork(len(classes), CHANNELS)
        for layer in network.layers():
            if isinstance(layer, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(layer.running_mean, -0.2, 0.2)
                torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return ClassModel(
        classifier="pore-network",
        describe="network",
        classes=classes,
        features="mulf",
        sigma_px=None,
        size_px=32,
        pixel_size_um=0.052,
        temperature=1.5,
        channels=CHANNELS,
        backbone="",
        backbone_digest="",
        training=ClassTraining("ab" * 32, 40, 8, 12, ("0123456789abcdef",), "specimen", "region", 3, 1, 1),
        test=ClassTest(0.75, 0.7, 0.5, 0.6, 0.9, "specimen", 4, 0.05),
        warnings=("class and specimen coincide",),
        version="0.0.0",
        arrays=network_arrays(network),
    )


def learner_class_model(kind: str = "knn") -> ClassModel:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 10)
    features = rng.normal(size=(20, 22)) + 3 * labels[:, None]
    return replace(
        pore_class_model(),
        classifier=kind,
        describe="statistics",
        channels=(),
        arrays={"learner.features": features, "learner.labels": labels.astype(np.float64)},
    )
