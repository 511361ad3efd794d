"""``cemvis two-point``: which grey levels lie at which distance from each other."""

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
    from cemvis.analysis.correlation.bands import Band
    from cemvis.analysis.correlation.phases import Phases
    from cemvis.images.pixel_size import PixelSize
    from cemvis.workflows._two_point_inputs import Distance
    from cemvis.workflows.two_point import TwoPointResult

_PATH = click.Path(path_type=Path)


def _distance(ctx: click.Context, param: click.Parameter, value: str | None) -> Distance | None:  # noqa: ARG001
    from cemvis.workflows._two_point_inputs import Distance

    try:
        return None if value is None else Distance.parse(value)
    except CemvisError as error:
        raise click.BadParameter(str(error)) from error


def _range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:  # noqa: ARG001
    if value is None:
        return None
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not two numbers such as 0,65535"
        raise click.BadParameter(msg) from error
    return low, high


def _phases(ctx: click.Context, param: click.Parameter, value: str | None) -> Phases | None:  # noqa: ARG001
    from cemvis.analysis.correlation.phases import Phases
    from cemvis.workflows._two_point_phases import read_phases

    if value is None:
        return None
    try:
        return Phases.parse(value) if "=" in value else read_phases(Path(value))
    except CemvisError as error:
        raise click.BadParameter(str(error)) from error


@click.command("two-point")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for what is found.")
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=_PATH,
    help="Image that is not 0 where pixels count. Once for all images, or once for each, in their order.",
)
@click.option(
    "--r-max",
    metavar="DISTANCE",
    callback=_distance,
    help="Largest distance, such as 96px or 5um.  [default: half the shortest side, up to 256px]",
)
@click.option(
    "--phases",
    metavar="NAME=LOW-HIGH,...|FILE",
    callback=_phases,
    help="Phases as ranges of levels, such as pores=0-50,CH=171-190, or as a CSV table: phase, lowest, highest.",
)
@click.option("--cross", type=_PATH, metavar="IMAGE", help="Pairs of a pixel of IMAGE and one of this second image.")
@click.option("--periodic", is_flag=True, help="Images wrap around at their edges.")
@click.option(
    "--reduced/--full",
    default=True,
    show_default=True,
    help="Differences of levels alone, or pairs of levels too, with S2 of each threshold.",
)
@click.option(
    "--directional",
    metavar="DISTANCE",
    callback=_distance,
    help="Differences by displacement too, up to this far each way.",
)
@click.option(
    "--tiles",
    type=click.IntRange(1),
    metavar="N",
    help="Count only N tiles of each image, drawn with --seed: all pairs of a large mosaic take hours.",
)
@click.option("--lineal-path", "lineal", is_flag=True, help="The lineal path function of each phase too.")
@click.option("--clusters", is_flag=True, help="The two-point cluster function of each phase too.")
@click.option(
    "--range",
    "value_range",
    metavar="LOW,HIGH",
    callback=_range,
    help="Values that become the first and the last level: needed for floats and for 16 bit.",
)
@click.option("--levels", type=click.IntRange(2, 256), default=256, show_default=True, help="How many levels.")
@click.option("--pixel-size", metavar="LENGTH", callback=parse_pixel_size, help="Such as '40 nm', for all images.")
@click.option(
    "--bootstrap",
    "resamplings",
    type=click.IntRange(0, 100_000),
    default=400,
    show_default=True,
    help="Resamplings for the bands, of whole images, or of tiles of a single one; 0 for none.",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the bands.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Change that does not count for the correlation length, as a share of that from r = 0 to the plateau.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same files."
)
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    images: tuple[Path, ...],
    output: Path,
    masks: tuple[Path, ...],
    r_max: Distance | None,
    phases: Phases | None,
    cross: Path | None,
    periodic: bool,
    reduced: bool,
    directional: Distance | None,
    tiles: int | None,
    lineal: bool,
    clusters: bool,
    value_range: tuple[float, float] | None,
    levels: int,
    pixel_size: PixelSize | None,
    resamplings: int,
    level: float,
    tolerance: float,
    seed: int,
    threads: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Count the pixel pairs of IMAGE by distance and difference of grey level: the multiphase two-point correlation.

    IMAGE is a micrograph, a map of floats (TIFF, Zarr) or a .npy array; of several, the counts add up. Every grey level
    is a phase. Writes exact counts (counts.npz), curves and differences as CSV and Parquet, two_point.json (correlation
    and characteristic length with intervals, boundaries of phases) and figures as PNG and PDF: the map of
    probabilities over distance and difference, and curves with bands.

    The correlation length is where the distribution of differences stops changing, the characteristic length where two
    pixels are least likely to have the same level.
    """
    from cemvis.workflows._two_point_read import Quantisation
    from cemvis.workflows.two_point import TwoPointConfig, two_point

    if 0 < resamplings < 20:
        msg = f"--bootstrap is {resamplings}; wanted 0, or at least 20"
        raise click.UsageError(msg)
    try:
        low, high = value_range or (None, None)
        config = TwoPointConfig(
            r_max=r_max,
            masks=masks,
            phases=phases,
            cross=cross,
            quantisation=Quantisation(levels, low, high),
            full=not reduced,
            directional=directional,
            tiles=tiles,
            lineal=lineal,
            clusters=clusters,
            periodic=periodic,
            pixel_size=pixel_size,
            resamplings=resamplings,
            level=level,
            seed=seed,
            tolerance=tolerance,
            threads=threads,
        )
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    called = shlex.join(["cemvis", *sys.argv[1:]])
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        found = two_point(images, output, config, overwrite=overwrite, command=called, progress=progress)
    _print(found)


def _print(found: TwoPointResult) -> None:
    pairs = found.total.differences.pairs
    many = "1 image" if len(found.images) == 1 else f"{len(found.images)} images"
    click.echo(
        click.style(
            f"{many}: {int(pairs[0]):,} valid pixels, {int(pairs.sum()):,} pairs to {found.r_max} px", bold=True
        )
    )
    bands = found.bands
    correlation = f"longer than can be told from r up to {found.r_max} px"
    if found.correlation_px is not None:
        correlation = _length(found, found.correlation_px, None if bands is None else bands.correlation_px)
    click.echo(f"  correlation length     {correlation}")
    least = _length(found, found.characteristic_px, None if bands is None else bands.characteristic_px)
    doubt = "" if bands is None or bands.minimum_is_distinct else ", not distinct"
    click.echo(f"  characteristic length  {least}{doubt}")
    slopes, counts = found.slopes, found.total.phases
    if slopes is not None and counts is not None:
        size = found.pixel_size
        scale, unit = (1.0, "px") if size is None else (size.um, "um")
        for number, name in enumerate(found.phase_names):
            share = int(counts.level_pairs(number, number)[0]) / int(counts.pairs[0])
            edge = 3.141592653589793 * slopes[number] / scale
            click.echo(f"  {name:<14} {100 * share:6.2f} %  perimeter {edge:.4g} {unit}/{unit}2")
    for note in found.notes:
        click.echo(click.style(f"Note: {note}", fg="yellow"))
    for file in found.files:
        click.echo(file)


def _length(found: TwoPointResult, value_px: int, band: Band | None) -> str:
    size = found.pixel_size
    scale, unit = (1.0, "px") if size is None else (size.um, "um")
    text = f"{value_px * scale:.4g} {unit}"
    if band is None:
        return text
    high = float(band.high) * scale
    return f"{text} ({float(band.low) * scale:.4g} to {f'{high:.4g}' if high < float('inf') else 'beyond'})"
