from __future__ import annotations

from pathlib import Path

import pytest

from cemvis.models.class_splits import class_splits
from cemvis.workflows._classify_design import _connected, confounding
from cemvis.workflows._npm_maps import read_map_set
from npm_maps import texture, write_map


def design(tmp_path: Path, rows: list[str]) -> tuple[str, ...]:
    """What is said of a list whose lines are class,specimen,session."""
    lines = []
    for number, row in enumerate(rows):
        name, specimen, session = row.split(",")
        write_map(tmp_path / f"{number}.tif", texture(1.0, (32, 32), number))
        lines.append(f"{number}.tif,{name},{specimen},{number},{session}")
    (tmp_path / "maps.csv").write_text("\n".join(["file,class,specimen,region,session", *lines]))
    maps = read_map_set([tmp_path], size_px=32)
    splits = class_splits(maps.labels(), maps.specimens(), maps.regions(), classes=maps.classes, seed=0)
    return confounding(maps, splits)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (3 * ["a,1,m"] + 3 * ["b,2,m"], ["class and specimen coincide"]),
        (3 * ["a,1,m"] + 3 * ["b,2,n"], ["class and specimen coincide", "sessions of their own"]),
        (3 * ["a,1,m"] + ["b,2,m", "b,2,m", "b,3,m"], ["a class is a single specimen"]),
        (["a,1,m", "a,1,m", "a,2,n", "b,3,m", "b,3,m", "b,4,n"], ["--folds"]),
        (["a,1,m", "a,1,m", "a,2,m", "b,3,n", "b,3,n", "b,4,n"], ["sessions of their own", "--folds"]),
        (3 * ["a,1,m"] + 3 * ["a,2,m"] + [f"b,{n},m" for n in range(10)], ["one specimen of a was tested"]),
        (["a,1,", "a,1,m", "a,2,m", "b,3,m", "b,3,m", "b,4,m"], ["sessions are unknown", "--folds"]),
    ],
)
def test_what_else_could_tell_the_classes_is_said(rows, wanted, tmp_path) -> None:
    said = design(tmp_path, rows)
    assert len(said) == len(wanted), said
    assert all(any(part in line for line in said) for part in wanted), said


def test_sessions_connect_classes_over_others() -> None:
    assert _connected([{1}, {1, 2}, {2}])
    assert not _connected([{1}, {1}, {2}])
