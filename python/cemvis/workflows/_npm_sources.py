"""Where nano-porosity maps are: folders with a sub-folder a class, or a list."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cemvis._files import access_errors
from cemvis.errors import FileAccessError, InputError

LIST = "maps.csv"
LIST_COLUMNS = ("file", "class", "specimen", "region")

_SUFFIXES = (".tif", ".tiff", ".png")
_NOT_MAPS = (".micf", ".clinker", ".modified", ".truth", ".bse")


@dataclass(frozen=True)
class MapPlace:
    """Where one map is: a square of an image file, and what the image is of.

    Attributes
    ----------
    path : Path
    class_name, specimen, region, session : str
        A specimen is of one class: the same name in another class is another specimen. A region is one place on it:
        images that share its name show the same place, as squares cut from one image before do.
        The session is empty where nobody said.
    row_px, column_px : int
        Top-left pixel in the file.
    """

    path: Path
    class_name: str
    specimen: str
    region: str
    row_px: int
    column_px: int
    session: str = ""


def natural_key(text: str) -> tuple[tuple[bool, int, str], ...]:
    """Return what sorts names as people do: numbers in them by value.

    Examples
    --------
    >>> sorted(["part10", "part2"], key=natural_key)
    ['part2', 'part10']
    """
    parts = re.split(r"([0-9]+)", text)
    return tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts if part)


def region_of(path: Path) -> MapPlace:
    """Return an image file whose class nobody knows, with place 0, 0."""
    return MapPlace(path, "", path.resolve().parent.name, _region(path), 0, 0)


def images_of(source: Path) -> Iterator[MapPlace]:
    """Yield the images of a folder or a list, each with place 0, 0, in no order.

    Raises
    ------
    FileAccessError
        If there is no such folder or list.
    InputError
        If a list lacks a column, or a line of it a name.
    """
    if source.is_file() and source.suffix.lower() == ".csv":
        yield from _listed(source)
    elif (source / LIST).is_file():
        yield from _listed(source / LIST)
    elif source.is_dir():
        for folder in _folders(source):
            for path in _images(folder):
                yield MapPlace(path, folder.name, folder.name, _region(path), 0, 0)
            for specimen in _folders(folder):
                for path in _images(specimen):
                    yield MapPlace(path, folder.name, specimen.name, _region(path), 0, 0)
    else:
        what = "is neither a folder nor a .csv list" if source.exists() else "is not there"
        msg = f"{source} {what}; wanted a folder with a sub-folder a class, or a maps.csv"
        raise FileAccessError(msg)


def _folders(parent: Path) -> list[Path]:
    with access_errors(parent, doing="read"):
        return [each for each in sorted(parent.iterdir()) if each.is_dir() and each.name[0] not in "._"]


def _images(folder: Path) -> list[Path]:
    with access_errors(folder, doing="read"):
        return [each for each in sorted(folder.iterdir()) if each.is_file() and _is_map(each)]


def _is_map(path: Path) -> bool:
    name = _without_suffix(path)
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and not name.endswith(_NOT_MAPS)


def _without_suffix(path: Path) -> str:
    stem = path.stem.lower()
    return stem.removesuffix(".ome")


def _region(path: Path) -> str:
    stem = path.stem
    for ending in (".ome", ".mulf"):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
    return stem


def _listed(path: Path) -> Iterator[MapPlace]:
    with access_errors(path, doing="read"), path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        try:
            missing = [name for name in LIST_COLUMNS if name not in (table.fieldnames or ())]
            rows = list(table)
        except (UnicodeDecodeError, csv.Error) as error:
            msg = f"{path} is not a table in UTF-8 ({error}); wanted the columns {', '.join(LIST_COLUMNS)}"
            raise InputError(msg) from error
    if missing:
        msg = f"{path} has no column {missing[0]!r}; wanted {', '.join(LIST_COLUMNS)}"
        raise InputError(msg)
    for number, row in enumerate(rows, start=2):
        texts = [(row[name] or "").strip() for name in LIST_COLUMNS]
        if not all(texts):
            empty = LIST_COLUMNS[texts.index("")]
            msg = f"{path}, line {number}: {empty} is empty; wanted all of {', '.join(LIST_COLUMNS)}"
            raise InputError(msg)
        name, class_name, specimen, region = texts
        yield MapPlace(path.parent / name, class_name, specimen, region, 0, 0, (row.get("session") or "").strip())


def check_paths(found: Sequence[MapPlace]) -> None:
    """Refuse a file that is given twice, and one whose name no table could hold."""
    seen: dict[Path, MapPlace] = {}
    for each in found:
        try:
            str(each.path).encode()
        except UnicodeEncodeError as error:
            msg = f"the name of {str(each.path)!a} is not UTF-8; rename the file or its folder"
            raise InputError(msg) from error
        other = seen.setdefault(each.path.resolve(), each)
        if other is not each:
            classes = " and ".join(dict.fromkeys((other.class_name, each.class_name)))
            of, once = (f" (class {classes})", "once, in one class") if classes else ("", "once")
            msg = f"{each.path} is given twice{of}; wanted each file {once}"
            raise InputError(msg)
