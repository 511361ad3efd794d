"""Run folders as sections of a report."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cemvis.errors import CemvisError
from cemvis.report.page.content import Block, Chart, Message, Picture, Section, Table
from cemvis.workflows._report_folder import LARGEST, MOST_ROWS, RunFolder, dig, texts, there
from cemvis.workflows._report_kinds import notes_in, recognised, warnings_in
from cemvis.workflows._report_origin import origins_of
from cemvis.workflows._report_populations import Mixtures, table_chart
from cemvis.workflows._report_rasters import RasterFile, raster_chart
from cemvis.workflows._report_validation import Validation
from cemvis.workflows._report_view import Sources, view_of

_MAP_PICTURES = ("modulus.png", "hardness.png", "histogram.png", "population_map.png", "specimen.png")
_VALIDATED_PICTURES = ("maps.png",)
_MAP_TABLES = ("cells.csv",)
_VALUE_TABLES = ("located.csv", "indents.csv")
_MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Drawn:
    """A folder's section, and what figures can be made of: its rasters with their charts."""

    folder: RunFolder
    section: Section
    record: Any


def sections_of(folders: Sequence[RunFolder], sources: Sources) -> list[Drawn]:
    """Return a section for each folder; mixtures also go to the map that they were found in."""
    mixtures = [found for found in (Mixtures.of(each) for each in folders) if found is not None]
    return [_section(each, folders, mixtures, sources) for each in folders]


def _section(folder: RunFolder, folders: Sequence[RunFolder], mixtures: Sequence[Mixtures], sources: Sources) -> Drawn:
    kind, main = recognised(folder)
    record = folder.records.get(main)
    warned = [*folder.problems, *warnings_in(record), *_missing(folder, record)]
    own = next((each for each in mixtures if each.folder is folder), None)
    of_map = next((each for each in mixtures if own is None and each.is_of(record)), None)
    others = [] if own is not None else [each.sorted_map(record) for each in mixtures]
    beside = [path for path in others if path is not None]
    test = Validation.of(folder, record)
    seen = view_of(folder, record, sources, beside=beside, more=() if test is None else test.rasters)
    warned += seen.problems
    blocks: list[Block] = [] if seen.view is None else [seen.view]
    if test is not None:
        blocks.append(test.table())
        charts, problems = test.charts()
        warned += [*test.problems, *problems]
    elif own is not None:
        charts, problems = own.charts([each for each in folders if each is not folder])
        warned += problems
    else:
        charts = _raster_charts(seen.rasters, of_map, warned) or list(_column_charts(folder))
    blocks += charts
    shown = (*_MAP_PICTURES, *(_VALIDATED_PICTURES if test is not None else ())) if seen.view is not None else ()
    blocks += folder.pictures(without=shown)
    blocks += folder.tables(without=_MAP_TABLES if seen.rasters else ())
    if not blocks:
        blocks.append(Message("The folder holds nothing to draw; its record follows."))
    facts = kind.facts(record) if isinstance(record, Mapping) else []
    section = Section(
        folder.name,
        kind.name,
        kind.lead,
        tuple(dict.fromkeys(warned)),
        notes_in(record),
        tuple(facts),
        tuple(blocks),
        origins_of(folder, main),
        folder.records,
        folder.sizes(),
    )
    return Drawn(folder, section, record)


def _missing(folder: RunFolder, record: Any) -> list[str]:
    """Return which of the files that a record lists are not there."""
    gone = [name for name in texts(record, "files") if not there(folder.path / name)]
    if not gone:
        return []
    more = f" and {len(gone) - 4} more" if len(gone) > 4 else ""
    return [f"files of the run are missing: {', '.join(gone[:4])}{more}"]


def _raster_charts(rasters: Sequence[RasterFile], mixtures: Mixtures | None, warned: list[str]) -> list[Chart]:
    charts = []
    for raster in rasters:
        if raster.kind != "f" or raster.name.startswith("Half width") or raster.name == "Posterior probability":
            continue
        name = raster.name.lower()
        try:
            if mixtures is None or not dig(mixtures.record, "found", name):
                charts.append(raster_chart(raster))
            else:
                note = f"Mixture from {mixtures.folder.name}. {mixtures.note(name)}"
                chart = raster_chart(raster, curves=mixtures.curves(name), note=note)
                charts.append(replace(chart, doubtful=mixtures.doubted(name)))
        except CemvisError as error:
            warned.append(str(error))
    return charts


def _column_charts(folder: RunFolder) -> list[Chart]:
    """Return the distributions of modulus and hardness in a folder's table of indents."""
    path = next((folder.path / name for name in _VALUE_TABLES if (folder.path / name).is_file()), None)
    if path is None:
        return []
    values: dict[str, list[float]] = {"modulus": [], "hardness": []}
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for _, row in zip(range(_MOST_ROWS), csv.DictReader(file), strict=False):
                if (row.get("status") or "ok") != "ok":
                    continue
                for name, found in values.items():
                    try:
                        found.append(float(row.get(f"{name}_gpa") or "nan"))
                    except ValueError:
                        continue
    except (OSError, csv.Error):
        return []
    arrays = {name: np.array(found)[np.abs(found) < LARGEST] for name, found in values.items()}
    return [table_chart(name, each) for name, each in arrays.items() if each.size]


def within_budget(sections: Sequence[Section], most_bytes: int, *, scale: float = 1.0) -> list[Section]:
    """Return sections with a message in place of each picture beyond `most_bytes`, and tables shortened by `scale`."""
    left, rows = int(most_bytes * scale), max(1, int(MOST_ROWS * scale))
    kept = []
    for section in sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Picture):
                left -= len(block.data)
                if left < 0:
                    blocks.append(Message(f"{block.title} is left out, to keep this page small; it is in the folder."))
                    continue
            blocks.append(replace(block, rows=block.rows[:rows]) if isinstance(block, Table) else block)
        kept.append(replace(section, blocks=tuple(blocks)))
    return kept
