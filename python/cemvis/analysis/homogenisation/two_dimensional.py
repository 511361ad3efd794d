"""Bounds on the effective moduli in plane strain, for structures that do not change across the plane.

References
----------
Z. Hashin, J. Mech. Phys. Solids 13 (1965) 119, doi:10.1016/0022-5096(65)90015-3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cemvis.analysis.homogenisation.bounds import checked_fractions, extreme, mixture
from cemvis.analysis.homogenisation.isotropic import Bounds, PlaneSolid, Values


def plane_voigt_reuss(fractions: ArrayLike, phases: PlaneSolid) -> Bounds[PlaneSolid]:
    """Return Voigt's and Reuss's bounds in plane strain, which hold for any arrangement in the plane.

    Parameters
    ----------
    fractions
        (..., phases), sums 1 along the last axis.
    phases
        (..., phases); zero moduli are pores.

    Raises
    ------
    InputError
        If fractions are negative or do not sum to 1.
    """
    share = checked_fractions(fractions)
    nothing = np.zeros(share.shape[:-1])
    lower = PlaneSolid(mixture(share, phases.bulk_gpa, nothing), mixture(share, phases.shear_gpa, nothing))
    upper = PlaneSolid(
        np.asarray((share * phases.bulk_gpa).sum(axis=-1)), np.asarray((share * phases.shear_gpa).sum(axis=-1))
    )
    return Bounds(lower, upper)


def plane_hashin_shtrikman(fractions: ArrayLike, phases: PlaneSolid) -> Bounds[PlaneSolid]:
    """Return the bounds of Hashin and Shtrikman in plane strain, for arrangements that are isotropic in the plane.

    Parameters and errors are those of `plane_voigt_reuss`; references as in three dimensions (Walpole).

    Examples
    --------
    >>> pores = plane_hashin_shtrikman([0.75, 0.25], PlaneSolid.of([30.0, 0.0], 0.0))
    >>> float(pores.upper.plane_modulus_gpa.round(6))  # E (1 - f) / (1 + 2 f), for any Poisson's ratio
    15.0
    """
    share = checked_fractions(fractions)
    ends = [
        _with_reference(
            share,
            phases,
            extreme(share, phases.bulk_gpa, largest=up),
            extreme(share, phases.shear_gpa, largest=up),
        )
        for up in (False, True)
    ]
    return Bounds(*ends)


def _with_reference(share: Values, phases: PlaneSolid, bulk: Values, shear: Values) -> PlaneSolid:
    constraint = np.zeros(np.broadcast(bulk, shear).shape)
    np.divide(bulk * shear, bulk + 2 * shear, out=constraint, where=(bulk + 2 * shear) > 0)
    return PlaneSolid(mixture(share, phases.bulk_gpa, shear), mixture(share, phases.shear_gpa, constraint))
