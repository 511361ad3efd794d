"""The files of a virtual specimen's area as the first visit sees it: mosaic, truth, the indenter's table, figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis.analysis.specimen.area import BATCH, Area
from cemvis.analysis.specimen.indentation import Indents
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.kernels.specimen import Phase

MOSAIC, INDENTS, PHASES = "before.tif", "indents.csv", "truth_phases.ome.tif"
MODULUS, HARDNESS = "truth_modulus.ome.tif", "truth_hardness.ome.tif"
PICTURE, HISTOGRAM = "specimen.png", "indents.png"
TARGET_DEPTH_NM = 500.0
BAND_PX = 1024
OVERVIEW_PX = 1000

Progress = Callable[[str, int, int], None]


def write_images(
    area: Area, part: Path, origin: dict[str, Any], *, threads: int | None, progress: Progress, name: str
) -> NDArray[np.float32]:
    """Write the mosaic and the phases; return the mosaic's overview, area-averaged."""
    shape = (area.edge_px, area.edge_px)
    shrink = max(1, area.edge_px // OVERVIEW_PX)
    rows: list[NDArray[np.float32]] = []
    rest = np.empty((0, area.edge_px), np.uint8)

    def mosaic() -> Iterator[NDArray[np.uint8]]:
        nonlocal rest
        for window in area.windows(BAND_PX):
            band = area.image(window, threads=threads)
            progress(f"{name}: BSE image", window.row + window.rows, area.edge_px)
            stack = np.concatenate([rest, band])
            whole = len(stack) // shrink * shrink
            if whole:
                rows.append(_shrunk(stack[:whole], shrink))
            rest = stack[whole:]
            yield band

    def phases() -> Iterator[NDArray[np.uint8]]:
        for window in area.windows(BAND_PX):
            yield area.phases(window, threads=threads)
            progress(f"{name}: phases", window.row + window.rows, area.edge_px)

    image = Raster("BSE", "Virtual backscattered-electron image before indentation.", area.pixel_size_um, origin=origin)
    write_ome_tiff(part / MOSAIC, mosaic(), shape=shape, dtype="uint8", raster=image, compression="zstd")
    numbered = ", ".join(f"{phase.value} {phase.name}" for phase in Phase)
    truth = Raster("Phase", f"True phase at the surface: {numbered}.", area.pixel_size_um, origin=origin)
    write_ome_tiff(part / PHASES, phases(), shape=shape, dtype="uint8", raster=truth, compression="zstd")
    return np.concatenate(rows)


def _shrunk(image: NDArray[np.uint8], factor: int) -> NDArray[np.float32]:
    cols = image.shape[1] // factor * factor
    blocks = image[:, :cols].reshape(len(image) // factor, factor, cols // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def indents_csv(area: Area, indents: Indents, xy_um: NDArray[np.float64], ids: Sequence[str]) -> str:
    """Return the table of the tests with their true positions."""
    lines = ["id,batch,row,column,x_um,y_um,modulus_gpa,hardness_gpa,depth_nm,status"]
    for n, ((x, y), modulus, hardness, failed) in enumerate(
        zip(xy_um, indents.modulus_gpa, indents.hardness_gpa, indents.failed, strict=True)
    ):
        batch, place = divmod(n, BATCH * BATCH)
        values = ",,failed" if failed else f"{modulus:.3f},{hardness:.4f},ok"
        measured, _, status = values.rpartition(",")
        lines.append(
            f"{ids[n]},a{area.index:03d}-b{batch:03d},{place // BATCH},{place % BATCH},{x:.3f},{y:.3f},"
            f"{measured},{TARGET_DEPTH_NM:.0f},{status}"
        )
    return "\n".join(lines) + "\n"


def write_truth(
    area: Area,
    part: Path,
    origin: dict[str, Any],
    *,
    step_um: float,
    threads: int | None,
    progress: Progress,
    name: str,
) -> NDArray[np.float32]:
    """Write the true property maps; return that of the modulus."""
    count = int(area.edge_um / step_um)
    first = step_um / 2 - area.pixel_size_um / 2
    axis = first + step_um * np.arange(count)
    fields = np.empty((2, count, count), np.float32)
    rows_at_once = max(1, 20_000 // count)
    for row in range(0, count, rows_at_once):
        x, y = np.meshgrid(axis, axis[row : row + rows_at_once])
        values = area.truth(np.stack([x.ravel(), y.ravel()], axis=1), threads=threads)
        for k, value in enumerate(values):
            fields[k, row : row + rows_at_once] = value.reshape(x.shape)
        progress(f"{name}: true properties", min(row + rows_at_once, count), count)
    for file, title, held in ((MODULUS, "Modulus (GPa)", fields[0]), (HARDNESS, "Hardness (GPa)", fields[1])):
        raster = Raster(title, "True property without noise.", step_um, (first, first), origin)
        write_ome_tiff(part / file, [held], shape=(count, count), dtype="float32", raster=raster)
    modulus: NDArray[np.float32] = fields[0]
    return modulus


def write_figures(
    area: Area,
    indents: Indents,
    overview: NDArray[np.float32],
    modulus: NDArray[np.float32],
    step_um: float,
    part: Path,
) -> None:
    """Write what the area and its tests look like."""
    from cemvis.report import maps, style
    from cemvis.report.histograms import Distribution, histograms

    def extent(image: NDArray[np.float32], pixel_um: float) -> tuple[float, float, float, float]:
        left = -area.pixel_size_um / 2
        return left, left + image.shape[1] * pixel_um, left, left + image.shape[0] * pixel_um

    shrink = max(1, area.edge_px // OVERVIEW_PX) * area.pixel_size_um
    panels = [
        maps.Panel(maps.Raster(overview, extent(overview, shrink)), "BSE image", "Grey level", "gray"),
        maps.Panel(
            maps.Raster(modulus, extent(modulus, step_um)),
            "True modulus",
            "Modulus (GPa)",
            style.VALUE_COLOURS,
            logarithmic=True,
        ),
    ]
    caption = f"{area.recipe.description}; seed {area.seed}, area {area.index}; cemvis {__version__}"
    style.save_png(maps.property_map(panels, title="Virtual cement paste", caption=caption), part / PICTURE)
    measured = [
        Distribution("Modulus", "GPa", indents.modulus_gpa),
        Distribution("Hardness", "GPa", indents.hardness_gpa),
    ]
    style.save_png(histograms(measured, title="Virtual indents", caption=caption), part / HISTOGRAM)
