"""``cemvis review``: pictures of located indents, and a page to accept or reject doubtful ones."""

from __future__ import annotations

from pathlib import Path

import click

from cemvis.cli._console import progress_bar, shown_warnings


@click.command("review")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--doubtful",
    type=click.IntRange(0, 5000),
    default=400,
    show_default=True,
    help="Most doubtful indents on the page.",
)
@click.option("--fine", type=click.IntRange(0, 5000), default=40, show_default=True, help="Others on the page.")
@click.option("--threads", type=click.IntRange(1, 4096), default=1, show_default=True, help="Threads.")
@click.option("--overwrite", is_flag=True, help="Replace what is there already; decisions.csv always stays.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(folder: Path, doubtful: int, fine: int, threads: int, overwrite: bool, quiet: bool) -> None:
    """Draw the located indents in FOLDER, which `cemvis locate` made, and write a page to judge them.

    Writes gallery.png (before and after), grid.png (grids and residuals over the after-image), walks.png (the stage's
    errors) and review.html into FOLDER. Open review.html in a browser, accept or reject, save decisions.csv and move it
    into FOLDER: `cemvis dataset` and later runs respect it.
    """
    from cemvis.workflows.review import review_folder

    with shown_warnings(), progress_bar(quiet=quiet) as progress:
        files = review_folder(
            folder, most_doubtful=doubtful, most_fine=fine, threads=threads, overwrite=overwrite, progress=progress
        )
    for file in files:
        click.echo(file)
