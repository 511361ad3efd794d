"""The lattice that positions lie on: its direction and its pitch along either axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cemvis.analysis.indentation.table import Floats

# Of the nearest tests, so that both axes are met even where one pitch is several times the other.
_NEIGHBOURS = 25
_ALONG = 0.3  # a step lies along an axis if its other part is smaller than this share of it


@dataclass(frozen=True)
class Lattice:
    """A lattice of tests, its first axis within 45 degrees of x.

    Attributes
    ----------
    angle_rad : float
        From x to the first axis, towards y.
    pitch_um : tuple of float
        Along the first and the second axis; NaN where all tests lie on one line.
    """

    angle_rad: float
    pitch_um: tuple[float, float]

    def along(self, xy_um: Floats) -> Floats:
        """Return (n, 2) positions in um along the two axes."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return np.asarray(xy_um @ np.array([[cos, -sin], [sin, cos]]), np.float64)


def lattice_of(xy_um: Floats) -> Lattice:
    """Return the lattice of n >= 2 distinct positions, (n, 2), from the steps between neighbours."""
    from scipy.spatial import cKDTree

    count = min(len(xy_um), _NEIGHBOURS)
    _, neighbours = cKDTree(xy_um).query(xy_um, k=count)
    steps = xy_um[neighbours[:, 1:]] - xy_um[:, None, :]
    nearest = steps[:, 0]
    # The directions of both axes, there and back, are one direction four times over.
    turned = np.exp(4j * np.arctan2(nearest[:, 1], nearest[:, 0])).mean()
    lattice = Lattice(float(np.angle(turned)) / 4, (math.nan, math.nan))
    u, v = np.abs(lattice.along(steps.reshape(-1, 2))).T.reshape(2, *steps.shape[:2])
    return Lattice(lattice.angle_rad, (_pitch(u, v), _pitch(v, u)))


def _pitch(along: Floats, across: Floats) -> float:
    """Return the median of the steps to the next tests along an axis, on either side."""
    lies_along = across < _ALONG * along
    shortest = np.where(lies_along, along, np.inf).min(axis=1)
    shortest = shortest[np.isfinite(shortest)]
    if not len(shortest):
        return math.nan
    # The shorter of two steps is short by chance where positions scatter; all steps of about its length are not.
    return float(np.median(along[lies_along & (along < 1.5 * np.median(shortest))]))
