"""``cemvis homogenise``: the effective elastic moduli of a paste."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.analysis.homogenisation.known import Known
    from cemvis.analysis.homogenisation.paste import Phase
    from cemvis.workflows.homogenise import HomogeniseResult

_PATH = click.Path(path_type=Path)


def _known(text: str) -> Known:
    """Return the number, with its standard error, that a text such as ``0.52+-0.03`` says."""
    from cemvis.analysis.homogenisation.known import Known

    value, _, sd = text.replace("\N{PLUS-MINUS SIGN}", "+-").partition("+-")
    try:
        return Known(float(value), float(sd) if sd else 0.0)
    except ValueError as error:
        msg = f"{text!r} is not a number such as 0.52 or 0.52+-0.03"
        raise click.BadParameter(msg) from error


def _parse_known(ctx: click.Context, param: click.Parameter, value: str | None) -> Known | None:  # noqa: ARG001
    return None if value is None else _known(value)


def _parse_ratios(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Known, ...] | None:  # noqa: ARG001
    return None if value is None else tuple(_known(part) for part in value.split(","))


def _parse_phases(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Phase, ...]:  # noqa: ARG001
    from cemvis.analysis.homogenisation.paste import Phase

    phases = []
    for text in values:
        name, _, numbers = text.partition("=")
        parts = numbers.split(",")
        if not name.strip() or len(parts) != 3:
            msg = f"{text!r} is not NAME=FRACTION,E,NU such as LD=0.52,26.5,0.24"
            raise click.BadParameter(msg)
        try:
            phases.append(Phase(name.strip(), *(_known(part) for part in parts)))
        except CemvisError as error:
            raise click.BadParameter(str(error)) from error
    return tuple(phases)


@click.command("homogenise")
@click.argument("map_path", metavar="[MAP]", required=False, type=_PATH)
@click.option(
    "--phase",
    "phases",
    multiple=True,
    metavar="NAME=FRACTION,E,NU",
    callback=_parse_phases,
    help="A phase: its share of the volume without capillary pores, Young's modulus in GPa and Poisson's ratio, each "
    "with a standard error if wanted: LD=0.52+-0.06,26.5+-1,0.24. Once for each phase.",
)
@click.option(
    "--phases",
    "phases_file",
    type=_PATH,
    help="The phases as a CSV table: phase, fraction, modulus_gpa, poisson; fraction_sd, modulus_sd_gpa, poisson_sd.",
)
@click.option(
    "--populations",
    "populations_path",
    type=_PATH,
    help="The populations that cemvis deconvolve found, as phases with their resamplings (or else their intervals): "
    "its folder, populations.json, or populations.csv for the intervals.",
)
@click.option(
    "--by",
    "properties",
    type=click.Choice(["modulus", "joint"]),
    help="Which of these populations: by modulus, or by modulus and hardness.  [default: modulus if there]",
)
@click.option(
    "--population-nu",
    metavar="NU[+-SD],...",
    callback=_parse_ratios,
    help="Poisson's ratio of the populations: one, or one for each in rising mean, such as 0.24,0.24,0.31,0.3."
    "  [default: --nu]",
)
@click.option("--matrix", metavar="NAME", help="Phase around the others, for Mori-Tanaka.  [default: the largest]")
@click.option(
    "--porosity", metavar="SHARE[+-SD]", callback=_parse_known, help="Capillary pores, as a share of the whole volume."
)
@click.option("--pore-image", type=_PATH, help="Image, of grey levels or phase numbers, from which to take that share.")
@click.option("--pore-up-to", type=click.IntRange(min=0), metavar="GREY", help="Its highest grey level that is a pore.")
@click.option(
    "--pore-tolerance",
    type=click.IntRange(min=0),
    metavar="GREY",
    default=0,
    show_default=True,
    help="By how many grey levels --pore-up-to may be wrong: widens the interval of the pores' share.",
)
@click.option(
    "--nu",
    type=click.FloatRange(0, 0.5, max_open=True),
    default=0.24,
    show_default=True,
    help="Poisson's ratio of all cells of a map.",
)
@click.option(
    "--unmapped",
    "unmapped_gpa",
    type=click.FloatRange(min=0),
    metavar="GPA",
    help="Modulus of a map's cells without a value, 0 for pores.  [default: they are refused]",
)
@click.option(
    "--samples", type=click.IntRange(100, 1_000_000), default=10_000, show_default=True, help="For intervals."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For intervals.")
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the intervals.",
)
@click.option(
    "-o",
    "--output",
    type=_PATH,
    help="Stem of the results' names, OUT.json, OUT.csv, OUT.png and OUT.pdf.  [default: nothing is written]",
)
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    map_path: Path | None,
    phases: tuple[Phase, ...],
    phases_file: Path | None,
    populations_path: Path | None,
    properties: str | None,
    population_nu: tuple[Known, ...] | None,
    matrix: str | None,
    porosity: Known | None,
    pore_image: Path | None,
    pore_up_to: int | None,
    pore_tolerance: int,
    nu: float,
    unmapped_gpa: float | None,
    samples: int,
    seed: int,
    level: float,
    output: Path | None,
    threads: int | None,
    *,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Estimate the elastic modulus of the paste as a whole.

    From phases: the bounds of Voigt and Reuss and of Hashin and Shtrikman, and the schemes of Mori and Tanaka and
    self-consistent, in three dimensions, with intervals from the standard errors given (of the means: not the scatter
    of a population), or from the resamplings of cemvis deconvolve. Indentation leaves capillary pores out: give
    --porosity, or an image and a threshold.

    From MAP, a modulus map as OME-TIFF or the folder that cemvis map made: the effective stiffness of the map repeated
    without end, in plane strain, beside the bounds in plane strain, with intervals from the map's half widths if it has
    some. It takes about 230 bytes of memory a cell, 280 with half widths.
    """
    sources = [bool(phases), phases_file is not None, populations_path is not None]
    if sum(sources) > 1:
        msg = "give only one of --phase, --phases and --populations, not both"
        raise click.UsageError(msg)
    if not any(sources) and map_path is None:
        msg = "give phases (--phase, --phases or --populations), a MAP, or both"
        raise click.UsageError(msg)
    if populations_path is None and (properties is not None or population_nu is not None):
        msg = "--by and --population-nu are for --populations; give it too"
        raise click.UsageError(msg)
    from cemvis.analysis.homogenisation.known import Known
    from cemvis.workflows._homogenise_phases import read_phases
    from cemvis.workflows._homogenise_populations import read_populations
    from cemvis.workflows.homogenise import HomogeniseConfig, homogenise

    if phases_file is not None:
        phases = read_phases(phases_file)
    populations = None
    if populations_path is not None:
        populations = read_populations(populations_path, population_nu or (Known(nu),), properties=properties)
    try:
        config = HomogeniseConfig(
            phases=phases,
            phases_file=phases_file,
            populations=populations,
            matrix=matrix,
            porosity=porosity,
            pore_image=pore_image,
            pore_up_to=pore_up_to,
            pore_tolerance=pore_tolerance,
            map_poisson=nu,
            unmapped_gpa=unmapped_gpa,
            samples=samples,
            seed=seed,
            level=level,
            threads=threads,
        )
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        result = homogenise(
            config,
            map_path=map_path,
            output=output,
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            progress=progress,
        )
    _print(result, level)


def _ratio(value: float) -> str:
    return "  -  " if math.isnan(value) else f"{value:.3f}"


def _print(result: HomogeniseResult, level: float) -> None:
    if result.porosity is not None:
        below, above = result.porosity.sds
        error = "" if result.porosity.exact else f" +- {below:.2g}"
        if below != above:
            error = f" (+{above:.2g} -{below:.2g})"
        click.echo(f"Capillary pores: {result.porosity.value:.4g}{error} of the volume")
    if result.estimates:
        click.echo(click.style("From phases, in three dimensions", bold=True))
    for each in result.estimates:
        told = _told(level, each.interval_gpa, each.outer_gpa)
        click.echo(f"  {each.method:<30} E {each.modulus_gpa:7.2f} GPa  nu {_ratio(each.poisson)}{told}")
    if result.map is not None and result.field is not None:
        rows, cols = result.map.modulus_gpa.shape
        step = "" if result.map.step_um is None else f", one every {result.map.step_um:.4g} um"
        click.echo(click.style(f"From the map, {rows:,} x {cols:,} cells{step}, in plane strain", bold=True))
        for name, solid in result.field.all_methods.items():
            interval = result.field.intervals.get(name)
            told = "" if interval is None else _told(level, interval.independent_gpa, interval.correlated_gpa)
            click.echo(
                f"  {name:<30} E {float(solid.modulus_gpa):7.2f} GPa  nu {_ratio(float(solid.poisson))}  "
                f"E/(1-nu^2) {float(solid.plane_modulus_gpa):.2f} GPa{told}"
            )
        along_x, along_y = result.field.stiffness.plane_moduli_gpa
        click.echo(
            f"  along x {along_x:.2f}, along y {along_y:.2f} GPa (plane strain); anisotropy "
            f"{100 * result.field.stiffness.anisotropy:.2g} %"
        )
    for note in result.notes:
        click.echo(f"  note: {note}")
    for file in result.files:
        click.echo(file)


def _told(level: float, inner: tuple[float, float] | None, outer: tuple[float, float] | None) -> str:
    """Return the interval of independent errors, and that of errors that all go the same way."""
    parts = [f"  {100 * level:g} %:"] if inner or outer else []
    if inner is not None:
        parts.append(f"{inner[0]:.2f} to {inner[1]:.2f}")
    if outer is not None:
        parts.append(f"(all errors one way: {outer[0]:.2f} to {outer[1]:.2f})")
    return " ".join(parts)
