"""Checks of arguments that several floors share; each raises one clear line."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError


def thread_count(threads: int | None) -> int:
    """Return `threads`, or the number of cores that this process may use if it is None."""
    if threads is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or not 1 <= threads <= 4096:
        msg = f"threads is {threads!r}; wanted a whole number from 1 to 4096"
        raise InputError(msg)
    return int(threads)


def positive(value: float, *, name: str) -> float:
    """Return `value` as a float if it is a finite number above zero."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or number <= 0:
        msg = f"{name} is {value!r}; wanted a finite number above 0"
        raise InputError(msg)
    return number


def fraction(value: float, *, name: str) -> float:
    """Return `value` as a float if it lies strictly between 0 and 1."""
    number = positive(value, name=name)
    if number >= 1:
        msg = f"{name} is {value!r}; wanted a number between 0 and 1"
        raise InputError(msg)
    return number


def image_2d(image: NDArray[np.generic], *, name: str = "image", dtypes: Sequence[str] = ("uint8", "uint16")) -> None:
    """Check that `image` is a two-dimensional, non-empty array of one of `dtypes`."""
    if not isinstance(image, np.ndarray):
        msg = f"{name} is a {type(image).__name__}; wanted a NumPy array"
        raise InputError(msg)
    if image.ndim != 2:
        msg = f"{name} has shape {image.shape}; wanted (rows, cols)"
        raise InputError(msg)
    if image.dtype.name not in dtypes or not image.dtype.isnative:
        msg = f"{name} has dtype {image.dtype}; wanted native {' or '.join(dtypes)}"
        raise InputError(msg)
    if image.size == 0:
        msg = f"{name} is empty (shape {image.shape}); wanted at least one pixel"
        raise InputError(msg)
