"""The one table of indents that every reader returns, with where it came from and what was inferred."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import written_whole
from cemvis.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

OK, FAILED, BAD_FIT, TAGGED = "ok", "failed", "bad fit", "tagged"
TEXTS = ("id", "batch", "status")
GRID = ("row", "column")
VALUES = ("x_um", "y_um", "modulus_gpa", "hardness_gpa", "reduced_modulus_gpa", "depth_nm", "load_mn")
COLUMNS = ("id", "batch", *GRID, *VALUES, "status")
UNITS = {"x_um": "um", "y_um": "um", "depth_nm": "nm", "load_mn": "mN"} | {
    name: "GPa" for name in VALUES if name.endswith("_gpa")
}


@dataclass(frozen=True)
class Source:
    """The file that tests came from.

    Attributes
    ----------
    path, sha256 : str
        The file and the digest of its bytes, in hexadecimal.
    format, vendor : str
        Which reader took it, and who made the instrument; the vendor is empty where the file does not tell.
    sheet : str
        The sheet of a workbook; empty otherwise.
    """

    path: str
    sha256: str
    format: str
    vendor: str
    sheet: str


@dataclass(frozen=True)
class IndentTable:
    """n tests of an indenter in the order of the file.

    Attributes
    ----------
    id, batch, status : tuple of str
        Name of each test, of the grid that it belongs to (empty where not known), and "ok", "failed" (no usable
        value), "bad fit" (the instrument's fit ended at a limit), "tagged" (by the operator), or the file's own word.
    row, column : (n,) int64
        Place in the batch, rising with y and x; -1 where not known.
    x_um, y_um : (n,) float64
        Positions in the frame of the file; NaN where it has none.
    modulus_gpa, hardness_gpa, reduced_modulus_gpa : (n,) float64
        Young's modulus of the specimen, hardness, and modulus of the contact (tip and specimen); NaN where not known.
    depth_nm, load_mn : (n,) float64
        At the greatest load; NaN where not known.
    sources : tuple of Source
    notes : tuple of str
        What was inferred, assumed or left out, a line each.
    """

    id: tuple[str, ...]
    batch: tuple[str, ...]
    row: Integers
    column: Integers
    x_um: Floats
    y_um: Floats
    modulus_gpa: Floats
    hardness_gpa: Floats
    reduced_modulus_gpa: Floats
    depth_nm: Floats
    load_mn: Floats
    status: tuple[str, ...]
    sources: tuple[Source, ...]
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        wrong = [name for name in COLUMNS if len(getattr(self, name)) != len(self.id)]
        if wrong:
            msg = f"columns of {len(self.id)} tests have other lengths: {', '.join(wrong)}"
            raise InputError(msg)

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        *,
        source: Source,
        status: Sequence[str] | None = None,
        batch: Sequence[str] | None = None,
        notes: Iterable[str] = (),
        **values: NDArray[np.generic],
    ) -> IndentTable:
        """Return a table of the tests `ids`; columns that are not given are NaN, -1 or empty, the status "ok"."""
        n = len(ids)
        filled: dict[str, Any] = {name: np.asarray(values.get(name, np.full(n, np.nan)), np.float64) for name in VALUES}
        places: dict[str, Any] = {name: np.asarray(values.get(name, np.full(n, -1)), np.int64) for name in GRID}
        return cls(
            id=tuple(ids),
            batch=tuple(batch) if batch is not None else ("",) * n,
            status=tuple(status) if status is not None else (OK,) * n,
            sources=(source,),
            notes=tuple(notes),
            **places,
            **filled,
        )

    def __len__(self) -> int:
        return len(self.id)

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which tests can be used, (n,) bool."""
        return np.array([status == OK for status in self.status], bool)

    @property
    def has_positions(self) -> bool:
        """Whether every test has a position."""
        return bool(np.isfinite(self.x_um).all() and np.isfinite(self.y_um).all())

    def has(self, name: str) -> bool:
        """Return whether any test has a finite value in the column `name`."""
        return bool(np.isfinite(getattr(self, name)).any())

    def noted(self, *notes: str) -> IndentTable:
        """Return the table with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def to_frame(self) -> pd.DataFrame:
        """Return the tests as a pandas table with the columns of `COLUMNS`."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS})

    def to_csv(self, path: Path) -> None:
        """Write the table that ``cemvis train`` reads; columns that are empty throughout are left out.

        x_um, y_um, batch and status always stand; numbers are written so that reading gives the same ones.
        """
        always = ("id", "x_um", "y_um", "batch", "status")
        frame = self.to_frame()
        kept = [name for name in COLUMNS if name in always or (name in VALUES and self.has(name))]
        if (self.row >= 0).any():
            kept = [name for name in COLUMNS if name in (*kept, *GRID)]
            for name in GRID:
                frame[name] = frame[name].astype("Int64").mask(frame[name] < 0)
        with written_whole(path) as beside:
            frame[kept].to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")


def joined(tables: Sequence[IndentTable]) -> IndentTable:
    """Return the tests of several tables in one, in their order, with batches of the same name told apart.

    Raises
    ------
    InputError
        If there is no table.
    """
    if not tables:
        msg = "no table of indents to join; wanted at least one"
        raise InputError(msg)
    if len(tables) == 1:
        return tables[0]
    taken: set[str] = set()
    batches: list[str] = []
    for number, table in enumerate(tables, 1):
        here = set(table.batch) - {""}
        again = here & taken
        batches += [f"{name} ({number})" if name in again else name for name in table.batch]
        taken |= here
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in tables])
        if name in (*GRID, *VALUES)
        else tuple(value for table in tables for value in getattr(table, name))
        for name in (field.name for field in fields(IndentTable))
        if name not in ("batch", "notes")
    }
    shared = set.intersection(*(set(table.notes) for table in tables))
    notes = tuple(dict.fromkeys(_attributed(note, table, shared) for table in tables for note in table.notes))
    return IndentTable(**columns, batch=tuple(batches), notes=notes)


def _attributed(note: str, table: IndentTable, shared: set[str]) -> str:
    """Return a note with the name of its file, unless all files have it."""
    return note if note in shared else f"{Path(table.sources[0].path).name}: {note}"
