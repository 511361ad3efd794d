"""Phases from a table."""

from __future__ import annotations

from pathlib import Path

from cemvis._files import access_errors
from cemvis.analysis.correlation.phases import Phase, Phases
from cemvis.errors import FileFormatError

_COLUMNS = ("phase", "lowest", "highest")


def read_phases(path: Path) -> Phases:
    """Return the phases in a CSV table with the columns phase, lowest and highest.

    Raises
    ------
    FileAccessError
        If it can't be read.
    FileFormatError
        If it is no such table.
    InputError
        If the phases are unusable.
    """
    import pandas as pd

    try:
        with access_errors(path, doing="read"):
            table = pd.read_csv(path)
    except ValueError as error:  # what pandas raises for what is no table
        msg = f"{path} is not a CSV table of phases ({error})"
        raise FileFormatError(msg) from error
    missing = [name for name in _COLUMNS if name not in table]
    if missing:
        msg = f"{path} lacks the column {missing[0]}; wanted {', '.join(_COLUMNS)}"
        raise FileFormatError(msg)
    if not all(table[name].dtype.kind == "i" for name in _COLUMNS[1:]):
        msg = f"{path} holds levels that are not whole numbers; wanted 0 to 255 in {_COLUMNS[1]} and {_COLUMNS[2]}"
        raise FileFormatError(msg)
    rows = table.loc[:, list(_COLUMNS)].itertuples(index=False, name=None)
    return Phases(tuple(Phase(str(name), int(low), int(high)) for name, low, high in rows))
