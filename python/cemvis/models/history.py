"""How a training went, epoch by epoch."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One line of a training's history; losses are means over the examples."""

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float


@dataclass(frozen=True)
class History:
    """How a training went, epoch by epoch."""

    epochs: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch:
        """The first epoch of the least validation loss: the one whose weights were kept."""
        return min(self.epochs, key=lambda one: one.validation_loss)

    def to_csv(self) -> str:
        """Return the history as CSV text."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["epoch", "learning_rate", "train_loss", "validation_loss", "best"])
        for one in self.epochs:
            numbers = (one.learning_rate, one.train_loss, one.validation_loss)
            table.writerow([one.epoch, *(f"{value:.6g}" for value in numbers), int(one == self.best)])
        return text.getvalue()
