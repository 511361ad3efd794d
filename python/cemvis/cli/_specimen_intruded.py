"""``cemvis specimen intruded``: virtual metal-intruded paste whose modification is known."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from cemvis.cli._console import progress_bar


@click.command()
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="NAME[:KEY=VALUE,...]",
    help="A class and its modification: strength (0 to 1), density (spots per um2 of C-S-H), radius (um), mode "
    "(conserve or densify). A name alone is not modified. Give it once for each class.",
)
@click.option(
    "--design",
    metavar="KEY:VALUES",
    help="Classes that differ in one thing, in place of --class: strength:0,0.25,0.5,1, or density: or radius:. "
    "null:2 makes two classes that are the same.",
)
@click.option("--specimens", default=4, show_default=True, type=click.IntRange(1, 100), help="Specimens of each class.")
@click.option("--regions", default=5, show_default=True, type=click.IntRange(1, 100), help="Regions of each specimen.")
@click.option("--maps", default="5x3", show_default=True, metavar="COLSxROWS", help="Maps across and down a region.")
@click.option(
    "--map-size",
    "map_px",
    default=384,
    show_default=True,
    type=click.IntRange(32, 4096),
    help="Edge of a map, in pixels of 0.052 um.",
)
@click.option(
    "--session",
    default="shared",
    show_default=True,
    type=click.Choice(["shared", "by-class", "by-specimen"]),
    help="Whether grey levels, noise and focus are the same for all, or drawn for each class or each specimen.",
)
@click.option(
    "--session-spread",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1.5),
    help="How far sessions differ, against what is usual.",
)
@click.option(
    "--specimen-spread",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="How far specimens differ in the porosity of their C-S-H: the sd of its logit.",
)
@click.option(
    "--recipe", default="wc040-28d", show_default=True, help="Which paste; `cemvis specimen --list` names them."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed gives the same files."
)
@click.option("--threads", type=click.IntRange(1), help="Threads; all cores by default.")
@click.option("--overwrite", is_flag=True, help="Replace virtual specimens that are there, and what killed runs left.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    output: Path,
    classes: tuple[str, ...],
    design: str | None,
    specimens: int,
    regions: int,
    maps: str,
    map_px: int,
    session: str,
    session_spread: float,
    specimen_spread: float,
    recipe: str,
    seed: int,
    threads: int | None,
    *,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Make virtual metal-intruded cement paste in the folder OUTPUT, class by class, with known truth.

    A class is modified in spots inside C-S-H, where its texture below a micrometre becomes finer; with mode=conserve
    (the default) the porosity of each pixel keeps its distribution, with mode=densify it falls as well. Each region is
    OUTPUT/CLASS/SPECIMEN/REGION.tif, the true nano-porosity map, and beside it .bse.tif (what the microscope shows),
    .modified.tif (which pixels differ from the twin that is not modified) and .clinker.tif. specimen.json says what
    was made, maps.csv lists the maps with their sessions, and specimen.png shows a map of each class.
    """
    from cemvis.workflows.specimen_intruded import PICTURE, IntrudedConfig, design_classes, make_intruded, parse_class

    if bool(classes) == bool(design):
        msg = "give the classes with --class, once for each, or with --design, not both"
        raise click.UsageError(msg)
    config = IntrudedConfig(
        classes=design_classes(design) if design else tuple(parse_class(text) for text in classes),
        specimens=specimens,
        regions=regions,
        maps=_maps(maps),
        map_px=map_px,
        session=session,  # type: ignore[arg-type]
        session_spread=session_spread,
        specimen_spread=specimen_spread,
        seed=seed,
        recipe=recipe,
    )
    line = shlex.join(["cemvis", *sys.argv[1:]])
    with progress_bar(quiet=quiet) as progress:
        make_intruded(config, output, overwrite=overwrite, command=line, threads=threads, progress=progress)
    click.echo(f"{output}  (look at {output / PICTURE})")


def _maps(text: str) -> tuple[int, int]:
    across, _, down = text.partition("x")
    if not (across.isdecimal() and down.isdecimal() and len(text) < 20):  # Python converts no number of 5,000 digits
        msg = f"{text!r} is not maps across and down such as 5x3"
        raise click.BadParameter(msg, param_hint="--maps")
    return int(across), int(down)
