"""The figures of a two-point correlation, from its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cemvis.analysis.correlation.bands import Band
from cemvis.analysis.correlation.two_point import pair_probabilities
from cemvis.report import two_point as drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cemvis.workflows._two_point_result import TwoPointResult


def figures(found: TwoPointResult) -> dict[str, Figure]:
    """Return the figures by the stem of their files."""
    axis = drawing.Axis(found.r_max, None if found.pixel_size is None else found.pixel_size.um)
    title, caption = _title(found), _caption(found)
    step = found.config.quantisation.step
    marks = _marks(found)
    result = {
        "two_point_map": drawing.map_figure(
            found.probabilities, axis, difference_step=step, marks=marks, title=title, caption=caption
        ),
        "two_point_curves": drawing.curves_figure(_curves(found), axis, marks=marks, title=title, caption=caption),
    }
    if found.total.phases is not None:
        panels = _phase_panels(found)
        result["two_point_phases"] = drawing.curves_figure(panels, axis, marks=(), title=title, caption=caption)
    directional = found.total.directional
    if directional is not None:
        with np.errstate(invalid="ignore"):
            same = directional.counts[:, :, 0] / directional.pairs.astype(np.float64)
        if not directional.ordered:  # the other half plane holds the opposite displacements
            zero = directional.dx_px.tolist().index(0)
            same[0, :zero] = same[0, :zero:-1]
            same = np.concatenate([same[:0:-1, ::-1], same])
        result["two_point_directions"] = drawing.directions_figure(same, axis, title=title, caption=caption)
    return result


def _title(found: TwoPointResult) -> str:
    if found.cross is not None:
        return f"Two-point correlation between {found.images[0].path.name} and {found.cross.path.name}"
    if len(found.images) == 1:
        return f"Two-point correlation of {found.images[0].path.name}"
    return f"Two-point correlation of {len(found.images)} images"


def _caption(found: TwoPointResult) -> str:
    pairs = int(found.total.differences.pairs.sum())
    text = f"{int(found.total.differences.pairs[0]):,} valid pixels, {pairs:,} pairs up to r = {found.r_max} px."
    if found.bands is not None:
        text += f" Bands: {100 * found.bands.level:g} %, drawn from {found.bands.groups} "
        grouped = "" if found.bands.groups == found.units else "groups of "
        text += "tiles of the image." if found.unit == "tiles" else f"{grouped}images."
    return " ".join([text, *(f"{note[0].upper()}{note[1:]}." for note in found.notes)])


def _marks(found: TwoPointResult) -> tuple[drawing.Mark, ...]:
    bands = found.bands
    marks = []
    for name, value, band in (
        ("correlation length", found.correlation_px, None if bands is None else bands.correlation_px),
        ("characteristic length", found.characteristic_px, None if bands is None else bands.characteristic_px),
    ):
        distinct = name == "correlation length" or bands is None or bands.minimum_is_distinct
        if value is None or not distinct or not found.change.any():
            continue
        ends = None if band is None else (float(band.low), min(float(band.high), float(found.r_max)))
        marks.append(drawing.Mark(name, value, ends))
    return tuple(marks)


def _curves(found: TwoPointResult) -> tuple[drawing.Panel, ...]:
    bands, step = found.bands, found.config.quantisation.step
    same = None if bands is None else (bands.same.low, bands.same.high)
    mean = None if bands is None else (step * bands.mean_difference.low, step * bands.mean_difference.high)
    limit = np.maximum(found.config.tolerance, found.noise)
    return (
        drawing.Panel("P(\N{GREEK CAPITAL LETTER DELTA}n = 0 | r)", (drawing.Curve("", found.same, same),), first=1),
        drawing.Panel("Mean difference", (drawing.Curve("", found.mean_difference, mean),), first=1),
        drawing.Panel(
            "Change against the plateau",
            (drawing.Curve("change", found.change, None), drawing.Curve("tolerance or noise", limit, None, thin=True)),
            logarithmic=True,
        ),
    )


def _phase_panels(found: TwoPointResult) -> tuple[drawing.Panel, ...]:
    counts, names = found.total.phases, found.phase_names
    if counts is None:
        return ()
    s2 = pair_probabilities(counts)
    band: Band | None = None if found.bands is None else found.bands.phases
    curves = []
    for i, name in enumerate(names):
        ends = None if band is None else (band.low[:, i], band.high[:, i])
        limit = None if counts.ordered else float(s2[0, i, i]) ** 2
        curves.append(drawing.Curve(name, s2[:, i, i], ends, limit=limit))
    panels = [drawing.Panel("S2(r)", tuple(curves), legend_note="dotted: squared share, the limit far away")]
    if found.total.lineal is not None:
        lineal = found.total.lineal.probabilities()
        curves = [drawing.Curve(name, lineal[i], None) for i, name in enumerate(names)]
        panels.append(drawing.Panel("Lineal path L(r)", tuple(curves), logarithmic=True))
    if found.clusters:
        curves = [
            drawing.Curve(name, each.counts[:, 0] / np.maximum(each.pairs, 1), None)
            for name, each in found.clusters.items()
        ]
        panels.append(drawing.Panel("Cluster function C2(r)", tuple(curves)))
    return tuple(panels)
