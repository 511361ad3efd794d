"""Finding the imprints of one batch: coarse to fine, all columns and rows jointly, to a fraction of a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.micro_positioning.background import Filter, Spectrum, whitened
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.micro_positioning.joint import Fit, Fitted, half_px, held_out, turned, walk_sd
from cemvis.analysis.indentation.micro_positioning.scores import Image, Scores, coarse_scores, fine_scores
from cemvis.analysis.indentation.micro_positioning.settle import own_peaks, settled
from cemvis.analysis.indentation.micro_positioning.templates import Template
from cemvis.kernels.indent_search import downsampled

Floats = NDArray[np.float64]

_SMOOTHINGS = (1.5, 0.0)  # of coarse scores: broad peaks forgive a lean, sharp ones show weak imprints
_SHARP = 0.6  # offsets by which a place may be off before a sharp peak is missed
_LONGEST = 0.65  # of the pitch, beyond which the neighbour's imprint is found
_FINE_SMOOTHINGS = (2.0, 0.0)


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
    """

    template: Template
    fine: Spectrum
    coarse: Spectrum
    factor: int

    def fine_filter(self) -> Filter:
        """Return the template's filter on the image."""
        return template_filter(self.template, self.fine)

    def coarse_filter(self) -> Filter:
        """Return the template's filter on the coarse image."""
        return template_filter(self.template.scaled(self.factor), self.coarse)


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


def template_filter(template: Template, spectrum: Spectrum) -> Filter:
    """Return the whitened filter of a template."""
    image = template.image()
    return whitened(image, spectrum, margin_px=max(4, len(image) // 8))


def coarse_fit(image: Image, grid: Grid, appearance: Appearance, search: Search) -> tuple[Fitted, float]:
    """Return the grid to about a coarse pixel, and the evidence that there is one."""
    filter_, factor = appearance.coarse_filter(), appearance.factor
    shown, corner = coarse_image(image, grid, search, factor, reach_px=factor * len(filter_.taps) / 2)
    scores = coarse_scores(shown, corner, factor, filter_, grid, wide_radius(grid, search, factor))
    return fit_coarse(scores, grid, search, filter_.amplitude)


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


def fit_coarse(scores: Scores, grid: Grid, search: Search, amplitude: float) -> tuple[Fitted, float]:
    """Return the best fit over turns and leans, and its evidence."""
    step = scores.step_px
    wide = min(wide_radius(grid, search, round(step)), scores.radius)
    near = max(3, wide // 3)
    sharp = Fit(search.walk_px, amplitude)
    found = []
    for smooth in _SMOOTHINGS:
        broad, fit = (scores.smoothed(smooth), Fit(search.walk_px, 0.0)) if smooth else (scores, sharp)
        most_px = step * max(smooth, _SHARP)
        first = fit.best(broad, turned(grid, search.turn_rad, most_px), wide, starts=search.starts)
        # What is left of a turn hides some of the walks, and sharper peaks ask for finer turns.
        left_rad = most_px / half_px(grid) if search.turn_rad else 0.0
        second = sharp.best(scores, turned(first.grid, left_rad, step * _SHARP), near)
        third = sharp.leaned(scores, second, near, step_px=step * _SHARP)
        found.append(Fitted(third.score, third.grid, first.spread_px))
    best = max(found, key=lambda each: each.score)
    return best, held_out(scores, best, sharp, near)


def fine_fit(image: Image, coarse: Fitted, appearance: Appearance, search: Search, evidence: float) -> FoundBatch:
    """Return the batch to a fraction of a pixel, from a grid that is good to about a coarse one."""
    filter_ = appearance.fine_filter()
    radius = max(4, 2 * appearance.factor)
    scores = fine_scores(image, filter_, coarse.grid, radius)
    fit = Fit(search.walk_px, filter_.amplitude)
    found = []
    for smooth in _FINE_SMOOTHINGS:
        broad, first = (scores.smoothed(smooth), Fit(search.walk_px, 0.0)) if smooth else (scores, fit)
        moved = first.moved(broad, coarse.grid, radius - 1)
        leaned = first.leaned(broad, moved, max(3, radius // 3), step_px=max(smooth, _SHARP))
        # A row that the lean had put out of reach of its evidence is met again from all offsets.
        again = fit.moved(scores, leaned.grid, radius - 1)
        found.append(fit.leaned(scores, again, 3, step_px=_SHARP))
    best = max(found, key=lambda each: each.score).grid
    walk = max(walk_sd(best, search.walk_px), 0.2)
    typical = float(np.median(scores.at(best.places())[best.present]))
    amplitude = max(1.0, min(filter_.amplitude, typical))
    grid, error = settled(scores, best, walk_px=walk, amplitude=amplitude)
    places = grid.places()
    residual = own_peaks(scores, places, least=min(3.0, 0.5 * amplitude))
    residual[~grid.present] = np.nan
    score = np.where(grid.present, scores.at(places), np.nan)
    return FoundBatch(grid, score, residual, error, amplitude, evidence, walk, coarse.spread_px)
