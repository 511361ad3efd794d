"""The files of explanations: relevance as float32 OME-TIFF, regions, tables, summary and figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis import __version__
from cemvis._files import access_errors, finite_or_none, write_json, write_table
from cemvis.analysis.relevance.faithfulness import verdicts_frame
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.report import relevance as drawing
from cemvis.report.style import save_png_and_pdf
from cemvis.workflows._explain_figures import Figures

if TYPE_CHECKING:
    from pandas import DataFrame

    from cemvis.workflows._explain_result import ExplainConfig, ExplainResult
    from cemvis.workflows._explain_run import Drawn, Totals
    from cemvis.workflows._explain_subjects import Floats, Subjects

SUMMARY = "explain.json"
_TABLES = ("maps", "layers", "centre", "curves", "faithfulness")
_FOLDERS = ("relevance", "regions", "figures", "mean")
_OWN = re.compile(r"(\d{5}_.*|methods|centre|faithfulness)\.(tif|png|pdf)")
OUTPUTS = (SUMMARY, *(f"{name}.csv" for name in _TABLES), *_FOLDERS)
"""What a run writes: files, and folders with one file or two an image."""


class Writer:
    """Writes images as they come and all else at the end.

    Parameters
    ----------
    subjects : Subjects
    config : ExplainConfig
    output : Path
        A folder that is there. What an earlier run wrote is removed.
    """

    def __init__(self, subjects: Subjects, config: ExplainConfig, output: Path) -> None:
        self._subjects, self._config, self._output = subjects, config, output
        self._figures = Figures(subjects, config)
        self._files: list[Path] = []
        self._remove_earlier()
        with access_errors(output):
            for folder in _FOLDERS:
                (output / folder).mkdir(exist_ok=True)

    def write_image(self, drawn: Drawn) -> None:
        """Write relevance and regions of one image, and keep it if it is to be drawn."""
        name, explained = drawn.explained.picture.name, drawn.explained
        origin = {
            "image": explained.picture.source.name,
            "row_px": explained.picture.row_px,
            "column_px": explained.picture.column_px,
            "explained": self._subjects.outputs[explained.target],
            "score": explained.score,
            "method": self._config.method,
        }
        about = f"Relevance of each pixel for the score; {explained.score:.6g} in all but what biases absorbed."
        self._tiff("relevance", name, drawn.relevance.astype(np.float32), "Relevance", about, origin)
        about = f"255 where the {100 * self._config.share:g} % of the relevance is that the fewest pixels hold."
        self._tiff("regions", name, np.uint8(255) * drawn.regions, "Characteristic regions", about, origin)
        if self._figures.takes_next():
            self._draw(name, self._figures.image(drawn))

    def keep_methods(self, maps: Mapping[str, Floats], index: int) -> None:
        """Draw the relevance of one image by each method."""
        if not self._config.figures:
            return
        levels, _ = self._subjects.read([index])
        self._draw("methods", self._figures.methods(maps, levels[0], self._subjects.pictures[index]))

    def finish(self, found: ExplainResult, totals: Totals, *, command: str) -> ExplainResult:
        """Write tables, figures of all images, and the summary last; return the result with its files."""
        means = {name: totals.relevance[name] / totals.maps[name] for name in totals.names()}
        for stem, (name, mean) in zip(drawing.file_stems(list(means)), means.items(), strict=True):
            about = f"Mean of the relevance of {name}, each map's adding up to 1."
            origin = {"of": name, "maps": totals.maps[name]}
            self._tiff("mean", stem, mean.astype(np.float32), "Mean relevance", about, origin)
        for name, table in self._tables(found).items():
            path = self._output / f"{name}.csv"
            write_table(path, table, digits=9)
            self._files.append(path)
        if self._config.figures:
            for name, figure in self._figures.totals(found, means).items():
                self._draw(name, figure)
        record = self._summary(found, command)
        write_json(self._output / SUMMARY, record)
        return replace(found, files=(self._output / SUMMARY, *self._files))

    def _tables(self, found: ExplainResult) -> dict[str, DataFrame]:
        import pandas as pd

        tables = {"maps": found.to_frame()}
        if found.layers:
            rows = [
                {"layer": name, "absorbed_share": lost, "units": units} for name, (lost, units) in found.layers.items()
            ]
            tables["layers"] = pd.DataFrame(rows)
        centre = [each.to_frame().assign(maps=name) for name, each in found.centre.items()]
        if centre:
            tables["centre"] = pd.concat(centre, ignore_index=True)
        if found.comparison is not None:
            tables["faithfulness"] = verdicts_frame(found.comparison.verdicts)
            tables["curves"] = _curves(found)
        return tables

    def _summary(self, found: ExplainResult, command: str) -> dict[str, Any]:
        config, subjects = self._config, self._subjects
        frame = found.to_frame()
        errors, absorbed, there = frame["conservation_error"], frame["absorbed_share"], frame["explained"]
        return {
            "format": "cemvis explain",
            "format_version": 1,
            "cemvis": __version__,
            "command": command,
            "origin": dict(subjects.origin),
            "pixel_size_um": subjects.pixel_size_um,
            "units": {"score": subjects.unit or "logit", "relevance": "of the score, adds up to it"},
            "method": config.method,
            "score": asdict(subjects.score),
            "asked": config.asked,
            "sides": {"split": "ISODATA of each image's levels", "low": subjects.sides[0], "high": subjects.sides[1]},
            "images": len(found.images),
            "explained": sum(each.explained for each in found.images),
            "largest_conservation_error": finite_or_none(errors.max()),
            "mean_absorbed_share": finite_or_none(absorbed.mean()),
            "characteristic_regions": {
                "share": config.share,
                "mean_area": finite_or_none(frame["region_area"][there].mean()),
            },
            "boundary": {
                "threshold_per_px": None if config.boundary_quantile is not None else config.boundary_per_px,
                "quantile": config.boundary_quantile,
                "of": "the gradient's magnitude, each map's relevance adding up to 1",
                "mean_area": finite_or_none(frame["boundary_area"][there].mean()),
            },
            "centre_bias": {name: finite_or_none(each.share_inside_half) for name, each in found.centre.items()},
            "random_weights": {
                "seed": config.seed,
                "mean_rank_correlation": finite_or_none(frame["random_weights_correlation"].mean()),
                "mean_share_of_regions": finite_or_none(frame["random_weights_overlap"].mean()),
            },
            "comparison": self._comparison(found),
            "notes": list(found.notes),
            "files": [path.relative_to(self._output).as_posix() for path in self._files],
        }

    def _comparison(self, found: ExplainResult) -> dict[str, Any] | None:
        if found.comparison is None:
            return None
        config = self._config
        return {
            "images": [self._subjects.pictures[index].name for index in found.comparison.chosen],
            "baseline": config.baseline,
            "blur_px": config.blur_px if config.baseline == "blurred" else None,
            "block_px": config.block_px,
            "fractions": list(config.fractions),
            "rule": "area under insertion minus area under deletion, over the scores' distance from the baseline's",
            "methods": [
                {
                    name: finite_or_none(value) if isinstance(value, float) else value
                    for name, value in vars(each).items()
                }
                | {"as_good_as_best": each.as_good}
                for each in found.comparison.verdicts
            ],
        }

    def _tiff(self, folder: str, name: str, image: Any, title: str, about: str, origin: Mapping[str, Any]) -> None:
        path = self._output / folder / f"{name}.tif"
        raster = Raster(title, about, self._subjects.pixel_size_um, origin=origin)
        write_ome_tiff(path, [image], shape=image.shape, dtype=image.dtype.name, raster=raster)
        self._files.append(path)

    def _draw(self, name: str, figure: Any) -> None:
        self._files += save_png_and_pdf(figure, self._output / "figures" / name)

    def _remove_earlier(self) -> None:
        summary = self._output / SUMMARY
        try:
            listed = [self._output / name for name in json.loads(summary.read_text(encoding="utf-8"))["files"]]
        except (OSError, ValueError, TypeError, KeyError):
            listed = []
        # A run that was stopped has no summary.
        listed += [self._output / f"{name}.csv" for name in _TABLES]
        listed += [path for name in _FOLDERS for path in (self._output / name).glob("*.*") if _OWN.fullmatch(path.name)]
        with access_errors(self._output):
            summary.unlink(missing_ok=True)
            for path in listed:
                if path.resolve().is_relative_to(self._output.resolve()) and path.is_file():
                    path.unlink()


def _curves(found: ExplainResult) -> DataFrame:
    import pandas as pd

    assert found.comparison is not None
    names = [found.subjects.pictures[index].name for index in found.comparison.chosen]
    parts = []
    for method, each in found.comparison.curves.items():
        count = len(each.fractions)
        parts.append(
            pd.DataFrame(
                {
                    "method": method,
                    "name": np.repeat(names, count),
                    "fraction": np.tile(each.fractions, len(names)),
                    "deletion": each.deletion.ravel(),
                    "insertion": each.insertion.ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
