"""What a map of moduli is worth as a whole, in plane strain, beside the two-dimensional bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cemvis._checks import fraction
from cemvis.analysis.homogenisation.fft import PlaneStiffness, effective_stiffness
from cemvis.analysis.homogenisation.isotropic import Bounds, PlaneSolid, Values
from cemvis.analysis.homogenisation.known import Known, normal_quantile
from cemvis.analysis.homogenisation.two_dimensional import plane_hashin_shtrikman, plane_voigt_reuss
from cemvis.errors import InputError

SOLUTION = "Fourier solution"
WITH_PORES = "Fourier solution, with pores"
_ROUNDING = 1e-6  # of the bounds: what the solver's tolerance leaves


@dataclass(frozen=True)
class FieldInterval:
    """Ends of the interval of an effective Young's modulus in plane strain, for both limits of how errors go together.

    Attributes
    ----------
    independent_gpa
        If the cells' errors have nothing to do with each other, so that they nearly cancel; None if not worked out.
    correlated_gpa
        If all cells err alike, and pores with them: all at the lower ends of their intervals, or all at the upper.
    """

    independent_gpa: tuple[float, float] | None
    correlated_gpa: tuple[float, float]


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
    intervals
        By the names of the methods; empty if neither cells nor porosity had errors.
    """

    stiffness: PlaneStiffness
    methods: dict[str, PlaneSolid]
    with_pores: PlaneSolid | None
    inside: bool
    intervals: dict[str, FieldInterval]

    @property
    def all_methods(self) -> dict[str, PlaneSolid]:
        """`methods`, and the one with pores last."""
        return self.methods if self.with_pores is None else {**self.methods, WITH_PORES: self.with_pores}


def estimate_field(
    modulus_gpa: Values,
    poisson: float,
    *,
    porosity: Known | None = None,
    error_gpa: Values | None = None,
    level: float = 0.95,
    samples: int = 10_000,
    seed: int = 0,
    local: bool = False,
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
    error_gpa
        (rows, cols), standard error of each cell, normal and 0 or more; none if None. It costs two more solutions.
    level
        Of the intervals.
    samples, seed
        Draws of the porosity.
    local
        Whether the solution's local fields are wanted; they are also there with `error_gpa`.
    threads, progress
        As for `effective_stiffness`.

    Raises
    ------
    InputError
        If the map, the errors or the ratio cannot be used.

    Notes
    -----
    Takes about 230 bytes of memory a cell, 280 with `error_gpa`. For independent errors the solution is linear in them,
    with its exact derivatives by each cell (`LocalFields`).
    """
    modulus = np.asarray(modulus_gpa, np.float64)
    fraction(level, name="level")
    if porosity is not None and not 0 <= porosity.value < 1:
        msg = f"the porosity is {porosity.value:g}; wanted 0 to below 1"
        raise InputError(msg)
    if error_gpa is not None:
        _check_errors(modulus, error_gpa)
    local = local or error_gpa is not None
    stiffness = effective_stiffness(modulus, poisson, local=local, threads=threads, progress=progress)
    methods, bounds = _methods(modulus, poisson, stiffness)
    found = FieldEstimate(
        stiffness,
        methods,
        None if porosity is None else _porous(methods[SOLUTION], porosity.value),
        _inside(stiffness, bounds),
        {},
    )
    intervals: dict[str, FieldInterval] = {}
    ends = [methods, methods]
    if error_gpa is not None:
        reach = normal_quantile(level) * error_gpa
        ends = []
        for sign, name in ((-1, "lower"), (1, "upper")):
            end = np.maximum(modulus + sign * reach, 0.0)
            told = None if progress is None else _renamed(progress, f"solving for the {name} ends of the intervals")
            ends.append(_methods(end, poisson, effective_stiffness(end, poisson, threads=threads, progress=told))[0])
        intervals |= _intervals(found, ends, error_gpa, level)
    if porosity is not None and (error_gpa is not None or not porosity.exact):
        intervals[WITH_PORES] = _porous_interval(found, ends, porosity, error_gpa, (level, samples, seed))
    return replace(found, intervals=intervals)


def _renamed(progress: Callable[[str, int, int], None], name: str) -> Callable[[str, int, int], None]:
    return lambda _, done, steps: progress(name, done, steps)


def _check_errors(modulus: Values, error_gpa: Values) -> None:
    if error_gpa.shape != modulus.shape:
        msg = f"the errors have shape {error_gpa.shape}; wanted the map's, {modulus.shape}"
        raise InputError(msg)
    wrong = ~(np.isfinite(error_gpa) & (error_gpa >= 0))
    if wrong.any():
        count = f"{wrong.sum():,} of the {wrong.size:,} errors"
        msg = f"{count}, such as {error_gpa[wrong][0]:g} GPa, are out of range; wanted 0 or more"
        raise InputError(msg)


def _methods(
    modulus: Values, poisson: float, stiffness: PlaneStiffness
) -> tuple[dict[str, PlaneSolid], Bounds[PlaneSolid]]:
    cells = PlaneSolid.of(np.ravel(modulus), poisson)
    share = np.full(cells.bulk_gpa.shape, 1 / cells.bulk_gpa.size)
    any_bounds, isotropic_bounds = plane_voigt_reuss(share, cells), plane_hashin_shtrikman(share, cells)
    methods = {
        "Reuss": any_bounds.lower,
        "Hashin-Shtrikman lower": isotropic_bounds.lower,
        SOLUTION: stiffness.isotropic,
        "Hashin-Shtrikman upper": isotropic_bounds.upper,
        "Voigt": any_bounds.upper,
    }
    return methods, isotropic_bounds


def _spread(found: FieldEstimate, error_gpa: Values | None) -> float:
    """Return the standard error of the solution's Young's modulus for independent errors of the cells."""
    if error_gpa is None or found.stiffness.local is None:
        return 0.0
    return float(np.linalg.norm(found.stiffness.local.by_modulus(found.methods[SOLUTION]) * error_gpa))


def _intervals(
    found: FieldEstimate, ends: Sequence[dict[str, PlaneSolid]], error_gpa: Values, level: float
) -> dict[str, FieldInterval]:
    out = {name: FieldInterval(None, (_young(ends[0][name]), _young(ends[1][name]))) for name in found.methods}
    reach = normal_quantile(level) * _spread(found, error_gpa)
    middle = _young(found.methods[SOLUTION])
    independent = (max(middle - reach, 0.0), middle + reach)
    out[SOLUTION] = FieldInterval(independent, out[SOLUTION].correlated_gpa)
    return out


def _porous_interval(
    found: FieldEstimate,
    ends: Sequence[dict[str, PlaneSolid]],
    porosity: Known,
    error_gpa: Values | None,
    draws: tuple[float, int, int],
) -> FieldInterval:
    level, samples, seed = draws
    solution = found.methods[SOLUTION]
    few, many = porosity.interval(level, least=0.0, most=1.0)
    correlated = (_young(_porous(ends[0][SOLUTION], many)), _young(_porous(ends[1][SOLUTION], few)))
    generator = np.random.default_rng(seed)
    # The moduli with holes are proportional to those without, at one ratio of bulk to shear.
    factor = 1 + generator.standard_normal(samples) * _spread(found, error_gpa) / max(_young(solution), 1e-300)
    drawn = factor * np.asarray(_porous(solution, porosity.draw(samples, generator, least=0.0, most=1.0)).modulus_gpa)
    low, high = np.quantile(np.maximum(drawn, 0.0), ((1 - level) / 2, (1 + level) / 2))
    return FieldInterval((float(low), float(high)), correlated)


def _young(solid: PlaneSolid) -> float:
    return float(solid.modulus_gpa)


def _porous(solid: PlaneSolid, porosity: float | Values) -> PlaneSolid:
    """Return the moduli with round holes; for two phases, Mori and Tanaka give the bound from the stiffer one."""
    phases = PlaneSolid(np.array([solid.bulk_gpa, 0.0]), np.array([solid.shear_gpa, 0.0]))
    share = np.asarray(porosity, np.float64)
    return plane_hashin_shtrikman(np.stack([1 - share, share], axis=-1), phases).upper


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
