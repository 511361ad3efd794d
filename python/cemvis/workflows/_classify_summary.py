"""What the summary and the figure of a classification say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cemvis import __version__
from cemvis._files import sha256_of
from cemvis.models.map_classifier_model import PORE_NETWORK
from cemvis.workflows._classify_design import design_table
from cemvis.workflows._classify_files import model_name
from cemvis.workflows._classify_result import Comparison, FeaturesResult
from cemvis.workflows._classify_run import Job, job_json
from cemvis.workflows._npm_maps import MapSet


def summary(
    output: Path,
    maps: MapSet,
    job: Job,
    results: Sequence[FeaturesResult],
    comparisons: Sequence[Comparison],
    files: list[str],
    *,
    seed: int,
    command: str,
) -> dict[str, Any]:
    """Return the summary, JSON-ready; the models lie in `output` already."""
    first = results[0]
    return {
        "format": "cemvis classify",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "maps": {
            "digest": maps.digest,
            "size_px": maps.size_px,
            "pixel_size_um": maps.pixel_size_um,
            "classes": design_table(maps),
        },
        "split": {
            "tested_by": first.folds[0].split.tested_by,
            "validated_by": first.folds[0].split.validated_by,
            "folds": job.folds,
            "seed": seed,
        },
        **job_json(job),
        "warnings": list(job.warnings),
        "notes": list(maps.notes),
        "results": {each.features: each.to_json() for each in results},
        "comparisons": [asdict(each) for each in comparisons],
        "models": {each.features: sha256_of(output / model_name(each.features)) for each in results},
        "files": files,
    }


def title(maps: MapSet, job: Job) -> str:
    """Return the figure's title."""
    by = "" if job.classifier == PORE_NETWORK else f" on {job.describe}"
    return f"{len(maps.classes)} classes told by {job.classifier}{by}"


def caption(maps: MapSet, first: FeaturesResult, job: Job) -> str:
    """Return what stands below the figure."""
    regions = len(set(maps.regions()[first.tested].tolist()))
    trainings = "1 training" if job.folds == 1 else f"{job.folds} trainings"
    interval = first.scores.interval
    bar = f"Bar: 95 % interval from resampling whole {interval.by}s."
    if interval.by == "none":
        bar = "No interval can be given: a class was tested on one region alone."
    size, nm, by = maps.size_px, maps.pixel_size_um * 1e3, first.folds[0].split.tested_by
    return (
        f"{len(first.tested):,} tested maps of {size} x {size} px, {nm:.4g} nm each, in {regions} regions, "
        f"left out by {by}; {trainings}, seed {job.trainer.seed}. {bar}"
    )
