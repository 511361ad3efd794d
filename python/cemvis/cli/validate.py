"""``cemvis validate``: whether maps of an unseen area have the statistics of measured indents."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_anchors, parse_pixel_size, parse_populations
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.analysis.indentation.deconvolution.populations import Estimate
    from cemvis.analysis.validation.result import PropertyValidation
    from cemvis.images.pixel_size import PixelSize
    from cemvis.workflows.map import Anchors

_PATH = click.Path(path_type=Path)
_BEFORE = "before.tif"


@click.command("validate")
@click.argument("models", metavar="[MODEL]...", nargs=-1, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for what is found.")
@click.option(
    "--measured", required=True, multiple=True, type=_PATH, help="Table of indents, or a folder with one. Repeatable."
)
@click.option("--mosaic", type=_PATH, help="Image of an unseen area, or the folder of a virtual one.")
@click.option("--map", "maps", multiple=True, type=_PATH, help="Folder of `cemvis map`, made already. Repeatable.")
@click.option(
    "--truth",
    type=_PATH,
    help="Folder of the virtual area that was mapped.  [default: that of --mosaic, if it is a folder]",
)
@click.option("--mask", type=_PATH, help="Image of the mosaic's size, nonzero where there are no indents.")
@click.option(
    "--step", "step_um", type=click.FloatRange(0, min_open=True), metavar="UM", help="Of the maps.  [default: window]"
)
@click.option("--pixel-size", callback=parse_pixel_size, metavar="LENGTH", help="Of the mosaic, such as '40 nm'.")
@click.option(
    "--anchors", callback=parse_anchors, default="auto", show_default=True, metavar="auto|none|MATRIX,CLINKER",
    help="How the mosaic is brought to a model's grey scale; see cemvis map.",
)  # fmt: skip
@click.option(
    "--property",
    "wanted",
    multiple=True,
    type=click.Choice(["modulus", "hardness"]),
    help="Compare this; may be repeated.  [default: what all have]",
)
@click.option(
    "--populations",
    metavar="N|auto",
    default="4",
    show_default=True,
    callback=parse_populations,
    help="In each mixture; auto takes as many as the measured indents ask for.",
)
@click.option("--starts", type=click.IntRange(1, 1000), default=30, show_default=True, help="Seeded starts of a fit.")
@click.option(
    "--resamplings",
    type=click.IntRange(20, 100_000),
    default=400,
    show_default=True,
    help="Of whole batches and of blocks of the map, for the intervals.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same files."
)
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads that map.  [default: all cores]")
@click.option("--device", default="auto", show_default=True, help="Where a network runs: auto, cpu, cuda, mps.")
@click.option("--resume", is_flag=True, help="Take the maps that an earlier run made, and go on with one begun.")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    models: tuple[Path, ...],
    output: Path,
    measured: tuple[Path, ...],
    mosaic: Path | None,
    maps: tuple[Path, ...],
    truth: Path | None,
    mask: Path | None,
    step_um: float | None,
    pixel_size: PixelSize | None,
    anchors: Anchors,
    wanted: tuple[str, ...],
    populations: int | None,
    starts: int,
    resamplings: int,
    seed: int,
    threads: int | None,
    device: str,
    resume: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Compare maps of an area that no model saw with measured indents: the out-of-bag test.

    Each MODEL maps the mosaic; or give maps that are made already. Their distributions and mixtures stand beside those
    of the measured indents: Wasserstein distances with intervals, beside how far halves of the measured indents are
    from each other, and populations in the layout of Liang et al. (2023), Table 1. For a virtual area, whose truth is
    known, there are the real errors too, by phase, and what the intervals of the maps hold.

    Writes distances.csv, populations.csv, errors.csv where there is a truth, validation.json, and figures as PNG and
    PDF; maps go into a folder each in OUTPUT/maps.
    """
    from cemvis.analysis.indentation.deconvolution.deconvolve import Settings
    from cemvis.workflows.validate import MapSettings, ValidateConfig, validate

    if mosaic is not None and (mosaic / _BEFORE).is_file():
        mosaic, truth = mosaic / _BEFORE, truth or mosaic
    try:
        settings = Settings(
            populations=populations, starts=starts, resamplings=resamplings, settling_draws=0, seed=seed
        )
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    how = MapSettings(mask, step_um, pixel_size, anchors, threads, device)
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        result = validate(
            models,
            output,
            ValidateConfig(settings, wanted, how, truth),
            measured=measured,
            mosaic=mosaic,
            maps=maps,
            resume=resume,
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            progress=progress,
        )
    for each in result.properties:
        _print(each)
    for note in result.notes:
        click.echo(click.style(f"Note: {note}.", fg="yellow"))
    for file in result.files:
        click.echo(file)


def _print(found: PropertyValidation) -> None:
    own = found.measured.sample
    click.echo(click.style(f"{found.name}: {own.size:,} measured values of {len(own.units)} batches", bold=True))
    halves = found.halves
    click.echo(
        f"  halves of them, {halves.values_each:,} each, are {halves.median:.3g} GPa apart (95 %: {halves.high:.3g})"
    )
    if found.tables_apart:
        apart = ", ".join(f"{each:.3g}" for each in found.tables_apart.values())
        click.echo(f"  each table of them is {apart} GPa from the others")
    click.echo(f"  {'':<22}{'distance in GPa':<26}{'mean less measured':<26}sd over measured")
    for label, each in found.compared.items():
        told = "told apart" if each.told_apart else "not told apart"
        click.echo(
            f"  {label:<22}{_with_interval(each.distance):<26}{_with_interval(each.difference):<26}"
            f"{_with_interval(each.sd_ratio)}  {told}"
        )
    click.echo(f"  {'fraction, mean ± sd':<22}" + "".join(f"{each.label:<26}" for each in found.sources))
    for number, population in enumerate(found.measured.found.populations):
        row = [each.found.populations[number] for each in found.sources]
        cells = [
            f"{one.fraction.value:.2f}, {one.means[found.name].value:.4g} ± {one.sds[found.name].value:.3g}"
            for one in row
        ]
        click.echo(f"  {population.name:<22}" + "".join(f"{cell:<26}" for cell in cells))
    for label, judged in found.judged.items():
        for against, errors in (("truth", judged.truth), ("tests there", judged.tests)):
            if errors:
                one = errors[0]
                held = "" if one.coverage is None else f", intervals hold {one.coverage.value:.1%} of {one.bounded:,}"
                held += "" if judged.level is None or not held else f" (promised {judged.level:.0%})"
                click.echo(
                    f"  {label} against {against}, {one.n:,} cells: R2 {one.r2.value:.3f}, RMSE {one.rmse.value:.3g}, "
                    f"MAE {one.mae.value:.3g}, bias {one.bias.value:+.2g} GPa{held}"
                )


def _with_interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"
