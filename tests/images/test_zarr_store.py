from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from cemvis.errors import FileFormatError, PixelSizeError
from cemvis.images import open_micrograph

RNG = np.random.default_rng(4)
GREY = RNG.integers(0, 256, (90, 110), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (90, 110), dtype=np.uint16)


def write_ome(path, image, *, scale, unit="micrometer", version="0.5", leading=()):
    zarr_format = 3 if version == "0.5" else 2
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    shape = (*leading, *image.shape)
    group.create_array("0", data=image.reshape(shape), chunks=(*leading, 32, 40))
    group.create_array("1", data=image[::2, ::2].reshape((*leading, 45, 55)))
    axes = [{"name": name, "type": "space"} for name in "tczyx"[-len(shape) :]]
    if unit:
        axes[-1]["unit"] = axes[-2]["unit"] = unit
    levels = [
        {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": [1.0] * len(leading) + s}]}
        for i, s in ((0, scale), (1, [2 * one for one in scale]))
    ]
    multiscales = [{"version": version, "axes": axes, "datasets": levels}]
    attributes = {"multiscales": multiscales}
    group.attrs.update({"ome": {"version": version, **attributes}} if zarr_format == 3 else attributes)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("image", [GREY, DEEP], ids=["uint8", "uint16"])
def test_plain_arrays(tmp_path, zarr_format, image):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=image, chunks=(32, 40), zarr_format=zarr_format)
    with open_micrograph(path) as micrograph:
        assert (micrograph.shape, micrograph.dtype, micrograph.chunk_shape) == ((90, 110), image.dtype, (32, 40))
        assert micrograph.pixel_size is None
        assert micrograph.format == "Zarr"
        for row, col, rows, cols in [(0, 0, 90, 110), (31, 39, 2, 2), (89, 0, 1, 110)]:
            window = micrograph.read(row, col, rows, cols)
            assert window.flags.c_contiguous
            assert np.array_equal(window, image[row : row + rows, col : col + cols])


def test_big_endian_values_come_out_native(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=DEEP.astype(">u2"), chunks=(32, 40), zarr_format=2)
    with open_micrograph(tmp_path / "a.zarr") as micrograph:
        window = micrograph.read(0, 0, 90, 110)
    assert window.dtype.isnative
    assert np.array_equal(window, DEEP)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("leading", [(), (1, 1, 1)])
def test_the_full_size_level_of_ome_zarr_with_its_pixel_size(tmp_path, version, leading):
    write_ome(tmp_path / "a.zarr", DEEP, scale=[40.0, 40.0], unit="nanometer", version=version, leading=leading)
    with open_micrograph(tmp_path / "a.zarr") as micrograph:
        assert micrograph.format == "OME-Zarr"
        assert np.array_equal(micrograph.read(0, 0, 90, 110), DEEP)
        assert micrograph.pixel_size.um == pytest.approx(0.04)
        assert micrograph.pixel_size.source == "OME-Zarr"


def test_a_scale_without_a_unit_is_no_pixel_size(tmp_path):
    write_ome(tmp_path / "a.zarr", GREY, scale=[0.04, 0.04], unit=None)
    with open_micrograph(tmp_path / "a.zarr") as micrograph:
        assert micrograph.pixel_size is None
    write_ome(tmp_path / "b.zarr", GREY, scale=[0.04, 0.05])
    with pytest.raises(PixelSizeError, match=r"0\.05 x 0\.04 um"):
        open_micrograph(tmp_path / "b.zarr")


def test_what_is_not_one_grey_image_is_refused(tmp_path):
    zarr.create_array(tmp_path / "stack.zarr", data=np.stack([GREY] * 3))
    zarr.create_array(tmp_path / "line.zarr", data=GREY[0])
    zarr.create_array(tmp_path / "float.zarr", data=GREY.astype(float))
    zarr.create_array(tmp_path / "empty.zarr", shape=(0, 10), dtype="uint8")
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    for name, says in [
        ("stack", r"shape \(3, 90, 110\)"),
        ("line", r"shape \(110,\)"),
        ("float", "float64"),
        ("empty", "0 x 10 px"),
        ("group", "without OME-Zarr multiscales"),
    ]:
        with pytest.raises(FileFormatError, match=says):
            open_micrograph(tmp_path / f"{name}.zarr")


def test_damage_gives_one_line(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=GREY, chunks=(32, 40))
    chunk = path / "c" / "1" / "1"
    chunk.write_bytes(b"\xa5" * 40)
    with open_micrograph(path, info_bar=False) as micrograph:
        assert np.array_equal(micrograph.read(0, 0, 32, 110), GREY[:32])
        with pytest.raises(FileFormatError, match="rows 30-39, columns 30-49 do not decode"):
            micrograph.read(30, 30, 10, 20)
    described = json.loads((path / "zarr.json").read_text())
    described["codecs"] = [{"name": "nonsense"}]
    for content in (json.dumps(described), "{", ""):
        (path / "zarr.json").write_text(content)
        with pytest.raises(FileFormatError) as caught:
            open_micrograph(path)
        assert "\n" not in str(caught.value)


def test_the_digest_covers_every_file(tmp_path):
    path = tmp_path / "a.zarr"

    def digest():
        with open_micrograph(path, info_bar=False) as micrograph:
            return micrograph.digest()

    zarr.create_array(path, data=GREY, chunks=(32, 40))
    first = digest()
    assert digest() == first
    (path / "c" / "0" / "0").rename(path / "c" / "0" / "9")
    assert digest() != first
