"""Which classifier of nano-porosity maps, on which maps, and how it is tested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cemvis.errors import InputError
from cemvis.images.pixel_size import PixelSize
from cemvis.models.class_splits import By
from cemvis.models.map_classifier import HEAD_TRAINING, MAP_TRAINING
from cemvis.models.map_classifier_model import (
    BACKBONE,
    CLASSIFIERS,
    DESCRIPTIONS,
    FEATURES,
    MULF,
    NETWORK,
    PORE_NETWORK,
    STATISTICS,
)
from cemvis.models.pore_network import CHANNELS
from cemvis.models.trainer_config import TrainerConfig
from cemvis.workflows._npm_maps import SIZE_PX


@dataclass(frozen=True)
class ClassifyConfig:
    """Which classifier, on which maps, and how it is tested.

    Attributes
    ----------
    features : tuple of {"mulf", "micf"}
        Kinds of maps; each is trained and tested on the same parts.
    classifier : {"pore-network", "backbone", "forest", "svm", "knn"}
    describe : {"statistics", "network", "backbone"}
        What forest, svm and knn learn from.
    backbone : str, optional
        Name of timm's network; see `cemvis.models.deep_features.open_backbone`.
    weights : Path, optional
        A cemvis model file, or weights of the backbone.
    size_px : int
    pixel_size : PixelSize, optional
        Taken instead of what the files say.
    by : {"auto", "specimen", "region"}
    folds : int
    augment : bool
        Whether the network sees maps turned and mirrored while it learns.
    channels : tuple of int
        Of the network.
    trainer : TrainerConfig
        Of the network. Its seed decides splits, first weights and all that is drawn, whatever the classifier.
    head : TrainerConfig
        Of the linear layer on a backbone, but for its seed.
    threads : int, optional
        Of the statistics.
    resume : bool
        Go on from the checkpoints of a run that was stopped.
    """

    features: tuple[str, ...] = (MULF,)
    classifier: str = PORE_NETWORK
    describe: str = STATISTICS
    backbone: str | None = None
    weights: Path | None = None
    size_px: int = SIZE_PX
    pixel_size: PixelSize | None = None
    by: By = "auto"
    folds: int = 1
    augment: bool = True
    channels: tuple[int, ...] = CHANNELS
    trainer: TrainerConfig = MAP_TRAINING
    head: TrainerConfig = HEAD_TRAINING
    threads: int | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        for name, values, known in (
            ("features", self.features, FEATURES),
            ("classifier", (self.classifier,), CLASSIFIERS),
            ("describe", (self.describe,), DESCRIPTIONS),
        ):
            if not values or len(set(values)) < len(values) or any(value not in known for value in values):
                msg = f"{name} is {', '.join(values) or 'nothing'}; wanted one of {', '.join(known)}, each once"
                raise InputError(msg)

    @property
    def described_by(self) -> str:
        """What the classifier decides by, one of `DESCRIPTIONS`."""
        return {PORE_NETWORK: NETWORK, BACKBONE: BACKBONE}.get(self.classifier, self.describe)
