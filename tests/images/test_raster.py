from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from cemvis.errors import FileFormatError
from cemvis.images import open_micrograph

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (60, 71), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (60, 71), dtype=np.uint16)
OPAQUE = np.full_like(GREY, 255)


def pixels_of(path):
    with open_micrograph(path) as micrograph:
        whole = micrograph.read(0, 0, *micrograph.shape)
        assert np.array_equal(micrograph.read(3, 5, 20, 30), whole[3:23, 5:35])
        assert whole.dtype == micrograph.dtype
        assert whole.flags.writeable
        return whole


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (GREY, "L"),
        (np.stack([GREY, OPAQUE], axis=-1), "LA"),
        (np.stack([GREY] * 3, axis=-1), "RGB"),
        (np.stack([GREY] * 3 + [OPAQUE], axis=-1), "RGBA"),
    ],
)
def test_png_of_each_kind(tmp_path, image, mode):
    Image.fromarray(image).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as stored:
        assert stored.mode == mode
    assert np.array_equal(pixels_of(tmp_path / "a.png"), GREY)


def test_png_with_a_grey_palette(tmp_path):
    image = Image.fromarray(255 - GREY).convert("P")
    image.putpalette([level for index in range(256) for level in [255 - index] * 3])
    image.save(tmp_path / "a.png")
    assert np.array_equal(pixels_of(tmp_path / "a.png"), GREY)
    image.putpalette([0, 0, 255] * 256)
    image.save(tmp_path / "a.png")
    with pytest.raises(FileFormatError, match=r"colour \(0, 0, 255\)"):
        open_micrograph(tmp_path / "a.png")


def test_16_bit_png_keeps_its_16_bits(tmp_path):
    for image in (DEEP, np.stack([DEEP] * 3, axis=-1), np.stack([DEEP] * 3 + [np.full_like(DEEP, 65535)], axis=-1)):
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
        assert np.array_equal(pixels_of(tmp_path / "a.png"), DEEP)


def test_colours_and_transparency_are_refused(tmp_path):
    image = np.stack([GREY] * 3 + [OPAQUE], axis=-1)
    image[2, 3] = (1, 2, 3, 255)
    Image.fromarray(image).save(tmp_path / "a.png")
    with pytest.raises(FileFormatError, match="row 2, column 3"):
        open_micrograph(tmp_path / "a.png")
    image[2, 3] = (7, 7, 7, 0)
    Image.fromarray(image).save(tmp_path / "a.png")
    with pytest.raises(FileFormatError, match="row 2, column 3 is transparent"):
        open_micrograph(tmp_path / "a.png")
    Image.fromarray(GREY).save(tmp_path / "a.png", transparency=int(GREY[4, 6]))
    with pytest.raises(FileFormatError, match="is transparent"):
        open_micrograph(tmp_path / "a.png")


def test_black_and_white_is_refused(tmp_path):
    Image.fromarray(GREY > 100).save(tmp_path / "a.png")
    with pytest.raises(FileFormatError, match="wanted 8 or 16 bit grey"):
        open_micrograph(tmp_path / "a.png")


def test_jpeg_grey_and_grey_in_colours(tmp_path):
    smooth = (100 + 50 * np.sin(np.arange(71) / 9) + np.arange(60)[:, None] / 3).astype(np.uint8)
    for image in (smooth, np.stack([smooth] * 3, axis=-1)):
        Image.fromarray(image).save(tmp_path / "a.jpg", quality=90)
        assert np.abs(pixels_of(tmp_path / "a.jpg").astype(int) - smooth).max() < 10
    tinted = np.stack([smooth, smooth, smooth - 30], axis=-1)
    Image.fromarray(tinted).save(tmp_path / "a.jpg", quality=90)
    with pytest.raises(FileFormatError, match="has the colour"):
        open_micrograph(tmp_path / "a.jpg")
    Image.fromarray(smooth).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(FileFormatError, match="CMYK"):
        open_micrograph(tmp_path / "a.jpg")


def test_a_screens_resolution_is_no_pixel_size_and_a_fine_one_is(tmp_path):
    for dpi, um in ((72, None), (300, None), (635_000, 0.04)):
        Image.fromarray(GREY).save(tmp_path / "a.png", dpi=(dpi, dpi))
        with open_micrograph(tmp_path / "a.png") as micrograph:
            size = micrograph.pixel_size
        assert size is None if um is None else size.um == pytest.approx(um, rel=1e-3)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_cut_files_give_one_line(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(GREY).save(path)
    content = path.read_bytes()
    for size in [*range(8, 120, 3), len(content) // 2, len(content) * 9 // 10]:
        path.write_bytes(content[:size])
        with pytest.raises(FileFormatError) as caught:
            open_micrograph(path)
        assert "\n" not in str(caught.value)


def test_too_many_pixels_for_decoding_whole(tmp_path, monkeypatch):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", GREY.size // 2 + 100)  # Pillow warns from here on
    assert np.array_equal(pixels_of(tmp_path / "a.png"), GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", GREY.size // 2 - 100)
    with pytest.raises(FileFormatError, match=r"over 4,060\); save the mosaic as a tiled TIFF"):
        open_micrograph(tmp_path / "a.png")


def test_an_orientation_entry_is_told_and_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(pixels_of(tmp_path / "a.png"), GREY)
    with open_micrograph(tmp_path / "a.png") as micrograph:
        assert "orientation" in micrograph.notes[0]
