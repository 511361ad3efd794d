"""The share of capillary pores in an image."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cemvis.analysis.homogenisation.known import Known, normal_quantile
from cemvis.errors import InputError

if TYPE_CHECKING:
    from cemvis.images.micrograph import Micrograph

_MOST_BLOCKS = 8  # along each side
_SMALLEST_BLOCK_PX = 16
_BAND_PX = 1 << 24


def pore_share(
    image: Micrograph,
    up_to: int,
    *,
    tolerance: int = 0,
    threads: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Known:
    """Return the share of an image's pixels that are pores, with its standard error.

    The error is that of the mean over up to 8 x 8 blocks, which sees how uneven the image is, as far as blocks do not
    depend on each other. What the threshold does is added where a `tolerance` is given: the shares at the threshold
    lowered and raised by it are taken as the ends of a 95 % interval. Pores smaller than a pixel are not seen.

    Parameters
    ----------
    image
        Of grey levels or of phases as numbers; read by bands.
    up_to
        The highest grey level, or number, that is a pore.
    tolerance
        Grey levels by which the threshold may be wrong either way; 0 to leave that out.
    threads
        Threads that decode.
    progress
        Called with a stage's name, the bands read and how many there are.

    Raises
    ------
    InputError
        If the image is smaller than 32 x 32 px, nothing or all of it is pores, or `up_to` is not a level that it can
        have, also within the tolerance.
    """
    most = int(np.iinfo(image.dtype).max)
    if tolerance < 0 or not 0 <= up_to - tolerance <= up_to + tolerance < most:
        about = f" +- {tolerance}" if tolerance else ""
        msg = f"pores up to grey level {up_to}{about}; wanted 0 to {most - 1} in an image of {image.dtype}"
        raise InputError(msg)
    if min(image.shape) < 2 * _SMALLEST_BLOCK_PX:
        msg = f"the image of pores has {image.shape[0]} x {image.shape[1]} px; wanted 32 x 32 or more"
        raise InputError(msg)
    row_ends, col_ends = (
        np.linspace(0, size, min(_MOST_BLOCKS, size // _SMALLEST_BLOCK_PX) + 1).round().astype(int)
        for size in image.shape
    )
    levels = (up_to - tolerance, up_to, up_to + tolerance) if tolerance else (up_to,)
    counts = np.zeros((len(levels), len(row_ends) - 1, len(col_ends) - 1), np.int64)
    for block, (top, bottom) in enumerate(pairwise(row_ends)):
        if progress is not None:
            progress("looking for pores", block, counts.shape[1])
        height = max(1, _BAND_PX // image.shape[1])
        for row in range(top, bottom, height):
            band = image.read(row, 0, min(height, int(bottom) - row), image.shape[1], threads=threads)
            for number, level in enumerate(levels):
                counts[number, block] += np.add.reduceat((band <= level).sum(axis=0), col_ends[:-1])
    areas = np.diff(row_ends)[:, None] * np.diff(col_ends)[None, :]
    shares = counts.sum(axis=(1, 2)) / areas.sum()
    share = float(shares[len(levels) // 2])
    if not 0 < share < 1:
        msg = (
            f"{'all' if share else 'nothing'} of the image is at grey level {up_to} or below; choose another threshold"
        )
        raise InputError(msg)
    blocks = counts[len(levels) // 2] / areas
    error = float(np.std(blocks, ddof=1)) / blocks.size**0.5
    if not tolerance:
        return Known(share, error)
    below, above = np.diff(shares) / normal_quantile(0.95)
    return Known(share, float(np.hypot(error, below)), float(np.hypot(error, above)))
