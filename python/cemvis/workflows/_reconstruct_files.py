"""What a reconstruction leaves in its folder: the image, its curves as tables and as a figure, and a summary."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis import __version__
from cemvis._files import write_json, write_table, written_whole
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.report.figure_files import save_figure
from cemvis.report.reconstruction import Curve, Shown, reconstruction_figure
from cemvis.workflows._reconstruct_sources import LabelImage

if TYPE_CHECKING:
    import pandas as pd

    from cemvis.workflows.reconstruct import ReconstructResult

IMAGE, PREVIEW = "reconstruction.tif", "reconstruction.png"
ENERGY, CURVES, SUMMARY = "energy.csv", "two_point.csv", "reconstruction.json"
FIGURE, FIGURE_PDF = "comparison.png", "comparison.pdf"
_NAMES = (IMAGE, PREVIEW, ENERGY, CURVES, FIGURE, FIGURE_PDF, SUMMARY)


def output_names(*, partial: bool = False) -> tuple[str, ...]:
    """Return the names of the files in the folder; those of an interrupted run have ".partial" before the suffix."""
    return tuple(_named(name, partial=partial) for name in _NAMES)


def _named(name: str, *, partial: bool) -> str:
    stem, dot, end = name.rpartition(".")
    return f"{stem}.partial{dot}{end}" if partial else name


def write_results(result: ReconstructResult, output: Path, *, command: str) -> ReconstructResult:
    """Write everything to a folder that is there, the summary last, and return the result with its files."""
    partial = result.interrupted
    names = output_names(partial=partial)
    stale = names if partial else (*names, *output_names(partial=True))
    for name in reversed(stale):  # an earlier run's: its summary first, so that no folder mixes two runs
        (output / name).unlink(missing_ok=True)
    image, preview, energy, curves, figure, pdf, summary = (output / name for name in names)
    record = record_of(result, command=command, files=names)
    _write_image(result, image, record)
    _write_preview(result, preview)
    write_table(energy, result.found.to_frame(), digits=9)
    write_table(curves, _curves(result), digits=9)
    save_figure(_figure(result), figure.with_suffix(""))
    write_json(summary, record)
    return replace(result, files=(image, preview, energy, curves, figure, pdf, summary))


def record_of(result: ReconstructResult, *, command: str, files: tuple[str, ...]) -> dict[str, Any]:
    """Return what was reconstructed, from what, how, and how well, as it goes into JSON."""
    config, target, source = result.config, result.target, result.source
    found = result.found
    return {
        "format": "cemvis reconstruct",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "input": {
            "path": str(source.path),
            "sha256": source.digest,
            "kind": "labels" if isinstance(source, LabelImage) else "counts",
            "shape_px": list(source.phases.shape) if isinstance(source, LabelImage) else None,
            "pixel_size_um": None if source.pixel_size is None else source.pixel_size.um,
            "pixel_size_source": None if source.pixel_size is None else source.pixel_size.source,
            "periodic": config.source_periodic,
        },
        "units": {"distance": "px", "energy": "1", "rms_deviation": "1", "temperature": "1 (as the energy)"},
        "size_px": list(found.image.shape),
        "r_max_px": target.r_max,
        "directions": target.directions,
        "seed": config.seed,
        "schedule": asdict(config.schedule),
        "options": asdict(config.options),
        "energy_is": "sum over distances 1 to r_max and pairs of phases of weight (reached - target)^2",
        "phases": [
            {
                "phase": n,
                "name": name,
                "wanted_fraction": float(wanted),
                "fraction": float(np.count_nonzero(found.image == n) / found.image.size),
            }
            for n, (name, wanted) in enumerate(zip(source.names, target.fractions, strict=True))
        ],
        "result": {**found.to_json(), "largest_deviation": result.largest_deviation},
        "notes": list(result.notes),
        "files": list(files),
    }


def _write_image(result: ReconstructResult, path: Path, record: dict[str, Any]) -> None:
    """Write the image with the labels of the source, or the phases' numbers if that has no labels."""
    source, phases = result.source, result.found.image
    labels = source.labels if isinstance(source, LabelImage) else tuple(range(len(source.names)))
    image = np.array(labels)[phases].astype(np.uint8 if max(labels) < 256 else np.uint16)
    name = "Reconstruction from two-point statistics"
    if source.pixel_size is not None:
        raster = Raster(name, "Labels of phases.", source.pixel_size.um, origin=record)
        write_ome_tiff(path, [image], shape=image.shape, dtype=image.dtype.name, raster=raster)
        return
    from tifffile import imwrite

    with written_whole(path) as beside:
        imwrite(
            beside,
            image,
            photometric="minisblack",
            compression="zlib",
            software=f"cemvis {__version__}",
            description=json.dumps({"name": name, "origin": record}),
            metadata=None,
        )


def _write_preview(result: ReconstructResult, path: Path) -> None:
    """Write the phases as evenly spaced grey levels, 0 to 255, with the pixel size as a resolution."""
    from PIL import Image

    grey = np.rint(np.linspace(0, 255, result.target.phases)).astype(np.uint8)[result.found.image]
    size = result.source.pixel_size
    dpi = {} if size is None else {"dpi": (25_400 / size.um, 25_400 / size.um)}
    with written_whole(path) as beside:
        Image.fromarray(grey).save(beside, format="PNG", **dpi)


def _curves(result: ReconstructResult) -> pd.DataFrame:
    table = result.target.to_frame(result.reached)
    names = np.array(result.source.names)
    for column in ("phase_i", "phase_j"):
        table[column] = names[table[column]]
    if result.source.pixel_size is not None:
        table.insert(1, "r_um", table["r_px"] * result.source.pixel_size.um)
    return table


def _figure(result: ReconstructResult) -> Any:
    source, found, target = result.source, result.found, result.target
    images = [Shown(source.path.name, source.phases)] if isinstance(source, LabelImage) else []
    images.append(Shown("Reconstruction", found.image))
    pairs = target.pair_names()
    curves = [
        Curve(source.names[i], target.probabilities[:, n], result.reached[:, n])
        for n, (i, j) in enumerate(pairs)
        if i == j
    ]
    energies = []
    for candidate in range(result.config.options.candidates):
        own = [each for each in found.stages if each.candidate == candidate]
        energies.append((np.cumsum([each.trials for each in own]), np.array([each.rms for each in own])))
    rows, cols = found.image.shape
    caption = (
        f"{rows} x {cols} px from {source.path.name}; distances up to {target.r_max} px, "
        f"{'all directions' if target.directions == 'all' else 'along the axes'}, seed {result.config.seed}. "
        f"Rms deviation {found.rms:.2g}, largest {result.largest_deviation:.2g}, after {found.trials:,} swaps tried. "
        "One of many images with these statistics; cemvis " + __version__ + "."
    )
    size = None if source.pixel_size is None else source.pixel_size.um
    return reconstruction_figure(
        images,
        curves,
        energies,
        pixel_size_um=size,
        title="Reconstruction from two-point statistics",
        caption=caption,
        warnings=("interrupted: annealing had not ended",) if result.interrupted else (),
    )
