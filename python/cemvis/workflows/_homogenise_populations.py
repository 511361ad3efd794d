"""Reading populations that ``cemvis deconvolve`` found, as phases with what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cemvis._files import access_errors, json_record, sha256_of
from cemvis.analysis.homogenisation.known import Known
from cemvis.analysis.homogenisation.paste import Phase, PhaseDraws
from cemvis.errors import FileAccessError, FileFormatError, InputError
from cemvis.workflows._deconvolve_files import POPULATIONS, SUMMARY
from cemvis.workflows._homogenise_draws import read_draws

_MODULUS = "modulus"
_TABLE_LEVEL = 0.95  # the table does not say it; cemvis deconvolve writes no other


@dataclass(frozen=True)
class Populations:
    """Populations as phases.

    Attributes
    ----------
    path, sha256
        Of the file that was read.
    properties
        By which they were found: "modulus", or modulus and hardness together.
    level
        Of their intervals.
    phases
        Fractions and mean moduli; each half of an interval is taken as half of a normal distribution.
    notes
        What to bear in mind.
    draws
        Fractions and mean moduli of the fits to resampled data; None where the folder has none.
    draws_path, draws_sha256
        Of the file that they were read from.
    """

    path: Path
    sha256: str
    properties: str
    level: float
    phases: tuple[Phase, ...]
    notes: tuple[str, ...]
    draws: PhaseDraws | None = None
    draws_path: Path | None = None
    draws_sha256: str | None = None


def read_populations(path: Path, poisson: Sequence[Known], *, properties: str | None = None) -> Populations:
    """Return the populations of a deconvolution by modulus.

    Parameters
    ----------
    path
        The folder that ``cemvis deconvolve`` made, or populations.json or populations.csv in it. With the former two,
        its resamplings.csv is read where it is there.
    poisson
        Poisson's ratio of each population in rising mean, or one for all: indentation does not tell it.
    properties
        "modulus" or "joint"; by default the first of these that there is.

    Raises
    ------
    FileAccessError
        If it cannot be read.
    FileFormatError
        If it is no such file, or resamplings.csv is of another run.
    InputError
        If there are no populations by modulus, or ratios for another number of them.
    """
    path = Path(path)
    if path.is_dir():
        path = path / SUMMARY
    if not path.is_file():
        msg = f"there is no file {path}; wanted {SUMMARY} or {POPULATIONS}, or the folder of cemvis deconvolve"
        raise FileAccessError(msg)
    found, level, notes = _of_table(path) if path.suffix.lower() == ".csv" else _of_summary(path)
    name = properties or next((each for each in (_MODULUS, "joint") if each in found), _MODULUS)
    if name not in found:
        msg = f"{path} has populations by {', '.join(found) or 'nothing'}; wanted {name}, which tells moduli"
        raise InputError(msg)
    populations = found[name]
    if len(poisson) not in (1, len(populations)):
        msg = f"{len(poisson)} Poisson's ratios for {len(populations)} populations; wanted one, or one for each"
        raise InputError(msg)
    ratios = [*poisson] * len(populations) if len(poisson) == 1 else poisson
    phases, doubts = [], []
    for each, ratio in zip(populations, ratios, strict=True):
        numbers = []
        for what in ("fraction", "mean"):
            value, low, high = (each[f"{what}{end}"] for end in ("", "_low", "_high"))
            if not low <= value <= high:
                doubts.append(f"the {what} of {each['name']} lies outside its own interval, which was widened to it")
            numbers.append(_known(value, low, high, level, f"{path}, {what} of {each['name']}"))
        phases.append(Phase(each["name"], numbers[0], numbers[1], ratio))
    found_here = Populations(path, sha256_of(path), name, level, tuple(phases), (*notes.get(name, ()), *doubts))
    draws = None if path.suffix.lower() == ".csv" else read_draws(path, name, [each.name for each in phases])
    if draws is None:
        return found_here
    return replace(found_here, draws=draws.draws, draws_path=draws.path, draws_sha256=draws.sha256)


def _known(value: float, low: float, high: float, level: float, where: str) -> Known:
    try:
        return Known.of_interval(value, low, high, level=level)
    except InputError as error:
        msg = f"{where}: {error}"
        raise InputError(msg) from error


_Found = dict[str, list[dict[str, Any]]]
_Notes = Mapping[str, Sequence[str]]


def _of_summary(path: Path) -> tuple[_Found, float, _Notes]:
    with json_record(path, "cemvis deconvolve") as record:
        if record["format"] != "cemvis deconvolve":
            msg = f"{path} is a file of {record['format']}; wanted one of cemvis deconvolve"
            raise FileFormatError(msg)
        found, levels, notes = {}, {0.0}, {}
        for name, each in record["found"].items():
            if _MODULUS not in each["properties"]:
                continue
            levels.add(float(each["interval"]["level"]))
            found[name] = [
                {
                    "name": str(one["name"]),
                    **_ends("fraction", one["fraction"]),
                    **_ends("mean", one["means"][_MODULUS]),
                }
                for one in each["populations"]
            ]
            doubt = [] if each["supported"] else ["the data do not support these populations"]
            notes[name] = [*doubt, *map(str, each["verdict"])]
    return found, max(levels), notes


def _ends(what: str, estimate: Mapping[str, float]) -> dict[str, Any]:
    return {
        what: float(estimate["value"]),
        f"{what}_low": float(estimate["low"]),
        f"{what}_high": float(estimate["high"]),
    }


def _of_table(path: Path) -> tuple[_Found, float, _Notes]:
    import pandas as pd

    with access_errors(path, doing="read"):
        try:
            table = pd.read_csv(path, encoding="utf-8-sig")
        except (ValueError, pd.errors.ParserError) as error:
            msg = f"{path} is not a table of populations ({str(error).splitlines()[0]})"
            raise FileFormatError(msg) from error
    columns = {
        "fraction": "fraction",
        "fraction_low": "fraction_low",
        "fraction_high": "fraction_high",
        "mean": "modulus_mean_gpa",
        "mean_low": "modulus_mean_low_gpa",
        "mean_high": "modulus_mean_high_gpa",
    }
    missing = [name for name in ("properties", "population", *columns.values()) if name not in table]
    if missing:
        msg = f"{path} has no column {', '.join(missing)}; wanted populations.csv of cemvis deconvolve, by modulus"
        raise FileFormatError(msg)
    found: _Found = {}
    for row in table.to_dict("records"):
        by = str(row["properties"]).split("+")
        if _MODULUS not in by:
            continue
        try:
            numbers = {name: float(row[column]) for name, column in columns.items()}
        except ValueError as error:
            msg = f"{path}, {row['population']}: {error}"
            raise FileFormatError(msg) from error
        found.setdefault(_MODULUS if by == [_MODULUS] else "joint", []).append(
            {"name": str(row["population"]), **numbers}
        )
    told = f"{path.name} does not say whether the data support the populations; {SUMMARY} does"
    return found, _TABLE_LEVEL, {name: [told] for name in found}
