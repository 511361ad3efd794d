from __future__ import annotations

import numpy as np
import pytest
import tifffile

from cemvis.errors import FileAccessError, InputError
from cemvis.images.micrograph import open_micrograph
from cemvis.images.ome_tiff import Raster, read_description, write_ome_tiff

SHAPE = (1100, 700)  # more than one tile each way, none of them full
IMAGE = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
RASTER = Raster("BSE", "An image.", 0.04, (1.5, -2.25), {"seed": 3, "recipe": "wc040"})


def write(path, bands=(IMAGE,), *, shape=SHAPE, dtype="uint8", raster=RASTER) -> bytes:
    write_ome_tiff(path, bands, shape=shape, dtype=dtype, raster=raster)
    return path.read_bytes()


def uuid_in(path) -> str:
    with tifffile.TiffFile(path) as tiff:
        return tiff.ome_metadata.split('UUID="')[1].split('"')[0]


def test_pixels_size_place_and_origin_are_read_back(tmp_path) -> None:
    path = tmp_path / "a.tif"
    write(path)
    np.testing.assert_array_equal(tifffile.imread(path), IMAGE)
    with open_micrograph(path) as micrograph:
        assert (micrograph.format, micrograph.pixel_size.um, micrograph.pixel_size.source) == ("OME-TIFF", 0.04, "OME")
    with tifffile.TiffFile(path) as tiff:
        plane = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]["Plane"]
        assert tiff.pages[0].get_resolution("MICROMETER") == pytest.approx((25, 25))
    assert (plane["PositionX"], plane["PositionXUnit"]) == (1.5, "\N{MICRO SIGN}m")
    assert (plane["PositionY"], plane["PositionYUnit"]) == (-2.25, "\N{MICRO SIGN}m")
    assert read_description(path) == 'An image. {"recipe": "wc040", "seed": 3}'


@pytest.mark.parametrize("heights", [[1100], [512, 512, 76], [1, 511, 513, 75], [0, 600, 0, 500], [100] * 11])
def test_bands_of_any_height_give_the_same_bytes(tmp_path, heights) -> None:
    ends = np.cumsum(heights)
    bands = (IMAGE[end - height : end] for height, end in zip(heights, ends, strict=True))
    assert write(tmp_path / "a.tif", bands) == write(tmp_path / "b.tif")


def test_images_that_differ_in_what_they_are_of_differ_in_their_uuid(tmp_path) -> None:
    small = IMAGE[:16, :16]
    writes = [
        {},
        {"bands": [IMAGE[:16, :32]], "shape": (16, 32)},
        {"bands": [small.astype(np.uint16)], "dtype": "uint16"},
        {"raster": Raster("BSE", "An image.", 0.05, (1.5, -2.25), RASTER.origin)},
        {"raster": Raster("BSE", "An image.", 0.04, (1.5, 0.0), RASTER.origin)},
        {"raster": Raster("Phase", "An image.", 0.04, (1.5, -2.25), RASTER.origin)},
        {"raster": Raster("BSE", "An image.", 0.04, (1.5, -2.25), {"seed": 4})},
    ]
    for number, changed in enumerate(writes):
        write(tmp_path / f"{number}.tif", **{"bands": [small], "shape": (16, 16)} | changed)
    assert len({uuid_in(tmp_path / f"{number}.tif") for number in range(len(writes))}) == len(writes)


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ([], "the bands have 0 rows together; wanted 1100"),
        ([IMAGE[:1099]], "the bands have 1099 rows together; wanted 1100"),
        ([IMAGE, IMAGE[:1]], "the bands have at least 1101 rows together; wanted 1100"),
        ([IMAGE[:, :1]], r"the band at row 0 is uint8 of shape \(1100, 1\); wanted uint8, \(any rows, 700\)"),
        ([IMAGE[:5], IMAGE[5:].astype(np.uint16)], "the band at row 5 is uint16"),
        ([IMAGE[0]], r"of shape \(700,\)"),
    ],
)
def test_bands_that_are_not_the_image_leave_no_file(tmp_path, bands, message) -> None:
    with pytest.raises(InputError, match=message):
        write(tmp_path / "a.tif", bands)
    assert list(tmp_path.iterdir()) == []


def test_other_files_have_no_description(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", IMAGE[:16, :16])
    (tmp_path / "text.tif").write_text("no image")
    assert read_description(tmp_path / "plain.tif") == read_description(tmp_path / "text.tif") == ""
    with pytest.raises(FileAccessError, match="cannot read"):
        read_description(tmp_path / "absent.tif")
