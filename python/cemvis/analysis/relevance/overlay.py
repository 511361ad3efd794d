"""Maps of relevance of a group laid over each other.

Relevance is brought to a sum of 1 a map first. The overlay of a group is ``exp(-60 sigma / sum R) sum(n R)``: in each
pixel ``sum`` runs over the maps of the group, ``sigma`` is the standard deviation of their R there (population: divided
by the number of maps) and ``n`` the porosity from 0 to 1. Where ``sum R`` is 0, so is the overlay. (The paper's text
leaves open whether its sigma is that of each pixel; here it is.) As ``sigma / sum R`` falls with the number of maps,
overlays of groups of different sizes don't compare. The paper's contour, 3e-6, is read as the level of maps of 384 x
384 px whose relevance sums to 1; for other sizes it goes with 1 / area, as relevance does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float64]

STEEPNESS = 60.0
PAPER_LEVEL = 3e-6
PAPER_PX = 384


def normalised_relevance(relevance: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return maps of relevance that sum to 1 each, (n, rows, cols).

    Raises
    ------
    InputError
        If the array is no (n, rows, cols), or a map has a number that is not finite or below 0, or no relevance.
    """
    if relevance.ndim != 3 or not relevance.size or relevance.dtype.kind != "f":
        msg = f"relevance is {relevance.shape} {relevance.dtype}; wanted maps (n, rows, cols) of floating-point numbers"
        raise InputError(msg)
    out = np.empty(relevance.shape, np.float32)
    for number, each in enumerate(relevance):
        total = float(each.sum(dtype=np.float64))
        if not np.isfinite(total) or total <= 0 or each.min() < 0:
            msg = (
                f"relevance of map {number} sums to {total} from {each.min()} up; wanted numbers from 0, some above it"
            )
            raise InputError(msg)
        out[number] = each / total
    return out


def overlay(
    relevance: NDArray[np.floating],
    levels: NDArray[np.uint8],
    members: NDArray[np.integer],
    *,
    lenders: NDArray[np.integer] | None = None,
) -> Floats:
    """Lay maps over each other: ``exp(-60 sigma / sum R) sum(n R)`` in each pixel.

    Parameters
    ----------
    relevance : (n, rows, cols)
        Each summing to 1.
    levels : (n, rows, cols) uint8
        Porosity n = level / 255.
    members : (m,) int
        The maps of the group.
    lenders : (m,) int, optional
        Whose porosity each has; by default its own.

    Returns
    -------
    (rows, cols) float64
        0 where no map has relevance.
    """
    shape = relevance.shape[1:]
    total, pores, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for each, lender in zip(members, members if lenders is None else lenders, strict=True):
        total += relevance[each]
        pores += relevance[each].astype(np.float64) * levels[lender]
    mean = total / len(members)
    for each in members:
        squares += (relevance[each] - mean) ** 2
    sigma = np.sqrt(squares / len(members))
    spread = np.divide(sigma, total, out=np.zeros(shape), where=total > 0)
    return np.where(total > 0, np.exp(-STEEPNESS * spread) * pores / 255, 0.0)


def paper_level(shape: tuple[int, int]) -> float:
    """Return the paper's contour level for maps of `shape`: 3e-6 at 384 x 384 px, and in inverse ratio to the area."""
    return PAPER_LEVEL * PAPER_PX**2 / (shape[0] * shape[1])
