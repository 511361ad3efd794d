"""Which areas a command works on: folders, or mosaics with tables of indents, and what is known of the mosaics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cemvis.cli._options import parse_grey_scale, parse_pixel_size

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyTransform
    from cemvis.images.pixel_size import PixelSize
    from cemvis.workflows.dataset import DataSet
    from cemvis.workflows.pairs import Area, Pairs

Command = TypeVar("Command", bound=Callable[..., Any])

_MANIFEST = "manifest.json"  # of a data set; the module that says so is heavy
_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.argument("folders", nargs=-1, type=_PATH),
    click.option("--mosaic", "mosaics", multiple=True, type=_PATH, help="A mosaic taken before indentation."),
    click.option(
        "--indents",
        "tables",
        multiple=True,
        type=_PATH,
        help="The table of the indents in that --mosaic; give both as often as there are areas.",
    ),
    click.option(
        "--pixel-size",
        callback=parse_pixel_size,
        metavar="LENGTH",
        help="Pixel size of all mosaics with unit, such as '40 nm'.  [default: the files']",
    ),
    click.option(
        "--anchors",
        callback=parse_grey_scale,
        metavar="MATRIX,CLINKER",
        help="Grey levels of matrix and clinker in all mosaics.  [default: found in each one's histogram]",
    ),
)


def area_options(command: Command) -> Command:
    """Give `command` the argument FOLDERS and the options --mosaic, --indents, --pixel-size and --anchors."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def data_set_of(folders: tuple[Path, ...], mosaics: tuple[Path, ...], pixel_size: PixelSize | None) -> DataSet | None:
    """Return the data set that a command line names, or None if it names areas; refuse one mixed with other things."""
    if not any((folder / _MANIFEST).is_file() for folder in folders):
        return None
    if len(folders) > 1 or mosaics or pixel_size is not None:
        msg = "a data set is taken as it is: give it alone, without other folders, --mosaic or --pixel-size"
        raise click.UsageError(msg)
    from cemvis.workflows.dataset import load_data_set

    return load_data_set(folders[0])


def areas_of(folders: tuple[Path, ...], mosaics: tuple[Path, ...], tables: tuple[Path, ...]) -> list[Area]:
    """Return the areas that a command line names, and refuse one that names none or lacks a half."""
    from cemvis.workflows.pairs import Area

    if len(mosaics) != len(tables):
        msg = f"{len(mosaics)} --mosaic and {len(tables)} --indents; wanted them in pairs"
        raise click.UsageError(msg)
    if not folders and not mosaics:
        msg = "give FOLDERS that hold before.tif and indents.csv, or --mosaic with --indents"
        raise click.UsageError(msg)
    for folder in folders:
        if (folder / _MANIFEST).is_file():
            msg = f"{folder} is a data set; give the areas that it was made from"
            raise click.UsageError(msg)
    given = [Area(mosaic.stem, mosaic, table) for mosaic, table in zip(mosaics, tables, strict=True)]
    return [*(Area.in_folder(folder) for folder in folders), *given]


def area_line(pairs: Pairs, transform: GreyTransform) -> str:
    """Return a line on an area: how many pairs, what was left out, and how its grey levels were brought over."""
    left_out = {
        "not ok": pairs.indents.not_ok,
        "without a number": pairs.indents.incomplete,
        "with a window across the border": pairs.at_border,
    }
    counted = ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count)
    size = pairs.pixel_size
    return (
        f"{pairs.area.name}: {len(pairs.indents):,} pairs, windows of {pairs.window_px} px at {size} per px "
        f"({size.source}); left out: {counted or 'none'}; grey levels ({transform.source}): {transform.note}"
    )
