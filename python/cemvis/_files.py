"""Writing files so that nothing half-written keeps a final name, and digests of what was read."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cemvis.errors import CemvisError, FileAccessError, OutputExistsError


@contextmanager
def access_errors(path: Path, *, doing: str = "write to") -> Iterator[None]:
    """Turn the system's errors while `doing` something with `path` into one clear line."""
    try:
        yield
    except CemvisError:
        raise
    except OSError as error:
        msg = f"cannot {doing} {path}: {error.strerror or error}"
        raise FileAccessError(msg) from error


def check_free(folder: Path, names: Iterable[str], *, overwrite: bool, holding: str = "") -> None:
    """Check that `folder` is or can be a folder, and that none of `names` is in it unless they may be replaced.

    Parameters
    ----------
    folder, names
        Where files are to be written, and under which names.
    overwrite
        Whether files of these names may be replaced.
    holding
        What the files that are in the way are, for the message.

    Raises
    ------
    FileAccessError
        If something other than a folder has the name of `folder`, or it cannot be looked into.
    OutputExistsError
        If files would be replaced.
    """
    with access_errors(folder):
        if folder.exists() and not folder.is_dir():
            msg = f"{folder} is a file; wanted a folder"
            raise FileAccessError(msg)
        present = [name for name in names if (folder / name).exists()]
    if present and not overwrite:
        what = ", ".join(present[:3]) + (f" and {len(present) - 3} more" if len(present) > 3 else "")
        where = "the working folder" if folder == Path() else folder
        msg = f"{where} already holds {holding}{what}; choose another output or say --overwrite"
        raise OutputExistsError(msg)


def check_writable(path: Path) -> None:
    """Raise `FileAccessError` if the folder of the file `path` is not there or cannot be written to."""
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        msg = f"cannot write {path}: {folder} is not a folder that can be written to"
        raise FileAccessError(msg)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` once the block ends without an error.

    The temporary name keeps the suffix, since writers choose their format by it. On any error, an interrupt
    included, the temporary file is removed and `path` stays as it was.

    Raises
    ------
    FileAccessError
        If the file cannot be written; the cause (no permission, no space) is in the message.
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        with access_errors(path, doing="write"):
            yield beside
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
