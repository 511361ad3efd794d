"""Small workbooks for tests, written by hand: the project reads them and writes none."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"

Cell = str | float | int | None


def write_xlsx(path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> Path:
    """Write `sheets` (name -> rows of text, numbers and None for empty cells) to `path`, and return it."""
    names = list(sheets)
    listed = "".join(f'<sheet name={quoteattr(name)} sheetId="{i}" r:id="rId{i}"/>' for i, name in enumerate(names, 1))
    related = "".join(
        f'<Relationship Id="rId{i}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(names) + 1)
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("[Content_Types].xml", f'<Types xmlns="{_PACKAGE}/content-types"/>')
        file.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        file.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
        )
        file.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{related}</Relationships>'
        )
        for number, name in enumerate(names, 1):
            file.writestr(f"xl/worksheets/sheet{number}.xml", _sheet(sheets[name]))
    return path


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    lines = []
    for number, row in enumerate(rows, 1):
        cells = "".join(_cell(f"{_column(index)}{number}", cell) for index, cell in enumerate(row))
        lines.append(f'<row r="{number}">{cells}</row>')
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def _cell(place: str, cell: Cell) -> str:
    if cell is None or cell == "":
        return ""
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
    return f'<c r="{place}"><v>{cell!r}</v></c>'


def _column(index: int) -> str:
    assert index < 26
    return chr(ord("A") + index)


def write_xls(path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> Path:
    """Write `sheets` to `path` in the old binary format (BIFF8 within a compound file), and return it."""
    path.write_bytes(compound_file(biff_stream(sheets)))
    return path


def biff_stream(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> bytes:
    """Return the records of a workbook: its list of sheets, then each sheet's cells."""
    bodies = [
        _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 6)) + _biff_cells(rows) + _record(0x0A)
        for rows in sheets.values()
    ]
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x05, 0, 0, 0, 6)) + _record(0x42, struct.pack("<H", 1200))
    listed = [struct.pack("<HBB", 0, len(name), 1) + name.encode("utf-16-le") for name in sheets]
    at = len(start) + sum(8 + len(each) for each in listed) + 4
    entries = b""
    for each, body in zip(listed, bodies, strict=True):
        entries += _record(0x85, struct.pack("<I", at) + each)
        at += len(body)
    return start + entries + _record(0x0A) + b"".join(bodies)


def _biff_cells(rows: Sequence[Sequence[Cell]]) -> bytes:
    records = b""
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(cell, str) and cell:
                text = struct.pack("<HB", len(cell), 1) + cell.encode("utf-16-le")
                records += _record(0x0204, place + text)
            elif isinstance(cell, (int, float)):
                records += _record(0x0203, place + struct.pack("<d", cell))
    return records


def _record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def compound_file(stream: bytes, *, name: str = "Workbook") -> bytes:
    """Return a compound file of 512-byte sectors with one stream, padded to 4096 bytes at least."""
    stream = stream.ljust(4096, b"\x00")
    stream += b"\x00" * (-len(stream) % 512)
    sectors = len(stream) // 512
    assert sectors + 2 <= 128, "one sector of the table is all that is written here"
    # Sector 0 is the table, 1 the directory, the others the stream.
    table = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, sectors + 2), 0xFFFFFFFE]
    table += [0xFFFFFFFF] * (128 - len(table))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    header += struct.pack("<IIIIIIIII", 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0) + b"\xff" * (108 * 4)
    entries = [("Root Entry", 5, 1, 0xFFFFFFFE, 0), (name, 2, 0xFFFFFFFF, 2, len(stream))]
    directory = b""
    for label, kind, child, start, size in entries:
        text = label.encode("utf-16-le")
        directory += text.ljust(64, b"\x00") + struct.pack(
            "<HBBIII", len(text) + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child
        )
        directory += bytes(36) + struct.pack("<IQ", start, size)
    return header + struct.pack("<128I", *table) + directory.ljust(512, b"\x00") + stream
