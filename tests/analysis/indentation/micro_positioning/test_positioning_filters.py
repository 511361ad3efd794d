"""Spectra, matched filters and templates, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage

from cemvis.analysis.indentation.micro_positioning.background import Spectrum, measured_spectrum, whitened
from cemvis.analysis.indentation.micro_positioning.scores import response_map
from cemvis.analysis.indentation.micro_positioning.templates import MeanWindow, Template
from cemvis.errors import InputError
from reference import imprints

FLAT = Spectrum(np.array([0.01, 0.7]), np.array([4.0, 4.0]))


def dark(**other: object) -> Template:
    return Template(
        **{"shape": "triangle", "size_px": 20, "angle_rad": 0.4, "blur_px": 0.8, "fill": -2, "rim": 0} | other
    )


def test_white_noise_has_its_variance_at_all_frequencies() -> None:
    image = np.random.default_rng(0).normal(7, 3, (512, 512)).astype(np.float32)
    spectrum = measured_spectrum(image, block_px=64)
    np.testing.assert_allclose(spectrum.density[4:], 9, rtol=0.2)
    assert spectrum.on((20, 30)).shape == (20, 16)


def test_spectrum_of_one_block_is_the_transform_written_out() -> None:
    n = 12
    image = np.random.default_rng(1).normal(0, 1, (n, n)).astype(np.float32)
    taper = np.outer(*[np.hanning(n + 2)[1:-1]] * 2)
    flat = (image - image.mean()) * taper
    at = np.arange(n)
    wave = np.exp(-2j * np.pi * np.outer(at, at) / n)
    power = np.abs(wave @ flat @ wave) ** 2 / (taper**2).sum()
    spectrum = measured_spectrum(image)
    ring = np.hypot(*np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n)))[:, : n // 2 + 1]
    lone = np.abs(ring - spectrum.frequency[0]) < 1e-9
    assert lone.any()
    assert spectrum.density[0] == pytest.approx(power[:, : n // 2 + 1][lone].mean(), rel=1e-4)


@pytest.mark.parametrize("image", [np.zeros((64, 64), np.float32), np.full((64, 64), 9, np.float32)])
def test_a_constant_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="constant"):
        measured_spectrum(image)


def test_a_tiny_image_is_refused() -> None:
    with pytest.raises(InputError, match="8 x 8"):
        measured_spectrum(np.zeros((7, 30), np.float32))


@pytest.mark.parametrize("whiten", [True, False])
def test_filter_has_unit_variance_and_tells_its_amplitude(whiten: bool) -> None:
    image = imprints.background((600, 600), np.random.default_rng(2), correlation_px=8)
    filter_ = whitened(dark().image(), measured_spectrum(image, block_px=128), margin_px=8, whiten=whiten)
    response = response_map(image, filter_)
    assert float(response.std()) == pytest.approx(1, rel=0.15)
    part = dark().image()
    reach = len(part) // 2
    with_one = image.copy()
    with_one[300 - reach : 301 + reach, 200 - reach : 201 + reach] += part
    risen = response_map(with_one, filter_)[300, 200] - response[300, 200]
    assert float(risen) == pytest.approx(filter_.amplitude, rel=0.02)


def test_filter_in_white_noise_is_the_template_itself() -> None:
    part = dark().image()
    filter_ = whitened(part, FLAT, margin_px=4)
    taps = np.pad(part, 4)
    taps = taps - taps.mean()
    np.testing.assert_allclose(filter_.taps, taps / np.sqrt(4 * (taps**2).sum()), atol=2e-3)
    wanted = math.sqrt(((taps * taps).sum()) / 4)
    assert filter_.amplitude == pytest.approx(wanted, rel=0.01)


def test_a_whitened_filter_sees_more_than_a_plain_one() -> None:
    spectrum = measured_spectrum(imprints.background((512, 512), np.random.default_rng(3)), block_px=128)
    best, plain = (whitened(dark().image(), spectrum, margin_px=8, whiten=w).amplitude for w in (True, False))
    assert best > 1.5 * plain


def test_a_triangle_looks_the_same_after_a_third_of_a_turn() -> None:
    first = dark(angle_rad=0.3, rim=1.0).image()
    np.testing.assert_allclose(dark(angle_rad=0.3 + 2 * math.pi / 3, rim=1.0).image(), first, atol=1e-5)
    assert np.abs(dark(angle_rad=0.3 + math.pi / 3, rim=1.0).image() - first).max() > 1
    edge = len(first) // 2
    y, x = np.mgrid[-edge : edge + 1, -edge : edge + 1]
    c, s = math.cos(2 * math.pi / 3), math.sin(2 * math.pi / 3)
    rotated = scipy.ndimage.map_coordinates(first, [edge + x * s + y * c, edge + x * c - y * s], order=1)
    assert np.abs(rotated - first).mean() < 0.03


def test_template_covers_what_an_imprint_does() -> None:
    template = dark(fill=1.0, blur_px=0.0)
    covered = imprints.imprint(0, 0, size_px=20, angle_rad=0.4, blur_px=0, shape="triangle", outline=False)
    reach = len(template.image()) // 2
    middle = len(covered) // 2
    cut = covered[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    assert np.abs(template.image() - cut).max() < 0.35
    assert float(template.image().sum()) == pytest.approx(covered.sum(), rel=0.03)


def test_scaling_back_gives_the_same_template() -> None:
    template = dark(blur_px=1.3)
    again = template.scaled(4).scaled(1 / 4)
    assert again.size_px == pytest.approx(20)
    assert again.blur_px == pytest.approx(1.3)
    sums = [float(part.image().sum()) for part in (template, template.scaled(4))]
    assert sums[0] == pytest.approx(16 * sums[1], rel=0.03)


@pytest.mark.parametrize("truth", [dark(), dark(shape="disc", angle_rad=0.0, fill=3.0)])
def test_shape_size_and_angle_are_found_in_a_mean_window(truth: Template) -> None:
    n = 49
    x0, y0 = 1.3, -0.7
    part = imprints.imprint(
        x0, y0, size_px=20, angle_rad=truth.angle_rad, blur_px=0.8, shape=truth.shape, outline=False
    )
    mean = np.zeros((n, n))
    mean = np.pad(part * truth.fill, max(0, (n - len(part) + 1) // 2))
    off = (len(mean) - n) // 2
    mean = mean[off : off + n, off : off + n] + np.random.default_rng(0).normal(0, 0.1, (n, n))
    fit = MeanWindow(mean.astype(np.float32), FLAT, 400, shift_px=6).searched(np.array([14.0, 18, 24]), np.array([1.0]))
    assert fit.template.shape == truth.shape
    assert fit.template.size_px == pytest.approx(20, abs=0.5)
    assert fit.template.angle_rad == pytest.approx(truth.angle_rad, abs=0.03)
    assert fit.template.fill == pytest.approx(truth.fill, rel=0.1)
    np.testing.assert_allclose(fit.centre_px, [x0, y0], atol=0.1)


@pytest.mark.parametrize("angle_rad", [0.4, 2.5, -1.0])
def test_unequally_lit_faces_do_not_move_the_centre(angle_rad: float) -> None:
    lit = dark(size_px=36.0, angle_rad=angle_rad, fill=-20.0, rim=8.0, faces=(-14.0, 9.0))
    image = np.zeros((81, 81), np.float32)
    part = lit.image()
    corner = 40 - len(part) // 2
    image[corner : corner + len(part), corner : corner + len(part)] += part
    image += np.random.default_rng(0).normal(0, 0.5, image.shape).astype(np.float32)
    window = MeanWindow(
        image, measured_spectrum(np.random.default_rng(1).normal(0, 0.5, (256, 256)).astype(np.float32)), 1, shift_px=8
    )
    start = dark(size_px=34.0, angle_rad=angle_rad + 0.05, rim=0.0)
    shaded, plain = window.refined(start, shaded=True), window.refined(start)
    assert np.hypot(*shaded.centre_px) < 0.05 < np.hypot(*plain.centre_px)
    assert shaded.template.size_px == pytest.approx(36, abs=0.2)
    np.testing.assert_allclose(shaded.template.image(), lit.image(), atol=1.5)
    assert 0 <= shaded.template.angle_rad < 2 * np.pi / 3


def test_equal_faces_are_not_taken_for_lit_ones() -> None:
    even = dark(size_px=36.0, fill=-20.0)
    image = np.random.default_rng(0).normal(0, 0.5, (81, 81)).astype(np.float32)
    part = even.image()
    corner = 40 - len(part) // 2
    image[corner : corner + len(part), corner : corner + len(part)] += part
    noise = np.random.default_rng(1).normal(0, 0.5, (256, 256)).astype(np.float32)
    fit = MeanWindow(image, measured_spectrum(noise), 1, shift_px=8).refined(even, shaded=True)
    assert fit.template.faces == (0.0, 0.0)
