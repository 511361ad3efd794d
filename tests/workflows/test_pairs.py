from __future__ import annotations

import numpy as np
import pytest

from areas import PIXEL_UM, WINDOW_PX, WINDOW_UM, make_area, save_mosaic, window_mean
from cemvis.errors import CemvisError, GreyScaleError, InputError, PixelSizeError
from cemvis.images.grey_scale import GreyScale
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows import pairs as module
from cemvis.workflows.pairs import Area, mean_grey_at, pair_area

BOTH = ("modulus", "hardness")


@pytest.fixture
def folder(tmp_path):
    make_area(tmp_path / "area-1")
    return tmp_path / "area-1"


def paired(folder, **options):
    return pair_area(Area.in_folder(folder), **{"properties": BOTH, "window_um": WINDOW_UM} | options)


def change_table(folder, change) -> None:
    import pandas as pd

    table = pd.read_csv(folder / "indents.csv")
    change(table).to_csv(folder / "indents.csv", index=False)


def test_mean_grey_is_that_of_the_window_around_each_indent(folder) -> None:
    found = paired(folder)
    with open_micrograph(folder / "before.tif") as micrograph:
        image = micrograph.read(0, 0, *micrograph.shape)
    plain = [window_mean(image, x, y) for x, y in zip(found.indents.x_um, found.indents.y_um, strict=True)]
    np.testing.assert_allclose(found.mean_grey, plain, rtol=1e-14)
    assert (found.window_px, found.at_border, len(plain)) == (WINDOW_PX, 0, 648)
    assert (found.pixel_size.um, found.pixel_size.source) == (PIXEL_UM, "resolution tags")
    assert found.area.name == "area-1"
    assert found.anchors.matrix == pytest.approx(110, abs=3)
    assert found.anchors.clinker == pytest.approx(210, abs=3)


@pytest.mark.parametrize("tile", [(64, 64), None])
@pytest.mark.parametrize("block_px", [70, 300, 8192])
def test_blocks_of_any_size_give_the_same_means(tmp_path, monkeypatch, block_px, tile) -> None:
    import tifffile

    rng = np.random.default_rng(4)
    image = rng.integers(0, 65536, (331, 457)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "m.tif", image, tile=tile, rowsperstrip=None if tile else 16)
    corners = np.column_stack([rng.integers(0, 331 - 21, 200), rng.integers(0, 457 - 21, 200)])
    monkeypatch.setattr(module, "BLOCK_PX", block_px)
    with open_micrograph(tmp_path / "m.tif") as micrograph:
        found = mean_grey_at(micrograph, corners, window_px=21, threads=2)
    np.testing.assert_allclose(found, [image[r : r + 21, c : c + 21].mean() for r, c in corners], rtol=1e-14)


def test_a_block_is_all_that_is_read_at_a_time(monkeypatch) -> None:
    read = []

    class Watched(Micrograph):
        def read(self, row, col, rows, cols, *, threads=1):
            read.append((rows, cols))
            return super().read(row, col, rows, cols, threads=threads)

    micrograph = Watched.from_array(np.zeros((2000, 2000), np.uint8), pixel_size=None)
    micrograph.chunk_shape = (64, 64)
    monkeypatch.setattr(module, "BLOCK_PX", 256)
    corners = np.random.default_rng(0).integers(0, 1970, (500, 2))
    mean_grey_at(micrograph, corners, window_px=30)
    assert max(max(shape) for shape in read) < 256 + 30
    assert len(read) <= 64


def test_windows_across_the_border_are_left_out_and_counted(folder) -> None:
    change_table(folder, lambda table: table.assign(x_um=table.x_um.mask(table.index < 5, table.index * 0.2)))
    found = paired(folder)
    assert found.at_border == 5
    assert len(found.indents) == len(found.mean_grey) == 643


def test_an_even_window_is_centred_to_half_a_pixel(tmp_path) -> None:
    image = np.zeros((50, 50), np.uint8)
    image[20:30, 20:30] = 100
    save_mosaic(tmp_path / "m.tif", image)
    line = f"{24.5 * PIXEL_UM},{24.5 * PIXEL_UM}"
    (tmp_path / "i.csv").write_text(f"x_um,y_um,modulus_gpa,batch\n{line},20,a\n")
    area = Area("one", tmp_path / "m.tif", tmp_path / "i.csv")
    scale = GreyScale(matrix=50, clinker=90)
    found = pair_area(area, properties=("modulus",), window_um=10 * PIXEL_UM, anchors=scale)
    assert found.mean_grey.tolist() == [100.0]
    assert (found.anchors, found.fit) == (scale, None)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (1 / PIXEL_UM, "they look like pixels (wanted um)"),
        (1000, "they look like nm (wanted um)"),
        (
            -1,
            "648 of 648 indents lie off before.tif (124 x 64 um at 100 nm per px, resolution tags); some are negative",
        ),
        (1 / 1000, "less than one window of 3 um; do x_um and y_um hold mm? (wanted um)"),
    ],
)
def test_positions_in_another_unit_are_refused_with_the_likely_cause(folder, factor, message) -> None:
    change_table(folder, lambda table: table.assign(x_um=table.x_um * factor, y_um=table.y_um * factor))
    with pytest.raises(InputError) as caught:
        paired(folder)
    assert message in str(caught.value)
    assert "indents.csv" in str(caught.value)


def test_one_indent_off_the_mosaic_is_refused(folder) -> None:
    change_table(folder, lambda table: table.assign(x_um=table.x_um.mask(table.index == 7, 5000.0)))
    with pytest.raises(InputError, match=r"1 of 648 indents lie off before\.tif .* is this the mosaic"):
        paired(folder)


@pytest.mark.parametrize("window_um", [0.1, 70.0])
def test_a_window_that_does_not_fit_is_refused(folder, window_um) -> None:
    with pytest.raises(InputError, match="wanted at least 2 px and at most the mosaic's 640 x 1240 px"):
        paired(folder, window_um=window_um)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [({"recipe": "wc040", "seed": 3}, "recipe wc040, seed 3"), ({}, "a virtual specimen")],
)
def test_a_virtual_mosaic_says_so_itself(tmp_path, origin, expected) -> None:
    raster = Raster("BSE", "Virtual backscattered-electron image before indentation.", PIXEL_UM, origin=origin)
    image = np.zeros((16, 16), np.uint8)
    write_ome_tiff(tmp_path / "before.tif", [image], shape=image.shape, dtype="uint8", raster=raster)
    assert Area.in_folder(tmp_path).virtual == expected


def test_a_mosaic_of_real_paste_is_not_virtual(folder) -> None:
    assert Area.in_folder(folder).virtual == ""


def test_without_a_pixel_size_nothing_is_guessed(folder) -> None:
    import tifffile

    image = tifffile.imread(folder / "before.tif")
    tifffile.imwrite(folder / "before.tif", image)
    with pytest.raises(PixelSizeError):
        paired(folder)
    assert paired(folder, pixel_size=PixelSize(PIXEL_UM, "option")).pixel_size.source == "option"


def test_a_mosaic_without_clinker_asks_for_anchors(folder) -> None:
    rng = np.random.default_rng(0)
    save_mosaic(folder / "before.tif", rng.normal(110, 5, (640, 1240)).astype(np.uint8))
    with pytest.raises(GreyScaleError, match="give the grey levels by --anchors MATRIX,CLINKER"):
        paired(folder)
    given = GreyScale(matrix=110, clinker=200)
    assert paired(folder, anchors=given).anchors == given


def test_a_damaged_mosaic_is_one_clear_line(folder) -> None:
    data = (folder / "before.tif").read_bytes()
    (folder / "before.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(CemvisError, match=r"before\.tif") as caught:
        paired(folder)
    assert "\n" not in str(caught.value)
