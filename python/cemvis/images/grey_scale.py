"""Bringing a mosaic to a model's grey scale by two anchors: the grey levels of the matrix and of the clinker.

Brightness and contrast differ between sessions and microscopes, so a grey level means nothing by itself. In a
paste two levels can be recognised: the hydrated matrix is the histogram's main mode, and clinker the brightest
mode that holds more than a trace of the pixels. A straight line takes the two levels of a mosaic to the two of
the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import GreyScaleError, InputError
from cemvis.images.micrograph import Micrograph
from cemvis.images.modes import Mode, find_modes

LEAST_CLINKER_SHARE, MOST_CLINKER_SHARE = 0.015, 0.4
MOST_SATURATED, MOST_BLACK = 0.01, 0.10  # shares of pixels at the highest and the lowest level in use
LEAST_LEVELS = 24
LEAST_PIXELS = 10_000
LEAST_DISTANCE_SD = 2.0  # from the matrix to the clinker, in standard deviations of the matrix
_BLOCK_PX = 1 << 22
_BLOCK_EDGE = 256
_LEAST_BLOCKS = 128


@dataclass(frozen=True)
class GreyScale:
    """Grey levels of the matrix (hydrates) and of the clinker: the two anchors of a grey scale.

    Raises
    ------
    GreyScaleError
        If they are not finite, or the clinker is not brighter than the matrix.
    """

    matrix: float
    clinker: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.matrix) and math.isfinite(self.clinker) and self.clinker - self.matrix >= 1):
            msg = (
                f"anchors are matrix {self.matrix:g} and clinker {self.clinker:g}; "
                "wanted two grey levels, the clinker's at least 1 above the matrix's"
            )
            raise GreyScaleError(msg)


@dataclass(frozen=True)
class AnchorFit:
    """Anchors found in a histogram.

    Attributes
    ----------
    scale : GreyScale or None
        None where there are none.
    reliable : bool
        Whether to trust them.
    note : str
        What there is to say besides: how they were found, and why not to trust them. Empty if nothing.
    is_peak : bool
        False for a clinker that is only a shoulder of the matrix.
    clinker_share : float or None
        Of the pixels, in the clinker's mode; None where it is not known.
    """

    scale: GreyScale | None
    reliable: bool
    note: str
    is_peak: bool = True
    clinker_share: float | None = None

    @property
    def text(self) -> str:
        """All of it in a line."""
        parts = [] if self.scale is None else [f"matrix {self.scale.matrix:.1f}, clinker {self.scale.clinker:.1f}"]
        return "; ".join([*parts, *self.remarks()])

    def remarks(self) -> list[str]:
        """Return what there is to say besides the two levels."""
        share = [] if self.clinker_share is None else [f"{self.clinker_share:.1%} of the pixels are clinker"]
        return [*share, *([self.note] if self.note else [])]


@dataclass(frozen=True)
class GreyTransform:
    """The straight line that takes a mosaic's grey levels to a model's grey scale: ``gain * grey + offset``.

    `anchors` are the mosaic's own; `source` says where they come from, `note` what was done.
    """

    gain: float
    offset: float
    anchors: GreyScale
    source: Literal["histogram", "given", "none"]
    reliable: bool
    note: str

    def apply(self, grey: NDArray[Any] | float) -> NDArray[np.float64]:
        """Return grey levels of the mosaic, of any shape, on the model's scale."""
        return np.asarray(grey, np.float64) * self.gain + self.offset


def transform_to(
    model_scale: GreyScale, anchors: GreyScale | AnchorFit | None, *, source: Literal["histogram", "given"] = "given"
) -> GreyTransform:
    """Return the line that takes a mosaic's two anchors to the model's two.

    Parameters
    ----------
    model_scale : GreyScale
        The anchors of the model.
    anchors : GreyScale, AnchorFit or None
        Those of the mosaic: given by a person, or as found in its histogram. Without any (None, or a fit that
        found none) the grey levels stay as they are, and the result is not reliable.
    source : {"given", "histogram"}
        Where a GreyScale comes from; an AnchorFit comes from a histogram.
    """
    reliable, reason = True, ""
    if isinstance(anchors, AnchorFit):
        source, reliable = "histogram", anchors.reliable
        reason = "".join(f"; {each}" for each in anchors.remarks())
        anchors = anchors.scale
    if anchors is None:
        note = f"grey levels are used as they are{reason or '; no anchors were given'}"
        return GreyTransform(1.0, 0.0, model_scale, "none", reliable=False, note=note)
    gain = (model_scale.clinker - model_scale.matrix) / (anchors.clinker - anchors.matrix)
    offset = model_scale.matrix - gain * anchors.matrix
    note = (
        f"matrix {anchors.matrix:.1f} -> {model_scale.matrix:.1f}, clinker {anchors.clinker:.1f} -> "
        f"{model_scale.clinker:.1f}: grey x {gain:.4g} {'+' if offset >= 0 else '-'} {abs(offset):.4g}{reason}"
    )
    return GreyTransform(gain, offset, anchors, source, reliable, note)


def find_anchors(histogram: NDArray[np.int64]) -> AnchorFit:
    """Find the grey levels of the matrix and of the clinker in a histogram.

    The matrix is the main mode, the clinker the brightest peak above it that holds at least 1.5 % of the pixels;
    where blur and noise leave no such peak, the brightest such shoulder. Portlandite lies between the two, ferrite
    above clinker holds less.

    Parameters
    ----------
    histogram : (levels,) integers
        Pixels of each grey level, from 0 on.

    Returns
    -------
    AnchorFit
        Not reliable, with the reason in `note`, if more than 1 % of the pixels have the highest level in use or
        more than 10 % the lowest, if fewer than 24 levels are in use, if there are fewer than 10,000 pixels, if
        the clinker's share is below 1.5 or above 40 %, or if it is less than 2 standard deviations of the matrix
        away from it.

    Raises
    ------
    InputError
        If `histogram` is not a row of counts.
    """
    counts = np.asarray(histogram)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or counts.size < 3 or (counts < 0).any() or not counts.any():
        msg = f"histogram is {counts.dtype} of shape {counts.shape}; wanted (levels,) counts, not all zero"
        raise InputError(msg)
    counts = counts.astype(np.int64)
    used = np.flatnonzero(counts)
    if used.size < 3:
        return AnchorFit(None, False, f"grey levels in use: {used.size}; no phases to tell apart")
    modes = find_modes(counts)
    problems = _problems(counts, used)
    clinker = _clinker_of(modes.brighter)
    if clinker is None:
        return AnchorFit(None, False, "; ".join([_why_no_clinker(modes.main, modes.brighter), *problems]))
    shoulder = [] if clinker.is_peak else ["clinker is a shoulder without a peak of its own: its level is less certain"]
    if clinker.share > MOST_CLINKER_SHARE:
        problems.append(f"the bright mode holds {clinker.share:.0%} of the pixels, too much for clinker")
    if clinker.grey - modes.main < max(1.0, LEAST_DISTANCE_SD * modes.main_sd):
        problems.append("the bright mode is too close to the matrix")
    if clinker.grey - modes.main < 1:
        return AnchorFit(None, False, "; ".join(problems))
    scale = GreyScale(modes.main, clinker.grey)
    note = "; ".join([*shoulder, *problems])
    return AnchorFit(scale, not problems, note, clinker.is_peak, clinker.share)


def _clinker_of(brighter: tuple[Mode, ...]) -> Mode | None:
    """Return the brightest peak with a share worth naming, or else the brightest such shoulder."""
    enough = [mode for mode in brighter if mode.share >= LEAST_CLINKER_SHARE]
    peaks = [mode for mode in enough if mode.is_peak]
    return (peaks or enough)[-1] if enough else None


def _why_no_clinker(matrix: float, brighter: tuple[Mode, ...]) -> str:
    if not brighter:
        return f"the histogram has one mode only (grey {matrix:.1f}), so there is no clinker to hold on to"
    mode = max(brighter, key=lambda mode: mode.share)
    return (
        f"the bright mode at grey {mode.grey:.1f} holds {mode.share:.1%} of the pixels; "
        f"clinker needs {LEAST_CLINKER_SHARE:.1%} to be told from chance"
    )


def _problems(counts: NDArray[np.int64], used: NDArray[np.int64]) -> list[str]:
    """Return what keeps a histogram from supporting any anchors."""
    pixels = counts.sum()
    bright, dark = counts[used[-1]] / pixels, counts[used[0]] / pixels
    problems = []
    if pixels < LEAST_PIXELS:
        problems.append(f"only {pixels:,} pixels; wanted at least {LEAST_PIXELS:,}")
    if used.size < LEAST_LEVELS:
        problems.append(f"only {used.size} grey levels are in use; wanted at least {LEAST_LEVELS}")
    if bright > MOST_SATURATED:
        problems.append(f"saturated: {bright:.1%} of the pixels have the highest level in use ({used[-1]})")
    if dark > MOST_BLACK:
        problems.append(f"{dark:.1%} of the pixels have the lowest level ({used[0]}): clipped, or an empty margin")
    return problems


def measure_anchors(micrograph: Micrograph, *, sample_px: int = 50_000_000, threads: int = 1) -> AnchorFit:
    """Find the anchors of a micrograph, looking past its noise if that hides the clinker's peak.

    The histogram of the pixels is tried first, then that of the means of 2 x 2 and of 4 x 4 pixels; the first one
    in which the clinker is a peak counts, and the note says so. What is wrong with the pixels themselves, saturation
    above all, stays wrong however calm their means are.
    """
    pixels = grey_histogram(micrograph, sample_px=sample_px, threads=threads)
    first = find_anchors(pixels)
    problems = _problems(pixels, np.flatnonzero(pixels))
    if first.reliable and first.is_peak:
        return first
    for edge in (2, 4):
        calmer = find_anchors(grey_histogram(micrograph, sample_px=sample_px, mean_of=edge, threads=threads))
        if calmer.reliable and calmer.is_peak:
            note = "; ".join([f"found in means of {edge} x {edge} pixels", *problems])
            return replace(calmer, reliable=not problems, note=note)
    return first


def grey_histogram(
    micrograph: Micrograph, *, sample_px: int = 50_000_000, mean_of: int = 1, threads: int = 1
) -> NDArray[np.int64]:
    """Count the pixels of each grey level, of all pixels or of evenly spread blocks of a large mosaic.

    Parameters
    ----------
    micrograph : Micrograph
        What to count in.
    sample_px : int
        About how many pixels to look at: all of them if there are fewer, else blocks aligned to the stored chunks,
        spread evenly over the image; the same ones every time. Memory holds one block at a time.
    mean_of : int
        Count the rounded means of squares of this many pixels instead of pixels, which calms noise.
    threads : int
        Threads that decode strips or tiles.

    Returns
    -------
    (256,) or (65536,) int64
    """
    levels = int(np.iinfo(micrograph.dtype).max) + 1
    counts = np.zeros(levels, np.int64)
    for window in sample_windows(micrograph, sample_px=sample_px):
        block = micrograph.read(*window, threads=threads)
        if mean_of > 1:
            block = _means(block, mean_of)
        counts += np.bincount(block.reshape(-1), minlength=levels)
    return counts


def sample_windows(micrograph: Micrograph, *, sample_px: int) -> list[tuple[int, int, int, int]]:
    """Return (row, col, rows, cols) of the blocks that `grey_histogram` looks at: every n-th row and column of them."""
    rows, cols = micrograph.shape
    everything = rows * cols <= sample_px
    block_cols = cols if everything else min(cols, _multiple(_BLOCK_EDGE, micrograph.chunk_shape[1]))
    block_px = _BLOCK_PX if everything else min(_BLOCK_EDGE * block_cols, sample_px // _LEAST_BLOCKS)
    block_rows = min(rows, _multiple(max(1, block_px // block_cols), micrograph.chunk_shape[0]))
    thinning = 1.0 if everything else rows * cols / sample_px
    step_cols = min(math.ceil(cols / block_cols), max(1, round(math.sqrt(thinning))))
    step_rows = min(math.ceil(rows / block_rows), max(1, round(thinning / step_cols)))
    return [
        (row, col, min(block_rows, rows - row), min(block_cols, cols - col))
        for row in range(step_rows // 2 * block_rows, rows, step_rows * block_rows)
        for col in range(step_cols // 2 * block_cols, cols, step_cols * block_cols)
    ]


def _multiple(at_least: int, of: int) -> int:
    return math.ceil(at_least / of) * of


def _means(block: NDArray[Any], edge: int) -> NDArray[Any]:
    """Return the rounded means of squares of `edge` px; what is left over at the right and below does not count."""
    rows, cols = block.shape[0] // edge, block.shape[1] // edge
    squares = block[: rows * edge, : cols * edge].reshape(rows, edge, cols, edge)
    sums = squares.sum(axis=(1, 3), dtype=np.uint32)
    means: NDArray[Any] = (sums + edge * edge // 2) // (edge * edge)
    return means
