"""Telling classes of nano-porosity maps apart: folders of maps in, a tested classifier and its scores out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cemvis._files import access_errors, check_free, write_json
from cemvis.errors import CemvisWarning, InputError, OutputExistsError
from cemvis.models.class_splits import class_splits
from cemvis.models.deep_features import Backbone, open_backbone
from cemvis.models.map_classifier_file import load_any_model, save_class_model
from cemvis.models.map_classifier_model import BACKBONE, NETWORK, ClassModel
from cemvis.report.classification import Shown, classification_figure
from cemvis.report.style import save_png_and_pdf
from cemvis.workflows._classify_config import ClassifyConfig
from cemvis.workflows._classify_design import confounding
from cemvis.workflows._classify_files import HISTORY, PDF, PICTURE, SUMMARY, TABLES, model_name, write_tables
from cemvis.workflows._classify_result import Comparison, FeaturesResult, compared, features_result
from cemvis.workflows._classify_run import Job, described, run_fold
from cemvis.workflows._classify_store import stored_maps
from cemvis.workflows._classify_summary import caption, summary, title
from cemvis.workflows._npm_maps import MapSet, read_map_set

__all__ = ["ClassifyConfig", "ClassifyResult", "classify"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ClassifyResult:
    """What was found.

    Attributes
    ----------
    maps : MapSet
    results : tuple of FeaturesResult
        One for each kind of maps.
    comparisons : tuple of Comparison
        Of the first kind of maps with each other one.
    models : tuple of ClassModel
        Of the first fold, one for each kind of maps.
    warnings, notes : tuple of str
    files : tuple of Path
    """

    maps: MapSet
    results: tuple[FeaturesResult, ...]
    comparisons: tuple[Comparison, ...]
    models: tuple[ClassModel, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    files: tuple[Path, ...]


def classify(
    sources: Sequence[Path],
    output: Path,
    config: ClassifyConfig | None = None,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> ClassifyResult:
    """Train and test a classifier of nano-porosity maps, and write model, tables and figures to the folder `output`.

    Parameters
    ----------
    sources : sequence of Path
        As for `cemvis.workflows._npm_maps.read_map_set`.
    output : Path
    config : ClassifyConfig, optional
    overwrite : bool
        Whether the files of an earlier run, and checkpoints of a stopped one, may be replaced.
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If there are too few classes, maps, specimens or regions, or settings do not fit.
    OutputExistsError
        If an output is there and `overwrite` is not set.
    PixelSizeError, FileAccessError, FileFormatError, TrainingError

    Warns
    -----
    CemvisWarning
        For each thing besides the class that an accuracy could come from.
    """
    config = config or ClassifyConfig()
    names = _names(config)
    check_free(output, names, overwrite=overwrite)
    _check_checkpoints(output, config, overwrite=overwrite)
    given = None if config.pixel_size is None else config.pixel_size.um
    maps = read_map_set(sources, size_px=config.size_px, pixel_size_um=given, least_maps=3, least_classes=2)
    splits = class_splits(
        maps.labels(),
        maps.specimens(),
        maps.regions(),
        classes=maps.classes,
        seed=config.trainer.seed,
        folds=config.folds,
        by=config.by,
    )
    alarms = confounding(maps, splits)
    for line in alarms:
        warnings.warn(line, CemvisWarning, stacklevel=2)
    job = _job(maps, config, alarms)
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    results = []
    for features in config.features:
        stored = stored_maps(maps, output, features=features, progress=_told(progress, f"reading {features}"))
        with stored as levels:
            table = described(job, levels, _told(progress, f"describing {features}"))
            folds = []
            for fold, split in enumerate(splits):
                checkpoint = _checkpoint(output, features, fold) if job.describe == NETWORK else None
                found = run_fold(
                    job,
                    split,
                    levels,
                    features=features,
                    fold=fold,
                    table=table,
                    checkpoint=checkpoint,
                    progress=progress,
                )
                folds.append(found)
        results.append(features_result(maps, features, tuple(folds), seed=config.trainer.seed))
    return _written(output, maps, job, config, tuple(results), names, command)


def _written(
    output: Path,
    maps: MapSet,
    job: Job,
    config: ClassifyConfig,
    results: tuple[FeaturesResult, ...],
    names: list[str],
    command: str,
) -> ClassifyResult:
    """Write all files, the summary last, so that a folder with a summary is whole."""
    with access_errors(output):
        (output / SUMMARY).unlink(missing_ok=True)
        (output / HISTORY).unlink(missing_ok=True)
    first = results[0]
    comparisons = tuple(compared(maps, first, each, seed=config.trainer.seed) for each in results[1:])
    models = tuple(each.folds[0].model for each in results)
    for each, model in zip(results, models, strict=True):
        save_class_model(output / model_name(each.features), model)
    write_tables(output, maps, results)
    shown = [Shown(each.features, each.scores, each.before, each.after) for each in results]
    figure = classification_figure(
        shown, title=title(maps, job), caption=caption(maps, first, job), warnings=job.warnings
    )
    save_png_and_pdf(figure, (output / PICTURE).with_suffix(""))
    written = [name for name in names if (output / name).exists() or name == SUMMARY]
    record = summary(output, maps, job, results, comparisons, written, seed=config.trainer.seed, command=command)
    write_json(output / SUMMARY, record)
    for features in config.features:
        for fold in range(config.folds):
            _checkpoint(output, features, fold).unlink(missing_ok=True)
    files = tuple(output / name for name in written)
    return ClassifyResult(maps, results, comparisons, models, job.warnings, maps.notes, files)


def _names(config: ClassifyConfig) -> list[str]:
    return [*(model_name(each) for each in config.features), *TABLES, HISTORY, PICTURE, PDF, SUMMARY]


def _checkpoint(output: Path, features: str, fold: int) -> Path:
    return output / f"checkpoint_{features}_{fold + 1}.safetensors"


def _check_checkpoints(output: Path, config: ClassifyConfig, *, overwrite: bool) -> None:
    """Refuse checkpoints that would be lost, or remove them where that was asked for."""
    if config.resume:
        return
    there = [_checkpoint(output, features, fold) for features in config.features for fold in range(config.folds)]
    there = [path for path in there if path.exists()]
    if there and not overwrite:
        msg = f"{there[0]} is of a training that was stopped; go on with --resume, or start anew with --overwrite"
        raise OutputExistsError(msg)
    for path in there:
        with access_errors(path):
            path.unlink()


def _job(maps: MapSet, config: ClassifyConfig, alarms: tuple[str, ...]) -> Job:
    return Job(
        maps=maps,
        classifier=config.classifier,
        describe=config.described_by,
        trainer=config.trainer,
        head=config.head,
        channels=config.channels,
        augment=config.augment,
        backbone=_backbone(maps, config),
        threads=config.threads,
        warnings=alarms,
        folds=config.folds,
    )


def _backbone(maps: MapSet, config: ClassifyConfig) -> Backbone | None:
    if config.described_by != BACKBONE:
        if config.backbone is not None or config.weights is not None:
            msg = "--backbone and --weights are for --classifier backbone, or for --describe backbone"
            raise InputError(msg)
        return None
    if config.backbone is None and config.weights is not None:
        _check_unseen(maps, config.weights)
    return open_backbone(config.backbone, config.weights)


def _check_unseen(maps: MapSet, weights: Path) -> None:
    """Refuse features of a network that was trained on the very maps that are to be tested."""
    model = load_any_model(weights)
    if isinstance(model, ClassModel):
        known = model.training.known(maps.image_digests)
        if known:
            msg = (
                f"{weights} was trained on {known} of the {len(maps.image_digests)} images: its features know their "
                "classes; give a network trained on others, or --describe network, which trains one on each fold"
            )
            raise InputError(msg)


def _told(progress: Progress | None, stage: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, steps: progress(stage, done, steps)
