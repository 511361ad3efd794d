"""The figure of a training: measured values against grey level, and predicted against measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.models.model import Model, PropertyModel
from cemvis.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MODEL_COLOUR, INTERVAL_COLOUR = "#d55e00", "#0072b2"  # vermilion and blue are told apart by every kind of eye
PANEL_IN = (3.6, 2.7)
MARGIN_IN, LEFT_IN, BELOW_IN, ABOVE_IN, TITLE_IN = 0.2, 0.65, 0.6, 0.3, 0.35
_HEXAGONS = 60


@dataclass(frozen=True)
class PropertyPairs:
    """What the figure shows of one property.

    Attributes
    ----------
    mean_grey, measured : (n,) float64
        All pairs; grey levels on the model's scale.
    test : (m,) int
        Indices of the pairs in the test batches.
    """

    mean_grey: Floats
    measured: Floats
    test: NDArray[np.intp]


def training_figure(model: Model, pairs: Sequence[PropertyPairs]) -> Figure:
    """Return a figure with a row for each property of `model`: its pairs with the model, and its test batches."""
    wide, high = PANEL_IN
    row_in = ABOVE_IN + high + BELOW_IN
    figure = style.new_figure(2 * (LEFT_IN + wide) + 2 * MARGIN_IN, TITLE_IN + row_in * len(pairs) + MARGIN_IN)
    title = f"{model.training.pairs:,} pairs of {model.training.batches} batches, windows of {model.window_um:g} um"
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    for number, (one, shown) in enumerate(zip(model.properties, pairs, strict=True)):
        top = TITLE_IN + ABOVE_IN + number * row_in
        left = MARGIN_IN + LEFT_IN
        _draw_model(style.add_axes_in(figure, left, top, wide, high), one, shown)
        _draw_test(style.add_axes_in(figure, left + wide + LEFT_IN, top, wide, high), one, shown)
    return figure


def _draw_model(axes: Axes, one: PropertyModel, shown: PropertyPairs) -> None:
    """Draw all pairs over their mean grey level, with the model and its prediction interval."""
    low, high = one.fitted.grey_range
    grey = np.linspace(low, high, 2000)
    predicted = one.predict(grey)
    _draw_density(axes, shown.mean_grey, shown.measured)
    axes.plot(grey, predicted.value, color=MODEL_COLOUR, lw=1.6, label=f"{one.network} model")
    if one.interval.stretch is not None:
        label = f"{one.interval.level:.0%} interval"
        axes.plot(grey, predicted.lower, color=INTERVAL_COLOUR, lw=1.0, ls="--", label=label)
        axes.plot(grey, predicted.upper, color=INTERVAL_COLOUR, lw=1.0, ls="--")
    axes.legend(loc="upper left", fontsize=style.SMALL_PT, frameon=False)
    axes.set_xlabel("mean grey level of the window (model's scale)", fontsize=style.TEXT_PT)
    axes.set_ylabel(f"measured {one.name} ({one.unit})", fontsize=style.TEXT_PT)
    axes.set_title("all pairs", fontsize=style.PANEL_TITLE_PT, loc="left")


def _draw_test(axes: Axes, one: PropertyModel, shown: PropertyPairs) -> None:
    """Draw predicted over measured values of the test batches, with the line where they agree."""
    measured = shown.measured[shown.test]
    predicted = one.predict(shown.mean_grey[shown.test]).value
    scores = one.metrics.by_batch.test
    draw_agreement(axes, measured, predicted, name=one.name, unit=one.unit)
    title = f"test batches: R2 {scores.r2:.3f}, MAE {scores.mae:.3g} {one.unit}, {scores.n:,} pairs"
    axes.set_title(title, fontsize=style.PANEL_TITLE_PT, loc="left")


def draw_agreement(
    axes: Axes, measured: Floats, predicted: Floats, *, name: str, unit: str, most: float | None = None
) -> None:
    """Draw predicted over measured values, with the line where they agree, up to `most` if that is more."""
    most = max(most or 0.0, float(measured.max()), float(predicted.max()))
    _draw_density(axes, measured, predicted)
    axes.plot([0, most], [0, most], color=INTERVAL_COLOUR, lw=1.0)
    axes.set_xlabel(f"measured {name} ({unit})", fontsize=style.TEXT_PT)
    axes.set_ylabel(f"predicted {name} ({unit})", fontsize=style.TEXT_PT)


def _draw_density(axes: Axes, x: Floats, y: Floats) -> None:
    axes.hexbin(x, y, gridsize=_HEXAGONS, bins="log", mincnt=1, cmap="Greys", linewidths=0.1, vmin=0.3)
