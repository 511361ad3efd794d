"""The files of a map: their names, whether they may be written, and giving them their final names all at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cemvis._files import access_errors, check_free
from cemvis.models.model import UNITS
from cemvis.workflows._map_store import unfinished

if TYPE_CHECKING:
    from cemvis.models.model import Model

FLAGS = "flags.ome.tif"
CELLS_CSV, CELLS_PARQUET = "cells.csv", "cells.parquet"
HISTOGRAM = "histogram.png"
SUMMARY = "summary.json"
EARLIER_SUMMARY = "earlier.json"
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


def check_map_free(output: Path, names: Iterable[str], *, overwrite: bool, resume: bool) -> None:
    """Check that `output` is or can be a folder, and that none of `names` is in it unless that was allowed.

    It is by `overwrite`, and by `resume` where an unfinished map is: the files are those that it was to replace, or
    its own, if it was stopped while they got their names.

    Raises
    ------
    FileAccessError
        If something other than a folder has the name of `output`, or it cannot be looked into.
    OutputExistsError
        If files would be replaced.
    """
    with access_errors(output):
        overwrite = overwrite or (resume and unfinished(output) is not None)
    finished = "a finished map, so there is nothing to resume: " if resume else ""
    check_free(output, names, overwrite=overwrite, holding=finished)


def publish(work: Path, output: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Move the finished files from the work folder to their final names, the summary last; return their paths.

    Files of an earlier map that this one does not have (an interval, say) are removed, so that no folder mixes two
    maps; only names that cemvis gives and that the earlier summary lists are touched. The earlier summary goes first,
    so that a folder that has one is never a mixture; it is kept in the work folder for the case of an interrupt.
    """
    names = tuple(names)
    earlier = work / EARLIER_SUMMARY
    with access_errors(output):
        if (output / SUMMARY).exists():
            (output / SUMMARY).replace(earlier)
        for stale in _listed_in(earlier) - set(names):
            (output / stale).unlink(missing_ok=True)
        for name in names:
            (work / name).replace(output / name)
    return tuple(output / name for name in names)


def _listed_in(summary: Path) -> set[str]:
    """Return the names of a map's files, by its summary."""
    own = {kind(name) for name in UNITS for kind in (raster_name, half_width_name, picture_name)} | set(_SHARED)
    try:
        listed = json.loads(summary.read_text(encoding="utf-8"))["files"]
        return {name for name in listed if name in own}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
