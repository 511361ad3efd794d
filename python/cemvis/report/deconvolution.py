"""Populations as pictures: distributions with their components, how many there are, and how they settle."""

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
from cemvis.analysis.indentation.deconvolution.verdict import counted
from cemvis.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MARGIN_IN, TITLE_IN, LEFT_IN, BELOW_IN, ABOVE_IN = 0.22, 0.34, 0.62, 0.55, 0.3
WIDE_IN, NARROW_IN, HIGH_IN = 4.4, 2.5, 2.6
MOST_BINS, FEWEST_BINS = 80, 40
MOST_DOTS = 4000  # of a scatter of indents
FEW = 5  # populations: so many can have their numbers in the legend, and bands that can be told apart
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#222255")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)), (0, (8, 2)))


@dataclass(frozen=True)
class Distribution:
    """Values, the mixture fitted to them, and what was found."""

    found: Deconvolution
    data: Grouped
    mixture: Parameters


@dataclass(frozen=True)
class JointDistribution:
    """Modulus and hardness in GPa, (n, 2) float64, the correlation in each population, (k,), and what was found."""

    found: Deconvolution
    values: Floats
    correlations: Floats


def populations_figure(
    shown: Sequence[Distribution],
    *,
    joint: JointDistribution | None = None,
    title: str,
    caption: str,
    warnings: Sequence[str] = (),
) -> Figure:
    """Return a figure with a row for each property: distribution, BIC and ICL by number, fractions by indents.

    A last row is for both properties together: indents with ellipses of two standard deviations, BIC and ICL, and the
    fractions with their intervals.
    """
    text_wide = 3 * LEFT_IN + WIDE_IN + 2 * NARROW_IN
    banner = style.banner_lines(warnings, text_wide)
    small = style.wrap(caption, text_wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    row = ABOVE_IN + HIGH_IN + BELOW_IN
    bottom = top + (len(shown) + (joint is not None)) * row
    height = bottom + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + text_wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, text_wide, banner)
    every: list[Distribution | JointDistribution] = [*shown, *([joint] if joint else [])]
    for number, each in enumerate(every):
        at = top + number * row + ABOVE_IN
        left = MARGIN_IN + LEFT_IN
        first = style.add_axes_in(figure, left, at, WIDE_IN, HIGH_IN)
        left += WIDE_IN + LEFT_IN
        _draw_selection(style.add_axes_in(figure, left, at, NARROW_IN, HIGH_IN), each.found)
        left += NARROW_IN + LEFT_IN
        last = style.add_axes_in(figure, left, at, NARROW_IN, HIGH_IN)
        if isinstance(each, Distribution):
            _draw_distribution(first, each)
            (_draw_settling if len(each.found.settling) > 1 else _draw_fractions)(last, each.found)
        else:
            _draw_joint(first, each)
            _draw_fractions(last, each.found)
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
    bins = int(np.clip(2 * np.sqrt(data.size), FEWEST_BINS, MOST_BINS))
    counts, edges = np.histogram(data.centre, bins, (low, high), weights=total)
    axes.stairs(counts / total.sum() / (edges[1] - edges[0]), edges, fill=True, color="#d9dde4")
    x = np.linspace(low, high, 600)
    terms = log_terms(x, x, shown.mixture, found.family)
    parts = shown.mixture.weight[0][:, None] * np.exp(terms.log_p[0])
    for number, (part, each) in enumerate(zip(parts, found.populations, strict=True)):
        label = f"{each.name}: {100 * each.fraction.value:.0f} %"
        if len(parts) <= FEW:
            label += f" ({100 * each.fraction.low:.0f} to {100 * each.fraction.high:.0f}), "
            label += f"{each.means[name].value:.3g} \N{PLUS-MINUS SIGN} {each.sds[name].value:.2g} GPa"
        axes.plot(x, part, lw=1.3, label=label, color=COLOURS[number % len(COLOURS)], ls=LINES[number % len(LINES)])
    axes.plot(x, parts.sum(axis=0), color=style.INK, lw=0.9, label="all")
    axes.legend(fontsize=style.SMALL_PT, frameon=False)
    axes.set_xlim(low, high)
    _labels(axes, _title(found, name), f"{name.capitalize()} (GPa)", "Density (1/GPa)")


def _title(found: Deconvolution, name: str) -> str:
    doubt = "" if found.supported else " (not supported)"
    return f"{name.capitalize()}: {counted(len(found.populations))}{doubt}, {found.size:,} values"


def _draw_joint(axes: Axes, shown: JointDistribution) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Ellipse

    found, (x, y) = shown.found, shown.found.properties
    every = -(-len(shown.values) // MOST_DOTS)
    dots = shown.values[::every]
    axes.plot(*dots.T, ".", color="#9aa1ab", ms=1.6 if len(dots) > 500 else 3.0, alpha=0.6, rasterized=True)
    marks = []
    for number, (each, rho) in enumerate(zip(found.populations, shown.correlations, strict=True)):
        sd = np.array([each.sds[x].value, each.sds[y].value])
        covariance = np.outer(sd, sd) * np.array([[1.0, rho], [rho, 1.0]])
        lengths, ways = np.linalg.eigh(covariance)
        turn = float(np.degrees(np.arctan2(ways[1, 1], ways[0, 1])))
        wide, high = (4 * float(np.sqrt(each)) for each in (lengths[1], lengths[0]))
        middle = each.means[x].value, each.means[y].value
        colour, line = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
        label = f"{each.name}: {100 * each.fraction.value:.0f} %"
        axes.add_patch(Ellipse(middle, wide, high, angle=turn, fill=False, ec=colour, ls=line, lw=1.4, zorder=3))
        marks.append(Line2D([], [], color=colour, ls=line, lw=1.4, label=label))
    low, high = np.quantile(shown.values, [0.0, 0.998], axis=0)
    axes.set_xlim(low[0] - 0.02 * (high[0] - low[0]), high[0])
    axes.set_ylim(low[1] - 0.02 * (high[1] - low[1]), high[1])
    axes.legend(handles=marks, fontsize=style.SMALL_PT, frameon=False, loc="upper left")
    _labels(axes, _title(found, "together"), f"{x.capitalize()} (GPa)", f"{y.capitalize()} (GPa)")


def _draw_fractions(axes: Axes, found: Deconvolution) -> None:
    for number, each in enumerate(found.populations):
        colour, share = COLOURS[number % len(COLOURS)], each.fraction
        axes.plot([share.low, share.high], [number, number], color=colour, lw=1.6, solid_capstyle="butt")
        axes.plot([share.value], [number], "o", color=colour, ms=4)
    axes.set_yticks(range(len(found.populations)), [each.name for each in found.populations])
    axes.set_ylim(len(found.populations) - 0.5, -0.5)
    axes.set_xlim(0, None)
    _labels(axes, f"Fractions, {100 * found.level:g} % intervals", "Fraction", "")


def _draw_selection(axes: Axes, found: Deconvolution) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [each.populations for each in found.candidates]
    for name, marker, line, colour in (("bic", "o", "-", style.INK), ("icl", "s", "--", "#8c8c8c")):
        values = np.array([getattr(each, name) for each in found.candidates])
        axes.plot(
            numbers, values - values.min(), marker=marker, ls=line, ms=3.5, lw=1.0, color=colour, label=name.upper()
        )
    axes.axvline(len(found.populations), color=style.SOFT_INK, lw=0.6, ls=":")
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylim(0, 2 * axes.get_ylim()[1])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=style.SMALL_PT, frameon=False)
    _labels(axes, "How many populations", "Populations", "BIC and ICL above their least")


def _draw_settling(axes: Axes, found: Deconvolution) -> None:
    size = [each.indents for each in found.settling]
    for number in range(len(found.populations)):
        low, middle, high = (np.array([each.fractions[q, number] for each in found.settling]) for q in range(3))
        colour = COLOURS[number % len(COLOURS)]
        if len(found.populations) <= FEW:
            axes.fill_between(size, low, high, color=colour, alpha=0.18, lw=0)
        axes.plot(size, middle, color=colour, ls=LINES[number % len(LINES)], lw=1.2, marker=".", ms=3)
    axes.set_xscale("log")
    axes.set_ylim(0, None)
    title = "Fractions, 95 % of draws" if len(found.populations) <= FEW else "Fractions, medians of draws"
    _labels(axes, title, "Values drawn", "Fraction")
