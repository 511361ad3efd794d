"""Reading the resamplings of ``cemvis deconvolve``, in which fractions and means go together as they do in the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cemvis._files import access_errors, json_record, sha256_of
from cemvis.analysis.homogenisation.paste import PhaseDraws
from cemvis.errors import FileFormatError
from cemvis.workflows._deconvolve_files import RESAMPLINGS

_JOINT = "modulus+hardness"  # as the table calls both properties together
_COLUMNS = ("properties", "resampling", "property", "population", "fraction", "mean_gpa")


@dataclass(frozen=True)
class DrawsFile:
    """Draws of populations, and the path and digest of the file that they were read from."""

    draws: PhaseDraws
    path: Path
    sha256: str


def read_draws(summary: Path, name: str, populations: Sequence[str]) -> DrawsFile | None:
    """Return the resamplings beside a readable populations.json; None if they are not there or it knows of none.

    Parameters
    ----------
    summary
        populations.json.
    name
        "modulus" or "joint".
    populations
        Their names in rising mean.

    Raises
    ------
    FileAccessError
        If it cannot be read.
    FileFormatError
        If it is no such table, or not that of the same run.
    """
    path = summary.parent / RESAMPLINGS
    with json_record(summary, "cemvis deconvolve") as record:
        told = record.get("resamplings")
    if not told or not path.is_file():
        return None
    with access_errors(path, doing="read"):
        digest = sha256_of(path)
    if not isinstance(told, dict) or digest != told.get("sha256"):
        msg = f"{path} is not of the same run as {summary.name}; deconvolve again, or take it out to do without"
        raise FileFormatError(msg)
    try:
        units = int(record["found"][name]["interval"]["units"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{summary} does not say how many units were resampled; deconvolve again"
        raise FileFormatError(msg) from error
    return DrawsFile(_draws(path, _JOINT if name == "joint" else name, populations, units), path, digest)


def _draws(path: Path, properties: str, populations: Sequence[str], units: int) -> PhaseDraws:
    import pandas as pd

    with access_errors(path, doing="read"):
        try:
            table = pd.read_csv(path, dtype={"population": str}, keep_default_na=False)
        except (ValueError, pd.errors.ParserError) as error:
            msg = f"{path} is not a table of resamplings ({str(error).splitlines()[0]})"
            raise FileFormatError(msg) from error
    missing = [each for each in _COLUMNS if each not in table]
    if missing:
        msg = f"{path} has no column {', '.join(missing)}; wanted {RESAMPLINGS} of cemvis deconvolve"
        raise FileFormatError(msg)
    own = table[(table["properties"] == properties) & (table["property"] == "modulus")]
    count, rest = divmod(len(own), len(populations))
    whole = count > 0 and rest == 0 and own["population"].tolist() == [*populations] * count
    if not whole or (own["resampling"].to_numpy().reshape(count, -1) != np.arange(1, count + 1)[:, None]).any():
        msg = f"{path} has no whole resamplings of {', '.join(populations)} by {properties}; deconvolve again"
        raise FileFormatError(msg)
    fractions, means = (own[each].to_numpy(np.float64).reshape(count, -1) for each in ("fraction", "mean_gpa"))
    return PhaseDraws(fractions, means, units)
