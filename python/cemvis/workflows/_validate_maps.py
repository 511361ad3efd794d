"""The maps that are compared: those made already, and those that models make of the unseen mosaic now."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cemvis._files import digest_of
from cemvis.errors import InputError
from cemvis.images.grey_scale import GreyScale
from cemvis.images.micrograph import open_micrograph
from cemvis.models.model import Model
from cemvis.models.model_file import EMBEDDED
from cemvis.workflows._map_files import SUMMARY
from cemvis.workflows._map_inputs import given_model, image_origin, open_mask
from cemvis.workflows._validate_sources import (
    Mapped,
    check_made_unseen,
    check_one_mosaic,
    check_unseen,
    file_name,
    labels_of,
    open_map,
)
from cemvis.workflows.map import Anchors, map_mosaic

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize

MAPS = "maps"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class MapSettings:
    """How models map the unseen mosaic; see `map_mosaic` for what each means.

    Attributes
    ----------
    mask : Path, optional
        Nonzero where the mosaic holds no indents.
    step_um : float, optional
    pixel_size : PixelSize, optional
    anchors : Anchors
    threads : int, optional
    device : str
    """

    mask: Path | None = None
    step_um: float | None = None
    pixel_size: PixelSize | None = None
    anchors: Anchors = "auto"
    threads: int | None = None
    device: str = "auto"


def gathered(
    models: Sequence[Path],
    folders: Sequence[Path],
    mosaic: Path | None,
    output: Path,
    settings: MapSettings,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[tuple[Mapped, ...], list[str]]:
    """Return the maps made already and those that models make now, and what there is to say of them.

    Maps are made in a folder each, in `output`/maps. With `resume` those that are finished are taken as they are, if
    they were made by the same model with the same settings.

    Raises
    ------
    InputError
        If there is nothing to compare, maps are of several mosaics, or a model was trained on what it maps.
    CemvisError
        If the mosaic cannot be mapped.
    """
    if not models and not folders:
        msg = "nothing to validate; give model files with --mosaic, or --map with folders of `cemvis map`"
        raise InputError(msg)
    if models and mosaic is None:
        msg = f"{models[0]} has nothing to map; give --mosaic with an image of an area that it never saw"
        raise InputError(msg)
    if mosaic is not None and not models:
        msg = f"no model to map {mosaic} with; give model files, or leave --mosaic out"
        raise InputError(msg)
    repeated = [
        str(path) for n, path in enumerate(folders) if path.resolve() in [each.resolve() for each in folders[:n]]
    ]
    if repeated:
        msg = f"--map {repeated[0]} is given twice; wanted each map once"
        raise InputError(msg)
    labels = labels_of([*models, *folders])
    made = [open_map(path, label) for path, label in zip(folders, labels[len(models) :], strict=True)]
    notes = check_one_mosaic(made) if made else []
    for each in made:
        notes += check_made_unseen(each)
    if mosaic is None:
        return tuple(made), notes
    loaded = [_loaded(path) for path in models]  # all of them before the long work
    with open_micrograph(mosaic, pixel_size=settings.pixel_size) as image:
        digest, origin, pixel_size_um = image.digest(), image_origin(image), image.require_pixel_size().um
    for model, label in zip(loaded, labels, strict=False):
        seen = {area.mosaic_sha256 for area in model.training.areas}
        notes += check_unseen(seen, label, digest, masked=settings.mask is not None)
    fresh = []
    for number, (model, label) in enumerate(zip(loaded, labels, strict=False)):
        folder = output / MAPS / file_name(label)
        finished = resume and (folder / SUMMARY).is_file()
        if not (finished and _is_of(folder, model, origin, settings, pixel_size_um=pixel_size_um)):
            _map(mosaic, model, folder, settings, resume=resume, overwrite=overwrite, label=label, progress=progress)
        fresh.append(open_map(folder, label))
        if number == 0 and made:
            check_one_mosaic([fresh[0], made[0]])  # before more of the wrong mosaic is mapped
    maps = (*fresh, *made)
    return maps, [*notes, *check_one_mosaic(maps)]


def _loaded(path: Path) -> Model:
    model = given_model(os.fspath(path))
    if model is None:
        msg = f"{path} is no model; wanted a model file, or one of {', '.join(EMBEDDED)}"
        raise InputError(msg)
    return model


def _map(
    mosaic: Path,
    model: Model,
    folder: Path,
    settings: MapSettings,
    *,
    resume: bool,
    overwrite: bool,
    label: str,
    progress: Progress | None,
) -> None:
    told = None if progress is None else lambda stage, done, steps: progress(f"{label}: {stage}", done, steps)
    try:
        map_mosaic(
            mosaic,
            model,
            output=folder,
            step_um=settings.step_um,
            pixel_size=settings.pixel_size,
            anchors=settings.anchors,
            mask=settings.mask,
            threads=settings.threads,
            device=settings.device,
            resume=resume,
            overwrite=overwrite,
            progress=told,
        )
    except InputError as error:  # several models map one mosaic: which one does not fit?
        msg = f"{label}: {error}"
        raise type(error)(msg) from error


def _is_of(
    folder: Path, model: Model, mosaic: Mapping[str, Any], settings: MapSettings, *, pixel_size_um: float
) -> bool:
    """Return whether a finished map is of this model, this mosaic and these settings."""
    summary, anchors = open_map(folder, "").folder.summary, settings.anchors
    asked = {
        "step_um": settings.step_um,
        "anchors": asdict(anchors) if isinstance(anchors, GreyScale) else anchors,
    }
    masked = summary.get("mask")
    if settings.mask is not None:
        with ExitStack() as stack:
            own = image_origin(open_mask(settings.mask, stack))
        if masked is None or digest_of(masked) != digest_of(own):
            return False
    return bool(
        summary["model"]["sha256"] == model.digest
        and digest_of(summary["mosaic"]) == digest_of(mosaic)
        and abs(summary["pixel_size"]["um"] / pixel_size_um - 1) <= 1e-9
        and summary.get("asked_for") == asked
        and (settings.mask is not None or masked is None)
    )
