"""What an out-of-bag test finds: distances, mixtures and real errors, as tables and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cemvis.analysis.indentation.deconvolution.grouped import Grouped
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.analysis.indentation.deconvolution.populations import Deconvolution, Estimate
from cemvis.analysis.validation.distances import Comparison, Halves
from cemvis.analysis.validation.errors import Errors
from cemvis.analysis.validation.mixtures import PopulationDifference, side_by_side
from cemvis.analysis.validation.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

MEASURED = "measured"
TRUTH, TESTS = "truth of the area", "tests in the area"


@dataclass(frozen=True)
class Source:
    """Values of one property from one place: measured ones, a map, or the truth.

    Attributes
    ----------
    label : str
    is_map : bool
    sample : Sample
    grouped : Grouped
        The same values as counts in intervals.
    found : Deconvolution
    mixture : PopulationMixture
    """

    label: str
    is_map: bool
    sample: Sample
    grouped: Grouped
    found: Deconvolution
    mixture: PopulationMixture


@dataclass(frozen=True)
class Judged:
    """A map beside the truth.

    Attributes
    ----------
    truth : tuple of Errors
        Against the true field, everywhere and by phase.
    tests : tuple of Errors
        Against the tests made at its cells; empty if there are fewer than twenty.
    level : float or None
        Share that the map's intervals promise to hold; None if it has none.
    """

    truth: tuple[Errors, ...]
    tests: tuple[Errors, ...]
    level: float | None

    def to_json(self) -> dict[str, Any]:
        """Return all numbers, ready for JSON."""
        return {
            "level": self.level,
            "against_truth": [each.to_json() for each in self.truth],
            "against_tests": [each.to_json() for each in self.tests],
        }


@dataclass(frozen=True)
class PropertyValidation:
    """What was found for one property, in GPa.

    Attributes
    ----------
    name : str
    sources : tuple of Source
        The measured values first.
    halves : Halves
        How far halves of the measured values are from each other.
    tables_apart : dict of str to float
        How far each table of measured values is from the others together; empty for a single one.
    compared : dict of str to Comparison
        By source, all but the measured one.
    populations : dict of str to tuple of PopulationDifference
        By source, all but the measured one.
    judged : dict of str to Judged
        By map; empty where no truth is known.
    """

    name: str
    sources: tuple[Source, ...]
    halves: Halves
    tables_apart: dict[str, float]
    compared: dict[str, Comparison]
    populations: dict[str, tuple[PopulationDifference, ...]]
    judged: dict[str, Judged]

    @property
    def measured(self) -> Source:
        """The measured values."""
        return self.sources[0]

    def distances_frame(self) -> pd.DataFrame:
        """Return a row for each source: mean and sd, and how far it is from the measured values."""
        import pandas as pd

        rows = []
        for each in self.sources:
            found = self.compared.get(each.label)
            row: dict[str, Any] = {"property": self.name, "source": each.label, "values": each.sample.size}
            row |= {"mean_gpa": each.sample.mean, "sd_gpa": each.sample.sd}
            if found is not None:
                row |= _columns("distance", "_gpa", found.distance) | _columns("difference", "_gpa", found.difference)
                row |= _columns("sd_ratio", "", found.sd_ratio)
                row |= {"halves_median_gpa": found.halves.median, "halves_95_gpa": found.halves.high}
                row |= {"told_apart": found.told_apart, "drawn": found.drawn, "drawn_of_measured": found.of_measured}
            rows.append(row)
        return pd.DataFrame(rows)

    def populations_frame(self) -> pd.DataFrame:
        """Return a row for each source and population, and which of its parameters differ from the measured one's."""
        table = side_by_side({each.label: each.found for each in self.sources}, name=self.name)
        differs = {
            (source, each.population): " ".join(each.differs)
            for source, found in self.populations.items()
            for each in found
        }
        keys = zip(table["source"], table["population"], strict=True)
        return table.assign(differs=[differs.get(key, "") for key in keys])

    def errors_frame(self) -> pd.DataFrame:
        """Return a row for each map, truth and phase: its errors and what its intervals hold."""
        import pandas as pd

        rows = []
        for label, judged in self.judged.items():
            for against, errors in (("truth", judged.truth), ("tests", judged.tests)):
                for each in errors:
                    row: dict[str, Any] = {"property": self.name, "map": label, "against": against}
                    row |= {"phase": each.phase, "cells": each.n}
                    for name, unit in (
                        ("rmse", "_gpa"),
                        ("mae", "_gpa"),
                        ("bias", "_gpa"),
                        ("r2", ""),
                        ("sd_ratio", ""),
                    ):
                        row |= _columns(name, unit, getattr(each, name))
                    row |= {"with_interval": each.bounded, "level": judged.level}
                    if each.coverage is not None:
                        row |= _columns("coverage", "", each.coverage)
                    rows.append(row)
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the values themselves, ready for JSON."""
        return {
            "unit": "GPa",
            "halves_of_the_measured": {
                "median": self.halves.median,
                "high": self.halves.high,
                "halved": self.halves.halved,
                "values_each": self.halves.values_each,
            },
            "tables_from_the_others": self.tables_apart,
            "sources": {
                each.label: {
                    "is_map": each.is_map,
                    "values": each.sample.size,
                    "mean": each.sample.mean,
                    "sd": each.sample.sd,
                    "mixture": each.found.to_json(),
                }
                for each in self.sources
            },
            "compared": {label: each.to_json() for label, each in self.compared.items()},
            "population_differences": {
                label: [each.to_json() for each in found] for label, found in self.populations.items()
            },
            "errors": {label: each.to_json() for label, each in self.judged.items()},
        }


def _columns(name: str, unit: str, each: Estimate) -> dict[str, float]:
    return {f"{name}{unit}": each.value, f"{name}_low{unit}": each.low, f"{name}_high{unit}": each.high}
