from __future__ import annotations

import base64
import html
import io
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cemvis.analysis.indentation.located import LocatedIndents
from cemvis.report._located_crops import Outline, edge_px, pair_at
from cemvis.report.page.markup import safe_json
from cemvis.report.review_page import ReviewPage, write_review_page
from located_pictures import PIXEL_UM, Scene, make_scene

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>&\u2028\"'"
BROWSER = os.environ.get("CEMVIS_BROWSER", "")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


def written(
    scene: Scene, path: Path, *, located: LocatedIndents | None = None, **options: Any
) -> tuple[ReviewPage, str]:
    page = write_review_page(located or scene.located, scene.micrograph, scene.warped, path, **options)
    return page, path.read_text("utf-8")


def data_of(text: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    data: dict[str, Any] = json.loads(found)
    return data


def decoded(picture: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        assert image.mode == "L"
        return np.asarray(image).astype(float)


def test_the_page_holds_doubtful_indents_first_then_a_sample(scene, tmp_path) -> None:
    page, text = written(scene, tmp_path / "review.html", fine=10)
    items = data_of(text)["items"]
    assert (page.shown, page.doubtful_shown, page.doubtful) == (16, 6, 6)
    assert [item["why"] != "" for item in items] == [True] * 6 + [False] * 10
    assert [item["rank"] for item in items] == list(range(16))
    assert "6 of 6 doubtful indents and 10 others" in text
    few, text = written(scene, tmp_path / "few.html", most=3, fine=2)
    assert (few.shown, few.doubtful_shown, few.doubtful) == (5, 3, 6)
    assert "3 of 6 doubtful indents and 2 others" in text


def test_an_item_says_what_the_table_says(scene, tmp_path) -> None:
    _, text = written(scene, tmp_path / "review.html", fine=100)
    items = {item["id"]: item for item in data_of(text)["items"]}
    located, table = scene.located, scene.located.table
    assert len(items) == len(located)
    for number, name in enumerate(table.id):
        item = items[name]
        assert (item["batch"], item["row"], item["column"]) == (
            table.batch[number],
            table.row[number],
            table.column[number],
        )
        assert item["score"] == pytest.approx(located.score[number], abs=0.005)
        if np.isfinite(located.residual_px[number]).all():
            assert item["residual"] == pytest.approx(list(located.residual_px[number]), abs=0.005)
        else:
            assert item["residual"] is None
        known = np.isfinite(table.modulus_gpa[number])
        assert (item["modulus"], item["hardness"]) == (
            (pytest.approx(table.modulus_gpa[number], abs=1e-4), pytest.approx(table.hardness_gpa[number], abs=1e-4))
            if known
            else (None, None)
        )
        assert item["status"] == table.status[number]
        assert item["xy"] == pytest.approx([table.x_um[number], table.y_um[number]], abs=5e-4)
        assert not item["reduced"]


def test_reduced_moduli_are_shown_as_such(scene, tmp_path) -> None:
    table = scene.located.table
    table = replace(table, reduced_modulus_gpa=table.modulus_gpa * 0.9, modulus_gpa=np.full(len(table), np.nan))
    _, text = written(scene, tmp_path / "r.html", located=replace(scene.located, table=table))
    item = data_of(text)["items"][0]
    number = table.id.index(item["id"])
    assert (item["reduced"], item["modulus"]) == (True, pytest.approx(table.reduced_modulus_gpa[number], abs=1e-4))


def test_thumbnails_are_the_windows_and_the_outline_lies_on_the_imprint(scene, tmp_path) -> None:
    _, text = written(scene, tmp_path / "review.html", fine=100)
    data = data_of(text)
    outline = Outline.of(scene.located)
    edge = edge_px(scene.located, outline, times=2.6, pitches=1.2)
    assert data["edge_px"] == edge
    assert data["edge_um"] == pytest.approx(edge * PIXEL_UM, rel=1e-2)
    item = next(item for item in data["items"] if item["number"] == 40)
    pair = pair_at(scene.micrograph, scene.warped, scene.located.before_xy_px[40], edge=edge)
    for name, window in (("before", pair.before), ("after", pair.after)):
        seen = decoded(item[name])
        assert seen.shape == window.shape
        assert np.corrcoef(seen.ravel(), window.ravel())[0, 1] > 0.95
    corners = np.array(data["outline"]) + item["centre"]
    np.testing.assert_allclose(corners.mean(axis=0), np.array(pair.centre_px) + 0.5, atol=0.02)
    y, x = np.indices(pair.after.shape) + 0.5
    sides = [(corners[k], corners[(k + 1) % 3]) for k in range(3)]
    turns = [(b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) for a, b in sides]
    inside = np.all(np.array(turns) > 0, axis=0)
    dark = pair.after < 60
    assert (inside & dark).sum() / (inside | dark).sum() > 0.9


def test_large_windows_become_small_thumbnails_and_missing_images_none(scene, tmp_path) -> None:
    located = replace(scene.located, about={"appearance": {"shape": "disc", "size_px": 100.0, "angle_rad": 0.0}})
    _, text = written(scene, tmp_path / "large.html", located=located, most=2, fine=0)
    assert decoded(data_of(text)["items"][0]["after"]).shape == (224, 224)
    n = len(located)
    table = replace(located.table, x_um=np.full(n, np.nan))
    _, text = written(scene, tmp_path / "none.html", located=replace(located, table=table), most=2, fine=0)
    item = data_of(text)["items"][0]
    assert (item["before"], item["after"], item["xy"]) == ("", "", None)


def test_neighbours_of_all_batches_are_there(scene, tmp_path) -> None:
    _, text = written(scene, tmp_path / "review.html", most=1, fine=0)
    batches = data_of(text)["batches"]
    assert list(batches) == ["b0", "b1"]
    assert (batches["b0"]["rows"], batches["b0"]["columns"], batches["b0"]["flags"][:5]) == (6, 6, "mpau.")
    assert batches["b1"]["scores"] == pytest.approx(list(scene.located.score[36:]), abs=0.05)


def test_pictures_stay_within_their_budget(scene, tmp_path) -> None:
    _, whole = written(scene, tmp_path / "whole.html", most=6, fine=30)
    sizes = [len(item["before"]) + len(item["after"]) for item in data_of(whole)["items"]]
    page, text = written(scene, tmp_path / "some.html", most=6, fine=30, most_bytes=sum(sizes[:4]))
    assert page.shown == 4
    assert [item["id"] for item in data_of(text)["items"]] == [item["id"] for item in data_of(whole)["items"]][:4]
    assert "4 of 6 doubtful" in text


def test_earlier_decisions_are_there_also_those_of_indents_not_shown(scene, tmp_path) -> None:
    decisions = {("b0", "T000"): ("accept", "seen"), ("b1", "T050"): ("reject", ""), ("b9", "X"): ("reject", "gone")}
    _, text = written(scene, tmp_path / "review.html", most=2, fine=0, decisions=decisions)
    data = data_of(text)
    assert data["decisions"] == [["b0", "T000", "accept", "seen"], ["b1", "T050", "reject", ""]]
    names = [[item["batch"], item["id"]] for item in data["items"]] + data["others"]
    assert sorted(names) == sorted(
        [list(key) for key in zip(scene.located.table.batch, scene.located.table.id, strict=True)]
    )


def test_state_is_kept_apart_by_images_and_indents_and_knows_changed_decisions(scene, tmp_path) -> None:
    def keys(located: LocatedIndents, **options: Any) -> tuple[str, str]:
        data = data_of(written(scene, tmp_path / "k.html", located=located, most=1, fine=0, **options)[1])
        return data["key"], data["baseline"]

    first = keys(scene.located)
    assert keys(replace(scene.located, score=scene.located.score + 1)) == first
    renamed = replace(scene.located, table=replace(scene.located.table, id=tuple(f"U{k}" for k in range(72))))
    other = replace(scene.located, about=scene.located.about | {"after": {"sha256": "c" * 64}})
    assert len({first[0], keys(renamed)[0], keys(other)[0]}) == 3
    decided = keys(scene.located, decisions={("b0", "T000"): ("accept", "")})
    assert decided[0] == first[0]
    assert decided[1] != first[1]


def test_text_from_files_stays_text(tmp_path) -> None:
    ids = [EVIL, *(f"T{k}" for k in range(1, 72))]
    scene = make_scene(ids=ids)
    about = scene.located.about | {"before": {"path": f"a/{EVIL.replace('/', '')}.tif", "sha256": "b" * 64}}
    located = replace(scene.located, about=about)
    decisions = {("b0", EVIL): ("accept", EVIL)}
    _, text = written(scene, tmp_path / "review.html", located=located, decisions=decisions)
    assert text.count("<script") == text.count("</script") == 2
    assert "<img" not in text
    assert "alert(1)>" not in text
    data = data_of(text)
    assert EVIL in {item["id"] for item in data["items"]}
    assert data["decisions"] == [["b0", EVIL, "accept", EVIL]]
    assert html.escape(EVIL.replace("/", "")) in text
    assert json.loads(safe_json({"a": EVIL})) == {"a": EVIL}


def test_braces_in_names_are_not_taken_for_places_to_fill(tmp_path) -> None:
    scene = make_scene(ids=["{{data}}", *(f"T{k}" for k in range(1, 72))])
    _, text = written(scene, tmp_path / "review.html")
    assert "{{data}}" in {item["id"] for item in data_of(text)["items"]}


def test_the_page_needs_nothing_from_outside(scene, tmp_path) -> None:
    _, text = written(scene, tmp_path / "review.html")
    assert "default-src 'none'" in text
    outside = set(re.findall(r"https?://[^\s\"'`)]+", text))
    assert outside == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.findall(r"<link(?![^>]*href=\"data:)|@import|\beval\(|innerHTML|document\.write", text)


def test_the_same_indents_give_the_same_bytes(scene, tmp_path) -> None:
    first = written(scene, tmp_path / "a.html")[1]
    assert written(scene, tmp_path / "b.html")[1] == first


@pytest.mark.skipif(not BROWSER or shutil.which(BROWSER) is None, reason="CEMVIS_BROWSER names no browser")
def test_a_browser_shows_the_page(scene, tmp_path) -> None:
    page, _ = written(scene, tmp_path / "review.html", fine=10, decisions={("b0", "T000"): ("accept", "")})
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    shown = subprocess.run(
        [BROWSER, *flags, page.path.as_uri()], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert shown.count('class="name"') == page.shown
    assert "1 of 16 decided: 1 accepted, 0 rejected" in shown
    assert shown.count('class="outline"') == page.shown + 2
