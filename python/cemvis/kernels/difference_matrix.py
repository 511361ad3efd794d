"""Sums of absolute differences between each two of many maps: the L1 or city-block distance of all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis import _core
from cemvis._checks import thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors

BLOCK_BYTES = 8192
"""So many bytes of each map are summed, before the sum is added to that of the pixels before them."""
DTYPES = ("uint8", "uint16", "float32", "float64")


def difference_matrix(
    maps: NDArray[np.generic],
    others: NDArray[np.generic] | None = None,
    *,
    onto: NDArray[np.generic] | None = None,
    threads: int | None = None,
) -> NDArray[np.uint64] | NDArray[np.float64]:
    """Sum ``|maps[m] - others[n]|`` over all pixels, of each map against each.

    Whole numbers are summed exactly. Floating-point numbers are summed in one fixed order, the same to the bit for any
    number of threads and any instruction set: blocks of `BLOCK_BYTES` of each map (2,048 pixels of float32), in the
    pixels' own precision over 16 at a time and in float64 beyond. A sum of float32 differences is within 1.02e-6 of the
    exact one, relative to itself, and one of float64 differences within ``(28 + pixels / 1024) 2^-53``; the usual error
    is a hundred times smaller.

    Maps that don't fit the memory are added a range of pixels at a time, with `onto`. If the ranges are whole blocks,
    the result has the bits of a single call; else the sums of float numbers may differ in their last bits.

    Parameters
    ----------
    maps : (n, pixels) or (n, rows, cols) uint8, uint16, float32 or float64
        Any view; memory-mapped arrays are read once, block by block. A view (n, rows, cols) of parts of rows is copied
        as a whole first.
    others : (m, ...) of the same dtype and pixels, optional
        By default `maps` themselves: each pair is then summed once.
    onto : (n, m) uint64 or float64, optional
        Sums of other pixels of the same maps, which are added to. It is not changed.
    threads : int, optional
        Default: all cores that the process may use.

    Returns
    -------
    (n, m) uint64, or float64 for floating-point maps
        Without `others` symmetric, with 0 on the diagonal. Besides it, 8 KiB a map are needed.

    Raises
    ------
    InputError
        If dtypes or shapes don't fit, or a number is not finite or above 1e36 (float32) or 1e290 (float64).

    Examples
    --------
    >>> import numpy as np
    >>> maps = np.array([[0, 10, 3], [255, 10, 0]], dtype=np.uint8)
    >>> difference_matrix(maps)
    array([[  0, 258],
           [258,   0]], dtype=uint64)
    """
    maps = _rows(maps, name="maps")
    if others is not None:
        others = _rows(others, name="others")
        if others.dtype != maps.dtype:
            msg = f"maps are {maps.dtype} and others {others.dtype}; wanted one dtype"
            raise InputError(msg)
        if others.shape[1] != maps.shape[1]:
            msg = f"maps have {maps.shape[1]} pixels and others {others.shape[1]}; wanted as many"
            raise InputError(msg)
    shape = (len(maps), len(maps) if others is None else len(others))
    dtype = np.dtype(np.float64 if maps.dtype.kind == "f" else np.uint64)
    out: NDArray[Any] = np.zeros(shape, dtype)
    if onto is not None:
        _check_onto(onto, shape, dtype, symmetric=others is None)
        out[...] = onto
    with input_errors():
        _core.add_differences(maps, others, out, thread_count(threads))
    return out


def _rows(maps: NDArray[np.generic], *, name: str) -> NDArray[np.generic]:
    if not isinstance(maps, np.ndarray) or maps.ndim < 2:
        what = f"has shape {maps.shape}" if isinstance(maps, np.ndarray) else f"is a {type(maps).__name__}"
        msg = f"{name} {what}; wanted an array (n, pixels) or (n, rows, cols)"
        raise InputError(msg)
    if maps.dtype.name not in DTYPES or not maps.dtype.isnative:
        msg = f"{name} has dtype {maps.dtype}; wanted native {', '.join(DTYPES[:-1])} or {DTYPES[-1]}"
        raise InputError(msg)
    if maps.size == 0:
        msg = f"{name} is empty (shape {maps.shape}); wanted at least one map of one pixel"
        raise InputError(msg)
    return maps.reshape(len(maps), -1)


def _check_onto(
    onto: NDArray[np.generic], shape: tuple[int, int], dtype: np.dtype[np.generic], *, symmetric: bool
) -> None:
    if not isinstance(onto, np.ndarray) or onto.shape != shape or onto.dtype != dtype:
        got = f"{onto.shape} {onto.dtype}" if isinstance(onto, np.ndarray) else type(onto).__name__
        msg = f"onto is {got}; wanted {shape} {dtype}, sums of other pixels of the same maps"
        raise InputError(msg)
    if symmetric and not np.array_equal(onto, onto.T):
        msg = "onto is not symmetric; wanted sums of other pixels of the same maps"
        raise InputError(msg)
