"""One page on one or several run folders, and the figures on it for publication: folders in, a file out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cemvis._files import access_errors, check_free, write_text
from cemvis.errors import FileAccessError, InputError
from cemvis.report.page.page import page_text
from cemvis.workflows._report_figures import figure_paths, write_figures
from cemvis.workflows._report_folder import RunFolder
from cemvis.workflows._report_sections import Drawn, sections_of, within_budget
from cemvis.workflows._report_view import Sources

MOST_BYTES = 15_000_000  # of the page: it goes by mail, and opens on a telephone
PICTURE_BYTES = 6_000_000
_SCALES = (1.0, 0.5, 0.25, 0.125)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ReportConfig:
    """What goes on the page.

    Attributes
    ----------
    title : str
        What stands at the top; the folders' names if empty.
    mosaics : tuple of Path
        Images, or folders with images, to look in for a run's mosaic where it is not beside the run any more.
    figures : Path or None
        Folder for the figures as PDF and PNG.
    """

    title: str = ""
    mosaics: tuple[Path, ...] = ()
    figures: Path | None = None


@dataclass(frozen=True)
class ReportResult:
    """What was written.

    Attributes
    ----------
    path : Path
    size_bytes, sections : int
    warnings : tuple of str
        As they stand at the top of the page.
    figures : tuple of Path
    """

    path: Path
    size_bytes: int
    sections: int
    warnings: tuple[str, ...]
    figures: tuple[Path, ...]


def write_report(
    folders: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    config: ReportConfig | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ReportResult:
    """Write a page on run folders: one HTML file of at most 15 MB that asks for nothing from the network.

    Any folder with JSON, CSV, PNG or OME-TIFF files that cemvis wrote is shown; folders of known commands get facts,
    views and charts of their own. Mosaics are read a band of rows at a time and shown at up to 2,048 px, maps at up to
    1,024 x 1,024 squares; where the page would get larger than 15 MB, they are shown smaller. The same files give the
    same page.

    Parameters
    ----------
    folders : sequence of path-like
    output : path-like
        The HTML file.
    config : ReportConfig, optional
    overwrite : bool
        Whether files that are there are replaced.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If nothing is given, a folder holds no results, or the page would be larger than 15 MB.
    OutputExistsError
        If an output is there and `overwrite` is not set.
    FileAccessError
        If a folder cannot be read or a file cannot be written.
    """
    config = config or ReportConfig()
    opened = _opened(folders)
    path = Path(output)
    _check_output(path, overwrite=overwrite)
    _check_mosaics(config.mosaics)
    own = Path(__file__).parents[1] / "data"  # the sample lies there
    sources = Sources((*config.mosaics, *(each.path for each in opened), own), progress=progress)
    drawn, text = _page(opened, sources, config)
    figures: tuple[Path, ...] = ()
    if config.figures is not None:
        paths = figure_paths(drawn, config.figures)
        check_free(config.figures, [each.name for each in paths], overwrite=overwrite)
    with access_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if config.figures is not None:
        figures = write_figures(drawn, config.figures, progress=progress)
    write_text(path, text)
    warned = tuple(text for each in drawn for text in each.section.warnings)
    return ReportResult(path, len(text.encode()), len(drawn), warned, figures)


def _opened(folders: Sequence[str | os.PathLike[str]]) -> list[RunFolder]:
    if not folders:
        msg = "nothing to report on; give one or several folders that cemvis commands wrote"
        raise InputError(msg)
    opened = [RunFolder.open(Path(folder)) for folder in folders]
    places = [each.path.resolve() for each in opened]
    twice = [str(each.path) for n, each in enumerate(opened) if places[n] in places[:n]]
    if twice:
        msg = f"{', '.join(twice)} given twice; wanted each folder once"
        raise InputError(msg)
    return opened


def _check_mosaics(paths: Sequence[Path]) -> None:
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        msg = f"{missing[0]} does not exist; wanted an image, or a folder with images"
        raise FileAccessError(msg)


def _check_output(path: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() not in (".html", ".htm"):
        msg = f"{path} is no name for a page; wanted one that ends in .html"
        raise InputError(msg)
    if path.is_dir():
        msg = f"{path} is a folder; wanted the name of a file"
        raise FileAccessError(msg)
    check_free(path.parent, [path.name], overwrite=overwrite)


def _page(opened: Sequence[RunFolder], sources: Sources, config: ReportConfig) -> tuple[list[Drawn], str]:
    """Return sections and the page, its views and pictures made smaller until it stays within its bound."""
    title = config.title.strip() or ", ".join(each.name for each in opened)
    for scale in _SCALES:
        sources.scale = scale
        drawn = sections_of(opened, sources)
        text = page_text(within_budget([each.section for each in drawn], PICTURE_BYTES, scale=scale), title=title)
        if len(text.encode()) <= MOST_BYTES:
            return drawn, text
    msg = f"the page would have {len(text.encode()) / 1e6:.0f} MB, more than {MOST_BYTES / 1e6:.0f}; give fewer folders"
    raise InputError(msg)
