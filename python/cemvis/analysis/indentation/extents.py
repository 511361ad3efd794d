"""How far the cells of a workbook reach, found before a parser makes room for all that lie between.

A sheet is held as a full rectangle: one stray cell in its last corner makes that 17 thousand million cells.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from pathlib import Path

from cemvis.analysis.indentation.compound import DamagedError, workbook_stream

MOST_CELLS = 50_000_000
MOST_UNPACKED_BYTES = 4 * 2**30
_XLS_COLUMNS = 256
# Records of the old format that begin with a row and a column.
_CELLS = {0x0006, 0x00BD, 0x00BE, 0x00D6, 0x00FD, 0x0201, 0x0203, 0x0204, 0x0205, 0x027E}
_STRINGS = 0x00FC
_CELL = re.compile(rb'<c\b[^>]*?\br="([A-Z]{1,3})(\d{1,7})"')


def check_xls(path: Path) -> None:
    """Raise DamagedError if an xls file's container or records are damaged, or a cell lies beyond the last column."""
    stream = workbook_stream(path.read_bytes())
    at = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        at += 4
        if at + length > len(stream):
            msg = "a record reaches beyond its end"
            raise DamagedError(msg)
        if kind in _CELLS and length >= 4 and struct.unpack_from("<H", stream, at + 2)[0] >= _XLS_COLUMNS:
            msg = "a cell lies beyond the last column"
            raise DamagedError(msg)
        if kind == _STRINGS and length >= 8 and struct.unpack_from("<I", stream, at + 4)[0] > len(stream):
            msg = "its list of texts is longer than the file"
            raise DamagedError(msg)
        at += length


def check_xlsx(path: Path) -> None:
    """Raise DamagedError if an xlsx file's container is damaged or a sheet spans more than 50 million cells."""
    try:
        with zipfile.ZipFile(path) as file:
            if sum(part.file_size for part in file.infolist()) > MOST_UNPACKED_BYTES:
                msg = f"it unpacks to more than {MOST_UNPACKED_BYTES / 2**30:g} GiB"
                raise DamagedError(msg)
            for part in file.namelist():
                if part.startswith("xl/worksheets/") and part.endswith(".xml"):
                    _check_sheet(part, file.read(part))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise DamagedError(str(error)) from error


def _check_sheet(part: str, xml: bytes) -> None:
    corner: tuple[bytes, bytes] | None = None
    columns, last_row = 0, 0
    for letters, row in _CELL.findall(xml):
        column = 0
        for letter in letters:
            column = 26 * column + letter - ord("A") + 1
        if column > columns or int(row) > last_row:
            corner = (letters, row)
        columns, last_row = max(columns, column), max(last_row, int(row))
    if corner is not None and columns * last_row > MOST_CELLS:
        place = b"".join(corner).decode()
        msg = (
            f"{part} spans {columns * last_row:.2g} cells because of one at {place}: delete stray cells and save again"
        )
        raise DamagedError(msg)
