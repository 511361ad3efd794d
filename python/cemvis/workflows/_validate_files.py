"""The files of an out-of-bag test: tables, figures as PNG and PDF, and the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis import __version__
from cemvis._files import access_errors, write_json, write_table
from cemvis.analysis.indentation.deconvolution.deconvolve import Settings
from cemvis.analysis.validation.result import TRUTH, PropertyValidation
from cemvis.report.style import save_png_and_pdf
from cemvis.report.validation import (
    MOST_CELLS,
    MapPicture,
    distributions_figure,
    errors_figure,
    maps_figure,
    mixtures_figure,
)
from cemvis.workflows._deconvolve_map import bands, opened_raster
from cemvis.workflows._map_files import CELLS_PARQUET
from cemvis.workflows._validate_sources import Mapped
from cemvis.workflows._validate_truth import FIELDS, Truth

if TYPE_CHECKING:
    pass

DISTANCES, POPULATIONS, ERRORS, SUMMARY = "distances.csv", "populations.csv", "errors.csv", "validation.json"
DISTRIBUTIONS_FIGURE, MIXTURES_FIGURE, MAPS_FIGURE, ERRORS_FIGURE = "distributions", "mixtures", "maps", "errors"
_BOTH = (".png", ".pdf")
OUTPUTS = (
    *(DISTANCES, POPULATIONS),
    *(name + kind for name in (DISTRIBUTIONS_FIGURE, MIXTURES_FIGURE, MAPS_FIGURE) for kind in _BOTH),
    SUMMARY,
)
ERROR_OUTPUTS = (ERRORS, *(ERRORS_FIGURE + kind for kind in _BOTH))


def write_all(
    output: Path,
    found: Sequence[PropertyValidation],
    mapped: Sequence[Mapped],
    truth: Truth | None,
    *,
    inputs: Mapping[str, Any],
    settings: Settings,
    notes: Sequence[str],
    command: str,
) -> tuple[Path, ...]:
    """Write everything into the folder `output`, the summary last; return the paths."""
    import pandas as pd

    judged = any(each.judged for each in found)
    names = [*(ERROR_OUTPUTS if judged else ()), *OUTPUTS]
    write_table(output / DISTANCES, pd.concat([each.distances_frame() for each in found], ignore_index=True), digits=6)
    write_table(
        output / POPULATIONS, pd.concat([each.populations_frame() for each in found], ignore_index=True), digits=6
    )
    caption = caption_of(inputs, found[0], settings)
    save_png_and_pdf(distributions_figure(found, caption=caption), output / DISTRIBUTIONS_FIGURE)
    save_png_and_pdf(mixtures_figure(found, caption=caption), output / MIXTURES_FIGURE)
    pictures = {
        each.name: [
            *(picture_of(one, each.name) for one in mapped),
            *([] if truth is None else [truth_picture(truth, each.name)]),
        ]
        for each in found
    }
    limits = {each.name: each.measured.sample.quantiles(0.01, 0.99) for each in found}
    save_png_and_pdf(
        maps_figure(grey_picture(mapped[0]), pictures, limits=limits, caption=caption), output / MAPS_FIGURE
    )
    if judged:
        write_table(output / ERRORS, pd.concat([each.errors_frame() for each in found], ignore_index=True), digits=6)
        save_png_and_pdf(errors_figure(found, caption=caption), output / ERRORS_FIGURE)
    record = {
        "format": "cemvis validate",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "inputs": inputs,
        "units": {"distance": "GPa", "mean": "GPa", "sd": "GPa", "fraction": "1", "coverage": "1"},
        "settings": asdict(settings),
        "intervals": "of the map by its blocks (8 x 8 over the map), of measured indents by whole batches; where there "
        "are fewer than 8 of them, by single values",
        "notes": list(notes),
        "properties": {each.name: each.to_json() for each in found},
        "files": names,
    }
    write_json(output / SUMMARY, record)
    return tuple(output / name for name in names)


def caption_of(inputs: Mapping[str, Any], first: PropertyValidation, settings: Settings) -> str:
    """Return the small print below the figures."""
    tables = [Path(each["path"]) for each in inputs["measured"]]
    named = [each.parent.name + "/" + each.name for each in tables[:3]]
    more = f" and {len(tables) - 3} more" if len(tables) > 3 else ""
    mosaic = inputs["maps"][0]["mosaic"].get("file", "an array")
    drawn = next(iter(first.compared.values()))
    return (
        f"Measured: {', '.join(named)}{more}. Mapped: {mosaic}. "
        f"{100 * settings.level:g} % intervals by resampling {drawn.of_measured} of the measured indents and "
        f"{drawn.drawn}, {settings.resamplings} times. Populations are mechanical, in rising mean. cemvis {__version__}"
    )


def picture_of(mapped: Mapped, name: str) -> MapPicture:
    """Return a map thinned to at most 900 cells along its longer side."""
    folder = mapped.folder
    with folder.opened(name) as raster:
        return _thinned(raster, mapped.label, step_um=folder.step_um, first_um=folder.first_um)


def truth_picture(truth: Truth, name: str) -> MapPicture:
    """Return the true field thinned to at most 900 values along its longer side."""
    with opened_raster(truth.path / FIELDS[name]) as raster:
        return _thinned(raster, TRUTH, step_um=truth.step_um, first_um=truth.first_um)


def grey_picture(mapped: Mapped) -> MapPicture:
    """Return the mean grey levels of a map's windows, thinned to at most 900 along the longer side."""
    from pyarrow import parquet

    folder = mapped.folder
    rows, cols = folder.summary["grid"]["cells"]
    every = max(1, -(-max(rows, cols) // MOST_CELLS))
    grey = np.full((-(-rows // every), -(-cols // every)), np.nan, np.float32)
    with (
        access_errors(folder.path / CELLS_PARQUET, doing="read"),
        parquet.ParquetFile(folder.path / CELLS_PARQUET) as table,
    ):
        for batch in table.iter_batches(columns=["row", "column", "mean_grey"]):
            row, col, value = (batch.column(n).to_numpy(zero_copy_only=False) for n in range(3))
            kept = (row % every == 0) & (col % every == 0)
            grey[row[kept] // every, col[kept] // every] = value[kept]
    edge_um = folder.first_um - folder.step_um / 2
    return MapPicture("mean grey level", grey, folder.step_um * every, edge_um)


def _thinned(raster: Any, label: str, *, step_um: float, first_um: float) -> MapPicture:
    every = max(1, -(-max(raster.shape) // MOST_CELLS))
    rows = [band[-first % every :: every, ::every] for first, band in bands(raster)]
    return MapPicture(label, np.concatenate(rows), step_um * every, first_um - step_um / 2)
