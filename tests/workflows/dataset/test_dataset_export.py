"""Windows exported beside a data set."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from areas import PIXEL_UM, WINDOW_PX, save_mosaic
from cemvis.errors import (
    FileAccessError,
    InputError,
    OutputExistsError,
)
from cemvis.workflows import _dataset_export as export_module
from cemvis.workflows.dataset import make_data_set
from cemvis.workflows.pairs import Area
from data_sets import CONFIG

pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CoverageWarning")


def test_a_block_of_a_mosaic_is_read_once_whatever_the_order(made, tmp_path, monkeypatch) -> None:
    from cemvis.images.micrograph import Micrograph
    from cemvis.workflows import pairs as pairs_module

    monkeypatch.setattr(pairs_module, "BLOCK_PX", 128)
    shuffled = pd.read_csv(made / "one" / "indents.csv").sample(frac=1, random_state=1)
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    area = Area("shuffled", made / "one" / "before.tif", tmp_path / "shuffled.csv")
    shapes: list[tuple[int, int]] = []
    plain_read = Micrograph.read

    def watched(self, row, col, rows, cols, *, threads=1):
        shapes.append((rows, cols))
        return plain_read(self, row, col, rows, cols, threads=threads)

    monkeypatch.setattr(Micrograph, "read", watched)
    make_data_set([], tmp_path / "plain", CONFIG, areas=[area])
    without = len(shapes)
    make_data_set([], tmp_path / "again", CONFIG, areas=[area], export=tmp_path / "pairs.zarr")
    read = shapes[2 * without :]
    assert 0 < len(read) <= 4 * 7  # blocks of 128 px in 440 x 840 px
    assert max(max(shape) for shape in read) < 128 + WINDOW_PX


@pytest.mark.parametrize("chunk_bytes", [5 * WINDOW_PX**2, 4 << 20])
@pytest.mark.parametrize("waste", [0, 10**6])
def test_an_export_holds_the_windows_and_the_table(made, tmp_path, monkeypatch, chunk_bytes, waste) -> None:
    monkeypatch.setattr(export_module, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(export_module, "_MOST_WASTE", waste)
    seen = []
    result = make_data_set(
        [made / "one", made / "two"],
        tmp_path / "data",
        CONFIG,
        export=tmp_path / "data" / "pairs.zarr",
        progress=lambda *step: seen.append(step),
    )
    store = zarr.open_group(tmp_path / "data" / "pairs.zarr", mode="r")
    assert (store["windows"].shape, store["windows"].dtype) == ((576, WINDOW_PX, WINDOW_PX), np.uint8)
    assert store["windows"].chunks[0] == min(576, chunk_bytes // WINDOW_PX**2)
    images = {name: tifffile.imread(made / name / "before.tif") for name in ("one", "two")}
    corners = result.frame[["top_left_row_px", "top_left_col_px"]].to_numpy()
    expected = np.stack(
        [
            images[name][row : row + WINDOW_PX, col : col + WINDOW_PX]
            for name, (row, col) in zip(result.frame["area"], corners, strict=True)
        ]
    )
    np.testing.assert_array_equal(store["windows"][:], expected)
    for name in result.frame.columns:
        values = store[name][:]
        wanted = result.frame[name]
        if name in ("row", "column"):
            wanted = wanted.fillna(-1)
        np.testing.assert_array_equal(values, wanted.to_numpy(dtype=values.dtype))
    assert store["depth_nm"].attrs["unit"] == "nm"
    assert store.attrs["areas"][0]["mosaic"]["pixel_size_um"] == PIXEL_UM
    assert store.attrs["areas"][1]["mosaic"]["sha256"] == result.about["areas"][1]["mosaic"]["sha256"]
    assert seen[-1] == ("writing windows", 576, 576)
    names = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert names == ["manifest.json", "manifest.parquet", "pairs.zarr"]


def test_an_export_that_fails_leaves_nothing_and_keeps_the_old_one(made, tmp_path) -> None:
    target = tmp_path / "pairs.zarr"
    make_data_set([made / "one"], tmp_path / "data", CONFIG, export=target)
    old = zarr.open_group(target, mode="r")["windows"][:]
    with pytest.raises(OutputExistsError, match=r"already holds \S+\.zarr; .*--overwrite"):
        make_data_set([made / "two"], tmp_path / "new", CONFIG, export=target)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_data_set([made / "two"], tmp_path / "new", CONFIG, export=target, overwrite=True, progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pairs.zarr"]
    np.testing.assert_array_equal(zarr.open_group(target, mode="r")["windows"][:], old)
    make_data_set([made / "two"], tmp_path / "new", CONFIG, export=target, overwrite=True)
    assert not np.array_equal(zarr.open_group(target, mode="r")["windows"][:], old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "new", "pairs.zarr"]


def test_exports_that_cannot_be_are_refused_first(base, tmp_path) -> None:
    with pytest.raises(InputError, match=r"wanted a name that ends in \.zarr"):
        make_data_set([base / "one"], tmp_path / "d", CONFIG, export=tmp_path / "pairs.h5")
    with pytest.raises(FileAccessError, match="is not a folder that can be written to"):
        make_data_set([base / "one"], tmp_path / "d", CONFIG, export=tmp_path / "no" / "pairs.zarr")
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="is no export that `cemvis dataset` wrote"):
        make_data_set([base / "one"], tmp_path / "d", CONFIG, export=tmp_path / "mine.zarr", overwrite=True)
    assert (tmp_path / "mine.zarr" / "thesis.txt").read_text() == "precious"
    image = tifffile.imread(base / "two" / "before.tif").astype(np.uint16) * 16
    save_mosaic(base / "two" / "before.tif", image)
    with pytest.raises(InputError, match="one has windows of 30 px in uint8, two of 30 px in uint16"):
        make_data_set([base / "one", base / "two"], tmp_path / "d", CONFIG, export=tmp_path / "p.zarr")
    assert not (tmp_path / "d").exists()


def save_zarr(folder: Path, image: np.ndarray) -> Path:
    """Write an OME-Zarr mosaic in format 2; its root is a group like that of an export."""
    group = zarr.create_group(folder, zarr_format=2)
    array = group.create_array("0", shape=image.shape, dtype=image.dtype, chunks=(128, 128))
    array[:] = image
    scale = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [PIXEL_UM, PIXEL_UM]}]}
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [scale]}]
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_no_export_replaces_a_store_of_another(base, tmp_path) -> None:
    image = tifffile.imread(base / "one" / "before.tif")
    mosaic = save_zarr(tmp_path / "mosaic.zarr", image)
    other = save_zarr(tmp_path / "other.zarr", image[:50])
    area = Area("one", mosaic, base / "one" / "indents.csv")
    before = contents(tmp_path)
    for target in (mosaic, other):
        with pytest.raises(InputError, match="is no export that `cemvis dataset` wrote"):
            make_data_set([], tmp_path / "data", CONFIG, areas=[area], export=target, overwrite=True)
    for text in ("", "[]", "3", '{"format": "another"}'):
        (other / ".zattrs").write_text(text)
        with pytest.raises(InputError, match="is no export"):
            make_data_set([], tmp_path / "data", CONFIG, areas=[area], export=other, overwrite=True)
    (other / ".zattrs").write_bytes(before["other.zarr/.zattrs"])
    assert contents(tmp_path) == before
    make_data_set([], tmp_path / "data", CONFIG, areas=[area], export=tmp_path / "e.zarr")
    make_data_set([], tmp_path / "data", CONFIG, areas=[area], export=tmp_path / "e.zarr", overwrite=True)
    assert zarr.open_group(tmp_path / "e.zarr", mode="r").attrs["format"] == "cemvis data set with its windows"


def test_no_export_goes_where_the_data_set_comes_from(base, tmp_path) -> None:
    make_data_set([base / "two"], tmp_path / "first", CONFIG, export=tmp_path / "export.zarr")
    outer = tmp_path / "export.zarr"  # an export by its mark, with inputs put into it
    shutil.copytree(base / "one", outer / "one")
    mosaic = save_zarr(tmp_path / "mosaic.zarr", tifffile.imread(base / "one" / "before.tif"))
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    table = base / "one" / "indents.csv"
    before = contents(tmp_path)
    for folders, areas, export, word in (
        ([outer / "one"], [], outer, "would take the place of"),
        ([], [Area("a", outer / "one" / "before.tif", table)], outer, "would take the place of"),
        ([], [Area("a", base / "one" / "before.tif", outer / "one" / "indents.csv")], outer, "would take the place of"),
        ([], [Area("a", mosaic, table)], mosaic / "pairs.zarr", "lies inside"),
        ([], [Area("a", mosaic, table)], tmp_path / "link" / "mosaic.zarr" / "pairs.zarr", "lies inside"),
        ([base / "one"], [], base / "one" / "pairs.zarr", "lies inside"),
    ):
        with pytest.raises(InputError, match=word):
            make_data_set(folders, tmp_path / "data", CONFIG, areas=areas, export=export, overwrite=True)
    named = tmp_path / "named.zarr"
    shutil.copytree(base / "one", named)
    with pytest.raises(InputError, match="is no export"):
        make_data_set([named], tmp_path / "data", CONFIG, export=named, overwrite=True)
    shutil.rmtree(named)
    with pytest.raises(InputError, match="would take the place of the data set's own folder"):
        make_data_set([base / "one"], tmp_path / "d.zarr", CONFIG, export=tmp_path / "d.zarr")
    assert contents(tmp_path) == before
