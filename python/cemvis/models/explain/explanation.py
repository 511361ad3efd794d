"""What an explanation is, and of what: relevance of each pixel for one number that a network gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float64]
ScoreKind = Literal["logit", "contrast"]


@dataclass(frozen=True)
class Score:
    """The number that is explained.

    Attributes
    ----------
    kind : "logit" or "contrast"
        "logit" is the target's output itself. "contrast" is, between classes, that output minus the mean of all
        others, which is positive for the class that the network chose; for a network that predicts properties, how
        far its output is from the training mean, above or below.
    scale, offset : float
        What turns an output into the number, ``scale * output + offset``; a contrast takes the scale alone.

    Raises
    ------
    InputError
    """

    kind: ScoreKind = "logit"
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(ScoreKind):
            msg = f"score is {self.kind!r}; wanted {' or '.join(get_args(ScoreKind))}"
            raise InputError(msg)
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale <= 0:
            msg = f"a score of scale {self.scale:g} and offset {self.offset:g}; wanted finite numbers, scale above 0"
            raise InputError(msg)

    @classmethod
    def of(cls, score: ScoreKind | Score) -> Score:
        """Return `score` if it is one already, else the one of that kind."""
        return score if isinstance(score, Score) else cls(score)

    def weights(self, outputs: Floats, targets: NDArray[np.intp], *, classes: bool) -> tuple[Floats, Floats]:
        """Return ``(n, k)`` weights and ``(n,)`` offsets so that a score is ``weights @ outputs + offset``.

        Parameters
        ----------
        outputs : (n, k) float64
        targets : (n,)
            Which output of each is asked about.
        classes : bool
            Whether outputs are logits of classes, else of properties.
        """
        count, outs = outputs.shape
        chosen = np.zeros((count, outs))
        chosen[np.arange(count), targets] = 1.0
        if self.kind == "logit":
            return self.scale * chosen, np.full(count, self.offset)
        if not classes:
            side = np.where(outputs[np.arange(count), targets] < 0, -1.0, 1.0)
            return self.scale * side[:, np.newaxis] * chosen, np.zeros(count)
        if outs < 2:
            msg = "a contrast between classes needs at least two of them; take the score logit"
            raise InputError(msg)
        return self.scale * (chosen - (1.0 - chosen) / (outs - 1)), np.zeros(count)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Relevance maps of a batch.

    Attributes
    ----------
    method : str
    relevance : (n, h, w) float64
        Zero everywhere where the score cannot be explained, see `explained`.
    score : (n,) float64
    target : (n,) intp
        Output that was asked about.
    outputs : (n, k) float64
        All of the network's.
    explained : (n,) bool
        Deep Taylor decomposition explains a positive score only; the others explain any.
    expected : (n,) float64 or None
        What relevance and what was absorbed should add up to; None for a method that promises nothing.
    layers : tuple of str
        Those in which relevance can get lost, from the input on; empty but for deep Taylor decomposition.
    lost : (n, layers) float64
        Relevance of units that are active by their bias alone, and so cannot pass it on.
    lost_units : (n, layers) int64
        How many units that are.
    """

    method: str
    relevance: Floats
    score: Floats
    target: NDArray[np.intp]
    outputs: Floats
    explained: NDArray[np.bool_]
    expected: Floats | None
    layers: tuple[str, ...]
    lost: Floats
    lost_units: NDArray[np.int64]

    @property
    def absorbed(self) -> Floats:
        """What biases absorbed of each score, (n,) float64."""
        total: Floats = self.lost.sum(axis=1)
        return total

    @property
    def absorbed_share(self) -> Floats:
        """`absorbed` as a share of the score, (n,) float64; NaN where nothing is explained."""
        share = np.full(len(self.score), np.nan)
        np.divide(self.absorbed, self.score, out=share, where=self.explained)
        return share

    @property
    def conservation_error(self) -> Floats:
        """By how much relevance and what was absorbed miss `expected`, relative to it, (n,) float64.

        NaN where nothing was explained or promised.
        """
        error = np.full(len(self.score), np.nan)
        if self.expected is None:
            return error
        found = self.relevance.sum(axis=(1, 2)) + self.absorbed
        there = self.explained & (self.expected != 0)
        np.divide(np.abs(found - self.expected), np.abs(self.expected), out=error, where=there)
        return error

    def joined(self, other: Explanation) -> Explanation:
        """Return the explanations of this batch and then those of another one, by the same method."""
        return joined([self, other])


def joined(parts: Sequence[Explanation]) -> Explanation:
    """Return the explanations of several batches, by one method, as one.

    Raises
    ------
    InputError
        If there are none, or they are by different methods.
    """
    if not parts or len({(each.method, each.layers) for each in parts}) != 1:
        msg = f"{len(parts)} explanations to join; wanted at least one, all by one method of one network"
        raise InputError(msg)
    expected = [each.expected for each in parts if each.expected is not None]
    return Explanation(
        parts[0].method,
        np.concatenate([each.relevance for each in parts]),
        np.concatenate([each.score for each in parts]),
        np.concatenate([each.target for each in parts]),
        np.concatenate([each.outputs for each in parts]),
        np.concatenate([each.explained for each in parts]),
        np.concatenate(expected) if expected else None,
        parts[0].layers,
        np.concatenate([each.lost for each in parts]),
        np.concatenate([each.lost_units for each in parts]),
    )
