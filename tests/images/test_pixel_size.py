from __future__ import annotations

import math

import pytest

from cemvis.errors import PixelSizeError, PixelSizeWarning
from cemvis.images import PixelSize
from cemvis.images.pixel_size import RecordedSize, choose


@pytest.mark.parametrize(
    ("text", "um"),
    [
        ("40 nm", 0.04),
        ("40nm", 0.04),
        (" 0.04 um ", 0.04),
        ("0.04 µm", 0.04),
        ("0.04 \u03bcm/px", 0.04),
        ("40.5 NM/pixel", 0.0405),
        ("728.5 pm", 0.0007285),
        ("4e-8 m", 0.04),
        ("0.00004 mm", 0.04),
    ],
)
def test_a_length_with_its_unit_is_read(text, um):
    size = PixelSize.parse(text)
    assert size.um == pytest.approx(um, rel=1e-12)
    assert size.source == "option"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("40", "no unit"),
        ("", "not a length"),
        ("forty nm", "not a length"),
        ("0,04 um", "not a length"),
        ("40 px", "unknown unit"),
        ("1.2.3 nm", "between"),
        ("-40 nm", "between"),
        ("0 nm", "between"),
        ("40 m", "between"),
        ("1e999 nm", "between"),
    ],
)
def test_anything_else_is_refused_in_one_line(text, says):
    with pytest.raises(PixelSizeError, match=says) as caught:
        PixelSize.parse(text)
    assert "\n" not in str(caught.value)


def test_it_prints_in_the_unit_people_use():
    assert str(PixelSize(0.04, "option")) == "40 nm"
    assert str(PixelSize(2.5012, "TESCAN")) == "2.5012 um"


def test_nan_is_no_pixel_size():
    with pytest.raises(PixelSizeError):
        PixelSize(math.nan, "FEI")


def test_the_first_plausible_source_counts():
    sizes = [RecordedSize(0.0, 0.0, "Zeiss"), RecordedSize(math.nan, 1.0, "FEI"), RecordedSize(0.5, 0.5, "OME")]
    assert choose(sizes, option=None, name="x.tif") == PixelSize(0.5, "OME")
    assert choose([], option=None, name="x.tif") is None


def test_sources_within_one_percent_agree_and_others_are_warned_of():
    first = RecordedSize(0.5, 0.5, "OME")
    assert choose([first, RecordedSize(0.504, 0.504, "ImageJ")], option=None, name="x") == PixelSize(0.5, "OME")
    with pytest.warns(PixelSizeWarning, match=r"500 nm \(OME\) and 510 x 510 nm \(ImageJ\); OME is used"):
        assert choose([first, RecordedSize(0.51, 0.51, "ImageJ")], option=None, name="x") == PixelSize(0.5, "OME")


def test_the_option_wins_over_the_file_with_a_warning():
    option = PixelSize(0.04, "option")
    with pytest.warns(PixelSizeWarning, match="option is used"):
        assert choose([RecordedSize(0.5, 0.5, "OME")], option=option, name="x") == option


def test_pixels_that_are_not_square_are_refused_beyond_one_percent():
    assert choose([RecordedSize(0.5, 0.5 * 1.004, "FEI")], option=None, name="x").um == pytest.approx(0.501, rel=1e-3)
    with pytest.raises(PixelSizeError, match="not square"):
        choose([RecordedSize(0.5, 0.52, "FEI")], option=None, name="x")
    option = PixelSize(0.5, "option")
    with pytest.warns(PixelSizeWarning):
        assert choose([RecordedSize(0.5, 0.52, "FEI")], option=option, name="x") == option
