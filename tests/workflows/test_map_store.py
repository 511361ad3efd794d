from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from cemvis.errors import FileAccessError, InputError, OutputExistsError
from cemvis.workflows import _map_store
from cemvis.workflows._map_store import JOURNAL_FILE, GridFile, WorkFolder

JOB = {"step_px": 10, "mosaic": "abc"}


def test_grid_file_keeps_rectangles(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(7, 9))
    grid = GridFile(tmp_path / "values.raw", whole.shape, "float64")
    grid.create()
    assert (grid.read() == 0).all()
    for rows in (slice(0, 3), slice(3, 7)):
        for cols in (slice(0, 4), slice(4, 9)):
            grid.write(rows, cols, whole[rows, cols])
    np.testing.assert_array_equal(grid.read(), whole)
    np.testing.assert_array_equal(grid.read(2, 5), whole[2:5])
    np.testing.assert_array_equal(grid.read_every(3), whole[::3, ::3])
    grid.write(slice(1, 3), slice(0, 9), whole[4:6])
    np.testing.assert_array_equal(grid.read(1, 3), whole[4:6])


def test_work_folder_is_continued_with_the_same_job_only(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "map", JOB)
    assert work.open(resume=False, overwrite=False) == set()
    for block in (0, 3):
        work.finish_block(block)
    work.write_journal()
    assert WorkFolder(tmp_path / "map", JOB).open(resume=True, overwrite=False) == {0, 3}
    other = WorkFolder(tmp_path / "map", JOB | {"step_px": 20})
    with pytest.raises(InputError, match="step_px was 10, is 20"):
        other.open(resume=True, overwrite=False)


def test_unfinished_map_is_not_dropped_unasked(tmp_path: Path) -> None:
    WorkFolder(tmp_path, JOB).open(resume=False, overwrite=False)
    with pytest.raises(OutputExistsError, match="--resume"):
        WorkFolder(tmp_path, JOB).open(resume=False, overwrite=False)
    work = WorkFolder(tmp_path, JOB)
    work.finish_block(0)
    assert work.open(resume=False, overwrite=True) == set()


def test_block_whose_entry_was_cut_off_is_done_again(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path, JOB)
    work.open(resume=False, overwrite=False)
    work.finish_block(4)
    journal = work.path / JOURNAL_FILE
    journal.write_text(journal.read_text() + "1")
    assert work.open(resume=True, overwrite=False) == {4}


def test_grids_survive_until_the_work_folder_is_removed(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path, JOB)
    work.open(resume=False, overwrite=False)
    work.grid("total", (2, 2), "uint64").write(slice(0, 2), slice(0, 2), np.full((2, 2), 7))
    assert (work.grid("total", (2, 2), "uint64", fresh=False).read() == 7).all()
    work.remove()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = WorkFolder(tmp_path, JOB)
    work.open(resume=False, overwrite=False)
    work.grid("total", (2, 2), "uint64")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_map_store.os, "fsync", full)
    with pytest.raises(FileAccessError, match=r"cannot write to .*: No space left on device"):
        work.finish_block(0)


def test_output_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("in the way")
    with pytest.raises(FileAccessError, match="cannot write to"):
        WorkFolder(tmp_path / "map", JOB).open(resume=False, overwrite=False)
