"""Training the seven-convolution network on nano-porosity maps, and its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cemvis.errors import InputError
from cemvis.models.device import torch_device
from cemvis.models.history import History
from cemvis.models.map_examples import Indices, Levels, MapExamples, as_input
from cemvis.models.pore_network import CHANNELS, PoreNetwork
from cemvis.models.trainer import Loss, Moment, fit
from cemvis.models.trainer_config import TrainerConfig

Floats = NDArray[np.float64]

BATCH = 8
_SETTLING_MAPS = 128
MAP_TRAINING = TrainerConfig(
    epochs=40, batch=BATCH, learning_rate=2e-3, schedule="plateau", plateau_epochs=4, plateau_factor=0.5, stop_after=12
)
"""How the network is trained where nothing else is said."""
HEAD_TRAINING = replace(MAP_TRAINING, epochs=60, learning_rate=0.02, plateau_epochs=3, stop_after=8, device="cpu")
"""How a linear layer on features is trained where nothing else is said."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of its best epoch, and how its training went."""

    network: PoreNetwork
    history: History


def train_pore_network(
    levels: Levels,
    labels: Indices,
    train: Indices,
    validation: Indices,
    *,
    classes: int,
    size_px: int,
    config: TrainerConfig = MAP_TRAINING,
    channels: tuple[int, ...] = CHANNELS,
    augment: bool = True,
    checkpoint: Path | None = None,
    job: Mapping[str, Any] | None = None,
    progress: Callable[[Moment], None] | None = None,
) -> TrainedNetwork:
    """Train a network to tell classes apart: cross-entropy, classes weighted to count alike.

    Parameters
    ----------
    levels : callable
        Returns maps, (n, size, size) uint8, by their indices.
    labels : (m,) int
        Class of every map.
    train, validation : (n,) int
        Maps to learn from, and maps whose loss says which epoch was best.
    classes, size_px : int
    config : TrainerConfig
        Its seed decides the first weights as well.
    channels : tuple of int
    augment : bool
        Whether maps are turned and mirrored at random.
    checkpoint : Path, optional
        Where to keep what a killed run needs to go on.
    job : mapping, optional
        What else the result depends on, JSON-ready.
    progress : callable, optional
        Called after each step.

    Raises
    ------
    InputError
        If the maps are too small for the network, or there are too few.
    TrainingError
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = PoreNetwork(classes, channels)
    if size_px < network.smallest_map_px:
        msg = (
            f"maps are {size_px} px; a network of {len(channels)} convolutions wants at least "
            f"{network.smallest_map_px} px: cut larger maps, or take --classifier forest, svm or knn"
        )
        raise InputError(msg)
    parts = MapExamples(levels, train, labels, augment=augment), MapExamples(levels, validation, labels)
    loss = _SettledLoss(weighted_cross_entropy(labels[train], classes), parts[0])
    history = fit(network, loss, *parts, config, checkpoint=checkpoint, job=job, progress=progress)
    return TrainedNetwork(network.cpu(), history)


def train_head(
    features: Floats,
    labels: Indices,
    train: Indices,
    validation: Indices,
    *,
    classes: int,
    config: TrainerConfig,
) -> tuple[nn.Linear, History]:
    """Train one linear layer on features that stay as they are, (m, width) float64, with the same trainer and loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head = nn.Linear(features.shape[1], classes)
    loss = weighted_cross_entropy(labels[train], classes)
    parts = _Features(features, labels, train), _Features(features, labels, validation)
    history = fit(head, loss, *parts, config)
    return head.cpu(), history


def weighted_cross_entropy(labels: Indices, classes: int) -> Loss:
    """Return a loss in which each class counts alike, however many of `labels` are of it."""
    count = np.bincount(labels, minlength=classes)
    if (count == 0).any():
        msg = f"class number {int(count.argmin()) + 1} has no map to train on; wanted some of each class"
        raise InputError(msg)
    weight = torch.from_numpy(len(labels) / (classes * count)).float()

    def loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        maps, wanted = batch
        each = nn.functional.cross_entropy(network(maps).float(), wanted, reduction="none")
        return (each * weight.to(each.device)[wanted]).mean()

    return loss


class _SettledLoss:
    """A loss that settles a network's batch normalisation before each validation.

    Running statistics trail behind the weights. Classes that differ in fine texture alone differ by little of what the
    last layers normalise, and that lag then decides the answers: validation losses of 4 to 24 beside 0.1 in training.
    """

    def __init__(self, loss: Loss, train: MapExamples) -> None:
        self.loss, self.train = loss, train
        self._settled = False

    def __call__(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        if network.training:
            self._settled = False
        elif not self._settled:
            settle(network, self.train, device=batch[0].device)
            self._settled = True
        return self.loss(network, batch)


def settle(network: nn.Module, examples: MapExamples, *, device: torch.device) -> None:
    """Give batch normalisation the mean statistics of up to 128 maps under the weights as they are."""
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # the mean over all batches
    chosen = np.random.default_rng(0).permutation(len(examples))[:_SETTLING_MAPS]
    network.train()
    with torch.no_grad():
        for part in np.array_split(chosen, max(1, len(chosen) // BATCH)):
            maps = torch.from_numpy(examples.batch(part, None)[0]).to(device)
            network(maps.contiguous(memory_format=torch.channels_last))
    network.eval()
    for each, momentum in zip(norms, momenta, strict=True):
        each.momentum = momentum


def network_scores(
    network: nn.Module, levels: Levels, indices: Indices, *, device: str = "cpu", batch: int = BATCH
) -> Floats:
    """Return logits, (n, classes) float64, of maps by their indices; `batch` of them in memory at a time."""
    return _in_batches(network, network, levels, indices, device=device, batch=batch)


def network_features(
    network: PoreNetwork, levels: Levels, indices: Indices, *, device: str = "cpu", batch: int = BATCH
) -> Floats:
    """Return what the linear layer weighs, (n, channels) float64, of maps by their indices."""
    return _in_batches(network, network.features, levels, indices, device=device, batch=batch)


def _in_batches(
    network: nn.Module,
    ask: Callable[[Tensor], Tensor],
    levels: Levels,
    indices: Indices,
    *,
    device: str,
    batch: int,
) -> Floats:
    where = torch_device(device)
    network.to(where).eval()
    found = []
    with torch.inference_mode():
        for begin in range(0, len(indices), batch):
            maps = torch.from_numpy(as_input(levels(indices[begin : begin + batch]))).to(where)
            found.append(ask(maps.contiguous(memory_format=torch.channels_last)).double().cpu().numpy())
    network.cpu()
    return np.concatenate(found)


class _Features:
    """Features as examples of a linear layer."""

    def __init__(self, features: Floats, labels: Indices, indices: Indices) -> None:
        self.features, self.labels, self.indices = features.astype(np.float32), labels, indices

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Indices, rng: np.random.Generator | None) -> tuple[NDArray[Any], ...]:  # noqa: ARG002
        chosen = self.indices[indices]
        return self.features[chosen], self.labels[chosen].astype(np.int64)


def seeded(config: TrainerConfig, fold: int) -> TrainerConfig:
    """Return the config with the seed of a fold, so that folds differ in more than their maps."""
    return replace(config, seed=(config.seed + fold) % 2**32)
