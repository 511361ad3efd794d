"""Files of a map that were there before, and maps that were interrupted."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

import cemvis
from cemvis.errors import (
    FileAccessError,
    InputError,
    OutputExistsError,
)
from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model import Model
from cemvis.workflows import _map_store
from cemvis.workflows._map_plan import CellGrid, plan_blocks
from cemvis.workflows.map import MapResult, map_mosaic, unfinished
from mapped import NAMES, PIXEL_UM, SMALL_BLOCKS, WINDOW_PX, all_bytes, mapped
from mosaics import example_model, paste_like

# Files


def test_earlier_map_is_replaced_only_if_asked(mosaic: Path, model: Model, tmp_path: Path) -> None:
    output = tmp_path / "map"
    mapped(mosaic, model, output)
    before = all_bytes(output)
    (output / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"modulus\.ome\.tif.* and 5 more; .*--overwrite"):
        mapped(mosaic, model, output, step_um=0.5)
    assert {name: data for name, data in all_bytes(output).items() if name != "notes.txt"} == before
    few = example_model(tmp_path / "few.safetensors", batches=6, properties=("modulus",))
    mapped(mosaic, few, output, overwrite=True)
    names = {path.name for path in output.iterdir()}
    assert "modulus_half_width.ome.tif" not in names
    assert "notes.txt" in names
    assert names - {"notes.txt"} == set(json.loads((output / "summary.json").read_text())["files"])


def test_summary_of_another_program_is_no_licence_to_delete(mosaic: Path, model: Model, tmp_path: Path) -> None:
    output = tmp_path / "map"
    output.mkdir()
    (output / "keep.csv").write_text("mine")
    (output / "summary.json").write_text(json.dumps({"files": ["keep.csv", "../mosaic.tif"]}))
    mapped(mosaic, model, output, overwrite=True)
    assert (output / "keep.csv").read_text() == "mine"


def test_output_that_is_a_file_is_refused(mosaic: Path, model: Model, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("in the way")
    with pytest.raises(FileAccessError, match="is a file; wanted a folder"):
        mapped(mosaic, model, tmp_path / "map")


def test_full_disk_while_writing_leaves_no_final_name(
    mosaic: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(FileAccessError, match=r"No space left on device; the work so far is kept: .*--resume"):
        mapped(mosaic, model, tmp_path / "map")
    assert [path.name for path in (tmp_path / "map").iterdir()] == [_map_store.WORK_FOLDER]


# Interrupts


class Interrupted(Micrograph):
    """A micrograph whose reading is interrupted after some reads, and which notes what was read."""

    after = 5

    @classmethod
    def of(cls, path: Path) -> Interrupted:
        opened = cemvis.open_micrograph(path, pixel_size=PixelSize(PIXEL_UM, "option"))
        opened.__class__ = cls
        opened.windows_read = []
        return opened

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int = 1) -> np.ndarray:
        if len(self.windows_read) >= self.after:
            raise KeyboardInterrupt
        self.windows_read.append((row, col))
        return super().read(row, col, rows, cols, threads=threads)


def interrupt(mosaic: Path, model: Model, output: Path, **settings) -> None:
    with Interrupted.of(mosaic) as image, pytest.raises(KeyboardInterrupt):
        map_mosaic(image, model, output=output, anchors=(110.0, 210.0), block_bytes=SMALL_BLOCKS, **settings)


def test_interrupted_map_is_continued_to_the_same_bytes(
    mosaic: Path, plain: MapResult, model: Model, tmp_path: Path
) -> None:
    output = tmp_path / "map"
    interrupt(mosaic, model, output)
    assert [path.name for path in output.iterdir()] == [_map_store.WORK_FOLDER]
    assert unfinished(output) == output / _map_store.WORK_FOLDER
    finished = (output / _map_store.WORK_FOLDER / _map_store.JOURNAL_FILE).read_text().split()
    assert len(finished) >= 2

    with Interrupted.of(mosaic) as image:
        image.after = 10**6
        result = map_mosaic(image, model, output=output, anchors=(110.0, 210.0), block_bytes=SMALL_BLOCKS, resume=True)
        assert (0, 0) not in image.windows_read
    assert unfinished(output) is None
    assert all_bytes(output) == all_bytes(plain.output)
    assert result.counts.cells > 0


def test_interrupted_replacement_leaves_the_earlier_map(mosaic: Path, model: Model, tmp_path: Path) -> None:
    output = tmp_path / "map"
    mapped(mosaic, model, output)
    before = {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}
    interrupt(mosaic, model, output, step_um=0.4, overwrite=True)
    assert {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()} == before


def test_other_settings_are_not_mixed_into_an_unfinished_map(mosaic: Path, model: Model, tmp_path: Path) -> None:
    interrupt(mosaic, model, tmp_path / "map", step_um=0.4)
    with pytest.raises(InputError, match=r"grid.step_px was 8, is 10.*--overwrite"):
        mapped(mosaic, model, tmp_path / "map", step_um=0.5, block_bytes=SMALL_BLOCKS, resume=True)
    with pytest.raises(OutputExistsError, match="--resume"):
        mapped(mosaic, model, tmp_path / "map", step_um=0.4, block_bytes=SMALL_BLOCKS)
    assert unfinished(tmp_path / "map") is not None
    mapped(mosaic, model, tmp_path / "map", step_um=0.5, overwrite=True)
    assert unfinished(tmp_path / "map") is None


def test_blocks_of_another_size_are_not_taken_for_those_that_are_finished(
    mosaic: Path, model: Model, tmp_path: Path
) -> None:
    interrupt(mosaic, model, tmp_path / "map")
    with pytest.raises(InputError, match=rf"block_bytes was {SMALL_BLOCKS}, is {SMALL_BLOCKS + 1};.*--overwrite"):
        mapped(mosaic, model, tmp_path / "map", block_bytes=SMALL_BLOCKS + 1, resume=True)


def test_other_pixels_are_not_mixed_into_an_unfinished_map(mosaic: Path, model: Model, tmp_path: Path) -> None:
    copy = tmp_path / "mosaic.tif"
    copy.write_bytes(mosaic.read_bytes())
    interrupt(copy, model, tmp_path / "map")
    tifffile.imwrite(copy, paste_like((305, 407), seed=9), tile=(64, 64), compression="zlib", metadata=None)
    with pytest.raises(InputError, match=r"mosaic.sha256 was"):
        mapped(copy, model, tmp_path / "map", block_bytes=SMALL_BLOCKS, resume=True)


def test_blocks_with_other_edges_are_not_mixed_into_an_unfinished_map(model: Model, tmp_path: Path) -> None:
    """As many blocks, but other ones: rows that neither map made would be left at 0."""
    path, (first, second) = tmp_path / "mosaic.tif", (98_000, 104_000)
    tifffile.imwrite(path, paste_like((1000, 300)), metadata=None)
    grid = CellGrid((1000, 300), PIXEL_UM, WINDOW_PX, WINDOW_PX)
    planned = [plan_blocks(grid, (1, 300), block_px=size, block_cells=size // 16) for size in (first, second)]
    assert len(planned[0].blocks) == len(planned[1].blocks)
    assert planned[0].blocks != planned[1].blocks
    with Interrupted.of(path) as image:
        image.after = 2
        with pytest.raises(KeyboardInterrupt):
            map_mosaic(image, model, output=tmp_path / "map", block_bytes=first, anchors=(110.0, 210.0))
    assert unfinished(tmp_path / "map") is not None
    with pytest.raises(InputError, match=rf"block_bytes was {first}, is {second}, pieces was .*--overwrite"):
        mapped(path, model, tmp_path / "map", block_bytes=second, resume=True)
    result = mapped(path, model, tmp_path / "map", block_bytes=first, resume=True)
    whole = mapped(path, model, tmp_path / "whole")
    np.testing.assert_array_equal(result.values("modulus"), whole.values("modulus"))


def test_nothing_to_resume_is_a_fresh_start(mosaic: Path, model: Model, tmp_path: Path) -> None:
    mapped(mosaic, model, tmp_path / "map", resume=True)
    assert {path.name for path in (tmp_path / "map").iterdir()} == NAMES
    with pytest.raises(OutputExistsError, match="a finished map, so there is nothing to resume"):
        mapped(mosaic, model, tmp_path / "map", resume=True)


def test_map_that_was_stopped_while_it_got_its_names_is_no_mixture(
    mosaic: Path, model: Model, tmp_path: Path, plain: MapResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "map"
    few = example_model(tmp_path / "few.safetensors", properties=("modulus", "hardness"))
    mapped(mosaic, few, output)
    moves: list[Path] = []
    plain_replace = Path.replace

    def stopped(path: Path, target: Path) -> Path:
        if Path(target).parent == output:
            moves.append(path)
            if len(moves) == 3:
                raise KeyboardInterrupt
        return plain_replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            mapped(mosaic, model, output, overwrite=True)
    assert not (output / "summary.json").exists()
    assert unfinished(output) is not None
    mapped(mosaic, model, output, resume=True)
    assert all_bytes(output) == all_bytes(plain.output)
