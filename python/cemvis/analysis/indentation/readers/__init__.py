"""Readers of indenter files, a module each, chosen by what a file holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cemvis.analysis.indentation.document import Document
from cemvis.analysis.indentation.oliver_pharr import ContactModel
from cemvis.analysis.indentation.table import IndentTable, Source


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a reader may need to be told.

    Parameters
    ----------
    sheet : str, optional
        Of a workbook; chosen by what the sheets hold if it is not given.
    curves : bool
        Whether modulus and hardness are computed from the load-depth curves although the file reports them.
    all_cycles : bool
        Whether tests of several cycles give a row a cycle; only the deepest one by default.
    contact : ContactModel
        How curves are analysed, Poisson's ratio included.
    """

    sheet: str | None = None
    curves: bool = False
    all_cycles: bool = False
    contact: ContactModel = field(default_factory=ContactModel)


@dataclass(frozen=True)
class Reader:
    """One kind of file: its name, who makes it, how it is known and read, and whether it may hold curves."""

    name: str
    vendor: str
    recognises: Callable[[Document], bool]
    read: Callable[[Document, Source, ReadOptions], IndentTable]
    has_curves: bool = False
