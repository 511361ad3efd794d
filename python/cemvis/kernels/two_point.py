"""Exact counts of pixel pairs by distance and grey levels: the multiphase two-point correlation.

Every grey level is a phase. A displacement ``h`` belongs to ring ``r = round(|h|)``; there are no ties, for ``h`` is
whole and ``(k + 1/2)^2`` is not. A pair is a first pixel ``x`` and a second one ``x + h``:

- in one image, ``h`` runs over the half plane that holds 0 and the places after it in reading order, so each unordered
  pair counts once, and each pixel with itself at ``r = 0``;
- between two images (`other`), ``x`` lies in the first, ``x + h`` in the second, and ``h`` runs over the whole plane,
  because ``h`` and ``-h`` differ then.

Both pixels are valid (their mask is true) and lie in the image, or the image is `periodic`: then ``x + h`` wraps around
and every displacement counts, so that at half the side a pair of pixels is met from both ends.

Counts are whole numbers, the same for any algorithm, any number of threads and any SIMD level; results of images, or of
pieces of one, add up with ``+``. 64 bits hold what 10^9 pixels give at r = 10^9.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cemvis import _core
from cemvis._checks import thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors
from cemvis.kernels._two_point_results import DifferenceCounts, DirectionalCounts, PairCounts, Plan, pair_cell

__all__ = [
    "MOST_LEVELS",
    "Algorithm",
    "DifferenceCounts",
    "DirectionalCounts",
    "PairCounts",
    "Plan",
    "difference_counts",
    "directional_counts",
    "pair_cell",
    "pair_counts",
    "plan",
    "quantised",
]

MOST_LEVELS = 256

Algorithm = Literal["auto", "direct", "fourier", "pairs"]
"""The cheapest by the cost model; a look at every pair of places; correlations by Fourier transforms (images only);
a look at every pair of valid pixels."""

_EVERY_ROW = (0, 2**62)


def pair_counts(
    image: NDArray[np.generic],
    *,
    r_max: int,
    mask: NDArray[np.bool_] | None = None,
    other: NDArray[np.generic] | None = None,
    other_mask: NDArray[np.bool_] | None = None,
    periodic: bool = False,
    core_rows: tuple[int, int] | None = None,
    levels: int = MOST_LEVELS,
    algorithm: Algorithm = "auto",
    threads: int | None = None,
) -> PairCounts:
    """Count the pixel pairs of each distance by their two grey levels.

    Parameters
    ----------
    image : (rows, cols) or (slices, rows, cols), uint8 or bool
        Any view; levels below `levels`.
    r_max : int
        Largest ring in pixels, up to the largest distance in the image, or half its shortest side if it is periodic.
    mask, other_mask : bool, shape of the image, optional
        True where a pixel of `image`, or of `other`, is valid. Default: everywhere.
    other : shape of the image, uint8 or bool, optional
        Pairs of a pixel of `image` and one of `other`, all displacements.
    periodic : bool
    core_rows : (begin, end), optional
        Only pairs whose first pixel lies in the rows (slices of a volume) ``begin <= row < end``. The counts of pieces
        that cover an image once add up to its own; a piece needs `r_max` rows below its core, and with `other` as
        many above, as far as the image goes.
    levels : int
        At most 256. Costs memory alone: 8 bytes for each cell and ring.
    algorithm : {"auto", "direct", "fourier", "pairs"}
        All give the same counts. Volumes have no "fourier".
    threads : int, optional
        Default: all cores that the process may use.

    Returns
    -------
    PairCounts

    Raises
    ------
    InputError
        If an argument has the wrong type, shape or range, or no pixel is valid.

    Notes
    -----
    *direct* makes one increment a pair in a table of 16-bit counters that fits the first cache, fewer where there are
    few levels: then several pairs share an increment. *fourier* correlates the levels' indicators, two at a time, and
    checks that all numbers lie within 1/4 of whole ones; otherwise *direct* does the work. *pairs* lists the valid
    pixels, and sorts the pairs by ring before it counts them.

    Examples
    --------
    >>> import numpy as np
    >>> found = pair_counts(np.array([[0, 1], [1, 1]], dtype=np.uint8), r_max=1, levels=2)
    >>> found.dense(1)
    array([[0, 3],
           [0, 3]], dtype=uint64)
    """
    views = _views(image, mask, other, other_mask)
    core = _rows(core_rows, image)
    levels = _whole(levels, 1, MOST_LEVELS, name="levels")
    cells = levels**2 if other is not None else levels * (levels + 1) // 2
    counts, pairs, used = _radial(views, periodic, core, levels, False, r_max, algorithm, cells, threads)
    return PairCounts(counts, pairs, levels, other is not None, used)


def difference_counts(
    image: NDArray[np.generic],
    *,
    r_max: int,
    mask: NDArray[np.bool_] | None = None,
    other: NDArray[np.generic] | None = None,
    other_mask: NDArray[np.bool_] | None = None,
    periodic: bool = False,
    core_rows: tuple[int, int] | None = None,
    levels: int = MOST_LEVELS,
    algorithm: Algorithm = "auto",
    threads: int | None = None,
) -> DifferenceCounts:
    """Count the pixel pairs of each distance by the difference of their grey levels.

    Parameters
    ----------
    image : (rows, cols) or (slices, rows, cols), uint8 or bool
        Any view; levels below `levels`.
    r_max, mask, other, other_mask, periodic, core_rows, levels, algorithm, threads
        As for `pair_counts`.

    Returns
    -------
    DifferenceCounts
        The counts of `pair_counts` added up along ``|i - j|``, far cheaper.

    Raises
    ------
    InputError
        If an argument has the wrong type, shape or range, or no pixel is valid.

    Notes
    -----
    As `pair_counts`; but *direct* counts two differences with one increment, and *fourier* takes the autocorrelations
    of ``exp(2 pi i t g(x) / M)``, M twice the span of the levels in use plus 1, whose transform over t has the counts
    of the differences.

    Examples
    --------
    >>> import numpy as np
    >>> difference_counts(np.array([[0, 3], [3, 3]], dtype=np.uint8), r_max=1, levels=4).counts
    array([[4, 0, 0, 0],
           [3, 0, 0, 3]], dtype=uint64)
    """
    views = _views(image, mask, other, other_mask)
    core = _rows(core_rows, image)
    levels = _whole(levels, 1, MOST_LEVELS, name="levels")
    counts, pairs, used = _radial(views, periodic, core, levels, True, r_max, algorithm, levels, threads)
    return DifferenceCounts(counts, pairs, levels, used)


def directional_counts(
    image: NDArray[np.generic],
    *,
    dy_max: int,
    dx_max: int,
    mask: NDArray[np.bool_] | None = None,
    other: NDArray[np.generic] | None = None,
    other_mask: NDArray[np.bool_] | None = None,
    periodic: bool = False,
    core_rows: tuple[int, int] | None = None,
    levels: int = MOST_LEVELS,
    reduced: bool = True,
    threads: int | None = None,
) -> DirectionalCounts:
    """Count the pixel pairs of each displacement by their grey levels, or by the difference of them.

    Parameters
    ----------
    image : (rows, cols), uint8 or bool
    dy_max, dx_max : int
        Displacements in pixels: rows 0 to dy_max down (with `other`, up too), columns to dx_max both ways.
    mask, other, other_mask, periodic, core_rows, levels, threads
        As for `pair_counts`.
    reduced : bool
        Differences of levels; else pairs of levels, which take ``4 levels^2`` bytes a displacement, twice that with
        `other`.

    Returns
    -------
    DirectionalCounts

    Raises
    ------
    InputError
        If an argument has the wrong type, shape or range, or no pixel is valid.
    """
    views = _views(image, mask, other, other_mask)
    if image.ndim != 2:
        msg = f"image has shape {image.shape}; wanted (rows, cols)"
        raise InputError(msg)
    dy_max = _whole(dy_max, 0, image.shape[0] - 1, name="dy_max")
    dx_max = _whole(dx_max, 0, image.shape[1] - 1, name="dx_max")
    core = _rows(core_rows, image)
    levels = _whole(levels, 1, MOST_LEVELS, name="levels")
    ordered = other is not None
    cells = levels if reduced else (levels**2 if ordered else levels * (levels + 1) // 2)
    dy = np.arange(-dy_max if ordered else 0, dy_max + 1)
    dx = np.arange(-dx_max, dx_max + 1)
    counts = np.zeros((len(dy), len(dx), cells), dtype=np.uint64)
    pairs = np.zeros((len(dy), len(dx)), dtype=np.uint64)
    with input_errors():
        _core.directional_pair_counts(
            *views, bool(periodic), core, levels, bool(reduced), (dy_max, dx_max), counts, pairs, thread_count(threads)
        )
    return DirectionalCounts(counts, pairs, dy, dx, levels, bool(reduced), ordered)


def plan(
    image: NDArray[np.generic],
    *,
    r_max: int,
    reduced: bool,
    mask: NDArray[np.bool_] | None = None,
    other: NDArray[np.generic] | None = None,
    other_mask: NDArray[np.bool_] | None = None,
    periodic: bool = False,
    core_rows: tuple[int, int] | None = None,
    levels: int = MOST_LEVELS,
    threads: int | None = None,
) -> Plan:
    """Estimate what each algorithm would cost, and name the one that "auto" takes.

    Parameters
    ----------
    image, r_max, mask, other, other_mask, periodic, core_rows, levels, threads
        As for `pair_counts`.
    reduced : bool
        For `difference_counts`; else for `pair_counts`.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        As the counts themselves.
    """
    views = _views(image, mask, other, other_mask)
    core = _rows(core_rows, image)
    levels = _whole(levels, 1, MOST_LEVELS, name="levels")
    r_max = _whole(r_max, 0, _largest_ring(views[0].shape, periodic=bool(periodic)), name="r_max")
    with input_errors():
        estimate = _core.plan_radial_pairs(
            *views, bool(periodic), core, levels, bool(reduced), r_max, thread_count(threads)
        )
    return Plan(*estimate)


def quantised(
    values: NDArray[np.generic],
    *,
    lowest: float,
    highest: float,
    levels: int = MOST_LEVELS,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Round numbers to equally spaced levels: `lowest` to 0, `highest` to ``levels - 1``, what lies beyond to the ends.

    Parameters
    ----------
    values : array of numbers
    lowest, highest : float
        In the units of the values.
    levels : int
        2 to 256.
    mask : bool, shape of the values, optional
        Values where it is false may be NaN, and become level 0.

    Returns
    -------
    uint8, shape of the values

    Raises
    ------
    InputError
        If a valid value is NaN, or the range is empty.
    """
    numbers = np.asarray(values)
    levels = _whole(levels, 2, MOST_LEVELS, name="levels")
    if numbers.dtype.kind not in "iufb":
        msg = f"values have dtype {numbers.dtype}; wanted numbers"
        raise InputError(msg)
    if not np.isfinite([lowest, highest]).all() or not lowest < highest:
        msg = f"lowest and highest are {lowest} and {highest}; wanted finite numbers, the first below the second"
        raise InputError(msg)
    bad = np.isnan(numbers)
    if mask is not None:
        bad &= _mask(mask, numbers.shape, name="mask").view(np.bool_)
    if bad.any():
        where = tuple(np.argwhere(bad)[0].tolist())
        msg = f"values have NaN at {where}; wanted numbers where the mask is true"
        raise InputError(msg)
    scaled = (numbers.astype(np.float64) - lowest) * ((levels - 1) / (highest - lowest))
    return np.rint(np.clip(np.nan_to_num(scaled, nan=0.0), 0, levels - 1)).astype(np.uint8)


def _radial(
    views: tuple[NDArray[np.uint8], NDArray[np.uint8] | None, NDArray[np.uint8] | None, NDArray[np.uint8] | None],
    periodic: bool,
    core: tuple[int, int],
    levels: int,
    differences: bool,
    r_max: int,
    algorithm: str,
    cells: int,
    threads: int | None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], str]:
    largest = _largest_ring(views[0].shape, periodic=bool(periodic))
    r_max = _whole(r_max, 0, largest, name="r_max")
    counts = np.zeros((r_max + 1, cells), dtype=np.uint64)
    pairs = np.zeros(r_max + 1, dtype=np.uint64)
    with input_errors():
        used = _core.radial_pair_counts(
            *views, bool(periodic), core, levels, differences, r_max, algorithm, counts, pairs, thread_count(threads)
        )
    return counts, pairs, used


def _largest_ring(shape: tuple[int, ...], *, periodic: bool) -> int:
    if periodic:
        return min(length for axis, length in enumerate(shape) if length > 1 or axis >= len(shape) - 2) // 2
    return round(float(np.sqrt(np.sum((np.array(shape, dtype=np.float64) - 1) ** 2))))


def _views(
    image: NDArray[np.generic],
    mask: NDArray[np.bool_] | None,
    other: NDArray[np.generic] | None,
    other_mask: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, NDArray[np.uint8] | None, NDArray[np.uint8] | None]:
    first = _levels(image, name="image")
    if other_mask is not None and other is None:
        msg = "other_mask is given without other; wanted both, or mask"
        raise InputError(msg)
    second = None if other is None else _levels(other, name="other")
    if second is not None and second.shape != first.shape:
        msg = f"other has shape {second.shape}; wanted the image's {first.shape}"
        raise InputError(msg)
    valid = None if mask is None else _mask(mask, first.shape, name="mask")
    other_valid = None if other_mask is None else _mask(other_mask, first.shape, name="other_mask")
    return first, valid, second, other_valid


def _levels(image: NDArray[np.generic], *, name: str) -> NDArray[np.uint8]:
    if not isinstance(image, np.ndarray):
        msg = f"{name} is a {type(image).__name__}; wanted a NumPy array"
        raise InputError(msg)
    if image.ndim not in (2, 3) or image.size == 0:
        msg = f"{name} has shape {image.shape}; wanted (rows, cols) or (slices, rows, cols), none of them 0"
        raise InputError(msg)
    if image.dtype == np.bool_ or image.dtype == np.uint8:
        return image.view(np.uint8)
    msg = f"{name} has dtype {image.dtype}; wanted uint8 or bool, at most 256 levels: state how with quantised()"
    raise InputError(msg)


def _mask(mask: NDArray[np.bool_], shape: tuple[int, ...], *, name: str) -> NDArray[np.uint8]:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != shape:
        what = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        msg = f"{name} is {what}; wanted bool of shape {shape}"
        raise InputError(msg)
    return mask.view(np.uint8)


def _rows(core_rows: tuple[int, int] | None, image: NDArray[np.generic]) -> tuple[int, int]:
    if core_rows is None:
        return _EVERY_ROW
    begin, end = core_rows
    if not 0 <= begin < end <= image.shape[0]:
        msg = f"core_rows are {begin} to {end}; wanted 0 <= begin < end <= {image.shape[0]}"
        raise InputError(msg)
    return (int(begin), int(end)) if image.ndim == 2 or len(image) > 1 else _EVERY_ROW


def _whole(value: int, least: int, most: int, *, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        msg = f"{name} is {value!r}; wanted a whole number from {least} to {most}"
        raise InputError(msg)
    return int(value)
