"""``cemvis report``: one HTML page on run folders, that opens anywhere and asks for nothing from the network."""

from __future__ import annotations

from pathlib import Path

import click

from cemvis.cli._console import progress_bar, shown_warnings


@click.command("report")
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="report.html", show_default=True, help="The HTML file."
)
@click.option("--title", default="", help="What stands at the top.  [default: the folders' names]")
@click.option(
    "--mosaic",
    "mosaics",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The image that a run was made from, or a folder that holds it, if it is not beside the run. May be repeated.",
)
@click.option(
    "--figures", type=click.Path(path_type=Path), metavar="DIR", help="Also write the figures here, as PDF and PNG."
)
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    folders: tuple[Path, ...],
    output: Path,
    title: str,
    mosaics: tuple[Path, ...],
    figures: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write one HTML page on what cemvis commands wrote to FOLDER.

    Shows the mosaic and the maps with a slider between them, zoom and the values under the cursor, distributions with
    mixtures, tables, warnings and origins. A folder of `cemvis deconvolve` given beside that of its map puts the
    populations over the map's values; one of `cemvis validate` shows its maps over each other and over the truth. The
    page is one file of at most 15 MB: mosaics are shown at up to 2,048 px, maps at up to 1,024 squares along an edge.
    """
    from cemvis.workflows.report import ReportConfig, write_report

    config = ReportConfig(title=title, mosaics=mosaics, figures=figures)
    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        result = write_report(folders, output, config, overwrite=overwrite, progress=progress)
    for text in result.warnings:
        click.echo(click.style(f"Warning: {text}", fg="yellow"), err=True)
    for path in result.figures:
        click.echo(path)
    shown = "1 folder" if result.sections == 1 else f"{result.sections} folders"
    click.echo(f"{result.path} ({result.size_bytes / 1e6:.2g} MB, {shown})")
