"""The files of a map: their names, whether they may be written, and giving them their final names all at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cemvis.errors import FileAccessError, OutputExistsError
from cemvis.models.model import UNITS
from cemvis.workflows._map_store import access_errors

if TYPE_CHECKING:
    from cemvis.models.model import Model

FLAGS = "flags.ome.tif"
CELLS_CSV, CELLS_PARQUET = "cells.csv", "cells.parquet"
HISTOGRAM = "histogram.png"
SUMMARY = "summary.json"
_SHARED = (FLAGS, CELLS_CSV, CELLS_PARQUET, HISTOGRAM, SUMMARY)


def raster_name(name: str) -> str:
    """Return the file name of a property's map."""
    return f"{name}.ome.tif"


def half_width_name(name: str) -> str:
    """Return the file name of the map of a property's interval."""
    return f"{name}_half_width.ome.tif"


def picture_name(name: str) -> str:
    """Return the file name of a property's figure."""
    return f"{name}.png"


def names_of(model: Model) -> tuple[str, ...]:
    """Return the names of all files that a map with `model` consists of; the summary is the last."""
    names: list[str] = []
    for each in model.properties:
        names.append(raster_name(each.name))
        if each.interval.stretch is not None:
            names.append(half_width_name(each.name))
        names.append(picture_name(each.name))
    return (*names, *_SHARED)


def check_free(output: Path, names: Iterable[str], *, overwrite: bool) -> None:
    """Check that `output` is or can be a folder, and that none of `names` is in it unless `overwrite` is set.

    Raises
    ------
    FileAccessError
        If something other than a folder has the name of `output`.
    OutputExistsError
        If files would be replaced.
    """
    if output.exists() and not output.is_dir():
        msg = f"{output} is a file; wanted a folder for the map"
        raise FileAccessError(msg)
    present = [name for name in names if (output / name).exists()]
    if present and not overwrite:
        more = f" and {len(present) - 3} more" if len(present) > 3 else ""
        msg = (
            f"{output} already holds {', '.join(present[:3])}{more}; "
            "choose another folder or replace them with --overwrite (overwrite=True)"
        )
        raise OutputExistsError(msg)


def publish(work: Path, output: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Move the finished files from the work folder to their final names, the summary last; return their paths.

    Files of an earlier map that this one does not have (an interval, say) are removed, so that no folder mixes two
    maps; only names that cemvis gives and that the earlier summary lists are touched.
    """
    names = tuple(names)
    with access_errors(output):
        for stale in _listed_before(output) - set(names):
            (output / stale).unlink(missing_ok=True)
        for name in names:
            (work / name).replace(output / name)
    return tuple(output / name for name in names)


def _listed_before(output: Path) -> set[str]:
    """Return the names of an earlier map's files, by its summary."""
    own = {kind(name) for name in UNITS for kind in (raster_name, half_width_name, picture_name)} | set(_SHARED)
    try:
        listed = json.loads((output / SUMMARY).read_text(encoding="utf-8"))["files"]
        return {name for name in listed if name in own}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
