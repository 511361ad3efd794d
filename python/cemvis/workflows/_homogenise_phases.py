"""Reading a table of the phases that are homogenised."""

from __future__ import annotations

from pathlib import Path

from cemvis._files import access_errors
from cemvis.analysis.homogenisation.known import Known
from cemvis.analysis.homogenisation.paste import Phase
from cemvis.errors import FileFormatError, InputError

_COLUMNS = ("fraction", "modulus_gpa", "poisson")
_SDS = ("fraction_sd", "modulus_sd_gpa", "poisson_sd")


def read_phases(path: Path) -> tuple[Phase, ...]:
    """Return the phases in a CSV table.

    Its columns are phase, fraction, modulus_gpa, poisson, and those standard errors that are known: fraction_sd,
    modulus_sd_gpa, poisson_sd. They say how well the means are known, not how much a phase scatters.

    Raises
    ------
    FileAccessError
        If it cannot be read.
    FileFormatError
        If it is no such table.
    InputError
        If a number is out of range.
    """
    import pandas as pd

    with access_errors(path, doing="read"):
        try:
            table = pd.read_csv(path, encoding="utf-8-sig", skipinitialspace=True)
        except (ValueError, pd.errors.ParserError) as error:
            msg = f"{path} is not a table of phases ({str(error).splitlines()[0]})"
            raise FileFormatError(msg) from error
    missing = [name for name in ("phase", *_COLUMNS) if name not in table]
    if missing:
        msg = f"{path} has no column {', '.join(missing)}; wanted phase, {', '.join(_COLUMNS)}"
        raise FileFormatError(msg)
    unknown = [name for name in table if name not in ("phase", *_COLUMNS, *_SDS)]
    if unknown:
        msg = f"{path} has unknown columns {', '.join(map(str, unknown))}; wanted {', '.join((*_COLUMNS, *_SDS))}"
        raise FileFormatError(msg)
    phases = []
    for index, row in enumerate(table.to_dict("records")):
        try:
            known = [
                Known(float(row[name]), float(row.get(sd, 0.0)) if pd.notna(row.get(sd, 0.0)) else 0.0)
                for name, sd in zip(_COLUMNS, _SDS, strict=True)
            ]
        except ValueError as error:
            msg = f"{path}, row {index + 2}: {error}"
            raise InputError(msg) from error
        phases.append(Phase(str(row["phase"]), known[0], known[1], known[2]))
    return tuple(phases)
