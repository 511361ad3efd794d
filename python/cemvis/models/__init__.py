"""Models that predict a property from a window of an image.

The public names load when they are asked for, so that importing this package does not import scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cemvis.models.linear import LinearRegressor
    from cemvis.models.model import Model, PropertyModel
    from cemvis.models.model_file import embedded_model, load_model, save_model
    from cemvis.models.prediction import Flag, Prediction
    from cemvis.models.table import TableRegressor

__all__ = [
    "Flag",
    "LinearRegressor",
    "Model",
    "Prediction",
    "PropertyModel",
    "TableRegressor",
    "embedded_model",
    "load_model",
    "save_model",
]

_HOMES = {
    "Flag": "prediction",
    "LinearRegressor": "linear",
    "Model": "model",
    "Prediction": "prediction",
    "PropertyModel": "model",
    "TableRegressor": "table",
    "embedded_model": "model_file",
    "load_model": "model_file",
    "save_model": "model_file",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
