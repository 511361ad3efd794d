"""Workbooks whose damage would send a parser round in circles, or make it ask for more memory than there is."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from cemvis.analysis.indentation import extents
from cemvis.analysis.indentation.compound import DamagedError, workbook_stream
from cemvis.analysis.indentation.reading import read_indents_file
from cemvis.errors import FileFormatError
from workbooks import biff_stream, compound_file, write_xlsx

STREAM = biff_stream({"Results": [["E", "H"], ["GPa", "GPa"], [30.0, 1.0]]})
WHOLE = compound_file(STREAM)
TABLE = 512  # where the table of sectors begins


def patched(at: int, value: int) -> bytes:
    return WHOLE[:at] + struct.pack("<I", value) + WHOLE[at + 4 :]


def test_the_stream_of_a_whole_file() -> None:
    assert workbook_stream(WHOLE) == STREAM.ljust(4096, b"\x00")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (WHOLE[:300], "its header is cut short"),
        (WHOLE[:1500], "sector 2 lies beyond its end"),
        (WHOLE[:-700], "lies beyond its end"),
        (patched(TABLE + 4 * 5, 2), "the chain from sector 2 goes round in circles"),
        (patched(TABLE + 4 * 5, 0xFFFFFFFF), "the chain from sector 2 has no end"),
        (patched(TABLE + 4 * 1, 1), "the chain from sector 1 goes round in circles"),
        (patched(TABLE + 4 * 4, 0xFFFFFFFE), "its stream 'Workbook' has 1536 of 4096 bytes"),
        (patched(44, 99), "its table of sectors is said to have 99 of 10 sectors"),
        (patched(30, 0x0006_000F), "its sectors are said to have 2^15 bytes"),
        (compound_file(STREAM, name="Other"), "it holds no workbook"),
        (compound_file(STREAM, name="EncryptedPackage"), "it is protected by a password"),
    ],
)
def test_containers_that_are_damaged(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DamagedError) as caught:
        workbook_stream(data)
    assert message in str(caught.value)
    path = tmp_path / "damaged.xls"
    path.write_bytes(data)
    with pytest.raises(FileFormatError) as caught_too:
        read_indents_file(path)
    assert message in str(caught_too.value)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (struct.pack("<HHHHHd", 0x0203, 14, 65535, 65535, 0, 1.0), "a cell lies beyond the last column"),
        (struct.pack("<HHII", 0x00FC, 8, 1, 2**31), "its list of texts is longer than the file"),
        (struct.pack("<HH", 0x0203, 60000), "a record reaches beyond its end"),
    ],
)
def test_records_that_are_damaged(tmp_path: Path, record: bytes, message: str) -> None:
    path = tmp_path / "damaged.xls"
    path.write_bytes(compound_file(STREAM + record))
    with pytest.raises(FileFormatError, match=message):
        read_indents_file(path)


def test_a_stray_cell_far_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["E", "H"], ["GPa", "GPa"], [30.0, 1.0]]
    path = write_xlsx(tmp_path / "stray.xlsx", {"Results": [*rows, *([[]] * 20), [""] * 9 + ["here"]]})
    assert len(read_indents_file(path)) == 2
    monkeypatch.setattr(extents, "MOST_CELLS", 239)
    with pytest.raises(
        FileFormatError, match=r"sheet1.xml spans 2.4e\+02 cells because of one at J24: delete stray cells"
    ):
        read_indents_file(path)


def test_a_file_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_xlsx(tmp_path / "bomb.xlsx", {"Results": [["E", "H"], [30.0, 1.0]]})
    monkeypatch.setattr(extents, "MOST_UNPACKED_BYTES", 100)
    with pytest.raises(FileFormatError, match="it unpacks to more than"):
        read_indents_file(path)
