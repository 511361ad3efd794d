"""Square cells on a periodic grid in plane strain: strains, stresses and forces of displacements at their corners."""

from __future__ import annotations

import numpy as np

from cemvis.analysis.homogenisation.isotropic import Values


class Cells:
    """Square cells of unit size on a periodic grid, with displacements at their corners and one strain in each.

    A node is the top-left corner of its cell.
    """

    def __init__(self, first: Values, shear: Values) -> None:
        self.first, self.shear = first, shear  # Lame's constants

    def forces(self, displacement: Values, strain: Values | None = None) -> Values:
        """Return the nodes' forces (2, rows, cols) under displacements (2, rows, cols) and a mean strain."""
        xx, yy, xy = self.stress(displacement, strain)
        out = np.empty_like(displacement)
        for axis, (along_x, along_y) in enumerate(((xx, xy), (xy, yy))):
            tops = np.roll(along_x, 1, axis=0)
            tops += along_x
            out[axis] = np.roll(tops, 1, axis=1) - tops
            sides = np.roll(along_y, 1, axis=1)
            sides += along_y
            out[axis] += np.roll(sides, 1, axis=0) - sides
        out /= 2
        return out

    def mean_stress(self, displacement: Values, strain: Values) -> Values:
        """Return the mean stresses xx, yy, xy."""
        return np.array([each.mean() for each in self.stress(displacement, strain)])

    def stress(self, displacement: Values, strain: Values | None) -> tuple[Values, Values, Values]:
        """Return the stresses xx, yy, xy in each cell, each (rows, cols)."""
        xx, yy, xy = self.strain(displacement, strain)
        spread = self.first * (xx + yy)
        xx *= 2 * self.shear
        yy *= 2 * self.shear
        xy *= self.shear
        xx += spread
        yy += spread
        return xx, yy, xy

    def strain(self, displacement: Values, strain: Values | None) -> tuple[Values, Values, Values]:
        """Return the strains xx, yy, and xy as an angle, in each cell, each (rows, cols)."""
        xx, xy = _gradient(displacement[0])
        y_by_x, yy = _gradient(displacement[1])
        xy += y_by_x
        if strain is not None:
            xx += strain[0]
            yy += strain[1]
            xy += strain[2]
        return xx, yy, xy


def _gradient(values: Values) -> tuple[Values, Values]:
    """Return the derivatives by x and y at the cells' centres of values at the nodes."""
    beside = np.roll(values, -1, axis=1)
    right, edge = beside - values, beside + values
    by_y = np.roll(edge, -1, axis=0)
    by_y -= edge
    right += np.roll(right, -1, axis=0)
    return right / 2, by_y / 2
