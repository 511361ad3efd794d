"""Mean-field estimates of the effective moduli: Mori-Tanaka and self-consistent, phases as spheres.

References
----------
Y. Benveniste, Mech. Mater. 6 (1987) 147, doi:10.1016/0167-6636(87)90005-6.
R. Hill, J. Mech. Phys. Solids 13 (1965) 213, doi:10.1016/0022-5096(65)90010-4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cemvis.analysis.homogenisation.bounds import (
    checked_fractions,
    extreme,
    shear_constraint,
    with_reference,
)
from cemvis.analysis.homogenisation.isotropic import Solid, Values
from cemvis.errors import InputError

_MOST_STEPS = 200
_TOLERANCE = 1e-10  # of the moduli; the last step takes them far closer
PERCOLATION = 0.5  # share of pores from which spheres of anything else no longer hold together


def mori_tanaka(fractions: ArrayLike, phases: Solid, *, matrix: int) -> Solid:
    """Return the Mori-Tanaka estimate for spheres of the other phases in one phase that surrounds them all.

    Parameters
    ----------
    fractions
        (..., phases), sums 1 along the last axis.
    phases
        (..., phases); zero moduli are pores.
    matrix
        Which phase surrounds the others.

    Raises
    ------
    InputError
        If fractions are wrong, there is no such phase, or the matrix has no share somewhere.

    Examples
    --------
    >>> spheres = mori_tanaka([0.8, 0.2], Solid.of([30.0, 0.0], 0.2), matrix=0)
    >>> float(spheres.modulus_gpa.round(6))  # E (1 - f) / (1 + f) for pores and nu = 0.2
    20.0
    """
    share = checked_fractions(fractions)
    if not 0 <= matrix < share.shape[-1] or not (share[..., matrix] > 0).all():
        msg = f"phase {matrix} of {share.shape[-1]} cannot be the matrix; wanted one with a share above 0"
        raise InputError(msg)
    shape = np.broadcast(share, phases.bulk_gpa, phases.shear_gpa).shape
    bulk, shear = (np.broadcast_to(each, shape)[..., matrix] for each in (phases.bulk_gpa, phases.shear_gpa))
    return with_reference(share, phases, Solid(bulk, shear))


def self_consistent(fractions: ArrayLike, phases: Solid) -> Solid:
    """Return the self-consistent estimate: spheres of every phase in the effective material itself.

    No phase is the matrix, as in a polycrystal. Half of the volume as pores is enough to take all stiffness away.
    Found by Newton's method from the stiffest phase down, to a step of 1e-10; where half or more is pores, both
    moduli are 0. Parameters and errors are those of `mori_tanaka`.

    Examples
    --------
    >>> half = self_consistent([0.7, 0.3], Solid.of([30.0, 0.0], 0.2))
    >>> float(half.modulus_gpa.round(6))  # E (1 - 2 f) for pores and nu = 0.2
    12.0
    """
    share = checked_fractions(fractions)
    shape = np.broadcast(share, phases.bulk_gpa, phases.shear_gpa).shape
    bulks, shears, share = (
        np.broadcast_to(each, shape).reshape(-1, shape[-1]) for each in (phases.bulk_gpa, phases.shear_gpa, share)
    )
    bulk, shear = (np.array(extreme(share, each, largest=True)) for each in (bulks, shears))
    pores = np.where(shears > 0, 0.0, share).sum(axis=-1)
    bulk[pores >= PERCOLATION] = shear[pores >= PERCOLATION] = 0.0
    active = shear > 0
    for _ in range(_MOST_STEPS):
        if not active.any():
            break
        now = Solid(bulk[active], shear[active])
        new = _step(share[active], Solid(bulks[active], shears[active]), now)
        bulk[active], shear[active] = new.bulk_gpa, new.shear_gpa
        active[active] = (abs(new.bulk_gpa - now.bulk_gpa) > _TOLERANCE * new.bulk_gpa) | (
            abs(new.shear_gpa - now.shear_gpa) > _TOLERANCE * new.shear_gpa
        )
    return Solid(bulk.reshape(shape[:-1]), shear.reshape(shape[:-1]))


def _step(share: Values, phases: Solid, now: Solid) -> Solid:
    """Return Newton's next moduli, or those of plain iteration where Newton's are not between 0 and the present ones.

    The map is increasing and concave in both moduli, so that Newton's steps from above stay above the root.
    """
    bulk, shear = now.bulk_gpa, now.shear_gpa
    plain = with_reference(share, phases, now)
    below = bulk + 2 * shear
    constraint = shear_constraint(now)
    by_bulk = 5 / 3 * (shear / below) ** 2
    by_shear = (constraint - bulk * by_bulk) / shear
    bulk_slope = 4 / 3 * _slope(share, phases.bulk_gpa, 4 / 3 * shear)
    shear_slope = _slope(share, phases.shear_gpa, constraint)
    # (I - J) d = F(x) - x with J = [[0, bulk_slope], [shear_slope by_bulk, shear_slope by_shear]]
    first, second = plain.bulk_gpa - bulk, plain.shear_gpa - shear
    lower_left, lower_right = -shear_slope * by_bulk, 1 - shear_slope * by_shear
    determinant = lower_right + bulk_slope * lower_left
    with np.errstate(divide="ignore", invalid="ignore"):
        shear_step = (second - lower_left * first) / determinant
        newton_shear = shear + shear_step
        newton_bulk = bulk + first + bulk_slope * shear_step
    fine = (newton_shear > 0) & (newton_bulk > 0) & (newton_shear <= shear) & (newton_bulk <= bulk)
    return Solid(
        np.where(fine, newton_bulk, plain.bulk_gpa),
        np.where(fine, newton_shear, plain.shear_gpa),
    )


def _slope(share: Values, moduli: Values, constraint: Values) -> Values:
    """Return the derivative of `mixture` by the constraint."""
    stiff = moduli + constraint[..., None]
    softness = (share / stiff).sum(axis=-1)
    return np.asarray((share / stiff**2).sum(axis=-1) / softness**2 - 1)
