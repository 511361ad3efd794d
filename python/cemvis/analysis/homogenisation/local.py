"""What happens inside a map under load: strain and stress in each cell, and what each cell does to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cemvis.analysis.homogenisation.cells import Cells
from cemvis.analysis.homogenisation.isotropic import PlaneSolid, Values


@dataclass(frozen=True)
class LocalFields:
    """Strain, stress and sensitivity in each cell of a periodic map in plane strain; all (rows, cols).

    Attributes
    ----------
    strain
        Along x, under a mean strain of 1 along x and no other mean strain.
    stress_gpa
        Along x, under the same load.
    bulk_by_modulus, shear_by_modulus
        Derivatives of the effective in-plane bulk and shear modulus (of the nearest isotropic stiffness) by the Young's
        modulus of each cell, at a fixed Poisson's ratio. They are exact, since the solution is where energy is least.
    """

    strain: Values
    stress_gpa: Values
    bulk_by_modulus: Values
    shear_by_modulus: Values

    def by_modulus(self, solid: PlaneSolid) -> Values:
        """Return the derivative of the effective Young's modulus, if `solid` is the effective material."""
        if not solid.bulk_gpa > 0:
            return np.zeros_like(self.bulk_by_modulus)
        ratio = solid.shear_gpa / solid.bulk_gpa
        return np.asarray((3 - 2 * ratio) * self.shear_by_modulus + ratio**2 * self.bulk_by_modulus)


def local_fields(cells: Cells, displacements: Sequence[Values], unit: PlaneSolid) -> LocalFields:
    """Return the local fields that follow from the displacements under unit strains xx, yy and xy.

    Parameters
    ----------
    cells
    displacements
        Three of (2, rows, cols), in balance.
    unit
        Moduli of a cell of Young's modulus 1.
    """
    along_x, along_y, sheared = displacements
    first, shear = unit.bulk_gpa - unit.shear_gpa, unit.shear_gpa

    def energy(displacement: Values, strain: tuple[float, float, float]) -> Values:
        xx, yy, xy = cells.strain(displacement, np.array(strain))
        return np.asarray((first * (xx + yy) ** 2 + shear * (2 * xx**2 + 2 * yy**2 + xy**2)) / xx.size)

    bulk = energy(along_x + along_y, (1.0, 1.0, 0.0)) / 4
    stretched = energy(along_x - along_y, (1.0, -1.0, 0.0)) / 4
    strain = np.array([1.0, 0.0, 0.0])
    return LocalFields(
        cells.strain(along_x, strain)[0],
        cells.stress(along_x, strain)[0],
        bulk,
        (stretched + energy(sheared, (0.0, 0.0, 1.0))) / 2,
    )
