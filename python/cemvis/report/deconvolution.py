"""Populations as pictures: distributions with their components, how many there are, how they settle, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.families import Parameters
from cemvis.analysis.indentation.deconvolution.grouped import Grouped
from cemvis.analysis.indentation.deconvolution.maximise import log_terms
from cemvis.analysis.indentation.deconvolution.populations import Deconvolution
from cemvis.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MARGIN_IN, TITLE_IN, LEFT_IN, BELOW_IN, ABOVE_IN = 0.22, 0.34, 0.62, 0.55, 0.3
WIDE_IN, NARROW_IN, HIGH_IN = 4.4, 2.5, 2.6
BINS = 80
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#222255")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)), (0, (8, 2)))
UNCERTAIN_COLOUR = "#f2f2f2"
_MOST_PX = 900  # of the picture's longer side: a map of populations is thinned to it


@dataclass(frozen=True)
class Distribution:
    """Values, the mixture fitted to them, and what was found."""

    found: Deconvolution
    data: Grouped
    mixture: Parameters


def populations_figure(
    shown: Sequence[Distribution], *, title: str, caption: str, warnings: Sequence[str] = ()
) -> Figure:
    """Return a figure with a row for each property: distribution, BIC and ICL by number, fractions by indents."""
    text_wide = 3 * LEFT_IN + WIDE_IN + 2 * NARROW_IN
    banner = style.banner_lines(warnings, text_wide)
    small = style.wrap(caption, text_wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    row = ABOVE_IN + HIGH_IN + BELOW_IN
    bottom = top + len(shown) * row
    height = bottom + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + text_wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, text_wide, banner)
    for number, each in enumerate(shown):
        at = top + number * row + ABOVE_IN
        left = MARGIN_IN + LEFT_IN
        _draw_distribution(style.add_axes_in(figure, left, at, WIDE_IN, HIGH_IN), each)
        left += WIDE_IN + LEFT_IN
        _draw_selection(style.add_axes_in(figure, left, at, NARROW_IN, HIGH_IN), each.found)
        left += NARROW_IN + LEFT_IN
        _draw_settling(style.add_axes_in(figure, left, at, NARROW_IN, HIGH_IN), each.found)
    style.add_text_in(figure, MARGIN_IN, bottom, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _labels(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0)
    axes.set_xlabel(x, fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.set_ylabel(y, fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_distribution(axes: Axes, shown: Distribution) -> None:
    data, found = shown.data, shown.found
    name = found.properties[0]
    total = data.total
    share = np.cumsum(total) / total.sum()
    last = min(int(np.searchsorted(share, 0.998)), len(share) - 1)
    low, high = float(data.lower[0]), float(data.upper[last])
    counts, edges = np.histogram(data.centre, BINS, (low, high), weights=total)
    axes.stairs(counts / total.sum() / (edges[1] - edges[0]), edges, fill=True, color="#d9dde4")
    x = np.linspace(low, high, 600)
    terms = log_terms(x, x, shown.mixture, found.family)
    parts = shown.mixture.weight[0][:, None] * np.exp(terms.log_p[0])
    for number, (part, each) in enumerate(zip(parts, found.populations, strict=True)):
        label = f"{each.name}: {100 * each.fraction.value:.0f} %"
        axes.plot(x, part, lw=1.3, label=label, color=COLOURS[number % len(COLOURS)], ls=LINES[number % len(LINES)])
    axes.plot(x, parts.sum(axis=0), color=style.INK, lw=0.9, label="all")
    axes.legend(fontsize=style.SMALL_PT, frameon=False)
    axes.set_xlim(low, high)
    doubt = "" if found.supported else " (not supported)"
    title = f"{name.capitalize()}: {len(found.populations)} populations{doubt}, {found.size:,} values"
    _labels(axes, title, f"{name.capitalize()} (GPa)", "Density (1/GPa)")


def _draw_selection(axes: Axes, found: Deconvolution) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [each.populations for each in found.candidates]
    for name, marker, line in (("bic", "o", "-"), ("icl", "s", "--")):
        values = np.array([getattr(each, name) for each in found.candidates])
        axes.plot(numbers, values - values.min(), marker=marker, ls=line, ms=3.5, lw=1.0, label=name.upper())
    axes.axvline(len(found.populations), color=style.SOFT_INK, lw=0.6, ls=":")
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=style.SMALL_PT, frameon=False)
    _labels(axes, "How many populations", "Populations", "Above the least")


def _draw_settling(axes: Axes, found: Deconvolution) -> None:
    if not found.settling:
        axes.set_axis_off()
        return
    size = [each.indents for each in found.settling]
    for number in range(len(found.populations)):
        low, middle, high = (np.array([each.fractions[q, number] for each in found.settling]) for q in range(3))
        colour = COLOURS[number % len(COLOURS)]
        axes.fill_between(size, low, high, color=colour, alpha=0.18, lw=0)
        axes.plot(size, middle, color=colour, ls=LINES[number % len(LINES)], lw=1.2, marker=".", ms=3)
    axes.set_xscale("log")
    axes.set_ylim(0, None)
    _labels(axes, "Fractions, 95 % of draws", "Values drawn", "Fraction")


def population_map_figure(
    number: NDArray[np.uint8],
    names: Sequence[str],
    *,
    step_um: float,
    edge_um: float,
    title: str,
    caption: str,
    warnings: Sequence[str] = (),
) -> Figure:
    """Return a figure of a map of populations, (rows, cols) uint8 with 0 not mapped and 255 uncertain.

    `edge_um` is where the map's left and upper edges lie.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    rows, cols = number.shape
    wide = min(6.5, 6.5 * cols / rows)
    high = wide * rows / cols
    text_wide = max(LEFT_IN + wide + 1.9, 5.0)
    banner = style.banner_lines(warnings, text_wide)
    small = style.wrap(caption, text_wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    height = top + max(high, 2.2) + BELOW_IN + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + text_wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, text_wide, banner)
    colour = np.zeros((256, 3))
    colour[0], colour[255] = to_rgb("#8c8c8c"), to_rgb(UNCERTAIN_COLOUR)
    for n in range(len(names)):
        colour[n + 1] = to_rgb(COLOURS[n % len(COLOURS)])
    axes = style.add_axes_in(figure, MARGIN_IN + LEFT_IN, top, wide, high)
    extent = (edge_um, edge_um + cols * step_um, edge_um + rows * step_um, edge_um)
    axes.imshow(colour[number], extent=extent, interpolation="nearest")
    axes.set_xlabel("x (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.set_ylabel("y (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    marks = [Patch(facecolor=colour[n + 1], label=name) for n, name in enumerate(names)]
    marks.append(Patch(facecolor=colour[255], edgecolor=style.SOFT_INK, lw=0.5, label="uncertain"))
    if (number == 0).any():
        marks.append(Patch(facecolor=colour[0], label="not mapped"))
    axes.legend(
        handles=marks,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0,
        fontsize=style.TEXT_PT,
        frameon=False,
    )
    below = top + max(high, 2.2) + BELOW_IN
    style.add_text_in(figure, MARGIN_IN, below, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def thinning(shape: tuple[int, int]) -> int:
    """Return which cells of a map to show, every n-th, so that the picture stays small."""
    return max(1, -(-max(shape) // _MOST_PX))
