"""Replacing several files and folders at once: all of them, or none."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cemvis._files import access_errors


@contextmanager
def written_together(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield a name beside each of `paths`; what is written there takes their places once the block ends.

    On an error, an interrupt included, all of `paths` are left or put back as they were and nothing else remains.

    Parameters
    ----------
    paths : sequence of Path
        Of files or folders; they take their places in this order.

    Raises
    ------
    FileAccessError
        If one cannot be put in its place.
    """
    token = secrets.token_hex(4)
    beside = [path.with_name(f".{path.stem}.{token}.part{path.suffix}") for path in paths]
    old = [path.with_name(f".{path.stem}.{token}.old{path.suffix}") for path in paths]
    moves: list[tuple[Path, Path]] = []
    try:
        yield beside
        for new, former, path in zip(beside, old, paths, strict=True):
            with access_errors(path, doing="write"):
                for source, target in ((path, former), (new, path)):
                    if source is new or source.exists():
                        moves.append((source, target))
                        source.rename(target)
    except BaseException:
        for source, target in reversed(moves):
            with suppress(OSError):
                if target.exists() and not source.exists():
                    target.rename(source)
        raise
    else:
        _remove(old)
    finally:
        _remove(beside)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
