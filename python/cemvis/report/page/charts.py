"""A histogram with its mixture as a drawing inside the page; colours are the page's, so that it follows its theme."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cemvis.report.page.content import Chart, Curve
from cemvis.report.page.markup import Html, element

WIDE, HIGH = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 40
COLOURS = 8  # the stylesheet has as many for curves
_POINTS = 220

Floats = NDArray[np.float64]


def drawn_chart(chart: Chart) -> Html:
    """Return a figure: bars as density, each component, their sum, and a legend that says the same in words."""
    told = f" {chart.all_values:,} values, median {chart.median:.3g}" if chart.all_values else ""
    heading = element("figcaption", element("strong", chart.title), element("span", told))
    if not (chart.counts.sum() or chart.curves):
        return element("figure", heading, element("p", "No value to draw.", class_="soft"), class_="chart")
    width = np.diff(chart.edges)
    density = chart.counts / (max(chart.all_values, 1) * width)
    x = np.linspace(chart.edges[0], chart.edges[-1], _POINTS)
    parts = [curve.density(x) for curve in chart.curves]
    top = 1.06 * max(float(density.max()), float(np.sum(parts, axis=0).max()) if parts else 0.0)
    drawing = element(
        "svg",
        _bars(chart.edges, density, top),
        *_axes(chart, top),
        *_curves(chart, x, parts, top),
        viewBox=f"0 0 {WIDE} {HIGH}",
        role="img",
        aria_label=_in_words(chart),
    )
    note = element("p", chart.note, class_="soft") if chart.note else None
    return element("figure", heading, drawing, _legend(chart.curves), note, class_="chart")


def _across(chart: Chart, x: Floats | float) -> Floats:
    low, high = chart.edges[0], chart.edges[-1]
    return np.asarray(LEFT + (np.asarray(x) - low) / (high - low) * (WIDE - LEFT - RIGHT))


def _down(values: Floats | float, top: float) -> Floats:
    return np.asarray(HIGH - BOTTOM - np.asarray(values) / top * (HIGH - BOTTOM - TOP))


def _bars(edges: Floats, density: Floats, top: float) -> Html:
    low, high = edges[0], edges[-1]
    x = LEFT + (edges - low) / (high - low) * (WIDE - LEFT - RIGHT)
    y = _down(density, top)
    steps = "".join(f"V{b:.1f}H{a:.1f}" for a, b in zip(x[1:], y, strict=True))
    return element("path", d=f"M{x[0]:.1f} {HIGH - BOTTOM}{steps}V{HIGH - BOTTOM}Z", class_="bars")


def _curves(chart: Chart, x: Floats, parts: Sequence[Floats], top: float) -> list[Html]:
    lines = [(part, f"curve c{number % COLOURS}") for number, part in enumerate(parts)]
    if len(parts) > 1:
        lines.append((np.sum(parts, axis=0), "curve all"))
    across = _across(chart, x)
    drawn = []
    for values, name in lines:
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, _down(values, top), strict=True))
        drawn.append(element("polyline", points=points, class_=name))
    return drawn


def _axes(chart: Chart, top: float) -> list[Html]:
    foot = HIGH - BOTTOM
    parts = []
    for value in round_ticks(float(chart.edges[0]), float(chart.edges[-1]), 8):
        at = f"{float(_across(chart, value)):.1f}"
        parts.append(element("line", x1=at, x2=at, y1=foot, y2=foot + 4, class_="axis"))
        parts.append(element("text", f"{value:g}", x=at, y=foot + 16, text_anchor="middle"))
    for value in round_ticks(0.0, top, 5):
        at = f"{float(_down(value, top)):.1f}"
        parts.append(element("line", x1=LEFT, x2=WIDE - RIGHT, y1=at, y2=at, class_="grid"))
        parts.append(element("text", f"{value:g}", x=LEFT - 6, y=at, dy="0.35em", text_anchor="end"))
    parts.append(element("line", x1=LEFT, x2=WIDE - RIGHT, y1=foot, y2=foot, class_="axis"))
    middle = LEFT + (WIDE - LEFT - RIGHT) / 2
    parts.append(element("text", chart.label, x=middle, y=HIGH - 5, text_anchor="middle", class_="label"))
    if math.isfinite(chart.median) and chart.edges[0] <= chart.median <= chart.edges[-1]:
        at = f"{float(_across(chart, chart.median)):.1f}"
        parts.append(element("line", x1=at, x2=at, y1=TOP, y2=foot, class_="median"))
    parts.append(
        element(
            "text",
            f"density, 1/{chart.unit}" if chart.unit else "density",
            x=WIDE - RIGHT,
            y=TOP + 8,
            text_anchor="end",
        )
    )
    return parts


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` multiples of 1, 2 or 5 times a power of ten from `low` to `high`."""
    rough = (high - low) / count
    if not (math.isfinite(rough) and rough > 0):
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [float(f"{n * step:.12g}") for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _legend(curves: Sequence[Curve]) -> Html | None:
    if not curves:
        return None
    rows = []
    for number, curve in enumerate(curves):
        line = element(
            "svg",
            element("line", x1=0, x2=28, y1=5, y2=5, class_=f"curve c{number % COLOURS}"),
            viewBox="0 0 28 10",
            width=28,
            height=10,
            aria_hidden="true",
        )
        words = element("span", element("b", curve.name), " ", curve.said)
        rows.append(element("li", line, words))
    return element("ul", *rows, class_="key")


def _in_words(chart: Chart) -> str:
    parts = [f"{chart.title}: histogram of {chart.all_values:,} values of {chart.label}, median {chart.median:.4g}"]
    parts += [f"{curve.name}: {curve.said or f'{curve.fraction:.3g} at {curve.mean:.4g}'}" for curve in chart.curves]
    return "; ".join(parts)
