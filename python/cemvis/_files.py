"""Writing files so that nothing half-written keeps a final name, and digests of what was read."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cemvis.errors import CemvisError, FileAccessError, FileFormatError, OutputExistsError

if TYPE_CHECKING:
    import pandas as pd

WHOLE_UP_TO_BYTES = 256 * 2**20
SAMPLES = 256
SAMPLE_BYTES = 64 * 2**10
DIGESTS = ("sha256", "sha256_of_samples")


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
def json_record(path: Path, command: str) -> Iterator[Any]:
    """Yield what a JSON file that `command` wrote says; whatever the block finds missing or wrong is one clear line.

    Raises
    ------
    FileAccessError
        If it cannot be read.
    FileFormatError
        If it is no JSON, or the block raises what a wrong type, key or value raises.
    """
    with access_errors(path, doing="read"):
        text = path.read_bytes()
    try:
        yield json.loads(text)
    except (FileAccessError, FileFormatError):
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = " ".join(str(error).split())[:60]
        msg = f"{path} is damaged or not what `{command}` writes ({type(error).__name__}: {why}); run it again"
        raise FileFormatError(msg) from error


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


def write_table(path: Path, table: pd.DataFrame, *, digits: int) -> None:
    """Write a table as CSV, whole or not at all, with so many significant digits."""
    with written_whole(path) as beside:
        table.to_csv(beside, index=False, float_format=f"%.{digits}g", lineterminator="\n")


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as indented JSON, whole or not at all; raises `ValueError` for numbers that are not finite."""
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def finite_or_none(value: float) -> float | None:
    """Return a number as JSON knows it: None where it is not finite."""
    number = float(value)
    return number if math.isfinite(number) else None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path) -> dict[str, Any]:
    """Return the size of a file and a SHA-256 digest: of all bytes, or above 256 MiB of evenly spread samples.

    Hashing a large mosaic whole would take longer than mapping it. The digest of a sampled file covers its size, its
    first and last 64 KiB and 254 pieces of 64 KiB between them, and has another name, so that it is not mistaken for
    the digest of the file.
    """
    with access_errors(path, doing="read"):
        size = path.stat().st_size
        if size <= WHOLE_UP_TO_BYTES:
            return {"bytes": size, "sha256": sha256_of(path)}
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as file:
            for number in range(SAMPLES):
                file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    return {"bytes": size, "sha256_of_samples": digest.hexdigest()}


def digests_in(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests, by name, that a record has of a file."""
    return {key: str(record[key]) for key in DIGESTS if record.get(key)}


def digest_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name and the value of the digest that a record has of a file.

    Raises
    ------
    KeyError
        If it has none.
    """
    kind = next((each for each in DIGESTS if each in record), DIGESTS[0])
    return kind, str(record[kind])


def are_of_other_files(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two records have different digests; False if they have none of the same name."""
    first, second = digests_in(one), digests_in(other)
    return any(first[key] != second[key] for key in first.keys() & second.keys())
