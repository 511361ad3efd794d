"""The files of a two-point correlation: exact counts, tables, summary and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis import __version__
from cemvis._files import access_errors, write_json, written_whole
from cemvis.analysis.correlation.lengths import SLOPE_RINGS, plateau_start
from cemvis.workflows._two_point_figures import figures
from cemvis.workflows._two_point_tables import exact_counts, tables

if TYPE_CHECKING:
    from cemvis.workflows._two_point_result import TwoPointResult

SUMMARY, COUNTS = "two_point.json", "counts.npz"
_TABLES = ("curves", "differences", "phases", "thresholds")
_FIGURES = ("two_point_map", "two_point_curves", "two_point_phases", "two_point_directions")


def output_names() -> tuple[str, ...]:
    """Return the names of all files that a run may write, the summary first."""
    listed = [f"{name}.{end}" for name in _TABLES for end in ("csv", "parquet")]
    drawn = [f"{name}.{end}" for name in _FIGURES for end in ("png", "pdf")]
    return (SUMMARY, COUNTS, *listed, *drawn)


def write_results(found: TwoPointResult, output: Path, *, notes: Sequence[str], command: str) -> TwoPointResult:
    """Write everything into a folder that is there, and return the result with its notes and files.

    What an earlier run left is removed first, its summary before all, so that no folder mixes two runs.
    """
    from cemvis.report.style import save_pdf, save_png

    found = replace(found, notes=tuple(notes))
    with access_errors(output):
        for stale in output_names():
            (output / stale).unlink(missing_ok=True)
    files = [output / COUNTS]
    with written_whole(files[0]) as beside:
        np.savez_compressed(beside, **exact_counts(found))  # type: ignore[arg-type]
    for name, table in tables(found).items():
        for end in ("csv", "parquet"):
            files.append(output / f"{name}.{end}")
            with written_whole(files[-1]) as beside:
                if end == "csv":
                    table.to_csv(beside, index=False, float_format="%.9g", lineterminator="\n")
                else:
                    table.to_parquet(beside, engine="pyarrow", index=False)
    for name, figure in figures(found).items():
        for end, save in (("png", save_png), ("pdf", save_pdf)):
            files.append(output / f"{name}.{end}")
            save(figure, files[-1])
    files.insert(0, output / SUMMARY)
    record = summary(found, command=command, files=[file.name for file in files])
    write_json(files[0], record)
    return replace(found, files=tuple(files))


def summary(found: TwoPointResult, *, command: str, files: Sequence[str]) -> dict[str, Any]:
    """Return what was counted and what it says, for JSON."""
    config, size = found.config, found.pixel_size
    return {
        "format": "cemvis two-point",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "images": [each.to_json() for each in found.images],
        "cross": None if found.cross is None else found.cross.to_json(),
        "pixel_size_um": None if size is None else size.um,
        "units": {"px": "pixels", "um": "um", "difference": "units of the images' pixels", "boundary": "1/px and 1/um"},
        "counting": {
            "r_max_px": found.r_max,
            "levels": config.quantisation.levels,
            "lowest": config.quantisation.lowest,
            "highest": config.quantisation.highest,
            "level_step": config.quantisation.step,
            "full": config.full,
            "periodic": config.periodic,
            "algorithm": found.total.differences.algorithm,
            "tile_px": found.tiling.side_px or None,
            "tiles_counted": found.tiling.counted,
            "tiles": found.tiling.every,
            "valid_pixels": int(found.total.differences.pairs[0]),
            "pairs": int(found.total.differences.pairs.sum()),
            "convention": "a displacement h lies in ring round(|h|); unordered pairs, r = 0 each pixel with itself"
            if found.cross is None
            else "a displacement h lies in ring round(|h|); ordered pairs, first pixel in the image, second in cross",
        },
        "bands": _bands(found),
        "lengths": _lengths(found),
        "phases": _phases(found),
        "notes": list(found.notes),
        "files": list(files),
    }


def _bands(found: TwoPointResult) -> dict[str, Any] | None:
    bands = found.bands
    if bands is None:
        return None
    return {
        "drawn_from": found.unit,
        "groups": bands.groups,
        "units": found.units,
        "resamplings": found.config.resamplings,
        "level": bands.level,
        "seed": found.config.seed,
    }


def _lengths(found: TwoPointResult) -> dict[str, Any]:
    bands = found.bands
    correlation = found.correlation_px
    return {
        "correlation": {
            **_length(
                found, correlation, None if bands is None else (bands.correlation_px.low, bands.correlation_px.high)
            ),
            "rule": "first r from which on the total variation distance of P(dn | r) from the plateau's, over that at "
            f"r = 0, is at most {found.config.tolerance:g} or sampling noise; none if the outer quarter is no plateau",
            "plateau_from_px": plateau_start(found.r_max),
        },
        "characteristic": {
            **_length(
                found,
                found.characteristic_px,
                None if bands is None else (bands.characteristic_px.low, bands.characteristic_px.high),
            ),
            "rule": "r >= 1 at which P(dn = 0 | r) is least",
            "distinct": None if bands is None else bands.minimum_is_distinct,
        },
    }


def _length(found: TwoPointResult, value_px: int | None, ends_px: tuple[Any, Any] | None) -> dict[str, float | None]:
    """Return a length and its interval in px and um; None is beyond what was counted, or not known."""
    numbers = {"px": value_px, "low_px": None, "high_px": None}
    if ends_px is not None:
        numbers |= {"low_px": _finite(ends_px[0]), "high_px": _finite(ends_px[1])}
    size = found.pixel_size
    scaled = {}
    if size is not None:
        scaled = {
            name.replace("px", "um"): None if value is None else value * size.um for name, value in numbers.items()
        }
    return {**numbers, **scaled}


def _finite(value: Any) -> int | None:
    return int(value) if np.isfinite(value) else None


def _phases(found: TwoPointResult) -> list[dict[str, Any]]:
    counts, slopes = found.total.phases, found.slopes
    if counts is None or found.config.phases is None:
        return []
    ranges = [asdict(each) for each in found.config.phases.given] + [{"name": "rest"}]
    rows = []
    total = int(counts.pairs[0])
    for number, name in enumerate(found.phase_names):
        row: dict[str, Any] = {**ranges[number], "name": name}
        if slopes is not None:
            row["share"] = int(counts.level_pairs(number, number)[0]) / total
            row["boundary"] = _boundary(found, number, slopes[number])
        rows.append(row)
    return rows


def _boundary(found: TwoPointResult, number: int, slope: float) -> dict[str, Any]:
    band = None if found.bands is None else found.bands.slopes
    values = [slope] if band is None else [slope, band.low[number], band.high[number]]
    names = ("", "_low", "_high")
    size = found.pixel_size
    row: dict[str, Any] = {"from_rings": min(SLOPE_RINGS, found.r_max)}
    for name, value in zip(names, values, strict=False):
        row[f"slope{name}_per_px"] = float(value)
        row[f"perimeter_per_area{name}_per_px"] = float(np.pi * value)
        row[f"surface_per_volume{name}_per_px"] = float(4 * value)
        if size is not None:
            row[f"perimeter_per_area{name}_per_um"] = float(np.pi * value / size.um)
            row[f"surface_per_volume{name}_per_um"] = float(4 * value / size.um)
    return row
