"""``cemvis backscatter``: how many of a beam's electrons a solid sends back."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.cli._console import progress_bar, shown_warnings
from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.analysis.porosity.backscatter import Backscatter


def _energies(ctx: click.Context, param: click.Parameter, value: str) -> tuple[float, ...]:  # noqa: ARG001
    try:
        energies = tuple(float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not a list of energies in keV such as 5,10,20"
        raise click.BadParameter(msg) from error
    if not all(1 <= energy <= 30 for energy in energies):
        msg = f"{value!r} holds an energy that is not from 1 to 30 keV"
        raise click.BadParameter(msg)
    return energies


@click.command("backscatter")
@click.argument("solids", metavar="SOLID...", nargs=-1, required=True)
@click.option(
    "-e",
    "--energy",
    "energies",
    metavar="KEV[,KEV...]",
    callback=_energies,
    default="20",
    show_default=True,
    help="Of the beam, 1 to 30 keV; several give a table.",
)
@click.option(
    "--density",
    "densities",
    metavar="G/CM3",
    multiple=True,
    type=click.FloatRange(0, min_open=True),
    help="Of the solids, once for each in their order: gives depths in nm. The coefficient does not depend on it.",
)
@click.option(
    "-n",
    "--electrons",
    type=click.IntRange(1, 2**31),
    default=100_000,
    show_default=True,
    help="How many to follow at each energy.",
)
@click.option(
    "--tilt",
    "tilt_deg",
    metavar="DEGREES",
    type=click.FloatRange(0, 90, max_open=True),
    default=0.0,
    show_default=True,
    help="Of the beam from the surface's normal.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same counts.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Table to write: .csv, or .json, which says the version and command too.",
)
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads.  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    solids: tuple[str, ...],
    energies: tuple[float, ...],
    densities: tuple[float, ...],
    electrons: int,
    tilt_deg: float,
    seed: int,
    output: Path | None,
    threads: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Simulate the backscatter coefficient eta of SOLID, a formula or weight fractions.

    Such as Cu, "(CaO)1.7(SiO2)(H2O)4" or "Bi 32.5, In 51, Sn 16.5". Follows electrons from scattering to scattering
    (Monte Carlo) and prints eta with its standard error, the mean of the elements' coefficients by mass for comparison,
    and, given the density, how deep half and 90 % of the electrons that come back have been at most.
    """
    from cemvis.analysis.porosity.compound import Compound
    from cemvis.workflows.backscatter import backscatter

    if densities and len(densities) != len(solids):
        msg = f"--density is given {len(densities)} times for {len(solids)} solids; wanted once for each, or never"
        raise click.UsageError(msg)
    try:
        compounds = [
            Compound.parse(solid, density_g_cm3=densities[number] if densities else None)
            for number, solid in enumerate(solids)
        ]
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        table = backscatter(
            compounds,
            energies,
            output,
            electrons=electrons,
            tilt_deg=tilt_deg,
            seed=seed,
            threads=threads,
            overwrite=overwrite,
            command=shlex.join(["cemvis", *sys.argv[1:]]),
            progress=progress,
        )
    for number, compound in enumerate(compounds):
        click.echo(click.style(compound.name, bold=True))
        for row in table.rows[number * len(energies) : (number + 1) * len(energies)]:
            click.echo(_line(row))
    if output is not None:
        click.echo(output)


def _line(row: Backscatter) -> str:
    by_mass = row.to_json()["eta_mixture"]
    text = f"  {row.energy_kev:5.4g} keV  eta {row.eta:.4f} +- {row.standard_error:.4f}  by mass {by_mass:.3f}"
    if row.mean_energy_kev is not None:
        text += f"  mean energy {row.mean_energy_kev:.3g} keV"
    half, most = row.depth_nm(0.5), row.depth_nm(0.9)
    return text if half is None or most is None else f"{text}  depth {half:.0f} nm (half), {most:.0f} nm (90 %)"
