"""The figures of explanations, from what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cemvis.analysis.relevance.faithfulness import LEAST_IMAGES
from cemvis.report import relevance as drawing
from cemvis.workflows._explain_result import spread_over
from cemvis.workflows._explain_run import RANDOM_WEIGHTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cemvis.workflows._explain_result import ExplainConfig, ExplainResult
    from cemvis.workflows._explain_run import Drawn
    from cemvis.workflows._explain_subjects import Floats, Levels, Picture, Subjects


class Figures:
    """Draws so many images, and what is true of all.

    Parameters
    ----------
    subjects : Subjects
    config : ExplainConfig
    """

    def __init__(self, subjects: Subjects, config: ExplainConfig) -> None:
        self._subjects, self._config = subjects, config
        self._chosen = set(spread_over(len(subjects.pictures), config.figures).tolist())
        self._next = 0

    def takes_next(self) -> bool:
        """Count one more image, and return whether it is one of those that are drawn, evenly spread over all."""
        self._next += 1
        return self._next - 1 in self._chosen

    def image(self, drawn: Drawn) -> Figure:
        """Return the panels of one image."""
        each, subjects = drawn.explained, self._subjects
        asked, kind = subjects.outputs[each.target], subjects.score.kind
        if subjects.unit:
            what = f"{asked}{'' if kind == 'logit' else ' away from its mean'}, {each.score:.4g} {subjects.unit}"
        else:
            what = f"{kind} of {asked}, {each.score:.4g}"
        title = f"{_of(each.picture)}: {what}"
        shares = each.shares
        low, high = subjects.sides
        caption = (
            f"Red: {high}; blue: {low}, parted at level {shares.threshold} (ISODATA); relevance against the score is "
            f"not drawn. Characteristic regions hold {100 * self._config.share:g} % of the relevance in "
            f"{100 * shares.area:.2g} % of the area, {100 * shares.area_high:.2g} % in {high} and "
            f"{100 * shares.area_low:.2g} % in {low}. Boundary features: {100 * each.boundary:.2g} % of the area. "
            f"Random weights have a scale of their own; rank correlation with theirs: {each.random_agreement:.2f}."
        )
        if not each.explained:
            caption = "The score is not positive, so deep Taylor decomposition does not explain it. " + caption
        return drawing.image_figure(
            drawing.Panels(
                drawn.levels,
                drawn.relevance,
                drawn.levels > shares.threshold,
                drawn.boundary,
                drawn.regions,
                drawn.random,
            ),
            pixel_size_um=subjects.pixel_size_um,
            porosity=not subjects.unit,
            title=title,
            caption=caption,
        )

    def methods(self, maps: Mapping[str, Floats], levels: Levels, picture: Picture) -> Figure:
        """Return one image's relevance by each method."""
        return drawing.methods_figure(
            levels,
            maps,
            pixel_size_um=self._subjects.pixel_size_um,
            title=f"{_of(picture)}: relevance by each method",
            caption="Red speaks for the score, blue against it; each map has a scale of its own, up to its 99.5 % "
            "quantile.",
        )

    def totals(self, found: ExplainResult, means: Mapping[str, Floats]) -> dict[str, Figure]:
        """Return the figures of all images by their names."""
        figures = {}
        if found.centre:
            figures["centre"] = drawing.centre_figure(
                found.centre,
                means,
                floor=RANDOM_WEIGHTS,
                title="Relevance by distance from the middle of the image",
                caption="Means of maps whose relevance adds up to 1. What leans to the middle with random weights as "
                "well comes from the network's layout, where most paths lead through the middle, not from training.",
            )
        if found.comparison is not None:
            config = self._config
            count = len(found.comparison.chosen)
            intervals = (
                "95 % intervals by resampling images"
                if count >= LEAST_IMAGES
                else f"no intervals of fewer than {LEAST_IMAGES} images"
            )
            blurred = f" through a Gaussian of {config.blur_px:g} px" if config.baseline == "blurred" else ""
            figures["faithfulness"] = drawing.faithfulness_figure(
                found.comparison.curves,
                found.comparison.verdicts,
                unit=found.subjects.unit or "logit",
                title="Which explanation names the pixels that the score depends on",
                caption=f"Images: {count}; pixels go and come in squares of {config.block_px} px,"
                f" most relevant first; what is deleted becomes the {config.baseline} image{blurred}. Faithfulness: "
                "area under insertion minus area under deletion, over the distance in score of image and baseline; "
                f"{intervals}.",
            )
        return figures


def _of(picture: Picture) -> str:
    return ", ".join(part for part in dict.fromkeys((picture.class_name, picture.specimen, picture.region)) if part)
