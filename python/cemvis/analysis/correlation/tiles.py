"""Tiles of an image whose pair counts add up to its own, and how large they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

LARGEST_CORE_PX = 2048
LEAST_CORE_PX = 64
TILES_A_SIDE = 4


@dataclass(frozen=True)
class Tile:
    """A tile: the core that counts, and the window that is read for it, in px of the image."""

    row: int
    col: int
    rows: int
    cols: int
    window_row: int
    window_col: int
    window_rows: int
    window_cols: int

    @property
    def core(self) -> tuple[int, int, int, int]:
        """First row, first column, rows and columns of the core in the window."""
        return self.row - self.window_row, self.col - self.window_col, self.rows, self.cols


def core_side(shape: tuple[int, int], r_max: int, *, single: bool) -> int:
    """Return the side of the tiles' cores in px.

    At most 2,048 px, or twice `r_max` if that is more; so a window holds at most (2048 + r_max)^2 or 9 r_max^2 pixels.
    A single image whose bands come from its tiles has 4 tiles a side if they are not below 64 px and half `r_max` then.
    """
    largest = max(LARGEST_CORE_PX, 2 * r_max)
    if not single:
        return largest
    return min(largest, max(LEAST_CORE_PX, math.ceil(r_max / 2), math.ceil(min(shape) / TILES_A_SIDE)))


def tiles_of(shape: tuple[int, int], r_max: int, side: int, *, around: bool = False) -> list[Tile]:
    """Return the tiles of an image, row by row.

    Parameters
    ----------
    shape : (rows, cols)
    r_max : int
        How far windows reach beyond their cores: to the right and below, or to all sides if `around`.
    side : int
        Of a core, in px; the last ones may be smaller.
    around : bool

    Examples
    --------
    >>> [(tile.row, tile.rows, tile.window_rows) for tile in tiles_of((100, 60), 16, 64)]
    [(0, 64, 80), (64, 36, 36)]
    """
    rows, cols = (_pieces(length, r_max, side, around=around) for length in shape)
    return [
        Tile(row, col, high, wide, window_row, window_col, window_rows, window_cols)
        for row, high, window_row, window_rows in rows
        for col, wide, window_col, window_cols in cols
    ]


def _pieces(length: int, r_max: int, side: int, *, around: bool) -> list[tuple[int, int, int, int]]:
    pieces = []
    for begin in range(0, length, side):
        end = min(begin + side, length)
        first = max(0, begin - r_max) if around else begin
        pieces.append((begin, end - begin, first, min(length, end + r_max) - first))
    return pieces
