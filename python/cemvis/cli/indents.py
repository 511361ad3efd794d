"""`cemvis indents`: an indenter's files as one table."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.workflows.indent_tables import IndentTables

_FORMATS = ("nanosuite", "hysitron-curve", "hysitron", "asmec", "nanoblitz", "table")


def _pair(
    kind: type[int] | type[float],
) -> Callable[[click.Context, click.Parameter, str | None], tuple[float, float] | None]:
    """Return a callback that turns a text such as 20x11 into two numbers of `kind` above zero; one stands for both."""

    def parse(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:  # noqa: ARG001
        if value is None:
            return None
        try:
            numbers = [kind(part) for part in value.lower().split("x")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2) or not all(0 < number < 1e6 for number in numbers):
            msg = f"{value!r} is not one or two numbers above 0 such as 20x11"
            raise click.BadParameter(msg)
        return numbers[0], numbers[-1]

    return parse


def _coefficients(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...] | None:  # noqa: ARG001
    try:
        return None if value is None else tuple(float(part) for part in value.split(","))
    except ValueError as error:
        msg = f"{value!r} is not coefficients such as 24.5,1500"
        raise click.BadParameter(msg) from error


@click.command("indents")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the table here (.csv), with a summary (.json) and a figure (.png) beside it.",
)
@click.option(
    "--nu", type=float, metavar="RATIO", help="Poisson's ratio of the specimen, such as 0.18 for fused quartz."
)
@click.option("--format", "file_format", type=click.Choice(_FORMATS), help="Overrule what the files seem to be.")
@click.option("--sheet", metavar="NAME", help="Sheet of a workbook.  [default: chosen by what it holds]")
@click.option("--grid", metavar="ROWSxCOLS", callback=_pair(int), help="Rows and columns of every batch.")
@click.option(
    "--pitch", metavar="UM[xUM]", callback=_pair(float), help="Between columns [x rows], for files without positions."
)
@click.option(
    "--order",
    type=click.Choice(["raster", "serpentine"]),
    default="raster",
    show_default=True,
    help="Of the tests, for files without positions.",
)
@click.option("--curves", is_flag=True, help="Compute modulus and hardness from the load-depth curves (Oliver-Pharr).")
@click.option(
    "--cycles",
    type=click.Choice(["deepest", "all"]),
    default="deepest",
    show_default=True,
    help="Rows of tests that have several cycles.",
)
@click.option(
    "--area",
    metavar="C0,C1...",
    callback=_coefficients,
    help="Tip area c0 hc^2 + c1 hc + c2 hc^(1/2) ... in nm2.  [default: 24.5]",
)
@click.option("--beta", type=float, default=1.0, show_default=True, help="Correction for the tip's shape.")
@click.option(
    "--unload-to",
    type=float,
    default=0.5,
    show_default=True,
    help="Unloading is fitted down to this share of the load.",
)
@click.option(
    "--frame-compliance",
    type=float,
    default=0.0,
    metavar="NM/MN",
    help="Of the frame, for curves not corrected for it.",
)
@click.option(
    "--drift", type=float, default=0.0, metavar="NM/S", help="Thermal drift, for curves not corrected for it."
)
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
def command(
    files: tuple[Path, ...],
    output: Path | None,
    nu: float | None,
    file_format: str | None,
    sheet: str | None,
    grid: tuple[int, int] | None,
    pitch: tuple[float, float] | None,
    order: str,
    curves: bool,
    cycles: str,
    area: tuple[float, ...] | None,
    beta: float,
    unload_to: float,
    frame_compliance: float,
    drift: float,
    overwrite: bool,
) -> None:
    """Read the tests of an indenter's files and say what they hold.

    Reads CSV and text tables, NanoSuite, InView and NanoBlitz workbooks, Hysitron tables and curves, and ASMEC
    workbooks. With --output, all files' tests go into the one table that `cemvis train` reads.

    Positions stay in the indenter's frame. Failed tests stay in the table, marked by their status.
    """
    if pitch is not None and grid is None:
        msg = "--pitch wants --grid too: positions follow from both"
        raise click.UsageError(msg)
    from cemvis.analysis.indentation.oliver_pharr import IDEAL_BERKOVICH, ContactModel
    from cemvis.workflows.indent_tables import IndentTablesConfig, check_output, read_indent_tables, write_indent_tables

    try:
        contact = ContactModel(
            nu=nu,
            area=area or IDEAL_BERKOVICH,
            beta=beta,
            upper_fraction=unload_to,
            frame_compliance_nm_per_mn=frame_compliance,
            drift_nm_per_s=drift,
        )
    except CemvisError as error:
        raise click.UsageError(str(error)) from error
    config = IndentTablesConfig(
        format=file_format,
        sheet=sheet,
        contact=contact,
        curves=curves,
        all_cycles=cycles == "all",
        grid=grid,
        pitch_um=pitch,
        order=order,
    )
    if output is not None:
        check_output(output, files, overwrite=overwrite)
    result = read_indent_tables(files, config)
    _print(result)
    if output is not None:
        called = shlex.join(["cemvis", *sys.argv[1:]])
        for file in write_indent_tables(result, output, overwrite=overwrite, command=called):
            click.echo(file)


def _print(result: IndentTables) -> None:
    from cemvis.analysis.indentation.rows import counted

    table, found = result.table, result.to_json()
    for source in table.sources:
        click.echo(click.style(source.path, bold=True))
        sheet = f", sheet {source.sheet!r}" if source.sheet else ""
        _line("format", f"{source.format}{f' ({source.vendor})' if source.vendor else ''}{sheet}")
    _line("tests", counted(table))
    for name, value in found["medians_of_ok"].items():
        _line(name.rsplit("_", 1)[0].replace("_", " "), f"{value:.4g} {found['units'][name]} (median of what is ok)")
    for batch in result.batches[:_MOST_LINES]:
        _line("batch", batch.to_text())
    if len(result.batches) > _MOST_LINES:
        _line("batch", f"... and {len(result.batches) - _MOST_LINES} more")
    for note in table.notes:
        _line("note", note)


_MOST_LINES = 12


def _line(name: str, text: str) -> None:
    click.echo(f"  {name:<16} {text}")
