"""Bands of the two-point correlation by resampling whole images, or tiles of a single one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.correlation.counting import Counted
from cemvis.analysis.correlation.lengths import (
    TOLERANCE,
    boundary_slopes,
    change,
    characteristic_length,
    correlation_length,
    drift,
    plateau,
    plateau_start,
)
from cemvis.analysis.correlation.two_point import mean_difference, probabilities
from cemvis.errors import InputError
from cemvis.kernels.two_point import PairCounts

Floats = NDArray[np.float64]

FEWEST_GROUPS = 8
RESAMPLINGS = 400


@dataclass(frozen=True, eq=False)
class Band:
    """The lower and the upper end of an interval, of one number or of each ring."""

    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Bands:
    """Intervals of what the counts say.

    Attributes
    ----------
    same, mean_difference : Band of (r_max + 1,)
        Of P(dn = 0 | r), and of the mean difference in levels.
    noise : (r_max + 1,) float64
        Change that sampling explains: in `level` of the resamplings no ring has more.
    correlation_px, characteristic_px : Band of ()
        An upper end of inf is beyond what was counted.
    minimum_is_distinct : bool
        Whether P(dn = 0 | r) at its least is below the plateau's by more than sampling explains.
    phases : Band of (r_max + 1, phases), or None
        Of S2 of each phase.
    slopes : Band of (phases,), or None
        Of ``-S2'(0)`` in 1/px.
    level : float
    groups : int
        That were drawn from.
    """

    same: Band
    mean_difference: Band
    noise: Floats
    correlation_px: Band
    characteristic_px: Band
    minimum_is_distinct: bool
    phases: Band | None
    slopes: Band | None
    level: float
    groups: int


def bootstrap_bands(
    groups: Sequence[Counted],
    total: Counted,
    *,
    resamplings: int = RESAMPLINGS,
    level: float = 0.95,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Bands | None:
    """Return bands by drawing groups (images, or tiles of one) with replacement.

    Percentiles, widened for the number of groups as Student's t widens a normal interval.

    Parameters
    ----------
    groups : sequence of Counted
    total : Counted
        Their sum.
    resamplings : int
    level : float
    tolerance : float
        Of the correlation length. A resampling holds the noise of the images and that of the drawing: its length is
        taken with sqrt(2) of the noise.
    seed : int

    Returns
    -------
    Bands or None
        None if there are fewer than 8 groups.

    Raises
    ------
    InputError
        If there are fewer than 20 resamplings.
    """
    from cemvis.analysis.indentation.deconvolution.bootstrap import tails

    if resamplings < 20:
        msg = f"{resamplings} resamplings are wanted; wanted at least 20"
        raise InputError(msg)
    if len(groups) < FEWEST_GROUPS:
        return None
    ends = tails(len(groups), level)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), resamplings).astype(np.float64)
    same, mean, changes, apart, lower = _resampled(groups, total, drawn)
    noise = _simultaneous(apart, level)
    correlation = [
        correlation_length(row, np.sqrt(2) * noise, tolerance=tolerance, drifted=float(drifted))
        for row, drifted in zip(changes, _drifts(groups, total, drawn), strict=True)
    ]
    lengths = np.array([np.inf if each is None else each for each in correlation])
    characteristic = np.array([characteristic_length(row) for row in same], dtype=np.float64)
    phases = slopes = None
    if total.phases is not None and not total.phases.ordered:
        phases, slopes = _phase_bands(groups, total.phases, drawn, ends)
    return Bands(
        _band(same, ends),
        _band(mean, ends),
        noise,
        _band(lengths, ends, method="inverted_cdf"),
        _band(characteristic, ends, method="inverted_cdf"),
        _is_distinct(total, lower, level),
        phases,
        slopes,
        level,
        len(groups),
    )


def _resampled(
    groups: Sequence[Counted], total: Counted, drawn: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return of each resampling and ring: P(0), mean difference, change, change by noise, and noise of P(0)."""
    shares, outer = probabilities(total.differences), plateau(total.differences)
    r_max = total.differences.r_max
    start = plateau_start(r_max)
    outer_counts = np.stack([each.differences.counts[start:].sum(axis=0) for each in groups]).astype(np.float64)
    outer_drawn = _normalised(drawn @ outer_counts)
    whole = 1 - outer[0] if outer[0] < 1 else np.inf
    results = np.zeros((5, len(drawn), r_max + 1))
    for r in range(r_max + 1):
        counts = np.stack([each.differences.counts[r] for each in groups]).astype(np.float64)
        found = _normalised(drawn @ counts)
        deviation = np.nan_to_num((found - outer_drawn) - (shares[r] - outer))
        results[0, :, r] = found[:, 0]
        results[1, :, r] = mean_difference(found)
        results[2, :, r] = change(found, outer_drawn)
        results[3, :, r] = 0.5 * np.abs(deviation).sum(axis=1) / whole
        results[4, :, r] = deviation[:, 0]
    same, mean, changes, apart, lower = results
    return same, mean, changes, apart, lower


def _drifts(groups: Sequence[Counted], total: Counted, drawn: Floats) -> Floats:
    start = plateau_start(total.differences.r_max)
    rings = (slice(start, start + 1), slice(-1, None), slice(start, None))
    sums = [np.stack([each.differences.counts[ring].sum(axis=0) for each in groups]) for ring in rings]
    first, last, outer = (_normalised(drawn @ each.astype(np.float64)) for each in sums)
    return drift(first, last, outer)


def _normalised(counts: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        shares: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _simultaneous(deviations: Floats, level: float) -> Floats:
    """Return a bound for each ring, in proportion to the rings' means, that all rings of `level` of the rows keep."""
    usual = deviations.mean(axis=0)
    ratios = np.divide(deviations, usual, out=np.zeros_like(deviations), where=usual > 0)
    bound: Floats = usual * np.quantile(ratios.max(axis=1), level)
    return bound


def _is_distinct(total: Counted, lower: Floats, level: float) -> bool:
    same = probabilities(total.differences)[:, 0]
    least = characteristic_length(same)
    below = plateau(total.differences)[0] - same[least]
    return bool(least > 0 and below > np.quantile(-lower[:, 1:].min(axis=1), level))


def _phase_bands(
    groups: Sequence[Counted], total: PairCounts, drawn: Floats, ends: tuple[float, float]
) -> tuple[Band, Band]:
    counts = [each.phases.counts.astype(np.float64) for each in groups if each.phases is not None]
    pairs = [each.phases.pairs.astype(np.float64) for each in groups if each.phases is not None]
    diagonal = np.array([phase * (phase + 1) // 2 + phase for phase in range(total.levels)])
    inside = np.stack([each[:, diagonal] for each in counts])
    with np.errstate(invalid="ignore"):
        s2 = np.einsum("bg,grp->brp", drawn, inside) / (drawn @ np.stack(pairs))[:, :, None]
    near = [each[: 1 + 3] for each in counts]
    near_pairs = [each[: 1 + 3] for each in pairs]
    slopes = []
    for weights in drawn:
        few = np.einsum("g,grc->rc", weights, np.stack(near)).astype(np.uint64)
        together = np.einsum("g,gr->r", weights, np.stack(near_pairs)).astype(np.uint64)
        slopes.append(boundary_slopes(PairCounts(few, together, total.levels, total.ordered, total.algorithm)))
    return _band(s2, ends), _band(np.stack(slopes), ends)


def _band(values: Floats, ends: tuple[float, float], *, method: str = "linear") -> Band:
    low, high = (np.asarray(np.quantile(values, end, axis=0, method=method)) for end in ends)  # type: ignore[call-overload]
    return Band(low, high)
