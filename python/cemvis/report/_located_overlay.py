"""Grids, residuals and flags of located indents, drawn over an image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.located import LocatedIndents
from cemvis.report._located_choice import fine_mask, residual_size_px
from cemvis.report._located_marks import SKY, YELLOW, mark_style, marks_of, on_grey

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Decisions = Mapping[tuple[str, str], str]

_ARROW_SHARE = 0.75  # of the pitch, for the residual that only 5 in 100 exceed
_ROUND = (1, 2, 5)
FINEST_IN = 0.06  # between places: below it, lines and arrows would hide the image


def magnification(located: LocatedIndents) -> int:
    """Return by how much residuals are enlarged: 1, 2, 5, 10 ..., so that nearly all arrows stay within a pitch."""
    sizes = residual_size_px(located)[fine_mask(located)]
    sizes = sizes[np.isfinite(sizes)]
    if sizes.size == 0:
        return 1
    wanted = _ARROW_SHARE * pitch_px(located) / max(float(np.percentile(sizes, 95)), 1e-6)
    power = 10 ** max(0, math.floor(math.log10(max(wanted, 1.0))))
    return max([step * power for step in _ROUND if step * power <= wanted], default=1)


def pitch_px(located: LocatedIndents) -> float:
    """Return the smallest distance between neighbouring indents of any batch in px; 64 without batches."""
    return min((min(batch.pitch_px) for batch in located.batches), default=64.0)


def draw_located(axes: Axes, located: LocatedIndents, gain: int, in_per_um: float, decisions: Decisions) -> None:
    """Draw grids, arrows and marks into axes in um of which `in_per_um` inches are one."""
    from matplotlib.collections import LineCollection

    um = located.pixel_size_um
    pitch_in = pitch_px(located) * um * in_per_um
    xy = located.before_xy_px * um
    if pitch_in < FINEST_IN:
        outlines = [_outline(batch.erred_places_px() * um) for batch in located.batches]
        axes.add_collection(LineCollection(outlines, colors=SKY, linewidths=1.0), autolim=False)
    else:
        _draw_grids(axes, located, pitch_in)
        _draw_arrows(axes, xy, _arrows_px(located, gain) * um, pitch_in)
    size_pt = float(np.clip(0.45 * pitch_in * 72, 3.0, 11.0))
    for _name, mask, (marker, colour) in marks_of(located, decisions):
        if mask.any():
            (marks,) = axes.plot(*xy[mask].T, zorder=4, **mark_style(marker, colour, size_pt))
            on_grey(marks)


def _outline(places: Floats) -> Floats:
    """Return the places along the edge of a grid, (rows, columns, 2), once around."""
    return np.concatenate([places[0], places[1:, -1], places[-1, -2::-1], places[-2::-1, 0]])


def _draw_grids(axes: Axes, located: LocatedIndents, pitch_in: float) -> None:
    from matplotlib.collections import LineCollection

    lines: list[Floats] = []
    for batch in located.batches:
        places = batch.erred_places_px() * located.pixel_size_um
        lines += [*places, *places.swapaxes(0, 1)]
    lines = [line for line in lines if len(line) > 1 and np.isfinite(line).all()]
    thin = float(np.clip(4 * pitch_in, 0.25, 0.8))
    axes.add_collection(LineCollection(lines, colors=SKY, linewidths=thin, alpha=0.85), autolim=False)


def _draw_arrows(axes: Axes, xy: Floats, away: Floats, pitch_in: float) -> None:
    drawn = np.isfinite(xy).all(axis=1) & np.isfinite(away).all(axis=1)
    axes.quiver(
        *xy[drawn].T,
        *away[drawn].T,
        angles="xy",
        scale_units="xy",
        scale=1,
        color=YELLOW,
        units="inches",
        width=float(np.clip(0.035 * pitch_in, 0.009, 0.02)),
        headwidth=4,
        headlength=4.5,
        headaxislength=4,
        zorder=3,
    )


def _arrows_px(located: LocatedIndents, gain: int) -> Floats:
    arrows = located.residual_px * gain
    longest = np.hypot(arrows[:, :1], arrows[:, 1:])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(arrows * np.minimum(1.0, pitch_px(located) / np.maximum(longest, 1e-12)), np.float64)
