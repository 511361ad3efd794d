"""Each bad input gives one clear line."""

from __future__ import annotations

import shutil
import struct
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from cemvis.errors import CemvisError, CemvisWarning, FileAccessError, FileFormatError, InputError, PixelSizeError
from cemvis.images import PixelSize, open_micrograph

RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (64, 80), dtype=np.uint8)


def line_of(kind, path, **options):
    """Return the one line that opening and reading a file ends with."""
    with pytest.raises(kind) as caught, open_micrograph(path, **options) as micrograph:
        micrograph.read(0, 0, *micrograph.shape)
    line = str(caught.value)
    assert "\n" not in line
    assert 20 < len(line) < 330
    return line


def test_a_missing_file(tmp_path):
    assert "No such file" in line_of(FileAccessError, tmp_path / "none.tif")
    assert issubclass(FileAccessError, OSError)


def test_a_folder(tmp_path):
    assert "folder without a Zarr store" in line_of(FileFormatError, tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"just some text, no image", "not an image"),
        (b"BM\x00\x00", "BMP"),
        (b"PK\x03\x04....", "ZIP"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"GIF89a", "GIF"),
    ],
)
def test_something_else_under_an_images_name(tmp_path, content, says):
    (tmp_path / "a.tif").write_bytes(content)
    assert says in line_of(FileFormatError, tmp_path / "a.tif")


def test_a_wrong_suffix_does_no_harm(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    shutil.move(tmp_path / "a.png", tmp_path / "a.tif")
    with open_micrograph(tmp_path / "a.tif") as micrograph:
        assert micrograph.format == "PNG"
        assert np.array_equal(micrograph.read(0, 0, 64, 80), GREY)


@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 8}, {"tile": (16, 16), "compression": "zlib"}], ids=str)
def test_a_tiff_cut_anywhere_gives_a_line(tmp_path, options):
    tifffile.imwrite(tmp_path / "whole.tif", GREY, **options)
    content = (tmp_path / "whole.tif").read_bytes()
    path = tmp_path / "cut.tif"
    lines = set()
    for size in [*range(4, 300, 7), *range(300, len(content) - 1, 211), len(content) - 1]:
        path.write_bytes(content[:size])
        lines.add(line_of(FileFormatError, path).split(" is ")[-1].split(" (")[0][:20])
    assert any(line.startswith("truncated") for line in lines)


def test_bytes_turned_over_never_end_in_a_foreign_error(tmp_path):
    tifffile.imwrite(tmp_path / "whole.tif", GREY, tile=(16, 16), compression="zlib")
    content = (tmp_path / "whole.tif").read_bytes()
    path = tmp_path / "bad.tif"
    lines = []
    for _ in range(300):
        damaged = bytearray(content)
        for at in RNG.integers(4, 700, 4):
            damaged[at] = RNG.integers(0, 256)
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CemvisWarning)
                with open_micrograph(path) as micrograph:
                    if micrograph.shape[0] * micrograph.shape[1] < 1e7:
                        micrograph.read(0, 0, *micrograph.shape)
        except CemvisError as error:
            lines.append(str(error))
    assert len(lines) > 50
    assert not any("\n" in line for line in lines)


def test_a_corrupt_tile_is_named_and_the_others_still_read(tmp_path, caplog):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, tile=(32, 32), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[4], tiff.pages[0].databytecounts[4]
    content = bytearray(path.read_bytes())
    content[offset : offset + count] = b"\xa5" * count
    path.write_bytes(content)
    assert "the tile at row 32, column 32 does not decode" in line_of(FileFormatError, path)
    with open_micrograph(path, info_bar=False) as micrograph:
        assert np.array_equal(micrograph.read(0, 0, 32, 80), GREY[:32])
    assert [record for record in caplog.records if record.name != "tifffile"] == []


def test_oddities_are_not_printed(tmp_path, capfd):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, extratags=[(34682, "s", 0, "not an ini file", True), (700, "B", 3, b"\0\0\0", True)])
    content = path.read_bytes().replace(struct.pack("<HH", 296, 3), struct.pack("<HH", 296, 99))
    path.write_bytes(content)  # a tag of an unknown type
    with open_micrograph(path) as micrograph:
        assert np.array_equal(micrograph.read(0, 0, 64, 80), GREY)
    assert capfd.readouterr() == ("", "")


def test_rgb_that_is_not_grey_is_refused_where_it_is_looked_at_or_read(tmp_path):
    image = np.stack([np.tile(GREY, (10, 10))] * 3, axis=-1)
    image[0, 0] = (10, 20, 30)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(64, 64))
    line = line_of(FileFormatError, tmp_path / "a.tif")
    assert "row 0, column 0 has the colour (10, 20, 30)" in line
    image[0, 0], image[200, 301] = 7, (10, 20, 30)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(64, 64))
    with open_micrograph(tmp_path / "a.tif") as micrograph:
        micrograph.read(0, 0, 200, 800)
        with pytest.raises(FileFormatError, match="row 200, column 301"):
            micrograph.read(190, 290, 20, 20)


def test_transparency_and_coloured_palettes_are_refused(tmp_path):
    image = np.stack([GREY] * 3 + [np.full_like(GREY, 255)], axis=-1)
    image[3, 5, 3] = 254
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["unassalpha"])
    assert "row 3, column 5 is transparent" in line_of(FileFormatError, tmp_path / "a.tif")
    colours = np.stack([np.arange(256, dtype=np.uint16) * 257] * 3)
    colours[0, 77] = 0
    image = GREY.copy()
    image[image == 77] = 78
    image[2, 9] = 77
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="palette", colormap=colours)
    assert "row 2, column 9 has a palette colour" in line_of(FileFormatError, tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_float_images_are_refused_and_a_nan_is_named(tmp_path, kind):
    image = GREY.astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", image)
    line = line_of(FileFormatError, tmp_path / "a.tif")
    assert kind in line
    assert "export it as 8 or 16 bit" in line
    assert "NaN" not in line
    image[60, 70] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", image, compression="zlib")
    assert "some of them NaN" in line_of(FileFormatError, tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["bool", "uint32", "int32", "int16", "int8", "uint64", "complex64"])
def test_other_kinds_of_numbers_are_refused(tmp_path, kind):
    tifffile.imwrite(tmp_path / "a.tif", (GREY > 100).astype(kind), photometric="minisblack")
    line_of(FileFormatError, tmp_path / "a.tif")


def test_colours_of_other_kinds_and_volumes_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY] * 4, axis=-1), photometric="separated")
    assert "SEPARATED" in line_of(FileFormatError, tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY] * 16), volumetric=True, tile=(16, 16, 16))
    assert "16 slices" in line_of(FileFormatError, tmp_path / "a.tif")


def test_an_absurd_size_is_refused_before_any_memory_is_taken(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, rowsperstrip=64, compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tiff.pages[0].tags[name].overwrite(2_000_000_000)
    assert "px" in line_of(FileFormatError, path)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tiff.pages[0].tags[name].overwrite(60_000)
    assert "save it in tiles" in line_of(FileFormatError, path)


def test_a_tiff_without_pixels(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["ImageLength"].overwrite(0)
    line_of(FileFormatError, path)


def test_an_unknown_compression(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(4242)
    line_of(FileFormatError, path)


def test_no_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    with open_micrograph(tmp_path / "a.tif") as micrograph:
        assert micrograph.pixel_size is None
        with pytest.raises(PixelSizeError, match=r"does not say its pixel size; give one .* --pixel-size '40 nm'"):
            micrograph.require_pixel_size()
    size = PixelSize(0.04, "option")
    with open_micrograph(tmp_path / "a.tif", pixel_size=size) as micrograph:
        assert micrograph.require_pixel_size() == size


@pytest.mark.parametrize(
    "window", [(0, 0, 65, 1), (0, 80, 1, 1), (-1, 0, 2, 2), (0, 0, 0, 5), (5, 5, -1, 2), (64, 0, 1, 1)]
)
def test_a_window_outside_the_image(tmp_path, window):
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    with open_micrograph(tmp_path / "a.tif") as micrograph, pytest.raises(InputError, match="64 x 80 px"):
        micrograph.read(*window)


def test_a_closed_micrograph_says_so(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    with open_micrograph(tmp_path / "a.tif") as micrograph:
        pass
    micrograph.close()
    with pytest.raises(InputError, match="was closed"):
        micrograph.read(0, 0, 1, 1)
