"""What an image is reconstructed from: an image of labels, or the phases that `cemvis two-point` counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors, sha256_of
from cemvis.analysis.correlation.reconstruction_target import TwoPointTarget
from cemvis.errors import FileFormatError, InputError
from cemvis.images.micrograph import open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.kernels.reconstruction import MOST_PHASES
from cemvis.kernels.two_point import PairCounts, pair_cell

if TYPE_CHECKING:
    import pandas as pd

PHASES_TABLE = "phases.csv"
_COLUMNS = ("r_px", "first", "second", "count")
_MOST_PX = 1 << 28


@dataclass(frozen=True, eq=False)
class LabelImage:
    """Phases numbered from 0, (rows, cols) uint8, the label in the file of each, and where they came from."""

    path: Path
    phases: NDArray[np.uint8]
    labels: tuple[int, ...]
    pixel_size: PixelSize | None
    digest: str

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, as names of the phases."""
        return tuple(str(each) for each in self.labels)


@dataclass(frozen=True, eq=False)
class CountedPhases:
    """Pair counts of a folder of `cemvis two-point`, in all directions."""

    path: Path
    counts: PairCounts
    names: tuple[str, ...]
    pixel_size: PixelSize | None
    digest: str


def is_counted(path: Path) -> bool:
    """Whether a path is a folder or a table of counts, and not an image."""
    return path.suffix.lower() == ".csv" or (path.is_dir() and not (path / "zarr.json").exists() and _has_table(path))


def _has_table(path: Path) -> bool:
    return (path / PHASES_TABLE).is_file() or not any((path / name).is_file() for name in (".zarray", ".zgroup"))


def read_labels(path: Path, *, pixel_size: PixelSize | None = None) -> LabelImage:
    """Read an image of labels: TIFF, PNG or Zarr of 8 or 16 bit, or a .npy array of whole numbers.

    Raises
    ------
    InputError
        If it is not two-dimensional, has NaN or broken numbers, one label alone or more than 16, or is too large.
    FileAccessError, FileFormatError
    """
    if path.suffix.lower() == ".npy":
        values, size, digest = _read_npy(path), pixel_size, sha256_of(path)
    else:
        with open_micrograph(path, pixel_size=pixel_size, info_bar=False) as image:
            _check_size(path, image.shape)
            values = image.read(0, 0, *image.shape)
            size, digest = image.pixel_size, image.digest()
    labels = np.unique(values)
    if not 2 <= len(labels) <= MOST_PHASES:
        few = f"one label alone, {labels[0]}" if len(labels) == 1 else f"{len(labels)} different values"
        msg = (
            f"{path} has {few}; wanted an image of 2 to {MOST_PHASES} phases: give labels, or count the phases of grey "
            "levels with cemvis two-point --phases and give its folder"
        )
        raise InputError(msg)
    phases = np.searchsorted(labels, values).astype(np.uint8)
    return LabelImage(path, phases, tuple(int(each) for each in labels), size, digest)


def _read_npy(path: Path) -> NDArray[np.generic]:
    with access_errors(path, doing="read"):
        try:
            values: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            msg = f"{path} is not a .npy array that can be read: {str(error).partition(chr(10))[0]}"
            raise FileFormatError(msg) from error
    if values.ndim != 2 or values.size == 0:
        msg = f"{path} has shape {values.shape}; wanted (rows, cols) with at least one pixel"
        raise InputError(msg)
    _check_size(path, values.shape)
    if values.dtype.kind == "f":
        if np.isnan(values).any():
            msg = f"{path} has NaN; wanted whole numbers as labels of phases: fill or crop what is not known"
            raise InputError(msg)
        msg = f"{path} holds {values.dtype.name} values; wanted whole numbers as labels of phases"
        raise InputError(msg)
    if values.dtype.kind not in "iub":
        msg = f"{path} holds {values.dtype.name} values; wanted whole numbers as labels of phases"
        raise InputError(msg)
    if values.dtype.kind != "b" and (values.min() < 0 or values.max() > 65535):
        msg = f"{path} has labels from {values.min()} to {values.max()}; wanted 0 to 65535"
        raise InputError(msg)
    return values.astype(np.uint16)


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    if shape[0] * shape[1] > _MOST_PX:
        msg = (
            f"{path} has {shape[0]} x {shape[1]} px, more than {_MOST_PX:,}; count it with cemvis two-point --phases, "
            "and give its folder"
        )
        raise InputError(msg)


def read_counted(path: Path, *, pixel_size: PixelSize | None = None) -> CountedPhases:
    """Read the pairs of phases that `cemvis two-point --phases` counted: its folder, or the phases.csv in it.

    Raises
    ------
    InputError
        If they are counts between two images, or some pair of phases or distance is missing.
    FileAccessError, FileFormatError
    """
    import pandas as pd

    table = path / PHASES_TABLE if path.is_dir() else path
    if not table.is_file():
        msg = f"{path} has no {PHASES_TABLE}; wanted an image of labels, or a folder of cemvis two-point --phases"
        raise InputError(msg)
    with access_errors(table, doing="read"):
        try:
            rows = pd.read_csv(table, dtype={"first": str, "second": str}, keep_default_na=False)
        except (ValueError, UnicodeDecodeError) as error:
            msg = f"{table} is not a table that can be read: {str(error).partition(chr(10))[0]}"
            raise FileFormatError(msg) from error
    missing = [name for name in _COLUMNS if name not in rows.columns]
    if missing:
        msg = f"{table} has no column {missing[0]}; wanted {', '.join(_COLUMNS)}"
        raise FileFormatError(msg)
    names = tuple(dict.fromkeys(rows["first"]))
    counts = _table_counts(table, rows, names)
    # "rest" stands there even where every level has a phase.
    there = [n for n in range(len(names)) if counts.level_pairs(n, n)[0] > 0]
    if 2 <= len(there) < len(names):
        cells = [pair_cell(i, j) for b, j in enumerate(there) for i in there[: b + 1]]
        counts = PairCounts(counts.counts[:, cells], counts.pairs, len(there), False, counts.algorithm)
        names = tuple(names[n] for n in there)
    return CountedPhases(path, counts, names, pixel_size or _table_pixel_size(rows), sha256_of(table))


def _table_counts(table: Path, rows: pd.DataFrame, names: tuple[str, ...]) -> PairCounts:
    import pandas as pd

    if not 2 <= len(names) <= MOST_PHASES:
        msg = f"{table} has {len(names)} phases; wanted 2 to {MOST_PHASES}"
        raise InputError(msg)
    number = {name: n for n, name in enumerate(names)}
    r, count = (pd.to_numeric(rows[name], errors="coerce").to_numpy(np.float64) for name in ("r_px", "count"))
    second = rows["second"].map(number)
    if not (np.isfinite(r).all() and np.isfinite(count).all()) or min(r.min(), count.min()) < 0 or second.isna().any():
        msg = f"{table} has counts, distances or phases that are missing or below 0"
        raise FileFormatError(msg)
    cells = len(names) * (len(names) + 1) // 2
    size = int(r.max()) + 1
    column = [pair_cell(number[i], number[j]) for i, j in zip(rows["first"], rows["second"], strict=True)]
    place = r.astype(np.int64) * cells + np.array(column)
    times = np.bincount(place, minlength=size * cells)
    if len(rows) > size * cells and times.max() > 1:
        msg = f"{table} has counts of both orders of two phases, between two images; wanted those in one"
        raise InputError(msg)
    if (times != 1).any():
        msg = f"{table} does not have each pair of phases once at each distance from 0 to {size - 1} px"
        raise InputError(msg)
    counts = np.zeros(size * cells, np.uint64)
    counts[place] = count.astype(np.uint64)
    both = counts.reshape(size, cells)
    return PairCounts(both, both.sum(1, dtype=np.uint64), len(names), False, "table")


def _table_pixel_size(rows: pd.DataFrame) -> PixelSize | None:
    import pandas as pd

    if "r_um" not in rows.columns:
        return None
    r, um = (pd.to_numeric(rows[name], errors="coerce").to_numpy(np.float64) for name in ("r_px", "r_um"))
    last = int(r.argmax())
    return PixelSize(float(um[last] / r[last]), "cemvis two-point") if um[last] > 0 and r[last] > 0 else None


def counted_target(source: CountedPhases, r_max: int) -> TwoPointTarget:
    """Return the target up to `r_max` of counts that reach farther.

    Raises
    ------
    InputError
        If they do not.
    """
    if r_max > source.counts.r_max:
        msg = f"{source.path} has counts up to {source.counts.r_max} px; wanted r_max up to that, not {r_max}"
        raise InputError(msg)
    counts = source.counts
    cut = PairCounts(counts.counts[: r_max + 1], counts.pairs[: r_max + 1], counts.levels, False, counts.algorithm)
    return TwoPointTarget.from_counts(cut)
