"""Modulus and hardness maps of cement paste from backscattered-electron (BSE) images."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cemvis.images.micrograph import open_micrograph as open_micrograph
    from cemvis.models.model_file import load_model as load_model
    from cemvis.workflows.map import map_mosaic as map_mosaic

__version__ = "0.1.0"

# Imported when first asked for, so that ``import cemvis`` stays light.
_HOME = {
    "load_model": "cemvis.models.model_file",
    "map_mosaic": "cemvis.workflows.map",
    "open_micrograph": "cemvis.images.micrograph",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        msg = f"module 'cemvis' has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
