"""Finding the imprints of one batch: coarse to fine, all columns and rows jointly, to a fraction of a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.micro_positioning.background import Filter, Spectrum, whitened
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.micro_positioning.joint import Fit, Fitted, half_px, held_out, turned, walk_sd
from cemvis.analysis.indentation.micro_positioning.scores import (
    STRAIGHT_RAD,
    Image,
    Responses,
    Scores,
    fine_scores,
    response_map,
)
from cemvis.analysis.indentation.micro_positioning.settle import own_peaks, settled
from cemvis.analysis.indentation.micro_positioning.templates import Template
from cemvis.kernels.indent_search import downsampled

Floats = NDArray[np.float64]

_SMOOTHINGS = (1.5, 0.0)  # of coarse scores: broad peaks forgive a lean, sharp ones show weak imprints
_SHARP = 0.6  # offsets by which a place may be off before a sharp peak is missed
_LONGEST = 0.65  # of the pitch, beyond which the neighbour's imprint is found
_FINE_SMOOTHINGS = (2.0, 0.0)
_FINE_STARTS = 2
_PLAINLY = 0.7  # of the amplitude, from where no other fit is tried
_NEAR, _NEAR_MARGIN = 4, 3  # offsets within which leans are tried, and by which they may carry places away
_SAMPLES = 2  # to an offset then: rounding to whole ones would blur sharp peaks
_SETTLING_PX = 9  # from the grid, beyond which no scores matter at last
_WHOLE = 0.3  # of the amplitude that each row's and column's mean score has to reach to end the search
_SURE = 4.0  # standard errors that it has to reach


@dataclass(frozen=True)
class Search:
    """What is known of a batch beforehand.

    Attributes
    ----------
    origin_px : float
        How far the batch may lie from where it is expected, in x and in y.
    walk_px : float
        Standard deviation of the stage's error per step; re-estimated from each batch.
    turn_rad : float
        How far it may be turned.
    starts : int
        Beginnings of the joint fit.
    """

    origin_px: float = 60.0
    walk_px: float = 5.0
    turn_rad: float = 0.01
    starts: int = 4


@dataclass(frozen=True)
class Appearance:
    """What imprints and background look like in one image, shared by all batches in it.

    Attributes
    ----------
    template : Template
        In px of the image.
    fine, coarse : Spectrum
        Of the background, in px of the image and of the coarse one.
    factor : int
        Edge of the coarse image's pixels, in px.
    whiten : bool
        False to match the template itself, as plain correlation does: far worse on a background with grains.
    """

    template: Template
    fine: Spectrum
    coarse: Spectrum
    factor: int
    whiten: bool = True

    def fine_filter(self) -> Filter:
        """Return the template's filter on the image."""
        return template_filter(self.template, self.fine, whiten=self.whiten)

    def coarse_filter(self) -> Filter:
        """Return the template's filter on the coarse image."""
        return template_filter(self.template.scaled(self.factor), self.coarse, whiten=self.whiten)


@dataclass(frozen=True)
class FoundBatch:
    """Where the imprints of a batch lie.

    Attributes
    ----------
    grid : Grid
    score : (rows, columns) float64
        Standardised response at the grid's places: about N(0, 1) where there is no imprint; NaN where none was made.
    residual_px : (rows, columns, 2) float64
        From the grid to the indent's own peak nearby; NaN where it has none.
    error_px : (rows, columns) float64
        Standard error of the grid's place, from the sharpness of the scores of its row and column.
    amplitude : float
        Score expected of an imprint.
    evidence : float
        That there are imprints at all: about N(0, 1) if there are none; see `joint.held_out`.
    walk_px : float
        Standard deviation of the steps of its errors.
    spread_px : float
        Root mean square difference between starts of nearly the same score.
    """

    grid: Grid
    score: Floats
    residual_px: Floats
    error_px: Floats
    amplitude: float
    evidence: float
    walk_px: float
    spread_px: float


def locate_batch(image: Image, grid: Grid, appearance: Appearance, search: Search) -> FoundBatch:
    """Find the imprints of a batch near an expected grid.

    Parameters
    ----------
    image : (rows, cols) uint8, uint16 or float32
        Without NaN; may be mapped from a file: only what is needed is read.
    grid : Grid
    appearance : Appearance
    search : Search
    """
    found, evidence = coarse_fit(image, grid, appearance, search)
    return fine_fit(image, found, appearance, search, evidence)


def template_filter(template: Template, spectrum: Spectrum, *, whiten: bool = True) -> Filter:
    """Return the matched filter of a template, with margins that hold a whitened one."""
    image = template.image()
    return whitened(image, spectrum, margin_px=max(4, len(image) // 8), whiten=whiten)


def coarse_fit(image: Image, grid: Grid, appearance: Appearance, search: Search) -> tuple[Fitted, float]:
    """Return the grid to about a coarse pixel, and the evidence that there is one."""
    filter_, factor = appearance.coarse_filter(), appearance.factor
    shown, corner = coarse_image(image, grid, search, factor, reach_px=factor * len(filter_.taps) / 2)
    return fit_coarse(Responses(response_map(shown, filter_), corner, factor), grid, search, filter_.amplitude)


def wide_radius(grid: Grid, search: Search, factor: int) -> int:
    """Return how many coarse pixels a place may be off."""
    reach = search.origin_px + 2 * search.walk_px * math.sqrt(max(grid.shape)) + search.turn_rad * half_px(grid)
    return math.ceil(min(reach, _LONGEST * min(grid.pitch_px)) / factor)


def coarse_image(
    image: Image, grid: Grid, search: Search, factor: int, *, reach_px: float
) -> tuple[NDArray[np.float32], Floats]:
    """Return block means of the image around a batch, and x and y of the first pixel's centre."""
    places = grid.places().reshape(-1, 2)
    margin = reach_px + factor * wide_radius(grid, search, factor)
    low = np.floor(np.maximum(places.min(axis=0) - margin, 0)).astype(int)
    high = np.ceil(np.minimum(places.max(axis=0) + margin + 1, image.shape[::-1])).astype(int)
    low = np.minimum(low, np.array(image.shape[::-1]) - factor)
    high = np.maximum(high, low + factor)
    return downsampled(image[low[1] : high[1], low[0] : high[0]], factor), low + (factor - 1) / 2


def fit_coarse(
    responses: Responses, grid: Grid, search: Search, amplitude: float, *, least: float = 0.0
) -> tuple[Fitted, float]:
    """Return the best fit over turns and leans, and its evidence.

    A fit whose every row and column shows ends the search; `least` is a mean score that they must reach at least, for
    templates whose amplitude says little because they are only half learned.
    """
    step = float(responses.factor)
    wide = wide_radius(grid, search, responses.factor)
    near = max(3, wide // 3)
    sharp = Fit(search.walk_px, amplitude)
    if abs(grid.angle_rad) >= STRAIGHT_RAD:
        responses = responses.straightened(grid, 2 * wide + near + math.ceil(search.turn_rad * half_px(grid) / step))
    found = []
    for smooth in _SMOOTHINGS:
        broad, fit = (responses.smoothed(smooth), Fit(search.walk_px, 0.0)) if smooth else (responses, sharp)
        most_px = step * max(smooth, _SHARP)
        facing = _best_turn(responses, broad, fit, turned(grid, search.turn_rad, most_px), wide, amplitude, least)
        first = fit.moved(broad.around(facing, wide), facing, wide, starts=search.starts)
        kept = [sharp.moved(responses.around(each, near), each, near) for each in unjumped(first.grid)]
        if kept:
            first = replace(max(kept, key=lambda each: each.score), spread_px=first.spread_px)
        # What is left of a turn hides some of the walks, and sharper peaks ask for finer turns.
        scores = responses.around(first.grid, near + math.ceil(most_px / step))
        second = sharp.moved(scores, first.grid, near)
        whole = is_whole(responses.around(second.grid, 0), second.grid, amplitude, least=least)
        if not whole:
            left_rad = most_px / half_px(grid) if search.turn_rad else 0.0
            second = sharp.best(scores, turned(first.grid, left_rad, step * _SHARP), near)
            reach = _NEAR + _NEAR_MARGIN
            closer = responses.around(second.grid, reach + 2).resampled(second.grid, reach, every=_SAMPLES)
            again = sharp.moved(closer, second.grid, _NEAR)
            second = sharp.leaned(closer, again, _NEAR, step_px=step * _SHARP)
            whole = is_whole(closer, second.grid, amplitude, least=least)
        found.append(Fitted(second.score, second.grid, first.spread_px))
        if whole:
            break
    best = max(found, key=lambda each: each.score)
    # From where the batch was expected: near the best fit, which all places chose, noise would be evidence too.
    expected = replace(best.grid, column_error_px=grid.column_error_px, row_error_px=grid.row_error_px)
    return best, held_out(responses.around(expected, wide), expected, sharp, wide)


def is_whole(scores: Scores, grid: Grid, amplitude: float, *, least: float = 0.0) -> bool:
    """Return whether every row and column of a grid shows by itself, by a mean score of at least so much."""
    tables, _ = scores.along(grid, 0)
    value, known = tables[..., 0, 0] * grid.present, grid.present
    for axis in (0, 1):
        count = np.maximum(known.sum(axis=axis), 1)
        wanted = np.maximum(max(_WHOLE * amplitude, least), _SURE / np.sqrt(count))
        if (value.sum(axis=axis) < wanted * count)[known.any(axis=axis)].any():
            return False
    return True


def unjumped(grid: Grid) -> list[Grid]:
    """Return the grids that a grid may stand for whose walks jump by a pitch; none if they don't.

    A jump costs less than an empty column does. Unwrapped from the first place and from the last, one is as expected.
    """
    choices = []
    for errors, pitch in zip((grid.column_error_px, grid.row_error_px), grid.pitch_px, strict=True):
        smooth = np.unwrap(errors, period=pitch)
        choices.append([smooth, smooth + errors[-1] - smooth[-1]] if (smooth != errors).any() else [errors])
    if len(choices[0]) == len(choices[1]) == 1:
        return []
    return [replace(grid, column_error_px=u, row_error_px=v) for u in choices[0] for v in choices[1]]


def _best_turn(
    responses: Responses, broad: Responses, fit: Fit, grids: list[Grid], radius: int, amplitude: float, least: float
) -> Grid:
    """Return the best of several turned grids, unmoved; the first one that is whole when moved, if any."""
    best: tuple[float, Grid] | None = None
    for grid in grids if len(grids) > 1 else ():
        moved = fit.moved(broad.around(grid, radius), grid, radius)
        if best is None or moved.score > best[0]:
            best = moved.score, grid
        if is_whole(responses.around(moved.grid, 0), moved.grid, amplitude, least=least):
            return grid
    return best[1] if best else grids[0]


def _straightened(scores: Scores, grid: Grid, radius: int) -> Scores:
    """Return scores whose tables run along a turned grid."""
    return scores if abs(grid.angle_rad) < STRAIGHT_RAD else scores.resampled(grid, radius)


def fine_fit(image: Image, coarse: Fitted, appearance: Appearance, search: Search, evidence: float) -> FoundBatch:
    """Return the batch to a fraction of a pixel, from a grid that is good to about a coarse one."""
    filter_ = appearance.fine_filter()
    radius = max(4, 2 * appearance.factor)
    scores = _straightened(fine_scores(image, filter_, coarse.grid, radius), coarse.grid, radius)
    fit = Fit(search.walk_px, filter_.amplitude)
    # Sharp edges answer in a needle between ridges, which smoothing would bury.
    straight = fit.moved(scores, coarse.grid, radius - 1, starts=_FINE_STARTS)
    found = [straight]
    plain = is_whole(scores, straight.grid, filter_.amplitude, least=_PLAINLY * filter_.amplitude)
    for smooth in () if plain else _FINE_SMOOTHINGS:
        broad, first = (scores.smoothed(smooth), Fit(search.walk_px, 0.0)) if smooth else (scores, fit)
        moved = first.moved(broad, coarse.grid, radius - 1)
        leaned = first.leaned(broad, moved, max(3, radius // 3), step_px=max(smooth, _SHARP))
        # A row that the lean had put out of reach of its evidence is met again from all offsets.
        again = fit.moved(scores, leaned.grid, radius - 1)
        whole = is_whole(scores, again.grid, filter_.amplitude)
        if not whole:
            closer = scores.resampled(again.grid, 3 + _NEAR_MARGIN, every=_SAMPLES)
            again = fit.leaned(closer, fit.moved(closer, again.grid, 3), 3, step_px=_SHARP)
            whole = is_whole(closer, again.grid, filter_.amplitude)
        found.append(again)
        if whole:
            break
    if max(found, key=lambda each: each.score) is straight:
        found.append(fit.leaned(scores, straight, max(3, radius // 3), step_px=_SHARP))
    best = max(found, key=lambda each: each.score).grid
    scores = scores.around(best, min(radius, _SETTLING_PX))
    walk = max(walk_sd(best, search.walk_px), 0.2)
    typical = float(np.median(scores.at(best.places())[best.present]))
    amplitude = max(1.0, min(filter_.amplitude, typical))
    grid, error = settled(scores, best, walk_px=walk, amplitude=amplitude)
    places = grid.places()
    residual = own_peaks(scores, places, least=min(3.0, 0.5 * amplitude))
    residual[~grid.present] = np.nan
    score = np.where(grid.present, scores.at(places), np.nan)
    return FoundBatch(grid, score, residual, error, amplitude, evidence, walk, coarse.spread_px)
