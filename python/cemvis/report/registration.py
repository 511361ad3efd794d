"""A registration to look at: displacements and seams over the after-image, tiles' quality, and a checkerboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_IN, GAP_IN, MARGIN_IN, BAR_IN = 3.6, 0.3, 0.22, 0.75
HEAD_IN, PANEL_TITLE_IN = 0.34, 0.26
MOST_ARROWS = 1200
SQUARES = 8  # along the checkerboard's edge


@dataclass(frozen=True, eq=False)
class RegisteredPair:
    """What is drawn; positions in px of the after-image.

    Attributes
    ----------
    overview : (rows, cols) float32
        The after-image, `overview_factor` px in one.
    tiles_xy_px, residual_xy_px : (n, 2) float64
        Tiles, and what the affine part leaves of their displacement (NaN where not found).
    peak : (n,) float64
        Height of the correlation's peak.
    used : (n,) bool
    seams_x_px, seams_y_px : float64
    before_crop, after_crop : (rows, cols) float32
        The same window of both images; NaN where there is no after-image.
    crop_px : (row, col)
        Where the window lies on the before-image.
    """

    overview: NDArray[np.float32]
    overview_factor: int
    tiles_xy_px: NDArray[Any]
    residual_xy_px: NDArray[Any]
    peak: NDArray[Any]
    used: NDArray[np.bool_]
    seams_x_px: NDArray[Any]
    seams_y_px: NDArray[Any]
    before_crop: NDArray[np.float32]
    after_crop: NDArray[np.float32]
    crop_px: tuple[int, int]


def registration_figure(pair: RegisteredPair, *, title: str, caption: str) -> Figure:
    """Return the figure: displacement arrows and seams, quality of the tiles, and both images as a checkerboard."""
    rows, cols = pair.overview.shape
    high = min(1.4, max(0.4, rows / cols)) * PANEL_IN
    wide = 3 * PANEL_IN + 2 * (GAP_IN + BAR_IN)
    small = style.wrap(caption, wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + HEAD_IN + PANEL_TITLE_IN
    height = top + max(high, PANEL_IN) + 0.15 + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    lefts = [MARGIN_IN + k * (PANEL_IN + GAP_IN + BAR_IN) for k in range(3)]
    names = (
        "Displacement beyond the affine part (px)",
        "Height of the tiles' correlation",
        "Before and after, in turn",
    )
    for left, name in zip(lefts, names, strict=True):
        style.add_text_in(figure, left, top - PANEL_TITLE_IN, name, fontsize=style.PANEL_TITLE_PT)
    _draw_arrows(figure, pair, lefts[0], top, high)
    _draw_quality(figure, pair, lefts[1], top, high)
    axes = style.add_axes_in(figure, lefts[2], top, PANEL_IN, PANEL_IN)
    axes.imshow(checkerboard(pair.before_crop, pair.after_crop), cmap="gray", vmin=-2.5, vmax=2.5)
    _bare(axes)
    row, col = pair.crop_px
    axes.set_xlabel(
        f"{pair.before_crop.shape[1]} x {pair.before_crop.shape[0]} px at x {col}, y {row} of the before-image",
        fontsize=style.SMALL_PT,
        color=style.SOFT_INK,
    )
    bottom = top + max(high, PANEL_IN) + 0.25
    style.add_text_in(figure, MARGIN_IN, bottom, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def checkerboard(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return two images (rows, cols) in turn, square by square, each freed of its mean and scaled by its sd."""
    rows, cols = (np.arange(side) * SQUARES // max(before.shape) for side in before.shape)
    odd = (rows[:, None] + cols[None]) % 2 == 1
    return np.where(odd, _standardised(after), _standardised(before))


def _standardised(image: NDArray[np.float32]) -> NDArray[np.float32]:
    known = image[np.isfinite(image)]
    if known.size == 0:
        return image
    return np.asarray((image - known.mean()) / max(float(known.std()), 1e-6), np.float32)


def _draw_overview(figure: Figure, pair: RegisteredPair, left: float, top: float, high: float) -> Axes:
    axes = style.add_axes_in(figure, left, top, PANEL_IN, high)
    rows, cols = pair.overview.shape
    factor = pair.overview_factor
    low, most = style.robust_range(pair.overview)
    extent = (-0.5, cols * factor - 0.5, rows * factor - 0.5, -0.5)
    # Pale, so that marks stand out on it.
    axes.imshow(pair.overview, cmap="gray", extent=extent, vmin=low - 1.5 * (most - low), vmax=most, aspect="auto")
    for x in pair.seams_x_px:
        axes.axvline(x, color=style.ALARM, lw=0.6)
    for y in pair.seams_y_px:
        axes.axhline(y, color=style.ALARM, lw=0.6)
    _bare(axes)
    return axes


def _draw_arrows(figure: Figure, pair: RegisteredPair, left: float, top: float, high: float) -> None:
    axes = _draw_overview(figure, pair, left, top, high)
    found = np.flatnonzero(pair.used & np.isfinite(pair.residual_xy_px).all(axis=1))
    if len(found) == 0:
        return
    found = found[:: max(1, -(-len(found) // MOST_ARROWS))]
    xy, away = pair.tiles_xy_px[found], pair.residual_xy_px[found]
    size = np.hypot(away[:, 0], away[:, 1])
    apart = pair.overview_factor * float(np.sqrt(pair.overview.size / len(found)))
    longest = max(float(np.percentile(size, 98)), 1e-6)
    drawn = axes.quiver(
        xy[:, 0],
        xy[:, 1],
        away[:, 0],
        away[:, 1],
        size,
        angles="xy",
        scale_units="xy",
        scale=longest / (1.4 * apart),
        cmap=style.VALUE_COLOURS,
        width=0.0035,
    )
    drawn.set_clim(0, longest)
    _add_bar(figure, drawn, left, top, high)


def _draw_quality(figure: Figure, pair: RegisteredPair, left: float, top: float, high: float) -> None:
    axes = _draw_overview(figure, pair, left, top, high)
    rows, cols = pair.overview.shape
    apart = float(np.sqrt(rows * cols / max(1, len(pair.peak))))
    size = (np.clip(0.8 * apart / cols * PANEL_IN * 72, 0.6, 9)) ** 2
    used, lost = pair.tiles_xy_px[pair.used], pair.tiles_xy_px[~pair.used]
    drawn = axes.scatter(
        used[:, 0], used[:, 1], c=pair.peak[pair.used], s=size, marker="s", linewidths=0, cmap=style.VALUE_COLOURS
    )
    drawn.set_clim(0, 1)
    axes.scatter(lost[:, 0], lost[:, 1], s=size, marker="x", linewidths=0.7, color=style.ALARM)
    _add_bar(figure, drawn, left, top, high)


def _add_bar(figure: Figure, drawn: Any, left: float, top: float, high: float) -> None:
    bar = style.add_axes_in(figure, left + PANEL_IN + 0.1, top, 0.12, high)
    figure.colorbar(drawn, cax=bar)
    bar.tick_params(labelsize=style.SMALL_PT, length=2.5, width=0.6)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
