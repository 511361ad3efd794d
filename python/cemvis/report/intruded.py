"""A figure of virtual metal-intruded specimens: image, true porosity and modified pixels, a row each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.report import style
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN_IN, TITLE_IN, HEAD_IN, GAP_IN, BAR_IN, BELOW_IN = 0.22, 0.34, 0.4, 0.14, 0.12, 0.62
#: A map of the usual size fills it pixel by pixel.
PANEL_IN = 384 / style.DPI
TITLES = ("BSE image", "equivalent porosity", "modified (orange), clinker (black)")
MOST_ROWS = 8


@dataclass(frozen=True, eq=False)
class ClassRow:
    """A class and a corner of one of its regions.

    Attributes
    ----------
    name : str
    image, levels : ndarray
        (rows, cols) uint8, as many rows as cols: what the microscope shows, and round(255 n).
    modified : ndarray
        (rows, cols) bool.
    """

    name: str
    image: NDArray[np.uint8]
    levels: NDArray[np.uint8]
    modified: NDArray[np.bool_]


def class_figure(rows: Sequence[ClassRow], *, pixel_size_um: float, caption: str) -> Figure:
    """Return a figure with the BSE image, the true porosity and the modified pixels of each class.

    Parameters
    ----------
    rows : sequence of ClassRow
        The first eight are drawn.
    pixel_size_um : float
    caption : str

    Raises
    ------
    InputError
        If there are no rows.
    """
    if not rows:
        msg = "no classes to draw; wanted at least one"
        raise InputError(msg)
    left_out = len(rows) - MOST_ROWS
    rows = rows[:MOST_ROWS]
    caption += f"; {left_out} more classes are not shown" if left_out > 0 else ""
    width = 2 * MARGIN_IN + 3 * PANEL_IN + 2 * GAP_IN
    lines = style.wrap(caption, width - 2 * MARGIN_IN, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN
    pitch = HEAD_IN + PANEL_IN + GAP_IN
    bottom = top + len(rows) * pitch
    height = bottom + BELOW_IN + style.lines_height_in(len(lines), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(width, height)
    style.add_text_in(
        figure, MARGIN_IN, MARGIN_IN, "Virtual metal-intruded paste", fontsize=style.TITLE_PT, weight="bold"
    )
    for number, row in enumerate(rows):
        _draw_row(figure, row, top + number * pitch, pixel_size_um)
    _draw_bar(figure, bottom)
    style.add_text_in(
        figure, MARGIN_IN, bottom + BELOW_IN, "\n".join(lines), fontsize=style.SMALL_PT, color=style.SOFT_INK
    )
    return figure


def _draw_row(figure: Figure, row: ClassRow, top: float, pixel_size_um: float) -> None:
    from matplotlib.colors import ListedColormap

    marked = np.where(row.modified, 2, row.levels > 0).astype(np.uint8)
    masks = ListedColormap(["black", "#5a5a5a", "#f0a818"])
    panels: tuple[tuple[NDArray[np.uint8], Any, int], ...] = (
        (row.image, "gray", 255),
        (row.levels, style.VALUE_COLOURS, 255),
        (marked, masks, 2),
    )
    style.add_text_in(figure, MARGIN_IN, top, row.name, fontsize=style.TEXT_PT, weight="bold")
    for column, (values, colour_map, most) in enumerate(panels):
        left = MARGIN_IN + column * (PANEL_IN + GAP_IN)
        axes = style.add_axes_in(figure, left, top + HEAD_IN, PANEL_IN, PANEL_IN)
        edges = (0, values.shape[1] * pixel_size_um, values.shape[0] * pixel_size_um, 0)
        axes.imshow(values, cmap=colour_map, vmin=0, vmax=most, extent=edges, interpolation="nearest", aspect="equal")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(TITLES[column], loc="left", fontsize=style.SMALL_PT, color=style.INK, pad=3)
        if column == 0:
            add_scale_bar(axes)


def _draw_bar(figure: Figure, top: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = style.add_axes_in(figure, MARGIN_IN + PANEL_IN + GAP_IN, top, PANEL_IN, BAR_IN)
    figure.colorbar(ScalarMappable(Normalize(0, 1), style.VALUE_COLOURS), cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=style.SMALL_PT, length=2.5, width=0.6)
    bar.set_xlabel("Equivalent porosity n", fontsize=style.SMALL_PT, color=style.INK, labelpad=1.5)
