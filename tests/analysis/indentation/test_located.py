from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cemvis.analysis.indentation.located import ADDED, FLAGS, LocatedBatch, LocatedIndents, read_decisions
from cemvis.analysis.indentation.table import COLUMNS, IndentTable
from cemvis.errors import FileAccessError, FileFormatError, InputError

PIXEL_UM = 0.04


def example() -> LocatedIndents:
    """Return two rows of three tests with everything that may be unusual."""
    n, nan = 6, np.nan
    row, column = np.divmod(np.arange(n), 3)
    numbers = {name: np.full(n, nan) for name in COLUMNS[4:-1]}
    numbers |= {
        "x_um": 3.123456 + 10.0 * column,
        "y_um": 5.0 + 12.0 * row,
        "modulus_gpa": np.array([30, nan, 1, 2, 3, 4.0]),
    }
    table = IndentTable(
        id=("001", "2", "3", "4", "5", "6"),
        batch=("007",) * n,
        row=row,
        column=column,
        status=("ok", "failed", "ok", "ok", "ok", "ok"),
        sources=(),
        notes=("a note with ü",),
        **numbers,
    )
    batch = LocatedBatch(
        name="007",
        rows=2,
        columns=3,
        pitch_px=(250.0, 300.0),
        origin_px=(78.1, 125.0),
        x_axis=(np.cos(0.01), np.sin(0.01)),
        y_axis=(-np.sin(0.02), np.cos(0.02)),
        column_error_px=(0.0, 1.5, nan),
        row_error_px=(0.0, -2.0),
        amplitude=8.0,
        mean_score=7.5,
        evidence=30.0,
        walk_px=1.2,
        spread_px=0.0,
    )
    after = np.column_stack([np.arange(n), np.arange(n)]) + 0.125
    after[4] = nan
    return LocatedIndents(
        table,
        after,
        score=np.array([8, 1.25, -0.5, 9, nan, 7]),
        residual_px=np.array([[0.5, -0.5], [nan, nan], [nan, nan], [3, 3.5], [nan, nan], [0, 0]]),
        error_px=np.array([0.1, 0.2, 0.3, 0.4, np.inf, 0.6]),
        flag=("", "missing", "pore", "ambiguous", "unregistered", ""),
        batches=(batch,),
        pixel_size_um=PIXEL_UM,
        about={"version": "1", "before": {"path": "b.tif", "sha256": "0"}},
    )


def test_a_folder_gives_back_what_was_saved(tmp_path: Path) -> None:
    located = example()
    files = located.save(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    again = LocatedIndents.load(tmp_path)
    for name in ("id", "batch", "status", "notes"):
        assert getattr(again.table, name) == getattr(located.table, name)
    for name in ("row", "column"):
        assert getattr(again.table, name).tolist() == getattr(located.table, name).tolist()
    assert (again.flag, again.pixel_size_um, again.about) == (located.flag, PIXEL_UM, located.about)
    np.testing.assert_allclose(again.before_xy_px, located.before_xy_px, atol=0.002)
    np.testing.assert_allclose(again.table.modulus_gpa, located.table.modulus_gpa)
    for name in ("after_xy_px", "score", "residual_px", "error_px"):
        np.testing.assert_allclose(getattr(again, name), getattr(located, name), atol=0.001)
    assert again.batches[0].column_error_px == pytest.approx((0.0, 1.5, np.nan), nan_ok=True)
    assert replace(again.batches[0], column_error_px=()) == replace(located.batches[0], column_error_px=())
    assert again.save(tmp_path) == files
    assert LocatedIndents.load(tmp_path).to_json() == again.to_json()


def test_table_and_summary_can_be_read_by_others(tmp_path: Path) -> None:
    example().save(tmp_path)
    frame = pd.read_csv(tmp_path / "located.csv", dtype={"id": str, "batch": str})
    assert tuple(frame.columns[-7:]) == ADDED
    assert "hardness_gpa" not in frame  # nothing is known of it
    assert frame["x_um"].tolist()[:2] == [3.1235, 13.1235]
    assert frame["id"].tolist()[0] == "001"
    about = json.loads((tmp_path / "located.json").read_text("utf-8"))
    assert about["flags"] == {"fine": 2, "missing": 1, "pore": 1, "ambiguous": 1, "unregistered": 1}
    assert (about["indents"], about["pixel_size_um"], about["notes"]) == (6, PIXEL_UM, ["a note with ü"])
    assert about["batches"][0]["column_error_px"] == [0.0, 1.5, None]
    assert FLAGS == ("", "missing", "pore", "ambiguous", "unregistered")


def test_places_of_a_batch_follow_its_axes_and_errors() -> None:
    batch = replace(example().batches[0], column_error_px=(0.0, 1.5, 4.0))
    for i in range(2):
        for j in range(3):
            x_axis, y_axis, origin = (np.array(each) for each in (batch.x_axis, batch.y_axis, batch.origin_px))
            plain = origin + j * 250 * x_axis + i * 300 * y_axis
            erred = plain + batch.column_error_px[j] * x_axis + batch.row_error_px[i] * y_axis
            np.testing.assert_allclose(batch.places_px()[i, j], plain)
            np.testing.assert_allclose(batch.erred_places_px()[i, j], erred)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("located.json", lambda text: text[:-30]),
        ("located.json", lambda text: text.replace('"batches"', '"bunches"')),
        ("located.json", lambda text: text.replace('"walk_px"', '"walked_px"')),
        ("located.json", lambda text: text.replace('"pixel_size_um": 0.04', '"pixel_size_um": "small"')),
        ("located.json", lambda _: "[1, 2]"),
        ("located.csv", lambda text: text.replace("pore", "hole")),
        ("located.csv", lambda text: text.replace("error_px", "mistake_px")),
        ("located.csv", lambda text: text.replace("-0.5", "low")),
        ("located.csv", lambda _: ""),
    ],
)
def test_files_that_were_changed_are_refused_in_one_line(name: str, change, tmp_path: Path) -> None:
    example().save(tmp_path)
    (tmp_path / name).write_text(change((tmp_path / name).read_text("utf-8")), "utf-8")
    with pytest.raises(FileFormatError, match="locate again") as caught:
        LocatedIndents.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_the_files(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match=r"located\.json"):
        LocatedIndents.load(tmp_path)
    example().save(tmp_path)
    (tmp_path / "located.csv").unlink()
    with pytest.raises(FileAccessError, match=r"located\.csv"):
        LocatedIndents.load(tmp_path)


def test_decisions(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    assert read_decisions(path) == {}
    path.write_text("id,batch,decision,note\n001,007,accept,fine\n2,007,reject,\n")
    assert read_decisions(path) == {("007", "001"): ("accept", "fine"), ("007", "2"): ("reject", "")}
    for text, says in (
        ("id,batch\n1,2\n", "wanted the columns"),
        ("id,batch,decision\n1,2,maybe\n", "line 2: indent 1 of batch 2: the decision is 'maybe'"),
        ("id,batch,decision\n1,2,accept\n1,2,reject\n", "line 3: indent 1 of batch 2 is both accepted and rejected"),
        ("", "no table"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=says):
            read_decisions(path)


def test_decisions_as_a_person_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid , batch,decision, note\r\n 1 , NA , Accept , NA\r\nnull,NA,reject,\r\n2,NA,,none yet\r\n"
        b'1,NA,ACCEPT,\r\n3,b,"reject","a crack, ""long"""\r\n4,b,accept\r\n'
    )
    assert read_decisions(path) == {
        ("NA", "1"): ("accept", "NA"),
        ("NA", "null"): ("reject", ""),
        ("b", "3"): ("reject", 'a crack, "long"'),
        ("b", "4"): ("accept", ""),
    }
    path.write_text("id,batch,decision\n1,2,\n")
    assert read_decisions(path) == {}


def test_names_that_look_like_missing_numbers_stay_names(tmp_path: Path) -> None:
    located = example()
    odd = replace(located.table, id=("NA", "null", "nan", "None", "5", "6"), batch=("NA",) * 6, status=("N/A",) * 6)
    replace(located, table=odd).save(tmp_path)
    again = LocatedIndents.load(tmp_path)
    assert (again.table.id, again.table.batch, again.table.status) == (odd.id, odd.batch, odd.status)
    assert again.flag == located.flag
    np.testing.assert_array_equal(again.score, located.score)
    np.testing.assert_array_equal(again.table.modulus_gpa, odd.modulus_gpa)
