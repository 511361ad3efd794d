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
    shift : tuple of int
        Columns and rows by which the table is moved along its grid.
    correlation : float
        Spearman's, between grey level and modulus.
    indents : int
        That the correlation is of.
    """

    way: str
    shift: tuple[int, int]
    correlation: float
    indents: int

    @property
    def matrix(self) -> NDArray[np.int64]:
        """From a place as given to where it lies in this way, about the middle, (2, 2) int64."""
        return _WAYS[self.way]

    @property
    def is_given(self) -> bool:
        """Whether the table lies as it was given."""
        return self.way == AS_GIVEN and self.shift == (0, 0)


def arrangements(places_px: Floats, grey: Floats, modulus_gpa: Floats, *, steps_px: Floats) -> list[Arrangement]:
    """Return the ways to lay a table of indents on the places that were found, those that fit.

    A square grid looks the same mirrored or turned, and nearly the same moved by a row or a column, but grey levels
    and moduli go together only if each value is at its own place. Tried are the eight mirrored and turned ways, and
    the given one moved by up to one column and one row.

    Parameters
    ----------
    places_px : (n, 2) float64
        Where the indents are without the stage's errors.
    grey : (n,) float64
        Mean grey level of the before-image around each; NaN where not known.
    modulus_gpa : (n,) float64
        Of the test that the table puts there; NaN where it failed.
    steps_px : (2, 2) float64
        From a place to the next one in its row, and to the next one in its column.
    """
    from scipy.spatial import cKDTree

    middle = (places_px.max(axis=0) + places_px.min(axis=0)) / 2
    tree = cKDTree(places_px)
    near_px = _NEAR * float(np.hypot(*steps_px.T).min())
    tried = [(way, (0, 0)) for way in _WAYS]
    tried += [(AS_GIVEN, (across, down)) for down in (-1, 0, 1) for across in (-1, 0, 1) if across or down]
    found = []
    for way, shift in tried:
        laid = (places_px - middle) @ _WAYS[way].T + middle + np.array(shift) @ steps_px
        distance, at = tree.query(laid)
        met = (distance < near_px) & np.isfinite(modulus_gpa) & np.isfinite(grey[at])
        if np.count_nonzero(met) >= max(_LEAST_INDENTS, _LEAST_MET * np.isfinite(modulus_gpa).sum()):
            correlation = _spearman(grey[at[met]], modulus_gpa[met])
            if math.isfinite(correlation):
                found.append(Arrangement(way, shift, correlation, int(met.sum())))
    return found


def better_than_given(found: list[Arrangement]) -> Arrangement | None:
    """Return the arrangement that fits much better than the table's own, if there is one.

    Correlations of either sign are compared, for what is bright need not be stiff, after Fisher's transformation,
    whose standard error is 1 / sqrt(n - 3).
    """
    own = next((each for each in found if each.is_given), None)
    best = max(found, key=lambda each: abs(each.correlation), default=None)
    if own is None or best is None or best is own:
        return None
    gain = math.atanh(min(abs(best.correlation), 0.999)) - math.atanh(min(abs(own.correlation), 0.999))
    return best if gain * math.sqrt((min(best.indents, own.indents) - 3) / 2) > _LEAST_GAIN_SD else None


def _spearman(one: Floats, other: Floats) -> float:
    """Return Spearman's correlation; NaN if one of them is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (one, other)]
    if min(np.ptp(each) for each in ranks) == 0:
        return math.nan
    return float(np.corrcoef(*ranks)[0, 1])
