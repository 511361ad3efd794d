"""What is compared, and how far it goes."""

from __future__ import annotations

from dataclasses import dataclass

from cemvis.errors import InputError
from cemvis.images.pixel_size import PixelSize
from cemvis.models.map_classifier import MAP_TRAINING
from cemvis.models.map_classifier_model import MICF, MULF
from cemvis.models.pore_network import CHANNELS
from cemvis.models.trainer_config import TrainerConfig
from cemvis.workflows._npm_maps import MICF_SIGMA_PX, SIZE_PX

WHOLE_MAPS, EXPLAINED_MAPS = 100, 40


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What is compared, and how far it goes.

    Attributes
    ----------
    images : bool
        Whether the sources are images of metal-intruded paste, to be calibrated first, rather than nano-porosity maps.
    features : tuple of {"mulf", "micf"}
        Kinds of maps to classify; the first is explained and correlated.
    size_px : int
        Edge of a map.
    pixel_size : PixelSize, optional
        Instead of what the files say.
    explained_maps, whole_maps : int
        Maps of each class, of those never trained on, that are explained; and that are correlated as a whole.
    r_max : int, optional
        Largest distance in px; by default half the map, less one.
    channels : tuple of int
        Of the network.
    trainer : TrainerConfig
    draws : int
        Of each null of the shared patterns.
    folds : int
        Trainings, which together test more specimens or all; the first one's network is explained.
    seed : int
    threads : int, optional
    resume : bool
        Keep the steps of a stopped run.
    """

    images: bool = False
    features: tuple[str, ...] = (MULF, MICF)
    size_px: int = SIZE_PX
    pixel_size: PixelSize | None = None
    explained_maps: int = EXPLAINED_MAPS
    whole_maps: int = WHOLE_MAPS
    r_max: int | None = None
    channels: tuple[int, ...] = CHANNELS
    trainer: TrainerConfig = MAP_TRAINING
    draws: int = 20
    folds: int = 1
    seed: int = 0
    threads: int | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        for name, least in (("explained_maps", 1), ("whole_maps", 1), ("draws", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                msg = f"{name} is {value!r}; wanted a whole number of {least} or more"
                raise InputError(msg)
        if self.r_max is not None and not 2 <= self.r_max < self.size_px:
            msg = f"r_max is {self.r_max} px of maps of {self.size_px} px; wanted from 2 to less than the map"
            raise InputError(msg)

    @property
    def reach_px(self) -> int:
        """Largest distance that is counted."""
        return self.size_px // 2 - 1 if self.r_max is None else self.r_max

    @property
    def sigma_px(self) -> float | None:
        """Of the Gaussian through which explained maps go."""
        return MICF_SIGMA_PX if self.features[0] == MICF else None
