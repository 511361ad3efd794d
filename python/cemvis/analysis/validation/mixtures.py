"""Mixtures side by side, and by how much their populations differ from the measured ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis.analysis.indentation.deconvolution.bootstrap import tails
from cemvis.analysis.indentation.deconvolution.populations import Deconvolution, Estimate
from cemvis.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PopulationDifference:
    """By how much a population differs from the measured one of the same rank.

    Attributes
    ----------
    source, population : str
    fraction, mean, sd : Estimate
        This one less the measured one; mean and sd in the property's unit.
    differs : tuple of str
        Those of fraction, mean and sd whose interval does not hold 0.
    """

    source: str
    population: str
    fraction: Estimate
    mean: Estimate
    sd: Estimate
    differs: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all numbers, ready for JSON."""
        return asdict(self)


def side_by_side(found: Mapping[str, Deconvolution], *, name: str) -> pd.DataFrame:
    """Return a row for each source and population: fraction, mean and sd in GPa with their intervals.

    The order is that of Table 1 of Liang et al. (2023): sources one after another, populations in rising mean.

    Parameters
    ----------
    found : mapping of str to Deconvolution
        By source.
    name : str
        The property.
    """
    import pandas as pd

    rows = []
    for source, each in found.items():
        for number, population in enumerate(each.populations, start=1):
            row: dict[str, Any] = {"property": name, "source": source, "number": number, "population": population.name}
            parts = (("fraction", "", population.fraction), ("mean", "_gpa", population.means[name]))
            for what, unit, value in (*parts, ("sd", "_gpa", population.sds[name])):
                row |= {f"{what}{unit}": value.value, f"{what}_low{unit}": value.low, f"{what}_high{unit}": value.high}
            rows.append(row | {"supported": each.supported})
    return pd.DataFrame(rows)


def differences(
    measured: Deconvolution, other: Deconvolution, *, source: str, name: str
) -> tuple[PopulationDifference, ...]:
    """Return by how much populations differ from the measured ones, with intervals from both resamplings.

    Each resampling of the one is paired with the next of the other: two of one seed and as many units draw the same
    units at the same number, and would move together. Of four populations twelve numbers are
    compared: at 95 % one of them is beyond its interval by chance more often than every other time.

    Raises
    ------
    InputError
        If the two have not as many populations.
    """
    count = len(measured.populations)
    if len(other.populations) != count:
        msg = f"{source} has {len(other.populations)} populations and the measured values {count}; wanted as many"
        raise InputError(msg)
    ends = tails(min(measured.draws.units, other.draws.units), measured.level)
    parts = {
        "fraction": (measured.draws.fractions, other.draws.fractions),
        "mean": (measured.draws.means, other.draws.means),
        "sd": (measured.draws.sds, other.draws.sds),
    }
    found = []
    for n, (mine, theirs) in enumerate(zip(measured.populations, other.populations, strict=True)):
        whole = {
            "fraction": theirs.fraction.value - mine.fraction.value,
            "mean": theirs.means[name].value - mine.means[name].value,
            "sd": theirs.sds[name].value - mine.sds[name].value,
        }
        estimates = {}
        for what, (first, second) in parts.items():
            drawn = np.roll(second[: len(first), n], 1) - first[: len(second), n]
            estimates[what] = Estimate(whole[what], *(float(np.quantile(drawn, end)) for end in ends))
        differs = tuple(what for what, each in estimates.items() if each.low > 0 or each.high < 0)
        found.append(PopulationDifference(source, mine.name, **estimates, differs=differs))
    return tuple(found)
