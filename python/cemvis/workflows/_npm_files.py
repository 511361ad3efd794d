"""The tables and the summary of `cemvis npm`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis import __version__
from cemvis._files import write_json, write_table
from cemvis.analysis.porosity.pores import BAND_EDGES, SIZE_EDGES_PX, band_shares, mean_porosity
from cemvis.workflows._npm_inputs import NpmConfig
from cemvis.workflows._npm_pass import CLINKER, MICF, MULF, Counted, MappedImage
from cemvis.workflows._npm_session import SessionAnchors

if TYPE_CHECKING:
    import pandas as pd

SUMMARY, TABLE, SIZES = "npm.json", "porosity.csv", "pore_sizes.csv"
FIGURES = "_figures"  # begins with "_": what reads maps by class passes it over
MOST_CLIPPED = 0.01
MOST_CLINKER = 0.6

DEFINITIONS = {
    "porosity": "mean equivalent porosity n of all pixels, clinker's counted as 0",
    "porosity_low, porosity_high": "2.5 and 97.5 % of the porosity over the draws of the anchors; the sampling of the "
    "paste is no part of it",
    "matrix_porosity": "mean n of the pixels that are not clinker",
    "pore": "connected pixels (8 neighbours) whose n is above pore_threshold, cut at the map's edge",
    "mean_pore": "plain mean of the areas of the pores",
    "area_weighted_pore": "mean over pore pixels of the area of their pore",
    "band_low_high": "share of the pixels with low <= n < high (the last band holds 1)",
    "units": "published average pore sizes such as 131,348 come without a unit; as nm2 it would be 0.131 um2, or "
    "48.6 px of 52 nm",
}


def output_names(names: Sequence[str], *, clinker: bool, figures: bool) -> list[str]:
    """Return the names of all files that a run writes, the summary first."""
    ends = [MULF, MICF, *([CLINKER] if clinker else [])]
    drawn = [f"{FIGURES}/{name}.{end}" for name in names for end in ("png", "pdf")] if figures else []
    return [SUMMARY, TABLE, SIZES, *(name + end for name in names for end in ends), *drawn]


@dataclass(frozen=True)
class NpmResult:
    """What `npm` found and wrote.

    Attributes
    ----------
    config : NpmConfig
    images : tuple of MappedImage
    sessions : tuple of SessionAnchors
    notes : tuple of str
    files : tuple of Path
        The summary first.
    """

    config: NpmConfig
    images: tuple[MappedImage, ...]
    sessions: tuple[SessionAnchors, ...]
    notes: tuple[str, ...]
    files: tuple[Path, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each map and for each whole image."""
        import pandas as pd

        rows = []
        for image in self.images:
            um = image.source.pixel_size.um
            for kind, each in [("image", image.whole), *(("map", each) for each in image.maps)]:
                rows.append({"file": image.source.name + MULF, "kind": kind, **_row(each, um)})
        return pd.DataFrame(rows)


def _row(each: Counted, um: float) -> dict[str, Any]:
    size = each.shape[0] * each.shape[1]
    porosity = mean_porosity(each.counts)
    low, high = np.percentile(each.porosity_draws, [2.5, 97.5])
    bands = zip(BAND_EDGES[:-1], BAND_EDGES[1:], band_shares(each.counts), strict=True)
    return {
        "row_px": each.row_px,
        "column_px": each.column_px,
        "rows": each.shape[0],
        "columns": each.shape[1],
        "porosity": porosity,
        "porosity_low": float(low),
        "porosity_high": float(high),
        "matrix_porosity": porosity * size / (size - each.clinker_px) if each.clinker_px < size else None,
        "clinker_share": each.clinker_px / size,
        **{f"band_{a:g}_{b:g}": share for a, b, share in bands},
        **({} if each.pores is None else each.pores.to_json(um)),
    }


def sizes_frame(images: Sequence[MappedImage]) -> pd.DataFrame:
    """Return the pore-size distribution of each image, pooled over its maps; of the whole image if it has no maps."""
    import pandas as pd

    rows = []
    for image in images:
        um = image.source.pixel_size.um
        pooled = [each.pores for each in image.maps or (image.whole,) if each.pores is not None]
        counts = np.sum([each.size_counts for each in pooled], axis=0, initial=0)
        areas = np.sum([each.size_areas_px for each in pooled], axis=0, initial=0)
        if not pooled:
            continue
        total = max(1, int(areas.sum()))
        for number, low in enumerate(SIZE_EDGES_PX):
            last = number + 1 == len(SIZE_EDGES_PX)
            rows.append(
                {
                    "file": image.source.name + MULF,
                    "diameter_from_um": low * um,
                    "diameter_to_um": None if last else SIZE_EDGES_PX[number + 1] * um,
                    "pores": int(counts[number]),
                    "area_um2": float(areas[number]) * um**2,
                    "share_of_pore_area": float(areas[number] / total),
                    "share_below": float(areas[: number + 1].sum() / total),
                }
            )
    names = ("file", "diameter_from_um", "diameter_to_um", "pores", "area_um2", "share_of_pore_area", "share_below")
    return pd.DataFrame(rows, columns=list(names))


def image_notes(images: Sequence[MappedImage], config: NpmConfig) -> list[str]:
    """Return what is doubtful about images: clipped greys, clinker on most of one, or found on none."""
    notes = []
    if config.clinker == "auto" and not any(image.whole.clinker_px for image in images):
        notes.append("no clinker was found; if there is some, it reads as porous: see the figures, --clinker-range")
    for image in images:
        dark, bright = image.clipped()
        name = image.source.name
        if bright > MOST_CLIPPED:
            notes.append(
                f"{name} is saturated: {bright:.1%} of its pixels have the highest grey, perhaps brighter ones cut"
            )
        if dark > MOST_CLIPPED:
            notes.append(
                f"{name}: {dark:.1%} of its pixels are black, clipped or an empty margin; their porosity reads 0"
            )
        share = image.whole.clinker_px / int(image.greys.sum())
        if share > MOST_CLINKER:
            mask = "is the mask inverted, 0 where clinker is?" if image.source.clinker else "see the figure"
            notes.append(f"{name}: {share:.1%} of it is taken for clinker; {mask}")
        if not image.maps:
            notes.append(f"{name} is smaller than a map; it has a row of its own only")
        if image.whole.pores is None:
            notes.append(f"{name} is too large to follow pores across it; its pores are given by map")
    return notes


def write_results(found: NpmResult, output: Path, *, command: str, curve: dict[str, Any]) -> tuple[Path, ...]:
    """Write tables and summary, and return their paths, the summary first."""
    paths = [output / name for name in (SUMMARY, TABLE, SIZES)]
    for table, path in ((found.to_frame(), paths[1]), (sizes_frame(found.images), paths[2])):
        write_table(path, table, digits=8)
    record = _summary(found, command=command, curve=curve, output=output)
    write_json(paths[0], record)
    return tuple(paths)


def _summary(found: NpmResult, *, command: str, curve: dict[str, Any], output: Path) -> dict[str, Any]:
    config = found.config
    rule = config.rule if config.clinker == "auto" else None
    return {
        "format": "cemvis npm",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "pixel_size_um": found.images[0].source.pixel_size.um,
        "units": {"level": "255 n, n = equivalent porosity from 0 to 1", "px": "pixels", "grey": "levels of the image"},
        "curve": curve,
        "sessions": [each.to_json() for each in found.sessions],
        "clinker": {
            "source": str(config.clinker),
            **({} if rule is None else rule.to_json()),
        },
        "maps": {
            "edge_px": config.map_px,
            "micf_sigma_px": config.sigma_px,
            "micf_rule": "Gaussian to 4 sigma over the whole image, nearest pixel beyond its edges, rounded to levels",
            "pore_threshold": "isodata" if config.pore_threshold is None else config.pore_threshold,
            "seed": config.seed,
        },
        "definitions": DEFINITIONS,
        "images": [_image(each, output) for each in found.images],
        "over_maps": _over_maps(found),
        "notes": list(found.notes),
    }


def _image(image: MappedImage, output: Path) -> dict[str, Any]:
    used = np.flatnonzero(image.greys)
    dark, bright = image.clipped()
    return {
        **image.source.to_json(),
        "name": image.source.name,
        "session": image.session.name,
        "mask": None if image.source.clinker is None else str(image.source.clinker),
        "mask_sha256": image.source.clinker_sha256,
        "greys": [int(used[0]), int(used[-1])],
        "clipped_dark_share": dark,
        "clipped_bright_share": bright,
        "maps": len(image.maps),
        "whole": _row(image.whole, image.source.pixel_size.um),
        "files": [path.relative_to(output).as_posix() for path in image.files],
    }


def _over_maps(found: NpmResult) -> dict[str, Any] | None:
    table = found.to_frame()
    maps = table[table["kind"] == "map"]
    if maps.empty:
        return None
    names = ("porosity", "matrix_porosity", "clinker_share", "mean_pore_um2", "area_weighted_pore_um2")
    kept = {name: maps[name].astype(float) for name in names}
    return {
        "maps": len(maps),
        **{
            name: {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else None}
            for name, values in kept.items()
            if values.notna().all()
        },
    }
