"""Each imprint on its own: imprints on hard grains are smaller than the mean imprint that the template is of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cemvis.analysis.indentation.micro_positioning.batch import Appearance, FoundBatch, template_filter
from cemvis.analysis.indentation.micro_positioning.scores import Image, fine_scores
from cemvis.analysis.indentation.micro_positioning.settle import own_peaks

_SIZES = (0.55, 0.65, 0.75, 0.87, 1.0, 1.13)
_RADIUS_PX = 6
_LEAST_PEAK = 4.0


def judged_each(image: Image, found: FoundBatch, appearance: Appearance) -> FoundBatch:
    """Return a batch whose scores and residuals are each indent's best over sizes of the template.

    Without this, indents in clinker would look doubtful, and leaving them out would bias what is learned.
    The positions stay: sizes hardly move a peak. The best of several scores is about N(1, 1) where there is no imprint.
    A residual is that of the size whose own peak nearby is highest.
    """
    places = found.grid.places()
    score, residual = found.score.copy(), found.residual_px.copy()
    highest = np.full(score.shape, -np.inf)
    for size in _SIZES:
        template = replace(appearance.template, size_px=size * appearance.template.size_px)
        scores = fine_scores(image, template_filter(template, appearance.fine), found.grid, _RADIUS_PX)
        at = np.where(found.grid.present, scores.at(places), np.nan)
        better = at > score
        score[better] = at[better]
        own = own_peaks(scores, places, least=_LEAST_PEAK)
        peak = scores.at(places + np.nan_to_num(own))
        higher = found.grid.present & np.isfinite(own[..., 0]) & (peak > highest)
        residual[higher], highest[higher] = own[higher], peak[higher]
    return replace(found, score=score, residual_px=residual)
