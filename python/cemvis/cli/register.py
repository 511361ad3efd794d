"""``cemvis register``: where a mosaic taken after indentation lies on the one taken before it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_pixel_size

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize
    from cemvis.workflows.register import RegisterResult


@click.command("register")
@click.argument("after", type=click.Path(path_type=Path))
@click.argument("before", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="cemvis-register",
    show_default=True,
    help="Folder for the files.",
)
@click.option(
    "--after-pixel-size",
    callback=parse_pixel_size,
    metavar="LENGTH",
    help="Pixel size of AFTER with unit, such as '40 nm'.  [default: the file's]",
)
@click.option(
    "--before-pixel-size", callback=parse_pixel_size, metavar="LENGTH", help="Of BEFORE.  [default: the file's]"
)
@click.option(
    "--tile",
    "tile_px",
    type=click.IntRange(64, 2048),
    default=256,
    show_default=True,
    help="Edge of the tiles, in px; on small images an eighth of the shorter edge at most, down to 96.",
)
@click.option(
    "--step",
    "step_px",
    type=click.IntRange(16, 2048),
    default=192,
    show_default=True,
    help="Distance between tiles, in px; very large mosaics take the tiles' edge.",
)
@click.option("--no-seams", is_flag=True, help="The after-image is of one piece: look for no stitching seams.")
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    after: Path,
    before: Path,
    output: Path,
    after_pixel_size: PixelSize | None,
    before_pixel_size: PixelSize | None,
    tile_px: int,
    step_px: int,
    no_seams: bool,
    threads: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Find where each place of AFTER lies on BEFORE, two micrographs of one surface.

    Rotations to 5 degrees and scales to 3 % beside the pixel sizes are found, drift, distortion and stitching seams
    too. Writes the displacement field (field.npz), the tiles that it rests on (tiles.csv), a summary
    (registration.json) and a figure (registration.png).
    """
    if step_px > tile_px:
        msg = f"--step {step_px} is larger than --tile {tile_px}: pixels between the tiles would be left out"
        raise click.UsageError(msg)
    from cemvis.images.registration import RegistrationConfig
    from cemvis.workflows.register import register_mosaics

    config = RegistrationConfig(tile_px=tile_px, step_px=step_px, seams=not no_seams)
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        result = register_mosaics(
            after,
            before,
            output,
            config=config,
            after_pixel_size=after_pixel_size,
            before_pixel_size=before_pixel_size,
            threads=threads,
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            progress=progress,
        )
    _print(result)


def _print(result: RegisterResult) -> None:
    found = result.summary["registration"]
    seams, errors = found["seams_px"], found["field_error_px"]
    _line("rotation", f"{found['angle_deg']:.3f} degrees (x towards y), scale {found['scale']:.5f}")
    _line("overlap", f"{found['overlap']:.1%} of the after-image")
    _line("tiles", ", ".join(f"{count} {name}" for name, count in found["tiles"].items()))
    for name, along in (("x", "columns"), ("y", "rows")):
        places = ", ".join(f"{place:.1f}" for place in seams[name][:12])
        more = ", ..." if len(seams[name]) > 12 else ""
        _line("seams", f"{len(seams[name])} along {along}{f' at {name} = {places}{more} px' if places else ''}")
    if errors:
        _line("error", f"{errors['median']:.2f} px (median, estimated), {errors['p99']:.2f} px (99 % are below)")
    for note in found["notes"]:
        _line("note", note)
    for file in result.files:
        click.echo(file)


def _line(name: str, text: str) -> None:
    click.echo(f"  {name:<10} {text}")
