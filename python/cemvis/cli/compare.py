"""``cemvis compare``: classes of images, from statistics to shared patterns, on one page."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_pixel_size
from cemvis.cli.classify import parse_features
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.images.pixel_size import PixelSize

_PATH = click.Path(path_type=Path)


@click.command("compare")
@click.argument("roots", metavar="ROOT...", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for the page and a folder a step.")
@click.option("--images", is_flag=True, help="ROOT holds images of metal-intruded paste: calibrate them first.")
@click.option(
    "--features",
    metavar="KIND,KIND",
    default="mulf,micf",
    show_default=True,
    callback=parse_features,
    help="Maps to classify: mulf, micf, or both. The first kind is explained and correlated.",
)
@click.option("--size", "size_px", type=click.IntRange(8), default=384, show_default=True, help="Edge of a map, px.")
@click.option("--pixel-size", metavar="SIZE", callback=parse_pixel_size, help="Such as '52 nm'.  [default: the file's]")
@click.option(
    "--explained-maps", type=click.IntRange(1), default=40, show_default=True, help="Of each class, never trained on."
)
@click.option(
    "--whole-maps", type=click.IntRange(1), default=100, show_default=True, help="Of each class, correlated whole."
)
@click.option("--r-max", type=click.IntRange(2), help="Largest distance, px.  [default: half the map, less one]")
@click.option(
    "--folds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Trainings; together they test all."
)
@click.option("--epochs", type=click.IntRange(1), help="At most, of each training.  [default: 20]")
@click.option("--stop-after", type=click.IntRange(1), help="Epochs without a better validation loss.  [default: 6]")
@click.option(
    "--draws", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Of each null of shared patterns."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Decides all that is drawn."
)
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(1, 4096), help="Of what is counted.  [default: all cores]")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    roots: tuple[Path, ...],
    output: Path,
    pixel_size: PixelSize | None,
    epochs: int | None,
    stop_after: int | None,
    device: str,
    overwrite: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Compare classes of paste by their pore structure, and end in one page: report.html.

    ROOT holds a folder a class, ROOT/CLASS/SPECIMEN/REGION.tif, of nano-porosity maps or, with --images, of images of
    metal-intruded paste, which are calibrated as `cemvis npm` does. Then: the classes by porosity and pore size
    (`baseline`), told by a network on specimens that it never saw (`classify`), where in those maps its answers come
    from (`explain`), the two-point correlation of whole maps, of the regions that matter, and of the same masks laid
    on other maps (`correlation`), and patterns that maps share beside what chance makes of them (`shared`).

    findings.csv and compare.json hold each result beside what it has to be held against.
    """
    from cemvis.models.map_classifier import MAP_TRAINING
    from cemvis.workflows.compare import CompareConfig, compare

    given: dict[str, Any] = {
        name: value for name, value in (("epochs", epochs), ("stop_after", stop_after)) if value is not None
    }
    try:
        config = CompareConfig(**settings, pixel_size=pixel_size, trainer=replace(MAP_TRAINING, device=device, **given))
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    called = shlex.join(["cemvis", *sys.argv[1:]])
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        found = compare(roots, output, config, overwrite=overwrite, command=called, progress=progress)
    for row in found.record["findings"]:
        click.echo(_line(row))
    for file in found.files:
        click.echo(file)


def _line(row: dict[str, Any]) -> str:
    value = "unknown" if row["value"] is None else f"{row['value']:.3g} {row['unit']}".rstrip()
    ends = "" if row["low"] is None or row["high"] is None else f" ({row['low']:.3g} to {row['high']:.3g})"
    beside = f"; {row['beside']}" if row["beside"] else ""
    return f"{row['what']}: {value}{ends}{beside}"
