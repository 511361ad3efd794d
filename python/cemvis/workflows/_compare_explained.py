"""Maps that a classifier never saw, and what its explanation says of them."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors, json_record, write_text
from cemvis.errors import FileFormatError, InputError
from cemvis.workflows._classify_files import PARTS
from cemvis.workflows._compare_correlation import Explained
from cemvis.workflows._explain_files import SUMMARY
from cemvis.workflows._npm_maps import MapSet

HELD_OUT = "held_out.csv"


def write_held_out(maps: MapSet, classified: Path, output: Path) -> Path:
    """List the images on which the first fold's classifier was tested, as `cemvis explain` takes them.

    Raises
    ------
    FileAccessError, FileFormatError
        If the classification's table cannot be read or is of other maps.
    """
    wanted: set[tuple[str, str, str]] = set()
    path = classified / PARTS
    with access_errors(path, doing="read"), path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row.get("fold_1") == "test":
                wanted.add((row["class"], row["specimen"], row["region"]))
    images = {place.path: place for place in maps.places if (place.class_name, place.specimen, place.region) in wanted}
    there = {(place.class_name, place.specimen, place.region) for place in images.values()}
    if there != wanted or not wanted:
        msg = f"{path} lists {len(wanted)} tested regions, of which {len(there)} are there; run the comparison anew"
        raise FileFormatError(msg)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "class", "specimen", "region", "session"])
    for image, place in images.items():
        where = os.path.relpath(image.resolve(), output.resolve())
        rows.writerow([where, place.class_name, place.specimen, place.region, place.session])
    write_text(output / HELD_OUT, text.getvalue())
    return output / HELD_OUT


def read_explained(maps: MapSet, folder: Path) -> tuple[Explained, NDArray[np.float32], int]:
    """Return the maps that were told rightly, with their regions and relevance, and how many were explained at all.

    Parameters
    ----------
    maps : MapSet
        That the explained ones are of.
    folder : Path
        What `cemvis explain` wrote.

    Returns
    -------
    Explained
    relevance : (n, size, size) float32
        Of the same maps, not below 0.
    count : int
        Maps in the folder.

    Raises
    ------
    InputError
        If no map was told rightly.
    FileAccessError, FileFormatError
    """
    import tifffile

    index_of = {
        (place.class_name, place.specimen, place.region, place.row_px, place.column_px): index
        for index, place in enumerate(maps.places)
    }
    rows = _rows(folder)
    right = [row for row in rows if row["predicted"] == row["class"] and row["explained"] == "True"]
    if not right:
        msg = f"{folder}: none of {len(rows)} maps was told rightly with a positive score; nothing to compare"
        raise InputError(msg)
    indices, regions, relevance = [], [], []
    for row in right:
        key = (row["class"], row["specimen"], row["region"], int(row["row_px"]), int(row["column_px"]))
        with access_errors(folder, doing="read"):
            indices.append(index_of[key])
            regions.append(tifffile.imread(folder / "regions" / f"{row['name']}.tif") > 0)
            found = tifffile.imread(folder / "relevance" / f"{row['name']}.tif")
            relevance.append(np.maximum(found, 0).astype(np.float32))
    return Explained(np.array(indices, np.intp), np.stack(regions)), np.stack(relevance), len(rows)


def _rows(folder: Path) -> list[dict[str, str]]:
    with json_record(folder / SUMMARY, "cemvis explain") as record:
        count = int(record["images"])
    path = folder / "maps.csv"
    with access_errors(path, doing="read"), path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != count:
        msg = f"{path} has {len(rows)} rows for {count} images; run `cemvis explain` again"
        raise FileFormatError(msg)
    return rows
