"""The view of a run folder: its mosaic, its maps, its flags, and the indents on it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import CemvisError
from cemvis.report.page.content import ClassLayer, Extent, Layer, Points, ValueLayer, View
from cemvis.report.page.packing import LARGEST_PX
from cemvis.report.style import robust_range
from cemvis.workflows._report_folder import RunFolder, dig, entries, items, number
from cemvis.workflows._report_mosaic import Overview, Progress, find_mosaic, overview
from cemvis.workflows._report_rasters import LARGEST_SIDE, RasterFile, class_layer, value_layer

MOST_POINTS = 20_000
_FLAGS, _CELLS = "flags.ome.tif", "cells.parquet"
_NO_VALUE = (None, "", "nan", "NaN")
_POINT_TABLES = ("located.csv", "indents.csv")


@dataclass
class Sources:
    """Where views get their images from, and how large they may be.

    Attributes
    ----------
    places : sequence of Path
        Folders and files to look for mosaics in.
    scale : float
        By which views are made smaller than their usual size.
    progress : callable or None
    """

    places: Sequence[Path] = ()
    scale: float = 1.0
    progress: Progress | None = None
    _seen: dict[Path, Overview] = field(default_factory=dict)

    def overview(self, path: Path) -> Overview:
        """Return a mosaic made small; each is read once in its full size and once for each scale."""
        path = path.resolve()
        if path not in self._seen:
            self._seen[path] = overview(path, largest=LARGEST_PX, progress=self.progress)
        found = self._seen[path]
        less = max(1, round(1 / self.scale))
        rows, cols = (side // less * less for side in found.grey.shape)
        if less == 1 or not rows or not cols:
            return found
        grey = found.grey[:rows, :cols].reshape(rows // less, less, cols // less, less).mean(axis=(1, 3))
        return Overview(grey, found.factor * less)

    @property
    def largest(self) -> int:
        """Cells along the longer side of a map that are shown."""
        return max(64, int(LARGEST_SIDE * self.scale))


@dataclass(frozen=True)
class FolderView:
    """A folder's view if there is anything to see, its rasters, and what could not be shown."""

    view: View | None
    rasters: tuple[RasterFile, ...]
    problems: tuple[str, ...]


def view_of(
    folder: RunFolder,
    record: Any,
    sources: Sources,
    *,
    beside: Sequence[Path] = (),
    more: Sequence[RasterFile] = (),
) -> FolderView:
    """Return the view of a folder: the image its record speaks of, its rasters and its indents.

    Parameters
    ----------
    beside : sequence of Path
        Rasters of other folders that belong to the same map, such as one of populations.
    more : sequence of RasterFile
        Other rasters, under the names that they are to have.
    """
    problems: list[str] = []
    rasters = (*_rasters([*_raster_files(folder), *beside], problems), *more)
    points = _points(folder)
    images = list(_images(folder, record, sources, problems))
    if not rasters and not (images and points):
        return FolderView(None, rasters, tuple(problems))
    layers: list[Layer] = [*images]
    flags = dig(record, "flags")
    for raster in rasters:
        try:
            if raster.kind == "f":
                layer: Layer = value_layer(raster, largest=sources.largest)
            else:
                named = flags if raster.path.name == _FLAGS and isinstance(flags, Mapping) else None
                layer = class_layer(raster, largest=sources.largest, flags=named)
            layers.append(_named_apart(layer, layers, raster.path))
        except CemvisError as error:
            problems.append(str(error))
    layers = _in_one_scale(layers, [each.name for each in more])
    if not images:
        layers = [*_mean_grey(folder, rasters, sources.largest, problems), *layers]
    layers.sort(key=lambda each: not _seen(each))
    if not any(_seen(each) for each in layers):
        return FolderView(None, rasters, tuple(problems))
    extent = _around([each.extent_um for each in layers])
    note = _note(rasters, sources.largest, record)
    return FolderView(View(f"Views of {folder.name}", tuple(layers), extent, note, points), rasters, tuple(problems))


def _seen(layer: Layer) -> bool:
    return not isinstance(layer, ClassLayer) or bool(layer.colours)


def _raster_files(folder: RunFolder) -> list[Path]:
    """Return the folder's rasters, values before half widths and both before classes."""
    names = [each for each in folder.files if each.name.endswith(".ome.tif")]
    order = ("modulus", "hardness")

    def place(path: Path) -> tuple[bool, bool, int, str]:
        at = next((n for n, name in enumerate(order) if name in path.name), len(order))
        return path.name == _FLAGS, "half_width" in path.name, at, path.name

    return sorted(names, key=place)


def _rasters(paths: Sequence[Path], problems: list[str]) -> Iterator[RasterFile]:
    for path in paths:
        try:
            found = RasterFile.open(path)
        except CemvisError as error:
            problems.append(str(error))
            continue
        if found is not None and found.name != "BSE":
            yield found


def _images(folder: RunFolder, record: Any, sources: Sources, problems: list[str]) -> Iterator[Layer]:
    """Yield the mosaic that a record speaks of, or that of a virtual specimen beside it."""
    first = next(iter(items(record, "inputs") or items(record, "inputs", "maps")), None)
    about = dig(record, "mosaic") or dig(record, "before") or dig(first, "mosaic")
    size = (
        number(first, "pixel_size", "um")
        or number(record, "pixel_size", "um")
        or number(record, "pixel_size_um")
        or number(record, "before", "pixel_size_um")
    )
    if about is None and (folder.path / "before.tif").is_file():
        about, size = {"file": "before.tif"}, number(record, "origin", "pixel_size_um")
    if not isinstance(about, Mapping) or not size or not (math.isfinite(size) and size > 0):
        return
    told = [Path(str(each)) for each in (dig(first, "path"), dig(record, "inputs", "truth", "path")) if each]
    near = [place for each in told for place in (each, each.parent)]  # of a map that the run was made from, or its area
    found = find_mosaic(about, folder.path, places=[*sources.places, *near])
    if found.path is None:
        problems.append(found.why)
        return
    try:
        yield sources.overview(found.path).layer(size, "BSE image")
    except (CemvisError, OSError) as error:
        problems.append(f"The image is not shown: {error}.")


def _mean_grey(
    folder: RunFolder, rasters: Sequence[RasterFile], largest: int, problems: list[str]
) -> Iterator[ValueLayer]:
    """Yield the mean grey of each cell from a map's table, in place of a mosaic that is not there."""
    path = folder.path / _CELLS
    if not path.is_file() or not rasters:
        return
    import pyarrow
    from pyarrow import parquet

    raster = rasters[0]
    side = raster.side(largest)
    shape = tuple(-(-each // side) for each in raster.shape)
    sums, counts = np.zeros(shape[0] * shape[1]), np.zeros(shape[0] * shape[1])
    try:
        with parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=1 << 20, columns=["row", "column", "mean_grey"]):
                row, column, grey = (batch.column(n).to_numpy(zero_copy_only=False) for n in range(3))
                known = (row >= 0) & (row < raster.shape[0]) & (column >= 0) & (column < raster.shape[1])
                known &= np.isfinite(grey)
                at = row[known] // side * shape[1] + column[known] // side
                sums += np.bincount(at, weights=grey[known], minlength=sums.size)
                counts += np.bincount(at, minlength=sums.size)
    except (pyarrow.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        problems.append(f"{_CELLS} cannot be read: {error}")
        return
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(sums.size, np.nan), where=counts > 0)
    values = means.reshape(shape)
    extent = raster.extent_um((shape[0], shape[1]), side)
    yield ValueLayer("Mean grey of the cells", "grey level", values, extent, "gray")


def _points(folder: RunFolder) -> Points | None:
    """Return a table's indents, with what was measured; None without positions, or with too many."""
    path = next((folder.path / name for name in _POINT_TABLES if (folder.path / name).is_file()), None)
    if path is None:
        return None
    xy: list[tuple[float, float]] = []
    said: list[str] = []
    doubtful: list[bool] = []
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                try:
                    x, y = float(row["x_um"]), float(row["y_um"])
                except (KeyError, TypeError, ValueError):
                    continue
                if not (math.isfinite(x) and math.isfinite(y)) or len(xy) >= MOST_POINTS:
                    continue
                flag = row.get("flag") or ("" if (row.get("status") or "ok") == "ok" else row["status"])
                values = [f"{row[key]} GPa" for key in ("modulus_gpa", "hardness_gpa") if row.get(key) not in _NO_VALUE]
                xy.append((x, y))
                said.append(", ".join(part for part in (row.get("id") or "indent", *values, flag) if part))
                doubtful.append(bool(flag))
    except (OSError, csv.Error):
        return None
    return Points("Indents", np.array(xy), tuple(said), np.array(doubtful)) if xy else None


def _named_apart(layer: Layer, others: Sequence[Layer], path: Path) -> Layer:
    """Return a layer with its file's name behind its own if another has that."""
    if all(layer.name != each.name for each in others):
        return layer
    return replace(layer, name=f"{layer.name}, {path.name.removesuffix('.ome.tif')}")


def _in_one_scale(layers: Sequence[Layer], names: Sequence[str]) -> list[Layer]:
    """Return layers, those of `names` that are of one property with the same colours: over the median of their ranges.

    Names begin with the property, or with "True" and the property.
    """
    ranges: dict[str, list[tuple[float, float]]] = {}
    of = {name: name.removeprefix("True ").partition(",")[0].lower() for name in names}
    for each in layers:
        if isinstance(each, ValueLayer) and each.name in of:
            ranges.setdefault(of[each.name], []).append(robust_range(np.asarray(each.values, np.float64)))
    limits = {name: (float(low), float(high)) for name, (low, high) in zip(
        ranges, (np.median(each, axis=0) for each in ranges.values()), strict=True
    ) if high > low}  # fmt: skip
    return [
        replace(each, limits=limits.get(of[each.name])) if isinstance(each, ValueLayer) and each.name in of else each
        for each in layers
    ]


def _around(extents: Sequence[Extent]) -> Extent:
    left, right, top, bottom = zip(*extents, strict=True)
    return min(left), max(right), min(top), max(bottom)


def _note(rasters: Sequence[RasterFile], largest: int, record: Any) -> str:
    sides = {each.side(largest) for each in rasters if each.kind == "f"}
    mean = [f"each shown value is the mean of {side} x {side} cells" for side in sorted(sides) if side > 1]
    first = f"{mean[0][0].upper()}{mean[0][1:]}. " if mean else ""
    levels = [number(each, "interval_level") for _, each in entries(record, "properties")]
    told = " and ".join(f"{100 * level:g} %" for level in sorted({each for each in levels if each is not None}))
    spread = f"Behind \N{PLUS-MINUS SIGN} stands half the width of the {told} prediction interval. " if told else ""
    ending = "Values are read out to three digits; the files in the folder have all."
    return f"{first}{spread}{ending}" if rasters else ""
