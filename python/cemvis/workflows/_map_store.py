"""The work folder of an unfinished map: grids of values in plain files, and a journal of the finished blocks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cemvis._files import access_errors, write_text, written_whole
from cemvis.errors import FileAccessError, InputError, OutputExistsError

WORK_FOLDER = ".cemvis-map.part"
JOB_FILE = "job.json"
JOURNAL_FILE = "finished.txt"
JOURNAL_EVERY_S = 5.0  # so much work is lost at most if the machine stops; an interrupt loses none


def unfinished(output: Path) -> Path | None:
    """Return the work folder of an unfinished map in `output`, or None if there is none."""
    path = output / WORK_FOLDER
    return path if (path / JOB_FILE).is_file() else None


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
            file.truncate(self._bytes)

    def is_whole(self) -> bool:
        """Return whether the file is there in its full size."""
        return self.path.is_file() and self.path.stat().st_size == self._bytes

    @property
    def _bytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

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
        with access_errors(self.path, doing="read"):
            values = np.fromfile(self.path, self.dtype, count, offset=offset)
        if values.size < count:
            msg = f"cannot read {self.path}: it was cut off while the map was made"
            raise FileAccessError(msg)
        return values.reshape(last - first, self.shape[1])

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
    blocks : int
        How many blocks the map is made in.
    grids : Mapping
        Shape and type of the grids that the blocks fill, by name.
    """

    def __init__(
        self,
        output: Path,
        job: Mapping[str, Any],
        *,
        blocks: int,
        grids: Mapping[str, tuple[tuple[int, int], DTypeLike]],
    ) -> None:
        self.output = output
        self.path = output / WORK_FOLDER
        self.grids = {name: GridFile(self.path / f"{name}.raw", *kind) for name, kind in grids.items()}
        self._blocks = blocks
        self._job = json.loads(json.dumps({**job, "blocks": blocks}))
        self._finished: set[int] = set()
        self._all_noted = True
        self._last_noted = 0.0
        self._made_output = False

    def open(self, *, resume: bool, overwrite: bool) -> set[int]:
        """Make or continue the work folder; return the numbers of the blocks that are finished.

        With both `resume` and `overwrite`, an unfinished map that cannot be continued is dropped.

        Raises
        ------
        OutputExistsError
            If an unfinished map is there and neither `resume` nor `overwrite` is set.
        InputError
            If `resume` alone is set and the unfinished map was started with other inputs or settings, or is damaged.
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
                try:
                    return self._continued()
                except InputError:
                    if not overwrite:
                        raise
            self._begin()
            return set()

    def grid(self, name: str, shape: tuple[int, int], dtype: DTypeLike) -> GridFile:
        """Return a new grid of values called `name`, for what is computed after the blocks."""
        grid = GridFile(self.path / f"{name}.raw", shape, dtype)
        grid.create()
        return grid

    def finish_block(self, number: int) -> None:
        """Take note that block `number` is written; every few seconds the journal gets what was noted."""
        self._finished.add(number)
        self._all_noted = False
        if time.monotonic() - self._last_noted >= JOURNAL_EVERY_S:
            self.write_journal()

    def write_journal(self) -> None:
        """Write the finished blocks to the journal, once the disk has their values.

        The journal is replaced as a whole: there are few blocks, and a line that was cut off cannot be appended to.
        """
        if not self._all_noted:
            for grid in self.grids.values():
                grid.sync()
            with (
                written_whole(self.path / JOURNAL_FILE) as beside,
                beside.open("w", encoding="ascii", newline="\n") as journal,
            ):
                journal.writelines(f"{number}\n" for number in sorted(self._finished))
                journal.flush()
                os.fsync(journal.fileno())
        self._all_noted = True
        self._last_noted = time.monotonic()

    def remove(self) -> None:
        """Delete the work folder and the files in it, and the output folder if it was made for them and is empty."""
        with access_errors(self.path, doing="remove"):
            if self.path.is_dir():
                for file in self.path.iterdir():
                    file.unlink()
                self.path.rmdir()
        if self._made_output:
            with suppress(OSError):
                self.output.rmdir()

    def _begin(self) -> None:
        """Make the work folder; the job comes last, since without it there is nothing to continue."""
        self.remove()
        self._made_output = not self.output.exists()
        self.path.mkdir(parents=True)
        for grid in self.grids.values():
            grid.create()
        self._finished = set()
        write_text(self.path / JOURNAL_FILE, "")
        write_text(self.path / JOB_FILE, json.dumps(self._job, indent=2) + "\n")

    def _continued(self) -> set[int]:
        """Return the finished blocks by the journal, after a check that what they left is there."""
        self._check_same_job()
        try:
            lines = (self.path / JOURNAL_FILE).read_text(encoding="ascii").split("\n")
            finished = {int(line) for line in lines[:-1]}  # what follows the last line's end was cut off
        except (FileNotFoundError, ValueError):
            finished = {-1}
        whole = all(grid.is_whole() for grid in self.grids.values())
        if not (whole and all(0 <= number < self._blocks for number in finished)):
            msg = f"the unfinished map in {self.output} is damaged; start anew with --overwrite (overwrite=True)"
            raise InputError(msg)
        self._finished = finished
        return set(finished)

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
