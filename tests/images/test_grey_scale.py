from __future__ import annotations

import numpy as np
import pytest
import tifffile

from cemvis.errors import GreyScaleError, InputError
from cemvis.images import (
    AnchorFit,
    GreyScale,
    Micrograph,
    find_anchors,
    grey_histogram,
    open_micrograph,
    transform_to,
)
from cemvis.images.grey_scale import measure_anchors, sample_windows

# A paste as its phases are seen: share, grey level, spread. Matrix (two kinds), pores, portlandite, clinker, ferrite.
MATRIX, CLINKER = 115.5, 190.0


def phases(clinker=0.1, portlandite=0.12):
    return [
        (0.08, 40, 18),
        (0.45, 112, 9),
        (0.25, 124, 9),
        (portlandite, 150, 8),
        (0.92 * clinker, CLINKER, 10),
        (0.08 * clinker, 222, 8),
    ]


def sample(*, noise=4.0, gain=1.0, offset=0.0, levels=256, pixels=400_000, seed=0, **shares):
    """Grey levels of random pixels of a paste, in a random order."""
    rng = np.random.default_rng(seed)
    parts = phases(**shares)
    total = sum(share for share, *_ in parts)
    greys = np.concatenate([rng.normal(grey, sd, round(pixels * share / total)) for share, grey, sd in parts])
    greys = (greys + rng.normal(0, noise, greys.size)) * gain + offset
    rng.shuffle(greys)
    return np.clip(np.rint(greys), 0, levels - 1).astype(np.int64)


def histogram(*, levels=256, **options):
    return np.bincount(sample(levels=levels, **options), minlength=levels)


@pytest.mark.parametrize("gain", [0.4, 0.6, 0.8, 1.0, 1.1])
@pytest.mark.parametrize("offset", [-25, 0, 20])
@pytest.mark.parametrize("noise", [0, 4, 8])
def test_anchors_come_back_whatever_brightness_and_contrast(gain, offset, noise):
    fit = find_anchors(histogram(gain=gain, offset=offset, noise=noise))
    distance = gain * (CLINKER - MATRIX)
    assert fit.reliable, fit.note
    assert fit.is_peak
    assert fit.scale.matrix == pytest.approx(gain * MATRIX + offset, abs=0.04 * distance)
    assert fit.scale.clinker == pytest.approx(gain * CLINKER + offset, abs=0.04 * distance)


@pytest.mark.parametrize(("gain", "offset"), [(16, 0), (16, 300), (257, 0), (180, 9000), (2.5, 100)])
def test_16_bit(gain, offset):
    fit = find_anchors(histogram(gain=gain, offset=offset, levels=65536))
    assert fit.reliable, fit.note
    assert fit.scale.matrix == pytest.approx(gain * MATRIX + offset, abs=0.04 * gain * 74.5)
    assert fit.scale.clinker == pytest.approx(gain * CLINKER + offset, abs=0.04 * gain * 74.5)


def test_8_bit_levels_stored_in_16_bits_and_stretched_ones_with_gaps():
    plain = histogram()
    for step in (257, 3):
        stretched = np.zeros(65536, np.int64)
        stretched[: 256 * step : step] = plain
        fit = find_anchors(stretched)
        assert fit.reliable, fit.note
        assert fit.scale.clinker / step == pytest.approx(CLINKER, abs=3)


@pytest.mark.parametrize("clinker", [0.03, 0.06, 0.1, 0.2])
@pytest.mark.parametrize("portlandite", [0.0, 0.06, 0.15])
def test_any_share_of_clinker_and_portlandite(clinker, portlandite):
    fit = find_anchors(histogram(clinker=clinker, portlandite=portlandite, noise=6))
    assert fit.reliable, fit.note
    assert fit.scale.matrix == pytest.approx(MATRIX, abs=3)
    assert fit.scale.clinker == pytest.approx(CLINKER, abs=3)


@pytest.mark.parametrize("noise", [12, 14, 16])
def test_a_clinker_blurred_to_a_shoulder_is_found_less_exactly_and_says_so(noise):
    fit = find_anchors(histogram(noise=noise, clinker=0.15, pixels=2_000_000))
    assert fit.scale.matrix == pytest.approx(MATRIX, abs=4)
    assert fit.scale.clinker == pytest.approx(CLINKER, abs=0.15 * (CLINKER - MATRIX))
    assert fit.is_peak == ("shoulder" not in fit.note)


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        (np.eye(1, 256, 99, dtype=np.int64)[0] * 10**6, "grey levels in use: 1"),
        (np.bincount(np.random.default_rng(0).normal(120, 12, 10**6).astype(int), minlength=256), "one mode only"),
        (histogram(clinker=0.01, portlandite=0.0, noise=2), r"holds 1\.\d% of the pixels; clinker needs 1\.5%"),
        (histogram(gain=1.6), r"saturated: \d+\.\d% of the pixels have the highest level in use \(255\)"),
        (histogram(offset=-100), r"% of the pixels have the lowest level \(0\): clipped, or an empty margin"),
        (np.bincount(sample() // 12 * 12), "only 2. grey levels are in use; wanted at least 24"),
        (histogram(pixels=5_000, noise=2), "only 5,000 pixels; wanted at least 10,000"),
    ],
)
def test_a_histogram_that_cannot_support_it_says_why(counts, says):
    fit = find_anchors(counts)
    assert not fit.reliable
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(fit.note)


@pytest.mark.parametrize(
    "counts", [np.zeros(256, int), np.ones((4, 4), int), np.ones(256), np.array([3, -1, 5]), np.array([1])]
)
def test_what_is_no_histogram_is_refused(counts):
    with pytest.raises(InputError, match="wanted \\(levels,\\) counts"):
        find_anchors(counts)


def test_the_transform_takes_anchors_to_anchors():
    model = GreyScale(100, 200)
    transform = transform_to(model, GreyScale(60, 110))
    assert transform.apply([60, 110, 85]) == pytest.approx([100, 200, 150])
    assert transform.apply(60).dtype == np.float64
    assert (transform.source, transform.reliable) == ("given", True)
    assert "matrix 60.0 -> 100.0, clinker 110.0 -> 200.0: grey x 2 - 20" in transform.note
    assert transform_to(model, GreyScale(60, 110), source="histogram").source == "histogram"


def test_a_note_says_each_level_once():
    fit = find_anchors(histogram(clinker=0.08))
    assert fit.clinker_share == pytest.approx(0.08, abs=0.02)
    said = f"{fit.clinker_share:.1%} of the pixels are clinker"
    assert fit.text == f"matrix {fit.scale.matrix:.1f}, clinker {fit.scale.clinker:.1f}; {said}"
    note = transform_to(GreyScale(100, 200), fit).note
    assert note.endswith(f"; {said}")
    assert note.count("matrix") == note.count(f"{fit.scale.clinker:.1f}") == 1


def test_the_transform_hands_on_what_the_fit_said():
    fit = AnchorFit(GreyScale(60, 110), reliable=False, note="saturated")
    transform = transform_to(GreyScale(100, 200), fit)
    assert (transform.source, transform.reliable) == ("histogram", False)
    assert transform.note.endswith("saturated")
    for nothing in (AnchorFit(None, reliable=False, note="one mode only"), None):
        transform = transform_to(GreyScale(100, 200), nothing)
        assert (transform.gain, transform.offset) == (1, 0)
        assert (transform.source, transform.reliable) == ("none", False)
        assert "as they are" in transform.note


@pytest.mark.parametrize(("matrix", "clinker"), [(100, 100), (200, 100), (np.nan, 100), (10, np.inf)])
def test_anchors_the_wrong_way_round_are_refused(matrix, clinker):
    with pytest.raises(GreyScaleError, match="at least 1 above"):
        GreyScale(matrix, clinker)


def scene(side=700, *, noise=0.0, seed=0):
    """A picture with grains of 20 px: the phases of a paste in squares."""
    cells = side // 20
    greys = np.repeat(
        np.repeat(sample(noise=0, pixels=cells * cells + 50)[: cells * cells].reshape(cells, cells), 20, 0), 20, 1
    )
    noisy = greys + np.random.default_rng(seed).normal(0, noise, greys.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def test_the_histogram_of_a_small_image_counts_every_pixel(tmp_path):
    image = scene()
    for options in ({}, {"tile": (64, 64), "compression": "zlib"}, {"rowsperstrip": 7, "compression": "zlib"}):
        tifffile.imwrite(tmp_path / "a.tif", image, **options)
        with open_micrograph(tmp_path / "a.tif") as micrograph:
            assert np.array_equal(grey_histogram(micrograph), np.bincount(image.ravel(), minlength=256))
    deep = Micrograph.from_array(image.astype(np.uint16) * 100, pixel_size=None)
    assert grey_histogram(deep).shape == (65536,)
    assert grey_histogram(deep).sum() == image.size


@pytest.mark.parametrize("chunk", [(1, 5000), (512, 512), (64, 5000), (4000, 5000)])
def test_the_sample_of_a_large_image_is_even_bounded_and_repeatable(chunk):
    micrograph = Micrograph.from_array(np.broadcast_to(np.zeros((), np.uint8), (4000, 5000)), pixel_size=None)
    micrograph.chunk_shape = chunk
    windows = sample_windows(micrograph, sample_px=2_000_000)
    assert windows == sample_windows(micrograph, sample_px=2_000_000)
    pixels = sum(rows * cols for _, _, rows, cols in windows)
    assert len(set(windows)) == len(windows)
    for row, col, rows, cols in windows:
        assert row % chunk[0] == 0 or chunk[0] == 1
        assert row + rows <= 4000
        assert col + cols <= 5000
    if chunk[0] < 4000:
        assert 1_000_000 <= pixels <= 4_500_000
        assert {3 * row // 4000 for row, *_ in windows} == {0, 1, 2}
        if chunk[1] < 5000:
            assert {3 * col // 5000 for _, col, *_ in windows} == {0, 1, 2}


def test_a_sample_has_the_histogram_of_the_whole():
    image = np.tile(scene(), (4, 4))
    micrograph = Micrograph.from_array(image, pixel_size=None)
    whole, part = grey_histogram(micrograph), grey_histogram(micrograph, sample_px=1_500_000)
    assert part.sum() < 0.4 * whole.sum()
    assert np.abs(np.cumsum(part) / part.sum() - np.cumsum(whole) / whole.sum()).max() < 0.03


def test_means_of_squares_are_rounded_and_leave_the_rest_out():
    image = np.array([[1, 2, 9], [3, 5, 9], [9, 9, 9]], np.uint8)
    counted = grey_histogram(Micrograph.from_array(image, pixel_size=None), mean_of=2)
    assert counted.sum() == 1
    assert counted[3] == 1  # 11 / 4 = 2.75


def test_noise_that_hides_the_clinker_is_averaged_away():
    micrograph = Micrograph.from_array(scene(2000, noise=28.0), pixel_size=None)
    alone = find_anchors(grey_histogram(micrograph))
    assert not (alone.reliable and alone.is_peak)
    fit = measure_anchors(micrograph)
    assert fit.reliable
    assert "in means of" in fit.note
    assert fit.scale.matrix == pytest.approx(MATRIX, abs=4)
    assert fit.scale.clinker == pytest.approx(CLINKER, abs=5)


def test_saturated_pixels_are_not_forgotten_in_calmer_means() -> None:
    """Single white pixels vanish in means of 2 x 2, but the image is saturated all the same."""
    rng = np.random.default_rng(3)
    image = np.where(rng.random((600, 600)) < 0.12, 190.0, 100.0).repeat(4, axis=0).repeat(4, axis=1)[:800, :800]
    image = (image + rng.normal(0, 28, image.shape)).clip(0, 250).astype(np.uint8)
    image[rng.random(image.shape) < 0.03] = 255
    fit = measure_anchors(Micrograph.from_array(image, pixel_size=None))
    assert not fit.reliable
    assert "saturated" in fit.note
