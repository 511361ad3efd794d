from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cemvis.images import open_micrograph
from cemvis.images.info_bar import find_info_bar

ROWS, COLS = 480, 640


def paste(*, seed=0, sd=12.0):
    """A noisy picture with large grains, like a paste."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:ROWS, 0:COLS]
    grains = 110 + 60 * ((np.sin(rows / 23) + np.sin(cols / 31)) > 1.2)
    return np.clip(grains + rng.normal(0, sd, grains.shape), 0, 255).astype(np.uint8)


def with_bar(picture, *, height=44, background=0, ink=255, frame=False):
    bar = Image.new("L", (picture.shape[1], height), background)
    draw = ImageDraw.Draw(bar)
    for line in range(4, height - 12, 16):
        for left in range(8, picture.shape[1] - 80, 110):
            draw.text((left, line), "HV 15.00 kV", fill=ink)
    if frame:
        draw.rectangle((0, 0, picture.shape[1] - 1, height - 1), outline=ink)
    return np.vstack([picture[: picture.shape[0] - height], np.asarray(bar)])


def bar_rows(image, *, lossy=False):
    return find_info_bar(image[-round(0.25 * image.shape[0]) :], image.shape[0], lossy=lossy)


@pytest.mark.parametrize(("background", "ink"), [(0, 255), (255, 0), (46, 255), (96, 255), (243, 0), (120, 0)])
@pytest.mark.parametrize("height", [20, 44, 90])
@pytest.mark.parametrize("frame", [False, True])
def test_a_bar_is_found_to_the_row(background, ink, height, frame):
    image = with_bar(paste(), height=height, background=background, ink=ink, frame=frame)
    assert bar_rows(image) == height
    assert bar_rows(image.astype(np.uint16) * 257) == height


def test_rows_of_picture_under_the_bar_go_with_it():
    image = with_bar(paste(), height=44)
    image[-1] = paste()[0]
    assert bar_rows(image) == 44


def test_a_bar_in_a_jpeg_is_found_within_a_row():
    image = with_bar(paste(), height=44, background=46)
    for quality in (95, 75):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality)
        assert bar_rows(np.asarray(Image.open(buffer)), lossy=True) in {43, 44}


def test_a_black_picture_above_a_grey_bar_keeps_its_rows():
    image = with_bar(np.zeros((ROWS, COLS), np.uint8), background=96)
    assert bar_rows(image) == 44


def ordinary():
    rng = np.random.default_rng(1)
    yield "paste", paste()
    dark = paste()
    dark[400:] = np.clip(rng.normal(3, 2, (80, COLS)), 0, 255)
    yield "dark lower part, clipped to black in places", dark
    black = paste()
    black[400:] = 0
    yield "empty margin below", black
    margin = paste()
    margin[400:, 160:] = 0
    yield "empty corner of a mosaic", margin
    grains = np.zeros((ROWS, COLS), np.uint8)
    for row, col in rng.integers((405, 10), (470, 620), (60, 2)):
        grains[row : row + 6, col : col + 6] = rng.integers(60, 256, (6, 6))[: ROWS - row, : COLS - col]
    slope = np.arange(ROWS)[:, None] + np.arange(COLS) // 12 > 420
    yield "black region with bright grains below a slanting edge", np.where(slope, grains, paste())
    yield "constant", np.full((ROWS, COLS), 77, np.uint8)
    yield "flat with little noise", np.clip(rng.normal(100, 0.4, (ROWS, COLS)), 0, 255).astype(np.uint8)
    yield "two phases", np.where(paste(sd=1) > 140, 200, 90).astype(np.uint8)
    annotated = paste()
    annotated[430:470, 20:200] = with_bar(paste())[-42:-2, 20:200]
    yield "text over a part of the width", annotated
    yield "noise of full range", rng.integers(0, 256, (ROWS, COLS), dtype=np.uint8)
    yield "tiny", paste()[:6, :6]


@pytest.mark.parametrize("image", [image for _, image in ordinary()], ids=[name for name, _ in ordinary()])
@pytest.mark.parametrize("lossy", [False, True])
def test_ordinary_images_lose_no_rows(image, lossy):
    assert bar_rows(image.astype(np.uint8), lossy=lossy) == 0


def test_opening_leaves_the_bar_out_unless_told_otherwise(tmp_path):
    picture = paste()
    Image.fromarray(with_bar(picture, height=44)).save(tmp_path / "a.png")
    with open_micrograph(tmp_path / "a.png") as micrograph:
        assert micrograph.shape == (436, 640)
        assert (micrograph.info_bar_rows, micrograph.info_bar_source) == (44, "picture")
        assert np.array_equal(micrograph.read(0, 0, 436, 640), picture[:436])
    with open_micrograph(tmp_path / "a.png", info_bar=False) as micrograph:
        assert (micrograph.shape, micrograph.info_bar_rows) == ((480, 640), 0)


def test_a_coloured_bar_does_not_spoil_a_grey_picture(tmp_path):
    image = np.stack([with_bar(paste(), height=44)] * 3, axis=-1)
    image[450:455, 300:320] = (255, 0, 0)
    Image.fromarray(image).save(tmp_path / "a.png")
    with open_micrograph(tmp_path / "a.png") as micrograph:
        assert micrograph.shape == (436, 640)
        micrograph.read(0, 0, 436, 640)
