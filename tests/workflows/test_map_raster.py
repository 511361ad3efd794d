from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from cemvis.errors import FileAccessError
from cemvis.workflows._map_plan import CellGrid
from cemvis.workflows._map_raster import RasterText, write_ome_tiff

TEXT = RasterText("Modulus (GPa)", "Made up.", {"mosaic": "none"})


def write(path: Path, values: np.ndarray) -> None:
    rows, cols = values.shape
    grid = CellGrid((rows * 10, cols * 10), 0.04, window_px=10, step_px=10)
    assert grid.shape == values.shape
    write_ome_tiff(
        path, lambda first, last: values[first:last], grid=grid, dtype=values.dtype.name, text=TEXT, software="cemvis"
    )


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (17, 3), (256, 257), (300, 700)])
def test_values_come_back_to_the_bit(shape: tuple[int, int], tmp_path: Path) -> None:
    values = np.random.default_rng(4).normal(size=shape).astype(np.float32)
    values.flat[0] = np.nan
    write(tmp_path / "map.ome.tif", values)
    with tifffile.TiffFile(tmp_path / "map.ome.tif") as tiff:
        np.testing.assert_array_equal(tiff.asarray(), values)
        assert tiff.is_ome
        page = tiff.pages[0]
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.tags["Software"].value == "cemvis"
        assert page.get_resolution("micrometer") == pytest.approx((2.5, 2.5))


def test_same_values_are_the_same_file(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    write(tmp_path / "one.ome.tif", values)
    write(tmp_path / "two.ome.tif", values)
    assert (tmp_path / "one.ome.tif").read_bytes() == (tmp_path / "two.ome.tif").read_bytes()


def test_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="cannot write"):
        write(tmp_path / "absent" / "map.ome.tif", np.zeros((2, 2), np.float32))
