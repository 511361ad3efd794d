"""Which steps of a comparison are done already, so that a stopped run goes on where it was, and from what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cemvis import __version__
from cemvis._files import access_errors, write_text
from cemvis.errors import InputError

STEPS = ".steps.json"


class Steps:
    """Steps of a run and what each was made of.

    Parameters
    ----------
    output : Path
        The run's folder, which is there.
    resume : bool
        Whether steps of an earlier run are kept where they were made of the same.
    """

    def __init__(self, output: Path, *, resume: bool) -> None:
        self._path = output / STEPS
        self._done: dict[str, str] = _read(self._path) if resume else {}
        self._made_of = ""

    def run(self, name: str, made_of: Mapping[str, Any], work: Callable[[], object]) -> None:
        """Do the work of a step, unless it and all steps before it were done of the same things."""
        told = json.dumps({"cemvis": __version__, "before": self._made_of, "of": made_of}, sort_keys=True, default=repr)
        self._made_of = hashlib.sha256(told.encode()).hexdigest()
        if self._done.get(name) == self._made_of:
            return
        self._done.pop(name, None)
        self._write()
        work()
        self._done[name] = self._made_of
        self._write()

    def _write(self) -> None:
        write_text(self._path, json.dumps(self._done, indent=2) + "\n")


def _read(path: Path) -> dict[str, str]:
    """Return what an earlier run left; nothing where it cannot be made sense of, which does the steps again."""
    if not path.exists():
        return {}
    with access_errors(path, doing="read"):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in record.items()} if isinstance(record, dict) else {}


def check_outside(output: Path, sources: Sequence[Path]) -> None:
    """Refuse an output in a source, where a resumed run would take it for a class of maps.

    Raises
    ------
    InputError
    """
    for source in sources:
        if output.resolve().is_relative_to(Path(source).resolve()):
            msg = f"output {output} is the source {source} or lies in it; choose a folder outside"
            raise InputError(msg)


def listing(source: Path) -> list[tuple[str, int, int]]:
    """Return names, sizes and times of what lies in a source: what a calibration would be made of."""
    with access_errors(source, doing="read"):
        files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
