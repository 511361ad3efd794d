"""What a data set is made from: located indents, areas, mosaics with tables; and where their images are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cemvis._files import json_record
from cemvis.errors import FileAccessError, InputError, PixelSizeError
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows.pairs import Area
from cemvis.workflows.specimen import INDENTS, MOSAIC

LOCATED, LOCATED_ABOUT, DECISIONS = "located.csv", "located.json", "decisions.csv"
_SAME_SIZE = 1e-6  # relative: 0.1 px at the far end of a mosaic 100,000 px wide


@dataclass(frozen=True)
class Source:
    """One mosaic with a table of indents.

    Attributes
    ----------
    name : str
    mosaic, table : Path
    decisions : Path or None
        What a person decided about doubtful indents, if there is such a file.
    mosaic_sha256 : str
        Of the image that the indents were located on; empty if nobody says.
    pixel_size : PixelSize or None
        That the positions in the table were computed with; None if nobody says.
    """

    name: str
    mosaic: Path
    table: Path
    decisions: Path | None = None
    mosaic_sha256: str = ""
    pixel_size: PixelSize | None = None

    @property
    def files(self) -> list[Path]:
        """What the source is read from."""
        return [path for path in (self.mosaic, self.table, self.decisions) if path is not None]

    def pixel_size_with(self, option: PixelSize | None) -> PixelSize | None:
        """Return the pixel size to open the mosaic with: positions hold only with the one they were computed with."""
        if self.pixel_size is None or option is None:
            return self.pixel_size or option
        if abs(option.um / self.pixel_size.um - 1) > _SAME_SIZE:
            msg = (
                f"{self.table} was located at {self.pixel_size} per px, {option} is asked for; leave the pixel size "
                "out, or locate the indents anew with it"
            )
            raise PixelSizeError(msg)
        return self.pixel_size


def sources_of(folders: Sequence[Path], areas: Sequence[Area] = ()) -> list[Source]:
    """Return what `folders` (located indents, or before.tif with indents.csv) and `areas` hold, each name once.

    Raises
    ------
    InputError
        If a folder is neither, or a table is given twice, or nothing is given.
    FileAccessError
        If the image that indents were located on is not where it was, nor beside them.
    FileFormatError
        If located.json cannot be used.
    """
    found = [_source_in(Path(folder)) for folder in folders]
    found += [Source(area.name, area.mosaic, area.indents) for area in areas]
    if not found:
        msg = "nothing to make a data set from; wanted folders of located indents, areas, or mosaics with tables"
        raise InputError(msg)
    tables = [source.table.resolve() for source in found]
    twice = [str(source.table) for number, source in enumerate(found) if tables[number] in tables[:number]]
    if twice:
        msg = f"{', '.join(twice)} given twice; its pairs would be in training and test at once"
        raise InputError(msg)
    return _told_apart(found)


def _source_in(folder: Path) -> Source:
    if (folder / LOCATED).is_file() or (folder / LOCATED_ABOUT).is_file():
        return _located(folder)
    if (folder / MOSAIC).exists() and (folder / INDENTS).exists():
        area = Area.in_folder(folder)
        return Source(area.name, area.mosaic, area.indents)
    if not folder.is_dir():
        msg = f"cannot read {folder}: there is no such folder"
        raise FileAccessError(msg)
    if (folder / "manifest.json").is_file():
        msg = f"{folder} is a data set already; give what it was made from"
        raise InputError(msg)
    msg = (
        f"{folder} holds neither {LOCATED} (made by `cemvis locate`) nor {MOSAIC} with {INDENTS}; "
        "locate the indents first"
    )
    raise InputError(msg)


def _located(folder: Path) -> Source:
    missing = [name for name in (LOCATED, LOCATED_ABOUT) if not (folder / name).is_file()]
    if missing:
        msg = f"{folder} lacks {missing[0]}; wanted both {LOCATED} and {LOCATED_ABOUT}: run `cemvis locate` again"
        raise InputError(msg)
    about = folder / LOCATED_ABOUT
    with json_record(about, "cemvis locate") as record:
        path, sha256 = Path(str(record["before"]["path"])), str(record["before"]["sha256"])
        size = PixelSize(float(record["pixel_size_um"]), str(record.get("pixel_size_source", LOCATED_ABOUT)))
    decisions = folder / DECISIONS
    return Source(
        name=folder.resolve().name,
        mosaic=find_moved(path, folder, what=f"the before-image of {folder}"),
        table=folder / LOCATED,
        decisions=decisions if decisions.is_file() else None,
        mosaic_sha256=sha256,
        pixel_size=size,
    )


def find_moved(path: Path, folder: Path, *, what: str) -> Path:
    """Return where the file `path`, written down in `folder`, is now: there, or beside or above the folder.

    Parameters
    ----------
    path : Path
        Absolute, or relative to `folder`.
    what : str
        What it is, for the message.

    Raises
    ------
    FileAccessError
        If it is in none of these places.
    """
    wanted = folder / path  # an absolute path stays as it is
    places = [wanted, folder / path.name, folder.resolve().parent / path.name]
    for place in places:
        if place.exists():
            return place
    msg = (
        f"{what} is not at {wanted} any more, nor in {folder} or the folder above; move them together or bring it back"
    )
    raise FileAccessError(msg)


def _told_apart(sources: Sequence[Source]) -> list[Source]:
    """Return the sources with names of their own: the folder above goes before names that several have."""
    names = [source.name for source in sources]
    longer = [
        f"{source.table.resolve().parent.parent.name}/{name}" if names.count(name) > 1 else name
        for name, source in zip(names, sources, strict=True)
    ]
    final = [
        f"{name} ({longer[: number + 1].count(name)})" if longer.count(name) > 1 else name
        for number, name in enumerate(longer)
    ]
    return [replace(source, name=name) for source, name in zip(sources, final, strict=True)]
