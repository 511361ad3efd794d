"""A property's map beside the BSE image it was made from."""

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

MARGIN_IN = 0.22
TITLE_IN = 0.32
TICKS_IN = 0.5  # for the labels of an axis
GAP_IN = 0.35
COLOUR_BAR_IN = 0.12
BELOW_PANEL_IN = 1.05  # tick labels, colour bar and its label
PANEL_TITLE_IN = 0.24


@dataclass(frozen=True)
class Raster:
    """An image and where it lies.

    Attributes
    ----------
    values : ndarray
        (rows, cols), NaN where there is no value.
    extent_um : tuple of float
        Outer edges (left, right, top, bottom) in um; x to the right, y down.
    """

    values: NDArray[Any]
    extent_um: tuple[float, float, float, float]


@dataclass(frozen=True)
class Panel:
    """One panel of a figure: a raster, its title, and how it is coloured.

    Attributes
    ----------
    raster : Raster
    title, colour_label : str
        What stands above the panel and at its colour bar.
    colours : str
        Name of a matplotlib colour map.
    logarithmic : bool
        Whether equal ratios, not equal differences, get equal steps of colour; wanted where a few values are several
        times all others, and used if all values are above zero.
    """

    raster: Raster
    title: str
    colour_label: str
    colours: str
    logarithmic: bool = False


@dataclass(frozen=True)
class _Layout:
    """Sizes in inches; every panel has a slot, in a row or, for wide images, in a column."""

    panel: tuple[float, float]
    slot: tuple[float, float]
    in_row: bool

    @classmethod
    def of(cls, height_over_width: float) -> _Layout:
        in_row = height_over_width > 0.42
        width, height = (3.9, 3.9 * height_over_width) if in_row else (8.5, 8.5 * height_over_width)
        if height > 7.0:
            width, height = 7.0 / height_over_width, 7.0
        return cls((width, height), (max(width, 2.6), height + PANEL_TITLE_IN + BELOW_PANEL_IN), in_row)

    def body(self, panels: int) -> tuple[float, float]:
        """Return width and height of all panels together."""
        wide, high = self.slot
        if self.in_row:
            return panels * wide + (panels - 1) * GAP_IN, high
        return wide, panels * high


def property_map(panels: Sequence[Panel], *, title: str, caption: str, warnings: Sequence[str] = ()) -> Figure:
    """Return a figure of `panels` with the same extent side by side; wide ones stand below each other.

    The extent is that of the last panel. Colours span the 1st to the 99th percentile of each panel; pointed
    ends of the colour bar show that values lie beyond. Warnings stand in a banner above the panels.

    Parameters
    ----------
    panels : sequence of Panel
        From left to right; one to three.
    title, caption : str
        What stands at the top and, small, at the bottom.
    warnings : sequence of str
        Shown in a banner that cannot be overlooked.
    """
    left, right, top, bottom = panels[-1].raster.extent_um
    layout = _Layout.of((bottom - top) / (right - left))
    body_wide, body_high = layout.body(len(panels))
    text_wide = max(body_wide + TICKS_IN, 5.0)
    banner = style.banner_lines(warnings, text_wide)
    small = style.wrap(caption, text_wide, size_pt=style.SMALL_PT)
    body_top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    height = body_top + body_high + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN

    figure = style.new_figure(2 * MARGIN_IN + text_wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, text_wide, banner)
    for number, panel in enumerate(panels):
        _draw_panel(figure, panel, layout, number, body_top, (left, right, top, bottom))
    style.add_text_in(
        figure, MARGIN_IN, body_top + body_high, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK
    )
    return figure


def _draw_panel(
    figure: Figure,
    panel: Panel,
    layout: _Layout,
    number: int,
    body_top: float,
    extent_um: tuple[float, float, float, float],
) -> None:
    from matplotlib.colors import LogNorm

    wide, high = layout.panel
    across, down = (number, 0) if layout.in_row else (0, number)
    slot_left = MARGIN_IN + TICKS_IN + across * (layout.slot[0] + GAP_IN)
    panel_left = slot_left + (layout.slot[0] - wide) / 2
    panel_top = body_top + down * layout.slot[1] + PANEL_TITLE_IN
    axes = style.add_axes_in(figure, panel_left, panel_top, wide, high)
    image, extend = _draw_raster(axes, panel, wide)

    left, right, top, bottom = extent_um
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.locator_params(nbins=5)
    axes.set_xlabel("x (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    if across == 0:
        axes.set_ylabel("y (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    else:
        axes.tick_params(labelleft=False)
    axes.set_title(panel.title, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0, parse_math=False)
    add_scale_bar(axes)

    bar = style.add_axes_in(figure, slot_left, panel_top + high + 0.43, layout.slot[0], COLOUR_BAR_IN)
    figure.colorbar(image, cax=bar, orientation="horizontal", extend=extend, extendfrac=0.03)
    bar.tick_params(labelsize=style.SMALL_PT, length=2.5, width=0.6)
    if isinstance(image.norm, LogNorm):
        bar.set_xticks(_round_values(*image.get_clim()))
        bar.minorticks_off()
        bar.xaxis.set_major_formatter("{x:g}")
    else:
        bar.locator_params(nbins=6)
    bar.set_xlabel(panel.colour_label, fontsize=style.TEXT_PT, color=style.INK, labelpad=1.5)


def _draw_raster(axes: Axes, panel: Panel, width_in: float) -> tuple[Any, str]:
    """Draw the raster of `panel`; return the image and at which ends values lie beyond its colours."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    values = np.asarray(panel.raster.values, np.float64)
    low, high = style.robust_range(values)
    scale = LogNorm if panel.logarithmic and low > 0 else Normalize
    left, right, top, bottom = panel.raster.extent_um
    colours = colormaps[panel.colours].with_extremes(bad=style.NOT_MAPPED)
    finer_than_screen = values.shape[1] > width_in * style.DPI
    # On a logarithmic scale values below 0 would be left out, and look as if they had not been mapped.
    image = axes.imshow(
        np.ma.masked_invalid(np.maximum(values, low)),
        cmap=colours,
        norm=scale(low, high),
        extent=(left, right, bottom, top),
        interpolation="antialiased" if finer_than_screen else "nearest",
        aspect="auto",
    )
    finite = values[np.isfinite(values)]
    below, above = (finite.size > 0 and finite.min() < low), (finite.size > 0 and finite.max() > high)
    return image, {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


def _round_values(low: float, high: float) -> list[float]:
    """Return the values 1, 1.5, 2, 3, 5, 7 times a power of ten between `low` and `high`, both above zero."""
    first = int(np.floor(np.log10(low)))
    last = int(np.floor(np.log10(high)))
    steps = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    return [
        step * 10.0**power for power in range(first, last + 1) for step in steps if low <= step * 10.0**power <= high
    ]
