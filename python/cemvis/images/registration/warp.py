"""The after-image on the before-image's pixels, window by window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.images.micrograph import Micrograph
from cemvis.images.registration.field import DisplacementField, Floats

_STEP_PX = 16  # the field bends so little over this distance that straight lines between such points are exact enough
_MARGIN_PX = 8  # of pixels around what is resampled, for the spline's sake
_BLOCK_PX = 2048


def warped_window(
    after: Micrograph, field: DisplacementField, row: int, col: int, rows: int, cols: int
) -> NDArray[np.float32]:
    """Return the grey levels of the after-image on a window of the before-image's pixels.

    Resampled by cubic splines; at a seam each pixel comes from the piece in which it lies deepest.

    Parameters
    ----------
    after : Micrograph
    field : DisplacementField
    row, col, rows, cols : int
        The window on the before-image; it may reach beyond it.

    Returns
    -------
    (rows, cols) float32, NaN where there is no after-image

    Raises
    ------
    InputError
        If the window is empty or `after` has not the shape for which the field was made.
    """
    if rows < 1 or cols < 1:
        msg = f"the window has {rows} x {cols} px; wanted at least one"
        raise InputError(msg)
    if after.shape != field.after_shape:
        msg = f"the after-image is {after.shape} px; the field was made for one of {field.after_shape}"
        raise InputError(msg)
    out = np.full((rows, cols), np.nan, np.float32)
    for top in range(0, rows, _BLOCK_PX):
        for left in range(0, cols, _BLOCK_PX):
            part = out[top : top + _BLOCK_PX, left : left + _BLOCK_PX]
            x, y = _after_places(field, row + top, col + left, *part.shape)
            part[...] = sampled(after, x, y)
    return out


def sampled(image: Micrograph, x_px: Floats, y_px: Floats, *, order: int = 3) -> NDArray[np.float32]:
    """Return grey levels at places (same shape each) of an image by splines of `order`; NaN outside the image."""
    from scipy.ndimage import map_coordinates

    out = np.full(x_px.shape, np.nan, np.float32)
    inside = (x_px >= -0.5) & (x_px <= image.shape[1] - 0.5) & (y_px >= -0.5) & (y_px <= image.shape[0] - 0.5)
    if not inside.any():
        return out
    first_row = max(0, int(np.floor(y_px[inside].min())) - _MARGIN_PX)
    last_row = min(image.shape[0], int(np.ceil(y_px[inside].max())) + _MARGIN_PX + 1)
    first_col = max(0, int(np.floor(x_px[inside].min())) - _MARGIN_PX)
    last_col = min(image.shape[1], int(np.ceil(x_px[inside].max())) + _MARGIN_PX + 1)
    block = image.read(first_row, first_col, last_row - first_row, last_col - first_col).astype(np.float32)
    places = np.stack([y_px - first_row, x_px - first_col])
    values = map_coordinates(block, places, order=order, mode="mirror", output=np.float32)
    out[inside] = values[inside]
    return out


def _after_places(field: DisplacementField, row: int, col: int, rows: int, cols: int) -> tuple[Floats, Floats]:
    """Return x and y on the after-image of each pixel of a window of the before-image."""
    ys, xs = _knots(row, rows), _knots(col, cols)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    after = field.after_xy(grid)
    reach = field.farthest_jump_px + 2 * _STEP_PX
    low = np.stack(field.piece_of(after - reach), axis=1).min(axis=0)
    high = np.stack(field.piece_of(after + reach), axis=1).max(axis=0)
    best: tuple[Floats, Floats, Floats] | None = None
    for piece_row in range(low[1], high[1] + 1):
        for piece_column in range(low[0], high[0] + 1):
            column = np.full(len(grid), piece_column)
            down = np.full(len(grid), piece_row)
            coarse = field.out_of_piece(grid, column, down).reshape(len(ys), len(xs), 2)
            x = _between(coarse[..., 0], ys, xs, row, col, rows, cols)
            y = _between(coarse[..., 1], ys, xs, row, col, rows, cols)
            if best is None and (low == high).all():
                return x, y
            flat = np.stack([x.ravel(), y.ravel()], axis=1)
            ones = np.ones(len(flat), np.int64)
            depth = field.depth_in_piece(flat, ones * piece_column, ones * piece_row).reshape(rows, cols)
            if best is None:
                best = (depth, x, y)
            else:
                deeper = depth > best[0]
                for kept, new in zip(best, (depth, x, y), strict=True):
                    kept[deeper] = new[deeper]
    assert best is not None
    return best[1], best[2]


def _knots(first: int, count: int) -> Floats:
    """Return places every few pixels that begin at the first of `count` pixels and end at or beyond the last."""
    return first + _STEP_PX * np.arange(max(2, -(-(count - 1) // _STEP_PX) + 1), dtype=np.float64)


def _between(coarse: Floats, ys: Floats, xs: Floats, row: int, col: int, rows: int, cols: int) -> Floats:
    """Return values at every pixel by straight lines between those at knots."""
    across, down = (np.arange(cols) + col - xs[0]) / _STEP_PX, (np.arange(rows) + row - ys[0]) / _STEP_PX
    i = np.minimum(across.astype(np.int64), len(xs) - 2)
    j = np.minimum(down.astype(np.int64), len(ys) - 2)
    s, t = across - i, (down - j)[:, None]
    lines = coarse[:, i] * (1 - s) + coarse[:, i + 1] * s
    return np.asarray(lines[j] * (1 - t) + lines[j + 1] * t)
