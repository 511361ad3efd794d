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


def work_folder(output: Path, job: dict[str, object] = JOB) -> WorkFolder:
    return WorkFolder(output, job, blocks=20, grids={"total": ((2, 2), "uint64")})


def test_work_folder_is_continued_with_the_same_job_only(tmp_path: Path) -> None:
    work = work_folder(tmp_path / "map")
    assert work.open(resume=False, overwrite=False) == set()
    for block in (0, 3):
        work.finish_block(block)
    work.write_journal()
    assert work_folder(tmp_path / "map").open(resume=True, overwrite=False) == {0, 3}
    other = work_folder(tmp_path / "map", JOB | {"step_px": 20})
    with pytest.raises(InputError, match="step_px was 10, is 20"):
        other.open(resume=True, overwrite=False)
    assert other.open(resume=True, overwrite=True) == set()
    assert work_folder(tmp_path / "map", JOB | {"step_px": 20}).open(resume=True, overwrite=False) == set()


def test_unfinished_map_is_not_dropped_unasked(tmp_path: Path) -> None:
    work_folder(tmp_path).open(resume=False, overwrite=False)
    with pytest.raises(OutputExistsError, match="--resume"):
        work_folder(tmp_path).open(resume=False, overwrite=False)
    work = work_folder(tmp_path)
    assert work.open(resume=True, overwrite=False) == set()
    work.finish_block(0)
    assert work.open(resume=False, overwrite=True) == set()


def test_block_whose_entry_was_cut_off_is_done_again(tmp_path: Path) -> None:
    work = work_folder(tmp_path)
    work.open(resume=False, overwrite=False)
    work.finish_block(4)
    journal = work.path / JOURNAL_FILE
    journal.write_text(journal.read_text() + "1")
    continued = work_folder(tmp_path)
    assert continued.open(resume=True, overwrite=False) == {4}
    continued.finish_block(3)
    continued.write_journal()
    assert work_folder(tmp_path).open(resume=True, overwrite=False) == {3, 4}


@pytest.mark.parametrize("journal", [None, "4\nfive\n", "20\n", "-1\n", "4\n\n", "\0\0\n", "4\n\u00b2\n"])
def test_damaged_journal_is_refused(tmp_path: Path, journal: str | None) -> None:
    work = work_folder(tmp_path)
    work.open(resume=False, overwrite=False)
    if journal is None:
        (work.path / JOURNAL_FILE).unlink()
    else:
        (work.path / JOURNAL_FILE).write_text(journal, encoding="utf-8")
    with pytest.raises(InputError, match="is damaged; start anew with --overwrite"):
        work_folder(tmp_path).open(resume=True, overwrite=False)
    assert work_folder(tmp_path).open(resume=False, overwrite=True) == set()
    assert work_folder(tmp_path).open(resume=True, overwrite=False) == set()


@pytest.mark.parametrize("size", [None, 0, 31, 33])
def test_grid_file_that_is_missing_or_of_another_size_is_refused(tmp_path: Path, size: int | None) -> None:
    work = work_folder(tmp_path)
    work.open(resume=False, overwrite=False)
    work.finish_block(4)
    work.write_journal()
    path = work.grids["total"].path
    path.unlink() if size is None else path.write_bytes(bytes(size))
    with pytest.raises(InputError, match="is damaged; start anew with --overwrite"):
        work_folder(tmp_path).open(resume=True, overwrite=False)


def test_grid_file_that_was_cut_off_is_one_clear_line(tmp_path: Path) -> None:
    grid = GridFile(tmp_path / "values.raw", (3, 3), "float64")
    with pytest.raises(FileAccessError, match="cannot read"):
        grid.read()
    grid.create()
    grid.path.write_bytes(bytes(50))
    with pytest.raises(FileAccessError, match="was cut off"):
        grid.read()


def test_grids_survive_until_the_work_folder_is_removed(tmp_path: Path) -> None:
    work = work_folder(tmp_path / "map")
    work.open(resume=False, overwrite=False)
    work.grids["total"].write(slice(0, 2), slice(0, 2), np.full((2, 2), 7))
    continued = work_folder(tmp_path / "map")
    continued.open(resume=True, overwrite=False)
    assert (continued.grids["total"].read() == 7).all()
    work.remove()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_clear_line_and_does_not_harm_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_folder(tmp_path)
    work.open(resume=False, overwrite=False)
    work.finish_block(1)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(_map_store.os, "fsync", full)
        work.finish_block(3)
        with pytest.raises(FileAccessError, match=r"cannot write to .*: No space left on device"):
            work.write_journal()
    assert work_folder(tmp_path).open(resume=True, overwrite=False) == {1}


def test_output_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("in the way")
    with pytest.raises(FileAccessError, match="cannot write to"):
        work_folder(tmp_path / "map").open(resume=False, overwrite=False)
