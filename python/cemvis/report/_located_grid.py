"""The batches' grids over the after-image, with residuals as arrows, flags as marks, and a close-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.located import AMBIGUOUS, FINE, LocatedIndents
from cemvis.report import style
from cemvis.report._located_choice import doubts, fine_mask, residual_size_px
from cemvis.report._located_crops import Outline, Overview, Warped
from cemvis.report._located_marks import (
    SKY,
    YELLOW,
    batches_of,
    mark_style,
    marks_of,
    on_grey,
    origin_line,
)
from cemvis.report._located_overlay import FINEST_IN, Decisions, draw_located, magnification, pitch_px
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MARGIN_IN, HEAD_IN, PANEL_TITLE_IN, TICKS_IN = 0.22, 0.34, 0.26, 0.55
MAP_IN, CLOSE_IN, GAP_IN, LEGEND_IN = 7.4, 4.1, 0.3, 2.35
CLOSE_PITCHES = 5
MOST_CLOSE_PX = 2048


def grid_figure(
    located: LocatedIndents, overview: Overview, warped: Warped, *, decisions: Decisions | None = None
) -> Figure:
    """Return the after-image with the batches' grids, residuals as arrows, flagged indents marked, and a close-up.

    Parameters
    ----------
    overview : Overview
        The after-image on the before-image, made small.
    warped : callable
        ``warped(row, col, rows, cols)`` gives it at full resolution, for the close-up on the most doubtful place.
    decisions : mapping, optional
        What a person decided, (batch, id) to "accept" or "reject"; those indents are marked.
    """
    rows, cols = overview.values.shape
    high = MAP_IN * rows / cols
    map_wide, map_high = (MAP_IN, high) if high <= 8.5 else (8.5 * cols / rows, 8.5)
    gain = magnification(located)
    wide = TICKS_IN + map_wide + GAP_IN + CLOSE_IN + TICKS_IN
    extent = overview.extent_um(located.pixel_size_um)
    in_per_um = map_wide / (extent[1] - extent[0])
    fine = pitch_px(located) * located.pixel_size_um * in_per_um >= FINEST_IN
    small = style.wrap(_caption(located, overview, gain, fine=fine), wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + HEAD_IN + PANEL_TITLE_IN
    body = max(map_high + 0.45, CLOSE_IN + 0.35 + LEGEND_IN)
    height = top + body + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    title = f"Grids over the after-image: {batches_of(located)}, {len(located):,} tests"
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")

    axes = style.add_axes_in(figure, MARGIN_IN + TICKS_IN, top, map_wide, map_high)
    _show(axes, overview.values, extent)
    draw_located(axes, located, gain, in_per_um, decisions or {})
    _name_batches(axes, located)
    _label_axes(axes, "After-image on the before-image")
    close_left = MARGIN_IN + TICKS_IN + map_wide + GAP_IN
    _draw_close_up(figure, located, overview, warped, gain, (close_left, top), decisions or {})
    _draw_legend(figure, located, gain, close_left, top + CLOSE_IN + 0.35, decisions or {})
    style.add_text_in(figure, MARGIN_IN, top + body, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _caption(located: LocatedIndents, overview: Overview, gain: int, *, fine: bool) -> str:
    away = residual_size_px(located)
    known = away[np.isfinite(away) & fine_mask(located)]
    middle = f", median {np.median(known):.2g} px where there is no flag" if known.size else ""
    small = f"{overview.factor} px of the before-image make one of the large picture. " if overview.factor > 1 else ""
    too_fine = "" if fine else "There, places lie too close for both: it shows the batches' outlines. "
    return (
        "Blue: the grid with the stage's errors. Yellow arrows: residuals, from the grid to an imprint's own peak, "
        f"{gain:,} times enlarged and cut at one pitch{middle}. {small}{too_fine}{origin_line(located)}"
    )


def _show(axes: Axes, values: NDArray[np.float32], extent: tuple[float, float, float, float]) -> None:
    left, right, top, bottom = extent
    low, high = style.robust_range(values)
    axes.imshow(
        values,
        cmap="gray",
        # Neither black nor white, so that marks of any colour stand out.
        vmin=low - 0.35 * (high - low),
        vmax=high + 0.25 * (high - low),
        extent=(left, right, bottom, top),
        interpolation="antialiased",
        aspect="auto",
    )
    axes.set_facecolor(style.NOT_MAPPED)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _label_axes(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0, parse_math=False)
    axes.set_xlabel("x (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    axes.set_ylabel("y (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    axes.locator_params(nbins=6)
    add_scale_bar(axes)


def _name_batches(axes: Axes, located: LocatedIndents) -> None:
    if len(located.batches) > 30:
        return
    bottom, top = axes.get_ylim()
    for batch in located.batches:
        places = batch.places_px().reshape(-1, 2)
        corner = (places[np.argmin(places.sum(axis=1))] - 0.3 * min(batch.pitch_px)) * located.pixel_size_um
        room = corner[1] - top > 0.03 * (bottom - top)
        box: dict[str, Any] = {"facecolor": "black", "alpha": 0.6, "lw": 0, "pad": 1.2}
        axes.text(
            float(corner[0]),
            float(corner[1]),
            batch.name,
            fontsize=style.SMALL_PT,
            color="white",
            ha="left",
            va="bottom" if room else "top",
            bbox=box,
            parse_math=False,
            clip_on=True,
            zorder=6,
        )


def _draw_close_up(
    figure: Figure,
    located: LocatedIndents,
    overview: Overview,
    warped: Warped,
    gain: int,
    corner: tuple[float, float],
    decisions: Decisions,
) -> None:
    """Draw the surroundings of the most doubtful indent that is on the image, pixel by pixel."""
    from matplotlib.collections import PolyCollection

    at = _most_doubtful(located)
    axes = style.add_axes_in(figure, *corner, CLOSE_IN, CLOSE_IN)
    if at is None:
        axes.set_axis_off()
        return
    edge = _close_edge_px(located)
    rows, cols = (side * overview.factor for side in overview.values.shape)
    col, row = (
        max(first, min(round(float(place)) - edge // 2, first + side - edge))
        for place, first, side in zip(located.before_xy_px[at], (overview.col, overview.row), (cols, rows), strict=True)
    )
    um = located.pixel_size_um
    left, top = (col - 0.5) * um, (row - 0.5) * um
    _show(axes, warped(row, col, edge, edge), (left, left + edge * um, top, top + edge * um))
    outline = Outline.of(located)
    xy = located.before_xy_px * um
    near = np.flatnonzero((np.abs(xy - (left + edge * um / 2, top + edge * um / 2)) < edge * um).all(axis=1))
    if outline is not None:
        shapes = xy[near][:, None] + outline.corners_px() * um
        axes.add_collection(
            PolyCollection(list(shapes), facecolors="none", edgecolors="white", linewidths=0.7), autolim=False
        )
    draw_located(axes, located, gain, CLOSE_IN / (edge * um), decisions)
    name = f"{located.table.id[at]}, {located.table.batch[at]}"
    _label_axes(axes, f"Around the most doubtful: {name if len(name) < 34 else name[:33] + chr(0x2026)}")
    axes.set_ylabel("")
    axes.tick_params(labelleft=False, labelright=True, left=False, right=True)


def _close_edge_px(located: LocatedIndents) -> int:
    sides = [max(batch.rows, batch.columns) + 1 for batch in located.batches]
    return int(np.clip(min(CLOSE_PITCHES, *sides, CLOSE_PITCHES) * pitch_px(located), 32, MOST_CLOSE_PX))


def _most_doubtful(located: LocatedIndents) -> int | None:
    """Return the indent to look at closely: ambiguous ones first, then those without a flag."""
    xy = np.isfinite(located.before_xy_px).all(axis=1)
    doubt = np.where(np.isfinite(doubts(located)), doubts(located), 0.0)
    for flag in (AMBIGUOUS, FINE):
        kind = np.flatnonzero(xy & np.array([each == flag for each in located.flag], bool))
        if len(kind):
            return int(kind[np.argmax(doubt[kind])])
    return int(np.flatnonzero(xy)[0]) if xy.any() else None


def _draw_legend(
    figure: Figure, located: LocatedIndents, gain: int, left: float, top: float, decisions: Decisions
) -> None:
    """Draw what the marks mean, with counts, on grey as in the picture, and a residual to compare arrows with."""
    from matplotlib.patches import Rectangle

    axes = style.add_axes_in(figure, left, top + 0.1, CLOSE_IN, LEGEND_IN - 0.2)
    axes.set_axis_off()
    axes.set_xlim(0, CLOSE_IN)
    axes.set_ylim(LEGEND_IN - 0.2, 0)
    axes.add_patch(Rectangle((0, 0), 0.62, LEGEND_IN - 0.2, color="#8a8a8a", lw=0))
    kinds = marks_of(located, decisions)
    step = (LEGEND_IN - 0.2) / (len(kinds) + 2)
    text: dict[str, Any] = {"fontsize": style.TEXT_PT, "color": style.INK, "va": "center", "parse_math": False}
    shown_px = 0.42 / CLOSE_IN * _close_edge_px(located) / gain
    for line, (name, mask, (marker, colour)) in enumerate(kinds):
        y = (line + 0.5) * step
        (mark,) = axes.plot([0.31], [y], **mark_style(marker, colour, 8.0))
        on_grey(mark)
        axes.text(0.78, y, f"{name}: {np.count_nonzero(mask):,}", **text)
    y = (len(kinds) + 0.5) * step
    axes.plot([0.1, 0.52], [y, y], color=SKY, lw=1.2)
    axes.text(0.78, y, "the grid, with the stage's errors", **text)
    axes.quiver(
        0.1, y + step, 0.42, 0, angles="xy", scale_units="xy", scale=1, color=YELLOW, units="inches", width=0.02
    )
    axes.text(0.78, y + step, f"residual, {gain:,} times enlarged; so long above: {shown_px:.2g} px", **text)
