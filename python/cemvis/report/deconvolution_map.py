"""A map of populations as a picture, uncertain cells shown as such."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.report import style
from cemvis.report.deconvolution import BELOW_IN, COLOURS, LEFT_IN, MARGIN_IN, TITLE_IN
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNCERTAIN_COLOUR, UNMAPPED_COLOUR = "#f4f4f4", "#8c8c8c"
_MOST_PX = 900  # of the picture's longer side: a map of populations is thinned to it


def population_map_figure(
    number: NDArray[np.uint8],
    names: Sequence[str],
    *,
    step_um: float,
    edge_um: float,
    title: str,
    caption: str,
    warnings: Sequence[str] = (),
) -> Figure:
    """Return a figure of a map of populations, (rows, cols) uint8 with 0 not mapped and 255 uncertain.

    `edge_um` is where the map's left and upper edges lie.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    rows, cols = number.shape
    wide = min(6.5, 6.5 * cols / rows)
    high = wide * rows / cols
    text_wide = max(LEFT_IN + wide + 1.9, 5.0)
    banner = style.banner_lines(warnings, text_wide)
    small = style.wrap(caption, text_wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    height = top + max(high, 2.2) + BELOW_IN + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + text_wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, text_wide, banner)
    colour = np.zeros((256, 3))
    colour[0], colour[255] = to_rgb(UNMAPPED_COLOUR), to_rgb(UNCERTAIN_COLOUR)
    for n in range(len(names)):
        colour[n + 1] = to_rgb(COLOURS[n % len(COLOURS)])
    axes = style.add_axes_in(figure, MARGIN_IN + LEFT_IN, top, wide, high)
    extent = (edge_um, edge_um + cols * step_um, edge_um + rows * step_um, edge_um)
    axes.imshow(colour[number], extent=extent, interpolation="nearest")
    add_scale_bar(axes)
    axes.set_xlabel("x (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.set_ylabel("y (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    marks = [Patch(facecolor=colour[n + 1], label=name) for n, name in enumerate(names)]
    marks.append(Patch(facecolor=colour[255], edgecolor=style.SOFT_INK, lw=0.5, label="uncertain"))
    if (number == 0).any():
        marks.append(Patch(facecolor=colour[0], label="not mapped"))
    axes.legend(
        handles=marks,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0,
        fontsize=style.TEXT_PT,
        frameon=False,
    )
    below = top + max(high, 2.2) + BELOW_IN
    style.add_text_in(figure, MARGIN_IN, below, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def thinning(shape: tuple[int, int]) -> int:
    """Return which cells of a map to show, every n-th, so that the picture stays small."""
    return max(1, -(-max(shape) // _MOST_PX))
