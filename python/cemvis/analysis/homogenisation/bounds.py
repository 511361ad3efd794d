"""Bounds on the effective moduli of a mixture of isotropic phases in three dimensions.

References
----------
Z. Hashin, S. Shtrikman, J. Mech. Phys. Solids 11 (1963) 127, doi:10.1016/0022-5096(63)90060-7.
L. J. Walpole, J. Mech. Phys. Solids 14 (1966) 151, doi:10.1016/0022-5096(66)90035-4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cemvis.analysis.homogenisation.isotropic import Bounds, Solid, Values
from cemvis.errors import InputError


def voigt_reuss(fractions: ArrayLike, phases: Solid) -> Bounds[Solid]:
    """Return the bounds of Voigt (uniform strain) and Reuss (uniform stress), which hold for any arrangement.

    Parameters
    ----------
    fractions
        (..., phases), sums 1 along the last axis.
    phases
        (..., phases); zero moduli are pores.

    Returns
    -------
    Bounds of shape (...)

    Raises
    ------
    InputError
        If fractions are negative or do not sum to 1.

    Examples
    --------
    >>> two = voigt_reuss([0.5, 0.5], Solid.of([20.0, 60.0], 0.2))
    >>> float(two.lower.modulus_gpa.round(6)), float(two.upper.modulus_gpa.round(6))
    (30.0, 40.0)
    """
    share = checked_fractions(fractions)
    nothing = np.zeros(share.shape[:-1])
    lower = Solid(mixture(share, phases.bulk_gpa, nothing), mixture(share, phases.shear_gpa, nothing))
    return Bounds(lower, Solid(_mean(share, phases.bulk_gpa), _mean(share, phases.shear_gpa)))


def hashin_shtrikman(fractions: ArrayLike, phases: Solid) -> Bounds[Solid]:
    """Return the bounds of Hashin and Shtrikman, which hold for any isotropic arrangement.

    Bulk and shear modulus of the softest and stiffest reference are taken each from the phases present (Walpole), so
    that the stiffest in bulk need not be the stiffest in shear. Parameters and errors are those of `voigt_reuss`.
    """
    share = checked_fractions(fractions)
    ends = [
        Solid(extreme(share, phases.bulk_gpa, largest=up), extreme(share, phases.shear_gpa, largest=up))
        for up in (False, True)
    ]
    return Bounds(*(with_reference(share, phases, end) for end in ends))


def with_reference(share: Values, phases: Solid, reference: Solid) -> Solid:
    """Return the effective moduli of spheres of each phase, as they act in a `reference` material.

    The softest and stiffest reference give the Hashin-Shtrikman bounds, the matrix gives Mori and Tanaka's estimate,
    and the effective material itself gives the self-consistent one.
    """
    bulk = mixture(share, phases.bulk_gpa, 4 / 3 * reference.shear_gpa)
    return Solid(bulk, mixture(share, phases.shear_gpa, shear_constraint(reference)))


def shear_constraint(reference: Solid) -> Values:
    """Return G (9K + 8G) / 6 (K + 2G): how a material resists the shearing of a sphere in it."""
    bulk, shear = reference.bulk_gpa, reference.shear_gpa
    out = np.zeros(np.broadcast(bulk, shear).shape)
    np.divide(shear * (9 * bulk + 8 * shear), 6 * (bulk + 2 * shear), out=out, where=(bulk + 2 * shear) > 0)
    return out


def mixture(share: Values, moduli: Values, constraint: Values) -> Values:
    """Return 1 / sum(f / (x + z)) - z over the last axis for z = `constraint`; phases of no share take no part."""
    z = np.asarray(constraint, np.float64)[..., None]
    stiff = np.broadcast_to(moduli + z, np.broadcast(share, moduli + z).shape)
    present = np.broadcast_to(share, stiff.shape) > 0
    with np.errstate(divide="ignore"):
        softness = np.where(present, share / np.where(present, stiff, 1.0), 0.0).sum(axis=-1)
    return np.asarray(np.maximum(1 / softness - z[..., 0], 0.0))


def extreme(share: Values, moduli: Values, *, largest: bool) -> Values:
    """Return the largest or smallest of the moduli of the phases that are there."""
    shape = np.broadcast(share, moduli).shape
    values, present = np.broadcast_to(moduli, shape), np.broadcast_to(share, shape) > 0
    if largest:
        return np.asarray(np.where(present, values, -np.inf).max(axis=-1))
    return np.asarray(np.where(present, values, np.inf).min(axis=-1))


def checked_fractions(fractions: ArrayLike) -> Values:
    """Return volume fractions (..., phases) as an array if they are 0 or more and sum to 1.

    Raises
    ------
    InputError
        If not.
    """
    share = np.asarray(fractions, np.float64)
    if share.ndim == 0 or share.shape[-1] == 0 or not (share >= 0).all():
        msg = f"fractions {share.tolist()} are negative, no numbers or none at all; wanted one of 0 or more a phase"
        raise InputError(msg)
    total = share.sum(axis=-1)
    if not np.allclose(total, 1, rtol=0, atol=1e-9):
        msg = f"fractions sum to {np.ravel(total)[0]:g}; wanted 1"
        raise InputError(msg)
    return share


def _mean(share: Values, moduli: Values) -> Values:
    return np.asarray((share * moduli).sum(axis=-1))
