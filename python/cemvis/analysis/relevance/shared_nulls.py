"""Fractions of shared pores that come about by chance: shared patterns where there is nothing to share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.relevance.overlay import normalised_relevance, overlay
from cemvis.analysis.relevance.shared_patterns import SharedPatterns, patterns_of_normalised
from cemvis.errors import InputError

Floats = NDArray[np.float64]

Null = Literal["displaced", "exchanged", "drawn"]
"""What is left to chance; see `null_fractions`."""


@dataclass(frozen=True, eq=False)
class NullFractions:
    """Fractions of shared pores that come about by chance.

    Attributes
    ----------
    kind : str
    fractions : (draws, groups) float64
    observed : (groups,) float64
        What they stand beside.
    """

    kind: Null
    fractions: Floats
    observed: Floats

    @property
    def p_value(self) -> float:
        """Share of draws whose mean fraction is not below the observed one, the observation counted as a draw."""
        drawn = self.fractions.mean(axis=1)
        return float((1 + np.count_nonzero(drawn >= self.observed.mean())) / (1 + len(drawn)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the ends between which the mean fraction lies in `level` of the draws."""
        low, high = np.quantile(self.fractions.mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return {
            "kind": self.kind,
            "draws": len(self.fractions),
            "observed": self.observed.tolist(),
            "fractions": self.fractions.tolist(),
            "interval_95": list(self.interval()),
            "p_value": self.p_value,
        }


def null_fractions(
    relevance: NDArray[np.floating],
    levels: NDArray[np.uint8],
    found: SharedPatterns,
    *,
    kind: Null = "displaced",
    draws: int = 20,
    seed: int = 0,
    threads: int | None = None,
) -> NullFractions:
    """Return the fractions of shared pores that the same procedure finds where there is nothing to share.

    "displaced": each map's relevance is displaced by a random vector, round the edges, and everything is done again
    (matrix, order, groups, overlays). Places are no longer shared, nor is relevance on its pores; but neither is a
    preference of the network for the middle of its maps, which alone lifts what is observed above this null.
    "exchanged": each map's relevance is laid on the porosity of another, groups as found. Preferences for a place stay;
    what is lost is that relevance sits on pores.
    "drawn": groups of as many maps drawn at random. It says what choosing the most alike maps does by itself.

    Parameters
    ----------
    relevance, levels, threads
        As for `shared_patterns`.
    found : SharedPatterns
        Of the same maps. Its contour level is used.
    kind : {"displaced", "exchanged", "drawn"}
    draws : int
        With "displaced", each takes as long as `shared_patterns`.
    seed : int

    Returns
    -------
    NullFractions

    Raises
    ------
    InputError
        If `kind` is not known, `draws` is below 1, or `found` is of other maps.
    """
    if kind not in get_args(Null) or draws < 1:
        msg = f"kind is {kind!r} and draws {draws}; wanted {', '.join(get_args(Null))}, and at least one draw"
        raise InputError(msg)
    if len(relevance) != len(found.differences) or relevance.shape[1:] != found.patterns[0].overlay.shape:
        msg = f"relevance is {relevance.shape}; wanted the maps whose patterns were found"
        raise InputError(msg)
    if levels.shape != relevance.shape or levels.dtype != np.uint8:
        msg = f"levels are {levels.shape} {levels.dtype}, relevance {relevance.shape}; wanted uint8 of the same shape"
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    maps = normalised_relevance(relevance)
    fractions = np.empty((draws, len(found.patterns)))
    for draw in range(draws):
        if kind == "displaced":
            search = replace(found.search, level=found.level, quantile=None)
            fractions[draw] = patterns_of_normalised(_displaced(maps, rng), levels, search, threads=threads).fractions
            continue
        groups = [each.group.members for each in found.patterns]
        shuffled = rng.permutation(len(maps))
        if kind == "exchanged":
            # Each map in a random cycle lends the next one its porosity: none keeps its own.
            lender = np.empty_like(shuffled)
            lender[shuffled] = np.roll(shuffled, 1)
        else:
            ends = np.cumsum([len(members) for members in groups])
            groups = np.split(shuffled[: ends[-1]], ends[:-1])
            lender = np.arange(len(maps))
        overlays = (overlay(maps, levels, each, lenders=lender[each]) for each in groups)
        fractions[draw] = [float((each >= found.level).mean()) for each in overlays]
    return NullFractions(kind, fractions, found.fractions)


def _displaced(maps: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return maps that are each shifted by their own random vector, round the edges."""
    out = np.empty_like(maps)
    for to, each in zip(out, maps, strict=True):
        to[...] = np.roll(each, [int(rng.integers(side)) for side in each.shape], (0, 1))
    return out
