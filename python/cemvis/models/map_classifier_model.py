"""A trained classifier of nano-porosity maps: what it was trained on, how well it did, and its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

if TYPE_CHECKING:
    from cemvis.models.pore_network import PoreNetwork

PORE_NETWORK, BACKBONE = "pore-network", "backbone"
CLASSIFIERS = (PORE_NETWORK, BACKBONE, "forest", "svm", "knn")
STATISTICS, NETWORK = "statistics", "network"
DESCRIPTIONS = (STATISTICS, NETWORK, BACKBONE)
"""What a classical learner learns from: statistics of the map, features of the seven-convolution network, which is
trained first on the same maps, or features of a pretrained backbone."""
MULF, MICF = "mulf", "micf"
FEATURES = (MULF, MICF)
SEEN_DIGITS = 16
_LEAST_SIZE_PX, _MOST_SIZE_PX, _MOST_SIGMA_PX = 8, 65536, 1000.0


@dataclass(frozen=True)
class ClassTraining:
    """What a classifier was trained on.

    Attributes
    ----------
    maps_digest : str
        Of the `MapSet` that all parts were taken from.
    train_maps, validation_maps, test_maps : int
    seen : tuple of str
        The first `SEEN_DIGITS` of the pixels' SHA-256 of each image that was trained or validated on.
    tested_by, validated_by : {"specimen", "region"}
    seed : int
    fold, folds : int
        Which of how many trainings this is, from 1.
    """

    maps_digest: str
    train_maps: int
    validation_maps: int
    test_maps: int
    seen: tuple[str, ...]
    tested_by: str
    validated_by: str
    seed: int
    fold: int
    folds: int

    def known(self, digests: Iterable[str]) -> int:
        """Return how many images, each by the SHA-256 of its pixels, were trained or validated on."""
        return sum(digest[:SEEN_DIGITS] in self.seen for digest in digests)


@dataclass(frozen=True)
class ClassTest:
    """How well a classifier did on the maps set aside for this.

    Attributes
    ----------
    accuracy, balanced_accuracy, chance : float
    low, high : float or None
        95 % interval of the accuracy.
    interval_by : {"specimen", "region", "none"}
    interval_groups : int
    expected_error : float
        Expected calibration error of the probabilities with the temperature.
    """

    accuracy: float
    balanced_accuracy: float
    chance: float
    low: float | None
    high: float | None
    interval_by: str
    interval_groups: int
    expected_error: float


@dataclass(frozen=True, eq=False)
class ClassModel:
    """A trained classifier of maps, as numbers.

    Attributes
    ----------
    classifier : str
        One of `CLASSIFIERS`.
    describe : str
        One of `DESCRIPTIONS`; "network" for the seven-convolution network itself.
    classes : tuple of str
    features : {"mulf", "micf"}
        Maps as calibrated, or through a Gaussian of `sigma_px`.
    sigma_px : float or None
    size_px : int
        Edge of the maps that it was trained on.
    pixel_size_um : float
    temperature : float
        By which scores are divided before their softmax; fitted on the validation maps.
    channels : tuple of int
        Of the seven-convolution network; empty without one.
    backbone, backbone_digest : str
        Name and weights' digest of a pretrained network, which is not part of the file; empty without one.
    training : ClassTraining
    test : ClassTest
    warnings : tuple of str
        What limits what the test says.
    version : str
        Of cemvis.
    arrays : mapping of str to arrays
        "network.<name>" float32; "head.<name>" or "learner.<name>" float64.
    digest : str
        SHA-256 of the file; empty before it is written.

    Raises
    ------
    InputError
        If anything contradicts the rest.
    """

    classifier: str
    describe: str
    classes: tuple[str, ...]
    features: str
    sigma_px: float | None
    size_px: int
    pixel_size_um: float
    temperature: float
    channels: tuple[int, ...]
    backbone: str
    backbone_digest: str
    training: ClassTraining
    test: ClassTest
    warnings: tuple[str, ...]
    version: str
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    digest: str = ""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("classifier", self.classifier, CLASSIFIERS),
            ("describe", self.describe, DESCRIPTIONS),
            ("features", self.features, FEATURES),
        ):
            if value not in known:
                msg = f"{name} is {value!r}; wanted one of {', '.join(known)}"
                raise InputError(msg)
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            msg = f"the classes are {', '.join(self.classes) or 'none'}; wanted two or more, each once"
            raise InputError(msg)
        if bool(self.channels) != (self.describe == NETWORK) or bool(self.backbone) != (self.describe == BACKBONE):
            msg = f"a model on {self.describe} with channels {self.channels} and backbone {self.backbone!r}"
            raise InputError(msg)
        sigma = self.sigma_px
        if (sigma is None) != (self.features == MULF) or not (sigma is None or 0 < sigma <= _MOST_SIGMA_PX):
            msg = f"a model of {self.features} maps whose Gaussian has {sigma} px; wanted one, of MicF maps alone"
            raise InputError(msg)
        least = max(_LEAST_SIZE_PX, 2 ** max(0, len(self.channels) - 1))
        if not least <= self.size_px <= _MOST_SIZE_PX:
            msg = f"size_px is {self.size_px}; wanted {least} to {_MOST_SIZE_PX} px"
            raise InputError(msg)
        _check_arrays(self)

    @property
    def network_state(self) -> dict[str, NDArray[Any]]:
        """The arrays of the seven-convolution network under the names that PyTorch knows them by."""
        prefix = "network."
        return {name.removeprefix(prefix): each for name, each in self.arrays.items() if name.startswith(prefix)}

    def pore_network(self) -> PoreNetwork:
        """Return the seven-convolution network, ready to predict.

        Raises
        ------
        InputError
            If the classifier has none.
        """
        import torch

        from cemvis.models.pore_network import PoreNetwork

        if not self.channels:
            msg = f"this classifier ({self.classifier} on {self.describe}) holds no network; wanted one that does"
            raise InputError(msg)
        network = PoreNetwork(len(self.classes), self.channels)
        state = {name: torch.from_numpy(np.array(each)) for name, each in self.network_state.items()}
        counters = {name: each for name, each in network.state_dict().items() if name.endswith("num_batches_tracked")}
        network.load_state_dict(state | counters)
        return network.eval()


def network_arrays(network: PoreNetwork) -> dict[str, NDArray[Any]]:
    """Return the arrays of a network as `ClassModel` keeps them."""
    return {
        f"network.{name}": each.detach().cpu().contiguous().numpy().astype(np.float32)
        for name, each in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def _check_arrays(model: ClassModel) -> None:
    """Refuse arrays that are missing, unknown, or of a shape that does not fit."""
    found = {name: tuple(each.shape) for name, each in model.arrays.items()}
    wanted: dict[str, tuple[int | None, ...]] = {}
    classes, width = len(model.classes), None
    if model.channels:
        wanted |= _network_shapes(model.channels, classes)
        width = model.channels[-1]
    if model.classifier == BACKBONE:
        shape = found.get("head.mean", (0,))
        wanted |= {"head.weight": (classes, *shape), "head.bias": (classes,), "head.mean": shape, "head.scale": shape}
    elif model.classifier != PORE_NETWORK:
        labels = found.get("learner.labels", (0,))
        wanted |= {"learner.features": (*labels, width), "learner.labels": labels}
    wrong = [name for name in {*found, *wanted} if not _fits(found.get(name), wanted.get(name))]
    if wrong:
        name = min(wrong)
        msg = f"array {name!r} has shape {found.get(name)}; wanted {wanted.get(name)}"
        raise InputError(msg)
    if "learner.labels" in found:
        labels_in = model.arrays["learner.labels"]
        if not np.array_equal(np.unique(labels_in), np.arange(classes)):
            msg = "the labels that the learner was fitted to are not those of its classes"
            raise InputError(msg)


def _fits(found: tuple[int, ...] | None, wanted: tuple[int | None, ...] | None) -> bool:
    if found is None or wanted is None or len(found) != len(wanted):
        return False
    return all(want is None or have == want for have, want in zip(found, wanted, strict=True))


def _network_shapes(channels: tuple[int, ...], classes: int) -> dict[str, tuple[int | None, ...]]:
    shapes: dict[str, tuple[int | None, ...]] = {}
    come, at = 1, 0
    for index, go in enumerate(channels):
        shapes[f"network.chain.{at}.weight"] = (go, come, 3, 3)
        norm = f"network.chain.{at + 1}"
        shapes |= {f"{norm}.{name}": (go,) for name in ("weight", "bias", "running_mean", "running_var")}
        come, at = go, at + (4 if index < len(channels) - 1 else 3)
    return shapes | {f"network.chain.{at + 2}.weight": (classes, come), f"network.chain.{at + 2}.bias": (classes,)}
