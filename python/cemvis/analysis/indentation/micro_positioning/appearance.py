"""What imprints look like in an image: found from a batch without knowing their size, orientation or sign."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cemvis.analysis.indentation.micro_positioning.background import Spectrum, measured_spectrum, whitened
from cemvis.analysis.indentation.micro_positioning.batch import (
    Appearance,
    FoundBatch,
    Search,
    coarse_image,
    fine_fit,
    fit_coarse,
    locate_batch,
    template_filter,
)
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.micro_positioning.joint import Fitted
from cemvis.analysis.indentation.micro_positioning.scores import (
    Image,
    Responses,
    mirrored_window,
    response_map,
)
from cemvis.analysis.indentation.micro_positioning.templates import Fit, MeanWindow, Template

Floats = NDArray[np.float32]

_COARSE_PITCH_PX = 40
_BLOB_SIZES = (0.1, 0.16, 0.25)  # standard deviation of a blob, in pitches
_SIZES = np.array([0.15, 0.22, 0.3, 0.4, 0.52])  # of a template, in pitches
_OFF_CENTRE = np.stack(np.meshgrid([0, -0.3, 0.3], [0, -0.3, 0.3]), axis=-1).reshape(-1, 2)  # in pitches
_SAMPLE_PX = 2048
_ROUNDS = 3
_MOST_ROUNDS = 10
_STILL_PX = 0.1  # centre of the mean imprint beyond which the grid isn't where the template says
_PLAIN = 2.0  # mean score of a row that is sure to show, whatever a half learned template promises
_MOST_PLACES = 20  # along a side


def learned_appearance(image: Image, grid: Grid, search: Search) -> tuple[Appearance, FoundBatch]:
    """Return what the imprints of a batch look like, and where they are.

    Blobs of several sizes, bright and dark on the image and on its edges, find the batch roughly on a coarse image;
    the mean imprint there tells shape, size, orientation and sharpness, first coarsely, then pixel by pixel.

    Parameters
    ----------
    image : (rows, cols) uint8, uint16 or float32
        Without NaN.
    grid : Grid
        Where the batch is expected.
    search : Search
    """
    part, near = _middle(grid, search)
    appearance, found = _learned(image, part, near)
    return appearance, found if part is grid else locate_batch(image, grid, appearance, search)


def _middle(grid: Grid, search: Search) -> tuple[Grid, Search]:
    """Return the middle of a large grid, and how to search for it: more imprints teach nothing new."""
    first = [max(0, n - _MOST_PLACES) // 2 for n in grid.shape]
    if not any(first):
        return grid, search
    rows, columns = (slice(f, f + _MOST_PLACES) for f in first)
    if not grid.present[rows, columns].any():
        return grid, search
    part = replace(
        grid,
        origin_px=grid.origin_px + np.array([first[1] * grid.pitch_px[0], first[0] * grid.pitch_px[1]]) @ grid.axes,
        present=grid.present[rows, columns],
        column_error_px=grid.column_error_px[columns],
        row_error_px=grid.row_error_px[rows],
    )
    return part, replace(search, origin_px=math.hypot(search.origin_px, 2 * search.walk_px * math.sqrt(max(first))))


def _learned(image: Image, grid: Grid, search: Search) -> tuple[Appearance, FoundBatch]:
    pitch = min(grid.pitch_px)
    factor = max(1, int(pitch // _COARSE_PITCH_PX))
    shown, corner = coarse_image(image, grid, search, factor, reach_px=pitch / 2)
    coarse = spectrum_of(shown)
    rough = _found_by_blobs(shown, corner, factor, grid, search)
    for _ in range(_ROUNDS):
        fit = _coarse_template(shown, (rough.grid.places() - corner) / factor, rough.grid, coarse, pitch / factor)
        # Shifted by the template's centre each time, the whole grid could end a pitch away.
        near = replace(rough.grid, column_error_px=grid.column_error_px, row_error_px=grid.row_error_px)
        filter_ = template_filter(fit.template, coarse)
        responses = Responses(response_map(shown, filter_), corner, factor)
        rough, evidence = fit_coarse(responses, near, search, filter_.amplitude, least=_PLAIN)
    fine = measured_spectrum(_sample(image, rough.grid), block_px=min(512, max(64, int(2 * pitch))))
    template = fit.template.scaled(1 / factor)
    for done in range(_MOST_ROUNDS):
        mean, count = mean_window(image, rough.grid.places()[rough.grid.present], _odd(0.8 * pitch))
        window = MeanWindow(mean, fine, count, shift_px=0.25 * pitch)
        fit = window.resized(template, shaded=True)
        if done >= _ROUNDS and np.hypot(*fit.centre_px) < _STILL_PX:
            break
        template = fit.template
        appearance = Appearance(template, fine, coarse, factor)
        at = Fitted(rough.score, rough.grid.shifted(fit.centre_px), rough.spread_px)
        found = fine_fit(image, at, appearance, search, evidence)
        rough = Fitted(rough.score, found.grid, rough.spread_px)
    return appearance, found


def _found_by_blobs(shown: Floats, corner_px: NDArray[np.float64], factor: int, grid: Grid, search: Search) -> Fitted:
    """Return the best fit of a grid to the responses of a coarse image to any blobs."""
    found = (
        fit_coarse(Responses(response, corner_px, factor), grid, search, 0.0, least=_PLAIN)[0]
        for response in blob_responses(shown, min(grid.pitch_px) / factor)
    )
    return max(found, key=lambda each: each.score)


def blob_responses(image: Floats, pitch_px: float) -> Iterator[Floats]:
    """Yield standardised responses of an image to blobs of several sizes: bright and dark ones, and many or few edges.

    Parameters
    ----------
    image : (rows, cols) float32
    pitch_px : float
        Distance between imprints, on which the blobs' sizes depend.
    """
    pictures = [(shown, spectrum_of(shown)) for shown in (image, _edges(image))]
    for size in _BLOB_SIZES:
        sd = size * pitch_px
        reach = math.ceil(2.5 * sd)
        offset = np.arange(-reach, reach + 1)
        blob = np.exp(-0.5 * (offset[:, None] ** 2 + offset[None, :] ** 2) / sd**2).astype(np.float32)
        for shown, spectrum in pictures:
            response = response_map(shown, whitened(blob, spectrum, margin_px=4))
            yield response
            yield -response


def spectrum_of(image: Floats) -> Spectrum:
    """Return the spectrum of a coarse image."""
    return measured_spectrum(image, block_px=max(32, min(256, min(image.shape) // 2)))


def mean_window(image: Image, places_px: NDArray[np.float64], edge_px: int) -> tuple[Floats, int]:
    """Return the mean of windows around places, and how many there are; each counts without its own mean level.

    Windows that leave the image are left out, unless they are the most: then they are mirrored at its borders.

    Parameters
    ----------
    places_px : (n, 2) float64
    edge_px : int
        Odd.
    """
    centres = np.rint(places_px).astype(np.int64)
    reach, size = edge_px // 2, np.array(image.shape[::-1])
    centres = centres[((centres >= 0) & (centres < size)).all(axis=1)]
    whole = ((centres >= reach) & (centres < size - reach)).all(axis=1)
    if 2 * whole.sum() >= len(centres):
        centres = centres[whole]
    total = np.zeros((edge_px, edge_px))
    for centre in centres:
        window = mirrored_window(image, centre, reach)
        total += window - window.mean(dtype=np.float64)
    return (total / max(len(centres), 1)).astype(np.float32), len(centres)


def _edges(image: Floats) -> Floats:
    """Return the logarithm of the gradient's magnitude."""
    slope = scipy.ndimage.gaussian_gradient_magnitude(image, 1.0)
    return np.asarray(np.log(slope + 0.1 * slope.mean() + 1e-12), dtype=np.float32)


def _coarse_template(image: Floats, places: NDArray[np.float64], grid: Grid, spectrum: Spectrum, pitch: float) -> Fit:
    """Return the template that fits best at the places or a little off them.

    The windows' own fit would take what lies between imprints for a bright one if the blobs were off by a quarter of
    the pitch: the imprints themselves stand in the windows' tapered border then.
    """
    sizes = pitch * _SIZES
    best: tuple[float, MeanWindow, NDArray[np.float64]] | None = None
    for offset in pitch * _OFF_CENTRE:
        mean, count = mean_window(image, places[grid.present] + offset, _odd(0.9 * pitch))
        window = MeanWindow(mean, spectrum, count, shift_px=0.3 * pitch)
        evidence = max(window.fit(Template("disc", float(size), 0.0, 1.0, 1.0, 0.0)).evidence for size in sizes)
        if best is None or evidence > best[0]:
            best = evidence, window, offset
    assert best is not None
    fit = best[1].searched(sizes, np.array([0.5, 1.5]))
    return replace(fit, centre_px=fit.centre_px + best[2])


def _sample(image: Image, grid: Grid) -> Floats:
    """Return the middle of the batch, at most 2048 px wide."""
    centre = grid.places().mean(axis=(0, 1))
    low = np.maximum(np.rint(centre[::-1] - _SAMPLE_PX / 2), 0).astype(int)
    return image[low[0] : low[0] + _SAMPLE_PX, low[1] : low[1] + _SAMPLE_PX].astype(np.float32)


def _odd(length: float) -> int:
    return 2 * int(length // 2) + 1
