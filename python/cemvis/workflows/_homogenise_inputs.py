"""Reading what is homogenised: a table of phases, a map of moduli."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis._files import access_errors, sha256_of
from cemvis.analysis.homogenisation.paste import Known, Phase
from cemvis.errors import FileAccessError, FileFormatError, InputError
from cemvis.images.pixel_size import choose

_COLUMNS = ("fraction", "modulus_gpa", "poisson")
_SDS = ("fraction_sd", "modulus_sd_gpa", "poisson_sd")


@dataclass(frozen=True)
class ModulusMap:
    """A map of Young's moduli.

    Attributes
    ----------
    path, sha256
    modulus_gpa
        (rows, cols) float64.
    step_um
        Distance between cells; None if the file does not say.
    unmapped
        Cells that had no value.
    """

    path: Path
    sha256: str
    modulus_gpa: NDArray[np.float64]
    step_um: float | None
    unmapped: int


def read_map(path: Path, unmapped_gpa: float | None, threads: int | None) -> ModulusMap:
    """Return the map of moduli in a TIFF file of float values, or in the folder that ``cemvis map`` made.

    Parameters
    ----------
    path
    unmapped_gpa
        Taken for cells that are NaN; None to refuse them.
    threads
        That decode; all cores if None.

    Raises
    ------
    FileAccessError
        If there is no such file.
    FileFormatError
        If it is damaged or no map of float values.
    InputError
        If it is a map of something else, or has cells without a value.
    """
    from cemvis.images.ome_tiff import read_description
    from cemvis.images.tiff import TiffStorage

    if path.is_dir():
        path = path / "modulus.ome.tif"
    if not path.is_file():
        msg = f"there is no file {path}; wanted a map of moduli, or a folder made by cemvis map"
        raise FileAccessError(msg)
    about = read_description(path)
    if about and not about.startswith("Modulus in GPa"):
        msg = f"{path} is a map of something else ({about.partition('.')[0][:60]!r}); wanted one of the modulus in GPa"
        raise InputError(msg)
    with access_errors(path, doing="read"):
        storage = TiffStorage(path)
        try:
            if storage.dtype.kind != "f":
                msg = f"{path} holds {storage.dtype.name} values; wanted a map of moduli in GPa as float"
                raise FileFormatError(msg)
            values = storage.read(0, 0, *storage.shape, threads=thread_count(threads)).astype(np.float64)
            size = choose(storage.metadata.sizes, option=None, name=str(path))
        finally:
            storage.close()
    if values.ndim != 2:
        msg = f"{path} has {values.shape[-1]} values a cell; wanted one modulus in GPa"
        raise FileFormatError(msg)
    empty = np.isnan(values)
    count = int(empty.sum())
    if count and unmapped_gpa is None:
        msg = (
            f"{count:,} of the {values.size:,} cells of {path} have no value; give --unmapped GPA for them, 0 for pores"
        )
        raise InputError(msg)
    if count == values.size:
        msg = f"no cell of {path} has a value"
        raise InputError(msg)
    values[empty] = 0.0 if unmapped_gpa is None else unmapped_gpa
    return ModulusMap(path, sha256_of(path), values, None if size is None else size.um, count)


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
