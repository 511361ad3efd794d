"""The stage's accumulated errors along columns and rows, batch by batch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.located import LocatedBatch, LocatedIndents
from cemvis.report import style
from cemvis.report._located_marks import LINES, SERIES, batches_of, origin_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MARGIN_IN, HEAD_IN, PANEL_TITLE_IN, BELOW_IN = 0.22, 0.34, 0.24, 0.5
PANEL_IN = (4.6, 2.9)
LEFT_IN, RIGHT_IN = 0.62, 0.62
NAMED = 10  # batches that get a line style of their own
LEGEND_LINE_IN = 0.2
_LETTER_IN = 0.075


def walks_figure(located: LocatedIndents) -> Figure:
    """Return the accumulated error of each column and of each row over its number, a line a batch, in px and um.

    Of more than `NAMED` batches, those whose errors reach farthest are told apart; the others are thin and grey.
    """
    batches = located.batches
    order = sorted(range(len(batches)), key=lambda n: -_reach(batches[n]))
    named = sorted(order[:NAMED])
    wide = 2 * (LEFT_IN + PANEL_IN[0] + RIGHT_IN)
    longest = max((len(_entry(batches[n])) for n in named), default=1)
    columns = max(1, min(4, int(wide / (0.55 + _LETTER_IN * longest))))
    entries = len(named) + (len(batches) > len(named))
    legend = LEGEND_LINE_IN * -(-entries // columns) + 0.1 if entries else 0.0
    small = style.wrap(_caption(located), wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + HEAD_IN + PANEL_TITLE_IN
    bottom = top + PANEL_IN[1] + BELOW_IN
    height = bottom + legend + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    style.add_text_in(
        figure,
        MARGIN_IN,
        MARGIN_IN,
        "How the stage erred, accumulated step by step",
        fontsize=style.TITLE_PT,
        weight="bold",
    )
    _draw_panel(figure, located, named, 0, top)
    _draw_panel(figure, located, named, 1, top)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles,
            [label.replace("$", r"\$") for label in labels],
            loc="upper left",
            bbox_to_anchor=((MARGIN_IN + 0.1) / figure.get_size_inches()[0], 1 - bottom / height),
            ncols=columns,
            fontsize=style.SMALL_PT,
            frameon=False,
            borderpad=0,
            handlelength=2.6,
        )
    style.add_text_in(
        figure, MARGIN_IN, bottom + legend, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK
    )
    return figure


def _draw_panel(figure: Figure, located: LocatedIndents, named: list[int], which: int, top: float) -> None:
    from matplotlib.ticker import MaxNLocator

    kind = ("Columns", "Rows")[which]
    left = MARGIN_IN + LEFT_IN + which * (PANEL_IN[0] + LEFT_IN + RIGHT_IN)
    axes = style.add_axes_in(figure, left, top, *PANEL_IN)
    axes.axhline(0, color=style.SOFT_INK, lw=0.5)
    others = 0
    for number, batch in enumerate(located.batches):
        errors = _errors(batch)[which]
        if number in named:
            place = named.index(number)
            axes.plot(
                np.arange(len(errors)),
                errors,
                color=SERIES[place % len(SERIES)],
                ls=LINES[(place + 2 * (place // len(SERIES))) % len(LINES)],
                lw=1.2,
                marker=".",
                markersize=3.5 if len(errors) <= 40 else 0,
                label=_entry(batch),
            )
        else:
            others += 1
            label = f"{len(located.batches) - len(named)} other batches" if others == 1 else None
            axes.plot(np.arange(len(errors)), errors, color="#b0b0b0", lw=0.5, zorder=1, label=label)
    along = ("along the rows", "down the columns")[which]
    axes.set_title(f"{kind}: error {along}", loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0)
    axes.set_xlabel(f"{kind[:-1]}, from 0", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.set_ylabel("Accumulated error (px)", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, lw=0.3, color="#d5d5d5")
    um = located.pixel_size_um
    second = axes.secondary_yaxis("right", functions=(partial(np.multiply, um), partial(np.multiply, 1 / um)))
    second.tick_params(labelsize=style.SMALL_PT, colors=style.SOFT_INK, length=2.5, width=0.6)
    second.spines["right"].set_linewidth(0.6)
    second.set_ylabel("Accumulated error (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK)


def _errors(batch: LocatedBatch) -> tuple[Floats, Floats]:
    return np.array(batch.column_error_px, np.float64), np.array(batch.row_error_px, np.float64)


def _reach(batch: LocatedBatch) -> float:
    every = np.abs(np.concatenate(_errors(batch)))
    return float(every[np.isfinite(every)].max(initial=0.0))


def _entry(batch: LocatedBatch) -> str:
    walk = f"{batch.walk_px:.2g} px a step" if np.isfinite(batch.walk_px) else "one step"
    return f"{batch.name or 'batch'}: {walk}, starts within {batch.spread_px:.2g} px"


def _caption(located: LocatedIndents) -> str:
    return (
        f"{batches_of(located)}. The error of a column is along the rows, that of a row down the columns, "
        "both beyond pitch, rotation and shear, and 0 at the first. A step's standard deviation and the root mean "
        f"square difference between starts of nearly the same score are in the legend. {origin_line(located)}"
    )
