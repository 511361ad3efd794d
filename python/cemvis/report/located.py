"""Located indents to look at: pairs of windows, the grids over the after-image, and the error walks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.located import FINE, LocatedIndents
from cemvis.images.micrograph import Micrograph
from cemvis.report import style
from cemvis.report._located_choice import gallery_groups, residual_size_px
from cemvis.report._located_crops import (
    Outline,
    Overview,
    Pair,
    Warped,
    edge_px,
    overview_by_field,
    overview_of,
    pair_at,
)
from cemvis.report._located_grid import grid_figure
from cemvis.report._located_marks import YELLOW, on_grey, origin_line
from cemvis.report._located_walks import walks_figure
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Overview", "gallery_figure", "grid_figure", "overview_by_field", "overview_of", "walks_figure"]

MARGIN_IN, HEAD_IN = 0.22, 0.62
WINDOW_IN, BETWEEN_IN, GAP_IN = 1.22, 0.04, 0.26
GROUP_IN, LABEL_IN = 0.25, 0.58
ACROSS = 4  # pairs in a row
_LEAST_RANGE = 0.35  # of the range of all windows: a flat window is not stretched into noise


def gallery_figure(
    located: LocatedIndents,
    before: Micrograph,
    warped: Warped,
    *,
    across: int = ACROSS,
    decisions: Mapping[tuple[str, str], str] | None = None,
) -> Figure:
    """Return pairs of windows before and after indentation with the imprints' outlines: best, middle, worst, flagged.

    Parameters
    ----------
    before : Micrograph
    warped : callable
        ``warped(row, col, rows, cols)`` gives the after-image on the before-image's pixels, NaN where there is none.
    across : int
        Pairs in a row; a group of indents has at most as many, or three rows if there is one group without a flag.
    decisions : mapping, optional
        What a person decided, (batch, id) to "accept" or "reject".
    """
    outline = Outline.of(located)
    edge = edge_px(located, outline, times=2.2, pitches=0.8)
    groups = gallery_groups(located, each=across)
    pairs = {n: pair_at(before, warped, located.before_xy_px[n], edge=edge) for _, group in groups for n in group}
    slot = 2 * WINDOW_IN + BETWEEN_IN + GAP_IN
    wide = across * slot - GAP_IN
    lines = _lines(groups, across)
    body = len(lines) * (GROUP_IN + WINDOW_IN + LABEL_IN)
    small = style.wrap(_gallery_caption(located, outline, edge), wide, size_pt=style.SMALL_PT)
    height = MARGIN_IN + HEAD_IN + body + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    title = f"Located indents: {len(located):,} tests, {located.flag.count(FINE):,} without a flag"
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.add_text_in(
        figure,
        MARGIN_IN,
        MARGIN_IN + 0.27,
        "Left of each pair: before indentation. Right: after it.",
        color=style.SOFT_INK,
    )
    scales = _scales([pair for pair in pairs.values() if pair is not None])
    top = MARGIN_IN + HEAD_IN
    for line in lines:
        at = top + GROUP_IN
        for k, (name, number) in enumerate(line):
            left = MARGIN_IN + k * slot
            style.add_text_in(figure, left, top, name, fontsize=style.PANEL_TITLE_PT, weight="bold")
            _draw_pair(figure, located, number, pairs[number], outline, scales, (left, at), with_bar=k == 0)
            label = _label(located, number, decisions or {})
            style.add_text_in(figure, left, at + WINDOW_IN + 0.04, label, fontsize=6.8)
        top += GROUP_IN + WINDOW_IN + LABEL_IN
    style.add_text_in(figure, MARGIN_IN, top, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _lines(groups: list[tuple[str, NDArray[np.int64]]], across: int) -> list[list[tuple[str, int]]]:
    """Return the indents of each line with the titles above them; groups that fit together share a line."""
    lines: list[list[tuple[str, int]]] = []
    for title, group in groups:
        if not lines or len(lines[-1]) + len(group) > across:
            lines.append([])
        for k, number in enumerate(group):
            if len(lines[-1]) == across:
                lines.append([])
            lines[-1].append(("" if k else title, int(number)))
    return lines


def _gallery_caption(located: LocatedIndents, outline: Outline | None, edge: int) -> str:
    um = located.pixel_size_um
    drawn = (
        f"Outline: the imprint as found from the images ({outline.shape}, {outline.size_px * um:.3g} um), where the "
        "grid puts it. "
        if outline is not None
        else "Cross hairs: where the grid puts the imprint; its outline is not known. "
    )
    return (
        f"{drawn}Yellow cross: the imprint's own peak. Windows of {edge} px ({edge * um:.3g} um); grey levels are "
        f"stretched window by window. {origin_line(located)}"
    ).replace(" um", " \N{MICRO SIGN}m")


def _label(located: LocatedIndents, number: int, decisions: Mapping[tuple[str, str], str]) -> str:
    """Return three lines on an indent: its name, what was measured, and how well it was located."""
    table = located.table
    name, batch = table.id[number], table.batch[number]
    residual = residual_size_px(located)[number]
    reduced = not np.isfinite(table.modulus_gpa[number]) and np.isfinite(table.reduced_modulus_gpa[number])
    modulus = table.reduced_modulus_gpa[number] if reduced else table.modulus_gpa[number]
    measured = f"{'Er' if reduced else 'E'} {_number(modulus, 'GPa')}, H {_number(table.hardness_gpa[number], 'GPa')}"
    place = f"score {_number(located.score[number])}, residual {_number(residual, 'px')}"
    word = {"accept": "accepted", "reject": "rejected"}.get(decisions.get((batch, name), ""), "")
    return "\n".join([_short(f"{name}, {batch}", 34) + (f" - {word}" if word else ""), measured, place])


def _number(value: float, unit: str = "") -> str:
    return f"{value:.3g} {unit}".strip() if np.isfinite(value) else "-"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _scales(pairs: list[Pair]) -> tuple[float, float]:
    """Return the range of grey levels over all windows before, and after."""
    ranges = []
    for images in ([pair.before for pair in pairs], [pair.after for pair in pairs]):
        low, high = style.robust_range(np.stack(images)) if images else (0.0, 1.0)
        ranges.append(high - low)
    return ranges[0], ranges[1]


def grey_range(image: NDArray[Any], whole_range: float) -> tuple[float, float]:
    """Return which grey levels of a window become black and white: its own, unless they are nearly alike."""
    low, high = style.robust_range(image)
    half = max(high - low, _LEAST_RANGE * whole_range) / 2
    return (low + high) / 2 - half, (low + high) / 2 + half


def _draw_pair(
    figure: Figure,
    located: LocatedIndents,
    number: int,
    pair: Pair | None,
    outline: Outline | None,
    scales: tuple[float, float],
    corner: tuple[float, float],
    *,
    with_bar: bool,
) -> None:
    um = located.pixel_size_um
    for side in (0, 1):
        axes = style.add_axes_in(figure, corner[0] + side * (WINDOW_IN + BETWEEN_IN), corner[1], WINDOW_IN, WINDOW_IN)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_facecolor(style.NOT_MAPPED)
        image = None if pair is None else (pair.before, pair.after)[side]
        if pair is None or image is None or not np.isfinite(image).any():
            axes.text(0.5, 0.5, "no image", transform=axes.transAxes, ha="center", va="center", fontsize=style.SMALL_PT)
            continue
        low, high = grey_range(image, scales[side])
        wide = len(image) * um
        axes.imshow(image, cmap="gray", vmin=low, vmax=high, extent=(0, wide, wide, 0), interpolation="antialiased")
        centre = (np.array(pair.centre_px) + 0.5) * um
        _draw_outline(axes, outline, centre, um)
        own = centre + located.residual_px[number] * um
        if side == 1 and np.isfinite(own).all() and (np.abs(own - wide / 2) < wide / 2).all():
            axes.plot(*own, marker="+", markersize=5, markeredgewidth=0.9, color=YELLOW)
        axes.set_xlim(0, wide)
        axes.set_ylim(wide, 0)
        if side == 0 and with_bar:
            add_scale_bar(axes)


def _draw_outline(axes: Axes, outline: Outline | None, centre: NDArray[np.float64], um: float) -> None:
    from matplotlib.patches import Polygon

    if outline is None:
        axes.axvline(centre[0], color=YELLOW, lw=0.5)
        axes.axhline(centre[1], color=YELLOW, lw=0.5)
        return
    drawn = axes.add_patch(Polygon(centre + outline.corners_px() * um, fill=False, edgecolor=YELLOW, lw=0.9))
    on_grey(drawn, width=0.9)
