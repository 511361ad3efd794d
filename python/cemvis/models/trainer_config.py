"""How a network is trained."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from cemvis._checks import positive
from cemvis.errors import InputError

Schedule = Literal["plateau", "one-cycle", "constant"]
Precision = Literal["no", "bf16", "fp16"]


@dataclass(frozen=True)
class TrainerConfig:
    """How to train; the defaults are the paper's.

    Attributes
    ----------
    epochs, batch : int
        Passes over the training examples, and examples in a step; a pass is cut into steps of nearly equal size.
    learning_rate : float
        Of Adam; the highest one of ``schedule="one-cycle"``.
    schedule : {"plateau", "one-cycle", "constant"}
        "plateau" multiplies the rate by `plateau_factor` after `plateau_epochs` epochs without a better validation
        loss; "one-cycle" rises for 30 % of all steps and falls to almost nothing at the last one.
    plateau_epochs : int
    plateau_factor : float
    stop_after : int or None
        Stop after so many epochs without a better validation loss; None for never.
    weight_decay : float
        Decoupled (AdamW) if above 0.
    seed : int
    precision : {"no", "bf16", "fp16"}
        Of the arithmetic where it tolerates it; weights stay float32.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    checkpoint_every_s : float
        Seconds between checkpoints within an epoch; each epoch ends with one.
    """

    epochs: int = 100
    batch: int = 32
    learning_rate: float = 1e-5
    schedule: Schedule = "plateau"
    plateau_epochs: int = 5
    plateau_factor: float = 0.9
    stop_after: int | None = None
    weight_decay: float = 0.0
    seed: int = 0
    precision: Precision = "no"
    device: str = "auto"
    checkpoint_every_s: float = 300.0

    def __post_init__(self) -> None:
        wholes = {"epochs": 1, "batch": 2, "plateau_epochs": 1} | ({} if self.stop_after is None else {"stop_after": 1})
        for name, least in wholes.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 1_000_000:
                msg = f"{name} is {value!r}; wanted a whole number from {least} to 1,000,000"
                raise InputError(msg)
        positive(self.learning_rate, name="learning_rate")
        if not self.checkpoint_every_s >= 0:
            msg = f"checkpoint_every_s is {self.checkpoint_every_s!r}; wanted seconds, 0 or more"
            raise InputError(msg)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            msg = f"seed is {self.seed!r}; wanted a whole number from 0 to 2**32 - 1"
            raise InputError(msg)
        if not 0 < self.plateau_factor < 1 or not 0 <= self.weight_decay < math.inf:
            msg = (
                f"plateau_factor {self.plateau_factor}, weight_decay {self.weight_decay}; wanted 0 to 1, and 0 or more"
            )
            raise InputError(msg)
        for name, known in (("schedule", get_args(Schedule)), ("precision", get_args(Precision))):
            if getattr(self, name) not in known:
                msg = f"{name} is {getattr(self, name)!r}; wanted one of {', '.join(known)}"
                raise InputError(msg)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on, JSON-ready: a checkpoint is only continued with the same."""
        return {name: value for name, value in asdict(self).items() if name not in ("device", "checkpoint_every_s")}
