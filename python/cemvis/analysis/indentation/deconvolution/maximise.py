"""Maximum likelihood of many mixtures at once: EM, hastened by scoring steps that are kept only where they climb."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.families import (
    NORMAL,
    STEEPEST,
    Parameters,
    Terms,
    normal_step,
    normal_terms,
    skew_step,
    skew_terms,
)
from cemvis.analysis.indentation.deconvolution.threads import one_thread

Floats = NDArray[np.float64]

PLAIN_STEPS = 15  # of EM before scoring is tried: far from an optimum it leads astray
LEAST_WEIGHT = 1e-10
_CHUNK = 3_000_000  # numbers in one array of fits x components x intervals
_RIDGE = 1e-7


@dataclass(frozen=True)
class Rules:
    """What a fit has to keep to.

    Attributes
    ----------
    family : str
        "normal" or "skew-normal".
    floor : float
        Least scale of a component.
    fractions : tuple of float or None
        Known fraction of each component; None where it is free.
    max_iter : int
    tol : float
        A fit has converged when a scoring step promises less than this gain of log likelihood.
    nodes : int
        Of the rule that integrates skew normals over an interval.
    """

    family: str
    floor: float
    fractions: tuple[float | None, ...]
    max_iter: int = 400
    tol: float = 1e-4
    nodes: int = 1

    @property
    def free(self) -> NDArray[np.bool_]:
        """Which fractions are free, (components,) bool."""
        return np.array([each is None for each in self.fractions])

    @property
    def left(self) -> float:
        """What the known fractions leave."""
        return 1.0 - sum(each for each in self.fractions if each is not None)


@dataclass(frozen=True)
class Fits:
    """Mixtures with their log likelihoods, (fits,) float64, whether they converged and after how many steps."""

    at: Parameters
    log_likelihood: Floats
    converged: NDArray[np.bool_]
    steps: NDArray[np.int64]


@dataclass(frozen=True)
class _Expected:
    log_likelihood: Floats
    posterior: Floats
    terms: Terms


def log_terms(lower: Floats, upper: Floats, at: Parameters, family: str, nodes: int = 1) -> Terms:
    """Return the terms of either family; `nodes` are those of the rule that integrates skew normals."""
    return normal_terms(lower, upper, at) if family == NORMAL else skew_terms(lower, upper, at, nodes)


def maximise(counts: Floats, lower: Floats, upper: Floats, start: Parameters, rules: Rules) -> Fits:
    """Climb from each start to an optimum of its likelihood.

    Parameters
    ----------
    counts : (fits, m) or (1, m) float64
        Values in each interval; one row serves all fits.
    lower, upper : (m,) float64
    start : Parameters
    rules : Rules
    """
    fits, components = start.weight.shape
    chunk = max(1, _CHUNK // (components * len(lower) * rules.nodes))
    parts = []
    with one_thread():
        for first in range(0, fits, chunk):
            own = slice(first, first + chunk)
            parts.append(_climb(counts if len(counts) == 1 else counts[own], lower, upper, start[own], rules))
    each = [[part.at.weight, part.at.loc, part.at.scale, part.at.shape] for part in parts]
    return Fits(
        Parameters(*(np.concatenate(columns) for columns in zip(*each, strict=True))),
        np.concatenate([part.log_likelihood for part in parts]),
        np.concatenate([part.converged for part in parts]),
        np.concatenate([part.steps for part in parts]),
    )


def _climb(counts: Floats, lower: Floats, upper: Floats, start: Parameters, rules: Rules) -> Fits:
    fits = len(start.weight)
    best = Parameters(start.weight.copy(), start.loc.copy(), np.maximum(start.scale, rules.floor), start.shape.copy())
    log_likelihood, converged = np.full(fits, -np.inf), np.zeros(fits, bool)
    steps = np.zeros(fits, np.int64)
    active, at = np.arange(fits), best[:]
    radius, plain = np.ones(fits), np.zeros(fits, bool)
    now = _expect(counts, lower, upper, at, rules)
    for step in range(rules.max_iter):
        rows = counts if len(counts) == 1 else counts[active]
        mass = rows[:, None, :] * now.posterior
        em = _em_step(lower, upper, at, now, mass, rules)
        scored, promised = _scored(rows, at, now, rules, radius[active])
        done = (promised < rules.tol) & (step >= 3)
        best.put(active, at)
        log_likelihood[active], steps[active] = now.log_likelihood, step
        converged[active[done]] = True
        use_em = plain[active] | (step < PLAIN_STEPS)
        proposal = Parameters(
            *(
                np.where(use_em[:, None], a, b)
                for a, b in (
                    (em.weight, scored.weight),
                    (em.loc, scored.loc),
                    (em.scale, scored.scale),
                    (em.shape, scored.shape),
                )
            )
        )
        keep = ~done
        if not keep.any():
            break
        after = _expect(rows, lower, upper, proposal, rules)
        worse = (after.log_likelihood < now.log_likelihood) & ~use_em
        radius[active] = np.where(worse, 0.25 * radius[active], np.minimum(2 * radius[active], 2.0))
        plain[active] = worse
        stay = worse[:, None, None]
        proposal.put(worse, at[worse])
        now = _Expected(
            np.where(worse, now.log_likelihood, after.log_likelihood)[keep],
            np.where(stay, now.posterior, after.posterior)[keep],
            Terms(*(_merged(stay, keep, a, b) for a, b in _pairs(now.terms, after.terms))),  # type: ignore[arg-type]
        )
        at, active = proposal[keep], active[keep]
    return Fits(best, log_likelihood, converged, steps)


def _pairs(one: Terms, two: Terms) -> list[tuple[Floats | None, Floats | None]]:
    return [
        (one.log_p, two.log_p),
        (one.by_loc, two.by_loc),
        (one.by_scale, two.by_scale),
        (one.by_shape, two.by_shape),
    ]


def _merged(stay: NDArray[np.bool_], keep: NDArray[np.bool_], old: Floats | None, new: Floats | None) -> Floats | None:
    if old is None or new is None:
        return None
    if not stay.any():
        return new if keep.all() else new[keep]
    return np.where(stay, old, new)[keep]


def _expect(counts: Floats, lower: Floats, upper: Floats, at: Parameters, rules: Rules) -> _Expected:
    terms = log_terms(lower, upper, at, rules.family, rules.nodes)
    joint = terms.log_p + np.log(np.maximum(at.weight, LEAST_WEIGHT))[..., None]
    top = joint.max(axis=1, keepdims=True)
    posterior = np.exp(joint - top)
    total = posterior.sum(axis=1, keepdims=True)
    posterior /= total
    log_likelihood = (counts * (np.log(total[:, 0]) + top[:, 0])).sum(axis=1)
    return _Expected(log_likelihood, posterior, terms)


def _em_step(lower: Floats, upper: Floats, at: Parameters, now: _Expected, mass: Floats, rules: Rules) -> Parameters:
    total = np.maximum(mass.sum(axis=2), LEAST_WEIGHT)
    free = rules.free
    weight = at.weight.copy()
    if free.any():
        weight[:, free] = rules.left * total[:, free] / total[:, free].sum(axis=1, keepdims=True)
    if rules.family == NORMAL:
        moved = normal_step(at, now.terms, mass, rules.floor)
    else:
        moved = skew_step(lower, upper, at, mass, rules.floor, rules.nodes)
    return Parameters(weight, moved.loc, moved.scale, moved.shape)


def _scored(counts: Floats, at: Parameters, now: _Expected, rules: Rules, radius: Floats) -> tuple[Parameters, Floats]:
    """Return where a scoring step leads, at most `radius` far, and the gain that it promises before that limit."""
    scores = score_rows(at, now.posterior, now.terms, rules)
    gradient = (scores * counts[:, None, :]).sum(axis=2)
    k, free = at.weight.shape[1], rules.free
    stuck = np.zeros_like(gradient, bool)
    f = int(free.sum())
    stuck[:, f + k : f + 2 * k] = (at.scale <= rules.floor * (1 + 1e-9)) & (gradient[:, f + k : f + 2 * k] < 0)
    if now.terms.by_shape is not None:
        slope = gradient[:, f + 2 * k :]
        stuck[:, f + 2 * k :] = (np.abs(at.shape) >= STEEPEST) & (slope * at.shape > 0)
    scores = np.where(stuck[..., None], 0.0, scores)
    gradient = np.where(stuck, 0.0, gradient)
    information = (scores * counts[:, None, :]) @ scores.transpose(0, 2, 1)
    size = counts.sum(axis=1)
    information += (_RIDGE * size)[:, None, None] * np.eye(information.shape[1])
    step = np.linalg.solve(information, gradient[..., None])[..., 0]
    promised = 0.5 * (gradient * step).sum(axis=1)
    longest = np.maximum(np.abs(step).max(axis=1), 1e-300)
    step *= np.minimum(1.0, radius / longest)[:, None]
    weight = at.weight.copy()
    if f:
        raised = weight[:, free] * np.exp(step[:, :f])
        weight[:, free] = rules.left * raised / raised.sum(axis=1, keepdims=True)
    loc = at.loc + at.scale * step[:, f : f + k]
    scale = np.maximum(at.scale * np.exp(step[:, f + k : f + 2 * k]), rules.floor)
    shape = at.shape
    if now.terms.by_shape is not None:
        shape = np.clip(shape + step[:, f + 2 * k :], -STEEPEST, STEEPEST)
    return Parameters(weight, loc, scale, shape), promised


def score_rows(at: Parameters, posterior: Floats, terms: Terms, rules: Rules) -> Floats:
    """Return each interval's scores, (fits, parameters, m): logits of free fractions, locations, log scales, shapes."""
    free = rules.free
    own = posterior[:, free]
    logits = own - (at.weight[:, free] / max(rules.left, 1e-300))[..., None] * own.sum(axis=1, keepdims=True)
    rows = [logits, posterior * terms.by_loc, posterior * terms.by_scale]
    if terms.by_shape is not None:
        rows.append(posterior * terms.by_shape)
    return np.concatenate(rows, axis=1)
