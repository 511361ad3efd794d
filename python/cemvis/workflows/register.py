"""Registration of two mosaics: the field, its tiles, a summary and a figure, from files to files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cemvis import __version__
from cemvis._files import access_errors, check_free, digest_of, write_text, written_whole
from cemvis.errors import InputError
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.images.registration import Registration, RegistrationConfig, register, warped_window
from cemvis.images.registration.levels import Level
from cemvis.images.registration.result import USED
from cemvis.report.registration import RegisteredPair, registration_figure
from cemvis.report.style import save_png
from cemvis.workflows._map_inputs import image_origin

FIELD, TILES, SUMMARY, FIGURE = "field.npz", "tiles.csv", "registration.json", "registration.png"
_CROP_PX = 512
_OVERVIEW_PX = 700

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class RegisterResult:
    """What was found and where it was written.

    Attributes
    ----------
    registration : Registration
    summary : dict
        What registration.json holds.
    files : tuple of Path
    """

    registration: Registration
    summary: dict[str, Any]
    files: tuple[Path, ...]


def register_mosaics(
    after: str | os.PathLike[str],
    before: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    config: RegistrationConfig | None = None,
    after_pixel_size: PixelSize | None = None,
    before_pixel_size: PixelSize | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> RegisterResult:
    """Find where an after-image lies on a before-image; write field.npz, tiles.csv, registration.json and .png.

    Parameters
    ----------
    after, before : path-like
        Micrographs in any format that cemvis reads, of any size.
    output : path-like
        Folder for the files; made if it is not there.
    config : RegistrationConfig, optional
    after_pixel_size, before_pixel_size : PixelSize, optional
        Taken instead of what the files say.
    threads : int, optional
        Default: all cores that the process may use.
    overwrite : bool
        Whether files that are there are replaced.
    command : str
        Goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    OutputExistsError
        If an output is there and `overwrite` is not set.
    InputError, FileAccessError, FileFormatError
        If a file cannot be read, or the images cannot be registered.
    """
    folder = Path(output)
    check_free(folder, (FIELD, TILES, SUMMARY, FIGURE), overwrite=overwrite)
    with (
        open_micrograph(after, pixel_size=after_pixel_size) as after_image,
        open_micrograph(before, pixel_size=before_pixel_size) as before_image,
    ):
        origins = {"before": image_origin(before_image), "after": image_origin(after_image)}
        _refuse_same(origins, Path(after), Path(before))
        found = register(before_image, after_image, config=config, threads=threads, progress=progress)
        summary: dict[str, Any] = {
            "version": __version__,
            "command": command,
            **{
                name: origins[name] | _path_and_size(image)
                for name, image in (("before", before_image), ("after", after_image))
            },
            "units": "px, x right and y down from the centre of each image's top-left pixel",
            "settings": asdict(config or RegistrationConfig()),
            "registration": found.to_json(),
        }
        about = {key: summary[key] for key in ("version", "command", "before", "after", "settings")}
        found = replace(found, field=replace(found.field, about=about))
        figure = registration_figure(
            _pair(before_image, after_image, found), title=_title(found), caption=_caption(found)
        )
    with access_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    found.field.save(folder / FIELD)
    with written_whole(folder / TILES) as beside:
        found.to_frame().to_csv(beside, index=False, float_format="%.4f", lineterminator="\n")
    save_png(figure, folder / FIGURE)
    write_text(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
    return RegisterResult(found, summary, tuple(folder / name for name in (FIELD, TILES, SUMMARY, FIGURE)))


def _refuse_same(origins: dict[str, dict[str, Any]], after: Path, before: Path) -> None:
    if digest_of(origins["before"]) == digest_of(origins["after"]):
        msg = (
            f"{after} and {before} are the same image; wanted the mosaic taken after indentation first, and then the "
            "one taken before it"
        )
        raise InputError(msg)


def _path_and_size(image: Micrograph) -> dict[str, Any]:
    size = image.pixel_size
    return {
        "path": str(image.path),
        "pixel_size_um": None if size is None else size.um,
        "pixel_size_source": None if size is None else size.source,
    }


def _pair(before: Micrograph, after: Micrograph, found: Registration) -> RegisteredPair:
    """Gather what the figure shows: an overview of the after-image and a crop where the field is most sure."""
    factor = max(1, -(-max(after.shape) // _OVERVIEW_PX))
    overview = Level(after, factor).hold()
    rows, cols = (min(_CROP_PX, side) for side in before.shape)
    used, affine = found.status == USED, found.field.affine
    centre = np.median(found.tiles.found_xy[used], axis=0)
    row = int(np.clip(centre[1] - rows / 2, 0, before.shape[0] - rows))
    col = int(np.clip(centre[0] - cols / 2, 0, before.shape[1] - cols))
    return RegisteredPair(
        overview=overview.read(0, 0, *overview.shape),
        overview_factor=factor,
        tiles_xy_px=found.tiles.after_xy,
        residual_xy_px=found.tiles.found_xy - found.tiles.after_xy @ affine[:, :2].T - affine[:, 2],
        peak=found.tiles.peak,
        used=used,
        seams_x_px=found.field.x_edges_px[1:-1],
        seams_y_px=found.field.y_edges_px[1:-1],
        before_crop=before.read(row, col, rows, cols).astype(np.float32),
        after_crop=warped_window(after, found.field, row, col, rows, cols),
        crop_px=(row, col),
    )


def _title(found: Registration) -> str:
    about = found.to_json()
    return f"After-image on before-image: rotated by {about['angle_deg']:.2f} degrees, scale {about['scale']:.4f}"


def _caption(found: Registration) -> str:
    about = found.to_json()
    errors = about["field_error_px"]
    seams = found.seams_px
    said = f"estimated error {errors['median']:.2f} px in the middle, " if errors else ""
    return (
        f"{len(found.tiles):,} tiles, {np.mean(found.status == USED):.0%} used; {said}{len(seams['x'])} seams along "
        f"columns and {len(seams['y'])} along rows. Arrows: what the affine part leaves. "
        + " ".join(f"Note: {note}." for note in found.notes)
    )
