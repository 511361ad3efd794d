"""The info bar that microscopes put under a picture, found in the picture itself.

A bar is a band of one exact grey level that spans the width at the foot of the image, begins at a straight edge,
and carries a little writing in a few strongly different levels. All of it has to hold: an empty margin has no
writing, a dark or clipped part of a specimen has no straight edge, and a blank corner of a mosaic does not span
the width. What is not certainly a bar is left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_IMAGE_PX = 100_000_000  # single frames carry bars; larger images are mosaics and are not searched
SEARCHED = 0.25  # of the height
_LEAST_ROWS, _LEAST_HEIGHT = 12, 0.02
_FOOT = 0.04  # of the height: where a bar's own grey is looked for
_ROW_SHARE = 0.5  # of a row's pixels have the bar's grey, except where it is full of writing
_LINE_SHARE = 0.9  # of a frame line's pixels have one level
_FRAME_ROWS = 3
_TRAILING_ROWS = 4  # rows of frame or picture that may show under a bar
_LOSSY_LEVELS = 8  # of 255


def find_info_bar(foot: NDArray[Any], rows: int, *, lossy: bool = False) -> int:
    """Return how many rows the info bar at the foot of an image takes, 0 if there is none.

    Parameters
    ----------
    foot : (n, cols) uint8 or uint16
        The last n rows of the image: the last quarter.
    rows : int
        Rows of the whole image.
    lossy : bool
        Whether compression may have changed the grey of the bar by a few levels.
    """
    tolerance = _LOSSY_LEVELS * (int(np.iinfo(foot.dtype).max) // 255) if lossy else 0
    level = _foot_level(foot, rows, tolerance)
    if level is None:
        return 0
    deviation = np.abs(foot.astype(np.int32) - level)
    is_bar = deviation <= tolerance
    shares = is_bar.mean(axis=1)
    top = _top(shares, foot, rows, tolerance)
    height = int(foot.shape[0]) - top
    if top < 3 or height < max(_LEAST_ROWS, _LEAST_HEIGHT * rows):
        return 0
    begins_sharply = shares[top : top + 8].max() - shares[top - 3 : top].max() > 0.4
    stands_out = deviation[top:] > 0.3 * (int(foot.max()) - int(foot.min()))
    bar = foot[top:] // (2 * tolerance + 1)
    is_info_bar = begins_sharply and _spans_width(is_bar[top:]) and _has_writing(bar, is_bar[top:], stands_out)
    return height if is_info_bar else 0


def _foot_level(foot: NDArray[Any], rows: int, tolerance: int) -> int | None:
    """Return the level that fills most of the last rows, or None if none does."""
    last = foot[-max(_LEAST_ROWS, round(_FOOT * rows)) :]
    levels, counts = np.unique(last, return_counts=True)
    level = int(levels[counts.argmax()])
    share = (np.abs(last.astype(np.int32) - level) <= tolerance).mean()
    return level if share >= _ROW_SHARE else None


def _top(shares: NDArray[np.float64], foot: NDArray[Any], rows: int, tolerance: int) -> int:
    """Return the first row of the band whose rows mostly have the bar's grey, walking up from the foot.

    Rows full of writing may interrupt it, and a frame line on top belongs to it.
    """
    gap_allowed = max(_TRAILING_ROWS, round(0.01 * rows))
    top = int(foot.shape[0])
    for row in np.flatnonzero(shares >= _ROW_SHARE)[::-1]:
        if top - row > gap_allowed + 1:
            break
        top = int(row)
    lines = 0
    while lines <= _FRAME_ROWS and lines < top and _is_line(foot[top - 1 - lines], tolerance):
        lines += 1
    # More rows of one level than a frame has are an empty part of the picture.
    return top - lines if lines <= _FRAME_ROWS else top


def _is_line(row: NDArray[Any], tolerance: int) -> bool:
    middle = int(np.median(row))
    return bool((np.abs(row.astype(np.int32) - middle) <= tolerance).mean() >= _LINE_SHARE)


def _spans_width(is_bar: NDArray[np.bool_]) -> bool:
    """Whether the bar's grey is found nearly everywhere along the width (a logo may be in the way)."""
    columns = is_bar.mean(axis=0)
    return bool((columns >= 0.3).mean() >= 0.8)


def _has_writing(bar: NDArray[Any], is_bar: NDArray[np.bool_], stands_out: NDArray[np.bool_]) -> bool:
    """Whether what is not background looks like letters: a small part, of a few levels, far from the background."""
    ink = bar[~is_bar]
    share = ink.size / bar.size
    if not 0.01 <= share <= 0.4 or stands_out.sum() < 0.3 * ink.size:
        return False
    _, counts = np.unique(ink, return_counts=True)
    few_levels = np.sort(counts)[-3:].sum() >= 0.1 * ink.size  # letters with soft edges have some levels more
    strokes = np.count_nonzero(is_bar[:, 1:] != is_bar[:, :-1], axis=1)
    return bool(few_levels and np.percentile(strokes, 75) >= 8)
