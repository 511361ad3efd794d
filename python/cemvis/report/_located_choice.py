"""Which located indents are worth a look: how doubtful each is, a spread of them, and a choice for review."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.located import AMBIGUOUS, FINE, MISSING, PORE, UNREGISTERED, LocatedIndents

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

DOUBTFUL = 3.0
FLAG_ORDER = (AMBIGUOUS, PORE, MISSING, UNREGISTERED)  # where a person's eye helps most comes first
_MAD_TO_SD = 1.4826
_RAYLEIGH_MEDIAN = 1.1774  # of the length of two normal components, in their sd
_LEAST_SCORE_SD, _LEAST_RESIDUAL_PX, _LEAST_ERROR_PX = 0.5, 0.4, 0.05
_REASONS = ("low score", "large residual", "uncertain position")


def residual_size_px(located: LocatedIndents) -> Floats:
    """Return the length of each residual in px, (n,) float64; NaN where an indent has no peak of its own."""
    return np.asarray(np.hypot(located.residual_px[:, 0], located.residual_px[:, 1]), np.float64)


def fine_mask(located: LocatedIndents) -> NDArray[np.bool_]:
    """Return which indents carry no flag, (n,) bool."""
    return np.array([flag == FINE for flag in located.flag], bool)


def doubts(located: LocatedIndents) -> Floats:
    """Return how far each indent lies from what indents without a flag are like, (n,) float64; `DOUBTFUL` is far.

    The largest of: standard deviations by which its score lies below their median; 3/4 of its residual in standard
    deviations of theirs; its position's error in medians of theirs. Standard deviations are robust ones (from medians),
    and residuals that nobody would see count little. Infinite without a score.
    """
    return np.asarray(np.fmax.reduce(_parts(located)), np.float64)


def reasons(located: LocatedIndents) -> list[str]:
    """Return why each indent is doubtful: its flag, or what makes most of its doubt; empty if it is not."""
    parts = np.nan_to_num(_parts(located), nan=-np.inf, posinf=np.inf)
    worst, doubt = parts.argmax(axis=0), parts.max(axis=0)
    return [
        flag if flag != FINE or doubt[number] < DOUBTFUL else _REASONS[worst[number]]
        for number, flag in enumerate(located.flag)
    ]


def _parts(located: LocatedIndents) -> Floats:
    """Return the doubts by score, residual and error, (3, n) float64; NaN where there is no residual or error."""
    fine = fine_mask(located)
    known = fine if fine.any() else np.ones(len(located), bool)
    middle = _median(located.score[known], 0.0)
    score_sd = max(_MAD_TO_SD * _median(np.abs(located.score[known] - middle), 0.0), _LEAST_SCORE_SD)
    residual = residual_size_px(located)
    residual_sd = max(_median(residual[known], 0.0) / _RAYLEIGH_MEDIAN, _LEAST_RESIDUAL_PX)
    error = max(_median(located.error_px[known], 0.0), _LEAST_ERROR_PX)
    low = np.where(np.isfinite(located.score), (middle - located.score) / score_sd, np.inf)
    return np.stack([low, 0.75 * residual / residual_sd, located.error_px / error])


def gallery_groups(located: LocatedIndents, *, each: int) -> list[tuple[str, Indices]]:
    """Return titles and at most `each` indents of: best, middle and lowest scores without a flag, and every flag."""
    fine = np.flatnonzero(fine_mask(located) & np.isfinite(located.score))
    order = fine[np.argsort(-located.score[fine], kind="stable")]
    groups: list[tuple[str, Indices]] = []
    if len(order) >= 3 * each:
        middle = (len(order) - each) // 2
        groups += [
            ("Highest scores", order[:each]),
            ("Middle scores", order[middle : middle + each]),
            ("Lowest scores without a flag", order[-each:]),
        ]
    elif len(order):
        groups += [("Without a flag", _spread(order, 3 * each))]
    for flag in FLAG_ORDER:
        flagged = _flagged(located, flag)
        if len(flagged):
            groups.append((f"Flagged {flag} ({len(flagged):,})", _spread(flagged, each)))
    return groups


def review_choice(located: LocatedIndents, *, most: int, fine: int) -> tuple[Indices, int]:
    """Return the indents that a person should see, doubtful ones first, and how many are doubtful in all.

    Doubtful are those with a flag, and those without one whose doubt is `DOUBTFUL` or more. If there are more than
    `most`, the kinds take turns, each from its most doubtful on. `fine` others, spread over the scores, follow.
    """
    doubt = doubts(located)
    plain = fine_mask(located)
    order = np.argsort(-doubt, kind="stable")
    unflagged = order[plain[order] & (doubt[order] >= DOUBTFUL)]
    kinds = [_flagged(located, AMBIGUOUS), unflagged, *(_flagged(located, flag) for flag in FLAG_ORDER[1:])]
    doubtful = list(_in_turns(kinds))
    rest = np.flatnonzero(plain & (doubt < DOUBTFUL))
    sample = _spread(rest[np.argsort(located.score[rest], kind="stable")], fine)
    return np.array([*doubtful[:most], *sample], np.int64), len(doubtful)


def _flagged(located: LocatedIndents, flag: str) -> Indices:
    """Return the indents with a flag, the highest score first: those are the ones that may be good after all."""
    found = np.array([number for number, each in enumerate(located.flag) if each == flag], np.int64)
    return found[np.argsort(-np.nan_to_num(located.score[found], nan=-np.inf), kind="stable")]


def _spread(order: Indices, count: int) -> Indices:
    if len(order) <= count:
        return order
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(np.int64))] if count else order[:0]


def _in_turns(kinds: Iterable[Indices]) -> Iterable[int]:
    for turn in itertools.zip_longest(*(kind.tolist() for kind in kinds)):
        yield from (number for number in turn if number is not None)


def _median(values: Floats, otherwise: float) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else otherwise
