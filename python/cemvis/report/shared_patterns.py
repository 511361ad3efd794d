"""Figures of shared patterns: the difference matrix before and after ordering, overlays, and fractions beside nulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.relevance.shared_nulls import NullFractions
from cemvis.analysis.relevance.shared_patterns import SharedPattern, SharedPatterns
from cemvis.report import style
from cemvis.report.deconvolution import COLOURS
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Floats = NDArray[np.float64]

LEFT_IN, BELOW_IN, GAP_IN = 0.55, 0.5, 0.2
MATRIX_IN, OVERLAY_IN, BAR_IN, BAR_SIDE_IN, HEAD_IN, NAME_IN = 3.1, 2.1, 0.12, 0.8, 0.3, 0.24
ROW_IN, FRACTIONS_IN, NAMES_IN = 0.24, 4.2, 1.9
MATRIX_COLOURS, OVERLAY_COLOURS = "viridis", "magma"
GROUP_COLOUR, CONTOUR_COLOUR = "#ee3333", "#66ccee"
HIGHEST_PERCENT = 99.5
NULL_NAMES = {
    "displaced": "relevance displaced",
    "exchanged": "on other maps' pores",
    "drawn": "groups drawn at random",
}


def order_figure(found: SharedPatterns, *, title: str, caption: str) -> Figure:
    """Return the difference matrix as it was given and in order, with the groups as red squares on the diagonal.

    Parameters
    ----------
    found : SharedPatterns
    title, caption : str
    """
    wide = LEFT_IN + 2 * MATRIX_IN + 2 * GAP_IN + LEFT_IN + BAR_IN + BAR_SIDE_IN
    figure, top = style.captioned_page(wide, HEAD_IN + MATRIX_IN + BELOW_IN, title, caption)
    top += HEAD_IN
    order = found.ordered.order
    apart = found.differences[~np.eye(len(order), dtype=bool)]
    low, high = (float(apart.min()), float(apart.max())) if apart.size else (0.0, 1.0)
    left = style.MARGIN_IN + LEFT_IN
    ordered = found.differences[np.ix_(order, order)]
    panels = (
        ("As given", found.differences, found.ordered.given_gradient),
        ("In order", ordered, found.ordered.gradient),
    )
    for name, matrix, gradient in panels:
        axes = style.add_axes_in(figure, left, top, MATRIX_IN, MATRIX_IN)
        drawn = _draw_matrix(axes, matrix, (low, high))
        axes.set_title(
            f"{name}: total gradient {gradient:.4g}", fontsize=style.TEXT_PT, color=style.INK, parse_math=False
        )
        if matrix is ordered:
            for number, pattern in enumerate(found.patterns):
                _mark_group(axes, pattern, number)
        left += MATRIX_IN + GAP_IN + LEFT_IN
    bar = style.add_axes_in(figure, left - LEFT_IN, top, BAR_IN, MATRIX_IN)
    _colour_bar(figure, bar, drawn, "Difference of relevance (at most 2)")
    return figure


def patterns_figure(
    found: Mapping[str, SharedPatterns], *, pixel_size_um: float | None, title: str, caption: str
) -> Figure:
    """Return the overlays of all groups, a row a class, with the contour of the shared pores and one colour bar.

    Parameters
    ----------
    found : mapping of class name to SharedPatterns
    pixel_size_um : float, optional
        For the scale bar; there is none without it.
    title, caption : str
    """
    columns = max(len(each.patterns) for each in found.values())
    step = NAME_IN + HEAD_IN + OVERLAY_IN + GAP_IN
    wide = columns * (OVERLAY_IN + GAP_IN) + BAR_IN + BAR_SIDE_IN
    figure, top = style.captioned_page(wide, len(found) * step, title, caption)
    everything = np.concatenate([pattern.overlay.ravel() for each in found.values() for pattern in each.patterns])
    highest = float(np.percentile(everything, HIGHEST_PERCENT)) or 1.0
    for row, (name, each) in enumerate(found.items()):
        at = top + row * step + NAME_IN + HEAD_IN
        style.add_text_in(
            figure, style.MARGIN_IN, at - NAME_IN - HEAD_IN, name, weight="bold", fontsize=style.PANEL_TITLE_PT
        )
        for column, pattern in enumerate(each.patterns):
            left = style.MARGIN_IN + column * (OVERLAY_IN + GAP_IN)
            axes = style.add_axes_in(figure, left, at, OVERLAY_IN, OVERLAY_IN)
            drawn = _draw_overlay(axes, pattern, highest, pixel_size_um)
            text = f"{column + 1}: {len(pattern.group.members)} maps, shared {pattern.fraction:.1%}"
            axes.set_title(text, fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
            if pixel_size_um is not None and row == column == 0:
                add_scale_bar(axes)
    left = style.MARGIN_IN + columns * (OVERLAY_IN + GAP_IN)
    bar = style.add_axes_in(
        figure, left, top + NAME_IN + HEAD_IN, BAR_IN, len(found) * step - NAME_IN - HEAD_IN - GAP_IN
    )
    _colour_bar(figure, bar, drawn, "Overlay sR, with the contour's level (colours by square root)", extend="max")
    for level in {each.level for each in found.values()}:
        if level <= highest:
            bar.axhline(level, color=CONTOUR_COLOUR, lw=1.5)
    return figure


def fractions_figure(
    found: Mapping[str, SharedPatterns], nulls: Mapping[str, Sequence[NullFractions]], *, title: str, caption: str
) -> Figure:
    """Return the fraction of shared pores of each class beside what each null gives.

    Small dots are single patterns, the large one their mean; bars are 95 % of a null's means, with their median.

    Parameters
    ----------
    found : mapping of class name to SharedPatterns
    nulls : mapping of class name to sequence of NullFractions
    title, caption : str
    """
    rows = sum(1 + len(nulls.get(name, ())) for name in found)
    figure, top = style.captioned_page(NAMES_IN + FRACTIONS_IN, rows * ROW_IN + 0.1 + BELOW_IN, title, caption)
    axes = style.add_axes_in(figure, style.MARGIN_IN + NAMES_IN, top, FRACTIONS_IN, rows * ROW_IN + 0.1)
    row, names = 0, []
    for number, (name, each) in enumerate(found.items()):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(each.fractions, np.full(len(each.patterns), row), "o", ms=3, color=colour, alpha=0.7)
        axes.plot([each.fractions.mean()], [row], "o", ms=7, color=colour)
        names.append(name)
        row += 1
        for null in nulls.get(name, ()):
            low, high = null.interval()
            axes.plot([low, high], [row, row], color=style.SOFT_INK, lw=3, solid_capstyle="butt")
            axes.plot([np.median(null.fractions.mean(axis=1))], [row], "|", ms=9, color=style.INK)
            names.append(f"{NULL_NAMES[null.kind]} (p {null.p_value:.2g})")
            row += 1
    axes.set_yticks(range(rows), names, parse_math=False)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("Fraction of shared pores", fontsize=style.TEXT_PT, color=style.INK)
    return figure


def _draw_matrix(axes: Axes, matrix: Floats, ends: tuple[float, float]) -> AxesImage:
    edge = len(matrix) + 0.5
    drawn = axes.imshow(
        np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix),
        vmin=ends[0],
        vmax=ends[1],
        cmap=MATRIX_COLOURS,
        extent=(0.5, edge, edge, 0.5),
        interpolation="nearest",
    )
    axes.set_facecolor(style.NOT_MAPPED)  # a map against itself
    axes.set_xlabel("Map", fontsize=style.TEXT_PT, color=style.INK)
    axes.set_ylabel("Map", fontsize=style.TEXT_PT, color=style.INK)
    return drawn


def _mark_group(axes: Axes, pattern: SharedPattern, number: int) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    start, stop = pattern.group.start + 0.5, pattern.group.stop + 0.5
    axes.add_patch(Rectangle((start, start), stop - start, stop - start, fill=False, edgecolor=GROUP_COLOUR, lw=1.4))
    # Beside the diagonal on the side where there is room inside the matrix, whatever colour is there.
    early = start + stop < axes.get_xlim()[1]
    across, down = (stop, start) if early else (start, stop)
    axes.text(
        across,
        down,
        f" {number + 1} ",
        color=GROUP_COLOUR,
        fontsize=style.TEXT_PT,
        weight="bold",
        path_effects=[withStroke(linewidth=2, foreground="white")],
        ha="left" if early else "right",
        va="top" if early else "bottom",
    )


def _draw_overlay(axes: Axes, pattern: SharedPattern, highest: float, pixel_size_um: float | None) -> AxesImage:
    from matplotlib.colors import PowerNorm

    rows, cols = pattern.overlay.shape
    scale = 1.0 if pixel_size_um is None else pixel_size_um
    ends = (-0.5 * scale, (cols - 0.5) * scale, (rows - 0.5) * scale, -0.5 * scale)
    drawn = axes.imshow(
        pattern.overlay,
        norm=PowerNorm(0.5, 0, highest),
        cmap=OVERLAY_COLOURS,
        extent=ends,
        interpolation="nearest",
    )
    if 0 < pattern.fraction < 1:
        axes.contour(
            np.arange(cols) * scale,
            np.arange(rows) * scale,
            pattern.overlay,
            levels=[pattern.level],
            colors=CONTOUR_COLOUR,
            linewidths=0.5,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    return drawn


def _colour_bar(figure: Figure, axes: Axes, drawn: AxesImage, name: str, *, extend: str = "neither") -> None:
    figure.colorbar(drawn, cax=axes, extend=extend)
    axes.tick_params(labelsize=style.SMALL_PT, colors=style.SOFT_INK, length=2.5, width=0.6)
    axes.set_ylabel(name, fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
