"""The tables, the summary and the figure of `cemvis baseline`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis import __version__
from cemvis._files import write_json, write_table
from cemvis.analysis.porosity.baseline import DEALS
from cemvis.analysis.porosity.pores import BAND_EDGES
from cemvis.report.baseline import Accuracy, ClassPoints, baseline_figure
from cemvis.report.style import save_png_and_pdf

if TYPE_CHECKING:
    import pandas as pd

    from cemvis.workflows.baseline import BaselineResult

SUMMARY, MAPS, IDENTIFIED, TUKEY, BANDS = (
    "baseline.json",
    "baseline_maps.csv",
    "identification.csv",
    "tukey_kramer.csv",
    "bands.csv",
)
PICTURE, PDF = "baseline.png", "baseline.pdf"
MOST_NAMED = 6  # in a sentence of the figure
OUTPUTS = (SUMMARY, MAPS, IDENTIFIED, TUKEY, BANDS, PICTURE, PDF)


def write_results(found: BaselineResult, output: Path, *, command: str) -> tuple[Path, ...]:
    """Write everything into a folder that is there, and return the paths, the summary first."""
    import pandas as pd

    maps = found.measured.to_frame()
    for each in found.identifications:
        name = f"{each.feature.replace(' ', '_')}_without_{each.left_out}"
        maps[f"by_{name}"] = [found.measured.maps.classes[number] for number in each.predicted]
    identified = pd.DataFrame([each.to_json() for each in found.identifications]).drop(columns="confusion")
    tukey = pd.DataFrame([row for each in found.tests for row in each.rows()])
    tables = ((maps, MAPS), (identified, IDENTIFIED), (tukey, TUKEY), (bands_frame(found), BANDS))
    for table, name in tables:
        write_table(output / name, table, digits=8)
    figure = _figure(found)
    save_png_and_pdf(figure, (output / PICTURE).with_suffix(""))
    record = summary(found, command=command)
    write_json(output / SUMMARY, record)
    return tuple(output / name for name in OUTPUTS)


def bands_frame(found: BaselineResult) -> pd.DataFrame:
    """Return mean and standard deviation over maps of each class's share of each band of porosity."""
    import pandas as pd

    measured = found.measured
    rows = []
    for number, name in enumerate(measured.maps.classes):
        mine = measured.bands[measured.labels == number]
        for band, (low, high) in enumerate(pairwise(BAND_EDGES)):
            sd = float(mine[:, band].std(ddof=1)) if len(mine) > 1 else None
            row = {"class": name, "porosity_from": low, "porosity_to": high}
            rows.append({**row, "mean_share": float(mine[:, band].mean()), "sd_share": sd, "maps": len(mine)})
    return pd.DataFrame(rows)


def summary(found: BaselineResult, *, command: str) -> dict[str, Any]:
    """Return what was measured and what it says, for JSON."""
    measured, config = found.measured, found.config
    maps = measured.maps
    return {
        "format": "cemvis baseline",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "sources": [str(path) for path in found.sources],
        "digest": maps.digest,
        "classes": list(maps.classes),
        "maps": {name: int((measured.labels == number).sum()) for number, name in enumerate(maps.classes)},
        "regions": _groups(found, measured.regions),
        "specimens": _groups(found, measured.specimens),
        "map_px": maps.size_px,
        "pixel_size_um": maps.pixel_size_um,
        "pore_size": {
            "definition": "mean over pore pixels of the area of their pore"
            if config.area_weighted
            else "plain mean of the areas of the pores",
            "unit": "um2",
            "pore": "connected pixels (8 neighbours) above the threshold, cut at the map's edge",
            "threshold": measured.pore_threshold,
            "threshold_from": "isodata of all maps together" if config.pore_threshold is None else "given",
        },
        "means": _means(found),
        "identification": [each.to_json() for each in found.identifications],
        "p_values": f"share of {DEALS} deals of the classes among whole specimens (regions where a class has one "
        "specimen) that are identified as well, the true one counted with them",
        "intervals": f"95 %, {config.resamplings} resamplings of whole {found.interval_groups} within classes, "
        f"seed {config.seed}",
        "tests": [
            {
                "feature": each.feature,
                "over": each.over,
                "observations": dict(zip(maps.classes, each.counts, strict=True)),
                "anova_f": each.f_value,
                "anova_p": each.p_value,
                "mean_square_within": each.mean_square_within,
                "tukey_kramer": each.rows(),
            }
            for each in found.tests
        ],
        "intraclass_correlation": found.intraclass,
        "notes": list(found.notes),
        "files": list(OUTPUTS),
    }


def _groups(found: BaselineResult, groups: Any) -> dict[str, int]:
    labels = found.measured.labels
    return {
        name: int(np.unique(groups[labels == number]).size) for number, name in enumerate(found.measured.maps.classes)
    }


def _means(found: BaselineResult) -> list[dict[str, Any]]:
    measured = found.measured
    rows = []
    for number, name in enumerate(measured.maps.classes):
        mine = measured.labels == number
        row: dict[str, Any] = {"class": name}
        for feature, values in (("porosity", measured.porosity), ("pore_size_um2", measured.pore_size_um2)):
            sd = float(values[mine].std(ddof=1)) if mine.sum() > 1 else None
            row |= {f"{feature}_mean": float(values[mine].mean()), f"{feature}_sd": sd}
        rows.append(row)
    return rows


def _figure(found: BaselineResult) -> Any:
    measured = found.measured
    classes = [
        ClassPoints(
            name,
            measured.porosity[measured.labels == number],
            measured.pore_size_um2[measured.labels == number],
            measured.bands[measured.labels == number],
        )
        for number, name in enumerate(measured.maps.classes)
    ]
    accuracies = [
        Accuracy(each.feature, each.left_out, each.accuracy, *each.interval) for each in found.identifications
    ]
    return baseline_figure(
        classes,
        accuracies,
        chance=found.identifications[0].chance,
        title=f"Plain statistics of {len(measured.maps)} maps",
        caption=_caption(found),
        warnings=found.warnings,
    )


def _caption(found: BaselineResult) -> str:
    maps = found.measured.maps
    return " ".join(
        [
            f"Maps of {maps.size_px} px at {maps.pixel_size_um * 1e3:.4g} nm/px. Pores: connected pixels above n = "
            f"{found.measured.pore_threshold:.3g}. Large markers: means of classes with standard deviations over maps.",
            f"Intervals: 95 % over whole {found.interval_groups}, the class means as they are.",
            *_conclusions(found),
        ]
    )


def few_of(names: Sequence[str], between: str) -> str:
    """Return names in a row, of many the first and how many more there are."""
    more = len(names) - MOST_NAMED
    return between.join(names) if more <= 0 else f"{between.join(names[:MOST_NAMED])} and {more} more"


def _conclusions(found: BaselineResult) -> Sequence[str]:
    texts = []
    for each in found.tests:
        if each.over != found.tests[-1].over:
            continue
        same = [f"{pair.first} and {pair.second}" for pair in each.pairs if not pair.different]
        told = "all means differ" if not same else f"no difference shown between {few_of(same, '; ')}"
        texts.append(f"Tukey-Kramer of {each.feature} at {each.level:.0%} over {each.over}: {told}.")
    return texts
