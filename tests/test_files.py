from __future__ import annotations

from pathlib import Path

import pytest

from cemvis._files import are_of_other_files, check_free, check_writable, digest_of, digests_in, json_record
from cemvis.errors import FileAccessError, FileFormatError, InputError, OutputExistsError


def test_a_folder_that_is_not_there_or_holds_other_files_is_free(tmp_path: Path) -> None:
    check_free(tmp_path / "new", ["a.csv"], overwrite=False)
    (tmp_path / "b.csv").write_text("mine")
    check_free(tmp_path, ["a.csv"], overwrite=False)


def test_what_is_in_the_way_is_named_three_at_most(tmp_path: Path) -> None:
    names = [f"{letter}.csv" for letter in "abcde"]
    for name in names[1:]:
        (tmp_path / name).touch()
    with pytest.raises(OutputExistsError) as caught:
        check_free(tmp_path, names, overwrite=False, holding="a map: ")
    assert str(caught.value) == (
        f"{tmp_path} already holds a map: b.csv, c.csv, d.csv and 1 more; choose another output or say --overwrite"
    )
    check_free(tmp_path, names, overwrite=True)


def test_the_working_folder_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("page.html").touch()
    with pytest.raises(OutputExistsError, match=r"^the working folder already holds page\.html; "):
        check_free(Path(), ["page.html"], overwrite=False)


def test_a_file_is_no_folder_whatever_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileAccessError, match="is a file; wanted a folder"):
        check_free(tmp_path / "file", ["a.csv"], overwrite=True)


def test_a_file_needs_a_folder_to_be_in(tmp_path: Path) -> None:
    check_writable(tmp_path / "a.csv")
    with pytest.raises(FileAccessError, match=r"cannot write .*a\.csv: .*none is not a folder"):
        check_writable(tmp_path / "none" / "a.csv")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"b": 1}', '{"a": "x"}', '{"a": null}', "[" * 100_000, "\xff"])
def test_whatever_is_wrong_with_a_record_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with (
        pytest.raises(FileFormatError, match=r"a\.json is damaged or not what `cemvis a` writes \(") as caught,
        json_record(path, "cemvis a") as record,
    ):
        float(record["a"])
    assert "\n" not in str(caught.value)


def test_errors_about_other_files_pass_a_record_and_wrong_values_do_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 2}')
    with json_record(path, "cemvis a") as record:
        assert record == {"a": 2}
    for error in (FileAccessError("b.csv"), FileFormatError("b.csv")):
        with pytest.raises(type(error), match=r"^b\.csv$"), json_record(path, "cemvis a"):
            raise error
    with pytest.raises(FileFormatError, match="damaged"), json_record(path, "cemvis a"):
        raise InputError
    with pytest.raises(FileAccessError, match="cannot read"), json_record(tmp_path / "none.json", "cemvis a"):
        pass


def test_digests_of_records() -> None:
    whole, sampled = {"sha256": "aa", "bytes": 3}, {"sha256_of_samples": "aa"}
    assert (digests_in(whole), digests_in({})) == ({"sha256": "aa"}, {})
    assert digest_of(whole) == ("sha256", "aa")
    assert digest_of(sampled) == ("sha256_of_samples", "aa")
    with pytest.raises(KeyError):
        digest_of({"bytes": 3})
    assert are_of_other_files(whole, {"sha256": "bb"})
    assert not are_of_other_files(whole, {"sha256": "aa", "bytes": 4})
    assert not are_of_other_files(whole, sampled)
