"""What a deconvolution finds: populations with intervals, how sure their number is, and a plain verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import Resampled, Settling
from cemvis.analysis.indentation.deconvolution.selection import Candidate, FamilyComparison

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

CEMENT_PASTE = ("LD-CSH", "HD-CSH", "CH", "clinker")
DECISIVE = 10.0  # of BIC: strong evidence (Kass and Raftery 1995, doi:10.1080/01621459.1995.10476572)
LEAST_FRACTION = 0.01
FEW_FOR_FOUR = 10_000  # at 5,000 samples of Liang et al.'s A3, 95 % intervals held in 85 to 95 % of repetitions


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Population:
    """A mechanical population: not a phase by itself.

    Attributes
    ----------
    name : str
    fraction : Estimate
    means, sds : dict of str to Estimate
        By property, in GPa.
    """

    name: str
    fraction: Estimate
    means: dict[str, Estimate]
    sds: dict[str, Estimate]


@dataclass(frozen=True)
class Deconvolution:
    """The populations in one property, or in two together.

    Attributes
    ----------
    properties : tuple of str
        For example ("modulus",).
    size, batches : int
        Values and batches of them.
    family, likelihood : str
        Of the components; "binned", "binned, discrete values" or "density".
    populations : tuple of Population
        In rising mean of the first property.
    candidates : tuple of Candidate
    criterion : str
        By which the number was chosen, or "given".
    comparison : FamilyComparison or None
    settling : tuple of Settling
    draws : Resampled
    level : float
        Of the intervals.
    starts, starts_at_best : int
    converged : bool
    supported : bool
        Whether the data support these populations; `verdict` says why not.
    verdict : tuple of str
    """

    properties: tuple[str, ...]
    size: int
    batches: int
    family: str
    likelihood: str
    populations: tuple[Population, ...]
    candidates: tuple[Candidate, ...]
    criterion: str
    comparison: FamilyComparison | None
    settling: tuple[Settling, ...]
    draws: Resampled
    level: float
    starts: int
    starts_at_best: int
    converged: bool
    supported: bool
    verdict: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a row a population: fraction, and mean and sd of each property in GPa, with their intervals."""
        import pandas as pd

        rows = []
        for number, each in enumerate(self.populations, start=1):
            row: dict[str, Any] = {"properties": "+".join(self.properties), "number": number, "population": each.name}
            row |= _columns("fraction", "", each.fraction)
            for name in self.properties:
                row |= _columns(f"{name}_mean", "_gpa", each.means[name]) | _columns(
                    f"{name}_sd", "_gpa", each.sds[name]
                )
            rows.append(row)
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the resamplings, ready for JSON."""
        return {
            "properties": list(self.properties),
            "values": self.size,
            "batches": self.batches,
            "components": self.family,
            "likelihood": self.likelihood,
            "number_chosen_by": self.criterion,
            "supported": self.supported,
            "verdict": list(self.verdict),
            "starts": self.starts,
            "starts_at_best": self.starts_at_best,
            "converged": self.converged,
            "interval": {
                "level": self.level,
                "resampled": self.draws.unit,
                "units": self.draws.units,
                "resamplings": len(self.draws.fractions),
                "converged_share": self.draws.converged,
            },
            "populations": [asdict(each) for each in self.populations],
            "selection": [asdict(each) for each in self.candidates],
            "normal_against_skew_normal": None if self.comparison is None else asdict(self.comparison),
        }


def _columns(name: str, unit: str, estimate: Estimate) -> dict[str, float]:
    return {f"{name}{unit}": estimate.value, f"{name}_low{unit}": estimate.low, f"{name}_high{unit}": estimate.high}


def names_of(count: int, names: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return names of populations in rising mean: the phases of cement paste for four, numbers for others."""
    if names is not None:
        return names
    return CEMENT_PASTE if count == len(CEMENT_PASTE) else tuple(f"population {n + 1}" for n in range(count))


def estimates(values: Floats, low: Floats, high: Floats) -> list[Estimate]:
    """Return numbers with their intervals as a list."""
    return [Estimate(float(a), float(b), float(c)) for a, b, c in zip(values, low, high, strict=True)]


def doubts_of_number(found: tuple[Candidate, ...], count: int, *, criterion: str) -> list[str]:
    """Return why `count` populations are not what the data ask for."""
    own = next((each for each in found if each.populations == count), None)
    if own is None:
        return []
    best = min(found, key=lambda each: each.bic)
    if criterion == "given" and own.bic - best.bic > DECISIVE:
        return [
            f"{count} populations are not supported: BIC prefers {best.populations} by {own.bic - best.bic:.1f} "
            "(more than 10 is strong evidence)"
        ]
    return []


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
    populations: tuple[Population, ...], at_floor: NDArray[np.bool_], *, starts: int, reached: int
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
    return doubts


def remarks(
    found: tuple[Candidate, ...], comparison: FamilyComparison | None, draws: Resampled, *, batches: int, size: int
) -> list[str]:
    """Return what a reader has to know though the populations may be supported."""
    said = []
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
    if draws.unit == "indents":
        said.append(
            f"intervals are by single indents, since there are {batches} batches and it takes 8: "
            "they are too narrow if indents of a batch are alike"
        )
    if size < FEW_FOR_FOUR and draws.fractions.shape[1] >= 4:
        said.append(
            f"{size:,} values are few for {draws.fractions.shape[1]} populations: where they overlap, intervals are "
            "somewhat too narrow"
        )
    if draws.converged < 0.95:
        said.append(f"only {100 * draws.converged:.0f} % of the resamplings converged: intervals are rough")
    return said
