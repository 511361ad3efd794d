"""The truth of a virtual area at the cells of a map: property fields, phases, and the tests made there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors, digest_of, file_digest, json_record, sha256_of
from cemvis.analysis.validation.errors import ErrorSums
from cemvis.analysis.validation.result import Judged
from cemvis.analysis.validation.sample import Sample, sample_of
from cemvis.errors import FileAccessError, FileFormatError, InputError
from cemvis.workflows._deconvolve_map import BLOCKS, opened_raster
from cemvis.workflows._map_files import CELLS_PARQUET
from cemvis.workflows._map_table import property_columns
from cemvis.workflows._specimen_files import HARDNESS, INDENTS, MODULUS, MOSAIC, PHASES
from cemvis.workflows._validate_phases import PHASE_NAMES, Strips, phases_at
from cemvis.workflows._validate_sources import BATCHES, MAP_BLOCKS, Mapped, block_of
from cemvis.workflows.indents import Indents, read_indents
from cemvis.workflows.specimen import ABOUT

Floats = NDArray[np.float64]

FIELDS = {"modulus": MODULUS, "hardness": HARDNESS}
FINE_STEP_UM = 2.5  # between true values: coarser ones are not interpolated
NEAR_UM = 0.5  # of a cell's centre: a test there is one of that cell
_MOST_KEPT = 4_000_000


@dataclass(frozen=True)
class Truth:
    """The folder of a virtual area.

    Attributes
    ----------
    path : Path
    pixel_size_um, step_um : float
        Of the phases, and between the true properties.
    first_um : float
        x and y of the first true property.
    """

    path: Path
    pixel_size_um: float
    step_um: float
    first_um: float

    @classmethod
    def open(cls, path: Path) -> Truth:
        """Read what the area was made from.

        Raises
        ------
        FileAccessError
            If files of the truth are not there.
        FileFormatError
            If it is no area of `cemvis specimen`.
        """
        missing = [name for name in (ABOUT, MODULUS, HARDNESS, PHASES) if not (path / name).is_file()]
        if missing:
            msg = f"{path} holds no {missing[0]}; wanted an area's folder as `cemvis specimen` makes it"
            raise FileAccessError(msg)
        with json_record(path / ABOUT, "cemvis specimen") as about:
            pixel, step = (float(about["origin"][key]) for key in ("pixel_size_um", "truth_step_um"))
        return cls(path, pixel, step, step / 2 - pixel / 2)

    def check(self, mapped: Mapped) -> None:
        """Check that a map is of this area's mosaic.

        Raises
        ------
        InputError
        """
        kind, digest = digest_of(mapped.folder.summary["mosaic"])
        if (self.path / MOSAIC).is_file():
            own = file_digest(self.path / MOSAIC).get(kind)
        else:
            with json_record(self.path / ABOUT, "cemvis specimen") as about:
                own = about.get("sha256", {}).get(MOSAIC)
        if own != digest:
            msg = (
                f"{mapped.folder.path} is not a map of {self.path / MOSAIC} (digest {digest[:12]}, the truth's "
                f"{str(own)[:12]}); give the truth of the mosaic that was mapped"
            )
            raise InputError(msg)

    def tests(self) -> Indents | None:
        """Return the tests that were made in this area; None if there is no table of them."""
        table = self.path / INDENTS
        return read_indents(table, properties=tuple(FIELDS)) if table.is_file() else None

    def tests_digest(self) -> str:
        """Return the digest of the table of the tests in this area; empty if there is none."""
        return sha256_of(self.path / INDENTS) if (self.path / INDENTS).is_file() else ""


@dataclass
class _Kept:
    """True values of the cells, for their distribution."""

    values: list[Floats] = field(default_factory=list)
    blocks: list[NDArray[np.intp]] = field(default_factory=list)


def judge(
    mapped: Mapped, truth: Truth, name: str, *, resamplings: int, level: float, seed: int
) -> tuple[Judged, Sample]:
    """Return how wrong a map is, and the distribution of the true values at its cells.

    True values are interpolated linearly between those that the area's folder holds. The phase of a cell is the one
    that 60 % or more of the true surface shows in the 4.1 um around its centre. Tests within 0.5 um of a cell's centre
    are compared with it as well: they have the noise and hidden spread that intervals are for, and the true field does
    not.

    Raises
    ------
    InputError
        If the true values are too coarse for the cells, or no cell has one.
    FileAccessError, FileFormatError
    """
    sums, tests = ErrorSums(PHASE_NAMES, BLOCKS * BLOCKS), ErrorSums(PHASE_NAMES, BLOCKS * BLOCKS)
    made, kept = truth.tests(), _Kept()
    rows, cols = mapped.folder.summary["grid"]["cells"]
    every = max(1, math.ceil(rows * cols / _MOST_KEPT))
    with opened_raster(truth.path / FIELDS[name]) as true, opened_raster(truth.path / PHASES) as surface:
        strips = Strips(surface)
        for cells in _rows_of(mapped, name):
            phase = phases_at(strips, cells.x_um, float(cells.y_um[0]), pixel_um=truth.pixel_size_um)
            at = _interpolated(true, truth, cells.x_um, cells.y_um)
            block = block_of(np.full(len(cells.col), cells.row), cells.col, (rows, cols))
            sums.add(at, cells.value, phase=phase, block=block, lower=cells.lower, upper=cells.upper)
            if cells.row % every == 0:
                there = np.isfinite(at) & np.isfinite(cells.value)
                kept.values.append(at[there])
                kept.blocks.append(block[there])
            if made is not None:
                found = _tests_at(made, name, cells)
                tests.add(found, cells.value, phase=phase, block=block, lower=cells.lower, upper=cells.upper)
    errors = sums.errors(resamplings=resamplings, level=level, seed=seed)
    against = tests.errors(resamplings=resamplings, level=level, seed=seed) if tests.cells >= 20 else ()
    sample = sample_of(
        np.concatenate(kept.values), [f"block {n}" for n in np.concatenate(kept.blocks)], kind=MAP_BLOCKS
    )
    return Judged(errors, against, mapped.level(name)), sample


def tests_sample(truth: Truth, name: str) -> Sample | None:
    """Return what the tests made in the area report, by batch; None if there are none."""
    made = truth.tests()
    if made is None:
        return None
    return sample_of(made.measured_gpa[name], [str(each) for each in made.batch], kind=BATCHES)


def truth_digests(truth: Truth) -> dict[str, str]:
    """Return the digests of the files that the truth was read from."""
    return {name: sha256_of(truth.path / name) for name in (ABOUT, *FIELDS.values(), PHASES)}


@dataclass(frozen=True)
class _Cells:
    """A row of cells."""

    row: int
    col: NDArray[np.intp]
    x_um: Floats
    y_um: Floats
    value: Floats
    lower: Floats
    upper: Floats


def _rows_of(mapped: Mapped, name: str) -> Iterator[_Cells]:
    """Yield the cells of a map, a row of it at a time."""
    from pyarrow import ArrowException, parquet

    path = mapped.folder.path / CELLS_PARQUET
    named = property_columns(name, "GPa")
    columns = ["row", "column", "x_um", "y_um", *named]
    held: list[NDArray[Any]] = [np.zeros(0) for _ in columns]
    with access_errors(path, doing="read"):
        try:
            with parquet.ParquetFile(path) as table:
                for batch in table.iter_batches(columns=columns):
                    fresh = [
                        np.asarray(batch.column(column).to_numpy(zero_copy_only=False), np.float64)
                        for column in columns
                    ]
                    held = [np.concatenate(pair) for pair in zip(held, fresh, strict=True)]
                    whole = held[0] < held[0][-1]  # the last row may go on in the next batch
                    yield from _by_row([each[whole] for each in held])
                    held = [each[~whole] for each in held]
        except (ArrowException, KeyError, ValueError) as error:
            msg = f"{path} is not the table of a map's cells ({str(error).splitlines()[0]}); map again"
            raise FileFormatError(msg) from error
    if len(held[0]):
        yield from _by_row(held)


def _by_row(columns: list[NDArray[Any]]) -> Iterator[_Cells]:
    numbers, first = np.unique(columns[0], return_index=True)
    for number, part in zip(numbers, zip(*(np.split(each, first[1:]) for each in columns), strict=True), strict=True):
        yield _Cells(int(number), part[1].astype(np.intp), *(np.asarray(each, np.float64) for each in part[2:]))


def _interpolated(raster: Any, truth: Truth, x_um: Floats, y_um: Floats) -> Floats:
    """Return the true values at one y and (n,) x, linear between the nearest; NaN beyond the outermost."""
    rows, cols = raster.shape
    down, right = (y_um[0] - truth.first_um) / truth.step_um, (x_um - truth.first_um) / truth.step_um
    off = max(abs(down - round(down)), float(np.abs(right - np.rint(right)).max())) * truth.step_um
    if truth.step_um > FINE_STEP_UM and off > 0.1:
        msg = (
            f"{truth.path} has a true value every {truth.step_um:g} um, up to {off:.2g} um from the cells; make the "
            "specimen with --truth-step 2, or map with the step and window that the truth has"
        )
        raise InputError(msg)
    inside = (right > -0.05) & (right < cols - 0.95)
    if not -0.05 < down < rows - 0.95:
        return np.full(len(x_um), np.nan)
    down, right = float(np.clip(down, 0, rows - 1)), np.clip(right, 0, cols - 1)
    top, left = min(int(down), rows - 2), np.minimum(right.astype(np.intp), cols - 2)
    two = np.asarray(raster[top : top + 2], np.float64)
    line = (1 - (down - top)) * two[0] + (down - top) * two[1]
    share = right - left
    return np.where(inside, (1 - share) * line[left] + share * line[left + 1], np.nan)


def _tests_at(made: Indents, name: str, cells: _Cells) -> Floats:
    """Return what the test nearest to each cell of a row reports; NaN where none is within 0.5 um."""
    found = np.full(len(cells.col), np.nan)
    near = np.flatnonzero(np.abs(made.y_um - cells.y_um[0]) <= NEAR_UM)
    near = near[np.argsort(made.x_um[near])]
    if not len(near):
        return found
    at = np.clip(np.searchsorted(made.x_um[near], cells.x_um), 1, max(1, len(near) - 1))
    candidates = np.stack([near[np.minimum(at, len(near) - 1)], near[at - 1]])
    distance = np.hypot(made.x_um[candidates] - cells.x_um, made.y_um[candidates] - cells.y_um)
    best = np.argmin(distance, axis=0)
    chosen = candidates[best, np.arange(len(best))]
    return np.where(distance.min(axis=0) <= NEAR_UM, made.measured_gpa[name][chosen], found)
