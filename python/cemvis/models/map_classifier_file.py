"""Files of classifiers: safetensors with a checked JSON header, as all model files; nothing in one is executed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import CemvisError, InputError, ModelFileError
from cemvis.models._fields import Fields
from cemvis.models.map_classifier_model import (
    CLASSIFIERS,
    DESCRIPTIONS,
    FEATURES,
    ClassModel,
    ClassTest,
    ClassTraining,
)
from cemvis.models.model import Model
from cemvis.models.model_file import load_model, parts_of, read_file, write_parts
from cemvis.models.model_header import CLASS_FORMAT

__all__ = [
    "CLASS_FORMAT",
    "ClassModel",
    "header_of_classes",
    "is_class_model",
    "load_any_model",
    "load_class_model",
    "save_class_model",
]

FORMAT_VERSION = 1
_BY = ("specimen", "region", "none")
_MOST_WIDTH = 4096


def save_class_model(path: Path, model: ClassModel) -> None:
    """Write `model` to `path`, whole or not at all; the same model gives the same bytes.

    Raises
    ------
    FileAccessError
        If the file cannot be written.
    """
    write_parts(
        path, header_of_classes(model), {name: np.ascontiguousarray(each) for name, each in model.arrays.items()}
    )


def header_of_classes(model: ClassModel) -> dict[str, object]:
    """Return what a classifier's file says about it, JSON-ready, without its checksum."""
    header: dict[str, object] = {"format": CLASS_FORMAT, "format_version": FORMAT_VERSION}
    for name in ("version", "classifier", "describe", "features", "sigma_px", "size_px", "pixel_size_um"):
        header[name] = getattr(model, name)
    header |= {"temperature": model.temperature, "channels": list(model.channels)}
    header |= {"backbone": model.backbone, "backbone_digest": model.backbone_digest}
    header |= {"classes": list(model.classes)}
    header |= {"training": asdict(model.training), "test": asdict(model.test)}
    header |= {"warnings": list(model.warnings)}
    return header


def load_class_model(path: Path | str) -> ClassModel:
    """Read a classifier's file and check all of it.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    ModelFileError
        If it is of another kind, damaged, edited, of a later format, or says anything impossible.
    """
    data = read_file(path)
    try:
        header, arrays = parts_of(data, _check_format)
        return _model(header, arrays, digest=hashlib.sha256(data).hexdigest())
    except (CemvisError, RecursionError) as error:
        msg = f"cannot use model {path}: {error}"
        raise ModelFileError(msg) from error


def load_any_model(path: Path | str) -> ClassModel | Model:
    """Read a model file of either kind: of classes, or of properties.

    Raises
    ------
    FileAccessError, ModelFileError
        As `load_class_model` and `load_model`.
    """
    return load_class_model(path) if is_class_model(path) else load_model(path)


def is_class_model(path: Path | str) -> bool:
    """Return whether a file says in its header that it is a model of classes; the rest is not looked at.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    """
    seen: list[object] = []

    def note(header: Mapping[str, object]) -> None:
        seen.append(header.get("format"))

    with contextlib.suppress(ModelFileError):  # the reader proper says what is wrong
        parts_of(read_file(path), note)
    return seen == [CLASS_FORMAT]


def _check_format(header: Mapping[str, object]) -> None:
    if header.get("format") != CLASS_FORMAT:
        msg = "it is not a model of classes; wanted one that cemvis classify wrote"
        raise ModelFileError(msg)
    version = header.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        msg = f"its format version is {version}, this cemvis reads up to {FORMAT_VERSION}; update cemvis to use it"
        raise ModelFileError(msg)
    if isinstance(version, bool) or version != FORMAT_VERSION:
        msg = f"its format version is {version!r}; wanted {FORMAT_VERSION}"
        raise ModelFileError(msg)


def _model(header: Mapping[str, object], arrays: Mapping[str, NDArray[Any]], *, digest: str) -> ClassModel:
    fields = Fields(header, "header")
    fields.text("format")
    fields.integer("format_version")
    try:
        model = ClassModel(
            classifier=fields.text("classifier", choices=CLASSIFIERS),
            describe=fields.text("describe", choices=DESCRIPTIONS),
            classes=fields.texts("classes"),
            features=fields.text("features", choices=FEATURES),
            sigma_px=fields.number_or_none("sigma_px"),
            size_px=fields.integer("size_px", low=1),
            pixel_size_um=fields.number("pixel_size_um", low=0.0),
            temperature=fields.number("temperature", low=0.0),
            channels=fields.integers("channels", low=1, high=_MOST_WIDTH),
            backbone=fields.text("backbone"),
            backbone_digest=fields.text("backbone_digest"),
            training=_training(fields.child("training")),
            test=_test(fields.child("test")),
            warnings=fields.texts("warnings"),
            version=fields.text("version"),
            arrays=dict(arrays),
            digest=digest,
        )
    except InputError as error:
        msg = f"header: {error}"
        raise ModelFileError(msg) from error
    fields.finish()
    return model


def _training(fields: Fields) -> ClassTraining:
    training = ClassTraining(
        maps_digest=fields.text("maps_digest"),
        train_maps=fields.integer("train_maps"),
        validation_maps=fields.integer("validation_maps"),
        test_maps=fields.integer("test_maps"),
        seen=fields.texts("seen"),
        tested_by=fields.text("tested_by", choices=_BY),
        validated_by=fields.text("validated_by", choices=_BY),
        seed=fields.integer("seed"),
        fold=fields.integer("fold", low=1),
        folds=fields.integer("folds", low=1),
    )
    fields.finish()
    return training


def _test(fields: Fields) -> ClassTest:
    test = ClassTest(
        accuracy=fields.number("accuracy"),
        balanced_accuracy=fields.number("balanced_accuracy"),
        chance=fields.number("chance"),
        low=fields.number_or_none("low"),
        high=fields.number_or_none("high"),
        interval_by=fields.text("interval_by", choices=_BY),
        interval_groups=fields.integer("interval_groups"),
        expected_error=fields.number("expected_error"),
    )
    fields.finish()
    return test
