"""Where a network's answers come from: ``cemvis explain``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cemvis._files import access_errors, check_free
from cemvis.analysis.relevance.faithfulness import LEAST_IMAGES
from cemvis.errors import CemvisWarning, InputError
from cemvis.models.map_classifier_file import load_any_model
from cemvis.models.map_classifier_model import ClassModel
from cemvis.models.model_file import EMBEDDED, embedded_model
from cemvis.workflows._explain_files import OUTPUTS, Writer
from cemvis.workflows._explain_result import Comparison, ExplainConfig, Explained, ExplainResult
from cemvis.workflows._explain_run import Progress, Totals, explained_images, explanation
from cemvis.workflows._explain_subjects import Subjects, map_subjects
from cemvis.workflows._explain_windows import Place, window_subjects

if TYPE_CHECKING:
    from cemvis.models.model import Model

__all__ = ["ExplainConfig", "ExplainResult", "Explained", "Place", "explain_images"]

ALIKE = 0.9
"""Mean rank correlation with random weights' relevance from which on there is a note."""
MOSTLY = 0.5
"""Mean share of the area from which on boundary features get a note."""


def explain_images(
    sources: Sequence[Path],
    model: Path | str,
    output: Path,
    config: ExplainConfig | None = None,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> ExplainResult:
    """Explain a network's scores image by image, and write relevance, regions, tables and figures to `output`.

    A batch of images is held in memory, however many there are.

    Parameters
    ----------
    sources : sequence of Path
        For a classifier: folders with a sub-folder a class, lists, or map files. For a model of modulus or hardness:
        one mosaic, with places in `config`.
    model : Path or str
        Model file, or "resnet" for the embedded network.
    output : Path
    config : ExplainConfig, optional
    overwrite : bool
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If model, images and settings do not go together.
    OutputExistsError
        If an output is there and `overwrite` is not set; tested before work starts.
    FileAccessError, FileFormatError, ModelFileError, PixelSizeError
    """
    config, output = config or ExplainConfig(), Path(output)
    check_free(output, OUTPUTS, overwrite=overwrite)
    subjects = _subjects([Path(source) for source in sources], model, config)
    if not subjects.pictures:
        msg = "there is nothing to explain; give maps, or places of a mosaic"
        raise InputError(msg)
    _check_layer(subjects, config)
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    writer = Writer(subjects, config, output)
    totals = Totals()
    images = []
    for drawn in explained_images(subjects, config, totals, progress=progress):
        writer.write_image(drawn)
        images.append(drawn.explained)
    comparison = None
    positive = [index for index, each in enumerate(images) if each.score > 0]
    if config.compare and positive:
        from cemvis.workflows._explain_compare import compare_methods

        comparison, first = compare_methods(subjects, config, positive, progress=progress)
        writer.keep_methods(first, comparison.chosen[0])
    notes = (
        *subjects.notes,
        *_notes(images, config),
        *_comparison_notes(comparison, config, len(positive), len(images)),
    )
    found = ExplainResult(config, subjects, tuple(images), totals.centre(), totals.layers(), comparison, notes)
    return writer.finish(found, totals, command=command)


def _subjects(sources: Sequence[Path], model: Path | str, config: ExplainConfig) -> Subjects:
    loaded: ClassModel | Model = embedded_model(str(model)) if str(model) in EMBEDDED else load_any_model(model)
    if isinstance(loaded, ClassModel):
        if config.places:
            msg = "places (--at) are of a mosaic; this model is of classes: give maps without places"
            raise InputError(msg)
        return map_subjects(
            sources,
            loaded,
            asked=config.asked,
            score=config.score,
            most=config.most,
            pixel_size=config.pixel_size,
            reading=config.reading,
        )
    if len(sources) != 1 or not config.places:
        msg = (
            f"{len(sources)} images and {len(config.places)} places (--at) for a model of "
            f"{' and '.join(one.name for one in loaded.properties)}; wanted one mosaic and at least one place"
        )
        raise InputError(msg)
    return window_subjects(
        sources[0],
        config.places,
        loaded,
        asked=config.asked,
        score=config.score,
        pixel_size=config.pixel_size,
        anchors=config.anchors,
        reading=config.reading,
    )


def _check_layer(subjects: Subjects, config: ExplainConfig) -> None:
    """Refuse a layer that Grad-CAM cannot take before anything is removed, and not after hours."""
    if config.layer is not None and (config.compare or config.method == "grad-cam"):
        explanation(subjects, [0], subjects.read([0])[1], method="grad-cam")


def _comparison_notes(comparison: Comparison | None, config: ExplainConfig, positive: int, count: int) -> list[str]:
    if not config.compare:
        return []
    notes = []
    if positive < count:
        notes.append(f"methods are compared on images of a positive score: {positive} of {count}")
    if comparison is not None:
        if len(comparison.chosen) < LEAST_IMAGES:
            notes.append(
                f"methods were compared on fewer than {LEAST_IMAGES} images: nothing says how far others would differ"
            )
        notes += _baseline_notes(comparison, config)
    return notes


def _baseline_notes(comparison: Comparison, config: ExplainConfig) -> list[str]:
    curves = next(iter(comparison.curves.values()))
    change = curves.deletion[:, 0] - curves.deletion[:, -1]
    error = float(change.std(ddof=1)) / math.sqrt(len(change)) if len(change) > 1 else math.inf
    if float(change.mean()) > 2 * error:
        return []
    count, spread = f"{len(change)} images", f" +- {error:.2g}"
    if len(change) == 1:
        count, spread = "one image", ""
    return [
        f"on {count} the scores are not surely above those of the {config.baseline} images that take their place "
        f"(by {float(change.mean()):.3g}{spread}): faithfulness says little; compare more images, or on another "
        "--baseline"
    ]


def _notes(images: Sequence[Explained], config: ExplainConfig) -> list[str]:
    notes = []
    agreements = [each.random_agreement for each in images if math.isfinite(each.random_agreement)]
    alike = sum(agreements) / max(len(agreements), 1)
    if alike > ALIKE:
        notes.append(
            f"relevance and that of random weights have a rank correlation of {alike:.2f}: the maps show how the "
            "network is built and what the image looks like more than what was learned"
        )
    areas = [each.boundary for each in images if each.explained]
    if config.boundary_quantile is None and areas and sum(areas) / len(areas) > MOSTLY:
        notes.append(
            f"boundary features are {sum(areas) / len(areas):.0%} of the area: a map's relevance adds up to 1, so the "
            "fewer pixels it has the steeper it is, and the threshold is that of maps of 384 x 384 px; give "
            "--boundary, or --boundary-quantile"
        )
    missing = sum(not each.explained for each in images)
    if missing:
        note = (
            f"{missing} of {len(images)} scores are 0 or less, which deep Taylor decomposition does not explain: "
            "their relevance is 0"
        )
        if config.score == "logit":
            note += "; ask with --score contrast, which is positive for the class that the network chose"
        notes.append(note)
        if missing == len(images):
            warnings.warn(note, CemvisWarning, stacklevel=3)
    return notes
