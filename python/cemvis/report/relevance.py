"""Figures of relevance maps: an image with its relevance, boundaries and regions; methods; faithfulness; the middle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.report import style
from cemvis.report.deconvolution import COLOURS, LINES
from cemvis.report.scale_bar import add_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cemvis.analysis.relevance.centre import CentreBias
    from cemvis.analysis.relevance.faithfulness import Curves, Verdict

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

PANEL_IN, GAP_IN, LABEL_IN, BAR_IN = 2.15, 0.16, 0.24, 0.11
CURVE_IN, LEFT_IN, BELOW_IN = 2.6, 0.62, 0.5
BOLD_LETTER = 0.6
"""Usual width of a letter over the size of the text."""
AROUND = (0.62, 0.75, 0.78)
"""Around regions that are taken out of an image: a colour that no grey is."""
BRIGHTEST = 0.995
"""Quantile of the relevance above zero that takes the full colour; what is above it, too."""


@dataclass(frozen=True, eq=False)
class Panels:
    """What is drawn of one image, all (rows, cols).

    Attributes
    ----------
    levels : uint8
    relevance, random : float64
        With the network's weights, and with random ones.
    high, boundary, regions : bool
        Above ISODATA's level, boundary features, and characteristic regions.
    """

    levels: Levels
    relevance: Floats
    high: Mask
    boundary: Mask
    regions: Mask
    random: Floats


def image_figure(panels: Panels, *, pixel_size_um: float, porosity: bool, title: str, caption: str) -> Figure:
    """Return six panels: the image, relevance of both sides, boundaries, regions located and extracted, random weights.

    Relevance is red above ISODATA's level and blue below it; relevance against the score is not drawn.

    Parameters
    ----------
    panels : Panels
    pixel_size_um : float
    porosity : bool
        Whether levels are nano-porosity, else grey.
    title, caption : str
    """
    bars = 2 * (BAR_IN + 0.06)
    wide = 3 * PANEL_IN + 2 * GAP_IN + bars + 0.3
    figure, top = style.captioned_page(wide, 2 * (PANEL_IN + LABEL_IN) + GAP_IN + 0.1, title, caption)
    first = "Nano-porosity map" if porosity else "Image"
    pictures: list[tuple[str, Any]] = [
        (first, _grey(panels.levels)),
        ("Relevance", two_sided(np.maximum(panels.relevance, 0.0), panels.high)),
        ("Boundary features", _overlaid(panels.levels, panels.boundary, panels.high)),
        ("Characteristic regions", _overlaid(panels.levels, panels.regions, panels.high)),
        ("Regions extracted", np.where(panels.regions[..., None], _grey(panels.levels), AROUND)),
        ("Relevance with random weights", two_sided(np.maximum(panels.random, 0.0), panels.high)),
    ]
    for number, (label, picture) in enumerate(pictures):
        row, col = divmod(number, 3)
        left = style.MARGIN_IN + col * (PANEL_IN + GAP_IN)
        _picture(figure, left, top + row * (PANEL_IN + LABEL_IN + GAP_IN), label, picture, pixel_size_um, number == 0)
    left = style.MARGIN_IN + 3 * PANEL_IN + 2 * GAP_IN + 0.08
    limit = full_colour(np.maximum(panels.relevance, 0.0))
    for number, name in enumerate(("Reds", "Blues")):
        side = style.add_axes_in(figure, left + number * (BAR_IN + 0.04), top + LABEL_IN, BAR_IN, PANEL_IN)
        side.imshow(np.linspace(1, 0, 128)[:, None], cmap=name, aspect="auto", extent=(0, 1, 0, limit))
        side.set_xticks([])
        side.yaxis.tick_right()
        side.ticklabel_format(style="sci", scilimits=(-2, 3), useMathText=False)
        side.yaxis.get_offset_text().set_fontsize(style.SMALL_PT)
        if number == 0:
            side.set_yticks([])
    return figure


def methods_figure(
    levels: Levels, maps: Mapping[str, Floats], *, pixel_size_um: float, title: str, caption: str
) -> Figure:
    """Return the image and its relevance by each method, red for the score and blue against it."""
    columns = 4
    rows = -(-(len(maps) + 1) // columns)
    high = rows * (PANEL_IN + LABEL_IN + GAP_IN) - GAP_IN
    figure, top = style.captioned_page(columns * (PANEL_IN + GAP_IN) - GAP_IN, high + 0.1, title, caption)
    pictures = [("Image", _grey(levels)), *((name, two_sided(each, each > 0)) for name, each in maps.items())]
    for number, (label, picture) in enumerate(pictures):
        row, col = divmod(number, columns)
        left = style.MARGIN_IN + col * (PANEL_IN + GAP_IN)
        _picture(figure, left, top + row * (PANEL_IN + LABEL_IN + GAP_IN), label, picture, pixel_size_um, number == 0)
    return figure


def faithfulness_figure(
    curves: Mapping[str, Curves], verdicts: Sequence[Verdict], *, unit: str, title: str, caption: str
) -> Figure:
    """Return mean scores while pixels are deleted and inserted, and the faithfulness of each method with intervals."""
    wide = 2 * (LEFT_IN + CURVE_IN) + 0.2
    bars_in = 0.26 * len(verdicts) + 0.1
    figure, top = style.captioned_page(wide, CURVE_IN + BELOW_IN + LABEL_IN + bars_in + BELOW_IN + 0.1, title, caption)
    order = [each.method for each in verdicts]
    curve_axes: list[Axes] = []
    for number, (label, part) in enumerate((("Deletion", "deletion"), ("Insertion", "insertion"))):
        left = style.MARGIN_IN + number * (LEFT_IN + CURVE_IN + 0.2) + LEFT_IN
        axes = style.add_axes_in(figure, left, top + LABEL_IN, CURVE_IN, CURVE_IN)
        for place, name in enumerate(order):
            mean = getattr(curves[name], part).mean(axis=0)
            colour, line = COLOURS[place % len(COLOURS)], LINES[place % len(LINES)]
            axes.plot(curves[name].fractions, mean, lw=1.3, label=name, color=colour, ls=line)
        curve_axes.append(axes)
        _label(axes, f"{label}: fraction of pixels", f"Mean score ({unit})")
        axes.set_xlim(0, 1)
    curve_axes[1].sharey(curve_axes[0])
    curve_axes[0].autoscale(axis="y")
    left, above = style.MARGIN_IN + 1.9, top + LABEL_IN + CURVE_IN + BELOW_IN + 0.1
    axes = style.add_axes_in(figure, left, above, wide - 1.9, bars_in)
    for place, each in enumerate(verdicts):
        colour = COLOURS[place % len(COLOURS)]
        axes.plot([each.low, each.high], [place, place], color=colour, lw=2, ls=LINES[place % len(LINES)])
        axes.plot([each.faithfulness], [place], "o", color=colour, ms=4)
    axes.axvline(0, color=style.SOFT_INK, lw=0.6)
    axes.set_yticks(range(len(order)), order)
    axes.set_ylim(len(order) - 0.5, -0.5)
    _label(axes, "Faithfulness", "")
    return figure


def centre_figure(
    profiles: Mapping[str, CentreBias], means: Mapping[str, Floats], *, floor: str, title: str, caption: str
) -> Figure:
    """Return mean relevance by distance from the middle, and the mean maps; `floor` is drawn thin."""
    columns = max(3, len(means))
    wide = columns * (PANEL_IN + GAP_IN) - GAP_IN
    figure, top = style.captioned_page(wide, CURVE_IN + BELOW_IN + LABEL_IN + PANEL_IN + LABEL_IN + 0.1, title, caption)
    axes = style.add_axes_in(figure, style.MARGIN_IN + LEFT_IN, top, wide - LEFT_IN, CURVE_IN)
    for number, (name, each) in enumerate(profiles.items()):
        thin = name == floor
        colour = style.SOFT_INK if thin else COLOURS[number % len(COLOURS)]
        edges = np.concatenate([[0.0], each.distance])
        axes.stairs(each.density, edges, color=colour, lw=0.9 if thin else 1.4, ls="--" if thin else "-", label=name)
    axes.axhline(1, color=style.SOFT_INK, lw=0.5)
    axes.set_ylim(0, None)
    axes.set_xlim(0, 1)
    _label(axes, "Distance from the middle: 1 is the edge", "Relevance per pixel over its mean")
    legend = axes.legend(fontsize=style.SMALL_PT, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    below = top + CURVE_IN + BELOW_IN + LABEL_IN
    for number, (name, mean) in enumerate(means.items()):
        left = style.MARGIN_IN + number * (PANEL_IN + GAP_IN)
        _picture(figure, left, below, f"Mean, {name}", two_sided(mean, mean > 0), None, bar=False)
    return figure


def two_sided(relevance: Floats, high: Mask) -> Floats:
    """Return relevance as red where `high` and blue elsewhere, deeper for more, (rows, cols, 3) from 0 to 1."""
    from matplotlib import colormaps

    share = np.clip(np.abs(relevance) / full_colour(relevance), 0.0, 1.0)
    red, blue = (np.asarray(colormaps[name](share))[..., :3] for name in ("Reds", "Blues"))
    coloured: Floats = np.where(high[..., None], red, blue)
    return coloured


def full_colour(relevance: Floats) -> float:
    """Return the magnitude of relevance that takes the full colour; 1 for a map without any."""
    there = np.abs(relevance[relevance != 0])
    return float(np.quantile(there, BRIGHTEST)) if there.size else 1.0


def file_stem(name: str) -> str:
    """Return a name in letters that every system knows."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.") or "all"


def file_stems(names: Sequence[str]) -> list[str]:
    """Return `file_stem` of each name, with a number where two would be one file."""
    stems: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem, number = file_stem(name), 2
        while stem.casefold() in taken:
            stem, number = f"{file_stem(name)}-{number}", number + 1
        taken.add(stem.casefold())
        stems.append(stem)
    return stems


def _grey(levels: Levels) -> Floats:
    grey: Floats = np.repeat((levels / 255.0)[..., None], 3, axis=2)
    return grey


def _overlaid(levels: Levels, mask: Mask, high: Mask) -> Floats:
    """Return the image paled, with the pixels of `mask` in red where `high` and in blue elsewhere."""
    pale = 0.55 + 0.45 * _grey(levels)
    colour = np.where(high[..., None], (0.79, 0.09, 0.11), (0.03, 0.32, 0.61))
    overlaid: Floats = np.where(mask[..., None], colour, pale)
    return overlaid


def _picture(
    figure: Figure, left: float, top: float, label: str, picture: Any, pixel_size_um: float | None, bar: bool
) -> None:
    fitting = PANEL_IN * 72 / (BOLD_LETTER * max(len(label), 1))
    style.add_text_in(figure, left, top, label, fontsize=min(style.SMALL_PT + 0.5, fitting), weight="bold")
    axes = style.add_axes_in(figure, left, top + LABEL_IN, PANEL_IN, PANEL_IN)
    rows, cols = picture.shape[:2]
    scale = pixel_size_um or 1.0
    axes.imshow(picture, extent=(0, cols * scale, rows * scale, 0), interpolation="antialiased", aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])
    if bar and pixel_size_um is not None:
        add_scale_bar(axes)


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    axes.set_ylabel(up, fontsize=style.TEXT_PT, color=style.INK, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
