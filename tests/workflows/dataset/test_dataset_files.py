"""The files of a data set: replaced together or not at all, and refused once they were changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cemvis.errors import (
    CemvisError,
    FileAccessError,
    FileFormatError,
    OutputExistsError,
)
from cemvis.workflows import _dataset_export as export_module
from cemvis.workflows.dataset import load_data_set, make_data_set
from data_sets import CONFIG

pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CoverageWarning")


def test_nothing_is_replaced_unless_asked(made, tmp_path) -> None:
    make_data_set([made / "one"], tmp_path / "data", CONFIG)
    before = (tmp_path / "data" / "manifest.parquet").read_bytes()
    with pytest.raises(OutputExistsError, match=r"already holds .*; choose another output or say --overwrite"):
        make_data_set([made / "two"], tmp_path / "data", CONFIG)
    assert (tmp_path / "data" / "manifest.parquet").read_bytes() == before
    make_data_set([made / "two"], tmp_path / "data", CONFIG, overwrite=True)
    assert [area.name for area in load_data_set(tmp_path / "data").areas] == ["two"]
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileAccessError, match="is a file; wanted a folder"):
        make_data_set([made / "one"], tmp_path / "file", CONFIG, overwrite=True)


def test_a_manifest_that_was_damaged_or_changed_is_one_line(made, tmp_path) -> None:
    make_data_set([made / "one"], tmp_path / "data", CONFIG)
    about, table = tmp_path / "data" / "manifest.json", tmp_path / "data" / "manifest.parquet"
    good = json.loads(about.read_text())
    for text in ("", "{}", "[]", "3", about.read_text()[:400], json.dumps(good | {"format": "other"})):
        about.write_text(text)
        with pytest.raises(FileFormatError, match=r"manifest\.json"):
            load_data_set(tmp_path / "data")
    for key in ("areas", "settings", "manifest"):
        about.write_text(json.dumps(good | {key: None}))
        with pytest.raises(CemvisError, match=r"manifest\.json"):
            load_data_set(tmp_path / "data")
    about.write_text(json.dumps(good))
    pd.read_parquet(table).iloc[:-1].to_parquet(table)
    with pytest.raises(FileFormatError, match=r"manifest\.parquet is not the table that manifest\.json describes"):
        load_data_set(tmp_path / "data")
    table.unlink()
    with pytest.raises(FileAccessError, match=r"cannot read .*manifest\.parquet"):
        load_data_set(tmp_path / "data")


@pytest.fixture(scope="module")
def one_data_set(made, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("manifest") / "data"
    make_data_set([made / "one"], folder, CONFIG)
    return folder


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("settings/window_um", (None, "10", 0, -3.0, float("nan"), float("inf"), True, [3])),
        ("settings/seed", (None, "x", -1, 2**32, 1.5, True)),
        ("manifest/sha256", (None, 3, "", "abc")),
        ("areas/0/mosaic/sha256", (None, "", ["a"])),
        ("areas/0/table/sha256", (None, "")),
        ("areas/0/mosaic/path", (None, "", 3)),
        ("areas/0/table/path", (None, "")),
        ("areas/0/mosaic/pixel_size_um", (None, "x", 0, -1)),
        ("areas/0/mosaic/pixel_size_source", (None, 3)),
        ("areas/0/mosaic/anchors", (None, {}, {"matrix": "a", "clinker": 3}, {"matrix": 200, "clinker": 100})),
        ("areas/0/mosaic/anchors_fit", (3, {"odd": 1})),
        ("areas/0/name", (None, "other", "")),
        ("areas/0/pairs", (None, 287)),
        ("areas/0", (None, [], "x")),
        ("areas/1", ("the first again",)),
    ],
)
def test_a_manifest_with_a_wrong_value_is_one_line(one_data_set, tmp_path, place, values) -> None:
    shutil.copytree(one_data_set, tmp_path / "data")
    about = tmp_path / "data" / "manifest.json"
    good = json.loads(about.read_text())
    good["areas"][0]["mosaic"]["path"] = str((one_data_set / good["areas"][0]["mosaic"]["path"]).resolve())
    about.write_text(json.dumps(good))
    assert len(load_data_set(tmp_path / "data").frame) == 288
    *parents, name = (int(key) if key.isdigit() else key for key in place.split("/"))
    for value in values:
        record = json.loads(json.dumps(good))
        inner = record
        for key in parents:
            inner = inner[key]
        if name == 1:
            inner.append(inner[0])
        else:
            inner[name] = value
        about.write_text(json.dumps(record))
        with pytest.raises(
            FileFormatError, match=r"manifest\.json is damaged or not what `cemvis dataset` writes"
        ) as caught:
            load_data_set(tmp_path / "data")
        assert "\n" not in str(caught.value)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("failing", ["manifest.parquet", "manifest.json", "pairs.zarr"])
def test_outputs_are_replaced_together_or_not_at_all(made, tmp_path, monkeypatch, failing) -> None:
    target = tmp_path / "data" / "pairs.zarr"
    make_data_set([made / "one"], tmp_path / "data", CONFIG, export=target)
    before = contents(tmp_path)
    plain_rename = Path.rename

    def rename(self, other):
        if Path(other).name == failing and ".part" in self.name:
            raise OSError(28, "No space left on device")
        return plain_rename(self, other)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(FileAccessError, match=f"cannot write .*{failing}: No space left on device"):
        make_data_set([made / "two"], tmp_path / "data", CONFIG, export=target, overwrite=True)
    with pytest.raises(FileAccessError, match="No space left on device"):
        make_data_set([made / "two"], tmp_path / "new", CONFIG, export=tmp_path / "new" / "pairs.zarr")
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_manifest_that_cannot_be_written_leaves_no_new_export(made, tmp_path, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "pairs.zarr"
    make_data_set([made / "one"], tmp_path / "data", CONFIG, export=target)
    before = contents(tmp_path)
    monkeypatch.setattr(export_module, "write_manifest", fail)
    with pytest.raises(FileAccessError, match=r"cannot write .*data: No space left"):
        make_data_set([made / "two"], tmp_path / "data", CONFIG, export=target, overwrite=True)
    assert contents(tmp_path) == before
