"""A data set with its pixels in one Zarr store, to hand on without the mosaics."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors, check_free
from cemvis.errors import FileAccessError, InputError
from cemvis.images.micrograph import open_micrograph
from cemvis.workflows import pairs as blocks
from cemvis.workflows._dataset_files import written_together
from cemvis.workflows._dataset_manifest import ABOUT, COLUMNS, TABLE, UNITS, write_manifest

if TYPE_CHECKING:
    import pandas as pd

    from cemvis.images.micrograph import Micrograph
    from cemvis.workflows.pairs import Pairs

FORMAT, FORMAT_VERSION = "cemvis data set with its windows", 1
"""What the group's attributes say; nothing without this is ever replaced."""
WINDOWS = "windows"
CHUNK_BYTES = 4 << 20
_MOST_WASTE = 4  # a block is read whole if it has at most so many times the pixels of the windows in it


def check_export(path: Path, folder: Path, *, overwrite: bool) -> None:
    """Refuse a store that is called otherwise, exists already, is another's, or cannot be made in or beside `folder`.

    `folder` will be there. A store that exists is replaced only if its attributes say that an export wrote it.

    Raises
    ------
    InputError, OutputExistsError, FileAccessError
    """
    if path.suffix != ".zarr":
        msg = f"export {path}: wanted a name that ends in .zarr"
        raise InputError(msg)
    check_free(path.parent, [path.name], overwrite=overwrite)
    if path.exists() and not _is_export(path):
        msg = f"{path} is no export that `cemvis dataset` wrote; remove it yourself or choose another --export"
        raise InputError(msg)
    if folder.resolve().is_relative_to(path.resolve()):
        msg = f"export {path} would take the place of the data set's own folder {folder}; choose another --export"
        raise InputError(msg)
    parent = path.resolve().parent
    if parent != folder.resolve() and not (parent.is_dir() and os.access(parent, os.W_OK)):
        msg = f"cannot write {path}: {parent} is not a folder that can be written to"
        raise FileAccessError(msg)


def _is_export(path: Path) -> bool:
    try:
        said = json.loads((path / ".zattrs").read_bytes())
        return (path / ".zgroup").is_file() and str(said["format"]) == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def check_apart(path: Path, given: Sequence[Path]) -> None:
    """Refuse an export to `path` that is one of the files or folders given, contains one, or lies inside one.

    Raises
    ------
    InputError
    """
    here = path.resolve()
    for source in given:
        there = source.resolve()
        if here.is_relative_to(there) or there.is_relative_to(here):
            word = "is" if here == there else "lies inside" if here.is_relative_to(there) else "would take the place of"
            msg = f"export {path} {word} {source}, which the data set is made from; choose another --export"
            raise InputError(msg)


def write_data_set(
    folder: Path,
    export: Path | None,
    pairs: Sequence[Pairs],
    frame: pd.DataFrame,
    about: dict[str, Any],
    *,
    threads: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write the manifest into `folder`, made if it is not there, and the export if one is wanted: all, or nothing.

    Parameters are those of `export_pairs`.

    Raises
    ------
    InputError
        If the windows are of different kinds.
    FileAccessError
        If a file cannot be written.
    """
    made = not folder.exists()
    with access_errors(folder, doing="write"):
        folder.mkdir(parents=True, exist_ok=True)
    places = [folder / TABLE, folder / ABOUT, *([] if export is None else [Path(export)])]
    try:
        with written_together(places) as beside:
            with access_errors(folder, doing="write"):
                write_manifest(beside[0], beside[1], frame, about)
            if export is not None:
                with access_errors(export, doing="write"):
                    export_pairs(beside[2], pairs, frame, about, threads=threads, progress=progress)
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


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
        Where nothing is yet; whoever calls this puts the store in its place and removes what an error left.
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
    OSError
        If the store cannot be written.
    """
    import zarr

    def report(stage: str, done: int, steps: int) -> None:
        if progress is not None:
            progress(stage, done, steps)

    edge, dtype = _one_kind(pairs)
    n, at_once = len(frame), max(1, CHUNK_BYTES // (edge * edge * dtype.itemsize))
    mark = {"format": FORMAT, "format_version": FORMAT_VERSION}
    store = zarr.create_group(path, zarr_format=2, attributes=mark | about)
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
