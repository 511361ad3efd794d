"""What an indenter measured: the modulus over the tests' positions, and how modulus and hardness are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_IN = 0.22
TITLE_IN = 0.34
MAP_IN = 4.2
HISTOGRAM_IN = (3.4, 1.55)
LABELS_IN = 0.62
GAP_IN = 0.5
BINS = 40
# Many thousand marks are drawn as pixels: their files stay small, and single ones cannot be told apart anyway.
LARGEST_MARK_PT, SMALLEST_MARK_PT = 9.0, 0.6


@dataclass(frozen=True)
class MeasuredIndents:
    """What is drawn: (n,) float64 positions and values, NaN where there is none, and which tests are ok.

    Attributes
    ----------
    x_um, y_um, modulus_gpa, hardness_gpa : (n,) float64
    ok : (n,) bool
    modulus_name : str
        "Modulus" or "Reduced modulus".
    """

    x_um: NDArray[Any]
    y_um: NDArray[Any]
    modulus_gpa: NDArray[Any]
    hardness_gpa: NDArray[Any]
    ok: NDArray[np.bool_]
    modulus_name: str = "Modulus"


def indents_figure(
    indents: MeasuredIndents, *, title: str, caption: str, spacing_um: float | None = None, warnings: Sequence[str] = ()
) -> Figure:
    """Return a figure of the modulus over the positions, if there are any, beside histograms of what is ok.

    Parameters
    ----------
    spacing_um : float, optional
        Between tests; it sets the size of the marks.
    warnings : sequence of str
        Shown in a banner.
    """
    mapped = bool(np.isfinite(indents.x_um).any())
    wide, high = HISTOGRAM_IN
    map_wide = MAP_IN + LABELS_IN + GAP_IN + 0.75 if mapped else 0.0
    text_wide = map_wide + LABELS_IN + wide
    banner = style.banner_lines(warnings, text_wide)
    small = style.wrap(caption, text_wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    body = max(MAP_IN if mapped else 0.0, 2 * (high + LABELS_IN)) + 0.9 * LABELS_IN
    height = top + body + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN

    figure = style.new_figure(2 * MARGIN_IN + text_wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, text_wide, banner)
    if mapped:
        _draw_map(figure, indents, MARGIN_IN + LABELS_IN, top, spacing_um)
    values = ((indents.modulus_name, indents.modulus_gpa), ("Hardness", indents.hardness_gpa))
    for number, (name, measured) in enumerate(values):
        left = MARGIN_IN + map_wide + LABELS_IN
        axes = style.add_axes_in(figure, left, top + number * (high + LABELS_IN + 0.1), wide, high)
        _draw_histogram(axes, name, measured[indents.ok])
    style.add_text_in(figure, MARGIN_IN, top + body, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def _draw_map(figure: Figure, indents: MeasuredIndents, left: float, top: float, spacing_um: float | None) -> None:
    from matplotlib.colors import LogNorm, Normalize

    axes = style.add_axes_in(figure, left, top, MAP_IN, MAP_IN)
    x, y, ok = indents.x_um, indents.y_um, indents.ok & np.isfinite(indents.modulus_gpa)
    centre = [(np.nanmin(v) + np.nanmax(v)) / 2 for v in (x, y)]
    apart = spacing_um or 1.0
    half = max(np.ptp(x[np.isfinite(x)]), np.ptp(y[np.isfinite(y)])) / 2 + apart
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] + half, centre[1] - half)
    size_pt = float(np.clip(0.9 * apart / (2 * half) * MAP_IN * 72, SMALLEST_MARK_PT, LARGEST_MARK_PT))
    low, high = style.robust_range(indents.modulus_gpa[ok])
    norm = LogNorm(low, high) if low > 0 and high > 4 * low else Normalize(low, high)
    drawn = axes.scatter(
        x[ok],
        y[ok],
        c=indents.modulus_gpa[ok],
        s=size_pt**2,
        marker="s",
        linewidths=0,
        cmap=style.VALUE_COLOURS,
        norm=norm,
        rasterized=True,
    )
    axes.scatter(x[~ok], y[~ok], s=size_pt**2 / 2, marker="x", linewidths=0.6, color=style.ALARM, rasterized=True)
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.locator_params(nbins=5)
    axes.set_xlabel("x of the indenter (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    axes.set_ylabel("y of the indenter (\N{MICRO SIGN}m)", fontsize=style.SMALL_PT, color=style.SOFT_INK)
    bar = style.add_axes_in(figure, left + MAP_IN + 0.12, top, 0.12, MAP_IN)
    figure.colorbar(drawn, cax=bar, extend="both", extendfrac=0.02)
    bar.tick_params(labelsize=style.SMALL_PT, length=2.5, width=0.6)
    if isinstance(norm, LogNorm):
        steps = [step * 10.0**power for power in range(-3, 4) for step in (1, 1.5, 2, 3, 5, 7)]
        bar.set_yticks([step for step in steps if low <= step <= high])
        bar.minorticks_off()
        bar.yaxis.set_major_formatter("{x:g}")
    bar.set_ylabel(f"{indents.modulus_name} (GPa)", fontsize=style.SMALL_PT, color=style.INK)


def _draw_histogram(axes: Axes, name: str, values: NDArray[Any]) -> None:
    finite = values[np.isfinite(values)]
    axes.set_xlabel(f"{name} (GPa)", fontsize=style.TEXT_PT, color=style.INK)
    axes.set_ylabel("Tests", fontsize=style.TEXT_PT, color=style.INK)
    axes.spines[["top", "right"]].set_visible(False)
    if finite.size == 0:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", fontsize=style.TEXT_PT)
        return
    low, high = style.robust_range(finite)
    axes.hist(np.clip(finite, low, high), bins=min(BINS, max(5, finite.size // 4)), color=style.BAR_FILL)
    middle = float(np.median(finite))
    axes.axvline(middle, color=style.INK, lw=0.9, ls="--")
    beyond = int(np.count_nonzero((finite < low) | (finite > high)))
    outside = f"; {beyond} lie beyond the ends" if beyond else ""
    axes.set_title(
        f"median {middle:.3g} GPa, {finite.size:,} tests{outside}",
        loc="left",
        fontsize=style.SMALL_PT,
        color=style.SOFT_INK,
    )
