"""What commands say while they run: warnings as one line each and a progress bar, both on the standard error."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from cemvis.errors import CemvisWarning


@contextmanager
def shown_warnings() -> Iterator[None]:
    """Show each warning of cemvis as one line, in colour on a terminal, when it is given."""

    def show(
        message: Warning | str,
        category: type[Warning],  # noqa: ARG001 - the signature of warnings.showwarning
        filename: str,  # noqa: ARG001
        lineno: int,  # noqa: ARG001
        file: TextIO | None = None,  # noqa: ARG001
        line: str | None = None,  # noqa: ARG001
    ) -> None:
        click.echo(click.style(f"Warning: {message}", fg="red", bold=True), err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", CemvisWarning)
        warnings.showwarning = show
        yield


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows what is being done, how far it is and how long it will take.

    Nothing is shown if `quiet` is set or the standard error is not a terminal.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    shown = not quiet and sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        tasks: dict[str, object] = {}

        def report(stage: str, done: int, steps: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=steps)
            bar.update(tasks[stage], completed=done, total=steps)  # type: ignore[arg-type]

        yield report
