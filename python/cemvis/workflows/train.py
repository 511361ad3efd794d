"""Training a model from mosaics and indents: ``cemvis train``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._checks import fraction, positive, thread_count
from cemvis._files import write_text
from cemvis.errors import (
    CoverageWarning,
    GreyScaleWarning,
    InputError,
)
from cemvis.images.grey_scale import GreyScale, GreyTransform, transform_to
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model import UNITS, Model, PropertyModel, Training, TrainingArea
from cemvis.models.model_file import load_model, save_model
from cemvis.models.networks import KINDS, RESNET
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.training import train_property
from cemvis.report.model_card import metrics_csv
from cemvis.report.style import save_png
from cemvis.report.training import PropertyPairs, training_figure
from cemvis.workflows._train_files import TrainedFiles, check_output
from cemvis.workflows.indents import Floats
from cemvis.workflows.pairs import Area, Pairs, check_same_material, pair_area
from cemvis.workflows.resnet_training import ResNetConfig, opened_windows, write_network_files

if TYPE_CHECKING:
    from cemvis.models.trainer import Moment


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Attributes
    ----------
    network : str
        "table", "linear" or "resnet".
    resnet : ResNetConfig
        Which residual network, and how to train it; of no account for the others.
    properties : tuple of str
        "modulus", "hardness" or both.
    window_um : float
        Edge of the square window around each indent.
    pixel_size : PixelSize or None
        Of all mosaics, instead of what their files say.
    anchors : GreyScale or None
        Grey levels of matrix and clinker in all mosaics, instead of those in their histograms.
    level : float
        Share of the measurements that the prediction intervals are to hold, in a new batch of the same specimens and
        sessions.
    seed : int
        Of the splits, and of a network's training.
    threads : int or None
        All cores if None.
    note : str
        What the model's card is to say.
    """

    network: str = "table"
    resnet: ResNetConfig = field(default_factory=ResNetConfig)
    properties: tuple[str, ...] = ("modulus", "hardness")
    window_um: float = 10.0
    pixel_size: PixelSize | None = None
    anchors: GreyScale | None = None
    level: float = 0.9
    seed: int = 0
    threads: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        _check_choice("network", [self.network], KINDS)
        _check_choice("properties", self.properties, UNITS)
        positive(self.window_um, name="window_um")
        fraction(self.level, name="level")
        thread_count(self.threads)
        if _printable(self.note) != self.note:
            msg = "note holds control characters; wanted printable text"
            raise InputError(msg)
        if isinstance(self.seed, bool) or not 0 <= self.seed < 2**32:
            msg = f"seed is {self.seed}; wanted a whole number from 0 to 2**32 - 1"
            raise InputError(msg)


@dataclass(frozen=True)
class TrainResult:
    """A trained model with its files.

    Attributes
    ----------
    model : Model
        As read back from its file.
    files : TrainedFiles
    """

    model: Model
    files: TrainedFiles


def train(
    areas: Sequence[Area],
    output: Path,
    config: TrainConfig,
    *,
    overwrite: bool = False,
    command: str = "",
    on_area: Callable[[Pairs, GreyTransform], None] | None = None,
    progress: Callable[[Moment], None] | None = None,
) -> TrainResult:
    """Train a model and write it, its scores and figures.

    Parameters
    ----------
    areas : sequence of Area
        The first one's grey scale becomes the model's; the others are brought to it.
    output : Path
        The model file, ``*.safetensors``; scores and figures are written beside it under the same stem, and the
        checkpoint of a network while it is trained.
    config : TrainConfig
    overwrite : bool
        Whether existing results, and the checkpoint of another training, are replaced.
    command : str
        The command line, for the record.
    on_area : callable, optional
        Called with the pairs of each area and what takes them to the model's grey scale, as soon as they are there.
    progress : callable, optional
        Called after each step of a network's training.

    Raises
    ------
    OutputExistsError
        If a result exists and `overwrite` is not set; tested before work starts.
    CemvisError
        If the inputs cannot be used.

    Warns
    -----
    GreyScaleWarning
        If anchors found in a histogram are doubtful.
    CoverageWarning
        If there are too few batches for prediction intervals.
    """
    is_network = config.network == RESNET
    files = TrainedFiles.beside(Path(output), network=is_network)
    check_output(files, network=is_network, resume=config.resnet.resume, overwrite=overwrite)
    _check_distinct(areas)
    layout = _layout(areas[0], config) if is_network else None
    if layout is not None:
        _check_device(config)
    pairs: list[Pairs] = []
    transforms: list[GreyTransform] = []
    for area in areas:
        pairs.append(_paired(area, config, layout))
        scale = model_grey_scale(pairs[0].anchors)
        transforms.append(_transform(scale, pairs[-1]))
        if on_area is not None:
            on_area(pairs[-1], transforms[-1])
    check_same_material(pairs)
    pooled = _pool(pairs, transforms, config.seed)
    if layout is None:
        fitted = _fit_to_grey(pooled, config, files)
    else:
        fitted = _fit_network(pairs, transforms, pooled, layout, config, files, progress)
    for note in sorted({each.interval.note for each in fitted.properties} - {""}):
        warnings.warn(note, CoverageWarning, stacklevel=2)
    made = Model(
        properties=fitted.properties,
        grey_scale=scale,
        pixel_size_um=pairs[0].pixel_size.um,
        window_um=config.window_um,
        training=Training(tuple(_area_record(each) for each in pairs), config.seed),
        note=config.note,
        version=__version__,
    )
    save_model(files.model, made)
    model = load_model(files.model)
    record = _record(model, config, pairs, transforms, command) | fitted.write_figures(model)
    write_text(files.metrics_json, json.dumps(record, indent=2, allow_nan=False) + "\n")
    write_text(files.metrics_csv, metrics_csv(model))
    files.checkpoint.unlink(missing_ok=True)
    return TrainResult(model, files)


def model_grey_scale(anchors: GreyScale) -> GreyScale:
    """Return the grey scale of a model that is trained on a mosaic with these anchors.

    It is the mosaic's own if the anchors fit into 8 bits. A deeper mosaic is divided by the power of two that brings
    its clinker level there, so that whole grey levels are coarse enough to hold many windows each.
    """
    gain = 2.0 ** -max(0, int(anchors.clinker).bit_length() - 8)
    return GreyScale(matrix=anchors.matrix * gain, clinker=anchors.clinker * gain)


def _check_choice(what: str, given: Sequence[str], known: Collection[str]) -> None:
    wrong = [name for name in given if name not in known]
    if wrong or len(set(given)) != len(given) or not given:
        msg = f"{what}: got {', '.join(given) or 'none'}; wanted {' or '.join(known)}, each at most once"
        raise InputError(msg)


def _check_distinct(areas: Sequence[Area]) -> None:
    if not areas:
        msg = "no areas given; wanted at least one mosaic with its table of indents"
        raise InputError(msg)
    tables = [area.indents.resolve() for area in areas]
    twice = [str(area.indents) for number, area in enumerate(areas) if tables[number] in tables[:number]]
    if twice:
        msg = f"{', '.join(twice)} given twice; its pairs would be in training and test at once"
        raise InputError(msg)


def _layout(area: Area, config: TrainConfig) -> ResNetLayout:
    """Return the network's layout for the pixel size of the first mosaic; the others have the same."""
    with area.opened(config.pixel_size) as micrograph:
        window_px = round(config.window_um / micrograph.require_pixel_size().um)
    return config.resnet.layout(window_px, targets=len(config.properties))


def _check_device(config: TrainConfig) -> None:
    from cemvis.models.device import torch_device

    device, precision = torch_device(config.resnet.trainer.device), config.resnet.trainer.precision
    if precision == "fp16" and device.type == "cpu":
        msg = "precision fp16 needs a GPU; wanted bf16 or no on the CPU"
        raise InputError(msg)


def _paired(area: Area, config: TrainConfig, layout: ResNetLayout | None) -> Pairs:
    return pair_area(
        area,
        properties=config.properties,
        window_um=config.window_um,
        pixel_size=config.pixel_size,
        anchors=config.anchors,
        field_px=None if layout is None else layout.window_px,
        threads=config.threads,
    )


def _transform(scale: GreyScale, pairs: Pairs) -> GreyTransform:
    transform = transform_to(scale, pairs.fit or pairs.anchors)
    if not transform.reliable:
        msg = f"{pairs.area.name}: the grey scale is doubtful: {transform.note}"
        warnings.warn(msg, GreyScaleWarning, stacklevel=3)
    return transform


@dataclass(frozen=True)
class _Pooled:
    """The pairs of all areas: mean grey on the model's scale, batches counted through, which have to be tested on."""

    mean_grey: Floats
    measured: dict[str, Floats]
    batches: NDArray[np.int64]
    tested: NDArray[np.bool_]


def _pool(pairs: Sequence[Pairs], transforms: Sequence[GreyTransform], seed: int) -> _Pooled:
    # Batches of two areas are never the same, whatever they are called.
    offsets = np.cumsum([0, *(int(each.indents.batch.max()) + 1 for each in pairs)])
    return _Pooled(
        mean_grey=np.concatenate([to.apply(each.mean_grey) for each, to in zip(pairs, transforms, strict=True)]),
        measured={
            name: np.concatenate([each.indents.measured_gpa[name] for each in pairs])
            for name in pairs[0].indents.measured_gpa
        },
        batches=np.concatenate([each.indents.batch + first for each, first in zip(pairs, offsets, strict=False)]),
        tested=np.concatenate([each.tested(seed) for each in pairs]),
    )


@dataclass(frozen=True)
class _Fitted:
    """Models of all properties, and what writes their figures and returns what to add to the record."""

    properties: tuple[PropertyModel, ...]
    write_figures: Callable[[Model], dict[str, object]]


def _fit_to_grey(pooled: _Pooled, config: TrainConfig, files: TrainedFiles) -> _Fitted:
    """Fit a table or a line to the mean grey levels, property by property."""
    trained = [
        train_property(
            pooled.mean_grey,
            measured,
            pooled.batches,
            name=name,
            network=config.network,
            level=config.level,
            seed=config.seed,
            tested=pooled.tested,
        )
        for name, measured in pooled.measured.items()
    ]

    def write_figure(model: Model) -> dict[str, object]:
        shown = [PropertyPairs(pooled.mean_grey, pooled.measured[each.model.name], each.split.test) for each in trained]
        save_png(training_figure(model, shown), files.figure)
        return {}

    return _Fitted(tuple(each.model for each in trained), write_figure)


def _fit_network(
    pairs: Sequence[Pairs],
    transforms: Sequence[GreyTransform],
    pooled: _Pooled,
    layout: ResNetLayout,
    config: TrainConfig,
    files: TrainedFiles,
    progress: Callable[[Moment], None] | None,
) -> _Fitted:
    """Train one network for all properties; a checkpoint outlives a kill."""
    from cemvis.models.network_training import WindowPairs, train_window_network

    job = {
        "pairs": [
            [each.mosaic_sha256, _list_digest(each), len(each.indents), each.pixel_size.um, each.window_px]
            for each in pairs
        ],
        "properties": list(pooled.measured),
        "layout": asdict(layout),
        "grey_transforms": [[each.gain, each.offset] for each in transforms],
        "window_um": config.window_um,
        "level": config.level,
    }
    trainer = replace(config.resnet.trainer, seed=config.seed)
    if not config.resnet.resume:  # all that can be known beforehand is known by now
        files.checkpoint.unlink(missing_ok=True)
    with opened_windows(pairs, transforms, layout) as mosaics:
        windows = WindowPairs(
            mosaics, pooled.mean_grey, pooled.measured, pooled.batches, pairs[0].window_px, pooled.tested
        )
        trained = train_window_network(
            windows,
            layout,
            trainer,
            level=config.level,
            half=config.resnet.half,
            checkpoint=files.checkpoint,
            job=job,
            threads=config.threads,
            progress=progress,
        )
    return _Fitted(
        trained.properties,
        lambda _: {"network_training": write_network_files(trained, windows, trainer, files.model)},
    )


def _list_digest(pairs: Pairs) -> str:
    """Return the digest of what says which indents they are: the data set's list, or the table."""
    return (pairs.area.listed and pairs.area.listed.sha256) or pairs.indents_sha256


def _area_record(pairs: Pairs) -> TrainingArea:
    return TrainingArea(
        name=_printable(pairs.area.name),
        mosaic_sha256=pairs.mosaic_sha256,
        indents_sha256=pairs.indents_sha256,
        pairs=len(pairs.indents),
        batches=len(np.unique(pairs.indents.batch)),
        virtual=_printable(pairs.area.virtual),
    )


def _printable(text: str) -> str:
    """Return `text` without the control characters that a model file may not hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


def _record(
    model: Model, config: TrainConfig, pairs: Sequence[Pairs], transforms: Sequence[GreyTransform], command: str
) -> dict[str, object]:
    """Return what was trained from what, and how well, as JSON-ready dicts."""
    return {
        "cemvis": __version__,
        "command": command,
        "model_sha256": model.digest,
        "network": config.network,
        "seed": config.seed,
        "window_um": config.window_um,
        "grey_scale": asdict(model.grey_scale),
        "areas": [
            asdict(_area_record(each))
            | {
                "pixel_size_um": each.pixel_size.um,
                "pixel_size_source": each.pixel_size.source,
                "window_px": each.window_px,
                "data_set_sha256": each.area.listed.sha256 if each.area.listed else None,
                "grey_transform": asdict(transform),
                "left_out": {
                    "not_ok": each.indents.not_ok,
                    "incomplete": each.indents.incomplete,
                    "at_border": each.at_border,
                },
            }
            for each, transform in zip(pairs, transforms, strict=True)
        ],
        "properties": {
            one.name: {"unit": one.unit, "interval": asdict(one.interval), **one.metrics.to_json()}
            for one in model.properties
        },
        "random": (
            "the model in the file, on pairs of its training batches that were left out one by one"
            if config.network == RESNET
            else "a fit of its own to 80 % of the pairs drawn at random, not kept"
        ),
        "by_batch": "the model in the file, on whole batches that it was neither fitted nor calibrated to",
    }
