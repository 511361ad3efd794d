"""The files of a comparison: correlations, shared patterns, what was found at a glance, and the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cemvis import __version__
from cemvis._files import access_errors, json_record, write_json, write_table
from cemvis.report.style import save_png_and_pdf
from cemvis.workflows._compare_correlation import KINDS, Correlations
from cemvis.workflows._compare_findings import findings, warnings_of
from cemvis.workflows._compare_shared import Patterns
from cemvis.workflows._npm_maps import MapSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUMMARY, PAGE, FINDINGS = "compare.json", "report.html", "findings.csv"
CORRELATION, SHARED = "correlation.json", "shared.json"
_SUMMARIES = (
    ("baseline", "baseline.json"),
    ("classify", "classify.json"),
    ("explain", "explain.json"),
    ("correlation", CORRELATION),
    ("shared", SHARED),
)


def write_correlations(found: Correlations, maps: MapSet, folder: Path, *, features: str) -> None:
    """Write lengths, tests and figures of correlations into a folder, the summary last."""
    from cemvis.report.comparison import class_curves_figure, class_map_figure
    from cemvis.report.relevance import file_stems

    _begin(folder, CORRELATION)
    lengths, tests = found.rows(maps.pixel_size_um), found.test_rows(maps.pixel_size_um)
    _table(folder / "lengths.csv", lengths)
    if tests:
        _table(folder / "tests.csv", tests)
    names = ["lengths.csv", *(["tests.csv"] if tests else [])]
    for kind, classes in found.found.items():
        if classes:
            figure = class_curves_figure(classes, KINDS[kind], pixel_size_um=maps.pixel_size_um, features=features)
            names += _draw(figure, folder / f"{kind}_curves")
        for each, stem in zip(classes, file_stems([each.name for each in classes]), strict=True):
            figure = class_map_figure(each, KINDS[kind], pixel_size_um=maps.pixel_size_um, features=features)
            names += _draw(figure, folder / f"{kind}_{stem}")
    record = {
        "format": "cemvis correlation of classes",
        "format_version": 1,
        "cemvis": __version__,
        "maps_digest": maps.digest,
        "features": features,
        "pixel_size_um": maps.pixel_size_um,
        "units": {"lengths": "um", "difference": "of equivalent porosity, 1/255 a level"},
        "lengths": lengths,
        "tests": tests,
        "tested_by": "permutation of specimens between classes, or of images where a class has few specimens",
        "files": names,
    }
    write_json(folder / CORRELATION, record)


def write_patterns(found: Patterns, maps: MapSet, folder: Path) -> None:
    """Write tables and figures of shared patterns into a folder, the summary last."""
    import pandas as pd

    from cemvis.report.relevance import file_stems
    from cemvis.report.shared_patterns import fractions_figure, order_figure, patterns_figure

    _begin(folder, SHARED)
    names: list[str] = []
    if found.found:
        caption = "Maps that were never trained on and were told rightly; relevance brought to a sum of 1 a map."
        frames = [each.to_frame().assign(**{"class": name}) for name, each in found.found.items()]
        write_table(folder / "patterns.csv", pd.concat(frames), digits=8)
        names.append("patterns.csv")
        figure = patterns_figure(
            found.found, pixel_size_um=maps.pixel_size_um, title="Shared patterns of relevance", caption=caption
        )
        names += _draw(figure, folder / "patterns")
        title = "Shared pores beside what chance makes of them"
        names += _draw(fractions_figure(found.found, found.nulls, title=title, caption=caption), folder / "fractions")
        for (name, each), stem in zip(found.found.items(), file_stems(list(found.found)), strict=True):
            figure = order_figure(each, title=f"Differences between relevance maps, {name}", caption=caption)
            names += _draw(figure, folder / f"order_{stem}")
    record = {
        "format": "cemvis shared patterns",
        "format_version": 1,
        "cemvis": __version__,
        "maps_digest": maps.digest,
        "pixel_size_um": maps.pixel_size_um,
        "classes": {
            name: {
                "maps": len(each.differences),
                "contour_level": each.level,
                "shared_pore_fractions": each.fractions.tolist(),
                "gradient": each.ordered.gradient,
                "gradient_as_given": each.ordered.given_gradient,
                "gradient_hierarchical": dict(each.ordered.hierarchical_gradients),
                "nulls": [null.to_json() for null in found.nulls[name]],
            }
            for name, each in found.found.items()
        },
        "warnings": [f"class {name} has no shared patterns: {why}" for name, why in found.left_out.items()],
        "files": names,
    }
    write_json(folder / SHARED, record)


def summary(output: Path, maps: MapSet, features: Sequence[str], *, command: str) -> dict[str, Any]:
    """Return what all steps found, from their own summaries.

    Raises
    ------
    FileAccessError, FileFormatError
    """
    steps: dict[str, Any] = {}
    told: list[dict[str, Any]] = []
    for name, file in _SUMMARIES:
        with json_record(output / name / file, "cemvis compare --overwrite") as record:
            steps[name] = record
            if len(steps) == len(_SUMMARIES):
                told = findings(steps, features)
    return {
        "format": "cemvis compare",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "maps_digest": maps.digest,
        "classes": steps["classify"]["maps"]["classes"],
        "size_px": maps.size_px,
        "pixel_size_um": maps.pixel_size_um,
        "explained_features": features[0],
        "findings": told,
        "warnings": warnings_of(steps, maps.classes),
        "notes": list(maps.notes),
        "files": [FINDINGS],
    }


def write_summary(output: Path, record: Mapping[str, Any]) -> None:
    """Write the findings as a table, and the summary last."""
    _table(output / FINDINGS, record["findings"])
    write_json(output / SUMMARY, record)


def _begin(folder: Path, summary_name: str) -> None:
    """Make the folder, and take away what an earlier run wrote there."""
    with access_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / summary_name).exists():
            for path in folder.iterdir():
                if path.suffix in (".csv", ".json", ".png", ".pdf"):
                    path.unlink()


def _table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pandas as pd

    write_table(path, pd.DataFrame(rows), digits=8)


def _draw(figure: Figure, stem: Path) -> list[str]:
    return [path.name for path in save_png_and_pdf(figure, stem)]
