"""Pictures of located indents and the page on which a person judges them, from a folder to the same folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cemvis._files import are_of_other_files, check_free
from cemvis.analysis.indentation.located import DECISIONS, Decision, LocatedIndents, read_decisions
from cemvis.errors import FileAccessError, FileFormatError, InputError
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.registration import DisplacementField, warped_window
from cemvis.report._located_crops import Warped
from cemvis.report.located import (
    Overview,
    gallery_figure,
    grid_figure,
    overview_by_field,
    overview_of,
    walks_figure,
)
from cemvis.report.review_page import MOST_DOUBTFUL, MOST_FINE, write_review_page
from cemvis.report.style import save_png
from cemvis.workflows._dataset_sources import find_moved
from cemvis.workflows._map_inputs import image_origin

GALLERY, GRID, WALKS, PAGE = "gallery.png", "grid.png", "walks.png", "review.html"
OUTPUTS = (GALLERY, GRID, WALKS, PAGE)
FIELD = "field.npz"

Progress = Callable[[str, int, int], None]


def write_location_report(
    located: LocatedIndents,
    before: Micrograph,
    warped: Warped,
    folder: Path,
    *,
    overview: Overview | None = None,
    most_doubtful: int = MOST_DOUBTFUL,
    most_fine: int = MOST_FINE,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Write gallery.png, grid.png, walks.png and review.html of located indents into a folder; return their paths.

    What a person decided in the folder's decisions.csv is shown in all of them; that file is only read.

    Parameters
    ----------
    before : Micrograph
    warped : callable
        ``warped(row, col, rows, cols)`` gives the after-image on the before-image's pixels, NaN where there is none.
    folder : Path
        It is there already.
    overview : Overview, optional
        The after-image made small; computed from all of `warped` around the batches if not given, which takes a
        minute for 100 million pixels; `cemvis.report.located.overview_by_field` takes a second.
    most_doubtful, most_fine : int
        Most indents on the page that are doubtful, and others.
    overwrite : bool
        Whether files that are there are replaced.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    OutputExistsError
        If an output is there and `overwrite` is not set.
    InputError, FileAccessError
        If decisions.csv is no table of decisions, or a file cannot be written.
    """
    check_free(folder, OUTPUTS, overwrite=overwrite)
    decided = decisions_in(folder)
    words = {key: decision for key, (decision, _note) in decided.items()}
    if overview is None:
        overview = overview_of(located, before.shape, warped)
    save_png(gallery_figure(located, before, warped, decisions=words), folder / GALLERY)
    save_png(grid_figure(located, overview, warped, decisions=words), folder / GRID)
    save_png(walks_figure(located), folder / WALKS)
    write_review_page(
        located,
        before,
        warped,
        folder / PAGE,
        decisions=decided,
        most=most_doubtful,
        fine=most_fine,
        progress=progress,
    )
    return [folder / name for name in OUTPUTS]


def decisions_in(folder: Path) -> dict[tuple[str, str], Decision]:
    """Return what a person decided on the indents in a folder, by batch and id; empty without a file.

    Raises
    ------
    InputError, FileAccessError
        If decisions.csv cannot be read or is no table of decisions.
    """
    return read_decisions(folder / DECISIONS)


def review_folder(
    folder: str | os.PathLike[str],
    *,
    most_doubtful: int = MOST_DOUBTFUL,
    most_fine: int = MOST_FINE,
    threads: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the pictures and the page of a folder that ``cemvis locate`` made; return their paths.

    The images are looked for where located.json says, then in the folder and above it.

    Raises
    ------
    OutputExistsError
        If an output is there and `overwrite` is not set.
    FileAccessError, FileFormatError, InputError
        If a file is missing, cannot be read, or is not the one on which the indents were located.
    """
    here = Path(folder)
    located = LocatedIndents.load(here)
    check_free(here, OUTPUTS, overwrite=overwrite)
    field_path = _field_path(located, here)
    field = DisplacementField.load(field_path)
    _check_field(located, field, field_path)
    paths = {name: _image_path(located, here, name) for name in ("before", "after")}
    with open_micrograph(paths["before"]) as before, open_micrograph(paths["after"]) as after:
        for name, image, shape in (("before", before, field.before_shape), ("after", after, field.after_shape)):
            _check_image(located.about[name], image, shape, paths[name])
        return write_location_report(
            located,
            before,
            partial(warped_window, after, field),
            here,
            overview=overview_by_field(located, before.shape, after, field, threads=threads),
            most_doubtful=most_doubtful,
            most_fine=most_fine,
            overwrite=overwrite,
            progress=progress,
        )


def _image_path(located: LocatedIndents, folder: Path, name: str) -> Path:
    about = located.about.get(name)
    path = about.get("path") if isinstance(about, dict) else None
    if not isinstance(path, str):
        msg = f"{folder}/located.json does not say where the {name}-image is; locate again"
        raise FileFormatError(msg)
    return find_moved(Path(path), folder, what=f"the {name}-image of {folder}")


def _field_path(located: LocatedIndents, folder: Path) -> Path:
    """Return the field's file: in the folder, where `cemvis locate` leaves it, or where located.json says."""
    about = located.about.get("registration")
    said = [folder / str(path) for path in (about if isinstance(about, list) else []) if str(path).endswith(".npz")]
    for path in (folder / "registration" / FIELD, folder / FIELD, *said):
        if path.exists():
            return path
    msg = f"{folder} holds no registration/{FIELD} any more; run `cemvis locate` again"
    raise FileAccessError(msg)


def _check_field(located: LocatedIndents, field: DisplacementField, path: Path) -> None:
    """Refuse a field of other images than those on which the indents were located, as far as both say which."""
    for name in ("before", "after"):
        own, wanted = field.about.get(name), located.about.get(name)
        if not isinstance(own, dict) or not isinstance(wanted, dict):
            continue
        if are_of_other_files(own, wanted):
            msg = (
                f"{path} was made for another {name}-image than the one on which the indents were located; bring that "
                "field back or locate again"
            )
            raise InputError(msg)


def _check_image(about: dict[str, Any], image: Micrograph, shape: tuple[int, int], path: Path) -> None:
    if image.shape != shape or are_of_other_files(about, image_origin(image)):
        msg = f"{path} is not the image on which the indents were located; bring that one back or locate again"
        raise InputError(msg)
