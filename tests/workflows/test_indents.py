from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cemvis.errors import CemvisError, FileAccessError, FileFormatError, InputError
from cemvis.workflows.indents import read_indents

BOTH = ("modulus", "hardness")
HEADER = "x_um,y_um,modulus_gpa,hardness_gpa,batch,status\n"


def table(**columns) -> pd.DataFrame:
    usual = {
        "x_um": [10.0, 20.0, 30.0, 40.0],
        "y_um": [5.0, 5.0, 5.0, 5.0],
        "modulus_gpa": [20.0, 25.0, 60.0, 120.0],
        "hardness_gpa": [0.8, 1.0, 2.0, 8.0],
        "batch": ["b", "a", "b", "a"],
    }
    return pd.DataFrame(usual | columns)


@pytest.fixture
def written(tmp_path: Path):
    def write(frame: pd.DataFrame | str) -> Path:
        path = tmp_path / "indents.csv"
        path.write_text(frame if isinstance(frame, str) else frame.to_csv(index=False), encoding="utf-8")
        return path

    return write


def refusal(path: Path, properties=BOTH) -> str:
    with pytest.raises(CemvisError) as caught:
        read_indents(path, properties=properties)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def test_a_table_is_read(written) -> None:
    found = read_indents(written(table()), properties=BOTH)
    assert found.x_um.tolist() == [10, 20, 30, 40]
    assert found.y_um.tolist() == [5, 5, 5, 5]
    assert found.measured_gpa["modulus"].tolist() == [20, 25, 60, 120]
    assert found.measured_gpa["hardness"].tolist() == [0.8, 1, 2, 8]
    assert found.batch.tolist() == [1, 0, 1, 0]
    assert (len(found), found.not_ok, found.incomplete) == (4, 0, 0)


def test_rows_that_are_not_ok_or_lack_a_number_are_left_out_and_counted(written) -> None:
    rows = ["1,1,20,1,a,ok", "2,1,-5,x,a,failed", "3,1,,1,a,ok", "4,1,20,nan,b, OK ", "5,1,30,inf,b,ok", "6,1,30,1,b,"]
    found = read_indents(written(HEADER + "\n".join([*rows, "7,1,33,1,b,Ok"])), properties=BOTH)
    assert found.x_um.tolist() == [1, 7]
    assert (found.not_ok, found.incomplete) == (2, 3)
    assert found.batch.tolist() == [0, 1]


def test_a_batch_may_be_called_na_and_a_number_may_be_missing_by_that_word(written) -> None:
    rows = ["1,1,20,1,NA,ok", "2,1,NA,1,NA,ok", "3,1,20,n/a,None,ok", "4,1,30,1,null,ok", "5,1,#N/A,1,null,ok"]
    found = read_indents(written(HEADER + "\n".join(rows)), properties=BOTH)
    assert found.x_um.tolist() == [1, 4]
    assert found.batch.tolist() == [0, 1]
    assert (found.not_ok, found.incomplete) == (0, 3)


def test_hardness_is_not_asked_for_if_it_is_not_wanted(written) -> None:
    path = written(table().drop(columns="hardness_gpa"))
    assert list(read_indents(path, properties=("modulus",)).measured_gpa) == ["modulus"]
    assert "lacks the columns hardness_gpa; it has x_um, y_um, modulus_gpa, batch" in refusal(path)


def test_a_spreadsheets_byte_order_mark_and_blanks_do_no_harm(written) -> None:
    path = written("\ufeffx_um, y_um ,modulus_gpa,hardness_gpa,batch\n1, 2,30, 1,a\n")
    assert read_indents(path, properties=BOTH).y_um.tolist() == [2.0]


def test_only_keeps_the_chosen(written) -> None:
    chosen = read_indents(written(table()), properties=BOTH).only(np.array([True, False, False, True]))
    assert chosen.x_um.tolist() == [10, 40]
    assert chosen.measured_gpa["hardness"].tolist() == [0.8, 8]
    assert chosen.batch.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table().rename(columns={"x_um": "X", "batch": "grid"}), "lacks the columns x_um, batch; it has X, y_um"),
        (HEADER.replace(",", ";") + "1;2;3;4;a;ok\n", "columns have to be separated by commas"),
        (HEADER, "has no usable indent: 0 rows are not ok and 0 lack a number, of 0"),
        (HEADER + "1,2,3,1,a,bad\n", "has no usable indent: 1 rows are not ok"),
        (table(modulus_gpa=["20", "25", "soft", "60"]), "line 4: modulus_gpa is 'soft'; wanted a number or nothing"),
        (table(modulus_gpa=[20, -1, 0, 60]), "line 3: modulus_gpa is -1 (2 rows are not positive); mark failed tests"),
        (table(batch=["a", None, "b", "b"]), "line 3: no batch"),
        (table(x_um=[10, 20, 10, 40]), "line 4: 1 indents repeat the place of an earlier one"),
        (
            table(modulus_gpa=[2e4, 2.5e4, 6e4, 1e5]),
            "the median modulus_gpa is 42500; it looks like MPa: divide it by 1000",
        ),
        (table(modulus_gpa=[2e10, 2.5e10, 6e10, 1e11]), "it looks like Pa: divide it by 1e+09"),
        (table(hardness_gpa=[800, 1000, 2000, 8000]), "the median hardness_gpa is 1500; it looks like MPa"),
        (table(modulus_gpa=[0.02, 0.025, 0.06, 0.1]), "the median modulus_gpa is 0.0425; it looks like TPa"),
        (table(modulus_gpa=[1, 1, 2, 2], hardness_gpa=[20, 30, 40, 50]), "are the two columns swapped?"),
    ],
)
def test_tables_that_cannot_be_what_they_say(written, content, message) -> None:
    path = written(content)
    assert message in refusal(path)
    with pytest.raises(InputError):
        read_indents(path, properties=BOTH)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00a,b", b'x_um,"y\n1,2\n3'])
def test_files_that_are_no_tables(tmp_path, content) -> None:
    path = tmp_path / "indents.csv"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="not a CSV table in UTF-8"):
        read_indents(path, properties=BOTH)


def test_a_missing_table(tmp_path) -> None:
    with pytest.raises(FileAccessError, match=r"cannot read .*no\.csv: No such file"):
        read_indents(tmp_path / "no.csv", properties=BOTH)
