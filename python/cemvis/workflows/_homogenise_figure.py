"""The picture of what homogenising found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis.report import style
from cemvis.report.homogenisation import Inside, Moduli, moduli_figure
from cemvis.report.maps import Raster

if TYPE_CHECKING:
    from cemvis.workflows.homogenise import HomogeniseResult

_BOUNDS = ("Reuss", "Voigt", "Hashin-Shtrikman lower", "Hashin-Shtrikman upper")
_MOST_PX = 600  # of a picture's longer side


def write_figures(result: HomogeniseResult, level: float, paths: Sequence[Path]) -> None:
    """Write the figure of a result to `paths`, a PNG and a PDF."""
    groups = []
    if result.estimates:
        rows = [
            Moduli(each.method, each.modulus_gpa, each.interval_gpa, each.outer_gpa, each.method in _BOUNDS)
            for each in result.estimates
        ]
        groups.append(("From phases, in three dimensions", rows))
    if result.field is not None:
        rows = []
        for name, solid in result.field.all_methods.items():
            interval = result.field.intervals.get(name)
            inner, outer = (None, None) if interval is None else (interval.independent_gpa, interval.correlated_gpa)
            rows.append(Moduli(name, float(solid.modulus_gpa), inner, outer, name in _BOUNDS))
        groups.append(("From the map, in plane strain", rows))
    figure = moduli_figure(
        groups,
        _inside(result),
        title="Effective modulus of the paste",
        caption=_caption(result, level),
        warnings=_warnings(result),
    )
    for path in paths:
        (style.save_pdf if path.suffix == ".pdf" else style.save_png)(figure, path)


def _warnings(result: HomogeniseResult) -> list[str]:
    warnings = []
    if result.porosity is None:
        warnings.append("without capillary pores, which indentation leaves out: the paste is softer")
    if result.field is not None and not result.field.stiffness.converged:
        warnings.append("the solution of the map has not converged")
    if any("do not support these populations" in note for note in result.notes):
        warnings.append("the data do not support the populations that this is made from")
    return warnings


def _caption(result: HomogeniseResult, level: float) -> str:
    parts = ["Diamonds are bounds, dots estimates."]
    rows = [each.interval_gpa for each in result.estimates if each.interval_gpa]
    if rows or (result.field is not None and result.field.intervals):
        parts.append(
            f"Thick bars and numbers in brackets: {100 * level:g} % interval with independent errors, or by "
            "resampling where populations have resamplings (no thick bar: the numbers are those of the thin one). "
            "Thin bars: all errors making the paste softer, or stiffer."
        )
    if result.porosity is not None:
        parts.append(f"Capillary pores: {100 * result.porosity.value:.3g} % of the volume.")
    if result.field is not None:
        parts.append(
            "The map is solved as a periodic structure in plane strain; strain and stress are those along x under a "
            "mean strain along x, as multiples of their means, and their colours span the 1st to the 99th percentile."
        )
    return " ".join([*parts, f"cemvis {__version__}"])


def _inside(result: HomogeniseResult) -> list[Inside]:
    if result.map is None or result.field is None or result.field.stiffness.local is None:
        return []
    local = result.field.stiffness.local
    mean = float(local.stress_gpa.mean())
    stress = local.stress_gpa / mean if mean > 0 else local.stress_gpa
    step, in_um = result.map.step_um or 1.0, result.map.step_um is not None
    return [
        Inside(_raster(values, step), title, label, colours, logarithmic=title == "Modulus", in_um=in_um)
        for values, title, label, colours in (
            (result.map.modulus_gpa, "Modulus", "E (GPa)", style.VALUE_COLOURS),
            (local.strain, "Strain", "strain over its mean", style.HALF_WIDTH_COLOURS),
            (stress, "Stress", "stress over its mean", style.HALF_WIDTH_COLOURS),
        )
    ]


def _raster(values: NDArray[np.float64], step_um: float) -> Raster:
    """Return values averaged over squares so that they fit into a picture."""
    rows, cols = values.shape
    side = -(-max(rows, cols) // _MOST_PX)
    if side > 1:
        values = values[: max(rows // side, 1) * side, : max(cols // side, 1) * side]
        row_starts, col_starts = (np.arange(0, size, side) for size in values.shape)
        sums = np.add.reduceat(np.add.reduceat(values, row_starts, axis=0), col_starts, axis=1)
        tall = np.diff([*row_starts, values.shape[0]])[:, None]
        wide = np.diff([*col_starts, values.shape[1]])[None, :]
        values = sums / (tall * wide)
    rows, cols = values.shape
    return Raster(values, (0.0, cols * side * step_um, 0.0, rows * side * step_um))
