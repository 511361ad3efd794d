"""Figures of the two-point correlation of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cemvis.analysis.correlation.classes import ClassCorrelation
from cemvis.analysis.correlation.two_point import in_use, mean_difference, probabilities
from cemvis.report.two_point import Axis, Curve, Mark, Panel, curves_figure, map_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEVEL = 1 / 255


def class_map_figure(found: ClassCorrelation, of: str, *, pixel_size_um: float, features: str) -> Figure:
    """Return the map of P(dn | r) of one class, with its lengths marked.

    Parameters
    ----------
    found : ClassCorrelation
    of : str
        What of the maps was counted.
    pixel_size_um : float
    features : str
        Kind of the maps.
    """
    bands = found.bands
    marks = [
        Mark(name, float(value), None if ends is None else (float(ends.low), float(ends.high)))
        for name, value, ends in (
            ("correlation length", found.correlation_px, None if bands is None else bands.correlation_px),
            ("characteristic length", found.characteristic_px, None if bands is None else bands.characteristic_px),
        )
        # A minimum in the last ring is where counting stopped.
        if value is not None
        and value < found.total.r_max
        and (ends is None or np.isfinite([ends.low, ends.high]).all())
    ]
    return map_figure(
        probabilities(in_use(found.total)),
        Axis(found.total.r_max, pixel_size_um),
        difference_step=_LEVEL,
        marks=marks,
        title=f"Two-point correlation of {of}, {found.name}",
        caption=_caption([found], features),
    )


def class_curves_figure(classes: Sequence[ClassCorrelation], of: str, *, pixel_size_um: float, features: str) -> Figure:
    """Return P(dn = 0 | r) and the mean difference of porosity over distance, a curve a class, with bands."""
    same, mean = [], []
    for each in classes:
        shares, bands = each.probabilities, each.bands
        band = None if bands is None else (bands.same.low, bands.same.high)
        same.append(Curve(each.name, shares[:, 0], band))
        band = None if bands is None else (_LEVEL * bands.mean_difference.low, _LEVEL * bands.mean_difference.high)
        mean.append(Curve(each.name, _LEVEL * mean_difference(shares), band))
    panels = (
        Panel("P(\N{GREEK CAPITAL LETTER DELTA}n = 0 | r)", tuple(same), first=1),
        Panel("Mean difference of n", tuple(mean), first=1),
    )
    r_max = classes[0].total.r_max
    title = f"Two-point correlation of {of}"
    return curves_figure(panels, Axis(r_max, pixel_size_um), marks=(), title=title, caption=_caption(classes, features))


def _caption(classes: Sequence[ClassCorrelation], features: str) -> str:
    counted = ", ".join(f"{each.name}: {each.maps} maps of {len(each.units)} images" for each in classes)
    bands = (
        "Bands and bars: 95 % by resampling images."
        if all(each.bands is not None for each in classes)
        else "Classes with fewer than 8 images have no bands."
    )
    return f"{features} maps; {counted}. {bands}"
