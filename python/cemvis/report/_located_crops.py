"""Windows around located indents on both images, outlines of their imprints, and the after-image made small."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.located import LocatedIndents
from cemvis.images.micrograph import Micrograph
from cemvis.images.registration import DisplacementField
from cemvis.images.registration.levels import Level

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Warped = Callable[[int, int, int, int], Image]  # row, col, rows, cols of the before-image's pixels

OVERVIEW_PX = 1500
_BLOCK_PX = 2048
_LEAST_EDGE_PX, _MOST_EDGE_PX = 16, 640
_CIRCLE = 48
_FIELD_STEP_PX, _LEAST_STEP = 64, 4


@dataclass(frozen=True)
class Outline:
    """Where an imprint ends, on the before-image's pixels.

    Attributes
    ----------
    shape : str
        "triangle" or "disc".
    size_px : float
        Side of the triangle, diameter of the disc.
    angle_rad : float
        From x to the normal of a side, towards y.
    """

    shape: str
    size_px: float
    angle_rad: float

    @classmethod
    def of(cls, located: LocatedIndents) -> Outline | None:
        """Return the outline that was found with the indents, or None if none was."""
        about = located.about.get("appearance")
        if not isinstance(about, dict) or about.get("shape") not in ("triangle", "disc"):
            return None
        size, angle = float(about.get("size_px") or math.nan), float(about.get("angle_rad") or 0.0)
        return cls(str(about["shape"]), size, angle) if math.isfinite(size) and size > 0 else None

    def corners_px(self) -> Floats:
        """Return x and y of the corners from the centre, (k, 2) float64."""
        if self.shape == "disc":
            angles = 2 * math.pi / _CIRCLE * np.arange(_CIRCLE)
            reach = self.size_px / 2
        else:
            angles = self.angle_rad + math.pi / 3 + 2 * math.pi / 3 * np.arange(3)
            reach = self.size_px / math.sqrt(3)
        return reach * np.column_stack([np.cos(angles), np.sin(angles)])


@dataclass(frozen=True, eq=False)
class Pair:
    """The surroundings of one indent on both images.

    Attributes
    ----------
    before, after : (edge, edge) float32
        NaN where there is no image.
    centre_px : tuple of float
        x and y of the indent from the centre of the top-left pixel of the window.
    """

    before: Image
    after: Image
    centre_px: tuple[float, float]


def edge_px(located: LocatedIndents, outline: Outline | None, *, times: float, pitches: float) -> int:
    """Return the edge of a window: `times` the imprint's size, or so many pitches if that is not known."""
    pitch = min((min(batch.pitch_px) for batch in located.batches), default=64.0)
    wanted = times * outline.size_px if outline is not None else pitches * pitch
    return int(np.clip(round(wanted), _LEAST_EDGE_PX, _MOST_EDGE_PX))


def pair_at(before: Micrograph, warped: Warped, xy_px: Floats, *, edge: int) -> Pair | None:
    """Return the windows around x and y on the before-image, or None if the place is not known or far off it."""
    if not np.isfinite(xy_px).all():
        return None
    col, row = (round(float(place)) - edge // 2 for place in xy_px)
    rows, cols = before.shape
    if row <= -edge or col <= -edge or row >= rows or col >= cols:
        return None
    own = np.full((edge, edge), np.nan, np.float32)
    top, left = max(0, row), max(0, col)
    bottom, right = min(rows, row + edge), min(cols, col + edge)
    own[top - row : bottom - row, left - col : right - col] = before.read(top, left, bottom - top, right - left)
    return Pair(own, warped(row, col, edge, edge), (float(xy_px[0]) - col, float(xy_px[1]) - row))


@dataclass(frozen=True, eq=False)
class Overview:
    """The after-image on a part of the before-image, made small.

    Attributes
    ----------
    values : (rows, cols) float32
        Mean grey levels, NaN where there is no after-image.
    factor : int
        Pixels of the before-image along the edge of one of these.
    row, col : int
        Pixel of the before-image at which the top-left one begins.
    """

    values: Image
    factor: int
    row: int
    col: int

    def extent_um(self, pixel_size_um: float) -> tuple[float, float, float, float]:
        """Return the outer edges (left, right, top, bottom) in um on the before-image."""
        rows, cols = self.values.shape
        edges = (self.col, self.col + cols * self.factor, self.row, self.row + rows * self.factor)
        left, right, top, bottom = ((edge - 0.5) * pixel_size_um for edge in edges)
        return left, right, top, bottom


def overview_of(
    located: LocatedIndents, shape: tuple[int, int], warped: Warped, *, largest_px: int = OVERVIEW_PX
) -> Overview:
    """Return the after-image around the batches by averaging all of its pixels there, window by window.

    Exact, but it takes as long as `warped` does for all pixels: a minute for 100 million, where `overview_by_field`
    takes a second.

    Parameters
    ----------
    shape : (rows, cols)
        Of the before-image.
    largest_px : int
        Most pixels along an edge.
    """
    row, col, rows, cols, factor = _around_batches(located, shape, largest_px)
    values = np.empty((rows, cols), np.float32)
    step = max(1, _BLOCK_PX // factor)
    for i in range(0, rows, step):
        for j in range(0, cols, step):
            part = values[i : i + step, j : j + step]
            high, wide = part.shape
            block = warped(row + i * factor, col + j * factor, high * factor, wide * factor)
            tiles = block.reshape(high, factor, wide, factor)
            known = np.isfinite(tiles)
            count = known.sum(axis=(1, 3))
            total = np.where(known, tiles, 0).sum(axis=(1, 3), dtype=np.float64)
            part[...] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Overview(values, factor, row, col)


def overview_by_field(
    located: LocatedIndents,
    shape: tuple[int, int],
    after: Micrograph,
    field: DisplacementField,
    *,
    largest_px: int = OVERVIEW_PX,
    threads: int = 1,
) -> Overview:
    """Return the after-image around the batches: averaged in its own frame, then looked up along the field.

    Reads the part of the after-image that is looked up once, in bands, and holds it made small: some `largest_px`
    squared numbers, however large the after-image is. The field is followed in straight lines between points some
    tens of pixels apart, over seams, too; places are right to about half of the large pixels and a seam's jump.
    """
    row, col, rows, cols, factor = _around_batches(located, shape, largest_px)
    # As many pixels of the after-image, whose own may be smaller or larger.
    level = Level(after, _after_factor(factor, field, after.shape))
    step = max(_LEAST_STEP, _FIELD_STEP_PX // factor)
    down, across = (np.arange(0, side + step, step, dtype=np.float64) for side in (rows, cols))
    before = np.stack(np.meshgrid(col + (across + 0.5) * factor, row + (down + 0.5) * factor), axis=-1) - 0.5
    knots = level.from_full(field.after_xy(before.reshape(-1, 2))).reshape(*before.shape)
    most = np.array(level.shape)[::-1]
    first = np.clip(np.floor(knots.min(axis=(0, 1))), 0, most).astype(np.int64)
    last = np.clip(np.ceil(knots.max(axis=(0, 1))) + 1, first, most).astype(np.int64)
    size = last - first
    held = level.banded(int(first[1]), int(first[0]), int(size[1]), int(size[0]), threads=threads)
    values = np.full((rows, cols), np.nan, np.float32)
    if held.size == 0:
        return Overview(values, factor, row, col)
    share, left = np.modf(np.arange(cols) / step)
    at_left = left.astype(np.int64)
    for i in range(rows):
        k, lower = divmod(i, step)
        line = knots[k] + (knots[k + 1] - knots[k]) * (lower / step)
        place = np.rint(line[at_left] + (line[at_left + 1] - line[at_left]) * share[:, None]) - first
        inside = np.asarray(((place >= 0) & (place < size)).all(axis=1))
        at = np.where(inside[:, None], place, 0).astype(np.int64)
        values[i] = np.where(inside, held[at[:, 1], at[:, 0]], np.nan)
    return Overview(values, factor, row, col)


def _after_factor(factor: int, field: DisplacementField, shape: tuple[int, int]) -> int:
    """Return how many px of the after-image are as long as `factor` px of the before-image."""
    scale = math.sqrt(abs(float(np.linalg.det(field.affine[:, :2]))))
    return max(1, min(round(factor / scale), *shape))


def _around_batches(located: LocatedIndents, shape: tuple[int, int], largest_px: int) -> tuple[int, int, int, int, int]:
    """Return first row and column, rows and columns in large pixels, and their edge, of the part with the batches."""
    places = [batch.erred_places_px().reshape(-1, 2) for batch in located.batches] + [located.before_xy_px]
    every = np.concatenate(places)
    every = every[np.isfinite(every).all(axis=1)]
    low, high = np.zeros(2), np.array(shape[::-1], np.float64)
    if len(every):
        margin = max((max(batch.pitch_px) for batch in located.batches), default=64.0)
        low = np.clip(every.min(axis=0) - margin, 0, high - 1)
        high = np.clip(every.max(axis=0) + margin, low + 1, high)
    col, row = (int(edge) for edge in np.floor(low))
    wide, high_px = (int(edge) for edge in np.ceil(high) - np.floor(low))
    factor = max(1, math.ceil(max(wide, high_px) / largest_px))
    return row, col, max(1, high_px // factor), max(1, wide // factor), factor
