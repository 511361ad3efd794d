"""Judging a model on areas that it was not trained on: ``cemvis model test``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._checks import thread_count
from cemvis._files import check_free, check_writable, write_text
from cemvis.errors import GreyScaleWarning, InputError
from cemvis.images.grey_scale import GreyScale, GreyTransform, transform_to
from cemvis.images.micrograph import open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.judge import JudgedPairs, PropertyJudgement, judge_property
from cemvis.models.model import Model
from cemvis.models.prediction import Prediction
from cemvis.report.judge import judge_csv, judge_figure, judge_record
from cemvis.report.style import save_png
from cemvis.workflows._map_network_plan import fitted_layout
from cemvis.workflows._map_plan import pixel_size_warning
from cemvis.workflows.pairs import Area, Pairs, field_corner, pair_area

if TYPE_CHECKING:
    from cemvis.models.inference import Outputs
    from cemvis.models.window_network import WindowNetwork

_ENDS = (".json", ".csv", ".png")


@dataclass(frozen=True)
class JudgeConfig:
    """How to judge a model.

    Attributes
    ----------
    pixel_size : PixelSize or None
        Of all mosaics, instead of what their files say.
    anchors : GreyScale or None
        Grey levels of matrix and clinker in all mosaics, instead of those in their histograms.
    allow_training_areas : bool
        Whether areas that the model was trained on are judged, too; that flatters it.
    device : str
        That a network runs on: "auto", "cpu", "cuda", "cuda:1", "mps".
    threads : int or None
        All cores if None.
    """

    pixel_size: PixelSize | None = None
    anchors: GreyScale | None = None
    allow_training_areas: bool = False
    device: str = "cpu"
    threads: int | None = None

    def __post_init__(self) -> None:
        thread_count(self.threads)


@dataclass(frozen=True)
class JudgedFiles:
    """Where the results of judging a model are.

    Attributes
    ----------
    json, csv, figure : Path
    """

    json: Path
    csv: Path
    figure: Path

    @classmethod
    def beside(cls, stem: Path) -> JudgedFiles:
        """Return the files named after `stem`; an ending of one of them is taken off it first."""
        plain = stem.with_suffix("") if stem.suffix in _ENDS else stem
        return cls(*(plain.with_name(plain.name + end) for end in _ENDS))


@dataclass(frozen=True)
class JudgeResult:
    """What judging a model found.

    Attributes
    ----------
    properties : tuple of PropertyJudgement
    files : JudgedFiles or None
    """

    properties: tuple[PropertyJudgement, ...]
    files: JudgedFiles | None


@dataclass(frozen=True)
class _Judged:
    """The pairs of one area with what the model says about them."""

    pairs: Pairs
    transform: GreyTransform
    predictions: dict[str, Prediction]
    trained_on: bool


def judge(
    model: Model,
    areas: Sequence[Area],
    output: Path | None,
    config: JudgeConfig,
    *,
    overwrite: bool = False,
    command: str = "",
    on_area: Callable[[Pairs, GreyTransform], None] | None = None,
) -> JudgeResult:
    """Compare what `model` predicts with what was measured in `areas`, and write scores, coverage and a figure.

    Each mosaic is brought to the model's grey scale by anchors of its own, as for a map.

    Parameters
    ----------
    model : Model
    areas : sequence of Area
    output : Path or None
        The stem of the names of the results: ``OUT.json``, ``OUT.csv`` and ``OUT.png``; None to write nothing.
    config : JudgeConfig
    overwrite : bool
        Whether existing results are replaced.
    command : str
        The command line, for the record.
    on_area : callable, optional
        Called with the pairs of each area and what takes them to the model's grey scale, as soon as they are there.

    Raises
    ------
    OutputExistsError
        If a result exists and `overwrite` is not set; tested before work starts.
    InputError
        If an area was trained on and `config` does not allow it, or is given twice.
    CemvisError
        If the inputs cannot be used.

    Warns
    -----
    GreyScaleWarning
        If anchors found in a histogram are doubtful.
    PixelSizeWarning
        If a mosaic's pixel size is far from the model's.
    """
    if not areas:
        msg = "no areas given; wanted at least one mosaic with its table of indents"
        raise InputError(msg)
    files = None if output is None else JudgedFiles.beside(Path(output))
    if files is not None:
        check_writable(files.json)
        names = [path.name for path in (files.json, files.csv, files.figure)]
        check_free(files.json.parent, names, overwrite=overwrite)
    judged: list[_Judged] = []
    for area in areas:
        judged.append(_predicted(model, area, config))
        _check_new(judged)
        if on_area is not None:
            on_area(judged[-1].pairs, judged[-1].transform)
    properties = _compared(model, judged)
    if files is not None:
        write_text(
            files.json, json.dumps(_record(model, judged, properties, command), indent=2, allow_nan=False) + "\n"
        )
        write_text(files.csv, judge_csv(properties))
        save_png(judge_figure(properties, title=_title(model, judged)), files.figure)
    return JudgeResult(properties, files)


def _check_new(judged: Sequence[_Judged]) -> None:
    """Refuse an area whose indents were given before, under whatever name."""
    *before, last = (each.pairs for each in judged)
    for each in before:
        if each.indents_sha256 == last.indents_sha256:
            msg = f"{each.area.indents} and {last.area.indents} hold the same indents; wanted each area once"
            raise InputError(msg)


def _predicted(model: Model, area: Area, config: JudgeConfig) -> _Judged:
    network = _fitted_network(model, area, config)
    pairs = pair_area(
        area,
        properties=tuple(one.name for one in model.properties),
        window_um=model.window_um,
        pixel_size=config.pixel_size,
        anchors=config.anchors,
        field_px=None if network is None else network.layout.window_px,
        threads=config.threads,
    )
    trained_on = _why_trained_on(model, pairs)
    if trained_on and not config.allow_training_areas:
        msg = (
            f"{area.name}: {trained_on}, which would flatter the model; give areas that it was not trained on, or say "
            "--allow-training-areas"
        )
        raise InputError(msg)
    transform = transform_to(model.grey_scale, pairs.fit or pairs.anchors)
    if not transform.reliable:
        warnings.warn(f"{area.name}: the grey scale is doubtful: {transform.note}", GreyScaleWarning, stacklevel=3)
    grey = transform.apply(pairs.mean_grey)
    if network is None:
        warning = pixel_size_warning(pairs.pixel_size.um, model.pixel_size_um)
        if warning is not None:
            warnings.warn(warning, stacklevel=3)
        predictions = {one.name: one.predict(grey) for one in model.properties}
    else:
        outputs = _outputs(network, pairs, transform, config)
        predictions = model.predict_outputs(outputs, network.grey_flags(grey))
    return _Judged(pairs, transform, predictions, bool(trained_on))


def _fitted_network(model: Model, area: Area, config: JudgeConfig) -> WindowNetwork | None:
    """Return the model's network for the pixel size of an area's mosaic, None if it has none."""
    network = model.window_network
    if network is None:
        return None
    with open_micrograph(area.mosaic, pixel_size=config.pixel_size) as micrograph:
        size = micrograph.require_pixel_size().um
    layout = fitted_layout(network.layout, pixel_size_um=size, model_pixel_size_um=model.pixel_size_um)
    return replace(network, layout=layout)


def _outputs(network: WindowNetwork, pairs: Pairs, transform: GreyTransform, config: JudgeConfig) -> Outputs:
    """Return what a network says about the pairs of an area: arrays (n, properties)."""
    from cemvis.models.network_training import predict_examples
    from cemvis.models.window_examples import WindowExamples, WindowSource, held

    layout = network.layout
    with open_micrograph(pairs.area.mosaic, pixel_size=config.pixel_size) as micrograph:
        (image,) = held([micrograph])
        source = WindowSource(
            image,
            field_corner(pairs.top_left, pairs.window_px, layout.window_px),
            *network.standard_on(transform),
        )
        nothing = np.zeros((len(pairs.indents), len(network.targets)), np.float32)
        examples = WindowExamples([source], nothing, window_px=layout.window_px, downsample=layout.downsample)
        return predict_examples(network, examples, device=config.device, threads=config.threads)


def _why_trained_on(model: Model, pairs: Pairs) -> str:
    """Return which part of an area the model was trained on; empty if none."""
    for each in model.training.areas:
        if each.indents_sha256 == pairs.indents_sha256:
            return f"its indents are those of the training area {each.name}"
        if each.mosaic_sha256 == pairs.mosaic_sha256:
            return f"its mosaic is that of the training area {each.name}"
    return ""


def _compared(model: Model, judged: Sequence[_Judged]) -> tuple[PropertyJudgement, ...]:
    pairs = JudgedPairs.of(_names(judged), [each.pairs.indents.batch for each in judged])
    return tuple(
        judge_property(
            _joined([each.predictions[one.name] for each in judged]),
            np.concatenate([each.pairs.indents.measured_gpa[one.name] for each in judged]),
            pairs,
            name=one.name,
            unit=one.unit,
            level=one.interval.level,
        )
        for one in model.properties
    )


def _names(judged: Sequence[_Judged]) -> list[str]:
    """Return the areas' names, told apart by a number where two are called the same."""
    names = [each.pairs.area.name for each in judged]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: place + 1].count(name)})"
        for place, name in enumerate(names)
    ]


def _joined(predictions: Sequence[Prediction]) -> Prediction:
    def all_of(part: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(each, part) for each in predictions])

    flags = np.concatenate([each.flags for each in predictions])
    return Prediction(all_of("value"), all_of("lower"), all_of("upper"), flags)


def _title(model: Model, judged: Sequence[_Judged]) -> str:
    names = _names(judged)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    which = f"Model {model.digest[:12]}" if model.digest else "Model"
    return f"{which} on {shown}" + (", partly trained on" if any(each.trained_on for each in judged) else "")


def _record(
    model: Model, judged: Sequence[_Judged], properties: Sequence[PropertyJudgement], command: str
) -> dict[str, object]:
    """Return which model was judged on what, and what was found, JSON-ready."""
    return {
        "cemvis": __version__,
        "command": command,
        "model_sha256": model.digest,
        "areas": [
            {
                "name": name,
                "mosaic_sha256": each.pairs.mosaic_sha256,
                "indents_sha256": each.pairs.indents_sha256,
                "virtual": each.pairs.area.virtual,
                "trained_on": each.trained_on,
                "pairs": len(each.pairs.indents),
                "pixel_size_um": each.pairs.pixel_size.um,
                "pixel_size_source": each.pairs.pixel_size.source,
                "window_px": each.pairs.window_px,
                "grey_transform": asdict(each.transform),
                "left_out": {
                    "not_ok": each.pairs.indents.not_ok,
                    "incomplete": each.pairs.indents.incomplete,
                    "at_border": each.pairs.at_border,
                },
            }
            for name, each in zip(_names(judged), judged, strict=True)
        ],
        "properties": {one.name: judge_record(one) for one in properties},
    }
