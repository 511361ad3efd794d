"""Whether the data support the populations that were found, and what a reader has to know about them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import FEWEST_BATCHES, Resampled, Settling
from cemvis.analysis.indentation.deconvolution.grouped import Grouped
from cemvis.analysis.indentation.deconvolution.populations import CEMENT_PASTE, Population
from cemvis.analysis.indentation.deconvolution.selection import Candidate, FamilyComparison

DECISIVE = 10.0  # of BIC: strong evidence (Kass and Raftery 1995, doi:10.1080/01621459.1995.10476572)
LEAST_FRACTION = 0.01
FEWEST_EACH = 25  # values a population, below which its standard deviation is not known to 15 %
FEW_BATCHES = 20  # with 8 of independent samples, 95 % intervals of A3 held in 21 to 25 of 25 repetitions
FEW_FOR_FOUR = 10_000  # at 5,000 samples of Liang et al.'s A3, 95 % intervals held in 85 to 95 % of repetitions
# of each phase's name: mean and sd of its population in Liang et al. (2023), Table 1, test area A3, in GPa
USUAL_GPA = ((26.54, 4.06), (34.81, 6.76), (52.46, 16.73), (121.88, 27.46))


def doubts_of_number(
    found: tuple[Candidate, ...], count: int, *, criterion: str, known_bic: float | None = None
) -> list[str]:
    """Return why `count` populations are not what the data ask for, or not with the known fractions of `known_bic`."""
    own = next((each for each in found if each.populations == count), None)
    if own is None:
        return []
    doubts = []
    best = min(found, key=lambda each: each.bic)
    if criterion == "given" and own.bic - best.bic > DECISIVE:
        doubts.append(
            f"{count} populations are not supported: BIC prefers {best.populations} by {own.bic - best.bic:.1f} "
            "(more than 10 is strong evidence)"
        )
    if known_bic is not None and known_bic - own.bic > DECISIVE:
        doubts.append(
            f"the known fractions contradict the data: free ones fit better by a BIC of {known_bic - own.bic:.1f} "
            "(more than 10 is strong evidence)"
        )
    return doubts


def doubts_of_size(size: int, count: int) -> list[str]:
    """Return whether there are too few values for so many populations."""
    if size >= FEWEST_EACH * count:
        return []
    return [f"{size} values are too few for {counted(count)}: it takes {FEWEST_EACH} for each at the very least"]


def counted(count: int) -> str:
    """Return a number of populations in words, such as "1 population"."""
    return f"{count} population{'s' if count != 1 else ''}"


def doubts_of_populations(populations: tuple[Population, ...], first: str) -> list[str]:
    """Return which populations may not be there, or cannot be told from their neighbours."""
    doubts = [
        f"{each.name} may not be there: the interval of its fraction starts at {each.fraction.low:.3f}"
        for each in populations
        if each.fraction.low < LEAST_FRACTION
    ]
    for one, two in pairwise(populations):
        a, b = one.means[first], two.means[first]
        if a.high > b.low:
            doubts.append(
                f"{one.name} and {two.name} cannot be told apart: the intervals of their means overlap "
                f"({a.low:.4g} to {a.high:.4g} and {b.low:.4g} to {b.high:.4g} GPa)"
            )
    return doubts


def doubts_of_fit(
    populations: tuple[Population, ...],
    at_floor: NDArray[np.bool_],
    *,
    starts: int,
    reached: int,
    converged: bool = True,
) -> list[str]:
    """Return why the optimum itself is doubtful."""
    doubts = [
        f"{each.name} is as narrow as allowed: it sits on a few values"
        for each, floored in zip(populations, at_floor, strict=True)
        if floored
    ]
    doubts += [
        f"{each.name} does not last: its fraction of {each.fraction.value:.3f} lies outside its own interval "
        f"({each.fraction.low:.3f} to {each.fraction.high:.3f}), since resamplings lead to another optimum"
        for each in populations
        if not each.fraction.low <= each.fraction.value <= each.fraction.high
    ]
    if starts >= 5 and reached < 2:
        doubts.append(f"only {reached} of {starts} starts reached the best optimum, so there may be a better one")
    if not converged:
        doubts.append("the fit has not converged: its numbers are not those of an optimum")
    return doubts


def remarks(
    found: tuple[Candidate, ...],
    comparison: FamilyComparison | None,
    draws: Resampled,
    *,
    batches: int,
    size: int,
    of: Grouped | None = None,
) -> list[str]:
    """Return what a reader has to know though the populations may be supported.

    `of` is what was fitted, where values were counted: it tells how far the means of batches scatter.
    """
    said = []
    if not draws.whole:
        scatter = None if of is None else of.scatter_of_batches()
        said.append(remark_of_batches(batches, scatter, of_map=of is not None and of.single == "cells"))
    elif draws.units < FEW_BATCHES:
        said.append(
            f"intervals rest on {draws.units} {draws.unit}: below {FEW_BATCHES} they are rough, and often too narrow"
        )
    if found:
        by_bic = min(found, key=lambda each: each.bic).populations
        by_icl = min(found, key=lambda each: each.icl).populations
        if by_bic != by_icl:
            said.append(f"BIC prefers {by_bic} and ICL {by_icl}: populations overlap")
        if by_bic == found[-1].populations and len(found) > 1:
            said.append(
                f"BIC still falls at {by_bic} populations, the most that were tried: values are not such a mixture"
            )
    if comparison is not None and comparison.bic_normal - comparison.bic_skew > DECISIVE:
        gain = comparison.bic_normal - comparison.bic_skew
        said.append(f"skew-normal components fit better by a BIC of {gain:.1f}: populations are not normal")
    if size < FEW_FOR_FOUR and draws.fractions.shape[1] >= 4:
        said.append(
            f"{size:,} values are few for {draws.fractions.shape[1]} populations: where they overlap, intervals are "
            "somewhat too narrow"
        )
    if draws.converged < 0.95:
        said.append(f"only {100 * draws.converged:.0f} % of the resamplings converged: intervals are rough")
    return said


def remark_of_batches(batches: int, scatter: float | None, *, of_map: bool = False) -> str:
    """Return why intervals that were resampled by single indents, or cells of a map, may be too narrow."""
    one, many, single = ("block", "blocks", "cells") if of_map else ("batch", "batches", "indents")
    there = f"there is 1 {one}" if batches == 1 else f"there are {batches} {many}"
    seen = "" if scatter is None else f" (means of {many} scatter {scatter:.1f} times as far as of independent ones)"
    return (
        f"intervals are by single {single}, since {there} and resampling {many} takes {FEWEST_BATCHES}: they are too "
        f"narrow if {single} of a {one} are alike{seen}"
    )


def remarks_of_settling(steps: tuple[Settling, ...], settled_from: int | None) -> list[str]:
    """Return from how many values on the fractions hardly change, or how far they scatter for all values."""
    if not steps or steps[-1].fractions.shape[1] < 2:
        return []
    last = steps[-1]
    if settled_from is None:
        return [f"fractions scatter by {last.half_width():.2f} at all {last.indents:,} values: more would settle them"]
    return [f"fractions settle: from {settled_from:,} values on they scatter by at most 0.05 (95 % of draws)"]


def remarks_of_names(populations: tuple[Population, ...], first: str) -> list[str]:
    """Return which populations of modulus have the name of a phase, but a mean that is unusual for it."""
    if first != "modulus" or tuple(each.name for each in populations) != CEMENT_PASTE:
        return []
    return [
        f"{each.name} is so called by its rank alone: its mean of {each.means[first].value:.4g} GPa is not the usual "
        f"{mean:.4g} +- {sd:.3g} GPa (Liang et al. 2023)"
        for each, (mean, sd) in zip(populations, USUAL_GPA, strict=True)
        if abs(each.means[first].value - mean) > sd
    ]
