"""The figures of a map, drawn from thinned-out grids so that a large map takes no more memory than a small one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.workflows._map_plan import CellGrid, Plan
from cemvis.workflows._map_predict import PropertyGrids, chunks
from cemvis.workflows._map_store import GridFile

if TYPE_CHECKING:
    from cemvis.models.model import PropertyModel
    from cemvis.report.maps import Raster

LARGEST_SIDE = 1024


def write_property_figure(
    path: Path,
    model: PropertyModel,
    *,
    grid: CellGrid,
    plan: Plan,
    overview: GridFile,
    grids: PropertyGrids,
    title: str,
    caption: str,
    warnings: Sequence[str],
) -> None:
    """Draw the BSE image, the map of a property and, where it is promised, the half width of its interval."""
    from cemvis.report import style
    from cemvis.report.maps import Panel, property_map

    name = model.name.capitalize()
    panels = [
        Panel(_overview_raster(overview, grid, plan), "BSE image", "Mean grey level", "gray"),
        # Clinker is several times as stiff as the matrix: on a linear scale it would take up all colours.
        Panel(
            _cell_raster(grids, "value", grid), name, f"{name} ({model.unit})", style.VALUE_COLOURS, logarithmic=True
        ),
    ]
    if model.interval.stretch is not None:
        half = _cell_raster(grids, "half_width", grid)
        heading = f"Half width of the {100 * model.interval.level:g} % interval"
        panels.append(Panel(half, heading, f"Half width ({model.unit})", style.HALF_WIDTH_COLOURS))
    colours = (
        "Colours span the 1st to the 99th percentile, those of the map by equal ratios. "
        "Light grey is not mapped or has no interval."
    )
    if model.interval.stretch is None:
        colours += f" {model.interval.note[:1].upper()}{model.interval.note[1:]}."
    style.save_png(property_map(panels, title=title, caption=f"{caption} {colours}", warnings=warnings), path)


def write_histogram_figure(
    path: Path,
    models: Sequence[PropertyModel],
    samples: Mapping[str, NDArray[np.float32]],
    *,
    title: str,
    caption: str,
    warnings: Sequence[str],
) -> None:
    """Draw the histogram of each property over the mapped cells."""
    from cemvis.report import style
    from cemvis.report.histograms import Distribution, histograms

    shown = [Distribution(each.name.capitalize(), each.unit, samples[each.name]) for each in models]
    style.save_png(histograms(shown, title=title, caption=caption, warnings=warnings), path)


def _overview_raster(overview: GridFile, grid: CellGrid, plan: Plan) -> Raster:
    from cemvis.report.maps import Raster

    rows, cols = (count * plan.overview_factor for count in plan.overview_shape)
    edge, size = -0.5 * grid.pixel_size_um, grid.pixel_size_um
    return Raster(overview.read(), (edge, edge + cols * size, edge, edge + rows * size))


def _cell_raster(grids: PropertyGrids, part: str, grid: CellGrid) -> Raster:
    """Return the values or half widths of the cells, averaged over squares where there are too many to draw."""
    from cemvis.report.maps import Raster

    side = -(-max(grid.shape) // LARGEST_SIDE)
    bands = []
    for first, last in chunks(grid.shape, multiple=side):
        values = grids.half_width(first, last) if part == "half_width" else grids.value.read(first, last)
        bands.append(mean_over_squares(values, side))
    drawn = np.concatenate(bands)
    first_edge = float(grid.centres_um(0, 1)[0]) - grid.step_um / 2
    bottom, right = (first_edge + count * side * grid.step_um for count in drawn.shape)
    return Raster(drawn, (first_edge, right, first_edge, bottom))


def mean_over_squares(values: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Return the mean of the finite values over squares of `side` cells, cut off at the edges; NaN where none is."""
    if side == 1:
        return values.astype(np.float64)
    heights, widths = (np.arange(0, count, side) for count in values.shape)
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0).astype(np.float64)
    sums, counts = (
        np.add.reduceat(np.add.reduceat(each, heights, axis=0), widths, axis=1) for each in (filled, known.astype(int))
    )
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means
