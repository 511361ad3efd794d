"""A data set with its pixels in one Zarr store, to hand on without the mosaics."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors
from cemvis.errors import FileAccessError, InputError, OutputExistsError
from cemvis.images.micrograph import open_micrograph
from cemvis.workflows import pairs as blocks
from cemvis.workflows._dataset_manifest import COLUMNS, UNITS

if TYPE_CHECKING:
    import pandas as pd

    from cemvis.images.micrograph import Micrograph
    from cemvis.workflows.pairs import Pairs

WINDOWS = "windows"
CHUNK_BYTES = 4 << 20
_MOST_WASTE = 4  # a block is read whole if it has at most so many times the pixels of the windows in it


def check_export(path: Path, folder: Path, *, overwrite: bool) -> None:
    """Refuse a store that is called otherwise, exists already, or cannot be made; `folder` will be there.

    Raises
    ------
    InputError, OutputExistsError, FileAccessError
    """
    if path.suffix != ".zarr":
        msg = f"export {path}: wanted a name that ends in .zarr"
        raise InputError(msg)
    if path.exists() and not overwrite:
        msg = f"{path} exists already; choose another --export or say --overwrite"
        raise OutputExistsError(msg)
    if path.exists() and not (path / ".zgroup").is_file():
        msg = f"{path} is no Zarr store that cemvis wrote; remove it yourself or choose another --export"
        raise InputError(msg)
    parent = path.resolve().parent
    if parent != folder.resolve() and not (parent.is_dir() and os.access(parent, os.W_OK)):
        msg = f"cannot write {path}: {parent} is not a folder that can be written to"
        raise FileAccessError(msg)


def export_pairs(
    path: Path,
    pairs: Sequence[Pairs],
    frame: pd.DataFrame,
    about: dict[str, Any],
    *,
    threads: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write the windows of all pairs, (n, window, window) with the mosaics' own grey levels, and their table.

    The store is a group in Zarr format 2, whose text every reader of Zarr knows: the array "windows", and an array
    (n,) for each column of the manifest, with its unit as an attribute; missing numbers are NaN, missing rows and
    columns of the grid -1. What the manifest says is in the group's attributes. Each block of a mosaic is read once,
    whatever the order of the rows, so windows wait in a nameless file beside the store; at most a block and
    `CHUNK_BYTES` of windows are held.

    Parameters
    ----------
    path : Path
        Replaced once everything is written.
    pairs : sequence of Pairs
        In the order of the rows of `frame`.
    frame : DataFrame
        With the columns of a manifest.
    about : dict
        JSON-ready.
    threads : int
        That decode a mosaic.
    progress : callable, optional
        Called with what is done, for how many windows, and of how many.

    Raises
    ------
    InputError
        If the mosaics have pixels of different types or windows of different sizes.
    FileAccessError
        If the store cannot be written.
    """
    import zarr

    def report(stage: str, done: int, steps: int) -> None:
        if progress is not None:
            progress(stage, done, steps)

    edge, dtype = _one_kind(pairs)
    n, at_once = len(frame), max(1, CHUNK_BYTES // (edge * edge * dtype.itemsize))
    with _folder_written_whole(path) as beside:
        store = zarr.create_group(beside, zarr_format=2, attributes=about)
        windows = store.create_array(
            WINDOWS, shape=(n, edge, edge), dtype=dtype, chunks=(min(at_once, n), edge, edge), fill_value=0
        )
        windows.attrs.update({"unit": "grey level of the mosaic", "axes": ["pair", "row", "column"]})
        for name in COLUMNS:
            column = store.create_array(name, data=_column(frame[name]))
            column.attrs["unit"] = UNITS.get(name, "")
        with tempfile.TemporaryFile(dir=path.resolve().parent) as spool:
            _spool(spool, pairs, edge, threads, lambda done: report("reading windows", done, n))
            spool.seek(0)
            for first in range(0, n, at_once):
                count = min(at_once, n - first)
                held = np.frombuffer(spool.read(count * edge * edge * dtype.itemsize), dtype)
                windows[first : first + count] = held.reshape(count, edge, edge)
                report("writing windows", first + count, n)


def _one_kind(pairs: Sequence[Pairs]) -> tuple[int, np.dtype[Any]]:
    """Return the edge of the windows and the type of their pixels, which have to be the same in all areas."""
    kinds: dict[tuple[int, str], str] = {}
    for each in pairs:
        with open_micrograph(each.area.mosaic, pixel_size=each.pixel_size) as micrograph:
            kinds.setdefault((each.window_px, micrograph.dtype.name), each.area.name)
    if len(kinds) > 1:
        ((one, one_type), first), ((other, other_type), second) = list(kinds.items())[:2]
        msg = (
            f"{first} has windows of {one} px in {one_type}, {second} of {other} px in {other_type}; an export wants "
            "one size and type: make a data set of each"
        )
        raise InputError(msg)
    ((edge, name),) = kinds
    return edge, np.dtype(name)


def _spool(spool: IO[bytes], pairs: Sequence[Pairs], edge: int, threads: int, report: Callable[[int], None]) -> None:
    """Write the windows of all areas one after the other, reading each block of a mosaic once."""
    first = done = 0
    for each in pairs:
        with open_micrograph(each.area.mosaic, pixel_size=each.pixel_size) as micrograph:
            for number, window in _windows_by_block(micrograph, each.top_left, edge, threads):
                spool.seek((first + number) * window.nbytes)
                spool.write(window.tobytes())
                done += 1
                report(done)
        first += len(each.top_left)


def _windows_by_block(
    micrograph: Micrograph, top_left: NDArray[np.int64], edge: int, threads: int
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield which window it is, and its pixels: from a block where they lie close, else one by one."""
    for members in blocks.by_block(top_left, blocks.block_shape(micrograph, edge)):
        corners = top_left[members]
        origin, end = corners.min(axis=0), corners.max(axis=0) + edge
        if np.prod(end - origin) > _MOST_WASTE * len(members) * edge * edge:
            for number, (row, col) in zip(members.tolist(), corners.tolist(), strict=True):
                yield number, micrograph.read(row, col, edge, edge, threads=threads)
            continue
        block = micrograph.read(*map(int, (*origin, *(end - origin))), threads=threads)
        for number, (row, col) in zip(members.tolist(), (corners - origin).tolist(), strict=True):
            yield number, block[row : row + edge, col : col + edge]


def _column(values: pd.Series[Any]) -> NDArray[Any]:
    if values.dtype.kind == "f":
        return values.to_numpy(np.float64)
    if values.dtype.kind in "iu":
        return values.to_numpy(np.int64, na_value=-1)
    return values.fillna("").to_numpy(dtype=str)


@contextmanager
def _folder_written_whole(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` that takes its place once the block ends without an error."""
    name = f".{path.stem}.{secrets.token_hex(4)}"
    beside, old = path.with_name(f"{name}.part{path.suffix}"), path.with_name(f"{name}.old{path.suffix}")
    try:
        with access_errors(path, doing="write"):
            yield beside
            if path.exists():
                path.rename(old)
            beside.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        for left in (beside, old):
            shutil.rmtree(left, ignore_errors=True)
