"""Figures of a report for publication: a distribution with its mixture, and any figure as PDF and PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis._files import written_whole
from cemvis.report import style
from cemvis.report.deconvolution import COLOURS, LINES
from cemvis.report.page.content import Chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 300
MARGIN_IN, TITLE_IN, LEFT_IN, BELOW_IN = 0.22, 0.34, 0.62, 0.55
WIDE_IN, HIGH_IN = 5.2, 3.2


def save_figure(figure: Figure, stem: Path) -> None:
    """Write `figure` to `stem` with .pdf and with .png at 300 dpi behind it; the same figure gives the same bytes.

    Raises
    ------
    FileAccessError
        If a file cannot be written.
    """
    style.save_pdf(figure, stem.with_name(f"{stem.name}.pdf"))
    with written_whole(stem.with_name(f"{stem.name}.png")) as beside:
        figure.savefig(beside, format="png", dpi=PNG_DPI, metadata={"Software": "cemvis"})


def distribution_figure(chart: Chart, *, title: str, caption: str, warnings: Sequence[str] = ()) -> Figure:
    """Return a figure of a chart: bars as density, each component and their sum."""
    wide = LEFT_IN + WIDE_IN
    banner = style.banner_lines(warnings, wide)
    small = style.wrap(caption, wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    below = top + HIGH_IN + BELOW_IN
    height = below + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, wide, banner)
    axes = style.add_axes_in(figure, MARGIN_IN + LEFT_IN, top, WIDE_IN, HIGH_IN)
    if chart.counts.sum():
        density = chart.counts / (chart.all_values * np.diff(chart.edges))
        axes.stairs(density, chart.edges, fill=True, color="#d9dde4")
    x = np.linspace(chart.edges[0], chart.edges[-1], 600)
    parts = [each.density(x) for each in chart.curves]
    for number, (part, curve) in enumerate(zip(parts, chart.curves, strict=True)):
        label = f"{curve.name}: {100 * curve.fraction:.0f} %"
        axes.plot(x, part, lw=1.3, label=label, color=COLOURS[number % len(COLOURS)], ls=LINES[number % len(LINES)])
    if len(parts) > 1:
        axes.plot(x, np.sum(parts, axis=0), color=style.INK, lw=0.9, label="all")
    if parts:
        axes.legend(fontsize=style.SMALL_PT, frameon=False)
    axes.set_xlim(chart.edges[0], chart.edges[-1])
    axes.set_ylim(0, None)
    axes.set_xlabel(chart.label, fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    axes.set_ylabel(f"Density (1/{chart.unit})" if chart.unit else "Density", fontsize=style.TEXT_PT, color=style.INK)
    axes.spines[["top", "right"]].set_visible(False)
    style.add_text_in(figure, MARGIN_IN, below, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def decoded_grey(data: str) -> NDArray[np.uint8]:
    """Return the pixels of a grey picture in a data URI, (rows, cols)."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) as image:
        return np.asarray(image.convert("L"))
