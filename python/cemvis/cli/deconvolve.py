"""``cemvis deconvolve``: the mechanical populations in tables of indents or in a map, with intervals and a verdict."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.cli._options import parse_populations
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.analysis.indentation.deconvolution.populations import Deconvolution, Estimate
    from cemvis.workflows.deconvolve import DeconvolveResult


def _fractions(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float | None, ...] | None:  # noqa: ARG001
    """Return known fractions from a text such as ?,?,0.14,0.06."""
    if value is None:
        return None
    try:
        return tuple(None if part.strip() == "?" else float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not fractions such as ?,?,0.14,0.06 with ? for an unknown one"
        raise click.BadParameter(msg) from error


@click.command("deconvolve")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for what is found.")
@click.option(
    "--property",
    "wanted",
    multiple=True,
    type=click.Choice(["modulus", "hardness", "joint"]),
    help="Look for populations in this; joint is both together. May be repeated.  [default: all there are]",
)
@click.option(
    "--populations",
    metavar="N|auto",
    default="auto",
    show_default=True,
    callback=parse_populations,
    help="How many; auto chooses from 1 to 8.",
)
@click.option(
    "--criterion",
    type=click.Choice(["bic", "icl"]),
    default="bic",
    show_default=True,
    help="By which auto chooses; icl prefers populations that do not overlap.",
)
@click.option(
    "--components",
    type=click.Choice(["normal", "skew-normal"]),
    default="normal",
    show_default=True,
    help="Shape of a population.",
)
@click.option(
    "--fractions",
    metavar="F,F...",
    callback=_fractions,
    help="Known fractions in rising mean, such as ?,?,0.14,0.06 from image analysis.",
)
@click.option(
    "--names",
    metavar="NAME,NAME...",
    help="Of the populations in rising mean.  [default for four: LD-CSH,HD-CSH,CH,clinker]",
)
@click.option(
    "--map", "map_folder", type=click.Path(path_type=Path), help="Folder of `cemvis map` whose cells to sort."
)
@click.option(
    "--certain",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="Posterior probability below which a cell is uncertain.",
)
@click.option("--water-cement", type=float, metavar="RATIO", help="By mass, for the share of low-density C-S-H.")
@click.option("--starts", type=click.IntRange(1, 1000), default=30, show_default=True, help="Seeded starts of a fit.")
@click.option(
    "--resamplings",
    type=click.IntRange(20, 100_000),
    default=400,
    show_default=True,
    help="Of whole batches, for the intervals.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same files."
)
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    inputs: tuple[Path, ...],
    output: Path,
    wanted: tuple[str, ...],
    populations: int | None,
    criterion: str,
    components: str,
    fractions: tuple[float | None, ...] | None,
    names: str | None,
    map_folder: Path | None,
    certain: float,
    water_cement: float | None,
    starts: int,
    resamplings: int,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Find the mechanical populations in INPUT: tables of indents, or one map.

    INPUT is tables with modulus_gpa or hardness_gpa (as `cemvis indents` writes), folders of `cemvis locate` or of a
    virtual area, or one folder of `cemvis map`. Writes populations.csv and .json (fractions, means and standard
    deviations with 95 % intervals), resamplings.csv (of which these are made), selection.csv (BIC and ICL),
    convergence.csv (how they settle with the number of indents) and the figure populations.png and
    .pdf; for a map the population of each cell, and its probability, as OME-TIFF and population_map.png and .pdf too.

    Populations are no phases by themselves: four are called LD-CSH, HD-CSH, CH and clinker by their rank alone, others
    get numbers, and --names gives other names. The command says where the data do not support them.
    """
    from cemvis.analysis.indentation.deconvolution.deconvolve import Settings
    from cemvis.workflows.deconvolve import DeconvolveConfig, deconvolve_files

    try:
        settings = Settings(
            populations=populations,
            criterion=criterion,
            family=components,
            fractions=fractions,
            names=None if names is None else tuple(each.strip() for each in names.split(",")),
            starts=starts,
            resamplings=resamplings,
            seed=seed,
        )
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    config = DeconvolveConfig(settings, tuple(wanted), map_folder, certain, water_cement)
    called = shlex.join(["cemvis", *sys.argv[1:]])
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        result = deconvolve_files(inputs, output, config, overwrite=overwrite, command=called, progress=progress)
    _print(result)


def _print(result: DeconvolveResult) -> None:
    for name, each in result.found.items():
        _print_one(name, each)
        if name in result.hydration:
            found = result.hydration[name]
            click.echo(f"  degree of hydration {_with_interval(found.degree)}")
            click.echo(f"  LD share of C-S-H by volume {_with_interval(found.low_density_by_volume)}")
            if found.low_density_by_mass is not None:
                click.echo(f"  LD share of C-S-H by mass {_with_interval(found.low_density_by_mass)} (Tennis-Jennings)")
            for line in found.notes:
                click.echo(f"    - {line}")
    if result.population_map is not None and result.population_map["share_uncertain"] is not None:
        click.echo(f"{100 * result.population_map['share_uncertain']:.1f} % of the map's cells are uncertain")
    for note in result.notes:
        click.echo(click.style(f"Note: {note}", fg="yellow"))
    for file in result.files:
        click.echo(file)


def _print_one(name: str, found: Deconvolution) -> None:
    from cemvis.analysis.indentation.deconvolution.verdict import counted

    title = "modulus and hardness" if len(found.properties) > 1 else name
    click.echo(click.style(f"{title}: {counted(len(found.populations))} in {found.size:,} values", bold=True))
    for each in found.populations:
        values = ", ".join(
            f"{what} {_with_interval(each.means[what])} sd {_with_interval(each.sds[what])} GPa"
            for what in found.properties
        )
        click.echo(f"  {each.name:<14} {_with_interval(each.fraction)}  {values}")
    by = "given" if found.criterion == "given" else f"by {found.criterion.upper()}"
    click.echo(f"  number {by}; {found.starts_at_best} of {found.starts} starts reached the best optimum")
    if found.comparison is not None:
        gain = found.comparison.log_likelihood_skew - found.comparison.log_likelihood_normal
        worth = found.comparison.bic_skew - found.comparison.bic_normal
        click.echo(f"  skew-normal instead of normal: log likelihood {gain:+.1f}, BIC {worth:+.1f} (less is better)")
    if found.supported:
        click.echo("  verdict: supported by these data")
    else:
        click.echo(click.style("  verdict: NOT supported by these data", fg="red", bold=True))
    for line in found.verdict:
        click.echo(f"    - {line}")


def _with_interval(estimate: Estimate) -> str:
    return f"{estimate.value:.4g} ({estimate.low:.4g} to {estimate.high:.4g})"
