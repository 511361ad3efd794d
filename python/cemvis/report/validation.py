"""An out-of-bag test as pictures: distributions over each other, mixtures beside each other, maps, real errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.maximise import log_terms
from cemvis.analysis.validation.result import PropertyValidation, Source
from cemvis.report import style
from cemvis.report.deconvolution import COLOURS, LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MARGIN_IN, TITLE_IN, LEFT_IN, ABOVE_IN, BELOW_IN = 0.22, 0.36, 0.62, 0.3, 0.58
BINS = 60
MOST_CELLS = 900  # of a picture's longer side: maps are thinned to it
SHOWN = 0.995  # of the measured values: what lies beyond is told, not drawn
LEGEND_LINE = 0.1  # of a panel's range, kept free of points for each line of its legend
MEASURED_FILL = "#d9dde4"


@dataclass(frozen=True)
class MapPicture:
    """A map, (rows, cols) in GPa with NaN where nothing is mapped, and where it lies in um."""

    label: str
    values: NDArray[Any]
    step_um: float
    edge_um: float


def distributions_figure(found: Sequence[PropertyValidation], *, caption: str) -> Figure:
    """Return a figure with a row for each property: histograms over each other, and distances with their intervals."""
    wide, narrow, high = 4.9, 3.6, 2.9
    figure, tops = _new(
        "Distributions of an unseen area and of measured indents", caption, [high] * len(found), wide + narrow + 2.4
    )
    for each, top in zip(found, tops, strict=True):
        _draw_histograms(style.add_axes_in(figure, MARGIN_IN + LEFT_IN, top, wide, high), each)
        left = MARGIN_IN + 2 * LEFT_IN + wide + 1.15
        _draw_distances(style.add_axes_in(figure, left, top, narrow, high), each)
    return figure


def mixtures_figure(found: Sequence[PropertyValidation], *, caption: str) -> Figure:
    """Return a figure with a row for each property: each source's histogram with the components of its mixture."""
    wide, high, most = 3.1, 2.3, max(len(each.sources) for each in found)
    columns = min(most, 3)
    lines = -(-most // columns)
    figure, tops = _new(
        "Mixtures of an unseen area and of measured indents", caption, [high] * (lines * len(found)),
        columns * (wide + LEFT_IN),
    )  # fmt: skip
    for number, each in enumerate(found):
        low, last = _range(each)
        peak, axes = 0.0, []
        for n, source in enumerate(each.sources):
            left = MARGIN_IN + LEFT_IN + n % columns * (wide + LEFT_IN)
            axes.append(style.add_axes_in(figure, left, tops[number * lines + n // columns], wide, high))
            peak = max(peak, _draw_mixture(axes[-1], source, each.name, low, last))
        for one in axes:
            one.set_ylim(0, 1.08 * peak)
    return figure


def maps_figure(
    grey: MapPicture,
    pictures: Mapping[str, Sequence[MapPicture]],
    *,
    limits: Mapping[str, tuple[float, float]],
    caption: str,
) -> Figure:
    """Return a figure with a row for each property: mean grey levels, then all maps with one scale of colours.

    `limits` are the ends of that scale, property by property.
    """
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    first = next(iter(pictures.values()))
    wide = 2.9
    high = max(0.6, min(4.5, wide * grey.values.shape[0] / grey.values.shape[1]))
    panels = len(first) + 1
    figure, tops = _new("Maps of the unseen area", caption, [high] * len(pictures), panels * (wide + 0.3) + 1.6)
    colours = colormaps[style.VALUE_COLOURS].with_extremes(bad=style.NOT_MAPPED)
    for (name, row), top in zip(pictures.items(), tops, strict=True):
        low, last = limits[name]
        norm = (LogNorm if low > 0 else Normalize)(low, last)
        for number, each in enumerate((grey, *row)):
            axes = style.add_axes_in(figure, MARGIN_IN + LEFT_IN + number * (wide + 0.3), top, wide, high)
            rows, cols = each.values.shape
            right, bottom = each.edge_um + cols * each.step_um, each.edge_um + rows * each.step_um
            values = np.asarray(each.values, np.float64)
            shown = np.maximum(values, low) if number and low > 0 else values  # a logarithm has no place for others
            image = axes.imshow(
                np.ma.masked_invalid(shown),
                cmap=colours if number else "gray",
                norm=norm if number else Normalize(*style.robust_range(each.values)),
                extent=(each.edge_um, right, bottom, each.edge_um),
                interpolation="nearest",
            )
            _label(axes, each.label, "x (\N{MICRO SIGN}m)", "" if number else "y (\N{MICRO SIGN}m)")
            if number:
                axes.tick_params(labelleft=False)
        left = MARGIN_IN + LEFT_IN + panels * (wide + 0.3)
        bar = style.add_axes_in(figure, left, top, 0.14, high)
        figure.colorbar(image, cax=bar, extend="both", format="%g")
        if low > 0:
            bar.minorticks_off()
            ticks = np.unique([float(f"{each:.2g}") for each in np.geomspace(low, last, 6)])
            bar.set_yticks(ticks[(low <= ticks) & (ticks <= last)])
        bar.set_ylabel(f"{name.capitalize()} (GPa)", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def errors_figure(found: Sequence[PropertyValidation], *, caption: str) -> Figure:
    """Return a figure with a row for each property: error and bias by phase, and what intervals hold."""
    wide, high = 2.9, 2.5
    figure, tops = _new(
        "Real errors of the maps: the specimen is virtual", caption, [high] * len(found), 3 * (wide + LEFT_IN)
    )
    for each, top in zip(found, tops, strict=True):
        left = [MARGIN_IN + LEFT_IN + n * (wide + LEFT_IN) for n in range(3)]
        for n, (what, title) in enumerate((("rmse", "root mean square error"), ("bias", "predicted less true"))):
            axes = style.add_axes_in(figure, left[n], top, wide, high)
            _draw_by_phase(axes, each, what)
            _label(axes, f"{each.name.capitalize()}: {title}", "", "GPa")
        _draw_coverage(style.add_axes_in(figure, left[2], top, wide, high), each)
    return figure


def _new(title: str, caption: str, rows_in: Sequence[float], text_wide: float) -> tuple[Figure, list[float]]:
    """Return a figure with title and caption, and where its rows begin."""
    small = style.wrap(caption, text_wide, size_pt=style.SMALL_PT)
    tops, at = [], MARGIN_IN + TITLE_IN
    for high in rows_in:
        tops.append(at + ABOVE_IN)
        at += ABOVE_IN + high + BELOW_IN
    height = at + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + text_wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.add_text_in(figure, MARGIN_IN, at, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure, tops


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0, parse_math=False)
    axes.set_xlabel(x, fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.set_ylabel(y, fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.spines[["top", "right"]].set_visible(False)


def _range(found: PropertyValidation) -> tuple[float, float]:
    """Return the range that is drawn: what 99.5 % of the measured values lie below, and all sources' lowest."""
    _, last = found.measured.sample.quantiles(0.0, SHOWN)
    return max(0.0, min(float(each.sample.values[0]) for each in found.sources)), last


def _density(source: Source, low: float, high: float) -> tuple[Floats, Floats]:
    total = source.sample.total
    counts, edges = np.histogram(source.sample.values, BINS, (low, high), weights=total)
    return counts / total.sum() / (edges[1] - edges[0]), edges


def _draw_histograms(axes: Axes, found: PropertyValidation) -> None:
    low, high = _range(found)
    for number, each in enumerate(found.sources):
        density, edges = _density(each, low, high)
        label = f"{each.label} ({each.sample.size:,})"
        if number == 0:
            axes.stairs(density, edges, fill=True, color=MEASURED_FILL, label=label)
            continue
        colour, line = COLOURS[(number - 1) % len(COLOURS)], LINES[(number - 1) % len(LINES)]
        axes.stairs(density, edges, color=colour, ls=line, lw=1.2, label=label)
    axes.legend(fontsize=style.SMALL_PT, frameon=False)
    axes.set_xlim(low, high)
    title = f"{found.name.capitalize()}: {100 * SHOWN:g} % of the measured values are shown"
    _label(axes, title, f"{found.name.capitalize()} (GPa)", "Density (1/GPa)")


def _draw_distances(axes: Axes, found: PropertyValidation) -> None:
    labels = list(found.compared)
    for number, each in enumerate(found.compared.values()):
        value = each.distance
        axes.plot([value.low, value.high], [number, number], color=COLOURS[number % len(COLOURS)], lw=2.2)
        axes.plot(value.value, number, "o", color=COLOURS[number % len(COLOURS)], ms=5)
        axes.annotate(
            f"{value.value:.2g}; sd x {each.sd_ratio.value:.2f}",
            (value.high, number),
            xytext=(6, 0),
            textcoords="offset points",
            fontsize=style.SMALL_PT,
            color=style.INK,
            va="center",
        )
    axes.axvspan(0, found.halves.high, color=MEASURED_FILL, lw=0, label="95 % of halves of the measured values")
    axes.axvline(found.halves.median, color=style.SOFT_INK, lw=0.8, ls="--", label="half of them")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) + 0.4, -0.8)  # room for the legend below the last
    farthest = max(found.halves.high, *(each.distance.high for each in found.compared.values()))
    axes.set_xlim(0, 1.35 * farthest)  # room for what stands beside the farthest
    axes.legend(fontsize=style.SMALL_PT, frameon=False, loc="lower right")
    _label(axes, "Distance from the measured values", "Wasserstein distance (GPa)", "")


def _draw_mixture(axes: Axes, source: Source, name: str, low: float, high: float) -> float:
    """Draw a histogram with components; return the highest density."""
    density, edges = _density(source, low, high)
    axes.stairs(density, edges, fill=True, color=MEASURED_FILL)
    x = np.linspace(max(low, (high - low) * 1e-3), high, 500)
    parameters = source.mixture.parameters()
    parts = parameters.weight[0][:, None] * np.exp(log_terms(x, x, parameters, source.found.family).log_p[0])
    for number, (part, each) in enumerate(zip(parts, source.found.populations, strict=True)):
        mean, sd = each.means[name].value, each.sds[name].value
        text = f"{each.name} {each.fraction.value:.2f}: {mean:.3g} \N{PLUS-MINUS SIGN} {sd:.2g}"
        axes.plot(x, part, lw=1.2, label=text, color=COLOURS[number % len(COLOURS)], ls=LINES[number % len(LINES)])
    axes.plot(x, parts.sum(axis=0), color=style.INK, lw=0.8)
    axes.legend(fontsize=style.SMALL_PT - 0.5, frameon=False)
    axes.set_xlim(low, high)
    doubt = "" if source.found.supported else " (mixture not supported)"
    _label(axes, source.label + doubt, f"{name.capitalize()} (GPa)", "Density (1/GPa)")
    return float(max(density.max(), parts.sum(axis=0).max() if not source.grouped.discrete else 0.0))


def _draw_by_phase(axes: Axes, found: PropertyValidation, what: str) -> None:
    for number, (label, judged) in enumerate(found.judged.items()):
        _points(axes, found, number, label, [(each.phase, getattr(each, what)) for each in judged.truth])
    axes.axhline(0, color=style.SOFT_INK, lw=0.6)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + LEGEND_LINE * len(found.judged) * (high - low))
    axes.legend(fontsize=style.SMALL_PT, frameon=False, loc="upper left")


def _draw_coverage(axes: Axes, found: PropertyValidation) -> None:
    """Draw what intervals hold of the tests made at the cells, or of the truth where there are none."""
    tested = any(each.tests for each in found.judged.values())
    drawn = False
    for number, (label, judged) in enumerate(found.judged.items()):
        errors = judged.tests if tested else judged.truth
        held = [(each.phase, each.coverage) for each in errors if each.coverage is not None]
        if held:
            _points(axes, found, number, label, held)
            drawn = True
    for level in {each.level for each in found.judged.values() if each.level is not None}:
        axes.axhline(level, color=style.SOFT_INK, lw=0.8, ls="--")
    title = f"Intervals: share of {'tests made there' if tested else 'true values'} held"
    if not drawn:
        axes.text(0.5, 0.5, "no map has intervals", transform=axes.transAxes, ha="center", fontsize=style.TEXT_PT)
        axes.set_axis_off()
        return
    low = axes.get_ylim()[0]
    axes.set_ylim(low - LEGEND_LINE * len(found.judged) * (1.02 - low), 1.02)
    axes.legend(fontsize=style.SMALL_PT, frameon=False, loc="lower left")
    _label(axes, title, "", "Share")


def _points(axes: Axes, found: PropertyValidation, number: int, label: str, values: Sequence[tuple[str, Any]]) -> None:
    """Draw estimates by phase, one map beside the other."""
    phases = [each.phase for each in next(iter(found.judged.values())).truth]
    shift = (number - (len(found.judged) - 1) / 2) * 0.18
    colour = COLOURS[number % len(COLOURS)]
    for n, (phase, value) in enumerate(values):
        if phase not in phases:
            continue
        at = phases.index(phase) + shift
        axes.plot([at, at], [value.low, value.high], color=colour, lw=1.4)
        axes.plot(at, value.value, "o", color=colour, ms=3.5, label=label if n == 0 else None)
    axes.set_xticks(range(len(phases)), phases, rotation=20)
