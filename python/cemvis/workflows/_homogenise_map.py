"""Reading a map of moduli that is homogenised, with the half widths of its intervals."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis._files import access_errors, sha256_of
from cemvis.analysis.homogenisation.fft import BYTES_A_CELL
from cemvis.analysis.homogenisation.isotropic import check_magnitude
from cemvis.analysis.homogenisation.known import normal_quantile
from cemvis.errors import DeviceMemoryError, FileAccessError, FileFormatError, InputError
from cemvis.images.ome_tiff import read_description
from cemvis.images.pixel_size import choose

BYTES_OF_ERRORS = 60  # as measured
HALF_WIDTH = "modulus_half_width.ome.tif"


@dataclass(frozen=True)
class HalfWidths:
    """Half widths of the prediction intervals of a map.

    Attributes
    ----------
    path, sha256
    half_width_gpa
        (rows, cols) float64, 0 where there is none.
    level
        Of the intervals.
    missing
        Cells with a value of their own but without a half width.
    """

    path: Path
    sha256: str
    half_width_gpa: NDArray[np.float64]
    level: float
    missing: int

    @property
    def error_gpa(self) -> NDArray[np.float64]:
        """The standard error of each cell, if its interval is that of a normal distribution."""
        return self.half_width_gpa / normal_quantile(self.level)


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
    half_widths
        Of the interval of each cell; None if the map has none.
    """

    path: Path
    sha256: str
    modulus_gpa: NDArray[np.float64]
    step_um: float | None
    unmapped: int
    half_widths: HalfWidths | None = None


def read_map(path: Path, unmapped_gpa: float | None, threads: int | None) -> ModulusMap:
    """Return the map of moduli in a TIFF file of float values, or in the folder that ``cemvis map`` made.

    Half widths are read from ``modulus_half_width.ome.tif`` beside ``modulus.ome.tif``, where it is there.

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
    if path.is_dir():
        path = path / "modulus.ome.tif"
    if not path.is_file():
        msg = f"there is no file {path}; wanted a map of moduli, or a folder made by cemvis map"
        raise FileAccessError(msg)
    about = read_description(path)
    if about and not about.startswith("Modulus in GPa"):
        msg = f"{path} is a map of something else ({about.partition('.')[0][:60]!r}); wanted one of the modulus in GPa"
        raise InputError(msg)
    half_widths_path = path.with_name(HALF_WIDTH)
    wide = path.name == "modulus.ome.tif" and half_widths_path.is_file()
    values, step_um = _raster(path, threads, bytes_a_cell=BYTES_A_CELL + (BYTES_OF_ERRORS if wide else 0))
    empty = np.isnan(values)
    count = int(empty.sum())
    if count == values.size:
        msg = f"no cell of {path} has a value"
        raise InputError(msg)
    if count and unmapped_gpa is None:
        msg = (
            f"{count:,} of the {values.size:,} cells of {path} have no value; give --unmapped GPA for them, 0 for pores"
        )
        raise InputError(msg)
    check_magnitude(values[~empty], str(path))
    half_widths = _half_widths(half_widths_path, ~empty, threads) if wide else None
    values[empty] = 0.0 if unmapped_gpa is None else unmapped_gpa
    return ModulusMap(path, sha256_of(path), values, step_um, count, half_widths)


def _half_widths(path: Path, there: NDArray[np.bool_], threads: int | None) -> HalfWidths:
    about = read_description(path)
    level = re.search(r"of the ([0-9.]+) % prediction interval", about)
    if level is None:
        msg = f"{path} does not say of which interval it has the half widths; take it out of the folder to do without"
        raise FileFormatError(msg)
    values, _ = _raster(path, threads)
    if values.shape != there.shape:
        msg = f"{path} has {values.shape[0]} x {values.shape[1]} cells and the map {there.shape[0]} x {there.shape[1]}"
        raise FileFormatError(msg)
    missing = np.isnan(values)
    values[missing] = 0.0
    if not (np.isfinite(values) & (values >= 0)).all():
        msg = f"{path} has half widths below 0 or without end"
        raise FileFormatError(msg)
    return HalfWidths(path, sha256_of(path), values, float(level[1]) / 100, int((missing & there).sum()))


def _raster(path: Path, threads: int | None, *, bytes_a_cell: int = 0) -> tuple[NDArray[np.float64], float | None]:
    """Return the values of a float TIFF, and the distance between them in um if it says so."""
    from cemvis.images.tiff import TiffStorage

    with access_errors(path, doing="read"):
        storage = TiffStorage(path)
        try:
            if storage.dtype.kind != "f":
                msg = f"{path} holds {storage.dtype.name} values; wanted a map of moduli in GPa as float"
                raise FileFormatError(msg)
            _check_memory(path, storage.shape, bytes_a_cell)
            values = storage.read(0, 0, *storage.shape, threads=thread_count(threads)).astype(np.float64)
            size = choose(storage.metadata.sizes, option=None, name=str(path))
        finally:
            storage.close()
    if values.ndim != 2:
        msg = f"{path} has {values.shape[-1]} values a cell; wanted one modulus in GPa"
        raise FileFormatError(msg)
    return values, None if size is None else size.um


def physical_memory_bytes() -> int | None:
    """Return how much memory the machine has, or None if the system does not tell."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(names):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _check_memory(path: Path, shape: tuple[int, int], bytes_a_cell: int) -> None:
    """Refuse a map that the machine's memory cannot hold while it is solved, where that is known."""
    there = physical_memory_bytes()
    wanted = shape[0] * shape[1] * bytes_a_cell
    if there is not None and wanted > there:
        msg = (
            f"{path} has {shape[0]:,} x {shape[1]:,} cells, and solving it takes {wanted / 1e9:,.3g} GB of memory, "
            f"of which there are {there / 1e9:,.3g}; give a part of it, or a map with larger steps (cemvis map --step)"
        )
        raise DeviceMemoryError(msg)
