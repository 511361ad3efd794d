"""One training and test of a classifier: a fold, on maps of one kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis.models.calibration_curve import fitted_temperature, probabilities, reliability
from cemvis.models.class_splits import ClassSplit
from cemvis.models.deep_features import Backbone
from cemvis.models.history import History
from cemvis.models.map_classifier import network_features, seeded, train_head, train_pore_network
from cemvis.models.map_classifier_model import (
    BACKBONE,
    NETWORK,
    PORE_NETWORK,
    SEEN_DIGITS,
    STATISTICS,
    ClassModel,
    ClassTest,
    ClassTraining,
    network_arrays,
)
from cemvis.models.map_classifier_predict import ClassPredictor
from cemvis.models.map_classifier_scores import ClassifierScores, classifier_scores
from cemvis.models.map_classifier_statistics import map_statistics
from cemvis.models.map_examples import Levels
from cemvis.models.trainer_config import TrainerConfig
from cemvis.workflows._classify_store import sigma_of
from cemvis.workflows._npm_maps import MapSet

Floats = NDArray[np.float64]

_AT_ONCE = 32


@dataclass(frozen=True)
class Job:
    """What all folds share."""

    maps: MapSet
    classifier: str
    describe: str
    trainer: TrainerConfig
    head: TrainerConfig
    channels: tuple[int, ...]
    augment: bool
    backbone: Backbone | None
    threads: int | None
    warnings: tuple[str, ...]
    folds: int


@dataclass(frozen=True)
class Fold:
    """A trained classifier and what it said of the maps it was tested on.

    Attributes
    ----------
    model : ClassModel
    split : ClassSplit
    history : History or None
        Of a network or a linear head.
    test_scores : (n, classes) float64
        Before the temperature.
    """

    model: ClassModel
    split: ClassSplit
    history: History | None
    test_scores: Floats


def described(
    job: Job, levels: Levels, progress: Callable[[int, int], None] | None = None
) -> NDArray[np.float64] | None:
    """Return the features of all maps, (maps, width), where they do not depend on what is trained; else None."""
    if job.describe == NETWORK:
        return None
    parts = np.array_split(np.arange(len(job.maps)), -(-len(job.maps) // _AT_ONCE))
    found = []
    for part in parts:
        if job.describe == STATISTICS:
            found.append(map_statistics(levels, part, threads=job.threads))
        else:
            assert job.backbone is not None
            found.append(job.backbone.of(levels, part, device=job.trainer.device))
        if progress is not None:
            progress(int(part[-1]) + 1, len(job.maps))
    return np.concatenate(found)


def run_fold(
    job: Job,
    split: ClassSplit,
    levels: Levels,
    *,
    features: str,
    fold: int,
    table: Floats | None,
    checkpoint: Path | None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Fold:
    """Train on one part, choose epoch and temperature by the second, and test on the third.

    `table` is that of `described`.
    """
    labels = job.maps.labels()
    trainer = seeded(job.trainer, fold)
    model, history = _trained(job, split, levels, labels, trainer, features, fold, table, checkpoint, progress)
    predictor = ClassPredictor(model, backbone=job.backbone, device=trainer.device, threads=job.threads)

    def scores(indices: NDArray[np.intp]) -> Floats:
        return predictor.scores(levels, indices) if table is None else predictor.scores_of_features(table[indices])

    model = replace(model, temperature=fitted_temperature(scores(split.validation), labels[split.validation]))
    test_scores = scores(split.test)
    found = tested(job.maps, split, test_scores.argmax(axis=1), split.test, seed=job.trainer.seed)
    probability = probabilities(test_scores, temperature=model.temperature)
    error = reliability(probability, labels[split.test]).expected_error
    return Fold(replace(model, test=scored(found, error)), split, history, test_scores)


def tested(
    maps: MapSet, split: ClassSplit, answers: NDArray[np.intp], indices: NDArray[np.intp], *, seed: int
) -> ClassifierScores:
    """Compare the answers on some maps with their classes."""
    return classifier_scores(
        maps.labels()[indices],
        answers,
        maps.specimens()[indices],
        maps.regions()[indices],
        classes=maps.classes,
        by=split.tested_by,
        seed=seed,
    )


def scored(found: ClassifierScores, expected_error: float) -> ClassTest:
    """Return what a model's file says of its test."""
    interval = found.interval
    return ClassTest(
        found.accuracy,
        found.balanced_accuracy,
        found.chance,
        interval.low,
        interval.high,
        interval.by,
        interval.groups,
        expected_error,
    )


def _trained(
    job: Job,
    split: ClassSplit,
    levels: Levels,
    labels: NDArray[np.intp],
    trainer: TrainerConfig,
    features: str,
    fold: int,
    table: Floats | None,
    checkpoint: Path | None,
    progress: Callable[[str, int, int], None] | None,
) -> tuple[ClassModel, History | None]:
    arrays: dict[str, NDArray[Any]] = {}
    history = None
    name = f"{features}, fold {fold + 1} of {job.folds}" if job.folds > 1 else features
    if job.describe == NETWORK:
        identity = {"maps": job.maps.digest, "features": features, "train": split.train.tolist()}
        identity["validation"] = split.validation.tolist()
        found = train_pore_network(
            levels,
            labels,
            split.train,
            split.validation,
            classes=len(job.maps.classes),
            size_px=job.maps.size_px,
            config=trainer,
            channels=job.channels,
            augment=job.augment,
            checkpoint=checkpoint,
            job={**identity, "channels": list(job.channels), "augment": job.augment},
            progress=None if progress is None else lambda at: progress(f"training, {name}", at.step, at.steps),
        )
        arrays, history = network_arrays(found.network), found.history
    if job.classifier == BACKBONE:
        assert table is not None
        head, history = _head(job, split, table, labels, trainer)
        arrays |= head
    elif job.classifier != PORE_NETWORK:
        if table is None:
            alone = _model(replace(job, classifier=PORE_NETWORK), None, features, 0, trainer, dict(arrays))
            found_features = network_features(alone.pore_network(), levels, split.train, device=trainer.device)
        else:
            found_features = table[split.train]
        arrays["learner.labels"] = labels[split.train].astype(np.float64)
        arrays["learner.features"] = found_features
    return _model(job, split, features, fold, trainer, arrays), history


def _head(
    job: Job, split: ClassSplit, table: Floats, labels: NDArray[np.intp], trainer: TrainerConfig
) -> tuple[dict[str, NDArray[Any]], History]:
    """Train a linear layer on the backbone's features, standardised by the maps trained on."""
    chosen = np.concatenate([split.train, split.validation])
    found = table[chosen]
    mean, sd = found[: len(split.train)].mean(axis=0), found[: len(split.train)].std(axis=0)
    scale = np.where(sd > 1e-12 * (1.0 + np.abs(mean)), sd, 1.0)
    parts = np.arange(len(split.train)), np.arange(len(split.train), len(chosen))
    config = replace(job.head, seed=trainer.seed)
    head, history = train_head(
        (found - mean) / scale, labels[chosen], *parts, classes=len(job.maps.classes), config=config
    )
    weight, bias = (each.detach().double().numpy() for each in (head.weight, head.bias))
    return {"head.weight": weight, "head.bias": bias, "head.mean": mean, "head.scale": scale}, history


def _model(
    job: Job,
    split: ClassSplit | None,
    features: str,
    fold: int,
    trainer: TrainerConfig,
    arrays: dict[str, NDArray[Any]],
) -> ClassModel:
    """Return a model that was not tested yet."""
    maps = job.maps
    nothing = np.empty(0, np.intp)
    parts = (nothing,) * 3 if split is None else (split.train, split.validation, split.test)
    seen = np.unique(maps.images()[np.concatenate(parts[:2])])
    return ClassModel(
        classifier=job.classifier,
        describe=job.describe,
        classes=maps.classes,
        features=features,
        sigma_px=sigma_of(features),
        size_px=maps.size_px,
        pixel_size_um=maps.pixel_size_um,
        temperature=1.0,
        channels=job.channels if job.describe == NETWORK else (),
        backbone=job.backbone.name if job.backbone and job.describe == BACKBONE else "",
        backbone_digest=job.backbone.digest if job.backbone and job.describe == BACKBONE else "",
        training=ClassTraining(
            maps_digest=maps.digest,
            train_maps=len(parts[0]),
            validation_maps=len(parts[1]),
            test_maps=len(parts[2]),
            seen=tuple(maps.image_digests[image][:SEEN_DIGITS] for image in seen),
            tested_by="none" if split is None else split.tested_by,
            validated_by="none" if split is None else split.validated_by,
            seed=trainer.seed,
            fold=fold + 1,
            folds=job.folds,
        ),
        test=ClassTest(0.0, 0.0, 0.0, None, None, "none", 0, 0.0),
        warnings=job.warnings,
        version=__version__,
        arrays=arrays,
    )


def job_json(job: Job) -> dict[str, Any]:
    """Return what all folds share, JSON-ready."""
    backbone = None if job.backbone is None else {"name": job.backbone.name, "digest": job.backbone.digest}
    trainer = job.trainer if job.describe == NETWORK else None
    if job.classifier == BACKBONE:
        trainer = replace(job.head, seed=job.trainer.seed)
    return {
        "classifier": job.classifier,
        "describe": job.describe,
        "channels": list(job.channels) if job.describe == NETWORK else [],
        "augment": job.augment,
        "backbone": backbone,
        "trainer": None if trainer is None else asdict(trainer),
    }
