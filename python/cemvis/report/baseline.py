"""Figure of plain statistics by class: porosity against pore size, bands of porosity, and what they identify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity.pores import BAND_EDGES
from cemvis.report import style
from cemvis.report.deconvolution import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_IN, TITLE_IN, LEFT_IN, BELOW_IN, GAP_IN = 0.22, 0.34, 0.62, 0.6, 0.25
WIDE_IN, HIGH_IN, PANEL_TITLE_IN = 3.6, 3.2, 0.24
MARKERS = "os^Dv<>P"
HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "--", "++")


@dataclass(frozen=True, eq=False)
class ClassPoints:
    """The maps of a class.

    Attributes
    ----------
    name : str
    porosity, pore_size_um2 : (n,) float64
    bands : (n, 5) float64
        Shares of the pixels by porosity.
    """

    name: str
    porosity: NDArray[np.float64]
    pore_size_um2: NDArray[np.float64]
    bands: NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """How often maps are identified by a feature, and the interval of that; what was left out of the means."""

    feature: str
    left_out: str
    value: float
    low: float
    high: float


def baseline_figure(
    classes: Sequence[ClassPoints],
    accuracies: Sequence[Accuracy],
    *,
    chance: float,
    title: str,
    caption: str,
    warnings: Sequence[str] = (),
) -> Figure:
    """Return the figure of all classes: three panels side by side.

    Parameters
    ----------
    classes : sequence of ClassPoints
    accuracies : sequence of Accuracy
    chance : float
        Accuracy of naming the largest class every time.
    title, caption : str
    warnings : sequence of str
        Shown in a banner that cannot be overlooked.
    """
    full = 3 * (LEFT_IN + WIDE_IN) + 2 * GAP_IN
    banner = style.banner_lines(warnings, full)
    small = style.wrap(caption, full, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner) + PANEL_TITLE_IN
    below = top + HIGH_IN + BELOW_IN
    height = below + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(full + 2 * MARGIN_IN, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, full, banner)
    axes = [
        style.add_axes_in(figure, MARGIN_IN + LEFT_IN + number * (LEFT_IN + WIDE_IN + GAP_IN), top, WIDE_IN, HIGH_IN)
        for number in range(3)
    ]
    _draw_points(axes[0], classes)
    _draw_bands(axes[1], classes)
    _draw_accuracies(axes[2], accuracies, chance)
    for each, name in zip(axes, ("Maps by class", "Shares of the area", "Identified by nearest mean"), strict=True):
        each.set_title(name, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0)
        each.spines[["top", "right"]].set_visible(False)
    style.add_text_in(figure, MARGIN_IN, below, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    axes.set_ylabel(y, fontsize=style.TEXT_PT, color=style.INK, parse_math=False)


def _legend(axes: Axes) -> None:
    for text in axes.legend(fontsize=style.SMALL_PT, frameon=False).get_texts():
        text.set_parse_math(False)


def _draw_points(axes: Axes, classes: Sequence[ClassPoints]) -> None:
    for number, each in enumerate(classes):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.scatter(each.porosity, each.pore_size_um2, s=8, color=colour, marker=marker, alpha=0.45, lw=0)
        spread = [
            float(values.std(ddof=1)) if values.size > 1 else 0.0 for values in (each.porosity, each.pore_size_um2)
        ]
        axes.errorbar(
            float(each.porosity.mean()),
            float(each.pore_size_um2.mean()),
            xerr=spread[0],
            yerr=spread[1],
            color=colour,
            marker=marker,
            ms=8,
            mec=style.INK,
            mew=0.8,
            lw=1.2,
            capsize=2,
            label=each.name,
            zorder=5,
        )
    axes.set_ylim(bottom=0)
    _label(axes, "Porosity", "Average pore size (\N{MICRO SIGN}m\N{SUPERSCRIPT TWO})")
    _legend(axes)


def _draw_bands(axes: Axes, classes: Sequence[ClassPoints]) -> None:
    bands = len(BAND_EDGES) - 1
    wide = 0.8 / len(classes)
    for number, each in enumerate(classes):
        at = np.arange(bands) + (number - (len(classes) - 1) / 2) * wide
        spread = each.bands.std(axis=0, ddof=1) if len(each.bands) > 1 else np.zeros(bands)
        means = each.bands.mean(axis=0)
        axes.bar(
            at,
            means,
            wide,
            # A share cannot fall below 0, however wide its spread.
            yerr=[np.minimum(spread, means), spread],
            color=COLOURS[number % len(COLOURS)],
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor="white",
            lw=0,
            label=each.name,
            error_kw={"lw": 0.8, "capsize": 2, "ecolor": style.INK},
        )
    names = [f"{low:g}\N{EN DASH}{high:g}" for low, high in pairwise(BAND_EDGES)]
    axes.set_xticks(np.arange(bands), names)
    _label(axes, "Porosity", "Share of the area")
    _legend(axes)


def _draw_accuracies(axes: Axes, accuracies: Sequence[Accuracy], chance: float) -> None:
    features = list(dict.fromkeys(each.feature for each in accuracies))
    ways = list(dict.fromkeys(each.left_out for each in accuracies))
    wide = 0.8 / max(1, len(ways))
    for number, way in enumerate(ways):
        mine = [each for each in accuracies if each.left_out == way]
        at = [features.index(each.feature) + (number - (len(ways) - 1) / 2) * wide for each in mine]
        values = np.array([each.value for each in mine])
        ends = np.array([[each.value - each.low for each in mine], [each.high - each.value for each in mine]])
        axes.bar(
            at,
            values,
            wide,
            yerr=np.maximum(ends, 0),
            color=COLOURS[number % len(COLOURS)],
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor="white",
            lw=0,
            label="all maps in the means" if way == "nothing" else f"without the map's {way}",
            error_kw={"lw": 0.8, "capsize": 2, "ecolor": style.INK},
        )
    axes.axhline(chance, color=style.SOFT_INK, ls="--", lw=0.9, label="chance")
    axes.set_xticks(range(len(features)), features)
    axes.set_ylim(0, 1.25)
    axes.set_yticks(np.linspace(0, 1, 6))
    _label(axes, "Feature", "Accuracy")
    _legend(axes)
