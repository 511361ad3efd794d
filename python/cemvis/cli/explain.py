"""``cemvis explain``: where a network's answers come from."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_anchors, parse_pixel_size
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize
    from cemvis.workflows.explain import ExplainResult, Place
    from cemvis.workflows.map import Anchors

_PATH = click.Path(path_type=Path)
METHODS = ("deep-taylor", "grad-cam", "integrated-gradients", "gradient-input")
"""As `cemvis.models.explain.METHODS`, which needs PyTorch."""
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


def _places(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Place, ...]:  # noqa: ARG001
    from cemvis.workflows.explain import Place

    try:
        return tuple(Place.parse(value) for value in values)
    except CemvisError as error:
        raise click.BadParameter(str(error)) from error


@click.command("explain")
@click.argument("images", metavar="ROOT|IMAGE...", nargs=-1, required=True, type=_PATH)
@click.option("--model", required=True, metavar="FILE|resnet", help="Model file, or the embedded network.")
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for what is found.")
@click.option(
    "--at",
    "places",
    multiple=True,
    metavar="X,Y",
    callback=_places,
    help="Middle of a window of the mosaic, in um or such as 1500px,1000px; once for each window.",
)
@click.option(
    "--method", type=click.Choice(METHODS), default="deep-taylor", show_default=True, help="How relevance is found."
)
@click.option(
    "--of",
    "asked",
    default="predicted",
    show_default=True,
    metavar="predicted|own|NAME",
    help="Whose score: the class that the network chose, the map's own, or this class or property for all.",
)
@click.option(
    "--score",
    type=click.Choice(["logit", "contrast"]),
    default="logit",
    show_default=True,
    help="The output itself, or how far it is from the mean of the other classes, or a property's from its mean.",
)
@click.option("--maps", "most", type=click.IntRange(1), metavar="N", help="Maps of each class.  [default: all]")
@click.option(
    "--share", type=_SHARE, default=0.7, show_default=True, help="Of the relevance, in characteristic regions."
)
@click.option(
    "--boundary",
    "boundary_per_px",
    type=click.FloatRange(0, min_open=True),
    default=1.5e-5,
    show_default=True,
    help="Gradient per px from which on relevance, brought to a sum of 1, makes a boundary feature.",
)
@click.option("--boundary-quantile", type=_SHARE, help="Take this quantile of each map's gradient instead.")
@click.option(
    "--compare",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Images on which all methods are compared by deletion and insertion; 0 for none.",
)
@click.option(
    "--baseline",
    type=click.Choice(["blurred", "mean", "black"]),
    default="blurred",
    show_default=True,
    help="What deleted pixels become, and where integrated gradients start.",
)
@click.option(
    "--blur", "blur_px", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="In px."
)
@click.option(
    "--block", "block_px", type=click.IntRange(1), default=8, show_default=True, help="Edge of what is deleted, in px."
)
@click.option("--steps", type=click.IntRange(1, 10_000), default=32, show_default=True, help="Of integrated gradients.")
@click.option("--layer", metavar="NAME", help="Of Grad-CAM.  [default: the last feature maps]")
@click.option(
    "--precision",
    type=click.Choice(["float64", "float32"]),
    default="float64",
    show_default=True,
    help="Of the decomposition.",
)
@click.option(
    "--figures", type=click.IntRange(0), default=6, show_default=True, help="Images that are drawn; 0 for no figures."
)
@click.option("--batch", type=click.IntRange(1), default=4, show_default=True, help="Images in memory at once.")
@click.option("--pixel-size", metavar="LENGTH", callback=parse_pixel_size, help="Such as '52 nm', for all images.")
@click.option(
    "--anchors",
    callback=parse_anchors,
    default="auto",
    show_default=True,
    metavar="auto|none|MATRIX,CLINKER",
    help="How a mosaic's grey scale is matched with the model's; see cemvis map.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same files."
)
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    images: tuple[Path, ...],
    model: str,
    output: Path,
    overwrite: bool,
    quiet: bool,
    anchors: Anchors,
    pixel_size: PixelSize | None,
    **settings: Any,
) -> None:
    """Explain where a network's answers come from: relevance of each pixel, by deep Taylor decomposition.

    With a classifier of cemvis classify, ROOT has a sub-folder of nano-porosity maps for each class, or IMAGE are such
    maps. With a network of modulus or hardness, IMAGE is a mosaic, and --at says which windows. Writes relevance and
    characteristic regions as OME-TIFF, maps.csv (score, what biases absorbed, areas in low and high porosity,
    boundary), the same with random weights, faithfulness of all methods, and figures as PNG and PDF.
    """
    from cemvis.workflows.explain import ExplainConfig, explain_images

    try:
        config = ExplainConfig(anchors=anchors, pixel_size=pixel_size, **settings)
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    called = shlex.join(["cemvis", *sys.argv[1:]])
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        found = explain_images(images, model, output, config, overwrite=overwrite, command=called, progress=progress)
    _print(found)


def _print(found: ExplainResult) -> None:
    frame = found.to_frame()
    explained = int(frame["explained"].sum())
    many = "1 image" if len(frame) == 1 else f"{len(frame)} images"
    click.echo(click.style(f"{many}, {explained} explained by {found.config.method}", bold=True))
    if explained:
        there = frame[frame["explained"]]
        click.echo(f"  characteristic regions  {100 * there['region_area'].mean():.3g} % of the area")
        click.echo(f"  boundary features       {100 * there['boundary_area'].mean():.3g} % of the area")
        if there["absorbed_share"].notna().any() and found.layers:
            worst = there["conservation_error"].max()
            click.echo(f"  absorbed by biases      {100 * there['absorbed_share'].mean():.3g} % of the score")
            click.echo(f"  conserved to            {worst:.1g} of the score")
        click.echo(f"  with random weights     rank correlation {there['random_weights_correlation'].mean():.2f}")
    if found.comparison is not None:
        click.echo("  faithfulness (insertion minus deletion):")
        for each in found.comparison.verdicts:
            interval = f" ({each.low:.3f} to {each.high:.3f})" if math.isfinite(each.low) else ""
            tie = ", as good as the best" if interval and each.behind != 0 and each.as_good else ""
            click.echo(f"    {each.method:<34} {each.faithfulness:6.3f}{interval}{tie}")
    for note in found.notes:
        click.echo(click.style(f"Note: {note}", fg="yellow"))
    click.echo(found.files[0])
