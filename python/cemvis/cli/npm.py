"""``cemvis npm``: nano-porosity maps of metal-intruded paste from images of backscattered electrons."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_pixel_size
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.workflows.npm import NpmResult, Region

_PATH = click.Path(path_type=Path)
_ERROR = click.FloatRange(0)


def _regions(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Region, ...]:  # noqa: ARG001
    from cemvis.workflows.npm import Region

    try:
        return tuple(Region.parse(value) for value in values)
    except CemvisError as error:
        raise click.BadParameter(str(error)) from error


def parse_pore_threshold(ctx: click.Context, param: click.Parameter, value: str) -> float | None:  # noqa: ARG001
    """Return the porosity that an option's text says, or None for ``isodata``."""
    if value == "isodata":
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number < 1:
        msg = f"{value!r} is neither isodata nor a porosity between 0 and 1"
        raise click.BadParameter(msg)
    return number


def _range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:  # noqa: ARG001
    if value is None:
        return None
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not two numbers such as 0.13,0.26"
        raise click.BadParameter(msg) from error
    return low, high


@click.command("npm")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for maps, masks, tables and figures.")
@click.option("--csh-grey", type=float, metavar="GREY", help="Grey of C-S-H without metal (n = 0).")
@click.option("--metal-grey", type=float, metavar="GREY", help="Grey of metal (n = 1).")
@click.option("--csh-error", type=_ERROR, default=0.0, metavar="GREY", help="Standard error of --csh-grey.")
@click.option("--metal-error", type=_ERROR, default=0.0, metavar="GREY", help="Standard error of --metal-grey.")
@click.option(
    "--csh-region",
    "csh_regions",
    multiple=True,
    metavar="[IMAGE:]X,Y,W,H[um]",
    callback=_regions,
    help="Rectangle of C-S-H without metal, in px or um; several are pooled.",
)
@click.option(
    "--metal-region",
    "metal_regions",
    multiple=True,
    metavar="[IMAGE:]X,Y,W,H[um]",
    callback=_regions,
    help="Rectangle of metal alone.",
)
@click.option(
    "--session",
    type=click.Choice(["all", "folder", "image"]),
    default="all",
    show_default=True,
    help="Which images were taken with one contrast and brightness, and share anchors.",
)
@click.option(
    "--clinker",
    default="auto",
    show_default=True,
    metavar="auto|none|FILE|FOLDER",
    help="Clinker: segmented, none, or a mask (0 and one other value), or a folder of NAME.clinker.tif.",
)
@click.option(
    "--clinker-range",
    metavar="LOW,HIGH",
    callback=_range,
    help="Greys of segmented clinker, 0 at C-S-H to 1 at metal.  [default: by its minerals' formulas]",
)
@click.option(
    "--least-clinker",
    "least_clinker_um",
    type=click.FloatRange(0, min_open=True),
    default=1.5,
    show_default=True,
    metavar="UM",
    help="Diameter of a disc that has to fit into segmented clinker, in um.",
)
@click.option(
    "--energy", "energy_kev", type=click.FloatRange(1, 30), default=5.0, show_default=True, help="Of the beam, in keV."
)
@click.option(
    "--curve",
    type=click.Choice(["monte-carlo", "mixture"]),
    default="monte-carlo",
    show_default=True,
    help="Backscatter coefficient over porosity: simulated, or the elements' weighted by mass.",
)
@click.option(
    "--sigma", "sigma_px", type=click.FloatRange(0.1, 256), default=10.0, show_default=True, help="MicF, in px."
)
@click.option(
    "--map-size", "map_px", type=click.IntRange(8, 8192), default=384, show_default=True, help="Edge of a map, in px."
)
@click.option(
    "--pore-threshold",
    default="0.5",
    show_default=True,
    metavar="N|isodata",
    callback=parse_pore_threshold,
    help="Porosity above which a pixel is pore.",
)
@click.option("--pixel-size", metavar="LENGTH", callback=parse_pixel_size, help="Such as '52 nm', for all images.")
@click.option(
    "--bootstrap",
    "resamplings",
    type=click.IntRange(0, 10_000),
    default=200,
    show_default=True,
    help="Draws of the anchors for their errors and the porosities' intervals.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same files.")
@click.option("--figures/--no-figures", default=True, show_default=True, help="A figure an image, as PNG and PDF.")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    images: tuple[Path, ...],
    output: Path,
    clinker: str,
    clinker_range: tuple[float, float] | None,
    least_clinker_um: float,
    overwrite: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Turn IMAGE, backscattered electrons of paste whose pores are filled with metal, into maps of nano-porosity.

    IMAGE is a micrograph or a folder of them, whose sub-folders are kept. Writes NAME.mulf.tif (nano- and microscale
    features, level = 255 n) and NAME.micf.tif (microscale), the clinker mask NAME.clinker.tif, which can be corrected
    in any editor and given back by --clinker, porosity.csv and pore_sizes.csv, npm.json, and a figure of each image.

    n is the share of metal in a homogeneous mix with C-S-H that would be as bright. It needs two anchors, the greys of
    C-S-H and of metal: given, from regions, or from flat places of the images. There the brightest peak is taken for
    metal, and the darkest for C-S-H, unless other peaks tell it to be portlandite or clinker, whose brightness beside
    C-S-H is known. Look at the figure before you trust them.
    """
    from cemvis.workflows.npm import ClinkerRule, NpmConfig, npm

    try:
        rule = None
        if clinker_range is not None:
            rule = ClinkerRule(low=clinker_range[0], high=clinker_range[1], least_um=least_clinker_um)
        config = NpmConfig(
            clinker=clinker if clinker in {"auto", "none"} else Path(clinker),  # type: ignore[arg-type]
            rule=rule,
            least_clinker_um=least_clinker_um,
            **settings,
        )
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    called = shlex.join(["cemvis", *sys.argv[1:]])
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        found = npm(images, output, config, overwrite=overwrite, command=called, progress=progress)
    _print(found, output)


def _print(found: NpmResult, output: Path) -> None:
    for session in found.sessions:
        anchors = session.anchors
        where = "" if len(found.sessions) == 1 else f" ({session.name})"
        click.echo(
            f"Anchors{where}: C-S-H {anchors.csh:.2f} +- {anchors.csh_error:.2f} ({anchors.csh_source}), metal "
            f"{anchors.metal:.2f} +- {anchors.metal_error:.2f} ({anchors.metal_source})"
        )
    table = found.to_frame()
    for _, row in table[table["kind"] == "image"].iterrows():
        click.echo(
            f"{row['file']}: porosity {row['porosity']:.4f} ({row['porosity_low']:.4f} to {row['porosity_high']:.4f}), "
            f"clinker {row['clinker_share']:.1%}"
        )
    maps = table.loc[table["kind"] == "map", "porosity"].to_numpy(np.float64)
    if maps.size:
        sd = f" +- {maps.std(ddof=1):.4f}" if maps.size > 1 else ""
        click.echo(click.style(f"{maps.size} maps: porosity {maps.mean():.4f}{sd}", bold=True))
    for note in found.notes:
        click.echo(click.style(f"Note: {note}", fg="yellow"))
    click.echo(f"{len(found.files)} files in {output}")
