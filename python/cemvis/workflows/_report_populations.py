"""Mixtures of a run of `cemvis deconvolve` as charts, over the values they were fitted to where these are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import sha256_of
from cemvis.errors import CemvisError
from cemvis.report.page.content import Chart, Curve
from cemvis.workflows._deconvolve_sources import PROPERTIES, read_tables
from cemvis.workflows._map_files import raster_name
from cemvis.workflows._report_folder import RunFolder, dig, items, number, there
from cemvis.workflows._report_rasters import RasterFile, edges_for, origin_in, raster_chart

RECORD, MAP = "populations.json", "population_map.ome.tif"
_FORMAT = "cemvis deconvolve"
_SPAN_SD = 3.5
_NOT_DRAWN = "Skew-normal components are listed, not drawn; the run's own picture shows them."


@dataclass(frozen=True)
class Mixtures:
    """What a folder of `cemvis deconvolve` says."""

    folder: RunFolder
    record: Mapping[str, Any]

    @classmethod
    def of(cls, folder: RunFolder) -> Mixtures | None:
        """Return the folder's mixtures; None if it has none."""
        record = folder.records.get(RECORD)
        return cls(folder, record) if isinstance(record, Mapping) and dig(record, "format") == _FORMAT else None

    def curves(self, name: str) -> tuple[Curve, ...]:
        """Return the components of a property's mixture; empty if there is none, or its components are not normal."""
        if self.family(name) != "normal":
            return ()
        curves = []
        for each in self._populations(name):
            fraction, mean, sd = (number(each, *keys, "value") for keys in _parts(name))
            if fraction is not None and mean is not None and sd is not None:
                curves.append(Curve(str(dig(each, "name") or ""), fraction, mean, sd, _in_words(each, name)))
        return tuple(curves)

    def family(self, name: str) -> str:
        """Return the shape of a property's components; empty if there is no mixture of it."""
        return str(dig(self.record, "found", name, "components") or "")

    def note(self, name: str) -> str:
        """Return the verdict on a property's mixture in a sentence or two."""
        found = dig(self.record, "found", name)
        if found is None:
            return ""
        supported = dig(found, "supported")
        verdict = "Supported by the data." if supported else "Not supported by the data." if supported is False else ""
        said = [] if self.family(name) == "normal" else [_NOT_DRAWN]
        if said:
            said += [f"{dig(each, 'name')}: {_in_words(each, name)}." for each in self._populations(name)]
        return " ".join([verdict, *said]).strip()

    def doubted(self, name: str) -> bool:
        """Return whether the data do not support a property's mixture."""
        return dig(self.record, "found", name, "supported") is False

    def _populations(self, name: str) -> list[Any]:
        return items(self.record, "found", name, "populations")

    def is_of(self, record: Any) -> bool:
        """Return whether the mixtures were found in the map that `record` is the summary of."""
        return any(_same_map(about, record) for about in items(self.record, "inputs"))

    def sorted_map(self, record: Any) -> Path | None:
        """Return the map of populations if it is of the map that `record` is the summary of."""
        path = self.folder.path / MAP
        try:
            raster = RasterFile.open(path) if path.is_file() else None
        except CemvisError:
            return None  # its own section says so
        same = raster is not None and _same_map(dig(origin_in(raster.description), "map"), record)
        return path if same else None

    def charts(self, maps: Sequence[RunFolder]) -> tuple[list[Chart], list[str]]:
        """Return a chart a property, and what could not be drawn and why."""
        values, problems = self._values(maps)
        charts = []
        for name in PROPERTIES:
            if dig(self.record, "found", name) is None:
                continue
            found, curves = values.get(name), self.curves(name)
            if isinstance(found, RasterFile):
                chart = raster_chart(found, curves=curves, note=self.note(name))
            elif found is not None or curves:
                chart = table_chart(name, found, curves=curves, note=self.note(name))
            else:
                continue
            charts.append(replace(chart, doubtful=self.doubted(name)))
        return charts, problems

    def _values(self, maps: Sequence[RunFolder]) -> tuple[dict[str, Any], list[str]]:
        """Return the values that the mixtures were fitted to: rasters of a map, or arrays from tables."""
        inputs = [each for each in items(self.record, "inputs") if isinstance(each, Mapping)]
        for folder in maps:
            if self.is_of(folder.records.get("summary.json")):
                return _map_rasters(folder.path), []
        if inputs and all(dig(each, "grid") is not None for each in inputs):
            path = Path(str(inputs[0].get("path", "")))
            same = RunFolder.open(path) if there(path / "summary.json") else None
            if same is not None and self.is_of(same.records.get("summary.json")):
                return _map_rasters(path), []
            return {}, [f"The map {path} is not there or is another one by now: curves are drawn without its values."]
        try:
            return table_values(inputs, self.folder.path), []
        except (CemvisError, OSError) as error:
            return {}, [f"Curves are drawn without the values they were fitted to: {error}."]


def _same_map(about: Any, record: Any) -> bool:
    keys = ("mosaic", "grid", "model")
    return all(dig(about, key) is not None and dig(about, key) == dig(record, key) for key in keys)


def _map_rasters(path: Path) -> dict[str, Any]:
    found = {
        name: RasterFile.open(path / raster_name(name)) for name in PROPERTIES if (path / raster_name(name)).is_file()
    }
    return {name: raster for name, raster in found.items() if raster is not None}


def table_values(inputs: Sequence[Any], folder: Path) -> dict[str, Any]:
    """Return the values of each property in the tables that a record names as inputs of its run.

    Raises
    ------
    FileNotFoundError
        If one is not there any more, or has changed.
    CemvisError
        If it cannot be read.
    """
    paths = []
    for about in inputs:
        path = Path(str(dig(about, "path") or ""))
        path = next((each for each in (path, folder / path, folder.resolve().parent / path.name) if there(each)), path)
        if not there(path):
            msg = f"{path} is not there any more"
            raise FileNotFoundError(msg)
        if isinstance(dig(about, "sha256"), str) and sha256_of(path) != about["sha256"]:
            msg = f"{path} has changed since"
            raise FileNotFoundError(msg)
        paths.append(path)
    if not paths:
        return {}
    found = read_tables(paths).values
    return {name: each[np.isfinite(each)] for name, each in found.items() if np.isfinite(each).any()}


def table_chart(
    name: str, values: NDArray[np.float64] | None, *, curves: tuple[Curve, ...] = (), note: str = ""
) -> Chart:
    """Return the distribution of a property's values in GPa; of its curves alone without values."""
    title, label = name.capitalize(), f"{name.capitalize()} (GPa)"
    if values is None or not values.size:
        ends = [each.mean + way * _SPAN_SD * each.sd for each in curves for way in (-1, 1)]
        edges = np.linspace(max(0.0, min(ends, default=0.0)), max(ends, default=1.0), 2)
        return Chart(title, label, edges, np.zeros(1, np.int64), 0, float("nan"), "GPa", curves, note)
    edges = edges_for(values)
    counts = np.histogram(values, edges)[0]
    return Chart(title, label, edges, counts, int(values.size), float(np.median(values)), "GPa", curves, note)


def _parts(name: str) -> tuple[tuple[str, ...], ...]:
    return ("fraction",), ("means", name), ("sds", name)


def _in_words(population: Any, name: str) -> str:
    told = []
    for keys, what, unit, factor in zip(
        _parts(name), ("", "mean", "sd"), ("%", "GPa", "GPa"), (100, 1, 1), strict=True
    ):
        value, low, high = (number(population, *keys, end) for end in ("value", "low", "high"))
        if value is None:
            continue
        span = f" ({factor * low:.3g} to {factor * high:.3g})" if low is not None and high is not None else ""
        told.append(f"{what} {factor * value:.3g}{span} {unit}".strip())
    return ", ".join(told)
