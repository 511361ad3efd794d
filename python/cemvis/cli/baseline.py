"""``cemvis baseline``: classes of nano-porosity maps by porosity and pore size alone."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_pixel_size
from cemvis.cli.npm import parse_pore_threshold
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.workflows.baseline import BaselineResult

_PATH = click.Path(path_type=Path)


@click.command("baseline")
@click.argument("roots", metavar="ROOT...", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for tables, summary and figure.")
@click.option("--map-size", "size_px", type=click.IntRange(8), default=384, show_default=True, help="Of a map, in px.")
@click.option("--pixel-size", metavar="LENGTH", callback=parse_pixel_size, help="Such as '52 nm', for all maps.")
@click.option(
    "--pore-threshold",
    default="0.5",
    show_default=True,
    metavar="N|isodata",
    callback=parse_pore_threshold,
    help="Porosity above which a pixel is pore; isodata is found from all maps together.",
)
@click.option(
    "--pore-size",
    type=click.Choice(["mean", "area-weighted"]),
    default="mean",
    show_default=True,
    help="A map's average pore size: over its pores, or over its pore pixels.",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.90,
    show_default=True,
    help="Confidence level of Tukey-Kramer.",
)
@click.option(
    "--bootstrap",
    "resamplings",
    type=click.IntRange(100, 100_000),
    default=2000,
    show_default=True,
    help="Resamplings for the accuracies' intervals.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same files.")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    roots: tuple[Path, ...], output: Path, pore_size: str, overwrite: bool, quiet: bool, **settings: Any
) -> None:
    """Tell the classes of the maps in ROOT apart by porosity and pore size: what a classifier has to beat.

    ROOT holds a folder a class, <class>/<specimen>/<region>.tif or <class>/<region>.tif, as `cemvis npm` writes
    them, or is a list (maps.csv: file, class, specimen, region). Each map is given the class whose mean is nearest,
    with all maps in the means, and without those of its own region and specimen; p says how often classes dealt out
    anew among the specimens (or regions, where a class has one specimen) are told as well. The classes' means are
    compared by analysis of variance and Tukey-Kramer, over maps and, since maps of one region are alike, by region and
    specimen.

    Writes baseline.json, baseline_maps.csv, identification.csv, tukey_kramer.csv, bands.csv and a figure.
    """
    from cemvis.workflows.baseline import BaselineConfig, baseline

    try:
        config = BaselineConfig(area_weighted=pore_size == "area-weighted", **settings)
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    called = shlex.join(["cemvis", *sys.argv[1:]])
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        found = baseline(roots, output, config, overwrite=overwrite, command=called, progress=progress)
    _print(found)


def _print(found: BaselineResult) -> None:
    maps = found.measured.maps
    click.echo(click.style(f"{len(maps)} maps of {len(maps.classes)} classes", bold=True))
    for number, name in enumerate(maps.classes):
        mine = found.measured.labels == number
        porosity, size = found.measured.porosity[mine], found.measured.pore_size_um2[mine]
        click.echo(
            f"  {name}: {mine.sum()} maps, porosity {porosity.mean():.4f} +- {porosity.std(ddof=1):.4f}, pore size "
            f"{size.mean():.4g} +- {size.std(ddof=1):.4g} um2"
        )
    for each in found.identifications:
        how = "all maps in the means" if each.left_out == "nothing" else f"without own {each.left_out}"
        click.echo(
            f"  nearest mean by {each.feature}, {how}: {each.accuracy:.1%} ({each.interval[0]:.1%} to "
            f"{each.interval[1]:.1%}; chance {each.chance:.1%}; p = {each.p_value:.2g})"
        )
    for test in found.tests:
        p_value = "nothing varies" if test.p_value is None else f"p = {test.p_value:.3g}"
        click.echo(f"  {test.feature} over {test.over}: analysis of variance {p_value}")
        for pair in test.pairs:
            relation, verdict = (">", "different") if pair.different else ("<=", "not different")
            compared = f"{pair.difference:.4g} {relation} {pair.critical_range:.4g}"
            click.echo(f"    {pair.first} - {pair.second}: {compared}, {verdict}")
    for note in found.notes:
        warned = note in found.warnings
        click.echo(
            click.style(f"{'Warning' if warned else 'Note'}: {note}", fg="red" if warned else "yellow", bold=warned)
        )
    for file in found.files:
        click.echo(file)
