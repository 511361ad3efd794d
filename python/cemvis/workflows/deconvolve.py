"""Populations in tables of indents or in a map: files in, files out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._files import access_errors, check_free, sha256_of, write_json
from cemvis.analysis.indentation.deconvolution.assignment import CERTAIN
from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve, deconvolve_jointly
from cemvis.analysis.indentation.deconvolution.grouped import Grouped, grouped_values
from cemvis.analysis.indentation.deconvolution.joint import JointMixture
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.analysis.indentation.deconvolution.populations import CEMENT_PASTE, Deconvolution, names_of
from cemvis.analysis.indentation.hydration import Hydration, hydration, low_density_share
from cemvis.errors import InputError
from cemvis.report.deconvolution import Distribution, JointDistribution
from cemvis.workflows._deconvolve_figures import caption, draw_map, draw_populations
from cemvis.workflows._deconvolve_files import (
    MAP,
    MAP_OUTPUTS,
    OUTPUTS,
    PROBABILITY,
    RESAMPLINGS,
    SUMMARY,
    disagreements,
    write_tables,
)
from cemvis.workflows._deconvolve_map import MapFolder, grouped_map, write_population_map
from cemvis.workflows._deconvolve_sources import PROPERTIES, TableValues, is_map, read_tables

JOINT = "joint"
WANTED = (*PROPERTIES, JOINT)
NOT_FOUR = "that wants four populations with the names of phases; ask for --populations 4"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DeconvolveConfig:
    """What is looked for, and in what.

    Attributes
    ----------
    settings : Settings
    wanted : tuple of str
        Of "modulus", "hardness" and "joint"; what there are values of if empty.
    map_folder : Path, optional
        A map whose cells get the population of their value; the input itself if that is a map.
    certain : float
        Posterior probability that a cell's population takes.
    water_cement : float, optional
        By mass, for the share of low-density C-S-H.
    """

    settings: Settings = field(default_factory=Settings)
    wanted: tuple[str, ...] = ()
    map_folder: Path | None = None
    certain: float = CERTAIN
    water_cement: float | None = None


@dataclass(frozen=True)
class DeconvolveResult:
    """What was found, by "modulus", "hardness" and "joint", and the files that were written."""

    found: dict[str, Deconvolution]
    hydration: dict[str, Hydration]
    population_map: dict[str, Any] | None
    notes: tuple[str, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Sources:
    grouped: dict[str, Grouped]
    table: TableValues | None
    map_folder: MapFolder | None
    origin: list[dict[str, Any]]
    notes: tuple[str, ...]


def deconvolve_files(
    paths: Sequence[Path],
    output: Path,
    config: DeconvolveConfig | None = None,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> DeconvolveResult:
    """Find the populations in tables of indents, or in one map, and write them to the folder `output`.

    Parameters
    ----------
    paths : sequence of Path
        Tables, folders that hold located.csv or indents.csv, or one folder of `cemvis map`.
    output : Path
    config : DeconvolveConfig, optional
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If values are unusable or too few, or settings do not fit them.
    OutputExistsError
        If an output is there and `overwrite` is not set.
    FileAccessError, FileFormatError
    """
    config = config or DeconvolveConfig()
    _check_water(config)
    sources = _read(paths, config)
    names = [*OUTPUTS, *(MAP_OUTPUTS if sources.map_folder else ()), SUMMARY]
    check_free(output, names, overwrite=overwrite)
    found, shown, joint, mixtures = _found(sources, config, progress)
    hydrations = _hydrations(found, config)
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        for stale in (SUMMARY, *MAP_OUTPUTS):  # an earlier run's: its summary first, so that no folder mixes two runs
            (output / stale).unlink(missing_ok=True)
    below = caption(sources.origin, next(iter(found.values())))
    mapped = _write_map(output, sources, mixtures, found, config, below)
    notes = (*sources.notes, *disagreements(found))
    if config.water_cement is not None and not hydrations:
        notes = (*notes, f"nothing is said about hydration: {NOT_FOUR}")
    write_tables(output, found)
    draw_populations(output, shown, joint, below=below)
    record = {
        "format": "cemvis deconvolve",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "inputs": sources.origin,
        "units": {"mean": "GPa", "sd": "GPa", "fraction": "1"},
        "settings": asdict(config.settings),
        "notes": list(notes),
        "found": {name: each.to_json() for name, each in found.items()},
        "hydration": {name: each.to_json() for name, each in hydrations.items()},
        "resamplings": {"file": RESAMPLINGS, "sha256": sha256_of(output / RESAMPLINGS)},
        "population_map": mapped,
        "files": names,
    }
    write_json(output / SUMMARY, record)
    return DeconvolveResult(found, hydrations, mapped, notes, tuple(output / name for name in names))


def _read(paths: Sequence[Path], config: DeconvolveConfig) -> _Sources:
    if not paths:
        msg = "nothing to read; give tables of indents, or a folder of `cemvis map`"
        raise InputError(msg)
    unknown = [each for each in config.wanted if each not in WANTED]
    if unknown:
        msg = f"{unknown[0]!r} cannot be looked for; wanted {', '.join(WANTED)}"
        raise InputError(msg)
    maps = [path for path in paths if is_map(path)]
    other = MapFolder.open(config.map_folder) if config.map_folder else None
    if maps:
        if len(paths) > 1:
            msg = f"{maps[0]} is a map, and {len(paths) - 1} more are given; wanted one map alone, or tables"
            raise InputError(msg)
        return _read_map(MapFolder.open(maps[0]), other, config)
    table = read_tables(paths)
    grouped = {}
    for name in PROPERTIES:
        there = np.isfinite(table.values[name])
        if there.any() and (not config.wanted or name in config.wanted):
            grouped[name] = _counted(table.values[name][there], table.batch[there], name)
        elif name in config.wanted:
            msg = f"{table.files[0]['path']} has no {name}_gpa; choose another property"
            raise InputError(msg)
    if other is not None and not any(other.has(name) for name in grouped):
        msg = f"{other.path} maps none of {', '.join(grouped) or JOINT}; give a map of the same property"
        raise InputError(msg)
    return _Sources(grouped, table, other, list(table.files), table.notes)


def _counted(values: NDArray[np.float64], batch: NDArray[np.str_], name: str) -> Grouped:
    try:
        return grouped_values(values, batch)
    except InputError as error:
        msg = f"{name}: {error}; or choose another with --property"
        raise InputError(msg) from error


def _read_map(own: MapFolder, other: MapFolder | None, config: DeconvolveConfig) -> _Sources:
    if JOINT in config.wanted:
        msg = "modulus and hardness together are for tables of indents; a map's two values come from one image"
        raise InputError(msg)
    if other is not None:
        msg = f"{own.path} is a map, and so is {other.path}; wanted one of them"
        raise InputError(msg)
    names = [name for name in PROPERTIES if own.has(name) and (not config.wanted or name in config.wanted)]
    if not names:
        msg = f"{own.path} maps no {' or '.join(config.wanted)}; choose another property"
        raise InputError(msg)
    grouped = {name: grouped_map(own, name) for name in names}
    notes = [
        "cells stand for indents, and 8 x 8 blocks of the map for batches: neighbours are alike, so BIC and ICL favour "
        "too many populations"
    ]
    notes += [
        f"{int(each.total[each.centre <= 0].sum())} cells of {name} are not positive: a model's extrapolation"
        for name, each in grouped.items()
        if (each.centre <= 0).any()
    ]
    notes += [
        f"{name} has {len(each.total)} distinct values, as a table model gives: populations no wider than the gaps "
        "between them are the table's doing"
        for name, each in grouped.items()
        if each.discrete
    ]
    return _Sources(grouped, None, own, [own.origin(names)], tuple(notes))


def _found(
    sources: _Sources, config: DeconvolveConfig, progress: Progress | None
) -> tuple[dict[str, Deconvolution], list[Distribution], JointDistribution | None, dict[str, PopulationMixture]]:
    found: dict[str, Deconvolution] = {}
    shown, joint, mixtures = [], None, {}

    def told(name: str) -> Progress | None:
        return None if progress is None else lambda stage, done, steps: progress(f"{name}: {stage}", done, steps)

    for name, data in sources.grouped.items():
        found[name], mixture = deconvolve(data, name=name, settings=config.settings, progress=told(name))
        mixtures[name] = mixture
        shown.append(Distribution(found[name], data, mixture.parameters()))
    both, settings = _both(sources, config), config.settings
    if both is not None and settings.fractions is None and settings.family == "normal":
        found[JOINT], together = deconvolve_jointly(*both, settings=settings, progress=told(JOINT))
        joint = JointDistribution(found[JOINT], both[0], together.correlations_)
    elif JOINT in config.wanted:
        msg = "modulus and hardness together want indents with both, normal components and no known fractions"
        raise InputError(msg)
    return found, shown, joint, mixtures


def _both(sources: _Sources, config: DeconvolveConfig) -> tuple[NDArray[np.float64], NDArray[np.str_]] | None:
    if sources.table is None or (config.wanted and JOINT not in config.wanted):
        return None
    pair = np.stack([sources.table.values[name] for name in PROPERTIES], axis=1)
    there = np.isfinite(pair).all(axis=1)
    few = there.sum() <= JointMixture(config.settings.populations or 1).n_parameters
    if not there.any() or (few and JOINT not in config.wanted):
        return None
    return pair[there], sources.table.batch[there]


def _check_water(config: DeconvolveConfig) -> None:
    """Refuse an impossible ratio, or populations that say nothing about hydration, before anything is computed."""
    if config.water_cement is None:
        return
    low_density_share(0.5, water_cement=config.water_cement)
    count = config.settings.populations
    if count is not None and names_of(count, config.settings.names) != CEMENT_PASTE:
        msg = f"--water-cement is for the degree of hydration, but {NOT_FOUR}"
        raise InputError(msg)


def _hydrations(found: dict[str, Deconvolution], config: DeconvolveConfig) -> dict[str, Hydration]:
    four = {name: each for name, each in found.items() if each.names() == CEMENT_PASTE}
    return {name: hydration(each, water_cement=config.water_cement) for name, each in four.items()}


def _write_map(
    output: Path,
    sources: _Sources,
    mixtures: dict[str, PopulationMixture],
    found: dict[str, Deconvolution],
    config: DeconvolveConfig,
    below: str,
) -> dict[str, Any] | None:
    folder = sources.map_folder
    if folder is None:
        return None
    name = next(each for each in mixtures if folder.has(each))
    shares = write_population_map(
        folder,
        name,
        mixtures[name],
        found[name].names(),
        certain=config.certain,
        number_path=output / MAP,
        probability_path=output / PROBABILITY,
    )
    draw_map(output, folder, name, found[name], shares, below=below)
    return {"map": folder.origin([name]), **shares}
