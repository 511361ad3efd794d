"""``cemvis specimen``: virtual specimens with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cemvis.cli._console import progress_bar


class _WithIntruded(click.Command):
    """A command that hands over to another one when its first argument is ``intruded``."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] != ["intruded"]:
            return super().make_context(info_name, args, parent, **extra)
        from cemvis.cli._specimen_intruded import command as intruded

        return intruded.make_context(f"{info_name} intruded", args[1:], parent, **extra)


@click.command(cls=_WithIntruded)
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
@click.option("--recipe", default="wc040-28d", show_default=True, help="Which paste; --list names them.")
@click.option(
    "--list",
    "list_recipes",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda c, _p, v: _list(c, v),
    help="Name the recipes and stop.",
)
@click.option("--areas", default=1, show_default=True, type=click.IntRange(1, 1000), help="Areas of the specimen.")
@click.option(
    "--batches",
    default=2,
    show_default=True,
    type=click.IntRange(1, 50),
    help="Batches of 20 x 20 indents along an area's edge; a batch is 200 um wide.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed gives the same files."
)
@click.option(
    "--pixel-size",
    "pixel_size_um",
    default=0.04,
    show_default=True,
    type=float,
    help="Pixel size of the BSE mosaic, in um.",
)
@click.option(
    "--truth-step",
    "truth_step_um",
    default=2.0,
    show_default=True,
    type=float,
    help="Step of the true property maps, in um.",
)
@click.option(
    "--contrast",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Grey levels of another session: the recipe's times this ...",
)
@click.option("--brightness", default=0.0, show_default=True, type=click.FloatRange(-255, 255), help="... plus this.")
@click.option(
    "--after",
    is_flag=True,
    help="Also leave imprints where a stage that errs goes, and write the mosaic of a second visit, after.tif, the "
    "indenter's table with commanded positions, indenter.csv, and the truth of both.",
)
@click.option(
    "--imprint-contrast",
    default=20.0,
    show_default=True,
    type=click.FloatRange(0, 255),
    help="Contrast of imprints, root mean square in grey levels, for --after; C-S-H has an sd of about 20.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads; all cores by default.")
@click.option("--overwrite", is_flag=True, help="Replace areas made with other settings, and what killed runs left.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    output: Path,
    recipe: str,
    areas: int,
    batches: int,
    seed: int,
    pixel_size_um: float,
    truth_step_um: float,
    contrast: float,
    brightness: float,
    imprint_contrast: float,
    threads: int | None,
    *,
    after: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Make a virtual cement paste with known truth in the folder OUTPUT.

    Each area gets a folder with before.tif (the BSE mosaic), indents.csv (what an indenter would report), the true
    phases and properties, figures, and specimen.json. Areas that are there already are kept, so an interrupted run
    is continued by running it again. With --after, the tests of an area are made where a stage that errs really goes
    (indents.csv says where), and a second mosaic shows their imprints. `cemvis train OUTPUT/area-*` learns from them.

    `cemvis specimen intruded --help` says how to make virtual metal-intruded paste, for nano-porosity maps. (A folder
    of that name is ./intruded.)
    """
    from cemvis.analysis.specimen.imprints import ImprintLook
    from cemvis.workflows.specimen import PICTURE, SpecimenConfig, make_specimen

    config = SpecimenConfig(
        recipe=recipe,
        seed=seed,
        areas=areas,
        batches=batches,
        pixel_size_um=pixel_size_um,
        truth_step_um=truth_step_um,
        contrast=contrast,
        brightness=brightness,
        after=after,
        imprints=ImprintLook(grey=imprint_contrast),
    )
    with progress_bar(quiet=quiet) as progress:
        folders = make_specimen(config, output, overwrite=overwrite, threads=threads, progress=progress)
    for folder in folders:
        click.echo(f"{folder}  (look at {folder / PICTURE})")


def _list(context: click.Context, wanted: bool) -> None:
    if not wanted:
        return
    from cemvis.analysis.specimen.recipes import RECIPES

    for recipe in RECIPES.values():
        click.echo(f"{recipe.name}  {recipe.description}")
    context.exit()
