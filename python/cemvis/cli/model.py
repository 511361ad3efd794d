"""``cemvis model``: what is in a model file, and how well it does on areas that it never saw."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._area_options import area_line, area_options, areas_of
from cemvis.cli._console import shown_warnings

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyScale
    from cemvis.images.pixel_size import PixelSize
    from cemvis.models.model import Model


@click.group("model")
def command() -> None:
    """Look at model files, and judge them on other areas."""


@command.command("info")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print the file's header as JSON.")
def info(file: str, as_json: bool) -> None:
    """Print the card of a model: what it predicts, where it is valid, what it was trained on, how good it is.

    FILE is a model file, or the word "embedded" for the model that comes with cemvis.
    """
    from cemvis.models.map_classifier_file import header_of_classes, is_class_model, load_class_model
    from cemvis.models.model_header import header_of
    from cemvis.report.classification import class_card
    from cemvis.report.model_card import model_card

    if Path(file).is_file() and is_class_model(file):
        classifier = load_class_model(file)
        about = header_of_classes(classifier) | {"sha256": classifier.digest}
        click.echo(json.dumps(about, indent=2) if as_json else class_card(classifier))
        return
    model = _opened(file)
    if as_json:
        click.echo(json.dumps(header_of(model) | {"sha256": model.digest}, indent=2))
    else:
        click.echo(model_card(model))


@command.command("test")
@click.argument("file")
@area_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="STEM",
    help="Write STEM.json, STEM.csv and STEM.png.  [default: only print]",
)
@click.option("--allow-training-areas", is_flag=True, help="Take areas that the model was trained on, too.")
@click.option("--device", default="cpu", show_default=True, help="Of a network: auto, cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace existing results.")
def test(
    file: str,
    folders: tuple[Path, ...],
    mosaics: tuple[Path, ...],
    tables: tuple[Path, ...],
    pixel_size: PixelSize | None,
    anchors: GreyScale | None,
    output: Path | None,
    allow_training_areas: bool,
    device: str,
    threads: int | None,
    overwrite: bool,
) -> None:
    """Judge a model on areas that it was not trained on: its scores, and what its intervals hold there.

    FILE is a model file, or the word "embedded" for the model that comes with cemvis. Each of FOLDERS holds before.tif
    and indents.csv, as for `cemvis train`; or give --mosaic and --indents.

    A model's intervals are for new batches of the specimens and sessions that it was trained on. What they hold in
    another material, mosaic or session is what this measures: by area, by batch and by predicted value.
    """
    from cemvis.report.judge import judge_table
    from cemvis.workflows.judge import JudgeConfig, judge

    areas = areas_of(folders, mosaics, tables)
    with shown_warnings():
        result = judge(
            _opened(file),
            areas,
            output,
            JudgeConfig(pixel_size, anchors, allow_training_areas, device, threads),
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            on_area=lambda pairs, transform: click.echo(area_line(pairs, transform), err=True),
        )
    click.echo(judge_table(result.properties))
    if result.files is not None:
        click.echo(f"\nScores:  {result.files.json}, {result.files.csv.name}\nFigure:  {result.files.figure}")


def _opened(file: str) -> Model:
    from cemvis.models.model_file import EMBEDDED, embedded_model, load_model

    if file == "embedded":
        return embedded_model()
    return embedded_model(file) if file in EMBEDDED else load_model(file)
