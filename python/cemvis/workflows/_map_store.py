"""The work folder of an unfinished map: grids of values in plain files, and a journal of the finished blocks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cemvis.errors import CemvisError, FileAccessError, InputError, OutputExistsError

WORK_FOLDER = ".cemvis-map.part"
JOB_FILE = "job.json"
JOURNAL_FILE = "finished.txt"
JOURNAL_EVERY_S = 5.0  # so much work is lost at most if the machine stops; an interrupt loses none


def unfinished(output: Path) -> Path | None:
    """Return the work folder of an unfinished map in `output`, or None if there is none."""
    path = output / WORK_FOLDER
    return path if (path / JOB_FILE).is_file() else None


@contextmanager
def access_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors into one clear line about `path`."""
    try:
        yield
    except CemvisError:
        raise
    except OSError as error:
        msg = f"cannot write to {path}: {error.strerror or error}"
        raise FileAccessError(msg) from error


class GridFile:
    """A two-dimensional array in a plain file, written and read a part at a time.

    Ordinary reads and writes rather than a memory map: a full disk then raises an error instead of ending the
    process, and pages of the file do not count as memory of the process.
    """

    def __init__(self, path: Path, shape: tuple[int, int], dtype: DTypeLike) -> None:
        self.path = path
        self.shape = shape
        self.dtype = np.dtype(dtype)

    def create(self) -> None:
        """Make the file, full of zeros."""
        with access_errors(self.path.parent), self.path.open("wb") as file:
            file.truncate(self.shape[0] * self.shape[1] * self.dtype.itemsize)

    def write(self, rows: slice, cols: slice, values: NDArray[Any]) -> None:
        """Write `values` to the rectangle `rows` x `cols`."""
        values = np.ascontiguousarray(values, self.dtype)
        with access_errors(self.path.parent), self.path.open("r+b") as file:
            if values.shape[1] == self.shape[1]:
                file.seek(rows.start * self.shape[1] * self.dtype.itemsize)
                file.write(values.data)
            else:
                for row, line in zip(range(rows.start, rows.stop), values, strict=True):
                    file.seek((row * self.shape[1] + cols.start) * self.dtype.itemsize)
                    file.write(line.data)

    def sync(self) -> None:
        """Wait until the disk has what was written."""
        with access_errors(self.path.parent), self.path.open("r+b") as file:
            os.fsync(file.fileno())

    def read(self, first: int = 0, last: int | None = None) -> NDArray[Any]:
        """Return the rows `first` to `last` (left out; default: to the end)."""
        last = self.shape[0] if last is None else min(last, self.shape[0])
        count = (last - first) * self.shape[1]
        offset = first * self.shape[1] * self.dtype.itemsize
        return np.fromfile(self.path, self.dtype, count, offset=offset).reshape(last - first, self.shape[1])

    def read_every(self, step: int) -> NDArray[Any]:
        """Return every `step`-th row and column, from the first."""
        return np.stack([self.read(row, row + 1)[0, ::step] for row in range(0, self.shape[0], step)])


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings under names like ``grid.step_um``."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


class WorkFolder:
    """The folder in which a map is made before it gets its final names.

    Parameters
    ----------
    output : Path
        The output folder; the work folder lies in it, so that finished files can be renamed into place.
    job : Mapping
        Everything that the values of the map depend on; an unfinished map is only continued with the same job.
    """

    def __init__(self, output: Path, job: Mapping[str, Any]) -> None:
        self.output = output
        self.path = output / WORK_FOLDER
        self._job = json.loads(json.dumps(job))
        self._grids: dict[str, GridFile] = {}
        self._unnoted: list[int] = []
        self._last_noted = 0.0

    def open(self, *, resume: bool, overwrite: bool) -> set[int]:
        """Make or continue the work folder; return the numbers of the blocks that are finished.

        Raises
        ------
        OutputExistsError
            If an unfinished map is there and neither `resume` nor `overwrite` is set.
        InputError
            If `resume` is set and the unfinished map was started with other inputs or settings.
        FileAccessError
            If the folder cannot be made.
        """
        with access_errors(self.path):
            if self.path.exists() and not resume and not overwrite:
                msg = (
                    f"{self.output} holds an unfinished map: continue it with --resume (resume=True) "
                    "or start anew with --overwrite (overwrite=True)"
                )
                raise OutputExistsError(msg)
            if resume and (self.path / JOB_FILE).is_file():
                self._check_same_job()
                return self._finished()
            self.remove()
            self.path.mkdir(parents=True)
            (self.path / JOURNAL_FILE).touch()
            (self.path / JOB_FILE).write_text(json.dumps(self._job, indent=2) + "\n", encoding="utf-8")
            return set()

    def grid(self, name: str, shape: tuple[int, int], dtype: DTypeLike, *, fresh: bool = True) -> GridFile:
        """Return the grid of values called `name`, made anew if `fresh` or not there yet."""
        grid = GridFile(self.path / f"{name}.raw", shape, dtype)
        if fresh or not grid.path.exists():
            grid.create()
        self._grids[name] = grid
        return grid

    def finish_block(self, number: int) -> None:
        """Take note that block `number` is written; every few seconds the journal gets what was noted."""
        self._unnoted.append(number)
        if time.monotonic() - self._last_noted >= JOURNAL_EVERY_S:
            self.write_journal()

    def write_journal(self) -> None:
        """Write the finished blocks to the journal, once the disk has their values."""
        if self._unnoted:
            for grid in self._grids.values():
                grid.sync()
            with access_errors(self.path), (self.path / JOURNAL_FILE).open("a", encoding="ascii") as journal:
                journal.writelines(f"{number}\n" for number in self._unnoted)
                journal.flush()
                os.fsync(journal.fileno())
        self._unnoted.clear()
        self._last_noted = time.monotonic()

    def remove(self) -> None:
        """Delete the work folder and the files in it."""
        if self.path.is_dir():
            for file in self.path.iterdir():
                file.unlink()
            self.path.rmdir()

    def _finished(self) -> set[int]:
        lines = (self.path / JOURNAL_FILE).read_text(encoding="ascii").split("\n")
        return {int(line) for line in lines[:-1]}  # what follows the last line's end was cut off while it was written

    def _check_same_job(self) -> None:
        try:
            before = json.loads((self.path / JOB_FILE).read_text(encoding="utf-8"))
        except ValueError:
            before = {}
        now, then = _flat(self._job), _flat(before)
        differing = sorted(key for key in now | then if now.get(key) != then.get(key))
        if differing:
            was = ", ".join(f"{key} was {then.get(key)!r}, is {now.get(key)!r}" for key in differing)
            msg = f"cannot resume the unfinished map in {self.output}: {was}; use --overwrite to start anew"
            raise InputError(msg)
