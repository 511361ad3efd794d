"""Where one image of a surface lies on another of the same surface: a displacement field that breaks at seams."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cemvis.images.registration.estimate import register
    from cemvis.images.registration.field import DisplacementField
    from cemvis.images.registration.result import Registration, RegistrationConfig
    from cemvis.images.registration.warp import warped_window

__all__ = ["DisplacementField", "Registration", "RegistrationConfig", "register", "warped_window"]
_MODULES = {
    "DisplacementField": "field",
    "Registration": "result",
    "RegistrationConfig": "result",
    "register": "estimate",
    "warped_window": "warp",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
