"""Writing files so that nothing half-written keeps a final name, and digests of what was read."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cemvis.errors import CemvisError, FileAccessError


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
