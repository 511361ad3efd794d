"""Reading what is to be explained: images as a tensor, and which output of each is asked about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cemvis.errors import InputError


def batch_of(x: ArrayLike | Tensor, dtype: torch.dtype) -> Tensor:
    """Return images as ``(n, 1, rows, cols)``; raises `InputError` for another shape or numbers not finite."""
    values = x if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x))
    if values.ndim == 3:
        values = values[:, None]
    if values.ndim != 4 or values.shape[1] != 1 or values.numel() == 0:
        msg = f"images have shape {tuple(values.shape)}; wanted (n, rows, cols) or (n, 1, rows, cols), not empty"
        raise InputError(msg)
    if not values.is_floating_point():
        msg = f"images are {str(values.dtype).removeprefix('torch.')}; wanted float32 or float64"
        raise InputError(msg)
    values = values.detach().to("cpu", dtype)
    if not bool(torch.isfinite(values).all()):
        msg = "images hold numbers that are not finite; leave those images out"
        raise InputError(msg)
    return values


def targets_of(
    target: int | Sequence[int] | NDArray[np.intp] | None, outputs: NDArray[np.float64], *, classes: bool
) -> NDArray[np.intp]:
    """Return the output that is asked about for each image: the largest class, or the first property, if None."""
    count, outs = outputs.shape
    if target is None:
        return np.argmax(outputs, axis=1) if classes else np.zeros(count, np.intp)
    wanted = np.asarray(target)
    if wanted.dtype.kind not in "iu" or wanted.shape not in ((), (count,)) or wanted.min() < 0 or wanted.max() >= outs:
        msg = f"target is {target!r}; wanted whole numbers from 0 to {outs - 1}, one for all images or one for each"
        raise InputError(msg)
    return np.broadcast_to(wanted, (count,)).astype(np.intp)
