"""A run of `cemvis validate` on a page: its maps beside each other, mixtures over their values, and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cemvis._files import sha256_of
from cemvis.errors import CemvisError
from cemvis.report.page.content import Chart, Fact, Table
from cemvis.workflows._deconvolve_sources import PROPERTIES
from cemvis.workflows._map_files import raster_name
from cemvis.workflows._report_folder import RunFolder, dig, entries, items, number, read_record, there
from cemvis.workflows._report_populations import Mixtures, table_chart, table_values
from cemvis.workflows._report_rasters import RasterFile, edges_for, raster_chart

FORMAT = "cemvis validate"
_MEASURED, _ALL, _TRUTH_FILE = "measured", "all", "truth_{}.ome.tif"
_MOST_FACTS = 3  # maps of a property whose distances stand at the top


def validated_facts(record: Any) -> list[Fact]:
    """Return distances of the first maps to the measured values, beside those of halves of these, and real errors."""
    found = []
    for name, each in entries(record, "properties"):
        halves = number(each, "halves_of_the_measured", "median")
        labels = [label for label, _ in entries(each, "compared") if dig(each, "sources", label, "is_map") is not False]
        for label in labels[:_MOST_FACTS]:
            about = dig(each, "compared", label)
            value = number(about, "distance", "value")
            if value is None:
                continue
            told = [f"distance to the measured values {_interval(dig(about, 'distance'))}".strip()]
            told += [f"that of halves of these {halves:.2g}"] if halves is not None else []
            r2 = number(_overall(each, label, "against_truth"), "r2", "value")
            told += [f"R\N{SUPERSCRIPT TWO} {r2:.2f} against the truth"] if r2 is not None else []
            found.append(Fact(f"{name}, {label}", f"{value:.3g} GPa", "; ".join(told)))
    return found


def doubted_mixtures(record: Any) -> Iterator[str]:
    """Yield a sentence for each property some of whose mixtures the data do not support."""
    for name, each in entries(record, "properties"):
        doubted = [label for label, of in entries(each, "sources") if dig(of, "mixture", "supported") is False]
        if doubted:
            yield f"mixtures in {name} are not supported by the data of: {', '.join(doubted)}"


@dataclass(frozen=True)
class Validation:
    """What a folder of `cemvis validate` says, and the rasters it speaks of.

    Attributes
    ----------
    folder : RunFolder
    record : mapping
    rasters : tuple of RasterFile
        Maps and true values property by property, named after property and map.
    problems : tuple of str
        What cannot be shown, and why.
    """

    folder: RunFolder
    record: Mapping[str, Any]
    rasters: tuple[RasterFile, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, folder: RunFolder, record: Any) -> Validation | None:
        """Return the folder's test; None if it has none."""
        if dig(record, "format") != FORMAT:
            return None
        names = [name for name, _ in entries(record, "properties") if name in PROPERTIES]
        rasters: list[RasterFile] = []
        problems: list[str] = []
        for about in items(record, "inputs", "maps"):
            label = str(dig(about, "label") or "map")
            place = _map_folder(folder, about)
            if place is None:
                problems.append(f"the map {label} is not there any more, or is another one by now: it is not shown")
                continue
            rasters += _opened((f"{name.capitalize()}, {label}", place / raster_name(name)) for name in names)
        rasters += _opened(_true_fields(record, names))
        order = {name.capitalize(): n for n, name in enumerate(names)}
        rasters.sort(key=lambda each: order[each.name.removeprefix("True ").capitalize().partition(",")[0]])
        return cls(folder, record, tuple(rasters), tuple(problems))

    def charts(self) -> tuple[list[Chart], list[str]]:
        """Return a chart for the measured values and one for each map, property by property, and what is missing.

        Charts of a property span the same values, so that they can be compared.
        """
        charts, problems = [], []
        try:
            measured = table_values(items(self.record, "inputs", "measured"), self.folder.path)
        except (CemvisError, OSError) as error:
            measured = {}
            problems.append(f"the measured values are drawn as their mixture alone: {error}")
        for name, about in entries(self.record, "properties"):
            if name not in PROPERTIES:
                continue
            values = measured.get(name)
            edges = None if values is None else edges_for(values)
            for label, source in entries(about, "sources"):
                mixtures = Mixtures(self.folder, {"found": {name: dig(source, "mixture")}})
                curves, note = mixtures.curves(name), mixtures.note(name)
                raster = next((each for each in self.rasters if each.name == f"{name.capitalize()}, {label}"), None)
                if label == _MEASURED:
                    chart = table_chart(name, values, curves=curves, note=note)
                elif raster is not None:
                    chart = raster_chart(raster, curves=curves, note=note, edges=edges)
                else:
                    continue
                title, label_in_gpa = f"{name.capitalize()}, {label}", f"{name.capitalize()} (GPa)"
                doubtful = mixtures.doubted(name)
                charts.append(replace(chart, title=title, label=label_in_gpa, doubtful=doubtful))
        return charts, problems

    def table(self) -> Table:
        """Return what was found in a row for each map, and for the truth and the tests where they are known."""
        rows = [
            (
                name,
                label,
                _with_interval(about, "distance"),
                {True: "yes", False: "no"}.get(dig(about, "told_apart"), ""),
                _with_interval(about, "difference"),
                _with_interval(about, "sd_ratio"),
                _with_interval(_overall(each, label, "against_truth"), "r2"),
                _with_interval(_overall(each, label, "against_truth"), "rmse"),
            )
            for name, each in entries(self.record, "properties")
            for label, about in entries(each, "compared")
        ]
        columns = (
            *("property", "source", "distance to the measured (GPa)", "told apart", "mean less measured (GPa)"),
            *("sd over measured", "R\N{SUPERSCRIPT TWO} against the truth", "RMSE against the truth (GPa)"),
        )
        kept = [n for n in range(len(columns)) if n < 2 or any(row[n] for row in rows)]
        cells = tuple(tuple(row[n] for n in kept) for row in rows)
        return Table("What was found", tuple(columns[n] for n in kept), cells, len(rows), "Intervals in brackets")


def _overall(about: Any, label: str, against: str) -> Any:
    """Return a map's errors everywhere."""
    return next((each for each in items(about, "errors", label, against) if dig(each, "phase") == _ALL), None)


def _interval(estimate: Any) -> str:
    low, high = number(estimate, "low"), number(estimate, "high")
    return "" if low is None or high is None else f"({low:.3g} to {high:.3g})"


def _with_interval(about: Any, key: str) -> str:
    value = number(about, key, "value")
    return "" if value is None else f"{value:.3g} {_interval(dig(about, key))}".strip()


def _map_folder(folder: RunFolder, about: Any) -> Path | None:
    """Return where a map is now: where the record says, or in the folder's own maps; None if it is another by now."""
    said = Path(str(dig(about, "path") or ""))
    for place in (said, folder.path / "maps" / said.name):
        if not said.name or not there(place / "summary.json"):
            continue
        try:
            summary = read_record(place / "summary.json")
        except CemvisError:
            continue
        if all(dig(summary, key, "sha256") == dig(about, key, "sha256") for key in ("model", "mosaic")):
            return place
    return None


def _true_fields(record: Any, names: list[str]) -> Iterator[tuple[str, Path]]:
    folder = Path(str(dig(record, "inputs", "truth", "path") or ""))
    for name in names:
        path = folder / _TRUTH_FILE.format(name)
        digest = dig(record, "inputs", "truth", "sha256", path.name)
        if isinstance(digest, str) and there(path) and sha256_of(path) == digest:
            yield f"True {name}", path


def _opened(files: Iterator[tuple[str, Path]]) -> list[RasterFile]:
    """Return rasters under the names that they have on the page; those that cannot be read are left out."""
    found = []
    for name, path in files:
        try:
            raster = RasterFile.open(path)
        except CemvisError:
            continue
        if raster is not None and raster.kind == "f":
            found.append(replace(raster, name=name))
    return found
