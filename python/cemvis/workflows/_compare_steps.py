"""Which steps of a comparison are done already, so that a stopped run goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cemvis import __version__
from cemvis._files import access_errors, write_text

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
