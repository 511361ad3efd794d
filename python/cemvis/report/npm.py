"""Figure of a nano-porosity map: the image with clinker's outlines, MulF, MicF, and the greys with their anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.report import style
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_IN, TITLE_IN, PANEL_TITLE_IN, GAP_IN = 0.22, 0.34, 0.24, 0.3
BAR_IN, BAR_BELOW_IN, LEFT_IN, BELOW_IN = 0.12, 0.42, 0.5, 0.5
PANEL_IN, HIGHEST_IN = 4.2, 6.0
OUTLINE = "#ffb000"
CSH_COLOUR, METAL_COLOUR = "#4477aa", "#aa3377"


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is shown of an image, thinned out to what a figure can show.

    Attributes
    ----------
    grey : (rows, cols) uint8 or uint16
    mulf, micf : (rows, cols) uint8
    clinker : (rows, cols) bool
    width_um, height_um : float
        Of the whole image.
    """

    grey: NDArray[Any]
    mulf: NDArray[np.uint8]
    micf: NDArray[np.uint8]
    clinker: NDArray[np.bool_]
    width_um: float
    height_um: float


@dataclass(frozen=True)
class Anchor:
    """An anchor that is marked on the greys: its name, grey and 95 % interval."""

    name: str
    grey: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Greys:
    """Histograms over `greys`, as shares of their own totals: all pixels, flat places and clinker."""

    greys: NDArray[np.float64]
    every: NDArray[np.float64]
    flat: NDArray[np.float64]
    clinker: NDArray[np.float64]


def npm_figure(
    pictures: Pictures,
    greys: Greys,
    anchors: tuple[Anchor, Anchor],
    *,
    title: str,
    caption: str,
    warnings: Sequence[str] = (),
) -> Figure:
    """Return the figure of one image.

    Parameters
    ----------
    pictures : Pictures
    greys : Greys
    anchors : (Anchor, Anchor)
        Of C-S-H and of metal.
    title, caption : str
    warnings : sequence of str
        Shown in a banner that cannot be overlooked.
    """
    ratio = pictures.height_um / pictures.width_um
    wide, high = (PANEL_IN, PANEL_IN * ratio) if PANEL_IN * ratio <= HIGHEST_IN else (HIGHEST_IN / ratio, HIGHEST_IN)
    wide, high = max(wide, 1.2), max(high, 1.0)
    slot = max(wide, 2.8)
    full = 2 * (LEFT_IN + slot) + GAP_IN
    banner = style.banner_lines(warnings, full)
    small = style.wrap(caption, full, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    row = PANEL_TITLE_IN + high + BAR_BELOW_IN + BELOW_IN
    below = top + 2 * row
    height = below + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(full + 2 * MARGIN_IN, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, full, banner)

    def place(number: int) -> tuple[float, float]:
        across, down = number % 2, number // 2
        return MARGIN_IN + LEFT_IN + across * (LEFT_IN + slot + GAP_IN), top + down * row + PANEL_TITLE_IN

    extent = (0.0, pictures.width_um, pictures.height_um, 0.0)
    for number, (name, image) in enumerate(
        (("Backscattered electrons, clinker outlined", pictures.grey), ("MulF", pictures.mulf), ("MicF", pictures.micf))
    ):
        left, panel_top = place(number)
        axes = style.add_axes_in(figure, left, panel_top, wide, high)
        porosity = number > 0
        drawn = _draw(axes, image / 255.0 if porosity else image, extent, porosity=porosity)
        axes.set_title(name, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0)
        if not porosity and pictures.clinker.any() and not pictures.clinker.all():
            axes.contour(pictures.clinker, [0.5], colors=[OUTLINE], linewidths=0.9, extent=extent, origin="upper")
        add_scale_bar(axes)
        if porosity:
            bar = style.add_axes_in(figure, left, panel_top + high + 0.3, wide, BAR_IN)
            figure.colorbar(drawn, cax=bar, orientation="horizontal")
            bar.tick_params(labelsize=style.SMALL_PT, length=2.5, width=0.6)
            bar.set_xlabel("Equivalent porosity n", fontsize=style.TEXT_PT, color=style.INK, labelpad=1.5)
    left, panel_top = place(3)
    _draw_greys(style.add_axes_in(figure, left, panel_top, slot, high), greys, anchors)
    style.add_text_in(figure, MARGIN_IN, below, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _draw(axes: Axes, image: NDArray[Any], extent: tuple[float, float, float, float], *, porosity: bool) -> Any:
    low, high = (0.0, 1.0) if porosity else style.robust_range(image, percent=0.5)
    drawn = axes.imshow(
        image,
        cmap=style.VALUE_COLOURS if porosity else "gray",
        vmin=low,
        vmax=high,
        extent=extent,
        interpolation="nearest",
        aspect="auto",
    )
    axes.locator_params(nbins=5)
    axes.set_ylabel("y (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    return drawn


def _draw_greys(axes: Axes, greys: Greys, anchors: tuple[Anchor, Anchor]) -> None:
    axes.fill_between(greys.greys, greys.every, color="#d9dde4", lw=0, step="mid", label="all pixels")
    for name, values, colour, line in (
        ("flat places", greys.flat, style.INK, "-"),
        ("clinker", greys.clinker, OUTLINE, "--"),
    ):
        if values.any():
            axes.plot(greys.greys, values, color=colour, ls=line, lw=1.1, label=name)
    positive = np.concatenate([each[each > 0] for each in (greys.every, greys.flat, greys.clinker)])
    if positive.size:
        axes.set_yscale("log")
        axes.set_ylim(max(float(positive.min()), 1e-6), 3 * float(positive.max()))
    for anchor, colour, line in zip(anchors, (CSH_COLOUR, METAL_COLOUR), ("-.", ":"), strict=True):
        axes.axvspan(anchor.low, anchor.high, color=colour, alpha=0.25, lw=0)
        axes.axvline(anchor.grey, color=colour, ls=line, lw=1.4, label=f"{anchor.name} {anchor.grey:.1f}")
    used = greys.greys[(greys.every > 0) | (greys.flat > 0)]
    if used.size:
        ends = (float(used[0]), float(used[-1]), *(anchor.grey for anchor in anchors))
        room = 0.03 * (max(ends) - min(ends)) or 1.0
        axes.set_xlim(min(ends) - room, max(ends) + room)
    axes.set_xlabel("Grey level", fontsize=style.TEXT_PT, color=style.INK)
    axes.set_ylabel("Share", fontsize=style.TEXT_PT, color=style.INK)
    axes.set_title("Greys and anchors", loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=style.SMALL_PT, frameon=False)
