"""What `cemvis locate` leaves in its folder: the table, where it comes from, and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._checks import thread_count
from cemvis._files import access_errors, check_free, sha256_of
from cemvis.analysis.indentation.located import SUMMARY, TABLE, LocatedIndents
from cemvis.analysis.indentation.micro_positioning.batch import Appearance
from cemvis.images.micrograph import Micrograph
from cemvis.images.registration import DisplacementField
from cemvis.workflows._locate_judge import Judged
from cemvis.workflows._locate_table import StageTable


def check_output(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds results already, unless they may be replaced, or decisions that cannot be read.

    Raises
    ------
    OutputExistsError, InputError, FileAccessError
    """
    from cemvis.workflows.review import OUTPUTS, decisions_in

    check_free(folder, (TABLE, SUMMARY, *OUTPUTS), overwrite=overwrite)
    decisions_in(folder)


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Make a folder; if nothing was put into it before an error, it goes again."""
    made = not folder.exists()
    with access_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


def origin_of(
    before: Micrograph,
    after: Micrograph,
    indents: Path,
    settings: dict[str, Any],
    appearance: Appearance,
    command: str,
) -> dict[str, Any]:
    """Return what located.json says beside the batches: files and digests, settings, and what imprints look like."""
    template = asdict(appearance.template)
    return {
        "version": __version__,
        "command": command,
        "before": _image_record(before),
        "after": _image_record(after),
        "indents_file": {"path": str(indents.resolve()), "sha256": sha256_of(indents)},
        "settings": settings,
        "units": {"x_um": "um", "y_um": "um", "*_px": "px of the before-image", "after_*_px": "px of the after-image"},
        "appearance": {key: _plain(value) for key, value in template.items()},
    }


def _plain(value: str | float | tuple[float, ...]) -> str | float | list[float]:
    if isinstance(value, str):
        return value
    return [float(each) for each in value] if isinstance(value, tuple) else float(value)


def _image_record(image: Micrograph) -> dict[str, Any]:
    size = image.pixel_size
    return {
        "path": str(image.path.resolve()) if image.path else "",
        "sha256": image.digest(),
        "shape": list(image.shape),
        "pixel_size_um": None if size is None else size.um,
        "pixel_size_source": None if size is None else size.source,
    }


def assembled(stage: StageTable, judged: Judged, pixel_size_um: float, about: dict[str, Any]) -> LocatedIndents:
    """Return the indenter's table with positions on the before-image, and what is said of each test."""
    table = replace(
        stage.table, x_um=judged.before_xy_px[:, 0] * pixel_size_um, y_um=judged.before_xy_px[:, 1] * pixel_size_um
    ).noted(*judged.notes)
    return LocatedIndents(
        table,
        judged.after_xy_px,
        judged.score,
        judged.residual_px,
        judged.error_px,
        judged.flag,
        judged.batches,
        pixel_size_um,
        about,
    )


def write_pictures(
    located: LocatedIndents,
    before: Micrograph,
    after: Micrograph,
    field: DisplacementField,
    folder: Path,
    *,
    threads: int | None,
    overwrite: bool,
) -> list[Path]:
    """Write figures and the review page beside located.csv; return them."""
    from cemvis.images.registration import warped_window
    from cemvis.report.located import overview_by_field
    from cemvis.workflows.review import write_location_report

    def warped(row: int, col: int, rows: int, cols: int) -> NDArray[np.float32]:
        return warped_window(after, field, row, col, rows, cols)

    overview = overview_by_field(located, before.shape, after, field, threads=thread_count(threads))
    return write_location_report(located, before, warped, folder, overview=overview, overwrite=overwrite)
