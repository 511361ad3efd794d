"""Whether a table of indents lies on an image the right way round, by grey levels and moduli."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AS_GIVEN = "as given"
_LEAST_INDENTS = 25
_LEAST_GAIN_SD = 6.0  # by which another arrangement has to correlate better
_NEAR = 0.3  # of the pitch, within which a rearranged place meets another
_LEAST_MET = 0.7  # share of the indents that a rearrangement has to leave in place of others
_WAYS = {
    AS_GIVEN: np.array([[1, 0], [0, 1]]),
    "mirrored left to right": np.array([[-1, 0], [0, 1]]),
    "mirrored top to bottom": np.array([[1, 0], [0, -1]]),
    "turned by 180 degrees": np.array([[-1, 0], [0, -1]]),
    "mirrored about its diagonal": np.array([[0, 1], [1, 0]]),
    "turned by 90 degrees": np.array([[0, -1], [1, 0]]),
    "turned by -90 degrees": np.array([[0, 1], [-1, 0]]),
    "mirrored about its other diagonal": np.array([[0, -1], [-1, 0]]),
}


@dataclass(frozen=True)
class Arrangement:
    """How well stiffness and grey levels agree for one way of laying a table on an image.

    Attributes
    ----------
    way : str
    correlation : float
        Spearman's, between grey level and modulus.
    indents : int
        That the correlation is of.
    """

    way: str
    correlation: float
    indents: int


def arrangements(places_px: Floats, grey: Floats, modulus_gpa: Floats, *, pitch_px: float) -> list[Arrangement]:
    """Return the eight ways to lay a table of indents on the places that were found, those that fit.

    A square grid looks the same mirrored or turned, but bright grains are stiff and dark ones are soft only if each
    value is at its own place.

    Parameters
    ----------
    places_px : (n, 2) float64
        Where the indents are without the stage's errors.
    grey : (n,) float64
        Mean grey level of the before-image around each.
    modulus_gpa : (n,) float64
        Of the test that the table puts there; NaN where it failed.
    pitch_px : float
    """
    from scipy.spatial import cKDTree
    from scipy.stats import spearmanr

    middle = (places_px.max(axis=0) + places_px.min(axis=0)) / 2
    tree = cKDTree(places_px)
    found = []
    for way, matrix in _WAYS.items():
        distance, at = tree.query((places_px - middle) @ matrix.T + middle)
        met = (distance < _NEAR * pitch_px) & np.isfinite(modulus_gpa)
        if np.count_nonzero(met) < max(_LEAST_INDENTS, _LEAST_MET * np.isfinite(modulus_gpa).sum()):
            continue
        values = grey[at[met]], modulus_gpa[met]
        if min(np.ptp(values[0]), np.ptp(values[1])) > 0:
            found.append(Arrangement(way, float(spearmanr(*values).statistic), int(met.sum())))
    return found


def better_than_given(found: list[Arrangement]) -> Arrangement | None:
    """Return the arrangement that fits much better than the table's own, if there is one.

    Correlations are compared after Fisher's transformation, whose standard error is 1 / sqrt(n - 3).
    """
    own = next((each for each in found if each.way == AS_GIVEN), None)
    best = max(found, key=lambda each: each.correlation, default=None)
    if own is None or best is None or best is own:
        return None
    gain = math.atanh(min(best.correlation, 0.999)) - math.atanh(max(own.correlation, -0.999))
    return best if gain * math.sqrt((min(best.indents, own.indents) - 3) / 2) > _LEAST_GAIN_SD else None
