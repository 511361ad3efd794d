"""``cemvis train``: a model from mosaics and tables of indents."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cemvis.cli._area_options import area_line, area_options, areas_of, data_set_of
from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._resnet_options import resnet_config, resnet_options
from cemvis.models.model import UNITS
from cemvis.models.networks import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cemvis.images.grey_scale import GreyScale
    from cemvis.images.pixel_size import PixelSize
    from cemvis.models.trainer import Moment

_WINDOW_UM = 10.0


def _split_properties(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:  # noqa: ARG001
    names = tuple(name.strip() for name in value.split(","))
    if not set(names) <= set(UNITS) or len(set(names)) < len(names):
        msg = f"{value!r} is not {' or '.join(UNITS)}, or both with a comma between"
        raise click.BadParameter(msg)
    return names


@click.command("train")
@area_options
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The model file, ending in .safetensors."
)
@click.option("--network", type=click.Choice(KINDS), default="table", show_default=True, help="Kind of the model.")
@click.option(
    "--properties",
    callback=_split_properties,
    default=",".join(UNITS),
    show_default=True,
    metavar="NAMES",
    help="What to predict.",
)
@click.option(
    "--window",
    "window_um",
    type=click.FloatRange(min=0, min_open=True),
    metavar="UM",
    help="Edge of the square window around each indent, in um.  [default: 10, or the data set's]",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.9,
    show_default=True,
    help="Share that the prediction intervals are to hold of a new batch of the same specimens and sessions; nothing "
    "is promised for another material or mosaic.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Of the splits; same seed, same file.  [default: 0, or the data set's]",
)
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@resnet_options
@click.option("--note", default="", metavar="TEXT", help="What the model's card is to say.")
@click.option("--overwrite", is_flag=True, help="Replace an existing model with its scores and figures.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    folders: tuple[Path, ...],
    mosaics: tuple[Path, ...],
    tables: tuple[Path, ...],
    output: Path,
    network: str,
    properties: tuple[str, ...],
    window_um: float | None,
    pixel_size: PixelSize | None,
    anchors: GreyScale | None,
    level: float,
    seed: int | None,
    threads: int | None,
    note: str,
    overwrite: bool,
    quiet: bool,
    **resnet: Any,
) -> None:
    """Train a model that predicts modulus and hardness from a BSE mosaic.

    Each of FOLDERS holds before.tif and indents.csv, as `cemvis specimen` writes them; or give --mosaic and
    --indents. The table of indents has the columns x_um, y_um (from the centre of the mosaic's top-left pixel, x
    right, y down), modulus_gpa, hardness_gpa, batch, and perhaps status: rows that are not "ok" are left out.

    Or FOLDERS is one data set that `cemvis dataset` wrote, taken as it is. What is trained and tested on is drawn from
    the seed all the same: with the data set's own, the batches that its split_batch calls "test" are tested on and
    never trained on, also where other batches drop out.

    Scores, a CSV of them and figures are written beside the model.

    `--network resnet` is the residual network of Liang et al. (2023), trained as they did unless its options, marked
    [resnet; default], say otherwise. A training that was stopped goes on with --resume.
    """
    data_set = data_set_of(folders, mosaics, pixel_size)
    areas = areas_of(folders, mosaics, tables) if data_set is None else data_set.areas
    if window_um is None:
        window_um = _WINDOW_UM if data_set is None else data_set.window_um
    if seed is None:
        seed = 0 if data_set is None else data_set.seed

    from cemvis.report.model_card import ONLY_VIRTUAL, scores_table
    from cemvis.workflows.train import TrainConfig, train

    config = TrainConfig(
        network=network,
        resnet=resnet_config(network, resnet),
        properties=properties,
        window_um=window_um,
        pixel_size=pixel_size,
        anchors=anchors,
        level=level,
        seed=seed,
        threads=threads,
        note=note,
    )
    with shown_warnings(), progress_bar(quiet=quiet) as report:
        result = train(
            areas,
            output,
            config,
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            on_area=lambda pairs, transform: click.echo(area_line(pairs, transform), err=True),
            progress=_epoch_shower(report),
        )
    training = result.model.training
    click.echo(f"Trained on {training.pairs:,} pairs of {training.batches} batches; seed {training.seed}.")
    if training.virtual:
        click.echo(ONLY_VIRTUAL)
    click.echo("")
    click.echo(scores_table(result.model))
    files = result.files
    others = [path.name for path in files.all[1:]]
    click.echo(f"\nModel:   {files.model}\nBeside:  {', '.join(others)}")


def _epoch_shower(report: Callable[[str, int, int], None]) -> Callable[[Moment], None]:
    """Return what shows a training's progress, and a line for each epoch with its losses."""
    shown = 0

    def show(moment: Moment) -> None:
        nonlocal shown
        report("training", moment.step, moment.steps)
        if moment.validation_loss is not None and moment.epoch - 1 > shown:
            shown = moment.epoch - 1
            click.echo(f"epoch {shown}: validation loss {moment.validation_loss:.4f}", err=True)

    return show
