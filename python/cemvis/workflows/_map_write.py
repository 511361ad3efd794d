"""Writing all files of a map into its work folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import write_json
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.workflows import _map_files as names
from cemvis.workflows._map_figures import write_histogram_figure, write_property_figure
from cemvis.workflows._map_network_pass import NetworkJob
from cemvis.workflows._map_pass import WindowGrids
from cemvis.workflows._map_plan import CellGrid, Plan
from cemvis.workflows._map_predict import CellCounts, PropertyGrids, Statistics, chunks
from cemvis.workflows._map_store import GridFile, WorkFolder
from cemvis.workflows._map_summary import caption_of, flag_text, summary_of
from cemvis.workflows._map_table import write_tables

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyTransform
    from cemvis.models.model import Model, PropertyModel

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Prepared:
    """What is settled before any cell is computed."""

    grid: CellGrid
    plan: Plan
    transform: GreyTransform
    origin: dict[str, Any]
    work: WorkFolder
    network: NetworkJob | None
    notes: tuple[str, ...]
    mosaic_path: str | None = None


@dataclass(frozen=True)
class Predicted:
    """What the cells turned out to be; all values are in the work folder, `samples` are thinned out."""

    windows: WindowGrids
    properties: dict[str, PropertyGrids]
    flags: GridFile
    counts: CellCounts
    samples: dict[str, NDArray[np.float32]]
    statistics: dict[str, Statistics]


def write_files(
    job: Prepared, model: Model, cells: Predicted, *, warned: Sequence[str], report: Progress
) -> tuple[str, ...]:
    """Write every file of a map into the work folder under its final name; return the names, the summary last."""
    files = names.names_of(model)
    writers = [*_rasters(job, model, cells), _tables(job, model, cells), *_figures(job, model, cells, warned)]
    for done, write in enumerate(writers):
        report("writing the files", done, len(writers) + 1)
        write()
    text = summary_of(
        job.origin,
        model=model,
        counts=cells.counts,
        statistics=cells.statistics,
        warnings=warned,
        notes=job.notes,
        ran_on="" if job.network is None else job.network.predictor.ran_on,
        files=files,
        mosaic_path=job.mosaic_path,
    )
    write_json(job.work.path / names.SUMMARY, text)
    report("writing the files", len(writers) + 1, len(writers) + 1)
    return files


def _rasters(job: Prepared, model: Model, cells: Predicted) -> Iterator[Callable[[], None]]:
    """Yield a function for each OME-TIFF that writes it."""

    def writer(
        name: str, read_rows: Callable[[int, int], NDArray[Any]], dtype: str, title: str, description: str
    ) -> Callable[[], None]:
        first = float(job.grid.centres_um(0, 1)[0])
        raster = Raster(title, description, job.grid.step_um, (first, first), job.origin)
        path, shape = job.work.path / name, job.grid.shape
        bands = (read_rows(first, last) for first, last in chunks(shape))
        return partial(write_ome_tiff, path, bands, shape=shape, dtype=dtype, raster=raster)

    source = "the mean grey of each window"
    if job.network is not None:
        source = f"the {job.network.plan.field_px} x {job.network.plan.field_px} px around each cell"
    for each in model.properties:
        grids = cells.properties[each.name]
        title = f"{each.name.capitalize()} ({each.unit})"
        about = f"{each.name.capitalize()} in {each.unit}, predicted from {source}; NaN: not mapped."
        yield writer(names.raster_name(each.name), grids.value.read, "float32", title, about)
        if each.interval.stretch is not None:
            interval = f"{100 * each.interval.level:g} % prediction interval"
            about = f"Half width in {each.unit} of the {interval}; NaN: none promised."
            name = names.half_width_name(each.name)
            yield writer(name, grids.half_width, "float32", f"Half width of {title}", about)
    about = "Sums of flags. " + "; ".join(f"{flag.value}: {text}" for flag, text in flag_text(model).items()) + "."
    yield writer(names.FLAGS, cells.flags.read, "uint8", "Flags", about)


def _tables(job: Prepared, model: Model, cells: Predicted) -> Callable[[], None]:
    return partial(
        write_tables,
        job.work.path / names.CELLS_CSV,
        job.work.path / names.CELLS_PARQUET,
        grid=job.grid,
        grids=cells.windows,
        transform=job.transform,
        model=model,
        properties=cells.properties,
        flags=cells.flags,
        origin=job.origin,
    )


def _figures(job: Prepared, model: Model, cells: Predicted, warned: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Yield a function for each figure that draws it."""
    of = job.origin["mosaic"].get("file", "an image in memory")
    caption = caption_of(job.origin, model)

    def property_writer(each: PropertyModel) -> Callable[[], None]:
        return partial(
            write_property_figure,
            job.work.path / names.picture_name(each.name),
            each,
            grid=job.grid,
            plan=job.plan,
            overview=cells.windows.overview,
            grids=cells.properties[each.name],
            title=f"{each.name.capitalize()} of {of}",
            caption=caption,
            warnings=warned,
        )

    for each in model.properties:
        yield property_writer(each)
    yield partial(
        write_histogram_figure,
        job.work.path / names.HISTOGRAM,
        model.properties,
        cells.samples,
        title=f"Distribution over the cells of {of}",
        caption=caption,
        warnings=warned,
    )
