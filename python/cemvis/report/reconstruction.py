"""A reconstruction as a picture: the images, the two-point correlations wanted and reached, and the energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.report import style
from cemvis.report.deconvolution import COLOURS
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_IN, TITLE_IN, ABOVE_IN = 0.22, 0.34, 0.26
IMAGE_IN, GAP_IN, CHART_LEFT_IN, CHART_HIGH_IN, BELOW_IN = 2.7, 0.3, 0.62, 2.1, 0.5
MOST_CURVES = 8
MOST_SHOWN_PX = 600


@dataclass(frozen=True, eq=False)
class Curve:
    """S2 of one phase: its name, what was wanted and what was reached, both (r_max + 1,)."""

    name: str
    target: NDArray[np.float64]
    reached: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shown:
    """An image of phases, (rows, cols) uint8, and the title above it."""

    title: str
    phases: NDArray[np.uint8]


def reconstruction_figure(
    images: Sequence[Shown],
    curves: Sequence[Curve],
    energies: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
    *,
    pixel_size_um: float | None,
    title: str,
    caption: str,
    warnings: Sequence[str] = (),
) -> Figure:
    """Return a figure of up to two images above two charts.

    Parameters
    ----------
    images : sequence of Shown
        Cut to 600 px a side, of one number of phases.
    curves : sequence of Curve
        The first eight are drawn.
    energies : sequence of (trials, rms deviation)
        Of each candidate, at the end of its stages.
    pixel_size_um : float, optional
        Distances are in px without it.
    title, caption : str
    warnings : sequence of str
        Shown in a banner that cannot be overlooked.
    """
    wide = 2 * IMAGE_IN + GAP_IN + CHART_LEFT_IN
    banner = style.banner_lines(warnings, wide)
    small = style.wrap(caption, wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner) + ABOVE_IN
    cut = [Shown(each.title, each.phases[:MOST_SHOWN_PX, :MOST_SHOWN_PX]) for each in images]
    high = max((IMAGE_IN * each.phases.shape[0] / max(each.phases.shape) for each in cut), default=0.0)
    chart_top = top + high + ABOVE_IN + 0.1
    below = chart_top + CHART_HIGH_IN + BELOW_IN
    height = below + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, wide, banner)
    phases = max(int(each.phases.max()) for each in cut) + 1 if cut else 0
    for number, each in enumerate(cut):
        left = MARGIN_IN + number * (IMAGE_IN + GAP_IN + CHART_LEFT_IN)
        _draw_image(figure, each, left, top, phases, pixel_size_um)
    chart = IMAGE_IN - 0.5 * CHART_LEFT_IN
    _draw_curves(
        style.add_axes_in(figure, MARGIN_IN + CHART_LEFT_IN, chart_top, chart, CHART_HIGH_IN), curves, pixel_size_um
    )
    left = MARGIN_IN + wide - chart
    _draw_energies(style.add_axes_in(figure, left, chart_top, chart, CHART_HIGH_IN), energies)
    style.add_text_in(figure, MARGIN_IN, below, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _draw_image(
    figure: Figure, shown: Shown, left: float, top: float, phases: int, pixel_size_um: float | None
) -> None:
    rows, cols = shown.phases.shape
    scale = IMAGE_IN / max(rows, cols)
    axes = style.add_axes_in(figure, left, top, cols * scale, rows * scale)
    step = pixel_size_um or 1.0
    axes.imshow(
        shown.phases,
        cmap=style.VALUE_COLOURS,
        vmin=0,
        vmax=max(phases - 1, 1),
        interpolation="nearest",
        extent=(0, cols * step, rows * step, 0),
        aspect="auto",
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(shown.title, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0)
    if pixel_size_um is not None:
        add_scale_bar(axes)


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0)
    axes.set_xlabel(x, fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    axes.set_ylabel(y, fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_curves(axes: Axes, curves: Sequence[Curve], pixel_size_um: float | None) -> None:
    step = pixel_size_um or 1.0
    for number, curve in enumerate(curves[:MOST_CURVES]):
        colour = COLOURS[number % len(COLOURS)]
        r = np.arange(len(curve.target)) * step
        axes.plot(r, curve.target, lw=1.1, color=colour, label=curve.name)
        axes.plot(r, curve.reached, ls="none", marker="o", ms=2.2, mfc="none", mew=0.6, color=colour)
    axes.set_ylim(0, None)
    axes.set_xlim(0, None)
    unit = "px" if pixel_size_um is None else "\N{MICRO SIGN}m"
    _label(axes, "Lines: wanted; circles: reached", f"distance ({unit})", "probability that both are the phase")
    axes.legend(fontsize=style.SMALL_PT - 1, frameon=False, ncols=1 + (len(curves) > 4))


def _draw_energies(axes: Axes, energies: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> None:
    for number, (trials, rms) in enumerate(energies):
        positive = rms > 0
        axes.plot(trials[positive], rms[positive], lw=1.0, color=COLOURS[number % len(COLOURS)])
    if any((rms > 0).any() for _, rms in energies):
        axes.set_yscale("log")
    axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 3))
    axes.xaxis.get_offset_text().set_fontsize(style.SMALL_PT - 1)
    _label(axes, "Deviation as it was annealed", "swaps tried", "rms of the probabilities")
