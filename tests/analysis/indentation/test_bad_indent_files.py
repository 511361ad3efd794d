from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cemvis.analysis.indentation import document
from cemvis.analysis.indentation.reading import read_indents_file
from cemvis.errors import CemvisError, FileAccessError, FileFormatError, InputError
from workbooks import write_xlsx

HEADER = "id,x_um,y_um,modulus_gpa,hardness_gpa\n"


def refusal(path: Path, kind: type[CemvisError] = InputError, **options) -> str:
    with pytest.raises(kind) as caught:
        read_indents_file(path, **options)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 600
    return text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x_um,y_um,batch\n1,2,a\n", "has no column with a modulus or a hardness; it has x_um, y_um, batch; wanted"),
        ("hello\nworld\n", "has no column with a modulus or a hardness; it has hello; wanted"),
        (HEADER, "has columns but no tests"),
        (HEADER + "1,0,0,nan,nan\n2,1,0,,\n", "has no usable test: 2 tests (2 failed)"),
        (HEADER + "1,0,0,30,soft\n", "line 2: hardness_gpa is 'soft'; wanted a number or nothing"),
        (HEADER + "1,0,0,30,1\n2,10,0,1_0,1\n", "line 3: modulus_gpa is '1_0'"),
        (
            HEADER + "1,0,0,30000,1\n2,10,0,25000,1\n",
            "the median modulus_gpa is 27500 GPa; wanted 0.5 to 1500; it looks like MPa",
        ),
        (HEADER + "1,0,0,3e10,1\n2,10,0,2.5e10,1\n", "it looks like Pa"),
        (HEADER + "1,0,0,30,1000\n2,10,0,25,900\n", "the median hardness_gpa is 950 GPa"),
        (HEADER + "1,0,0,1,30\n2,10,0,0.9,25\n", "are the two columns or their units swapped"),
        (
            HEADER + "1,0,0,30,1\n2,0.01,0,25,1\n",
            "tests are 0.01 um apart; wanted 0.05 to 5000; positions look like mm",
        ),
        (
            HEADER + "1,0,0,30,1\n2,10000,0,25,1\n",
            "tests are 10000 um apart; wanted 0.05 to 5000; positions look like nm",
        ),
        (HEADER + "1,0,0,30,1\n2,0,0,25,1\n", "1 tests repeat the place of an earlier one (test 2 that of 1)"),
        ("E(GPa),H(GPa),h(nm),P(mN)\n30,1,250,1500\n", "depth and hardness go with a load 0.00102 times the one given"),
        ("E(GPa),H(GPa),h(um)\n30,1,250\n", "the median depth_nm is 250000 nm; wanted 2 to 100000: is the unit right?"),
    ],
)
def test_tables_that_cannot_be_what_they_say(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    assert message in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"II*\x00" + bytes(100), "is a TIFF image; wanted a table of indents"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a PNG image"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"abc\x00\x01\x02def", "is neither text nor a workbook"),
        (b"PK\x03\x04" + bytes(200), "starts as a workbook (xlsx) but cannot be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "starts as a workbook (xls) but cannot be read"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "table.xlsx"
    path.write_bytes(content)
    assert message in refusal(path, FileFormatError)


def test_a_workbook_that_is_cut_short(tmp_path: Path) -> None:
    whole = write_xlsx(tmp_path / "whole.xlsx", {"Results": [["E", "H"], ["GPa", "GPa"], [30.0, 1.0]]}).read_bytes()
    for share in (0.3, 0.6, 0.95):
        path = tmp_path / "cut.xlsx"
        path.write_bytes(whole[: int(share * len(whole))])
        assert "is it cut short or damaged?" in refusal(path, FileFormatError)


def test_a_workbook_with_a_sheet_that_is_damaged(tmp_path: Path) -> None:
    import zipfile

    whole = write_xlsx(tmp_path / "whole.xlsx", {"Results": [["E", "H"], [30.0, 1.0]]})
    path = tmp_path / "damaged.xlsx"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data[: len(data) // 2] + b"<<" if "sheet1" in name else data)
    refusal(path, FileFormatError)


def test_a_workbook_without_results_names_its_sheets(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "other.xlsx", {"Notes": [["made", "by"]], "Positions": [["x", "y"], [1.0, 2.0]]})
    assert "(sheets: Notes, Positions)" in refusal(path)
    assert "has no column with a modulus" in refusal(path, sheet="Positions")


def test_files_that_are_not_there_and_folders(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "no.csv", FileAccessError)
    assert "Is a directory" in refusal(tmp_path, FileAccessError)


def test_huge_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MOST_BYTES", 10)
    path = tmp_path / "huge.csv"
    path.write_text(HEADER)
    assert "a table of indents has at most" in refusal(path, FileFormatError)


def test_a_wrong_format_or_a_wish_that_the_file_cannot_fulfil(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(HEADER + "1,0,0,30,1\n")
    assert "is no file of the format asmec; it looks like table" in refusal(path, format="asmec")
    assert "has no load-depth curves; leave out --curves" in refusal(path, curves=True)
    with pytest.raises(InputError, match="format is 'xls'; wanted one of nanosuite"):
        read_indents_file(path, format="xls")


def test_rows_that_are_not_ok_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,modulus_gpa,hardness_gpa,status\n1,30,1,OK\n2,soft,x,crashed\n3,25,1,\n4,-3,1,ok\n")
    table = read_indents_file(path)
    assert table.status == ("ok", "crashed", "no status", "failed")
    assert np.isnan(table.modulus_gpa[1])


def test_a_number_that_a_spreadsheet_made_a_date() -> None:
    import datetime

    grid = document.Grid("table.xlsx, sheet 'a'", "a", [["E"], [datetime.date(2026, 2, 1)]])
    with pytest.raises(InputError, match=r"line 2: E is '2026-02-01' \(a date: the spreadsheet made it one\)"):
        grid.numbers(0, [1], header="E")
