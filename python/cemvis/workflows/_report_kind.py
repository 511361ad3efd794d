"""What a kind of run folder is, for a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cemvis.report.page.content import Fact
from cemvis.workflows._report_folder import dig

Facts = list[Fact]


@dataclass(frozen=True)
class Kind:
    """A kind of folder.

    Attributes
    ----------
    name, lead : str
        What it is, and a sentence on it.
    fits : callable
        Whether a JSON file, by its name and content, is this kind's record.
    facts : callable
        What to say of a record at a glance.
    """

    name: str
    lead: str
    fits: Callable[[str, Any], bool]
    facts: Callable[[Any], Facts]


def of_format(*names: str) -> Callable[[str, Any], bool]:
    """Return what fits records of these formats."""
    return lambda _file, record: dig(record, "format") in names
