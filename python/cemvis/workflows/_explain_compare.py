"""All methods on the same images: which one names the pixels that the score depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cemvis.analysis.relevance.faithfulness import (
    RANDOM,
    Curves,
    baseline_of,
    perturbation_curves,
    random_relevance,
    verdicts,
)
from cemvis.models.explain.methods import METHODS, explain
from cemvis.models.explain.question import Question
from cemvis.models.explain.random_weights import randomised
from cemvis.workflows._explain_result import Comparison, ExplainConfig, spread_over
from cemvis.workflows._explain_run import RANDOM_WEIGHTS, Progress, explanation
from cemvis.workflows._explain_subjects import Floats, Subjects

NAMES = {
    "deep-taylor": "deep Taylor",
    "grad-cam": "Grad-CAM",
    "integrated-gradients": "integrated gradients",
    "gradient-input": "gradient x input",
}
"""Of the methods, as figures and tables call them."""


def compare_methods(
    subjects: Subjects, config: ExplainConfig, candidates: Sequence[int], *, progress: Progress | None = None
) -> tuple[Comparison, dict[str, Floats]]:
    """Return how faithful each method is on some of the candidates, and the relevance of the first by each method.

    Besides the methods there are a random order, the floor, and the chosen method on the network with random weights.
    Candidates are images by their place among the pictures, of a positive score: no other has a score to fall, nor an
    order by deep Taylor decomposition. The score is that of the configuration, of the output that the network chose or
    was asked about as the images are.
    """
    chosen = [candidates[index] for index in spread_over(len(candidates), config.compare)]
    random = randomised(subjects.network, config.seed)
    curves: dict[str, Curves] = {}
    first_maps: dict[str, Floats] = {}
    for start in range(0, len(chosen), config.batch):
        indices = chosen[start : start + config.batch]
        _, values = subjects.read(indices)
        maps = _maps(subjects, config, indices, values, random, seed=config.seed + start)
        wanted = subjects.targets[indices]
        question = Question.of(subjects.network, values, None if (wanted < 0).any() else wanted, score=subjects.score)
        bare = baseline_of(values, config.baseline, black=subjects.reading.low, blur_px=config.blur_px)
        for number, (name, relevance) in enumerate(maps.items()):
            found = perturbation_curves(
                question.scored, values, bare, relevance, fractions=config.fractions, block_px=config.block_px
            )
            curves[name] = curves[name].joined(found) if name in curves else found
            if progress is not None:
                progress("comparing methods", start * len(maps) + (number + 1) * len(indices), len(chosen) * len(maps))
        if not first_maps:
            first_maps = {name: relevance[0] for name, relevance in maps.items()}
    return Comparison(tuple(chosen), curves, verdicts(curves, seed=config.seed)), first_maps


def _maps(
    subjects: Subjects, config: ExplainConfig, indices: list[int], values: Floats, random: Any, *, seed: int
) -> dict[str, Floats]:
    maps = {NAMES[method]: explanation(subjects, indices, values, method=method).relevance for method in METHODS}
    free = replace(subjects.score, kind="contrast")
    untrained = explain(random, values, method=config.method, score=free, reading=subjects.reading)
    maps[f"{NAMES[config.method]}, {RANDOM_WEIGHTS}"] = untrained.relevance
    count, rows, cols = np.shape(values)
    maps[RANDOM] = random_relevance((count, rows, cols), seed=seed)
    return maps
