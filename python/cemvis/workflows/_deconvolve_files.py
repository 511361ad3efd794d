"""The tables of a deconvolution, whether they may be written, and what the properties say of each other."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from cemvis._files import write_table
from cemvis.analysis.indentation.deconvolution.populations import Deconvolution

POPULATIONS, SUMMARY, SELECTION = "populations.csv", "populations.json", "selection.csv"
CONVERGENCE, PICTURE, PDF = "convergence.csv", "populations.png", "populations.pdf"
RESAMPLINGS = "resamplings.csv"
MAP, PROBABILITY = "population_map.ome.tif", "population_probability.ome.tif"
MAP_PICTURE, MAP_PDF = "population_map.png", "population_map.pdf"
OUTPUTS = (POPULATIONS, SELECTION, CONVERGENCE, RESAMPLINGS, PICTURE, PDF)
MAP_OUTPUTS = (MAP, PROBABILITY, MAP_PICTURE, MAP_PDF)


def disagreements(found: dict[str, Deconvolution]) -> list[str]:
    """Return which populations of one name have fractions that differ between the properties."""
    notes = []
    for (one, first), (two, second) in combinations(found.items(), 2):
        for a, b in zip(first.populations, second.populations, strict=False):
            apart = a.fraction.high < b.fraction.low or b.fraction.high < a.fraction.low
            if a.name == b.name and len(first.populations) == len(second.populations) and apart:
                notes.append(
                    f"{a.name} is {a.fraction.value:.3f} by {one} and {b.fraction.value:.3f} by {two}, outside each "
                    "other's interval: these are not the same populations"
                )
    return notes


def write_tables(output: Path, found: dict[str, Deconvolution]) -> None:
    """Write populations.csv, selection.csv, convergence.csv and resamplings.csv into a folder that is there."""
    import pandas as pd

    populations = pd.concat([each.to_frame() for each in found.values()], ignore_index=True)
    selection = pd.DataFrame(
        [{"properties": name, **asdict(row)} for name, each in found.items() for row in each.candidates]
    )
    rows = []
    for name, each in found.items():
        for step in each.settling:
            for n, population in enumerate(each.populations):
                row: dict[str, Any] = {"properties": name, "indents": step.indents, "population": population.name}
                for what, unit, values in (
                    ("fraction", "", step.fractions),
                    ("mean", "_gpa", step.means),
                    ("sd", "_gpa", step.sds),
                ):
                    ends = zip(("low", "median", "high"), values[:, n], strict=True)
                    row |= {f"{what}_{end}{unit}": float(value) for end, value in ends}
                rows.append(row)
    columns = None if rows else ["properties", "indents", "population"]
    for table, name in (
        (populations, POPULATIONS),
        (selection, SELECTION),
        (pd.DataFrame(rows, columns=columns), CONVERGENCE),
        (pd.concat([each.resamplings_frame() for each in found.values()], ignore_index=True), RESAMPLINGS),
    ):
        write_table(output / name, table, digits=6)
