"""A scale bar of a round length that can be read on any background."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cemvis._checks import positive
from cemvis.report.style import SMALL_PT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_IN = 1.5
ROUND = (1.0, 2.0, 5.0)
UNITS = ((1e4, "cm"), (1e3, "mm"), (1.0, "\N{MICRO SIGN}m"), (1e-3, "nm"))


def bar_length_um(width_um: float, *, share: float = 0.3) -> float:
    """Return the longest of 1, 2, 5, 10, 20, 50 ... um that takes at most `share` of `width_um`."""
    longest = positive(width_um, name="width_um") * share
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step for step in ROUND if step * power <= longest * (1 + 1e-9)) * power


def length_label(length_um: float) -> str:
    """Return a length with the unit in which it is a number from 1 to below 1000, for example ``500 nm``."""
    factor, unit = next(((f, u) for f, u in UNITS if length_um >= f * (1 - 1e-9)), UNITS[-1])
    return f"{length_um / factor:.6g} {unit}"


def add_scale_bar(axes: Axes) -> None:
    """Draw a scale bar at the lower left of `axes`, whose x axis is in um: white on a dark box, so always legible."""
    from matplotlib.patches import Rectangle

    frame_in = axes.get_window_extent().transformed(axes.figure.dpi_scale_trans.inverted())
    width_in, height_in = frame_in.width, frame_in.height
    left, right = axes.get_xlim()
    length_um = bar_length_um(abs(right - left), share=min(0.3, LONGEST_IN / width_in))
    label = length_label(length_um)

    bar_in = length_um / abs(right - left) * width_in
    text_in = len(label) * 0.62 * SMALL_PT / 72
    pad, thick, text_high = 0.06, 0.045, 1.1 * SMALL_PT / 72
    box_wide, box_high = max(bar_in, text_in) + 2 * pad, text_high + thick + 2.4 * pad
    corner = 0.08
    middle = (corner + box_wide / 2) / width_in

    def rectangle(x_in: float, y_in: float, wide_in: float, high_in: float, colour: str, alpha: float) -> None:
        corner_at = (x_in / width_in, y_in / height_in)
        size = wide_in / width_in, high_in / height_in
        axes.add_patch(Rectangle(corner_at, *size, transform=axes.transAxes, color=colour, alpha=alpha, lw=0, zorder=5))

    rectangle(corner, corner, box_wide, box_high, "black", 0.72)
    rectangle(middle * width_in - bar_in / 2, corner + pad, bar_in, thick, "white", 1.0)
    baseline = (corner + 1.5 * pad + thick) / height_in
    style: dict[str, Any] = {"color": "white", "fontsize": SMALL_PT, "ha": "center", "va": "bottom", "zorder": 6}
    axes.text(middle, baseline, label, transform=axes.transAxes, **style)
