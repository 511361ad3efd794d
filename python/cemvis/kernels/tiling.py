"""Sums of many windows of an image, and many windows gathered into one batch of float32.

A window is a rectangle of ``(rows, cols)`` pixels. The origin is the centre of the top-left pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cemvis import _core
from cemvis._checks import image_2d, positive, thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors

LARGEST_WINDOW_PX = 65536
"""No window may be longer along either axis: up to here the sums of squares fit 64 bits."""

Border = Literal["reflect", "nearest", "constant", "refuse"]
_FARTHEST_CENTRE_PX = 2.0**40


@dataclass(frozen=True, eq=False)
class WindowSums:
    """Exact sums of the grey levels in each of many windows.

    Attributes
    ----------
    total : (grid_rows, grid_cols) or (n,) uint64
        Sum of the pixels of each window.
    total_squares : same shape, uint64, or None
        Sum of their squares, if it was asked for.
    pixels_per_window : int
    """

    total: NDArray[np.uint64]
    total_squares: NDArray[np.uint64] | None
    pixels_per_window: int

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean grey level of each window."""
        return self.total / np.float64(self.pixels_per_window)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Population variance of the grey levels of each window.

        Rounded only once the sums have been moved to a whole grey level within 1 of the mean, so that nothing
        cancels: a constant window has variance 0, at any grey level.

        Raises
        ------
        InputError
            If the sums of squares were left out.
        """
        if self.total_squares is None:
            msg = "the variance needs the sums of squares; compute the window sums with squares=True"
            raise InputError(msg)
        # With total = pixels * level + rest, the sum of (v - level) is rest, and that of its square is
        # total_squares - level * (total + rest): exact, although the product may wrap around 64 bits on the way.
        level, rest = np.divmod(self.total, np.uint64(self.pixels_per_window))
        level *= self.total + rest
        squares = np.subtract(self.total_squares, level, out=level)
        pixels = np.float64(self.pixels_per_window)
        return squares / pixels - np.square(rest / pixels)


def window_sums_grid(
    image: NDArray[np.generic],
    *,
    window_px: int | tuple[int, int],
    step_px: int | tuple[int, int],
    squares: bool = True,
    threads: int | None = None,
) -> WindowSums:
    """Sum the grey levels of each window of a regular grid.

    Window ``(i, j)`` covers the rows ``[i * step, i * step + window)`` and likewise the columns; only windows that lie
    wholly in the image count. The sums are exact integers, the same to the bit for any number of threads. Each pixel is
    read once or twice, however much the windows overlap.

    Parameters
    ----------
    image : (rows, cols) uint8 or uint16
        Any view without a copy; fastest where the pixels of a row, or of a column, lie side by side.
    window_px, step_px : int or (rows, cols)
        Size of the windows, at most 65,536, and distance from one to the next, in pixels.
    squares : bool
        Whether to sum the squares too, for the variance.
    threads : int, optional
        Default: all cores that the process may use.

    Returns
    -------
    WindowSums
        Arrays of shape ``(grid_rows, grid_cols)``.

    Raises
    ------
    InputError
        If the image is no uint8 or uint16 array of two dimensions, or no window fits it.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> window_sums_grid(image, window_px=2, step_px=(1, 2)).mean
    array([[2.5, 4.5],
           [6.5, 8.5]])
    """
    _check_image(image)
    window = _window(window_px, image.shape)
    step = _pair(step_px, name="step_px")
    with input_errors():
        total, total_squares = _core.window_sums_grid(image, window, step, bool(squares), thread_count(threads))
    return WindowSums(total, total_squares, window[0] * window[1])


def window_sums_at(
    image: NDArray[np.generic],
    top_left: ArrayLike,
    *,
    window_px: int | tuple[int, int],
    squares: bool = True,
    threads: int | None = None,
) -> WindowSums:
    """Sum the grey levels of windows anywhere in an image.

    Parameters
    ----------
    image : (rows, cols) uint8 or uint16
        Any view, as for `window_sums_grid`.
    top_left : (n, 2) integers
        Row and column of the first pixel of each window.
    window_px : int or (rows, cols)
        Size of the windows in pixels, at most 65,536.
    squares : bool
        Whether to sum the squares too, for the variance.
    threads : int, optional
        Default: all cores that the process may use.

    Returns
    -------
    WindowSums
        Arrays of shape ``(n,)``, exact.

    Raises
    ------
    InputError
        If the image is no uint8 or uint16 array of two dimensions, or a window does not lie in it.
    """
    _check_image(image)
    window = _window(window_px, image.shape)
    positions = np.asarray(top_left)
    if positions.dtype.kind not in "iu" or positions.ndim != 2 or positions.shape[1] != 2:
        msg = f"top_left is {positions.dtype} of shape {positions.shape}; wanted integers of shape (n, 2)"
        raise InputError(msg)
    last = np.subtract(image.shape, window)
    outside = np.flatnonzero(((positions < 0) | (positions > last)).any(axis=1))
    if outside.size:
        row, col = positions[outside[0]]
        msg = (
            f"top_left[{outside[0]}] is ({row}, {col}); a {window[0]} x {window[1]} window in this image "
            f"starts between (0, 0) and ({last[0]}, {last[1]})"
        )
        raise InputError(msg)
    positions = np.ascontiguousarray(positions, dtype=np.int64)
    with input_errors():
        total, total_squares = _core.window_sums_at(image, positions, window, bool(squares), thread_count(threads))
    return WindowSums(total, total_squares, window[0] * window[1])


def gather_windows(
    image: NDArray[np.generic],
    centres: ArrayLike,
    *,
    window_px: int | tuple[int, int],
    border: Border = "reflect",
    fill: float = 0.0,
    downsample: int = 1,
    grey_mean: float = 0.0,
    grey_sd: float = 1.0,
    threads: int | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Gather windows anywhere in an image, ``(grey - grey_mean) / grey_sd`` in float32, into one batch.

    The samples of a window lie one pixel apart around its centre and are interpolated bilinearly. An odd window meets
    the pixels themselves where its centre is whole, an even one where it is a half; a distance to that below
    2**-20 pixels counts as none. There the result is ``(image.astype(float32) - float32(grey_mean)) /
    float32(grey_sd)`` to the bit; elsewhere it is computed in float32 as well. Any number of threads gives the same
    bits.

    Parameters
    ----------
    image : (rows, cols) uint8 or uint16
        Any view without a copy; fastest where the pixels of a row lie side by side.
    centres : (n, 2) float
        Row and column of the centre of each window in pixels.
    window_px : int or (rows, cols)
        Pixels of the image that a window covers, at most 65,536.
    border : {"reflect", "nearest", "constant", "refuse"}
        What lies outside the image: its mirror image about the centres of the edge pixels (``numpy.pad``'s reflect),
        the edge pixel, the grey level `fill`, or nothing, so that a window that needs it is an error.
    fill : float
        Grey level outside the image for ``border="constant"``.
    downsample : int
        Side of the squares of samples that are averaged into one; divides the window.
    grey_mean, grey_sd : float
        Grey level that becomes 0, and grey levels that become 1.
    threads : int, optional
        Default: all cores that the process may use.
    out : (n, rows / downsample, cols / downsample) float32, optional
        Where to write, in C order.

    Returns
    -------
    (n, rows / downsample, cols / downsample) float32
        `out`, if it was given.

    Raises
    ------
    InputError
        If an argument has the wrong type, shape or range, or a window needs pixels that the border refuses.
    """
    _check_image(image)
    window = _pair(window_px, name="window_px")
    positions = _centres(centres)
    if border not in get_args(Border):
        msg = f"border is {border!r}; wanted one of {', '.join(get_args(Border))}"
        raise InputError(msg)
    factor = _whole(downsample, name="downsample")
    if window[0] % factor or window[1] % factor:
        msg = f"downsample is {factor}, which does not divide the {window[0]} x {window[1]} window"
        raise InputError(msg)
    for name, value in {"fill": fill, "grey_mean": grey_mean}.items():
        if not math.isfinite(value):
            msg = f"{name} is {value!r}; wanted a finite number"
            raise InputError(msg)
    sd = positive(grey_sd, name="grey_sd")
    batch = _batch(out, (len(positions), window[0] // factor, window[1] // factor))
    with input_errors():
        _core.gather_windows(
            image, positions, window, factor, border, fill, grey_mean, sd, batch, thread_count(threads)
        )
    return batch


def _check_image(image: NDArray[np.generic]) -> None:
    image_2d(image)
    if not image.flags.aligned or any(stride % image.itemsize for stride in image.strides):
        msg = f"image has strides of {image.strides} bytes or is unaligned; wanted whole pixels (image.copy() has them)"
        raise InputError(msg)


def _whole(value: int, *, name: str) -> int:
    """Return `value` as an int if it is a whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value < 2**31:
        msg = f"{name} is {value!r}; wanted a whole number of at least 1"
        raise InputError(msg)
    return int(value)


def _pair(value: int | tuple[int, int], *, name: str) -> tuple[int, int]:
    """Return (rows, cols) from one number for both or from a pair."""
    if not isinstance(value, tuple):
        return (_whole(value, name=name),) * 2
    if len(value) != 2:
        msg = f"{name} is {value!r}; wanted a whole number or (rows, cols)"
        raise InputError(msg)
    return _whole(value[0], name=name), _whole(value[1], name=name)


def _window(window_px: int | tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the window's (rows, cols) if it fits an image of this shape."""
    window = _pair(window_px, name="window_px")
    if max(window) > LARGEST_WINDOW_PX:
        msg = f"window_px is {window}; wanted at most {LARGEST_WINDOW_PX} pixels along each axis"
        raise InputError(msg)
    if window[0] > shape[0] or window[1] > shape[1]:
        msg = f"window_px is {window}, larger than the image of {shape[0]} x {shape[1]} pixels; give a smaller window"
        raise InputError(msg)
    return window


def _centres(centres: ArrayLike) -> NDArray[np.float64]:
    positions = np.asarray(centres)
    if positions.dtype.kind not in "iuf" or positions.ndim != 2 or positions.shape[1] != 2:
        msg = f"centres is {positions.dtype} of shape {positions.shape}; wanted numbers of shape (n, 2)"
        raise InputError(msg)
    positions = np.ascontiguousarray(positions, dtype=np.float64)
    bad = np.flatnonzero(~(np.abs(positions) <= _FARTHEST_CENTRE_PX).all(axis=1))
    if bad.size:
        msg = f"centres[{bad[0]}] is {tuple(positions[bad[0]].tolist())}; wanted finite pixels"
        raise InputError(msg)
    return positions


def _batch(out: NDArray[np.float32] | None, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    if out is None:
        return np.empty(shape, dtype=np.float32)
    if (
        not isinstance(out, np.ndarray)
        or out.dtype != np.float32
        or out.shape != shape
        or not (out.flags.c_contiguous and out.flags.writeable and out.flags.aligned)
    ):
        found = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        msg = f"out is {found}; wanted a writeable float32 array of shape {shape} in C order"
        raise InputError(msg)
    return out
