"""Effective moduli of a paste from its phases, with intervals from what is not known exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cemvis._checks import fraction
from cemvis.analysis.homogenisation.bounds import hashin_shtrikman, voigt_reuss
from cemvis.analysis.homogenisation.isotropic import Solid, Values, check_magnitude
from cemvis.analysis.homogenisation.known import Known
from cemvis.analysis.homogenisation.schemes import mori_tanaka, self_consistent
from cemvis.errors import InputError

PORES = "pores"
SUM_TOLERANCE = 0.02
_LEAST = 1e-6  # share that is drawn of a phase that may not be there, so that a matrix stays one


@dataclass(frozen=True)
class Phase:
    """A phase of the paste.

    Attributes
    ----------
    name
    fraction
        Share of the volume, of all that is not pores.
    modulus_gpa
        Young's modulus.
    poisson
        Poisson's ratio.
    """

    name: str
    fraction: Known
    modulus_gpa: Known
    poisson: Known

    def __post_init__(self) -> None:
        if not 0 <= self.fraction.value <= 1:
            msg = f"the fraction of {self.name} is {self.fraction.value:g}; wanted 0 to 1"
            raise InputError(msg)
        try:
            Solid.of(self.modulus_gpa.value, self.poisson.value)
        except InputError as error:
            msg = f"{self.name}: {error}"
            raise InputError(msg) from error


@dataclass(frozen=True)
class Estimate:
    """What one method says about the effective material.

    Attributes
    ----------
    method
    modulus_gpa, poisson, bulk_gpa, shear_gpa
        At the values given; the ratio is NaN where nothing holds together.
    interval_gpa
        Of Young's modulus, from the standard errors given; None if there were none.
    outer_gpa
        Young's modulus with all numbers at those ends of their own intervals that make the paste softest, or stiffest;
        None if there were no errors. It holds whatever errors go together, and is too wide where they do not; it is
        never narrower than `interval_gpa`.
    """

    method: str
    modulus_gpa: float
    poisson: float
    bulk_gpa: float
    shear_gpa: float
    interval_gpa: tuple[float, float] | None
    outer_gpa: tuple[float, float] | None


@dataclass(frozen=True)
class PhaseDraws:
    """Fractions and moduli that may as well be true, for example from fits to resampled data; (draws, phases).

    Attributes
    ----------
    fractions
        Of the volume without pores; each row sums to 1.
    modulus_gpa
        Of the same draws.
    units
        How many units, such as batches, were resampled: intervals are widened for few, as by Student's t; or None.
    """

    fractions: Values
    modulus_gpa: Values
    units: int | None = None


def estimate_paste(
    phases: Sequence[Phase],
    *,
    porosity: Known | None = None,
    matrix: str | None = None,
    draws: PhaseDraws | None = None,
    samples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Estimate, ...]:
    """Return what bounds and schemes say about the effective moduli of a paste.

    Parameters
    ----------
    phases
        Their fractions are those of the volume without pores, and are scaled to a sum of 1.
    porosity
        Share of the whole volume that is capillary pores, which indentation leaves out; none if None.
    matrix
        Name of the phase that surrounds the others for Mori and Tanaka; by default that with the largest fraction.
    draws
        Taken for fractions and moduli instead of the phases' own standard errors, so that what goes together does;
        `samples` of their rows are drawn with replacement.
    samples, seed
        Draws for the intervals: every number from its normal distribution, cut to what is possible, independent of
        the others; fractions are scaled to a sum of 1 again.
    level
        Of the intervals; draws of few units widen them also where Poisson's ratios or pores make up most of the error.

    Returns
    -------
    tuple of Estimate
        From Reuss's bound to Voigt's.

    Raises
    ------
    InputError
        If there are no phases, two of one name, fractions do not sum to 1 within 0.02, there is no such matrix, or
        draws are for other phases.

    Notes
    -----
    The outer interval takes Poisson's ratios as they are: the softest paste has all moduli at their lower ends, most
    pores, and as much of the softest phases as their intervals allow.
    """
    _check(phases, porosity, samples)
    fraction(level, name="level")
    surrounding = _matrix(phases, matrix)
    exact = _methods(*_at_values(phases, porosity), surrounding)
    drawn, ends = None, None
    if draws is not None or not all(each.exact for each in _numbers(phases, porosity)):
        generator = np.random.default_rng(seed)
        drawn = _methods(*_draws(phases, porosity, draws, samples, generator), surrounding)
        ends = [_methods(*_extreme(phases, porosity, level, stiffest=up), surrounding) for up in (False, True)]
    out, percentiles = [], _percentiles(draws, level)
    for name, solid in exact.items():
        interval = outer = None
        if drawn is not None and ends is not None:
            low, high = np.quantile(drawn[name].modulus_gpa, percentiles)
            interval = (float(low), float(high))
            softest, stiffest = (float(each[name].modulus_gpa) for each in ends)
            outer = (min(softest, interval[0]), max(stiffest, interval[1]))
        values = [float(each) for each in (solid.modulus_gpa, solid.poisson, solid.bulk_gpa, solid.shear_gpa)]
        out.append(Estimate(name, values[0], values[1], values[2], values[3], interval, outer))
    return tuple(out)


def _check(phases: Sequence[Phase], porosity: Known | None, samples: int) -> None:
    if not phases:
        msg = "no phases given; wanted at least one"
        raise InputError(msg)
    names = [each.name for each in phases]
    twice = next((name for name in names if names.count(name) > 1 or name == PORES), None)
    if twice is not None:
        msg = f"the phase {twice!r} is given twice, or named as the pores are; wanted one name a phase"
        raise InputError(msg)
    total = sum(each.fraction.value for each in phases)
    if abs(total - 1) > SUM_TOLERANCE:
        msg = f"the fractions of {', '.join(names)} sum to {total:g}; wanted 1 (without capillary pores)"
        raise InputError(msg)
    check_magnitude(np.array([each.modulus_gpa.value for each in phases]), f"phases {', '.join(names)}")
    if porosity is not None and not 0 <= porosity.value < 1:
        msg = f"the porosity is {porosity.value:g}; wanted 0 to below 1"
        raise InputError(msg)
    if not 100 <= samples <= 1_000_000:
        msg = f"{samples} samples; wanted 100 to 1,000,000"
        raise InputError(msg)


def _matrix(phases: Sequence[Phase], name: str | None) -> int:
    if name is None:
        return int(np.argmax([each.fraction.value for each in phases]))
    for index, each in enumerate(phases):
        if each.name == name and each.fraction.value > 0:
            return index
    msg = f"{name!r} cannot be the matrix; wanted one of {', '.join(each.name for each in phases)} with a fraction"
    raise InputError(msg)


def _numbers(phases: Sequence[Phase], porosity: Known | None) -> list[Known]:
    return [one for each in phases for one in (each.fraction, each.modulus_gpa, each.poisson)] + (
        [porosity] if porosity is not None else []
    )


def _methods(share: Values, solids: Solid, matrix: int) -> dict[str, Solid]:
    voigt, shtrikman = voigt_reuss(share, solids), hashin_shtrikman(share, solids)
    return {
        "Reuss": voigt.lower,
        "Hashin-Shtrikman lower": shtrikman.lower,
        "self-consistent": self_consistent(share, solids),
        "Mori-Tanaka": mori_tanaka(share, solids, matrix=matrix),
        "Hashin-Shtrikman upper": shtrikman.upper,
        "Voigt": voigt.upper,
    }


def _at_values(phases: Sequence[Phase], porosity: Known | None) -> tuple[Values, Solid]:
    columns = np.array([[each.fraction.value, each.modulus_gpa.value, each.poisson.value] for each in phases])
    share, modulus, ratio = columns.T
    return _with_pores(share, modulus, ratio, None if porosity is None else np.array(porosity.value))


def _draws(
    phases: Sequence[Phase],
    porosity: Known | None,
    draws: PhaseDraws | None,
    samples: int,
    generator: np.random.Generator,
) -> tuple[Values, Solid]:
    """Return fractions (samples, phases) and moduli drawn from what is known of them."""

    def drawn(numbers: list[Known], least: float, most: float) -> Values:
        return np.stack([each.draw(samples, generator, least=least, most=most) for each in numbers], axis=-1)

    if draws is None:
        share = drawn([each.fraction for each in phases], _LEAST, 1.0)
        share[:, [each.fraction.value == 0 and each.fraction.exact for each in phases]] = 0
        modulus = drawn([each.modulus_gpa for each in phases], 0.0, math.inf)
    else:
        _check_draws(draws, len(phases))
        rows = generator.integers(0, len(draws.fractions), samples)
        share, modulus = np.maximum(draws.fractions[rows], _LEAST), draws.modulus_gpa[rows]
    ratio = drawn([each.poisson for each in phases], -0.99, 0.499)
    pores = None if porosity is None else drawn([porosity], 0.0, 1 - _LEAST)[:, 0]
    return _with_pores(share, modulus, ratio, pores)


def _percentiles(draws: PhaseDraws | None, level: float) -> tuple[float, float]:
    if draws is None or draws.units is None:
        return (1 - level) / 2, (1 + level) / 2
    from cemvis.analysis.indentation.deconvolution.bootstrap import tails

    return tails(draws.units, level)


def _check_draws(draws: PhaseDraws, phases: int) -> None:
    shapes = draws.fractions.shape, draws.modulus_gpa.shape
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][1] != phases or shapes[0][0] == 0:
        msg = f"draws have shapes {shapes[0]} and {shapes[1]}; wanted two of (draws, {phases})"
        raise InputError(msg)
    if not np.allclose(draws.fractions.sum(axis=1), 1, rtol=0, atol=SUM_TOLERANCE):
        msg = "the fractions of a draw do not sum to 1"
        raise InputError(msg)
    if not all(np.isfinite(each).all() and (each >= 0).all() for each in (draws.fractions, draws.modulus_gpa)):
        msg = "fractions or moduli of a draw are negative or no numbers"
        raise InputError(msg)
    if draws.units is not None and draws.units < 2:
        msg = f"draws are of {draws.units} units; wanted 2 or more"
        raise InputError(msg)


def _extreme(phases: Sequence[Phase], porosity: Known | None, level: float, *, stiffest: bool) -> tuple[Values, Solid]:
    """Return the fractions and moduli at those ends of their intervals that make the paste softest or stiffest."""
    end = 1 if stiffest else 0
    modulus = np.array([each.modulus_gpa.interval(level, least=0.0)[end] for each in phases])
    ratio = np.array([each.poisson.value for each in phases])
    low, high = (
        np.array([each.fraction.interval(level, least=0.0, most=1.0)[side] for each in phases]) for side in (0, 1)
    )
    share = np.minimum(low, [each.fraction.value for each in phases])
    share[[each.fraction.value > 0 and low_end == 0 for each, low_end in zip(phases, low, strict=True)]] = _LEAST
    left = 1 - share.sum()
    for number in np.argsort(-modulus if stiffest else modulus, kind="stable"):
        more = min(max(left, 0.0), max(high[number] - share[number], 0.0))
        share[number] += more
        left -= more
    pores = None
    if porosity is not None:
        pores = np.array(porosity.interval(level, least=0.0, most=1 - _LEAST)[1 - end])
    return _with_pores(share, modulus, ratio, pores)


def _with_pores(share: Values, modulus: Values, ratio: Values, pores: Values | None) -> tuple[Values, Solid]:
    share = share / share.sum(axis=-1, keepdims=True)
    if pores is not None:
        share = np.concatenate([share * (1 - pores[..., None]), pores[..., None]], axis=-1)
        nothing = np.zeros((*modulus.shape[:-1], 1))
        modulus, ratio = np.concatenate([modulus, nothing], axis=-1), np.concatenate([ratio, nothing], axis=-1)
    return share, Solid.of(modulus, ratio)
