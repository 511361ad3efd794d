"""The figures of a network: how its training went, predicted against measured values, and what its intervals hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.models.history import History
from cemvis.models.metrics import BinScores, scores
from cemvis.models.prediction import Prediction
from cemvis.report import style
from cemvis.report.training import (
    ABOVE_IN,
    BELOW_IN,
    INTERVAL_COLOUR,
    LEFT_IN,
    MARGIN_IN,
    MODEL_COLOUR,
    PANEL_IN,
    TITLE_IN,
    draw_agreement,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

TRAIN_COLOUR, VALIDATION_COLOUR = INTERVAL_COLOUR, MODEL_COLOUR
_HISTORY_IN = (6.4, 3.0)
_RATE_IN = 1.0
_GAP_IN = 0.22


@dataclass(frozen=True)
class NetworkPairs:
    """What `network_figure` shows of one property.

    Attributes
    ----------
    name, unit : str
    measured : (n,) float64
        Of all pairs.
    predicted : Prediction
        Of all pairs.
    train, neighbours, test : (m,) int
        Indices of the pairs trained on, of those left out of the training batches, and of those in the test batches.
    """

    name: str
    unit: str
    measured: Floats
    predicted: Prediction
    train: Indices
    neighbours: Indices
    test: Indices


@dataclass(frozen=True)
class IntervalsByValue:
    """What `coverage_figure` shows of one property.

    Attributes
    ----------
    name, unit : str
    level : float
        Share of the measured values that the intervals were to hold.
    bins : tuple of BinScores
        May be empty: then the figure says that there are no intervals.
    """

    name: str
    unit: str
    level: float
    bins: tuple[BinScores, ...]


def history_figure(history: History) -> Figure:
    """Return a figure of the losses over the epochs, the epoch that was kept, and the learning rate below them.

    References
    ----------
    Liang et al. (2023), fig. 12, doi:10.1016/j.matdes.2023.111905
    """
    from matplotlib.ticker import MaxNLocator

    wide, high = _HISTORY_IN
    height = TITLE_IN + ABOVE_IN + high + _GAP_IN + _RATE_IN + BELOW_IN
    best = history.best
    figure = style.new_figure(LEFT_IN + wide + 2 * MARGIN_IN, height)
    title = f"Epochs 1 to {len(history.epochs)}; the weights are those of epoch {best.epoch}"
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    left, top = MARGIN_IN + LEFT_IN, TITLE_IN + ABOVE_IN
    losses = style.add_axes_in(figure, left, top, wide, high)
    rates = style.add_axes_in(figure, left, top + high + _GAP_IN, wide, _RATE_IN)
    _draw_losses(losses, history)
    _draw_rates(rates, history)
    for axes in (losses, rates):
        axes.axvline(best.epoch, color=style.SOFT_INK, lw=0.8, ls=":")
        axes.set_xlim(0.5, len(history.epochs) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    losses.tick_params(labelbottom=False)
    return figure


def network_figure(shown: Sequence[NetworkPairs]) -> Figure:
    """Return a figure of predicted over measured values, a row for each property.

    Its panels hold the pairs trained on, those left out of the training batches one by one, and the test batches.

    References
    ----------
    Liang et al. (2023), figs. 11 and 13, doi:10.1016/j.matdes.2023.111905
    """
    wide, high = PANEL_IN
    row_in = ABOVE_IN + high + BELOW_IN
    figure = style.new_figure(3 * (LEFT_IN + wide) + 2 * MARGIN_IN, TITLE_IN + row_in * len(shown) + MARGIN_IN)
    title = f"{len(shown[0].measured):,} pairs: predicted over measured values"
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    for number, one in enumerate(shown):
        top = TITLE_IN + ABOVE_IN + number * row_in
        most = float(max(one.measured.max(), one.predicted.value.max()))
        sets = {"trained on": one.train, "their neighbours": one.neighbours, "test batches": one.test}
        for column, (label, chosen) in enumerate(sets.items()):
            left = MARGIN_IN + LEFT_IN + column * (wide + LEFT_IN)
            measured, predicted = one.measured[chosen], one.predicted.value[chosen]
            axes = style.add_axes_in(figure, left, top, wide, high)
            draw_agreement(axes, measured, predicted, name=one.name, unit=one.unit, most=most)
            found = scores(measured, predicted)
            title = f"{label}: R2 {found.r2:.3f}, MAE {found.mae:.3g} {one.unit}, {found.n:,} pairs"
            axes.set_title(title, fontsize=style.PANEL_TITLE_PT, loc="left")
    return figure


def coverage_figure(shown: Sequence[IntervalsByValue], *, title: str = "Intervals on the test batches") -> Figure:
    """Return a figure with a row for each property: what its intervals hold, and how wide they are, over the value.

    Bars are the ranges of `cemvis.models.metrics.coverage_range`.
    """
    wide, high = PANEL_IN
    row_in = ABOVE_IN + high + BELOW_IN
    figure = style.new_figure(2 * (LEFT_IN + wide) + 2 * MARGIN_IN, TITLE_IN + row_in * len(shown) + MARGIN_IN)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    for number, one in enumerate(shown):
        top = TITLE_IN + ABOVE_IN + number * row_in
        left = MARGIN_IN + LEFT_IN
        draw_coverage(style.add_axes_in(figure, left, top, wide, high), one)
        draw_widths(style.add_axes_in(figure, left + wide + LEFT_IN, top, wide, high), one)
    return figure


def coverage_csv(shown: Sequence[IntervalsByValue]) -> str:
    """Return coverage and width of the intervals over the predicted value as CSV: a row for each property and bin."""
    columns = {
        "low": "predicted_from_gpa",
        "high": "predicted_to_gpa",
        "n": "pairs",
        "batches": "batches",
        "coverage": "coverage",
        "coverage_low": "coverage_low",
        "coverage_high": "coverage_high",
        "mean_width": "mean_width_gpa",
        "mae": "mae_gpa",
    }
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["property", *columns.values()])
    for one in shown:
        for each in one.bins:
            table.writerow([one.name, *(f"{getattr(each, name):.6g}" for name in columns)])
    return text.getvalue()


def draw_coverage(axes: Axes, one: IntervalsByValue) -> None:
    """Draw the share of measured values that the intervals of each bin hold, with its range and the wanted level."""
    axes.axhline(one.level, color=style.SOFT_INK, lw=1.0, ls="--", label=f"wanted: {one.level:.0%}")
    if one.bins:
        coverage = np.array([each.coverage for each in one.bins])
        ends = np.array([(each.coverage_low, each.coverage_high) for each in one.bins]).T
        bars = np.abs(ends - coverage)
        axes.errorbar(
            _middles(one), coverage, xerr=_reaches(one), yerr=bars, fmt="o", ms=4, color=INTERVAL_COLOUR, lw=1.0,
            label="held, with its 95 % range",
        )  # fmt: skip
        axes.set_ylim(min(0.45, float(ends.min()) - 0.05), 1.02)
        axes.legend(loc="lower left", fontsize=style.SMALL_PT, frameon=False)
    else:
        _say_none(axes)
    axes.set_ylabel("share of measured values held", fontsize=style.TEXT_PT)
    _label_values(axes, one)
    axes.set_title(
        f"{one.name}: coverage, {sum(each.n for each in one.bins):,} pairs", fontsize=style.PANEL_TITLE_PT, loc="left"
    )


def draw_widths(axes: Axes, one: IntervalsByValue) -> None:
    """Draw the mean width of the intervals of each bin, and the mean absolute error beside it."""
    if one.bins:
        for values, colour, marker, label in (
            ([each.mean_width for each in one.bins], INTERVAL_COLOUR, "o", "mean width of the intervals"),
            ([each.mae for each in one.bins], MODEL_COLOUR, "s", "mean absolute error"),
        ):
            axes.errorbar(
                _middles(one), values, xerr=_reaches(one), fmt=marker, ms=4, color=colour, lw=1.0, label=label
            )
        axes.set_ylim(0, 1.25 * max(max(each.mean_width, each.mae) for each in one.bins))
        axes.legend(loc="upper left", fontsize=style.SMALL_PT, frameon=False)
    else:
        _say_none(axes)
    axes.set_ylabel(one.unit, fontsize=style.TEXT_PT)
    _label_values(axes, one)
    axes.set_title(f"{one.name}: width and error", fontsize=style.PANEL_TITLE_PT, loc="left")


def _draw_losses(axes: Axes, history: History) -> None:
    epochs = [one.epoch for one in history.epochs]
    best = history.best
    for values, colour, label in (
        ([one.train_loss for one in history.epochs], TRAIN_COLOUR, "training"),
        ([one.validation_loss for one in history.epochs], VALIDATION_COLOUR, "validation"),
    ):
        axes.plot(epochs, values, color=colour, lw=1.4, marker="o", ms=2.5, label=label)
    label = f"kept: epoch {best.epoch}, {best.validation_loss:.3g}"
    axes.plot(
        [best.epoch], [best.validation_loss], "o", ms=9, mfc="none", mec=VALIDATION_COLOUR, mew=1.4, ls="", label=label
    )
    axes.set_ylabel("mean squared error (standardised)", fontsize=style.TEXT_PT)
    axes.legend(loc="upper right", fontsize=style.SMALL_PT, facecolor="white", edgecolor="none", framealpha=1.0)
    most = max(max(one.train_loss, one.validation_loss) for one in history.epochs)
    axes.set_ylim(0, 1.08 * most or 1.0)


def _draw_rates(axes: Axes, history: History) -> None:
    from matplotlib.ticker import NullFormatter

    rates = np.array([one.learning_rate for one in history.epochs])
    axes.stairs(rates, np.arange(len(rates) + 1) + 0.5, baseline=None, color=style.INK, lw=1.2)
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    # Whole decades around the rates, or there would be no tick to read them by.
    axes.set_ylim(10.0 ** (np.floor(np.log10(rates.min())) - 0.2), 10.0 ** (np.ceil(np.log10(rates.max())) + 0.2))
    axes.set_ylabel("learning rate", fontsize=style.TEXT_PT)
    axes.set_xlabel("epoch", fontsize=style.TEXT_PT)


def _label_values(axes: Axes, one: IntervalsByValue) -> None:
    """Label the axis of predicted values; in equal ratios, as most of them are small, unless one is not positive."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axes.set_xlabel(f"predicted {one.name} ({one.unit})", fontsize=style.TEXT_PT)
    if one.bins and one.bins[0].low > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())


def _middles(one: IntervalsByValue) -> Floats:
    return np.array([(each.low + each.high) / 2 for each in one.bins])


def _reaches(one: IntervalsByValue) -> Floats:
    return np.array([(each.high - each.low) / 2 for each in one.bins])


def _say_none(axes: Axes) -> None:
    axes.text(0.5, 0.5, "no intervals", transform=axes.transAxes, ha="center", va="center", color=style.SOFT_INK)
