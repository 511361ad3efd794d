"""Every real file against the true values that come with it."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import tifffile

from cemvis.images import find_anchors, grey_histogram, open_micrograph

# file, rows and columns of the picture, pixel size in nm, its source, rows of the info bar, who says so
FILES = [
    ("tfs_example.tif", (1024, 1536), 269.792, "FEI", 68, "metadata"),
    ("zeiss_example_sem.tif", (708, 1024), 593.3, "Zeiss", 60, "picture"),
    ("tescan_example_sem1.tif", (768, 1024), 2501.2, "TESCAN", 120, "metadata"),
    ("jeol_example_sem.tif", (960, 1280), 2000.0, "JEOL", 0, ""),
    ("micromechanics_zeiss.tif", (768, 1024), 158.7, "Zeiss", 0, ""),
    ("c3s_28d_fei_2048.tif", (1768, 2048), 0.7285, "FEI", 118, "metadata"),
]
# The scale bars drawn into the pictures confirm these: 200 um are 76 px in the 1k file, 200 nm 17 px in the 512 px one.
ZIPPED = [
    ("tiff_FEI_Helios.zip", "FEI-Helios-Ebeam-16bits.tif", (442, 512), 3372.4, "FEI", 29, "metadata"),
    ("tiff_FEI_Helios.zip", "FEI-Helios-Ebeam-8bits.tif", (442, 512), 3372.4, "FEI", 29, "metadata"),
    ("tiff_FEI_Helios.zip", "FEI-Helios-navcam.tif", (512, 768), 263974.0, "FEI", 39, "metadata"),
    ("tiff_FEI_Helios.zip", "FEI-Helios-navcam-with-no-IRBeam.tif", (512, 768), None, None, 39, "metadata"),
    ("tiff_FEI_Helios.zip", "FEI-Helios-navcam-with-no-IRBeam-bad-floats.tif", (512, 768), None, None, 39, "metadata"),
    ("tiff_Zeiss_SEM.zip", "test_tiff_Zeiss_SEM_1k.tif", (691, 1024), 2615.0, "Zeiss", 77, "picture"),
    ("tiff_Zeiss_SEM.zip", "test_tiff_Zeiss_SEM_512pix.tif", (350, 512), 11.65, "Zeiss", 34, "picture"),
    ("tiff_Zeiss_SEM.zip", "ZEISS_SEM_multipage.tif", (1536, 2048), 12.33, "Zeiss", 0, ""),
]


def check(path, shape, nm, source, bar_rows, bar_source):
    with open_micrograph(path) as micrograph:
        assert micrograph.shape == shape
        assert (micrograph.info_bar_rows, micrograph.info_bar_source) == (bar_rows, bar_source)
        if nm is None:
            assert micrograph.pixel_size is None
        else:
            assert micrograph.pixel_size.nm == pytest.approx(nm, rel=1e-4)
            assert micrograph.pixel_size.source == source
        pixels = micrograph.read(0, 0, *shape)
    with tifffile.TiffFile(path) as tiff:
        assert np.array_equal(pixels, tiff.pages[0].asarray()[: shape[0]])


def bar_rows_of(path):
    with open_micrograph(path) as micrograph:
        return micrograph.info_bar_rows


@pytest.mark.parametrize(("name", "shape", "nm", "source", "bar_rows", "bar_source"), FILES, ids=lambda v: str(v))
def test_vendor_file(shared_data, name, shape, nm, source, bar_rows, bar_source):
    check(shared_data / "sem_vendor" / name, shape, nm, source, bar_rows, bar_source)


@pytest.mark.parametrize(
    ("archive", "name", "shape", "nm", "source", "bar_rows", "bar_source"), ZIPPED, ids=lambda v: str(v)
)
def test_zipped_vendor_file(shared_data, tmp_path, archive, name, shape, nm, source, bar_rows, bar_source):
    with zipfile.ZipFile(shared_data / "sem_vendor" / archive) as zipped:
        path = zipped.extract(name, tmp_path)
    check(path, shape, nm, source, bar_rows, bar_source)


def test_no_vendor_file_is_forgotten(shared_data):
    listed = {name for name, *_ in FILES} | {archive for archive, *_ in ZIPPED} | {"jeol_example_sem.txt"}
    assert {path.name for path in (shared_data / "sem_vendor").iterdir()} == listed
    for archive in {archive for archive, *_ in ZIPPED}:
        with zipfile.ZipFile(shared_data / "sem_vendor" / archive) as zipped:
            names = {name for name in zipped.namelist() if name.endswith(".tif")}
        assert names == {name for of, name, *_ in ZIPPED if of == archive}


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("tfs_example.tif", 68),
        ("zeiss_example_sem.tif", 60),
        ("tescan_example_sem1.tif", 120),
        ("c3s_28d_fei_2048.tif", 118),
        ("jeol_example_sem.tif", 0),
        ("micromechanics_zeiss.tif", 0),
    ],
)
def test_the_picture_alone_shows_where_the_bar_begins(shared_data, tmp_path, name, rows):
    with tifffile.TiffFile(shared_data / "sem_vendor" / name) as tiff:
        tifffile.imwrite(tmp_path / "plain.tif", tiff.pages[0].asarray())
    assert bar_rows_of(tmp_path / "plain.tif") == rows


def test_ordinary_images_lose_no_rows(shared_data):
    paths = [*shared_data.glob("bse/*.tif"), *shared_data.glob("micrograph_masks/EBC*.tif")]
    paths += [*shared_data.glob("micrograph_masks/spot2_0d_0.tif"), *shared_data.glob("two_phase/*.tif")]
    assert len(paths) >= 5
    assert {path.name: bar_rows_of(path) for path in paths} == {path.name: 0 for path in paths}


def test_a_screen_copy_that_is_really_grey_opens(shared_data):
    with open_micrograph(shared_data / "bse" / "heidelberg_cement_screen_copy.tif") as micrograph:
        assert (micrograph.shape, micrograph.dtype, micrograph.pixel_size) == ((225, 238), np.uint8, None)
        fit = find_anchors(grey_histogram(micrograph))
    # By eye: hydrates fill the histogram around 140, the bright grains around 208.
    assert fit.reliable
    assert fit.scale.matrix == pytest.approx(140, abs=6)
    assert fit.scale.clinker == pytest.approx(207, abs=6)


def test_the_anchors_of_a_real_paste(shared_data):
    """By eye: hydrates at 125 to 137; grains of slag and limestone at 165, portlandite at 200, white clinker at 245."""
    with open_micrograph(shared_data / "bse" / "paste_bse_768x1024.tif") as micrograph:
        assert micrograph.pixel_size is None
        fit = find_anchors(grey_histogram(micrograph))
    assert fit.reliable
    assert fit.scale.matrix == pytest.approx(131, abs=6)
    assert fit.scale.clinker == pytest.approx(244, abs=6)
