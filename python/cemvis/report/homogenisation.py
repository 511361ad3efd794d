"""Effective moduli as a picture: bounds and estimates with their intervals, and for a map what happens inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cemvis.report import style
from cemvis.report.maps import Raster
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_IN, TITLE_IN, NAMES_IN, NUMBERS_IN, BARS_IN = 0.22, 0.34, 2.1, 1.25, 4.55
ROW_IN, ABOVE_IN, BELOW_IN = 0.26, 0.3, 0.5
IMAGE_IN, IMAGE_GAP_IN, TICKS_IN, BAR_IN = 2.15, 0.34, 0.5, 0.1
BOUND_COLOUR, ESTIMATE_COLOUR = style.SOFT_INK, style.BAR_FILL


@dataclass(frozen=True)
class Moduli:
    """What one method says.

    Attributes
    ----------
    name : str
    modulus_gpa : float
    inner_gpa, outer_gpa : tuple of float or None
        The interval for independent errors, and that for errors that all go the same way.
    bound : bool
        Whether it is a bound, not an estimate.
    """

    name: str
    modulus_gpa: float
    inner_gpa: tuple[float, float] | None
    outer_gpa: tuple[float, float] | None
    bound: bool


@dataclass(frozen=True)
class Inside:
    """A map of something inside the structure that was solved.

    Attributes
    ----------
    raster : Raster
        Its extent is in cells where `in_um` is not set.
    title, colour_label, colours : str
    logarithmic : bool
        Whether equal ratios get equal steps of colour.
    in_um : bool
    """

    raster: Raster
    title: str
    colour_label: str
    colours: str
    logarithmic: bool = False
    in_um: bool = True


def moduli_figure(
    groups: Sequence[tuple[str, Sequence[Moduli]]],
    inside: Sequence[Inside] = (),
    *,
    title: str,
    caption: str,
    warnings: Sequence[str] = (),
) -> Figure:
    """Return a figure with a panel for each group of methods, and a row of maps below them.

    Parameters
    ----------
    groups : sequence of (str, sequence of Moduli)
        Title and methods, from the lowest bound to the highest; all panels have one scale of moduli.
    inside : sequence of Inside
        Up to three, of one extent.
    title, caption : str
    warnings : sequence of str
        Shown in a banner that cannot be overlooked.
    """
    wide = NAMES_IN + BARS_IN + NUMBERS_IN
    banner = style.banner_lines(warnings, wide)
    small = style.wrap(caption, wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    tall = [ABOVE_IN + ROW_IN * len(rows) + BELOW_IN for _, rows in groups]
    image_top = top + sum(tall)
    image_high = _image_height_in(inside)
    caption_top = image_top + (ABOVE_IN + image_high + 0.95 if inside else 0.0)
    height = caption_top + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, wide, banner)
    limits = _limits([row for _, rows in groups for row in rows])
    for (name, rows), high in zip(groups, tall, strict=True):
        _draw_group(figure, name, rows, top + ABOVE_IN, limits)
        top += high
    for number, each in enumerate(inside):
        left = MARGIN_IN + TICKS_IN + number * (IMAGE_IN + IMAGE_GAP_IN)
        _draw_inside(figure, each, left, image_top + ABOVE_IN, image_high, first=number == 0)
    style.add_text_in(figure, MARGIN_IN, caption_top, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _limits(rows: Sequence[Moduli]) -> tuple[float, float]:
    ends = [value for row in rows for pair in (row.inner_gpa, row.outer_gpa) if pair for value in pair]
    values = np.array([*(row.modulus_gpa for row in rows), *ends])
    low, high = float(values.min()), float(values.max())
    room = 0.06 * max(high - low, 0.02 * high, 1e-3)
    return max(low - room, -0.02 * high) if low > 0 else -room, high + room


def _draw_group(figure: Figure, title: str, rows: Sequence[Moduli], top: float, limits: tuple[float, float]) -> None:
    axes = style.add_axes_in(figure, MARGIN_IN + NAMES_IN, top, BARS_IN, ROW_IN * len(rows))
    axes.set_xlim(*limits)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", color="#e4e4e4", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.tick_params(axis="y", length=0, labelsize=style.TEXT_PT, labelcolor=style.INK)
    for number, row in enumerate(rows):
        _draw_row(axes, number, row)
    figure_title = {"fontsize": style.PANEL_TITLE_PT, "color": style.INK}
    style.add_text_in(figure, MARGIN_IN, top - ABOVE_IN + 0.06, title, **figure_title)
    axes.set_xlabel("Young's modulus (GPa)", fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)


def _draw_row(axes: Axes, number: int, row: Moduli) -> None:
    colour = BOUND_COLOUR if row.bound else ESTIMATE_COLOUR
    if row.outer_gpa is not None:
        axes.plot(row.outer_gpa, (number, number), color=colour, lw=1.0, marker="|", ms=6, mew=1.0)
    if row.inner_gpa is not None:
        axes.plot(row.inner_gpa, (number, number), color=colour, lw=4.5, alpha=0.45, solid_capstyle="butt")
    marker = {"marker": "D", "mfc": "white", "ms": 4.5} if row.bound else {"marker": "o", "mfc": colour, "ms": 5.5}
    axes.plot([row.modulus_gpa], [number], color=colour, ls="", mec=colour, **marker)  # type: ignore[arg-type]
    ends = row.inner_gpa or row.outer_gpa
    told = f"{row.modulus_gpa:.1f}" + ("" if ends is None else f"  ({ends[0]:.1f} to {ends[1]:.1f})")
    axes.annotate(
        told,
        (1.0, number),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=style.SMALL_PT,
        color=style.INK,
        annotation_clip=False,
    )


def _image_height_in(inside: Sequence[Inside]) -> float:
    if not inside:
        return 0.0
    left, right, top, bottom = inside[0].raster.extent_um
    return min(max(IMAGE_IN * (bottom - top) / (right - left), 0.5), 2.5 * IMAGE_IN)


def _draw_inside(figure: Figure, shown: Inside, left: float, top: float, high: float, *, first: bool) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    axes = style.add_axes_in(figure, left, top, IMAGE_IN, high)
    values = np.asarray(shown.raster.values, np.float64)
    low, high_value = style.robust_range(values)
    scale = LogNorm if shown.logarithmic and low > 0 else Normalize
    x0, x1, y0, y1 = shown.raster.extent_um
    image = axes.imshow(
        values,
        cmap=colormaps[shown.colours],
        norm=scale(low, high_value),
        extent=(x0, x1, y1, y0),
        interpolation="nearest",
        aspect="auto",
    )
    axes.locator_params(nbins=4)
    axes.set_title(shown.title, loc="left", fontsize=style.PANEL_TITLE_PT, color=style.INK, pad=4.0)
    unit = "\N{MICRO SIGN}m" if shown.in_um else "cells"
    axes.set_xlabel(f"x ({unit})", fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    if first:
        axes.set_ylabel(f"y ({unit})", fontsize=style.SMALL_PT, color=style.SOFT_INK, labelpad=1.5)
    else:
        axes.tick_params(labelleft=False)
    if shown.in_um:
        add_scale_bar(axes)
    bar = style.add_axes_in(figure, left, top + high + 0.42, IMAGE_IN, BAR_IN)
    figure.colorbar(image, cax=bar, orientation="horizontal", extend="both", extendfrac=0.03)
    if isinstance(image.norm, LogNorm):
        from matplotlib.ticker import LogLocator

        bar.minorticks_off()
        bar.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        bar.xaxis.set_major_formatter("{x:g}")
    else:
        bar.locator_params(nbins=5)
    bar.tick_params(labelsize=style.SMALL_PT, length=2.5, width=0.6)
    bar.set_xlabel(shown.colour_label, fontsize=style.SMALL_PT, color=style.INK, labelpad=1.5)
