"""The registration that `cemvis locate` needs: made once, and taken from its folder after that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cemvis import __version__
from cemvis._files import digests_in
from cemvis.errors import CemvisError
from cemvis.images.micrograph import open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.images.registration import DisplacementField, RegistrationConfig
from cemvis.workflows._map_inputs import image_origin
from cemvis.workflows.register import FIELD, FIGURE, SUMMARY, TILES, register_mosaics

FOLDER = "registration"


def registered(
    before: Path,
    after: Path,
    output: Path,
    config: RegistrationConfig,
    pixel_sizes: tuple[PixelSize | None, PixelSize | None],
    threads: int | None,
    command: str,
    progress: Callable[[str, int, int], None],
) -> tuple[DisplacementField, tuple[Path, ...]]:
    """Return the displacement field from after to before, and its files; kept ones of the same images are taken.

    Raises
    ------
    CemvisError
        If an image cannot be used, or the two cannot be registered.
    """
    folder = output / FOLDER
    files = tuple(folder / name for name in (FIELD, TILES, SUMMARY, FIGURE))
    images = {"before": (before, pixel_sizes[0]), "after": (after, pixel_sizes[1])}
    if _is_kept(folder, images, config):
        return DisplacementField.load(folder / FIELD), tuple(file for file in files if file.exists())
    result = register_mosaics(
        after,
        before,
        folder,
        config=config,
        before_pixel_size=pixel_sizes[0],
        after_pixel_size=pixel_sizes[1],
        threads=threads,
        overwrite=True,
        command=command,
        progress=progress,
    )
    return result.registration.field, files


def _is_kept(
    folder: Path,
    images: dict[str, tuple[Path, PixelSize | None]],
    config: RegistrationConfig,
) -> bool:
    """Return whether the folder holds the registration of these images by this version with these settings."""
    try:
        summary = json.loads((folder / SUMMARY).read_text("utf-8"))
        if summary["version"] != __version__ or summary["settings"] != json.loads(json.dumps(asdict(config))):
            return False
        DisplacementField.load(folder / FIELD)
        return all(_is_image(summary[name], *image) for name, image in images.items())
    except (OSError, ValueError, KeyError, TypeError, CemvisError):
        return False


def _is_image(record: dict[str, Any], path: Path, pixel_size: PixelSize | None) -> bool:
    with open_micrograph(path, pixel_size=pixel_size) as image:
        size_um = None if image.pixel_size is None else image.pixel_size.um
        origin = image_origin(image)
    return record["pixel_size_um"] == size_um and digests_in(record) == digests_in(origin)
