"""``cemvis dataset``: located indents as pairs to train on."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._area_options import area_options, areas_of
from cemvis.cli._console import progress_bar, shown_warnings

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyScale
    from cemvis.images.pixel_size import PixelSize


def _range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:  # noqa: ARG001
    if value is None:
        return None
    try:
        least, most = (float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not two depths in nm such as 300,700"
        raise click.BadParameter(msg) from error
    if not 0 <= least < most:
        msg = f"{value!r}: wanted a smaller and a larger depth in nm"
        raise click.BadParameter(msg)
    return least, most


def _words(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:  # noqa: ARG001
    return tuple(word.strip() for word in value.split(",") if word.strip())


@click.command("dataset")
@area_options
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option(
    "--window",
    "window_um",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="UM",
    help="Edge of the square window around each indent, in um.",
)
@click.option("--status", "statuses", callback=_words, default="ok", show_default=True, metavar="WORDS",
              help="Status that tests may have, with commas between.")  # fmt: skip
@click.option("--flags", callback=_words, default="", metavar="WORDS",
              help="Flags of doubtful indents that are kept, with commas between: missing, pore, ambiguous, "
              "unregistered.  [default: none]")  # fmt: skip
@click.option("--min-score", type=float, metavar="S", help="Least score of a located indent.  [default: any]")
@click.option("--max-residual", "max_residual_px", type=click.FloatRange(min=0, min_open=True), metavar="PX",
              help="Largest distance of an indent's own peak from its grid, in px.  [default: any]")  # fmt: skip
@click.option("--max-error", "max_error_px", type=click.FloatRange(min=0, min_open=True), metavar="PX",
              help="Largest estimated error of a position, in px.  [default: any]")  # fmt: skip
@click.option("--depth", "depth_nm", callback=_range, metavar="MIN,MAX",
              help="Depths in nm, such as 300,700; '300,inf' has no upper bound.  [default: any]")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the splits.")
@click.option("--export", type=click.Path(path_type=Path), metavar="FILE.zarr",
              help="Write the windows themselves, too, to hand on without the mosaics.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace an existing data set and export.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    folders: tuple[Path, ...],
    mosaics: tuple[Path, ...],
    tables: tuple[Path, ...],
    pixel_size: PixelSize | None,
    anchors: GreyScale | None,
    output: Path,
    window_um: float,
    statuses: tuple[str, ...],
    flags: tuple[str, ...],
    min_score: float | None,
    max_residual_px: float | None,
    max_error_px: float | None,
    depth_nm: tuple[float, float] | None,
    seed: int,
    export: Path | None,
    threads: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Choose indents and tie each to its window of the image before indentation.

    Each of FOLDERS holds located.csv and located.json, as `cemvis locate` writes them, or before.tif and indents.csv;
    or give --mosaic and --indents. Where a folder of located indents has decisions.csv, indents that a person rejected
    are left out, and accepted ones are kept whatever their flag, score, residual and error are.

    The data set is manifest.parquet, a row for each pair with where its window is, what was measured, and two splits
    (70, 15 and 15 % of the pairs, or of the batches), and manifest.json, what it was made from. It holds no pixels:
    keep the mosaics where they are, or move them together with it. `cemvis train` takes the folder as it is.
    """
    given = areas_of((), mosaics, tables) if mosaics or tables or not folders else []

    from cemvis.workflows.dataset import DatasetConfig, make_data_set

    config = DatasetConfig(
        statuses=statuses,
        min_score=min_score,
        max_residual_px=max_residual_px,
        max_error_px=max_error_px,
        depth_nm=depth_nm,
        flags=flags,
        window_um=window_um,
        pixel_size=pixel_size,
        anchors=anchors,
        seed=seed,
        threads=threads,
    )
    with shown_warnings(), progress_bar(quiet=quiet) as report:
        result = make_data_set(
            folders,
            output,
            config,
            areas=given,
            export=export,
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            on_area=lambda line: click.echo(line, err=True),
            progress=report,
        )
    about = result.about
    click.echo(f"{about['pairs']:,} pairs of {about['batches']} batches; seed {seed}.")
    for name, parts in about["splits"].items():
        click.echo(f"{name}: " + ", ".join(f"{count:,} {part}" for part, count in parts.items()))
    click.echo(f"\nData set: {result.folder}")
    if result.export is not None:
        click.echo(f"Windows:  {result.export}")
