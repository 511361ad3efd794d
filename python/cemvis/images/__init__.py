"""Pixels and where they are: micrographs, pixel size, grey scale."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cemvis.images.grey_scale import (
        AnchorFit,
        GreyScale,
        GreyTransform,
        find_anchors,
        grey_histogram,
        transform_to,
    )
    from cemvis.images.micrograph import Micrograph, open_micrograph
    from cemvis.images.pixel_size import PixelSize

__all__ = [
    "AnchorFit",
    "GreyScale",
    "GreyTransform",
    "Micrograph",
    "PixelSize",
    "find_anchors",
    "grey_histogram",
    "open_micrograph",
    "transform_to",
]
_MODULES = {"Micrograph": "micrograph", "open_micrograph": "micrograph", "PixelSize": "pixel_size"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'grey_scale')}"), name)
