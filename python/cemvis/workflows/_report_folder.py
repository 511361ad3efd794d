"""What a run folder holds for a report: JSON records, tables and pictures, each with a word on what cannot be read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from cemvis._files import access_errors
from cemvis.errors import CemvisError, FileAccessError, InputError
from cemvis.report.page.content import Block, Message, Picture, Table
from cemvis.report.page.packing import picture_file

MOST_ROWS, MOST_COLUMNS, MOST_CELL = 200, 40, 400
MOST_RECORD_BYTES = 32 * 2**20
LARGEST = 1e30  # of a number that is drawn: beyond it, differences overflow
_FIRST = ("populations.csv", "distances.csv")
PICTURES = (".png", ".jpg", ".jpeg")
SHOWN = (".json", ".csv", *PICTURES)


@dataclass(frozen=True)
class RunFolder:
    """A folder that a command wrote.

    Attributes
    ----------
    path : Path
    files : tuple of Path
        Those directly in it, by name, hidden ones left out.
    records : mapping of str to object
        What its JSON files say, by name.
    problems : tuple of str
        JSON files that cannot be read, and why.
    """

    path: Path
    files: tuple[Path, ...]
    records: Mapping[str, Any]
    problems: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """List the folder and read its records.

        Raises
        ------
        FileAccessError
            If there is no such folder, or it cannot be listed.
        InputError
            If it holds nothing that a report could show.
        """
        with access_errors(path, doing="read"):
            if not path.exists():
                msg = f"{path} does not exist; wanted a folder that a cemvis command wrote"
                raise FileAccessError(msg)
            if not path.is_dir():
                msg = f"{path} is a file; wanted the folder that a cemvis command wrote"
                raise InputError(msg)
            entries = sorted(path.iterdir())
            files = tuple(each for each in entries if each.is_file() and not each.name.startswith("."))
            below = [each.name for each in entries if each.is_dir() and _has_results(each)]
        if not any(each.suffix.lower() in SHOWN for each in files):
            hint = f"give a folder in it: {', '.join(below[:3])}" if below else "wanted one that a cemvis command wrote"
            msg = f"{path} holds no results (no {', '.join(SHOWN[:3])}); {hint}"
            raise InputError(msg)
        records: dict[str, Any] = {}
        problems = []
        for file in files:
            if file.suffix.lower() == ".json":
                try:
                    records[file.name] = read_record(file)
                except CemvisError as error:
                    problems.append(str(error))
        return cls(path, files, records, tuple(problems))

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name or str(self.path)

    def written(self, name: str) -> str:
        """Return when a file was last written, in UTC; empty if there is none."""
        file = self.path / name
        if not file.is_file():
            return ""
        return datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")

    def sizes(self) -> tuple[tuple[str, int], ...]:
        """Return names and sizes in bytes."""
        return tuple((each.name, each.stat().st_size) for each in self.files)

    def tables(self, *, without: tuple[str, ...] = ()) -> Iterator[Block]:
        """Yield the folder's tables, but for those named; what matters most comes first."""
        for file in sorted(self.files, key=lambda each: each.name not in _FIRST):
            if file.suffix.lower() == ".csv" and file.name not in without:
                yield table_of(file)

    def pictures(self, *, without: tuple[str, ...] = ()) -> Iterator[Block]:
        """Yield the folder's pictures, but for those named."""
        for file in self.files:
            if file.suffix.lower() in PICTURES and file.name not in without:
                yield picture_of(file)


def _has_results(folder: Path) -> bool:
    try:
        return any(each.suffix.lower() in SHOWN for each in folder.iterdir())
    except OSError:
        return False


def read_record(path: Path) -> Any:
    """Return what a JSON file says.

    Raises
    ------
    InputError
        If it is damaged or too large to be a record.
    FileAccessError
    """
    with access_errors(path, doing="read"):
        if path.stat().st_size > MOST_RECORD_BYTES:
            msg = f"{path.name} has more than {MOST_RECORD_BYTES >> 20} MiB: not shown"
            raise InputError(msg)
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path.name} is damaged ({type(error).__name__}: {error}); run its command again"
        raise InputError(msg) from error


def table_of(path: Path) -> Block:
    """Return the head of a CSV file as a table, and how many rows it has; a message if it is none."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = csv.reader(file)
            columns = next(lines, [])
            rows = [row for row in islice(lines, MOST_ROWS) if row]
            rest = sum(1 for row in lines if row)
    except OSError as error:
        return Message(f"{path.name} cannot be read: {error.strerror or error}.", alarming=True)
    except csv.Error as error:
        return Message(f"{path.name} is not a table that can be shown: {error}.", alarming=True)
    if not columns:
        return Message(f"{path.name} is empty.")
    wide = min(max(len(columns), max((len(row) for row in rows), default=0)), MOST_COLUMNS)
    names = tuple(name[:MOST_CELL] for name in [*columns, *([""] * wide)][:wide])
    kept = tuple(tuple(text[:MOST_CELL] for text in [*row, *([""] * wide)][:wide]) for row in rows)
    note = f"The first {MOST_COLUMNS} of {len(columns)} columns" if len(columns) > MOST_COLUMNS else ""
    return Table(path.name, names, kept, len(kept) + rest, note)


def picture_of(path: Path) -> Block:
    """Return a picture made small enough for a page; a message if it cannot be read."""
    try:
        data, width, height = picture_file(path)
    except (CemvisError, OSError) as error:
        return Message(f"{error}.", alarming=True)
    return Picture(path.name, data, width, height)


def there(path: Path) -> bool:
    """Return whether a path that a record names exists; False for what cannot be a path."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def dig(record: Any, *keys: str) -> Any:
    """Return what lies under `keys`, one below the other, in a record; None if anything on the way is missing."""
    for key in keys:
        if not isinstance(record, Mapping) or key not in record:
            return None
        record = record[key]
    return record


def number(record: Any, *keys: str) -> float | None:
    """Return the number under `keys`; None if there is none, or it is not finite."""
    found = dig(record, *keys)
    if not isinstance(found, (int, float)) or isinstance(found, bool) or not abs(found) < LARGEST:
        return None
    return float(found)


def texts(record: Any, *keys: str) -> tuple[str, ...]:
    """Return the list of texts under `keys`; empty if there is none."""
    found = dig(record, *keys)
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


def entries(record: Any, *keys: str) -> list[tuple[str, Any]]:
    """Return the names and values of the object under `keys`; empty if there is none."""
    found = dig(record, *keys)
    return [(str(name), each) for name, each in found.items()] if isinstance(found, Mapping) else []


def items(record: Any, *keys: str) -> list[Any]:
    """Return the list under `keys`; empty if there is none."""
    found = dig(record, *keys)
    return found if isinstance(found, list) else []
