"""How well a template fits each window of an image, and images in smaller scale to search first.

A window has the template's size and is named after its first pixel: its centre lies ``(rows - 1) / 2`` rows below and
``(cols - 1) / 2`` columns right of that. The origin is the centre of the image's top-left pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cemvis import _core
from cemvis._checks import image_2d, thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors

LARGEST_TEMPLATE_PX = 4096
"""No template may be longer along either axis."""

LARGEST_RADIUS_PX = 2048
"""Patches reach no further from their middle."""

LARGEST_FACTOR = 256
"""Largest side of the squares that are averaged into one pixel."""

_DTYPES = ("uint8", "uint16", "float32")
_FARTHEST_CENTRE_PX = 2.0**40


def normalised_correlation(
    image: NDArray[np.generic], template: NDArray[np.float32], *, threads: int | None = None
) -> NDArray[np.float32]:
    """Correlate a template with each window of an image: Pearson's coefficient, -1 to 1.

    What ``skimage.feature.match_template`` gives inside the image, and ``cv2.matchTemplate`` with
    ``TM_CCOEFF_NORMED``. Any number of threads gives the same bits.

    Parameters
    ----------
    image : (rows, cols) uint8, uint16 or float32
        Any view, all finite; fastest where the pixels of a row lie side by side.
    template : (template_rows, template_cols) float32
        Not flat, and at most 4,096 pixels along each axis.
    threads : int, optional
        Default: all cores that the process may use.

    Returns
    -------
    (rows - template_rows + 1, cols - template_cols + 1) float32
        At ``[r, c]`` the window whose first pixel is ``(r, c)``; 0 where the window is flat. The error is below 1e-5
        where the window's standard deviation is that of its surroundings (a tile of up to some 1,024 px), and grows
        as their ratio. A flat window is known to the bit for integers; for float32, a standard deviation below
        1e-5 of that of the tile counts as flat.

    Raises
    ------
    InputError
        If an argument has the wrong type or shape, the template is larger than the image or flat, or a pixel is not
        finite.

    Notes
    -----
    Overlap-save: Fourier transforms in float32 of tiles about their own mean, two at a time as the real and the
    imaginary part of one; exact running sums for the windows' variances.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[0, 0, 0, 0], [0, 9, 3, 0], [0, 3, 6, 0]], dtype=np.uint8)
    >>> np.unravel_index(normalised_correlation(image, image[1:, 1:3].astype(np.float32)).argmax(), (2, 3))
    (np.int64(1), np.int64(1))
    """
    _check(image, template)
    if (template == template[0, 0]).all():
        msg = f"template is flat, {template[0, 0]} everywhere; wanted one that differs from a flat background"
        raise InputError(msg)
    out = _windows(image, template)
    with input_errors():
        _core.normalised_correlation(image, template, out, thread_count(threads))
    return out


def linear_response(
    image: NDArray[np.generic], template: NDArray[np.float32], *, threads: int | None = None
) -> NDArray[np.float32]:
    """Sum template times window for each window of an image: plain cross-correlation.

    The response of any linear filter, of a whitened matched filter for one. Any number of threads gives the same bits.

    Parameters
    ----------
    image : (rows, cols) uint8, uint16 or float32
        Any view, all finite.
    template : (template_rows, template_cols) float32
        At most 4,096 pixels along each axis. Its mean is not taken off.
    threads : int, optional
        Default: all cores that the process may use.

    Returns
    -------
    (rows - template_rows + 1, cols - template_cols + 1) float32
        At ``[r, c]`` the window whose first pixel is ``(r, c)``. Transformed in float32 about the mean of each tile:
        the error is some 1e-6 of the template's norm times the tile's (its standard deviation, root of its pixels).

    Raises
    ------
    InputError
        If an argument has the wrong type or shape, the template is larger than the image, or a pixel is not finite.
    """
    _check(image, template)
    out = _windows(image, template)
    with input_errors():
        _core.linear_response(image, template, out, thread_count(threads))
    return out


def nearest_windows(centres_px: ArrayLike, template_shape: tuple[int, int]) -> NDArray[np.int64]:
    """Find the windows whose centres lie nearest to places in an image.

    Parameters
    ----------
    centres_px : (n, 2) float
        Column and row, x and y, of each place in pixels.
    template_shape : (template_rows, template_cols)

    Returns
    -------
    (n, 2) int64
        Column and row of the first pixel of each window; a place halfway between two takes the later one. The exact
        centre of the window is this plus ``((template_cols - 1) / 2, (template_rows - 1) / 2)``.

    Raises
    ------
    InputError
        If the places are no finite numbers of shape (n, 2).
    """
    places = np.asarray(centres_px)
    if places.dtype.kind not in "iuf" or places.ndim != 2 or places.shape[1] != 2:
        msg = f"centres_px is {places.dtype} of shape {places.shape}; wanted numbers of shape (n, 2)"
        raise InputError(msg)
    places = places.astype(np.float64)
    bad = np.flatnonzero(~(np.abs(places) <= _FARTHEST_CENTRE_PX).all(axis=1))
    if bad.size:
        msg = f"centres_px[{bad[0]}] is {tuple(places[bad[0]].tolist())}; wanted finite pixels"
        raise InputError(msg)
    half = (np.array(template_shape[::-1], dtype=np.float64) - 1) / 2
    return np.floor(places - half + 0.5).astype(np.int64)


def response_patches(
    image: NDArray[np.generic],
    template: NDArray[np.float32],
    centres_px: ArrayLike,
    radius_px: int,
    *,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Sum template times window for the windows around a few places alone.

    Parameters
    ----------
    image : (rows, cols) uint8, uint16 or float32
        Any view, finite around the places.
    template : (template_rows, template_cols) float32
        At most 4,096 pixels along each axis.
    centres_px : (n, 2) float
        x and y of each place in pixels; the middle of its patch is the window of `nearest_windows`.
    radius_px : int
        Windows to each side of the middle one, at most 2,048.
    threads : int, optional
        Default: all cores that the process may use.

    Returns
    -------
    (n, 2 radius_px + 1, 2 radius_px + 1) float32
        As `linear_response` to rounding, rows first; NaN for windows that do not lie wholly in the image.

    Raises
    ------
    InputError
        If an argument has the wrong type, shape or range, the template is larger than the image, or a pixel is not
        finite.
    """
    _check(image, template)
    radius = _whole(radius_px, 0, LARGEST_RADIUS_PX, name="radius_px")
    top_left = np.ascontiguousarray(nearest_windows(centres_px, template.shape)[:, ::-1])
    out = np.empty((len(top_left), 2 * radius + 1, 2 * radius + 1), dtype=np.float32)
    with input_errors():
        _core.response_patches(image, template, top_left, radius, out, thread_count(threads))
    return out


def downsampled(image: NDArray[np.generic], factor: int, *, threads: int | None = None) -> NDArray[np.float32]:
    """Average the squares of ``factor`` x ``factor`` pixels of an image.

    Parameters
    ----------
    image : (rows, cols) uint8, uint16 or float32
        Any view; fastest where the pixels of a row lie side by side.
    factor : int
        1 to 256.
    threads : int, optional
        Default: all cores that the process may use.

    Returns
    -------
    (rows // factor, cols // factor) float32
        The pixels beyond the last whole square are left out. Exact to the last rounding for integers; float32 pixels
        are added up in float32 down each column. One that is not finite spoils its own square alone. The pixel
        ``(r, c)`` has its centre at ``(factor * r + (factor - 1) / 2, factor * c + (factor - 1) / 2)``.

    Raises
    ------
    InputError
        If an argument has the wrong type or shape, or no square fits the image.
    """
    _check_image(image, name="image", dtypes=_DTYPES)
    side = _whole(factor, 1, LARGEST_FACTOR, name="factor")
    if side > min(image.shape):
        msg = f"factor is {side}, more than the image of {image.shape[0]} x {image.shape[1]} pixels has; give less"
        raise InputError(msg)
    out = np.empty((image.shape[0] // side, image.shape[1] // side), dtype=np.float32)
    with input_errors():
        _core.downsampled(image, side, out, thread_count(threads))
    return out


def _check(image: NDArray[np.generic], template: NDArray[np.float32]) -> None:
    _check_image(image, name="image", dtypes=_DTYPES)
    _check_image(template, name="template", dtypes=("float32",))
    if max(template.shape) > LARGEST_TEMPLATE_PX:
        msg = f"template has shape {template.shape}; wanted at most {LARGEST_TEMPLATE_PX} pixels along each axis"
        raise InputError(msg)
    if template.shape[0] > image.shape[0] or template.shape[1] > image.shape[1]:
        msg = f"template has shape {template.shape}, larger than the image's {image.shape}; give a smaller template"
        raise InputError(msg)
    if not np.isfinite(template).all():
        msg = "template has pixels that are not finite; wanted numbers alone"
        raise InputError(msg)


def _check_image(image: NDArray[np.generic], *, name: str, dtypes: tuple[str, ...]) -> None:
    image_2d(image, name=name, dtypes=dtypes)
    if not image.flags.aligned or any(stride % image.itemsize for stride in image.strides):
        msg = (
            f"{name} has strides of {image.strides} bytes or is unaligned; wanted whole pixels ({name}.copy() has them)"
        )
        raise InputError(msg)


def _windows(image: NDArray[np.generic], template: NDArray[np.float32]) -> NDArray[np.float32]:
    shape = np.subtract(image.shape, template.shape) + 1
    return np.empty(tuple(shape.tolist()), dtype=np.float32)


def _whole(value: int, least: int, most: int, *, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        msg = f"{name} is {value!r}; wanted a whole number from {least} to {most}"
        raise InputError(msg)
    return int(value)
