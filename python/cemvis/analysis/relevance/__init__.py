"""What relevance maps say, in NumPy alone: characteristic regions, boundary features, thresholds, faithfulness.

The public names load when they are asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cemvis.analysis.relevance.boundary import boundary_features, relevance_gradient
    from cemvis.analysis.relevance.centre import CentreBias, centre_bias
    from cemvis.analysis.relevance.faithfulness import Curves, Verdict, baseline_of, perturbation_curves, verdicts
    from cemvis.analysis.relevance.isodata import isodata_threshold
    from cemvis.analysis.relevance.regions import RegionShares, characteristic_regions, region_shares

__all__ = [
    "CentreBias",
    "Curves",
    "RegionShares",
    "Verdict",
    "baseline_of",
    "boundary_features",
    "centre_bias",
    "characteristic_regions",
    "isodata_threshold",
    "perturbation_curves",
    "region_shares",
    "relevance_gradient",
    "verdicts",
]

_HOMES = {
    "CentreBias": "centre",
    "Curves": "faithfulness",
    "RegionShares": "regions",
    "Verdict": "faithfulness",
    "baseline_of": "faithfulness",
    "boundary_features": "boundary",
    "centre_bias": "centre",
    "characteristic_regions": "regions",
    "isodata_threshold": "isodata",
    "perturbation_curves": "faithfulness",
    "region_shares": "regions",
    "relevance_gradient": "boundary",
    "verdicts": "faithfulness",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
