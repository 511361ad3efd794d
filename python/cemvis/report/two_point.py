"""Figures of two-point correlations: the map over distance and difference, curves with bands, and directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.report import style
from cemvis.report.deconvolution import COLOURS, LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

LEFT_IN, BELOW_IN = 0.62, 0.62
WIDE_IN, MAP_IN, PANEL_IN, GAP_IN, BAR_IN, BAR_SIDE_IN = 5.4, 3.7, 1.75, 0.22, 0.12, 0.75
ROW_IN = 0.26
DECADES = 6
MAP_COLOURS = "viridis"


@dataclass(frozen=True)
class Axis:
    """Rings 0 to `r_max` px, and the pixel size where it is known."""

    r_max: int
    pixel_um: float | None

    @property
    def scale(self) -> float:
        """What one px is worth on the axis."""
        return 1.0 if self.pixel_um is None else self.pixel_um

    @property
    def unit(self) -> str:
        """Of the axis."""
        return "px" if self.pixel_um is None else "\N{MICRO SIGN}m"


@dataclass(frozen=True)
class Mark:
    """A length that is marked, with its interval, in px."""

    name: str
    at_px: float
    ends_px: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Curve:
    """Values of each ring, the band around them, and the value far away."""

    name: str
    values: Floats
    band: tuple[Floats, Floats] | None
    limit: float | None = None
    thin: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves over one axis, from ring `first` on."""

    label: str
    curves: tuple[Curve, ...]
    logarithmic: bool = False
    first: int = 0
    legend_note: str = ""


def map_figure(
    probabilities: Floats, axis: Axis, *, difference_step: float, marks: Sequence[Mark], title: str, caption: str
) -> Figure:
    """Return the map of P(dn | r) over distance and difference, with a logarithmic colour bar and marked lengths.

    Parameters
    ----------
    probabilities : (r_max + 1, differences) float64
        Ring 0, where dn is 0, is not drawn. What no pair has is grey.
    axis : Axis
    difference_step : float
        What a difference of one level is worth.
    marks : sequence of Mark
    title, caption : str
    """
    from matplotlib.colors import LogNorm

    wide = LEFT_IN + WIDE_IN + GAP_IN + BAR_IN + BAR_SIDE_IN
    high_marks = ROW_IN * len(marks)
    figure, top = style.captioned_page(wide, high_marks + MAP_IN + BELOW_IN, title, caption)
    axes = style.add_axes_in(figure, style.MARGIN_IN + LEFT_IN, top + high_marks, WIDE_IN, MAP_IN)
    shown = probabilities[1:].T
    highest = float(np.nanmax(shown, initial=0)) or 1.0
    positive = shown[shown > 0]
    lowest = max(float(positive.min(initial=highest)), highest * 10.0**-DECADES)
    norm = LogNorm(lowest, highest if highest > lowest else 10 * lowest)
    axes.set_facecolor(style.NOT_MAPPED)
    r = (np.arange(probabilities.shape[0]) + 0.5) * axis.scale
    dn = (np.arange(probabilities.shape[1] + 1) - 0.5) * difference_step
    # Values below the scale take its end, so that grey is what no pair has.
    clipped = np.ma.masked_where(~(shown > 0), np.clip(np.nan_to_num(shown), lowest, None))
    drawn = axes.pcolormesh(r, dn, clipped, cmap=MAP_COLOURS, norm=norm, rasterized=True)
    axes.set_xlabel(f"Distance r ({axis.unit})", fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    axes.set_ylabel(
        "Difference \N{GREEK CAPITAL LETTER DELTA}n", fontsize=style.TEXT_PT, color=style.INK, parse_math=False
    )
    _mark(axes, axis, marks, colour="white", labels=True)
    bar = style.add_axes_in(figure, style.MARGIN_IN + LEFT_IN + WIDE_IN + GAP_IN, top + high_marks, BAR_IN, MAP_IN)
    figure.colorbar(drawn, cax=bar)
    bar.tick_params(labelsize=style.SMALL_PT, colors=style.SOFT_INK, length=2.5, width=0.6)
    bar.set_ylabel(
        "Probability P(\N{GREEK CAPITAL LETTER DELTA}n | r)", fontsize=style.TEXT_PT, color=style.INK, parse_math=False
    )
    return figure


def curves_figure(panels: Sequence[Panel], axis: Axis, *, marks: Sequence[Mark], title: str, caption: str) -> Figure:
    """Return panels of curves with their bands below each other, over one axis of distances."""
    high = len(panels) * (PANEL_IN + GAP_IN) - GAP_IN + BELOW_IN + ROW_IN * len(marks)
    figure, top = style.captioned_page(LEFT_IN + WIDE_IN, high, title, caption)
    top += ROW_IN * len(marks)
    for number, panel in enumerate(panels):
        axes = style.add_axes_in(
            figure, style.MARGIN_IN + LEFT_IN, top + number * (PANEL_IN + GAP_IN), WIDE_IN, PANEL_IN
        )
        _draw_panel(axes, panel, axis)
        _mark(axes, axis, marks, colour=style.SOFT_INK, labels=number == 0)
        if number < len(panels) - 1:
            axes.tick_params(labelbottom=False)
        else:
            axes.set_xlabel(f"Distance r ({axis.unit})", fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    return figure


def directions_figure(same: Floats, axis: Axis, *, title: str, caption: str) -> Figure:
    """Return the map of P(dn = 0 | h) over displacements h.

    Parameters
    ----------
    same : (2 n + 1, 2 n + 1) float64
        Displacements down and to the right from -n to n px; 0, where P is 1, is not drawn. The highest 1 % have one
        colour.
    axis, title, caption
        As for `map_figure`.
    """
    figure, top = style.captioned_page(
        LEFT_IN + MAP_IN + GAP_IN + BAR_IN + BAR_SIDE_IN, MAP_IN + BELOW_IN, title, caption
    )
    axes = style.add_axes_in(figure, style.MARGIN_IN + LEFT_IN, top, MAP_IN, MAP_IN)
    reach = same.shape[0] // 2
    shown = same.copy()
    shown[reach, reach] = np.nan
    edge = (reach + 0.5) * axis.scale
    axes.set_facecolor(style.NOT_MAPPED)
    highest = float(np.nanpercentile(shown, 99)) if np.isfinite(shown).any() else 1.0
    drawn = axes.imshow(
        shown,
        vmax=highest,
        cmap=MAP_COLOURS,
        extent=(-edge, edge, edge, -edge),
        interpolation="nearest",
        aspect="equal",
    )
    axes.set_xlabel(f"To the right ({axis.unit})", fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    axes.set_ylabel(f"Down ({axis.unit})", fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    bar = style.add_axes_in(figure, style.MARGIN_IN + LEFT_IN + MAP_IN + GAP_IN, top, BAR_IN, MAP_IN)
    figure.colorbar(drawn, cax=bar, extend="max")
    bar.tick_params(labelsize=style.SMALL_PT, colors=style.SOFT_INK, length=2.5, width=0.6)
    bar.set_ylabel(
        "P(\N{GREEK CAPITAL LETTER DELTA}n = 0 | h)", fontsize=style.TEXT_PT, color=style.INK, parse_math=False
    )
    return figure


def _draw_panel(axes: Axes, panel: Panel, axis: Axis) -> None:
    r = np.arange(axis.r_max + 1) * axis.scale
    for number, curve in enumerate(panel.curves):
        colour = style.SOFT_INK if curve.thin else COLOURS[number % len(COLOURS)]
        line = "--" if curve.thin else LINES[number % len(LINES)]
        values = curve.values[panel.first :]
        if panel.logarithmic:
            values = np.where(values > 0, values, np.nan)
        if curve.band is not None:
            low, high = (end[panel.first :] for end in curve.band)
            axes.fill_between(r[panel.first :], low, high, color=colour, alpha=0.22, lw=0)
        axes.plot(r[panel.first :], values, color=colour, ls=line, lw=0.8 if curve.thin else 1.3, label=curve.name)
        if curve.limit is not None:
            axes.axhline(curve.limit, color=colour, ls=":", lw=0.8)
    if panel.logarithmic and any((curve.values[panel.first :] > 0).any() for curve in panel.curves):
        axes.set_yscale("log")
    axes.set_xlim(0, axis.r_max * axis.scale)
    axes.set_ylabel(panel.label, fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    if any(curve.name for curve in panel.curves):
        legend = axes.legend(
            fontsize=style.SMALL_PT, frameon=False, title=panel.legend_note or None, title_fontsize=style.SMALL_PT
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _mark(axes: Axes, axis: Axis, marks: Sequence[Mark], *, colour: str, labels: bool) -> None:
    """Draw a line at each length, and above the axes its interval as a bar, and its name."""
    high_in = axes.get_window_extent().height / style.DPI
    blend = axes.get_xaxis_transform()
    for number, mark in enumerate(marks):
        at = mark.at_px * axis.scale
        axes.axvline(at, color=colour, ls=LINES[(number + 1) % len(LINES)], lw=1.0)
        if not labels:
            continue
        height = 1 + (0.07 + ROW_IN * number) / high_in
        text = f"{mark.name} {at:.3g} {axis.unit}"
        if mark.ends_px is not None:
            low, high = (end * axis.scale for end in mark.ends_px)
            axes.plot([low, high], [height, height], color=style.INK, lw=2, transform=blend, clip_on=False)
            text += f" ({low:.3g} to {high:.3g})"
        axes.plot([at], [height], marker="v", ms=4, color=style.INK, transform=blend, clip_on=False)
        share = mark.at_px / axis.r_max
        axes.annotate(
            text,
            (at, height),
            xycoords=blend,
            xytext=(0, 3),
            textcoords="offset points",
            ha="left" if share < 0.3 else "right" if share > 0.7 else "center",
            va="bottom",
            fontsize=style.SMALL_PT,
            color=style.INK,
            annotation_clip=False,
        )
