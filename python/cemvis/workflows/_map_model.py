"""Which model a map is made with: a given one, or the best of those that come with cemvis that fits the mosaic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cemvis.errors import InputError, PixelSizeError
from cemvis.models.model import Model
from cemvis.models.model_file import EMBEDDED, embedded_kinds, embedded_model, load_model
from cemvis.workflows._map_network_plan import fitted_layout

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize


def given_model(model: object) -> Model | None:
    """Return the model that a name or a path stands for; None stands for the default.

    The kinds of `EMBEDDED` name the models that come with cemvis; a file of that name is meant by ``./table``.
    """
    if model is None or isinstance(model, Model):
        return model
    if not isinstance(model, (str, os.PathLike)):
        msg = f"model is a {type(model).__name__}; wanted a path"
        raise InputError(msg)
    kind = os.fspath(model)
    return embedded_model(kind) if kind in EMBEDDED else load_model(Path(model))


def default_model(pixel_size: PixelSize) -> tuple[Model, tuple[str, ...]]:
    """Return the embedded network where it fits `pixel_size`, else the embedded table, and what there is to say."""
    if "resnet" not in embedded_kinds():
        return embedded_model("table"), ()
    model = embedded_model("resnet")
    network = model.window_network
    try:
        if network is not None:
            fitted_layout(network.layout, pixel_size_um=pixel_size.um, model_pixel_size_um=model.pixel_size_um)
    except PixelSizeError as error:
        return embedded_model("table"), (f"the embedded table model is used, not the network: {error}",)
    return model, ()
