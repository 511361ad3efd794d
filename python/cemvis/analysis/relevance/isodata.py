"""The level that parts low from high porosity: ISODATA, the iterative threshold of Ridler and Calvard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity.pores import isodata_level
from cemvis.errors import InputError


def isodata_threshold(levels: NDArray[np.uint8]) -> int:
    """Return the level halfway between the mean of the levels up to it and the mean of those above it [1]_.

    The half is rounded down, and of several such levels the lowest is taken.

    Parameters
    ----------
    levels : (...) uint8

    Returns
    -------
    int
        Low is up to it, high above it; the level itself where there is only one.

    Raises
    ------
    InputError
        If there are no levels, or they are not uint8.

    References
    ----------
    .. [1] Ridler and Calvard, Picture thresholding using an iterative selection method, IEEE Transactions on Systems,
           Man and Cybernetics 8 (1978) 630, doi:10.1109/TSMC.1978.4310039

    Examples
    --------
    >>> isodata_threshold(np.array([10, 12, 200, 210], np.uint8))
    108
    """
    if levels.size == 0 or levels.dtype != np.uint8:
        msg = f"levels are {levels.dtype} of shape {levels.shape}; wanted uint8, not empty"
        raise InputError(msg)
    return isodata_level(np.bincount(levels.ravel(), minlength=256))
