"""The batches' grids over the after-image, with residuals as arrows, flags as marks, and a close-up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.located import ACCEPT, AMBIGUOUS, FINE, REJECT, LocatedIndents
from cemvis.report import style
from cemvis.report._located_choice import doubts, fine_mask, residual_size_px
from cemvis.report._located_crops import Outline, Overview, Warped
from cemvis.report._located_marks import (
    ACCEPTED_MARK,
    FLAG_MARKS,
    REJECTED_MARK,
    SKY,
    YELLOW,
    mark_style,
    on_grey,
    origin_line,
)
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Decisions = Mapping[tuple[str, str], str]

MARGIN_IN, HEAD_IN, PANEL_TITLE_IN, TICKS_IN = 0.22, 0.34, 0.26, 0.55
MAP_IN, CLOSE_IN, GAP_IN, LEGEND_IN = 7.4, 4.1, 0.3, 2.35
CLOSE_PITCHES = 5.0
MOST_CLOSE_PX = 2048
_ARROW_SHARE = 0.75  # of the pitch, for the residual that only 5 in 100 exceed
_ROUND = (1, 2, 5)


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
    small = style.wrap(_caption(located, overview, gain), wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + HEAD_IN + PANEL_TITLE_IN
    body = max(map_high + 0.45, CLOSE_IN + 0.35 + LEGEND_IN)
    height = top + body + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    title = f"Grids over the after-image: {len(located.batches):,} batches, {len(located):,} tests"
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")

    axes = style.add_axes_in(figure, MARGIN_IN + TICKS_IN, top, map_wide, map_high)
    extent = overview.extent_um(located.pixel_size_um)
    _show(axes, overview.values, extent)
    _draw_located(axes, located, gain, map_wide / (extent[1] - extent[0]), decisions or {})
    _name_batches(axes, located)
    _label_axes(axes, "After-image on the before-image")
    close_left = MARGIN_IN + TICKS_IN + map_wide + GAP_IN
    _draw_close_up(figure, located, overview, warped, gain, (close_left, top), decisions or {})
    _draw_legend(figure, located, gain, close_left, top + CLOSE_IN + 0.35, decisions or {})
    style.add_text_in(figure, MARGIN_IN, top + body, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def magnification(located: LocatedIndents) -> int:
    """Return by how much residuals are enlarged: 1, 2, 5, 10 ..., so that nearly all arrows stay within a pitch."""
    sizes = residual_size_px(located)[fine_mask(located)]
    sizes = sizes[np.isfinite(sizes)]
    if sizes.size == 0:
        return 1
    wanted = _ARROW_SHARE * _pitch_px(located) / max(float(np.percentile(sizes, 95)), 1e-6)
    power = 10 ** max(0, math.floor(math.log10(max(wanted, 1.0))))
    return max([step * power for step in _ROUND if step * power <= wanted], default=1)


def _pitch_px(located: LocatedIndents) -> float:
    return min((min(batch.pitch_px) for batch in located.batches), default=64.0)


def _caption(located: LocatedIndents, overview: Overview, gain: int) -> str:
    away = residual_size_px(located)
    known = away[np.isfinite(away) & fine_mask(located)]
    middle = f", median {np.median(known):.2g} px where there is no flag" if known.size else ""
    return (
        "Blue: the grid with the stage's errors. Yellow arrows: residuals, from the grid to an imprint's own peak, "
        f"{gain:,} times enlarged and cut at one pitch{middle}. {overview.factor} px of the before-image make one of "
        "the large picture. "
        f"{origin_line(located)}"
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


def _draw_located(axes: Axes, located: LocatedIndents, gain: int, in_per_um: float, decisions: Decisions) -> None:
    """Draw grids, arrows and marks into axes in um of which `in_per_um` inches are one."""
    from matplotlib.collections import LineCollection

    um = located.pixel_size_um
    pitch_in = _pitch_px(located) * um * in_per_um
    lines: list[Floats] = []
    for batch in located.batches:
        places = batch.erred_places_px() * um
        lines += [*places, *places.swapaxes(0, 1)]
    lines = [line for line in lines if len(line) > 1 and np.isfinite(line).all()]
    thin = float(np.clip(4 * pitch_in, 0.25, 0.8))
    axes.add_collection(LineCollection(lines, colors=SKY, linewidths=thin, alpha=0.85), autolim=False)
    xy = located.before_xy_px * um
    away = _arrows_px(located, gain) * um
    drawn = np.isfinite(xy).all(axis=1) & np.isfinite(away).all(axis=1)
    axes.quiver(
        *xy[drawn].T,
        *away[drawn].T,
        angles="xy",
        scale_units="xy",
        scale=1,
        color=YELLOW,
        units="inches",
        width=float(np.clip(0.035 * pitch_in, 0.009, 0.02)),
        headwidth=4,
        headlength=4.5,
        headaxislength=4,
        zorder=3,
    )
    size_pt = float(np.clip(0.45 * pitch_in * 72, 3.0, 11.0))
    for _name, mask, (marker, colour) in _marks(located, decisions):
        if mask.any():
            (marks,) = axes.plot(*xy[mask].T, zorder=4, **mark_style(marker, colour, size_pt))
            on_grey(marks)


def _arrows_px(located: LocatedIndents, gain: int) -> Floats:
    arrows = located.residual_px * gain
    longest = np.hypot(arrows[:, :1], arrows[:, 1:])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(arrows * np.minimum(1.0, _pitch_px(located) / np.maximum(longest, 1e-12)), np.float64)


def _marks(located: LocatedIndents, decisions: Decisions) -> list[tuple[str, NDArray[np.bool_], tuple[str, str]]]:
    """Return the name, indents, and shape and colour of each kind of mark."""
    keys = list(zip(located.table.batch, located.table.id, strict=True))
    kinds = [(flag, np.array([each == flag for each in located.flag], bool), mark) for flag, mark in FLAG_MARKS.items()]
    for name, word, mark in (("rejected", REJECT, REJECTED_MARK), ("accepted", ACCEPT, ACCEPTED_MARK)):
        kinds.append((f"{name} by a person", np.array([decisions.get(key) == word for key in keys], bool), mark))
    return kinds


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
    _draw_located(axes, located, gain, CLOSE_IN / (edge * um), decisions)
    name = f"{located.table.id[at]}, {located.table.batch[at]}"
    _label_axes(axes, f"Around the most doubtful: {name if len(name) < 34 else name[:33] + chr(0x2026)}")
    axes.set_ylabel("")
    axes.tick_params(labelleft=False, labelright=True, left=False, right=True)


def _close_edge_px(located: LocatedIndents) -> int:
    return int(np.clip(CLOSE_PITCHES * _pitch_px(located), 32, MOST_CLOSE_PX))


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
    kinds = _marks(located, decisions)
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
