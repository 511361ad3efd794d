"""What a map of moduli is worth as a whole, in plane strain, beside the two-dimensional bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cemvis.analysis.homogenisation.fft import PlaneStiffness, effective_stiffness
from cemvis.analysis.homogenisation.isotropic import Bounds, PlaneSolid, Values
from cemvis.analysis.homogenisation.two_dimensional import plane_hashin_shtrikman, plane_voigt_reuss

_ROUNDING = 1e-6  # of the bounds: what the solver's tolerance leaves


@dataclass(frozen=True)
class FieldEstimate:
    """The effective moduli of a map in plane strain, with its bounds.

    Attributes
    ----------
    stiffness
        Of the map as a periodic structure.
    methods
        Plane-strain moduli by name: the bounds, and the nearest isotropic ones of `stiffness`.
    with_pores
        The latter with capillary pores spread in it as round holes (Mori and Tanaka, in plane strain); None without.
    inside
        Whether bulk and shear modulus, and the plane moduli along x and y, lie inside the bounds of Hashin and
        Shtrikman. Those of a map that is small beside its structures, or has a direction, need not.
    """

    stiffness: PlaneStiffness
    methods: dict[str, PlaneSolid]
    with_pores: PlaneSolid | None
    inside: bool


def estimate_field(
    modulus_gpa: Values,
    poisson: float,
    *,
    porosity: float | None = None,
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> FieldEstimate:
    """Return the effective moduli of a map of Young's moduli in plane strain, beside the bounds for its histogram.

    Parameters
    ----------
    modulus_gpa
        (rows, cols), 0 or more.
    poisson
        Of all cells, from 0 to below 0.5.
    porosity
        Share of the whole area that is pores that the map leaves out, thought to be round, much smaller than the map
        and spread evenly; none if None.
    threads, progress
        As for `effective_stiffness`.

    Raises
    ------
    InputError
        If the map or the ratio cannot be used.
    """
    stiffness = effective_stiffness(modulus_gpa, poisson, threads=threads, progress=progress)
    cells = PlaneSolid.of(np.ravel(modulus_gpa), poisson)
    share = np.full(cells.bulk_gpa.shape, 1 / cells.bulk_gpa.size)
    any_bounds, isotropic_bounds = plane_voigt_reuss(share, cells), plane_hashin_shtrikman(share, cells)
    solved = stiffness.isotropic
    methods = {
        "Reuss": any_bounds.lower,
        "Hashin-Shtrikman lower": isotropic_bounds.lower,
        "Fourier solution": solved,
        "Hashin-Shtrikman upper": isotropic_bounds.upper,
        "Voigt": any_bounds.upper,
    }
    return FieldEstimate(
        stiffness,
        methods,
        None if porosity is None else _porous(solved, porosity),
        _inside(stiffness, isotropic_bounds),
    )


def _porous(solid: PlaneSolid, porosity: float) -> PlaneSolid:
    """Return the moduli with round holes; for two phases, Mori and Tanaka give the bound from the stiffer one."""
    phases = PlaneSolid(np.array([solid.bulk_gpa, 0.0]), np.array([solid.shear_gpa, 0.0]))
    return plane_hashin_shtrikman([1 - porosity, porosity], phases).upper


def _inside(stiffness: PlaneStiffness, bounds: Bounds[PlaneSolid]) -> bool:
    lower, upper, solved = bounds.lower, bounds.upper, stiffness.isotropic
    found = [
        (float(lower.bulk_gpa), float(solved.bulk_gpa), float(upper.bulk_gpa)),
        (float(lower.shear_gpa), float(solved.shear_gpa), float(upper.shear_gpa)),
        *(
            (float(lower.plane_modulus_gpa), along, float(upper.plane_modulus_gpa))
            for along in stiffness.plane_moduli_gpa
        ),
    ]
    return all((1 - _ROUNDING) * low <= value <= (1 + _ROUNDING) * high for low, value, high in found)
