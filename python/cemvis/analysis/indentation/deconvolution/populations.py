"""What a deconvolution finds: populations with intervals, how sure their number is, and a plain verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import Resampled, Settling
from cemvis.analysis.indentation.deconvolution.selection import Candidate, FamilyComparison

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

CEMENT_PASTE = ("LD-CSH", "HD-CSH", "CH", "clinker")
BY_RANK = (
    "in rising mean, four populations are called LD-CSH, HD-CSH, CH and clinker by their rank alone, others by number"
)
GIVEN = "in rising mean, the names that were given"
NEAR_ENOUGH = 0.05  # of a fraction


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

    def resamplings_frame(self) -> pd.DataFrame:
        """Return a row a resampling, property and population, in rising mean: fraction, mean and sd in GPa.

        Resamplings are numbered from 1. Their quantiles are the intervals once these are widened for the number of
        units; what goes together in one resampling does so in the data.
        """
        import pandas as pd

        draws, kinds = self.draws, len(self.properties)
        count, k = draws.fractions.shape
        names = np.array(self.names(), dtype=object)
        return pd.DataFrame(
            {
                "properties": "+".join(self.properties),
                "resampling": np.repeat(np.arange(1, count + 1), kinds * k),
                "property": np.tile(np.repeat(np.array(self.properties, dtype=object), k), count),
                "population": np.tile(names, count * kinds),
                "fraction": np.repeat(draws.fractions[:, None, :], kinds, axis=1).ravel(),
                "mean_gpa": draws.means.reshape(count, k, kinds).transpose(0, 2, 1).ravel(),
                "sd_gpa": draws.sds.reshape(count, k, kinds).transpose(0, 2, 1).ravel(),
            }
        )

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
            "names": BY_RANK if self.names() == names_of(len(self.populations)) else GIVEN,
            "populations": [asdict(each) for each in self.populations],
            "selection": [asdict(each) for each in self.candidates],
            "normal_against_skew_normal": None if self.comparison is None else asdict(self.comparison),
            "settling": None
            if not self.settling
            else {
                "half_width": NEAR_ENOUGH,
                "from_values": self.settled_from(),
                "values": [each.indents for each in self.settling],
                "half_widths": [each.half_width() for each in self.settling],
            },
        }

    def names(self) -> tuple[str, ...]:
        """Return the populations' names."""
        return tuple(each.name for each in self.populations)

    def settled_from(self) -> int | None:
        """Return from how many values on 95 % of the draws have every fraction to 0.05; None if not even from all."""
        settled = None
        for each in reversed(self.settling):
            if each.half_width() > NEAR_ENOUGH:
                break
            settled = each.indents
        return settled


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
