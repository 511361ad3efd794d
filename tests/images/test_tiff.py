from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile

from cemvis.images import open_micrograph
from cemvis.images.segments import FileBytes

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (150, 203), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (150, 203), dtype=np.uint16)
SMOOTH = (100 + 50 * np.sin(np.arange(203) / 20) + np.arange(150)[:, None] / 3).astype(np.uint8)
WINDOWS = [(0, 0, 150, 203), (0, 0, 1, 1), (149, 202, 1, 1), (31, 63, 34, 66), (64, 0, 32, 203), (7, 100, 143, 3)]

LAYOUTS = {
    "one strip": {},
    "strips": {"rowsperstrip": 16},
    "rows": {"rowsperstrip": 1},
    "tiles": {"tile": (32, 64)},
    "big": {"tile": (32, 64), "bigtiff": True},
    "big endian": {"rowsperstrip": 16, "byteorder": ">"},
    "big endian tiles": {"tile": (32, 64), "byteorder": ">"},
    "lzw strips": {"rowsperstrip": 16, "compression": "lzw", "predictor": True},
    "lzw tiles": {"tile": (32, 64), "compression": "lzw"},
    "deflate": {"tile": (48, 48), "compression": "zlib", "predictor": True},
    "deflate big endian": {"tile": (48, 48), "compression": "zlib", "predictor": True, "byteorder": ">"},
    "zstd": {"tile": (64, 64), "compression": "zstd"},
    "packbits": {"rowsperstrip": 10, "compression": "packbits"},
    "lzma": {"compression": "lzma"},
    "ome": {"ome": True, "tile": (32, 64)},
}


def assert_reads_as(path, image):
    with open_micrograph(path) as micrograph:
        assert micrograph.shape == image.shape
        assert micrograph.dtype == image.dtype
        for row, col, rows, cols in WINDOWS:
            for threads in (1, 3):
                window = micrograph.read(row, col, rows, cols, threads=threads)
                assert window.flags.c_contiguous
                assert window.flags.writeable
                assert window.dtype == image.dtype
                assert np.array_equal(window, image[row : row + rows, col : col + cols])


@pytest.mark.parametrize("image", [GREY, DEEP], ids=["uint8", "uint16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_window_of_every_layout_is_the_pixels(tmp_path, image, layout):
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", **LAYOUTS[layout])
    assert_reads_as(tmp_path / "a.tif", image)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 16}, {"tile": (32, 64), "compression": "zlib"}], ids=str)
@pytest.mark.parametrize("alpha", [False, True])
def test_colours_that_are_grey(tmp_path, planar, options, alpha):
    stack = [GREY] * 3 + [np.full_like(GREY, 255)] * alpha
    image = np.stack(stack, axis=0 if planar == "separate" else -1)
    extra = {"extrasamples": ["unassalpha"]} if alpha else {}
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", planarconfig=planar, **options, **extra)
    assert_reads_as(tmp_path / "a.tif", GREY)


def test_grey_with_alpha(tmp_path):
    image = np.stack([DEEP, np.full_like(DEEP, 65535)], axis=-1)
    options = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    assert_reads_as(tmp_path / "a.tif", DEEP)


def test_white_is_zero_is_turned_round(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", 255 - GREY, photometric="miniswhite", rowsperstrip=16)
    assert_reads_as(tmp_path / "a.tif", GREY)


@pytest.mark.parametrize("scale", [256, 257])
def test_a_palette_that_is_grey(tmp_path, scale):
    ramp = np.arange(256)[::-1].astype(np.uint16) * scale
    tifffile.imwrite(tmp_path / "a.tif", 255 - GREY, photometric="palette", colormap=np.stack([ramp] * 3))
    assert_reads_as(tmp_path / "a.tif", GREY)


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])  # the latter is stored as YCbCr
def test_jpeg_inside_tiff(tmp_path, photometric):
    image = SMOOTH if photometric == "minisblack" else np.stack([SMOOTH] * 3, axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(64, 64), compression="jpeg", photometric=photometric)
    with open_micrograph(tmp_path / "a.tif") as micrograph:
        pixels = micrograph.read(0, 0, 150, 203)
        assert "JPEG" in micrograph.layout
    assert np.abs(pixels.astype(int) - SMOOTH).max() <= 8


def test_the_first_page_of_the_largest_size_is_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(GREY[::4, ::4].copy())
        tiff.write(GREY)
        tiff.write(255 - GREY)
        tiff.write(np.vstack([GREY, GREY]), subfiletype=1)  # flagged as a reduced copy of another page
    assert_reads_as(tmp_path / "a.tif", GREY)
    with open_micrograph(tmp_path / "a.tif") as micrograph:
        assert micrograph.notes == ("page 2 of 4 is read: the first of the largest size",)


def test_an_orientation_tag_is_told_and_not_applied(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, "H", 1, 6, True)])
    assert_reads_as(tmp_path / "a.tif", GREY)
    with open_micrograph(tmp_path / "a.tif") as micrograph:
        assert "orientation tag 6" in micrograph.notes[0]


def test_chunks_tell_what_must_be_read_whole(tmp_path):
    def chunk(**options):
        tifffile.imwrite(tmp_path / "a.tif", GREY, **options)
        with open_micrograph(tmp_path / "a.tif") as micrograph:
            return micrograph.chunk_shape

    assert chunk() == (1, 203)
    assert chunk(rowsperstrip=16) == (1, 203)
    assert chunk(rowsperstrip=16, compression="zlib") == (16, 203)
    assert chunk(tile=(32, 64)) == (32, 64)
    assert chunk(compression="zlib", rowsperstrip=150) == (150, 203)


def test_threads_may_read_at_once(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, tile=(32, 32), compression="zlib")
    start = threading.Barrier(4)

    def read_all(micrograph):
        start.wait()
        return all(
            np.array_equal(micrograph.read(r, c, 40, 50), DEEP[r : r + 40, c : c + 50])
            for r in range(0, 110, 13)
            for c in range(0, 153, 17)
        )

    with open_micrograph(tmp_path / "a.tif") as micrograph, ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read_all, [micrograph] * 4))


# What a mosaic of 67,500 x 85,000 px costs to look at.
ROWS, COLS = 67_500, 85_000


@pytest.fixture
def reads(monkeypatch):
    """Every (offset, bytes) that is read from then on."""
    seen = []
    original = FileBytes.read_into

    def read_into(self, buffer, offset):
        seen.append((offset, len(buffer)))
        original(self, buffer, offset)

    monkeypatch.setattr(FileBytes, "read_into", read_into)
    return seen


@pytest.mark.skipif(sys.platform == "win32", reason="the file would take 5.7 GB: it is not sparse there")
def test_a_window_of_a_gigapixel_of_strips_reads_only_its_own_bytes(tmp_path, reads):
    path = tmp_path / "mosaic.tif"
    mapped = tifffile.memmap(path, shape=(ROWS, COLS), dtype=np.uint8, bigtiff=True)  # a sparse file
    mark = RNG.integers(1, 256, (40, 50), dtype=np.uint8)
    mapped[60_000:60_040, 80_000:80_050] = mark
    mapped.flush()
    mapped._mmap.close()
    with open_micrograph(path) as micrograph:
        assert (micrograph.shape, micrograph.format) == ((ROWS, COLS), "BigTIFF")
        assert reads == []
        assert np.array_equal(micrograph.read(60_000, 80_000, 40, 50), mark)
    assert sum(count for _, count in reads) == 40 * 50


def test_a_window_of_a_gigapixel_of_tiles_reads_only_the_tiles_it_meets(tmp_path, reads):
    path = tmp_path / "mosaic.tif"
    tile = 1024
    across, down = -(-COLS // tile), -(-ROWS // tile)
    mark = RNG.integers(1, 256, (tile, tile), dtype=np.uint8)
    written = {(0, 0), (58, 78), (58, 79), (59, 78)}
    tiles = (mark if (i, j) in written else None for i in range(down) for j in range(across))
    tifffile.imwrite(
        path, tiles, shape=(ROWS, COLS), dtype=np.uint8, tile=(tile, tile), bigtiff=True, compression="zlib"
    )
    assert path.stat().st_size < 10_000_000
    with open_micrograph(path) as micrograph:
        assert micrograph.chunk_shape == (tile, tile)
        assert reads == []
        window = micrograph.read(59 * tile - 10, 79 * tile - 20, 30, 50)
        assert len(reads) == 3  # of the four tiles it meets, one was never written
        expected = np.zeros((30, 50), np.uint8)
        expected[:10, :20], expected[:10, 20:] = mark[-10:, -20:], mark[-10:, :30]
        expected[10:, :20] = mark[:20, -20:]
        assert np.array_equal(window, expected)
        micrograph.read(59 * tile - 8, 79 * tile - 8, 20, 20)
        assert len(reads) == 3  # decoded before
