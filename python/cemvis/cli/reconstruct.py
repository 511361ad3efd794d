"""``cemvis reconstruct``: an image from a two-point correlation."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_pixel_size
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize
    from cemvis.workflows.reconstruct import ReconstructResult

_PATH = click.Path(path_type=Path)


def _parse_size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:  # noqa: ARG001
    """Return rows and columns of a text such as 256 or 256x384."""
    if value is None:
        return None
    parts = value.lower().split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        msg = f"{value!r} is not a size such as 256 or 256x384 (rows x columns)"
        raise click.BadParameter(msg)
    return int(parts[0]), int(parts[-1])


@click.command("reconstruct")
@click.argument("source", metavar="LABELS|TWO-POINT", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for the image and what belongs to it.")
@click.option(
    "--size",
    metavar="N|ROWSxCOLS",
    callback=_parse_size,
    help="Of the image to find, in px.  [default: that of LABELS up to 256 px a side; 256]",
)
@click.option(
    "--r-max",
    type=click.IntRange(min=1),
    help="Largest distance that counts, in px.  [default: 32, or half the side if that is less]",
)
@click.option(
    "--directions",
    type=click.Choice(["all", "axes"]),
    default="all",
    show_default=True,
    help="All directions, or along rows and columns alone: faster, and blind to the others.",
)
@click.option(
    "--terms",
    type=click.Choice(["all", "autocorrelations"]),
    default="all",
    show_default=True,
    help="Which pairs of phases count: all, or each phase with itself.",
)
@click.option("--open-edges", is_flag=True, help="The image to find has edges; by default it repeats without end.")
@click.option("--source-periodic", is_flag=True, help="LABELS repeats without end; by default it has edges.")
@click.option(
    "--selection",
    type=click.Choice(["interface", "random"]),
    default="interface",
    show_default=True,
    help="Swap pixels that touch another phase, or any.",
)
@click.option(
    "--candidates",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Images annealed from different beginnings, one a thread; the best is kept.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-4,
    show_default=True,
    help="Root mean square deviation of the probabilities that is good enough.",
)
@click.option(
    "--start-acceptance",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of dearer swaps that the first temperature lets happen.",
)
@click.option(
    "--cooling",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.7,
    show_default=True,
    help="Temperature of a stage over that of the one before.",
)
@click.option(
    "--trials-per-pixel",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Swaps tried in a stage, over the number of pixels.",
)
@click.option("--max-stages", type=click.IntRange(min=1), default=200, show_default=True, help="Temperatures at most.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same gives the same image.")
@click.option(
    "--pixel-size",
    metavar="SIZE",
    callback=parse_pixel_size,
    help="Of LABELS, such as '40 nm', instead of what the file says.",
)
@click.option("--threads", type=click.IntRange(1, 4096), help="For several candidates.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    source: Path,
    output: Path,
    size: tuple[int, int] | None,
    r_max: int | None,
    directions: str,
    terms: str,
    selection: str,
    candidates: int,
    tolerance: float,
    start_acceptance: float,
    cooling: float,
    trials_per_pixel: float,
    max_stages: int,
    seed: int,
    pixel_size: PixelSize | None,
    threads: int | None,
    *,
    open_edges: bool,
    source_periodic: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Find an image that has the two-point correlation of another.

    LABELS is an image whose values are the labels of 2 to 16 phases, as TIFF, PNG or .npy; TWO-POINT is the folder, or
    its phases.csv, that cemvis two-point --phases wrote. Two pixels of different phase are swapped again and again:
    always if that brings the correlation closer, and ever more seldom if not. The image is one of many with that
    correlation. Ctrl-C ends it with the image as it is then, in files with ".partial" in their names.
    """
    from cemvis.analysis.correlation.reconstruction_annealing import Options, Schedule
    from cemvis.workflows.reconstruct import ReconstructConfig, reconstruct_file

    try:
        config = ReconstructConfig(
            size=size,
            r_max=r_max,
            directions=directions,  # type: ignore[arg-type]
            source_periodic=source_periodic,
            schedule=Schedule(
                start_acceptance=start_acceptance,
                cooling=cooling,
                trials_per_pixel=trials_per_pixel,
                tolerance=tolerance,
                max_stages=max_stages,
            ),
            options=Options(
                periodic=not open_edges,
                terms=terms,  # type: ignore[arg-type]
                selection=selection,  # type: ignore[arg-type]
                candidates=candidates,
            ),
            seed=seed,
            pixel_size=pixel_size,
            threads=threads,
        )
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        result = reconstruct_file(
            source,
            output,
            config,
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            progress=progress,
        )
    _print(result)
    if result.interrupted:
        sys.exit(130)


def _print(result: ReconstructResult) -> None:
    found = result.found
    rows, cols = found.image.shape
    click.echo(
        f"{rows} x {cols} px, {result.target.phases} phases, distances up to {result.target.r_max} px: "
        f"{found.trials:,} swaps tried in {len(found.stages)} stages"
    )
    click.echo(f"Deviation of the probabilities: rms {found.rms:.3g}, largest {result.largest_deviation:.3g}")
    for note in result.notes:
        click.echo(f"  note: {note}")
    for file in result.files:
        click.echo(file)
