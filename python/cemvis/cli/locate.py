"""``cemvis locate``: where an indenter's tests lie on the mosaic taken before they were made."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_pixel_size
from cemvis.errors import FileAccessError

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize
    from cemvis.workflows.locate import LocateResult

_AXES = ("+x+y", "+x-y", "-x+y", "-x-y", "+y+x", "+y-x", "-y+x", "-y-x")
_PATH = click.Path(path_type=Path)


def _parse_first(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:  # noqa: ARG001
    if value is None:
        return None
    try:
        x, y = (float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not two numbers such as 12.5,30"
        raise click.BadParameter(msg) from error
    return x, y


def _parse_grid(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:  # noqa: ARG001
    if value is None:
        return None
    try:
        rows, columns = (int(part) for part in value.lower().split("x"))
    except ValueError as error:
        msg = f"{value!r} is not rows and columns such as 20x20"
        raise click.BadParameter(msg) from error
    return rows, columns


@click.command("locate")
@click.argument("folder", required=False, type=_PATH)
@click.option("--before", type=_PATH, help="The mosaic taken before indentation.  [default: FOLDER/before.tif]")
@click.option("--after", type=_PATH, help="The mosaic taken after it.  [default: FOLDER/after.tif]")
@click.option("--indents", type=_PATH, help="The indenter's file.  [default: FOLDER/indenter.csv]")
@click.option("-o", "--output", type=_PATH, help="Folder for the results.  [default: FOLDER/located]")
@click.option(
    "--axes",
    type=click.Choice(_AXES),
    default="+x+y",
    show_default=True,
    help="Which of the stage's axes point right and down on the image: +x-y for a stage whose y points up.",
)
@click.option("--grid", metavar="ROWSxCOLS", callback=_parse_grid, help="Rows and columns of every batch.")
@click.option("--sheet", metavar="NAME", help="Sheet of a workbook.")
@click.option(
    "--origin-error",
    "origin_um",
    type=click.FloatRange(0, min_open=True),
    default=3.0,
    show_default=True,
    metavar="UM",
    help="How far a batch may lie from where the table puts it, in um.",
)
@click.option(
    "--walk",
    "walk_um",
    type=click.FloatRange(0, min_open=True),
    default=0.2,
    show_default=True,
    metavar="UM",
    help="The stage's error per step (sd), in um; re-estimated from each batch.",
)
@click.option(
    "--turn",
    "turn_deg",
    type=click.FloatRange(0, 45),
    default=2.5,
    show_default=True,
    metavar="DEG",
    help="How far the table may be turned against the image, in degrees.",
)
@click.option(
    "--first",
    "first_um",
    metavar="X,Y",
    callback=_parse_first,
    help="Where the table's first test lies on the before-image, in um.  [default: looked for]",
)
@click.option("--before-pixel-size", callback=parse_pixel_size, metavar="LENGTH", help="Such as '40 nm'.")
@click.option("--after-pixel-size", callback=parse_pixel_size, metavar="LENGTH", help="Such as '40 nm'.")
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace what is there already; decisions.csv stays.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    folder: Path | None,
    before: Path | None,
    after: Path | None,
    indents: Path | None,
    output: Path | None,
    axes: str,
    grid: tuple[int, int] | None,
    sheet: str | None,
    origin_um: float,
    walk_um: float,
    turn_deg: float,
    first_um: tuple[float, float] | None,
    before_pixel_size: PixelSize | None,
    after_pixel_size: PixelSize | None,
    threads: int | None,
    *,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Locate an indenter's tests on the mosaic taken before they were made.

    Registers the after-image to the before-image, finds the grid of imprints although the stage errs by column and
    row, and writes positions, scores and flags (located.csv, located.json), figures, and a page on which a person
    accepts or rejects doubtful indents (review.html). `cemvis dataset` goes on from there.
    """
    before, after, indents, output = _files(folder, before, after, indents, output)
    from cemvis.workflows.indent_tables import IndentTablesConfig
    from cemvis.workflows.locate import LocateConfig, locate

    config = LocateConfig(
        axes=axes,
        origin_um=origin_um,
        walk_um=walk_um,
        turn_deg=turn_deg,
        first_um=first_um,
        table=IndentTablesConfig(grid=grid, sheet=sheet),
    )
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        result = locate(
            before,
            after,
            indents,
            output,
            config,
            before_pixel_size=before_pixel_size,
            after_pixel_size=after_pixel_size,
            threads=threads,
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            progress=progress,
        )
    _print(result)


def _files(folder: Path | None, *given: Path | None) -> list[Path]:
    """Return before-image, after-image, table and output, in FOLDER where they are not given."""
    names = ("before.tif", "after.tif", "indenter.csv", "located")
    options = ("--before", "--after", "--indents", "--output")
    missing = [option for option, path in zip(options, given, strict=True) if path is None]
    if folder is None:
        if missing:
            msg = f"give FOLDER, or {', '.join(missing)}"
            raise click.UsageError(msg)
        return [path for path in given if path is not None]
    wanted = [name for name, path in zip(names[:3], given, strict=False) if path is None]
    lacking = [name for name in wanted if not (folder / name).exists()]
    if lacking:
        msg = (
            f"{folder} has no {' and no '.join(lacking)}; wanted {', '.join(names[:3])} there, or other files given by "
            f"{', '.join(options[:3])}"
        )
        raise FileAccessError(msg)
    return [path or folder / name for path, name in zip(given, names, strict=True)]


def _print(result: LocateResult) -> None:
    import numpy as np

    located = result.located
    for batch in located.batches:
        click.echo(
            f"  {batch.name}: {batch.rows} x {batch.columns}, walk {batch.walk_px:.2f} px a step, evidence "
            f"{batch.evidence:.0f}, starts differ by {batch.spread_px:.2f} px"
        )
    fine = located.flag.count("")
    flags = {flag: located.flag.count(flag) for flag in dict.fromkeys(located.flag) if flag}
    told = ", ".join(f"{count:,} {flag}" for flag, count in flags.items())
    click.echo(f"  {fine:,} of {len(located):,} indents are fine{f'; {told}' if told else ''}")
    click.echo(f"  position error {np.nanmedian(located.error_px):.2f} px (median, estimated)")
    for note in located.table.notes:
        click.echo(f"  note: {note}")
    for file in result.files:
        click.echo(file)
