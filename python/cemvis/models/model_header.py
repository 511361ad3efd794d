"""The JSON header of a model file: a `Model` without its arrays, written and read back with every field checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError, ModelFileError
from cemvis.images.grey_scale import GreyScale
from cemvis.models._fields import Fields
from cemvis.models.intervals import Interval, least_batches
from cemvis.models.metrics import IntervalScores, PropertyReport, Scores, SplitReport
from cemvis.models.model import UNITS, Model, PropertyModel, Training, TrainingArea
from cemvis.models.networks import NETWORKS, RESNET
from cemvis.models.window_network import WindowNetwork
from cemvis.models.window_network_header import NETWORK_PREFIX, network_from, network_header

FORMAT = "cemvis model"
CLASS_FORMAT = "cemvis class model"
"""What a model of classes calls itself; see `cemvis.models.map_classifier_file`."""
FORMAT_VERSIONS = {"mean_grey": 1, "window": 2}
"""Version of the format by what the model needs: one without a window network stays readable for an older cemvis."""
_LATEST = max(FORMAT_VERSIONS.values())

Tensors = Mapping[str, NDArray[Any]]


def header_of(model: Model) -> dict[str, object]:
    """Return what the header says about `model`, as JSON-ready dicts, without the integrity entry."""
    network = model.window_network
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSIONS["mean_grey" if network is None else "window"],
        "version": model.version,
        "note": model.note,
        "grey_scale": {"matrix": model.grey_scale.matrix, "clinker": model.grey_scale.clinker},
        "pixel_size_um": model.pixel_size_um,
        "window_um": model.window_um,
        "training": asdict(model.training),
        "properties": [
            {
                "name": one.name,
                "unit": one.unit,
                "network": one.network,
                "needs": one.needs,
                "interval": asdict(one.interval),
                "metrics": one.metrics.to_json(),
            }
            for one in model.properties
        ],
    } | ({} if network is None else {"window_network": network_header(network)})


def tensors_of(model: Model) -> dict[str, NDArray[Any]]:
    """Return the arrays of a model: ``property.array`` in float64, or those of its window network as they are."""
    network = model.window_network
    if network is not None:
        return {f"{NETWORK_PREFIX}{name}": np.ascontiguousarray(array) for name, array in network.state.items()}
    return {
        f"{one.name}.{name}": np.ascontiguousarray(array, dtype=np.float64)
        for one in model.properties
        if not isinstance(one.fitted, WindowNetwork)
        for name, array in one.fitted.tensors().items()
    }


def check_format(header: Mapping[str, object]) -> None:
    """Refuse a header that is not of a cemvis model, or that a later cemvis wrote."""
    if header.get("format") == CLASS_FORMAT:
        msg = "it tells classes of maps apart and predicts no property; give it to cemvis classify --model"
        raise ModelFileError(msg)
    if header.get("format") != FORMAT:
        msg = "its header is not that of a cemvis model"
        raise ModelFileError(msg)
    version = header.get("format_version")
    if isinstance(version, int) and version > _LATEST:
        msg = f"its format version is {version}, this cemvis reads up to {_LATEST}; update cemvis to use it"
        raise ModelFileError(msg)
    if isinstance(version, bool) or version not in FORMAT_VERSIONS.values():
        msg = f"its format version is {version!r}; wanted {' or '.join(map(str, FORMAT_VERSIONS.values()))}"
        raise ModelFileError(msg)


def model_from(header: Mapping[str, object], tensors: Tensors, *, digest: str) -> Model:
    """Return the model that a header and its arrays describe.

    Parameters
    ----------
    header : mapping
        Parsed JSON that `check_format` let pass, without the integrity entry.
    tensors : mapping of str to arrays
        All finite; those of a window network float32 or float16, all others float64.
    digest : str
        SHA-256 of the file.

    Raises
    ------
    ModelFileError
        Naming the first field that is missing, unknown, or has the wrong type or range.
    """
    fields = Fields(header, "header")
    fields.text("format")
    with_network = fields.integer("format_version") == FORMAT_VERSIONS["window"]
    network = network_from(fields.child("window_network"), tensors) if with_network else None
    model = Model(
        version=fields.text("version"),
        note=fields.text("note"),
        grey_scale=_grey_scale(fields.child("grey_scale")),
        pixel_size_um=fields.number("pixel_size_um", low=0.0),
        window_um=fields.number("window_um", low=0.0),
        training=_training(fields.child("training")),
        properties=tuple(_property(one, tensors, network) for one in fields.children("properties")),
        digest=digest,
    )
    fields.finish()
    names = [one.name for one in model.properties]
    if len(set(names)) < len(names):
        msg = f"header.properties names a property twice: {', '.join(names)}"
        raise ModelFileError(msg)
    owners = names if network is None else [NETWORK_PREFIX.rstrip(".")]
    strangers = [name for name in tensors if name.split(".")[0] not in owners]
    if strangers:
        msg = f"array {strangers[0]!r} belongs to no property"
        raise ModelFileError(msg)
    return model


def _grey_scale(fields: Fields) -> GreyScale:
    matrix = fields.number("matrix")
    scale = GreyScale(matrix=matrix, clinker=fields.number("clinker", low=matrix))
    fields.finish()
    return scale


def _training(fields: Fields) -> Training:
    training = Training(areas=tuple(_area(one) for one in fields.children("areas")), seed=fields.integer("seed"))
    fields.finish()
    return training


def _area(fields: Fields) -> TrainingArea:
    area = TrainingArea(
        name=fields.text("name"),
        mosaic_sha256=fields.text("mosaic_sha256"),
        indents_sha256=fields.text("indents_sha256"),
        pairs=fields.integer("pairs"),
        batches=fields.integer("batches"),
        virtual=fields.text("virtual"),
    )
    fields.finish()
    return area


def _property(fields: Fields, tensors: Tensors, network: WindowNetwork | None) -> PropertyModel:
    name = fields.text("name", choices=tuple(UNITS))
    fields.text("unit", choices=(UNITS[name],))
    kind = fields.text("network", choices=tuple(NETWORKS) if network is None else (RESNET,))
    fields.text("needs", choices=("mean_grey",) if network is None else ("window",))
    own = {key.removeprefix(f"{name}."): array for key, array in tensors.items() if key.startswith(f"{name}.")}
    try:
        fitted = network or NETWORKS[kind].from_tensors(own)
    except InputError as error:
        msg = f"the {kind} model of {name}: {error}"
        raise ModelFileError(msg) from error
    model = PropertyModel(
        name=name,
        network=kind,
        fitted=fitted,
        interval=_interval(fields.child("interval")),
        metrics=_report(fields.child("metrics")),
    )
    fields.finish()
    return model


def _interval(fields: Fields) -> Interval:
    interval = Interval(
        level=fields.number("level", low=0.0, high=1.0),
        stretch=fields.number_or_none("stretch"),
        calibration_batches=fields.integer("calibration_batches"),
        note=fields.text("note"),
    )
    fields.finish()
    if interval.stretch is not None and interval.stretch < 0:
        msg = f"header.properties: interval.stretch is {interval.stretch:g}; wanted 0 or more"
        raise ModelFileError(msg)
    if interval.stretch is not None and interval.calibration_batches < least_batches(interval.level):
        msg = (
            f"header.properties: {interval.calibration_batches} calibration batches cannot promise {interval.level:.4g}"
        )
        raise ModelFileError(msg)
    return interval


def _report(fields: Fields) -> PropertyReport:
    report = PropertyReport(random=_split(fields.child("random")), by_batch=_split(fields.child("by_batch")))
    fields.finish()
    return report


def _split(fields: Fields) -> SplitReport:
    split = SplitReport(
        train=_scores(fields.child("train")),
        test=_scores(fields.child("test")),
        quantiles=_interval_scores(fields.child_or_none("quantiles")),
        intervals=_interval_scores(fields.child_or_none("intervals")),
        validation=None if (there := fields.child_if_there("validation")) is None else _scores(there),
    )
    fields.finish()
    return split


def _scores(fields: Fields) -> Scores:
    scores = Scores(n=fields.integer("n"), r2=fields.number("r2"), mae=fields.number("mae"), mse=fields.number("mse"))
    fields.finish()
    return scores


def _interval_scores(fields: Fields | None) -> IntervalScores | None:
    if fields is None:
        return None
    scores = IntervalScores(
        n=fields.integer("n"),
        coverage=fields.number("coverage"),
        lowest_coverage=fields.number("lowest_coverage"),
        mean_width=fields.number("mean_width"),
    )
    fields.finish()
    return scores
