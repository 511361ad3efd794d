"""Files as grids of cells: workbooks by calamine, text by its encoding, separator and decimal sign."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors, sha256_of
from cemvis.analysis.indentation.compound import DamagedError
from cemvis.analysis.indentation.extents import check_xls, check_xlsx
from cemvis.errors import FileFormatError, InputError

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

MOST_BYTES = 512 * 2**20
_WORKBOOKS = {b"PK\x03\x04": "xlsx", b"\xd0\xcf\x11\xe0": "xls"}
_OTHERS = {
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"II+\x00": "a TIFF image",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
    b"\x89HDF": "an HDF5 file",
}
# What indenters and spreadsheets write into the cell of a number that they do not have.
_NO_NUMBER = {"", "-", "--", "***", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "#div/0!"}
_NO_NUMBER |= {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "1.#inf", "inf", "-inf", "#value!", "#num!"}
SENTINEL = 1e300  # NanoSuite writes the largest double where it has no value


@dataclass(frozen=True)
class Grid:
    """Rows of cells. Text files have text only; workbooks have numbers too.

    Attributes
    ----------
    where : str
        The file, and the sheet of a workbook, as messages name it.
    sheet : str
    rows : list of list
    decimal_comma : bool
        Whether the numbers are written with a decimal comma.
    first_line : int
        Number of the first row in the file, counted from 1.
    """

    where: str
    sheet: str
    rows: list[list[Any]]
    decimal_comma: bool = False
    first_line: int = 1

    def texts(self, row: int) -> list[str]:
        """Return a row's cells as text."""
        return [as_text(cell) for cell in self.rows[row]]

    def cells(self, column: int, chosen: Sequence[int]) -> list[Any]:
        """Return the cells of a column in the `chosen` rows; rows that are too short have an empty one."""
        return [self.rows[row][column] if column < len(self.rows[row]) else "" for row in chosen]

    def numbers(
        self, column: int, chosen: Sequence[int], *, header: str, lenient: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Return a column's numbers: NaN where there is none, where a sentinel stands and where it is not finite.

        Raises
        ------
        InputError
            If a cell holds other text or a date; not in rows that `lenient` marks.
        """
        values = np.full(len(chosen), np.nan)
        for index, (row, cell) in enumerate(zip(chosen, self.cells(column, chosen), strict=True)):
            value = as_number(cell, decimal_comma=self.decimal_comma)
            if value is None and (lenient is None or not lenient[index]):
                kind = "" if isinstance(cell, str) else f" (a {type(cell).__name__}: the spreadsheet made it one)"
                line = self.first_line + row
                msg = f"{self.where}, line {line}: {header} is {as_text(cell)[:40]!r}{kind}; wanted a number or nothing"
                raise InputError(msg)
            values[index] = np.nan if value is None else value
        return values


@dataclass
class Document:
    """A file that may hold indents: its grids are read when they are asked for, and once.

    Attributes
    ----------
    path : Path
    sha256 : str
    kind : str
        "xlsx", "xls" or "text".
    sheets : tuple of str
        Names of a workbook's sheets; ("",) for text.
    """

    path: Path
    sha256: str
    kind: str
    sheets: tuple[str, ...]
    _workbook: CalamineWorkbook | None = field(default=None, repr=False)
    _grids: dict[str, Grid] = field(default_factory=dict, repr=False)

    def grid(self, sheet: str | None = None) -> Grid:
        """Return one sheet, the first by default.

        Raises
        ------
        InputError
            If there is no such sheet.
        FileFormatError
            If it is damaged.
        """
        name = self.sheets[0] if sheet is None else sheet
        if name not in self.sheets:
            named = ", ".join(self.sheets[:12]) or "none, it is no workbook"
            msg = f"{self.path} has no sheet {name!r}; its sheets are {named}"
            raise InputError(msg)
        if name not in self._grids:
            self._grids[name] = self._sheet(name)
        return self._grids[name]

    def _sheet(self, name: str) -> Grid:
        from python_calamine import CalamineError

        if self._workbook is None:
            return _text_grid(self.path)
        try:
            sheet = self._workbook.get_sheet_by_name(name)
            rows = [list(row) for row in sheet.to_python()]
            first = 1 if sheet.start is None else sheet.start[0] + 1
        except (CalamineError, OSError, ValueError) as error:
            msg = f"{self.path}, sheet {name!r} cannot be read: {_one_line(error)}; is the file whole?"
            raise FileFormatError(msg) from error
        return Grid(f"{self.path}, sheet {name!r}", name, rows, first_line=first)


def open_document(path: Path) -> Document:
    """Open a workbook or a text file, told apart by their bytes.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    FileFormatError
        If it is empty, damaged, larger than 512 MiB, an image, or anything else that holds no table.
    """
    path = Path(path)
    with access_errors(path, doing="read"):
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(65_536)
    if size == 0:
        msg = f"{path} is empty; wanted a table of indents"
        raise FileFormatError(msg)
    if size > MOST_BYTES:
        msg = f"{path} has {size / 2**20:,.0f} MiB; a table of indents has at most {MOST_BYTES // 2**20} (is it one?)"
        raise FileFormatError(msg)
    for start, what in _OTHERS.items():
        if head.startswith(start):
            msg = f"{path} is {what}; wanted a table of indents (CSV, text, xls or xlsx)"
            raise FileFormatError(msg)
    kind = next((kind for start, kind in _WORKBOOKS.items() if head.startswith(start)), "text")
    with access_errors(path, doing="read"):
        digest = sha256_of(path)
    if kind == "text":
        if b"\x00" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
            msg = f"{path} is neither text nor a workbook; wanted a table of indents (CSV, text, xls or xlsx)"
            raise FileFormatError(msg)
        return Document(path, digest, kind, ("",))
    workbook = _open_workbook(path, kind)
    return Document(path, digest, kind, tuple(workbook.sheet_names), workbook)


def _open_workbook(path: Path, kind: str) -> CalamineWorkbook:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    look = check_xls if kind == "xls" else check_xlsx
    try:
        look(path)
        workbook = CalamineWorkbook.from_path(str(path))
    except PasswordError as error:
        msg = f"{path} is protected by a password; save it without one"
        raise FileFormatError(msg) from error
    except (CalamineError, DamagedError, OSError, ValueError) as error:
        msg = (
            f"{path} starts as a workbook ({kind}) but cannot be read: {_one_line(error)}; is it cut short or damaged?"
        )
        raise FileFormatError(msg) from error
    if not workbook.sheet_names:
        msg = f"{path} has no sheets"
        raise FileFormatError(msg)
    return workbook


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _text_grid(path: Path) -> Grid:
    with access_errors(path, doing="read"):
        data = path.read_bytes()
    lines = _decoded(data).splitlines()
    separator = _separator(lines)
    rows: list[list[Any]] = [_split(line, separator) for line in lines]
    return Grid(str(path), "", rows, decimal_comma=_has_decimal_commas(rows))


def _decoded(data: bytes) -> str:
    """Return text in UTF-16 with its mark, in UTF-8, or else in Latin-1, which takes any byte."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _separator(lines: Sequence[str]) -> str:
    """Return the separator that splits the most lines alike: tab, semicolon, comma, or "" for blanks."""
    sample = [line for line in lines[:200] if line.strip()]
    if not sample:
        return ","
    best, most = "", 0
    for separator in ("\t", ";", ","):
        counts = [line.count(separator) for line in sample]
        usual = max(set(counts), key=counts.count)
        alike = counts.count(usual)
        if usual and alike > max(most, len(sample) // 2):
            best, most = separator, alike
    if not best and any("," in line for line in sample) and not any(";" in line or "\t" in line for line in sample):
        return ","
    return best


def _split(line: str, separator: str) -> list[str]:
    if not separator:
        return line.split()
    if '"' in line:
        import csv

        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]
    return [cell.strip() for cell in line.split(separator)]


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    cells = [cell for row in rows[:500] for cell in row]
    commas = sum(bool(re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", cell)) for cell in cells)
    points = sum(bool(re.fullmatch(r"[-+]?\d+\.\d+([eE][-+]?\d+)?", cell)) for cell in cells)
    return commas > points


def as_text(cell: Any) -> str:
    """Return a cell as text; whole numbers without a decimal point, as a person would write an id."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell).strip()


def as_number(cell: Any, *, decimal_comma: bool = False) -> float | None:
    """Return a cell as a number, NaN where it says that there is none, or None if it is something else."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, (int, float)):
        value = float(cell)
    elif isinstance(cell, str):
        text = cell.strip()
        if text.lower() in _NO_NUMBER:
            return float("nan")
        try:
            value = float(text.replace(",", ".") if decimal_comma else text.replace("_", "?"))
        except ValueError:
            return None
    else:
        return None
    return value if abs(value) < SENTINEL else float("nan")
