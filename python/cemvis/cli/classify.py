"""``cemvis classify``: train a classifier of nano-porosity maps and test it, or ask one about new maps."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_pixel_size
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize

_TRAINER = {"epochs": "epochs", "batch": "batch", "learning_rate": "learning_rate", "stop_after": "stop_after"}


def parse_features(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:  # noqa: ARG001
    """Return kinds of maps from a text such as mulf,micf."""
    parts = tuple(part.strip().lower() for part in value.split(","))
    if len(set(parts)) < len(parts) or not set(parts) <= {"mulf", "micf"}:
        msg = f"{value!r} is not mulf, micf, or mulf,micf"
        raise click.BadParameter(msg)
    return parts


@click.command("classify")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for what is found; with --model, a CSV.")
@click.option(
    "--model", type=click.Path(path_type=Path), help="Ask this classifier about SOURCE, maps of no known class."
)
@click.option(
    "--classifier",
    type=click.Choice(["pore-network", "backbone", "forest", "svm", "knn"]),
    default="pore-network",
    show_default=True,
    help="Seven convolutions; a linear layer on a pretrained backbone; or scikit-learn's.",
)
@click.option(
    "--describe",
    type=click.Choice(["statistics", "network", "backbone"]),
    default="statistics",
    show_default=True,
    help="What forest, svm and knn learn from: porosity and two-point statistics, or features of a network.",
)
@click.option("--backbone", metavar="NAME", help="A network of timm, such as resnet18.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Of the backbone, .safetensors; or a cemvis model file as the backbone.",
)
@click.option(
    "--features",
    metavar="KIND,KIND",
    default="mulf",
    show_default=True,
    callback=parse_features,
    help="mulf, micf (through a Gaussian of 10 px), or both.",
)
@click.option("--size", "size_px", type=click.IntRange(8), default=384, show_default=True, help="Edge of a map, px.")
@click.option("--pixel-size", metavar="SIZE", callback=parse_pixel_size, help="Such as '52 nm'.  [default: the file's]")
@click.option(
    "--split",
    "by",
    type=click.Choice(["auto", "specimen", "region"]),
    default="auto",
    show_default=True,
    help="What is left out to test on; auto takes specimens where each class has several.",
)
@click.option(
    "--folds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Trainings; together they test all."
)
@click.option("--epochs", type=click.IntRange(1), help="At most.  [default: 40; of a linear layer 60]")
@click.option("--batch", type=click.IntRange(2), help="Maps in a step.  [default: 8]")
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    help="Of Adam.  [default: 0.002; of a linear layer 0.02]",
)
@click.option(
    "--stop-after",
    type=click.IntRange(1),
    help="Epochs without a better validation loss.  [default: 12; of a linear layer 8]",
)
@click.option("--no-augment", is_flag=True, help="Do not turn and mirror maps while the network learns.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Decides all that is drawn."
)
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(1, 4096), help="Of the statistics.  [default: all cores]")
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped.")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    sources: tuple[Path, ...],
    output: Path | None,
    model: Path | None,
    pixel_size: PixelSize | None,
    device: str,
    threads: int | None,
    overwrite: bool,
    quiet: bool,
    **training: Any,
) -> None:
    """Tell classes of nano-porosity maps apart: train a classifier, and test it on specimens that it never saw.

    SOURCE is folders with a sub-folder a class, ROOT/CLASS/SPECIMEN/REGION.tif, or lists maps.csv with the columns
    file, class, specimen, region and perhaps session. Images larger than a map are cut into maps; all maps of a
    region go into one part, those of images that a list gives the same region too, and whole specimens are left out to
    test on where every class has several.

    Writes the model (model_mulf.safetensors), classify.csv and .json (accuracy with interval, precision, recall, F1),
    confusion.csv, reliability.csv, predictions.csv (each tested map), parts.csv (which map was in which part),
    history.csv, and the figure classify.png and .pdf. The model is that of the first fold.

    With --model, SOURCE is images, and each of their maps gets class probabilities: to the CSV -o, or printed.
    """
    if model is not None:
        _refuse_given({*training} - {"weights"}, "is for training; a --model is asked as it was trained")
        _ask(sources, model, output, training["weights"], pixel_size, device, threads, overwrite, quiet)
        return
    if output is None:
        msg = "Missing option '-o' / '--output': the folder for what is found"
        raise click.UsageError(msg)

    from cemvis.models.map_classifier import HEAD_TRAINING, MAP_TRAINING
    from cemvis.report.classification import Shown, scores_text
    from cemvis.workflows.classify import ClassifyConfig, classify

    given = {name: training.pop(name) for name in _TRAINER}
    given = {name: value for name, value in given.items() if value is not None}
    classifier = training["classifier"]
    if classifier in ("forest", "svm", "knn") and training["describe"] != "network":
        _refuse_given(given, f"is of a network's training; {classifier} on {training['describe']} trains none")
    training["augment"] = not training.pop("no_augment")
    try:
        trainer, head = replace(MAP_TRAINING, seed=training.pop("seed"), device=device), HEAD_TRAINING
        if classifier == "backbone":
            head = replace(head, **given)
        else:
            trainer = replace(trainer, **given)
        config = ClassifyConfig(**training, pixel_size=pixel_size, trainer=trainer, head=head, threads=threads)
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    called = shlex.join(["cemvis", *sys.argv[1:]])
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        result = classify(sources, output, config, overwrite=overwrite, command=called, progress=progress)
    for note in result.notes:
        click.echo(click.style(f"Note: {note}", fg="yellow"))
    click.echo(scores_text([Shown(each.features, each.scores, each.before, each.after) for each in result.results]))
    for each in result.comparisons:
        interval = "" if each.low is None else f" ({each.low:+.3f} to {each.high:+.3f})"
        click.echo(f"accuracy of {each.better} minus that of {each.other}: {each.difference:+.3f}{interval}")
    for file in result.files:
        click.echo(file)


def _refuse_given(names: Container[str], why: str) -> None:
    """Refuse options that were given and would change nothing."""
    context = click.get_current_context()
    for option in context.command.params:
        if option.name in names and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            msg = f"{option.opts[0]} {why}"
            raise click.UsageError(msg)


def _ask(
    images: tuple[Path, ...],
    model: Path,
    output: Path | None,
    weights: Path | None,
    pixel_size: PixelSize | None,
    device: str,
    threads: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    from cemvis.workflows._classify_predict import predict_classes

    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        found = predict_classes(
            images,
            model,
            output,
            weights=weights,
            pixel_size=pixel_size,
            device=device,
            threads=threads,
            overwrite=overwrite,
            progress=progress,
        )
    if output is not None:
        click.echo(output)
        return
    answers = found.probability.argmax(axis=1)
    for place, answer, chances in zip(found.maps.places, answers, found.probability, strict=True):
        where = f"{place.path} at row {place.row_px}, column {place.column_px}"
        click.echo(f"{where}: {found.model.classes[answer]} ({chances[answer]:.3f})")
