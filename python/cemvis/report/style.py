"""What all figures share: colours, sizes of text, wrapping, and files whose bytes do not vary from run to run.

Figures are drawn through matplotlib's objects on the Agg canvas; no global state is read or set besides the user's
own matplotlib settings.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VALUE_COLOURS = "cividis"  # rises evenly in lightness, so it survives colour blindness and a grey print
HALF_WIDTH_COLOURS = "magma_r"
NOT_MAPPED = "#dcdcdc"
INK = "#222222"
SOFT_INK = "#5a5a5a"
ALARM = "#b3261e"
BAR_FILL = "#3b5b8c"
MARGIN_IN, TITLE_IN = 0.22, 0.34
TITLE_PT = 11.0
PANEL_TITLE_PT = 9.5
TEXT_PT = 8.5
SMALL_PT = 7.5
DPI = 150
LINE_SPACING = 1.35


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty white figure of the given size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def add_axes_in(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes of `width` x `height` inches whose top-left corner lies `left` and `top` inches from the figure's."""
    full_width, full_height = figure.get_size_inches()
    box = (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    axes = figure.add_axes(box)
    axes.tick_params(labelsize=SMALL_PT, colors=SOFT_INK, length=2.5, width=0.6)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)
        spine.set_color(SOFT_INK)
    return axes


def add_text_in(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    """Write `text` with its top-left corner `left` and `top` inches from the figure's."""
    full_width, full_height = figure.get_size_inches()
    usual: dict[str, Any] = {"color": INK, "fontsize": TEXT_PT, "va": "top", "linespacing": LINE_SPACING}
    figure.text(left / full_width, 1 - top / full_height, text, parse_math=False, **usual | style)


def wrap(text: str, width_in: float, *, size_pt: float) -> list[str]:
    """Return `text` in lines that fit `width_in` inches at `size_pt`, by the usual width of a letter."""
    letters = max(20, int(width_in * 72 / (0.56 * size_pt)))
    return [line for part in text.split("\n") for line in textwrap.wrap(part, letters) or [""]]


def lines_height_in(count: int, *, size_pt: float) -> float:
    """Return the height in inches that `count` lines of text take."""
    return count * size_pt * LINE_SPACING / 72


def banner_lines(warnings: Sequence[str], width_in: float) -> list[str]:
    """Return the lines of a banner `width_in` inches wide that shows `warnings`."""
    return [line for text in warnings for line in wrap(f"WARNING: {text}", width_in - 0.2, size_pt=TEXT_PT * 1.08)]


def banner_height_in(lines: Sequence[str]) -> float:
    """Return the height in inches that a banner of `lines` takes, with the gap below it; 0 without lines."""
    return lines_height_in(len(lines), size_pt=TEXT_PT) + 0.24 if lines else 0.0


def draw_banner(figure: Figure, left: float, top: float, width: float, lines: Sequence[str]) -> None:
    """Draw a banner that cannot be overlooked, its top-left corner `left` and `top` inches from the figure's."""
    from matplotlib.patches import Rectangle

    if not lines:
        return
    axes = add_axes_in(figure, left, top, width, banner_height_in(lines) - 0.1)
    axes.set_axis_off()
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, color=ALARM, lw=0))
    add_text_in(figure, left + 0.08, top + 0.055, "\n".join(lines), color="white", weight="bold")


def robust_range(values: NDArray[Any], *, percent: float = 1.0) -> tuple[float, float]:
    """Return the percentiles `percent` and 100 - `percent` of the finite values, widened if they coincide.

    Without any finite value the range is (0, 1).
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.percentile(finite, [percent, 100 - percent]))
    if high - low > 1e-6 * max(1.0, abs(high)):
        return low, high
    half = max(0.5, 0.01 * abs(high))
    return low - half, high + half


def save_png(figure: Figure, path: Path) -> None:
    """Write `figure` to `path`, whole or not at all; the same figure gives the same bytes."""
    with written_whole(path) as beside:
        figure.savefig(beside, format="png", dpi=DPI, metadata={"Software": "cemvis"}, pil_kwargs={"compress_level": 4})


def save_pdf(figure: Figure, path: Path) -> None:
    """Write `figure` to `path` as PDF, whole or not at all; the same figure gives the same bytes.

    Text stays text (TrueType), so that it can be searched and edited.
    """
    from matplotlib import rc_context

    with written_whole(path) as beside, rc_context({"pdf.fonttype": 42}):
        figure.savefig(beside, format="pdf", dpi=2 * DPI, metadata={"Creator": "cemvis", "CreationDate": None})


def save_png_and_pdf(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Write `figure` to `stem` with .png and with .pdf behind it; return both."""
    png, pdf = (stem.with_name(f"{stem.name}.{end}") for end in ("png", "pdf"))
    save_png(figure, png)
    save_pdf(figure, pdf)
    return png, pdf


def captioned_page(wide: float, high: float, title: str, caption: str) -> tuple[Figure, float]:
    """Return a figure with title and caption around `high` inches, margins left and right, and where these begin."""
    small = wrap(caption, wide, size_pt=SMALL_PT)
    heading = wrap(title, wide, size_pt=TITLE_PT)
    top = MARGIN_IN + max(TITLE_IN, lines_height_in(len(heading), size_pt=TITLE_PT) + 0.1)
    below = top + high
    height = below + lines_height_in(len(small), size_pt=SMALL_PT) + MARGIN_IN
    figure = new_figure(2 * MARGIN_IN + wide, height)
    add_text_in(figure, MARGIN_IN, MARGIN_IN, "\n".join(heading), fontsize=TITLE_PT, weight="bold")
    add_text_in(figure, MARGIN_IN, below, "\n".join(small), fontsize=SMALL_PT, color=SOFT_INK)
    return figure, top
