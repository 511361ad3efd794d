"""Where in an image did a network's answer come from: deep Taylor decomposition, and others to compare it with.

The public names load when they are asked for, so that importing this package does not import PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cemvis.models.explain.class_activation import grad_cam
    from cemvis.models.explain.decomposition import deep_taylor
    from cemvis.models.explain.explanation import Explanation, Score
    from cemvis.models.explain.gradients import gradient_times_input, integrated_gradients
    from cemvis.models.explain.methods import METHODS, Reading, explain
    from cemvis.models.explain.random_weights import randomised

__all__ = [
    "METHODS",
    "Explanation",
    "Reading",
    "Score",
    "deep_taylor",
    "explain",
    "grad_cam",
    "gradient_times_input",
    "integrated_gradients",
    "randomised",
]

_HOMES = {
    "METHODS": "methods",
    "Explanation": "explanation",
    "Reading": "methods",
    "Score": "explanation",
    "deep_taylor": "decomposition",
    "explain": "methods",
    "grad_cam": "class_activation",
    "gradient_times_input": "gradients",
    "integrated_gradients": "gradients",
    "randomised": "random_weights",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
