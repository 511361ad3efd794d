from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile

from cemvis.errors import PixelSizeWarning
from cemvis.images import open_micrograph, vendor_metadata

IMAGE = np.random.default_rng(0).integers(60, 200, (96, 128), dtype=np.uint8)


def size_in(path):
    with open_micrograph(path) as micrograph:
        return micrograph.pixel_size


def only(metadata):
    (size,) = metadata.sizes
    return size.x_um, size.y_um, size.source


FEI_TAGS = {
    "Beam": {"Beam": "EBeam", "Scan": "EScan"},
    "EBeam": {"HFW": 1.28e-5, "VFW": 9.6e-6},
    "Scan": {"PixelWidth": 4e-8, "PixelHeight": 4e-8},
    "EScan": {"PixelWidth": 5e-8, "PixelHeight": 5e-8},
    "Image": {"ResolutionX": 128, "ResolutionY": 96},
}


class TestFei:
    def test_the_scan_comes_first_then_its_named_twin_then_the_field_width(self):
        tags = dict(FEI_TAGS)
        for left_out, um in ((None, 0.04), ("Scan", 0.05), ("EScan", 0.1)):
            tags.pop(left_out, None)
            x_um, y_um, source = only(vendor_metadata.fei(tags, (96, 128)))
            assert (x_um, y_um) == pytest.approx((um, um))
            assert source == "FEI"

    @pytest.mark.parametrize("broken", ["", "notafloat", None, 0, -1.0, math.inf])
    def test_a_broken_number_is_no_pixel_size(self, broken):
        tags = {"Scan": {"PixelWidth": broken, "PixelHeight": broken}, "Image": FEI_TAGS["Image"]}
        assert vendor_metadata.fei(tags, (96, 128)).sizes == ()

    def test_rows_below_the_picture_are_the_info_bar(self):
        assert vendor_metadata.fei(FEI_TAGS, (104, 128)).bar_rows == 8
        assert vendor_metadata.fei(FEI_TAGS, (96, 128)).bar_rows == 0
        assert vendor_metadata.fei(FEI_TAGS, (80, 128)).bar_rows is None
        assert vendor_metadata.fei({}, (96, 128)).bar_rows is None

    def test_a_resized_image_loses_its_pixel_size_and_says_so(self, tmp_path):
        path = write_fei(tmp_path / "half.tif", IMAGE[::2, ::2], pixel_width="4e-8")
        with pytest.warns(PixelSizeWarning, match=r"128 x 96 px, but the image is 64 x 48"):
            assert size_in(path) is None

    def test_a_file_with_the_tag_has_its_bar_left_out(self, tmp_path):
        path = write_fei(tmp_path / "fei.tif", np.vstack([IMAGE, IMAGE[:8]]), pixel_width="4e-8")
        with open_micrograph(path) as micrograph:
            assert micrograph.shape == (96, 128)
            assert (micrograph.info_bar_rows, micrograph.info_bar_source) == (8, "metadata")
            assert micrograph.pixel_size.um == pytest.approx(0.04)
            assert (micrograph.read(0, 0, 96, 128) == IMAGE).all()
        with open_micrograph(path, info_bar=False) as micrograph:
            assert micrograph.shape == (104, 128)
            assert micrograph.info_bar_rows == 0


def write_fei(path, image, *, pixel_width):
    text = f"[Scan]\r\nPixelWidth={pixel_width}\r\nPixelHeight={pixel_width}\r\n"
    text += "[Image]\r\nResolutionX=128\r\nResolutionY=96\r\n"
    tifffile.imwrite(path, image, extratags=[(34682, "s", 0, text, True)])
    return path


class TestZeiss:
    @pytest.mark.parametrize(
        ("value", "unit", "um"), [(593.3, "nm", 0.5933), (2.615, "µm", 2.615), (728.5, "pm", 0.0007285)]
    )
    def test_the_image_pixel_size_counts_and_not_the_screens(self, value, unit, um):
        tags = {
            "ap_image_pixel_size": ("Image Pixel Size", value, unit),
            "ap_pixel_size": ("Pixel Size", 2 * value, unit),
        }
        assert only(vendor_metadata.zeiss(tags, (96, 128))) == (pytest.approx(um), pytest.approx(um), "Zeiss")

    def test_without_it_field_width_and_height_count_but_never_the_screens(self):
        tags = {
            "ap_pixel_size": ("Pixel Size", 5.0, "nm"),
            "ap_width": ("Width", 1.28, "µm"),
            "ap_height": ("Height", 960.0, "nm"),
        }
        assert only(vendor_metadata.zeiss(tags, (96, 128))) == (pytest.approx(0.01), pytest.approx(0.01), "Zeiss")
        assert vendor_metadata.zeiss(tags, (80, 128)).sizes == ()  # cropped: the fields no longer fit
        assert vendor_metadata.zeiss({"ap_pixel_size": ("Pixel Size", 5.0, "nm")}, (96, 128)).sizes == ()

    @pytest.mark.parametrize("entry", [("Image Pixel Size", 0.0, "fm"), ("Image Pixel Size", "x", "nm"), ("x",), ()])
    def test_a_broken_entry_is_no_pixel_size(self, entry):
        assert vendor_metadata.zeiss({"ap_image_pixel_size": entry}, (96, 128)).sizes == ()


class TestTescan:
    TEXT = "Magnification=108.08\r\nImageStripSize=12\r\nPixelSizeX=2.5012e-6\r\nPixelSizeY=2.5012e-6\r\n"

    def test_the_private_tag_is_read(self, tmp_path):
        blob = b"\x59\x14\0\0jP  \r\n" + self.TEXT.encode() + b"\0\xff"
        path = tmp_path / "tescan.tif"
        tifffile.imwrite(path, IMAGE, extratags=[(50431, "B", len(blob), blob, True)])
        with open_micrograph(path) as micrograph:
            assert micrograph.pixel_size.um == pytest.approx(2.5012)
            assert micrograph.pixel_size.source == "TESCAN"
            assert micrograph.shape == (84, 128)

    @pytest.mark.parametrize("name", ["a[1].hdr", "a[1]-tif.hdr", "a[1]-TIF.HDR"])
    def test_the_side_file_is_read(self, tmp_path, name):
        tifffile.imwrite(tmp_path / "a[1].tif", IMAGE)
        (tmp_path / name).write_text("[MAIN]\r\n" + self.TEXT, encoding="latin-1")
        with open_micrograph(tmp_path / "a[1].tif") as micrograph:
            assert micrograph.pixel_size.um == pytest.approx(2.5012)

    def test_nonsense_is_not_believed(self):
        found = vendor_metadata.tescan("PixelSizeX=zero\r\nImageStripSize=90\r\n", (96, 128))
        assert (found.sizes, found.bar_rows) == ((), None)


class TestJeol:
    TEXT = "$CM_FORMAT JEOL-SEM\r\n$CM_MAG 50\r\n$CM_FULL_SIZE 1280 960\r\n$$SM_MICRON_MARKER 500um\r\n"

    def test_marker_length_over_marker_pixels(self):
        found = vendor_metadata.jeol(self.TEXT + "$$SM_MICRON_BAR 250\r\n", (1024, 1280), printed_um=math.nan)
        assert only(found) == (2.0, 2.0, "JEOL")
        assert found.bar_rows == 64

    def test_printed_pixel_over_magnification_where_the_print_is_128_mm_wide(self):
        assert only(vendor_metadata.jeol(self.TEXT, (960, 1280), printed_um=100.0)) == (2.0, 2.0, "JEOL")

    @pytest.mark.parametrize("printed_um", [math.nan, 352.8, 84.7])
    def test_a_resolution_that_does_not_fit_the_print_says_nothing(self, printed_um):
        assert vendor_metadata.jeol(self.TEXT, (960, 1280), printed_um=printed_um).sizes == ()

    def test_a_resized_image_loses_its_pixel_size(self):
        found = vendor_metadata.jeol(self.TEXT + "$$SM_MICRON_BAR 250\r\n", (480, 640), printed_um=200.0)
        assert found.sizes == ()
        assert "cropped or resized" in found.misfits[0]

    def test_the_side_file_is_found_beside_a_png_too_and_a_strangers_text_is_not_read(self, tmp_path):
        from PIL import Image

        Image.fromarray(IMAGE).save(tmp_path / "a.png")
        side_file = tmp_path / "a.txt"
        side_file.write_text("$CM_FORMAT JEOL-SEM\n$CM_FULL_SIZE 128 96\n$$SM_MICRON_MARKER 1um\n$$SM_MICRON_BAR 25\n")
        assert size_in(tmp_path / "a.png").um == pytest.approx(0.04)
        side_file.write_text("my notes: PixelSizeX=4e-8, $$SM_MICRON_BAR 25")
        assert size_in(tmp_path / "a.png") is None


class TestOme:
    XML = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels {} /></Image></OME>'

    @pytest.mark.parametrize(
        ("attributes", "um"),
        [
            ('PhysicalSizeX="0.04" PhysicalSizeY="0.04"', 0.04),
            ('PhysicalSizeX="40" PhysicalSizeXUnit="nm" PhysicalSizeY="40" PhysicalSizeYUnit="nm"', 0.04),
            ('PhysicalSizeX="400" PhysicalSizeXUnit="Å" PhysicalSizeY="400" PhysicalSizeYUnit="Å"', 0.04),
            ('PhysicalSizeX="4e-5" PhysicalSizeXUnit="mm"', 0.04),
        ],
    )
    def test_units_are_read(self, attributes, um):
        assert only(vendor_metadata.ome(self.XML.format(attributes))) == (pytest.approx(um), pytest.approx(um), "OME")

    @pytest.mark.parametrize("attributes", ["", 'PhysicalSizeX="1" PhysicalSizeXUnit="pixel"', 'PhysicalSizeX="0"'])
    def test_no_length_is_no_pixel_size(self, attributes):
        assert vendor_metadata.ome(self.XML.format(attributes)).sizes == ()

    def test_broken_xml_is_no_pixel_size(self):
        assert vendor_metadata.ome("<OME").sizes == ()

    def test_an_ome_tiff_is_read(self, tmp_path):
        path = tmp_path / "a.ome.tif"
        scale = {"PhysicalSizeX": 40.5, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 40.5, "PhysicalSizeYUnit": "nm"}
        tifffile.imwrite(path, IMAGE, metadata={"axes": "YX", **scale})
        with open_micrograph(path) as micrograph:
            assert micrograph.format == "OME-TIFF"
            assert micrograph.pixel_size.um == pytest.approx(0.0405)
            assert micrograph.pixel_size.source == "OME"


class TestResolution:
    @pytest.mark.parametrize(
        ("dpi", "unit"), [(72, 2), (96, 2), (150, 2), (300, 2), (1200, 2), (1, 1), (118, 3), (0, 2)]
    )
    def test_screens_and_paper_are_no_pixel_size(self, tmp_path, dpi, unit):
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, resolution=(dpi, dpi), resolutionunit=unit)
        assert size_in(tmp_path / "a.tif") is None

    @pytest.mark.parametrize(("per_unit", "unit", "um"), [(250_000, 3, 0.04), (635_000, 2, 0.04), (5_000, 3, 2.0)])
    def test_finer_than_any_print_is_one(self, tmp_path, per_unit, unit, um):
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, resolution=(per_unit, per_unit), resolutionunit=unit)
        size = size_in(tmp_path / "a.tif")
        assert size.um == pytest.approx(um, rel=1e-6)
        assert size.source == "resolution tags"

    def test_imagej_units(self, tmp_path):
        for unit, per_unit, um in (("nm", 0.025, 0.04), ("micron", 25.0, 0.04), ("\\u00B5m", 25.0, 0.04)):
            tifffile.imwrite(
                tmp_path / "a.tif", IMAGE, imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit}
            )
            size = size_in(tmp_path / "a.tif")
            assert (size.um, size.source) == (pytest.approx(um, rel=1e-6), "ImageJ")

    def test_imagejs_inches_are_a_screen(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, imagej=True, resolution=(72, 72), metadata={"unit": "inch"})
        assert size_in(tmp_path / "a.tif") is None
