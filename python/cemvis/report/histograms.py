"""How the values of the mapped properties are distributed over the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_IN = (4.4, 2.7)
MARGIN_IN = 0.22
TITLE_IN = 0.32
LEFT_IN = 0.65
BELOW_IN = 0.6
ABOVE_IN = 0.24
BINS = 60


@dataclass(frozen=True)
class Distribution:
    """Values of one property over the cells of a map.

    Attributes
    ----------
    name, unit : str
        The property, for example ``Modulus`` and ``GPa``.
    values : ndarray
        Any shape; values that are not finite are left out.
    """

    name: str
    unit: str
    values: NDArray[Any]


def histograms(
    distributions: Sequence[Distribution], *, title: str, caption: str, warnings: Sequence[str] = ()
) -> Figure:
    """Return a figure with a histogram for each distribution, 60 bins over its whole range."""
    wide, high = PANEL_IN
    columns = len(distributions)
    text_wide = columns * (LEFT_IN + wide)
    banner = style.banner_lines(warnings, text_wide)
    small = style.wrap(caption, text_wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner) + ABOVE_IN
    small_top = top + high + BELOW_IN
    height = small_top + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN

    figure = style.new_figure(2 * MARGIN_IN + text_wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, text_wide, banner)
    for number, distribution in enumerate(distributions):
        left = MARGIN_IN + number * (LEFT_IN + wide) + LEFT_IN
        _draw_one(style.add_axes_in(figure, left, top, wide - 0.1, high), distribution, first=number == 0)
    style.add_text_in(figure, MARGIN_IN, small_top, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _draw_one(axes: Axes, distribution: Distribution, *, first: bool) -> None:
    finite = np.asarray(distribution.values, np.float64).ravel()
    finite = finite[np.isfinite(finite)]
    axes.set_xlabel(f"{distribution.name} ({distribution.unit})", fontsize=style.TEXT_PT, color=style.INK)
    if first:
        axes.set_ylabel("Share of cells (%)", fontsize=style.TEXT_PT, color=style.INK)
    axes.spines[["top", "right"]].set_visible(False)
    if finite.size == 0:
        axes.text(0.5, 0.5, "no cell was mapped", transform=axes.transAxes, ha="center", fontsize=style.TEXT_PT)
        return
    low, high = float(finite.min()), float(finite.max())
    if high == low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(finite, BINS, (low, high))
    axes.stairs(100 * counts / finite.size, edges, fill=True, color=style.BAR_FILL)
    middle = float(np.median(finite))
    axes.axvline(middle, color=style.INK, lw=0.9, ls="--")
    axes.set_title(
        f"median {middle:.3g} {distribution.unit}, {finite.size:,} cells",
        loc="left",
        fontsize=style.SMALL_PT,
        color=style.SOFT_INK,
    )
