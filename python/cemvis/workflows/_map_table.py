"""The table of cells as CSV and Parquet, written a chunk at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import written_whole
from cemvis.workflows._map_pass import WindowGrids
from cemvis.workflows._map_plan import CellGrid
from cemvis.workflows._map_predict import PropertyGrids, chunks, mean_grey
from cemvis.workflows._map_store import GridFile

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyTransform
    from cemvis.models.model import Model

COORDINATE_DECIMALS = 6  # of um: picometres
GREY_DECIMALS = 6


def write_tables(
    csv_path: Path,
    parquet_path: Path,
    *,
    grid: CellGrid,
    grids: WindowGrids,
    transform: GreyTransform,
    model: Model,
    properties: Mapping[str, PropertyGrids],
    flags: GridFile,
    origin: Mapping[str, Any],
) -> None:
    """Write a row for each cell, row by row of the grid, to a CSV and a Parquet file, whole or not at all.

    Cells outside the region of interest keep their mean grey and have no prediction (empty in CSV, null in Parquet).
    Parquet carries `origin` as JSON under ``cemvis`` and the unit of each column under ``unit``.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    units = {each.name: each.unit for each in model.properties}
    schema = _schema(pa, units, origin)
    with ExitStack() as stack:
        beside = [stack.enter_context(written_whole(path)) for path in (csv_path, parquet_path)]
        table = stack.enter_context(csv.CSVWriter(beside[0], schema))
        columns = stack.enter_context(parquet.ParquetWriter(beside[1], schema, compression="zstd"))
        for first, last in chunks(grid.shape):
            values = _columns(first, last, grid, grids, transform, properties, units, flags)
            arrays = [_arrow(pa, each, field.type) for each, field in zip(values, schema, strict=True)]
            batch = pa.record_batch(arrays, schema=schema)
            table.write_batch(batch)
            columns.write_batch(batch)


def _arrow(pa: Any, values: NDArray[Any], kind: Any) -> Any:
    """Return an Arrow array of `values` in which NaN is null; made from buffers, since pa.array would import pandas."""
    data = np.ascontiguousarray(values).ravel()
    valid = None
    if data.dtype.kind == "f" and np.isnan(data).any():
        valid = pa.py_buffer(np.packbits(~np.isnan(data), bitorder="little"))
    return pa.Array.from_buffers(kind, data.size, [valid, pa.py_buffer(data)])


def _schema(pa: Any, units: Mapping[str, str], origin: Mapping[str, Any]) -> Any:
    def field(name: str, kind: Any, unit: str) -> Any:
        return pa.field(name, kind, metadata={"unit": unit})

    fields = [
        field("row", pa.int32(), "1"),
        field("column", pa.int32(), "1"),
        field("x_um", pa.float64(), "um"),
        field("y_um", pa.float64(), "um"),
        field("mean_grey", pa.float64(), "grey level of the mosaic"),
        field("mean_grey_on_model_scale", pa.float64(), "grey level of the model"),
    ]
    for name, unit in units.items():
        fields += [field(column, pa.float32(), unit) for column in property_columns(name, unit)]
    fields.append(field("flags", pa.uint8(), "sum of flags"))
    return pa.schema(fields, metadata={"cemvis": json.dumps(origin, sort_keys=True)})


def property_columns(name: str, unit: str) -> tuple[str, str, str]:
    """Return the columns of a property: its value, and the lower and upper end of its prediction interval."""
    unit = unit.lower()
    return f"{name}_{unit}", f"{name}_lower_{unit}", f"{name}_upper_{unit}"


def _columns(
    first: int,
    last: int,
    grid: CellGrid,
    grids: WindowGrids,
    transform: GreyTransform,
    properties: Mapping[str, PropertyGrids],
    units: Mapping[str, str],
    flags: GridFile,
) -> Iterator[NDArray[Any]]:
    """Yield the columns of the rows `first` to `last` of the grid, in the order of the schema."""
    shape = (last - first, grid.shape[1])
    yield np.broadcast_to(np.arange(first, last, dtype=np.int32)[:, None], shape)
    yield np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)
    yield np.broadcast_to(np.round(grid.centres_um(0, shape[1]), COORDINATE_DECIMALS), shape)
    yield np.broadcast_to(np.round(grid.centres_um(first, last), COORDINATE_DECIMALS)[:, None], shape)
    grey = mean_grey(grids.total.read(first, last), grid)
    yield np.round(grey, GREY_DECIMALS)
    yield np.round(transform.apply(grey), GREY_DECIMALS)
    for name in units:
        for part in (properties[name].value, properties[name].lower, properties[name].upper):
            yield part.read(first, last)
    yield flags.read(first, last)
