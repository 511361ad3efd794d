"""Explanations by the score's gradient: times the input, and integrated along the way from a baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from cemvis.analysis.relevance.faithfulness import BLUR_PX, Baseline, baseline_of
from cemvis.errors import InputError
from cemvis.models.explain.explanation import Explanation, Score, ScoreKind
from cemvis.models.explain.question import Question

STEPS, MOST_STEPS = 32, 10_000


def gradient_times_input(
    network: nn.Module,
    x: ArrayLike | Tensor,
    target: int | Sequence[int] | NDArray[np.intp] | None = None,
    *,
    score: ScoreKind | Score = "logit",
) -> Explanation:
    """Return each pixel's value times the score's derivative by it.

    The two are those of the numbers that the network reads: what it reads as 0 has no relevance. For arguments see
    `deep_taylor`.

    Raises
    ------
    InputError
    """
    question = Question.of(network, x, target, score=score)
    return question.answer("gradient x input", question.values * _gradient(question, question.values))


def integrated_gradients(
    network: nn.Module,
    x: ArrayLike | Tensor,
    target: int | Sequence[int] | NDArray[np.intp] | None = None,
    *,
    score: ScoreKind | Score = "logit",
    baseline: Baseline = "blurred",
    steps: int = STEPS,
    black: float = 0.0,
    blur_px: float = BLUR_PX,
) -> Explanation:
    """Return the difference to a baseline times the mean gradient on the straight way from there [1]_.

    Relevance adds up to the score's difference to the baseline's, up to the error of `steps` midpoints;
    `Explanation.conservation_error` is that error. For arguments see `deep_taylor`, too.

    Parameters
    ----------
    baseline : "blurred", "mean" or "black"
        See `baseline_of`.
    steps : int
        Gradients that the mean is taken over.
    black : float
        What the network reads for black.
    blur_px : float

    Raises
    ------
    InputError

    References
    ----------
    .. [1] Sundararajan et al., Axiomatic attribution for deep networks, ICML 2017, doi:10.48550/arXiv.1703.01365
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        msg = f"steps is {steps!r}; wanted a whole number from 1 to {MOST_STEPS}"
        raise InputError(msg)
    question = Question.of(network, x, target, score=score)
    images = question.values[:, 0].double().numpy()
    bare = torch.from_numpy(baseline_of(images, baseline, black=black, blur_px=blur_px))[:, None].to(question.values)
    away = question.values - bare
    mean = torch.zeros_like(away)
    for step in range(steps):
        mean += _gradient(question, bare + (step + 0.5) / steps * away) / steps
    with torch.no_grad():
        expected = question.score - question.scores(bare).double().numpy()
    return question.answer(f"integrated gradients ({baseline})", away * mean, expected=expected)


def _gradient(question: Question, values: Tensor) -> Tensor:
    at = values.detach().clone().requires_grad_()
    [found] = torch.autograd.grad(question.scores(at).sum(), at)
    return found
