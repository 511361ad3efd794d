"""The share of capillary pores in an image."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cemvis.analysis.homogenisation.paste import Known
from cemvis.errors import InputError

if TYPE_CHECKING:
    from cemvis.images.micrograph import Micrograph

_MOST_BLOCKS = 8  # along each side
_SMALLEST_BLOCK_PX = 16
_BAND_PX = 1 << 24


def pore_share(
    image: Micrograph, up_to: int, *, threads: int = 1, progress: Callable[[str, int, int], None] | None = None
) -> Known:
    """Return the share of an image's pixels that are pores, with its standard error.

    The error is that of the mean over up to 8 x 8 blocks, which sees how uneven the image is, as far as blocks do not
    depend on each other. It does not see what the threshold does, nor pores smaller than a pixel.

    Parameters
    ----------
    image
        Of grey levels or of phases as numbers; read by bands.
    up_to
        The highest grey level, or number, that is a pore.
    threads
        Threads that decode.
    progress
        Called with a stage's name, the bands read and how many there are.

    Raises
    ------
    InputError
        If the image is smaller than 32 x 32 px, nothing or all of it is pores, or `up_to` is not a level that it can
        have.
    """
    most = int(np.iinfo(image.dtype).max)
    if not 0 <= up_to < most:
        msg = f"pores up to grey level {up_to}; wanted 0 to {most - 1} in an image of {image.dtype}"
        raise InputError(msg)
    if min(image.shape) < 2 * _SMALLEST_BLOCK_PX:
        msg = f"the image of pores has {image.shape[0]} x {image.shape[1]} px; wanted 32 x 32 or more"
        raise InputError(msg)
    row_ends, col_ends = (
        np.linspace(0, size, min(_MOST_BLOCKS, size // _SMALLEST_BLOCK_PX) + 1).round().astype(int)
        for size in image.shape
    )
    counts = np.zeros((len(row_ends) - 1, len(col_ends) - 1), np.int64)
    for block, (top, bottom) in enumerate(pairwise(row_ends)):
        if progress is not None:
            progress("looking for pores", block, len(counts))
        height = max(1, _BAND_PX // image.shape[1])
        for row in range(top, bottom, height):
            pores = image.read(row, 0, min(height, int(bottom) - row), image.shape[1], threads=threads) <= up_to
            counts[block] += np.add.reduceat(pores.sum(axis=0), col_ends[:-1])
    areas = np.diff(row_ends)[:, None] * np.diff(col_ends)[None, :]
    share = float(counts.sum() / areas.sum())
    if not 0 < share < 1:
        msg = (
            f"{'all' if share else 'nothing'} of the image is at grey level {up_to} or below; choose another threshold"
        )
        raise InputError(msg)
    uneven = float(np.std(counts / areas, ddof=1))
    return Known(share, uneven / counts.size**0.5)
