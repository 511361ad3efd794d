"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cemvis._files import access_errors
from cemvis.errors import OutputExistsError


@contextmanager
def made_whole(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of `folder` once the block ends without an error.

    A folder that is there already is moved aside first and deleted last: whatever fails, one whole folder remains.

    Raises
    ------
    OutputExistsError
        If the temporary folder is there already and `overwrite` is not set.
    FileAccessError
        If a folder cannot be written.
    """
    part, aside = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    with access_errors(folder, doing="write"):
        if overwrite and part.exists():
            shutil.rmtree(part)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.mkdir()  # also keeps out a second run of the same folder
        except FileExistsError:
            msg = (
                f"{part} is there already: another run is making this folder, or was killed at it; "
                "wait for it, or replace what a killed run left with --overwrite"
            )
            raise OutputExistsError(msg) from None
        try:
            if aside.exists():
                _settle(folder, aside)  # a run was killed in the midst of replacing
            yield part
            if folder.exists():
                folder.replace(aside)
            part.replace(folder)
        finally:
            if aside.exists():
                _settle(folder, aside)
            shutil.rmtree(part, ignore_errors=True)


def _settle(folder: Path, aside: Path) -> None:
    """Move the folder that was put aside back, or delete it if a new one has taken its place."""
    if folder.exists():
        shutil.rmtree(aside)
    else:
        aside.replace(folder)
