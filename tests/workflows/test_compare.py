"""A whole comparison of classes, from files to a page."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cemvis.cli import main
from cemvis.errors import CemvisWarning, FileFormatError, InputError, OutputExistsError
from cemvis.models.map_classifier import MAP_TRAINING
from cemvis.workflows import _compare_steps, compare
from cemvis.workflows._compare_correlation import Explained, correlate, elsewhere
from cemvis.workflows._compare_explained import read_explained, write_held_out
from cemvis.workflows._compare_findings import findings, warnings_of
from cemvis.workflows._compare_steps import Steps
from cemvis.workflows._npm_maps import read_map_set
from npm_maps import write_classes

LENGTHS = {"coarse": 2.0, "fine": 1.0}
CONFIG = compare.CompareConfig(
    features=("mulf",),
    size_px=64,
    explained_maps=6,
    whole_maps=8,
    draws=2,
    channels=(4, 8, 8, 8),
    trainer=replace(MAP_TRAINING, epochs=12, batch=6, learning_rate=5e-3, stop_after=None, device="cpu"),
    threads=1,
)
pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CemvisWarning")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_classes(tmp_path_factory.mktemp("maps"), LENGTHS, specimens=4, regions=2, shape=(128, 128))


@pytest.fixture(scope="module")
def done(root, tmp_path_factory) -> tuple[compare.CompareResult, Path]:
    output = tmp_path_factory.mktemp("compared") / "out"
    with pytest.warns(CemvisWarning, match="sessions are unknown"):
        return compare.compare([root], output, CONFIG, command="cemvis compare"), output


def rows_of(found: compare.CompareResult, what: str) -> list[dict]:
    return [row for row in found.record["findings"] if row["what"].startswith(what)]


def test_different_textures_are_told_explained_and_correlated(done) -> None:
    found, output = done
    (network,) = rows_of(found, "accuracy of the network on mulf maps of specimens")
    assert network["value"] > 0.9
    assert network["beside"] == "chance 0.5"
    assert network["low"] <= network["value"] <= network["high"]
    assert rows_of(found, "accuracy of the nearest mean by porosity, specimen left out")
    (whole,) = rows_of(found, "distance of the correlations of whole maps")
    assert whole["value"] > 0.02
    assert "with specimens exchanged, p " in whole["beside"]
    for of in ("whole maps", "characteristic regions", "the same masks on other maps"):
        assert len(rows_of(found, f"correlation length of {of}")) == 2
    assert (output / "report.html").stat().st_size > 20_000


def test_shared_patterns_stand_beside_their_nulls(done) -> None:
    _, output = done
    record = json.loads((output / "shared" / "shared.json").read_text())
    for name in LENGTHS:
        if name in record["classes"]:
            assert [null["kind"] for null in record["classes"][name]["nulls"]] == ["displaced", "exchanged", "drawn"]
        else:
            assert any(name in line for line in record["warnings"])


def test_only_maps_that_were_never_trained_on_are_explained(done, root) -> None:
    _, output = done
    with (output / "classify" / "parts.csv").open() as file:
        tested = {row["specimen"] for row in csv.DictReader(file) if row["fold_1"] == "test"}
    maps = read_map_set([root], size_px=64)
    explained, relevance, count = read_explained(maps, output / "explain")
    assert {maps.places[index].specimen for index in explained.indices} <= tested
    assert len(relevance) == len(explained.indices) <= count == 12
    shares = [
        np.where(mask, each, 0).sum() / each.sum() for each, mask in zip(relevance, explained.regions, strict=True)
    ]
    assert np.allclose(shares, 0.7, atol=0.01)


def test_findings_are_in_the_table_and_the_summary(done) -> None:
    found, output = done
    with (output / "findings.csv").open() as file:
        table = list(csv.DictReader(file))
    record = json.loads((output / "compare.json").read_text())
    assert [row["what"] for row in table] == [row["what"] for row in record["findings"]]
    assert record["format"] == "cemvis compare"
    assert record["command"] == "cemvis compare"
    assert record["pixel_size_um"] == found.record["pixel_size_um"] > 0
    assert any("sessions are unknown" in line for line in record["warnings"])


def test_the_page_shows_every_step(done) -> None:
    _, output = done
    page = (output / "report.html").read_text()
    for text in ("findings.csv", "cemvis classify", "maps_curves.png", "lengths.csv", "patterns.csv"):
        assert text in page


def test_a_resumed_run_does_no_step_twice(done, root, monkeypatch) -> None:
    found, output = done
    ran = []
    run = Steps.run

    def watched(self, name, made_of, work):
        run(self, name, made_of, lambda: (ran.append(name), work()))

    monkeypatch.setattr(_compare_steps.Steps, "run", watched)
    again = compare.compare([root], output, replace(CONFIG, resume=True), command="cemvis compare")
    assert ran == []
    assert again.record == found.record
    compare.compare([root], output, replace(CONFIG, resume=True, draws=3), command="cemvis compare")
    assert ran == ["shared"]


def test_what_is_there_is_not_replaced(done, root, tmp_path) -> None:
    _, output = done
    with pytest.raises(OutputExistsError, match=r"already holds report\.html"):
        compare.compare([root], output, CONFIG)
    for name in ("findings.csv", "held_out.csv"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / name).write_text("mine")
        with pytest.raises(OutputExistsError, match=rf"already holds {name}"):
            compare.compare([root], tmp_path / name, CONFIG)
        assert (tmp_path / name / name).read_text() == "mine"


def test_what_an_earlier_run_said_goes_when_a_new_one_begins(root, tmp_path, monkeypatch) -> None:
    for name in compare.FILES:
        (tmp_path / name).write_text("of before")

    def fails(*_args: object, **_settings: object) -> None:
        raise RuntimeError("stopped")

    monkeypatch.setattr(Steps, "run", fails)
    with pytest.raises(RuntimeError, match="stopped"):
        compare.compare([root], tmp_path, CONFIG, overwrite=True)
    assert not [name for name in compare.FILES if (tmp_path / name).exists()]


def test_tables_of_another_set_of_maps_are_refused(done, root, tmp_path) -> None:
    _, output = done
    shutil.copytree(root / "coarse", tmp_path / "coarse")
    other = read_map_set([tmp_path], size_px=64)
    with pytest.raises(FileFormatError, match=r"lists 4 tested regions, of which 2 are there"):
        write_held_out(other, output / "classify", tmp_path)


def test_each_mask_goes_to_another_image() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        images = np.sort(rng.integers(0, 5, rng.integers(2, 30)))
        images = rng.permutation(images)
        found = elsewhere(images)
        assert sorted(found) == list(range(len(images)))
        assert (found != np.arange(len(images))).all()
        if 2 * np.bincount(images).max() <= len(images):
            assert (images[found] != images).all()


def test_one_map_has_no_other_for_its_mask(root) -> None:
    maps = read_map_set([root], size_px=64)
    labels = maps.labels()
    indices = np.array([0, *np.flatnonzero(labels == 1)[:3]])
    explained = Explained(indices, np.ones((4, 64, 64), bool))
    found = correlate(maps, explained, whole=[0, int(indices[-1])], sigma_px=None, r_max=8, seed=0, threads=1)
    assert [each.name for each in found.found["regions"]] == list(maps.classes)
    assert [each.name for each in found.found["foreign"]] == [maps.classes[1]]


def test_a_finding_says_what_is_not_known_of_it(done) -> None:
    _, output = done
    files = {"baseline": "baseline.json", "classify": "classify.json", "explain": "explain.json"}
    files |= {"correlation": "correlation.json", "shared": "shared.json"}
    steps = {name: json.loads((output / name / file).read_text()) for name, file in files.items()}
    row = steps["correlation"]["lengths"][0]
    steps["correlation"]["lengths"] = [
        row | {"characteristic_distinct": distinct, "characteristic_at_end": at_end}
        for distinct, at_end in ((True, False), (False, False), (None, False), (True, True))
    ]
    steps["classify"]["results"]["mulf"]["scores"]["chance"] = 0.8  # of classes of 4 maps and 1
    steps["correlation"]["lengths"][0]["correlation_um"] = None
    rows = findings(steps, ["mulf"])
    assert next(row["beside"] for row in rows if row["what"].startswith("correlation")) == "beyond what was counted"
    assert rows[0]["beside"] == "chance 0.8"
    beside = [row["beside"] for row in rows if row["what"].startswith("characteristic length")]
    assert beside[:2] == ["", "no distinct minimum"]
    assert beside[2].startswith("too few images")
    assert beside[3].startswith("least at the largest distance")
    tests = steps["correlation"]["tests"]
    assert not any("exchanging images" in line for line in warnings_of(steps, list(LENGTHS)))
    steps["correlation"]["tests"] = [each | {"exchanged": "images"} for each in tests]
    (told,) = [line for line in warnings_of(steps, list(LENGTHS)) if "exchanging images" in line]
    assert told.startswith("correlations of whole maps were tested")


def test_steps_after_one_that_changed_are_done_again(tmp_path) -> None:
    ran: list[str] = []

    def go(first: int, *, resume: bool) -> list[str]:
        ran.clear()
        steps = Steps(tmp_path, resume=resume)
        steps.run("one", {"x": first}, lambda: ran.append("one"))
        steps.run("two", {}, lambda: ran.append("two"))
        return list(ran)

    assert go(1, resume=False) == ["one", "two"]
    assert go(1, resume=True) == []
    assert go(2, resume=True) == ["one", "two"]
    assert go(2, resume=False) == ["one", "two"]
    (tmp_path / _compare_steps.STEPS).write_text("{")
    assert go(2, resume=True) == ["one", "two"]


def test_a_step_that_failed_is_done_again(tmp_path) -> None:
    def fails() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        Steps(tmp_path, resume=False).run("one", {}, fails)
    ran = []
    Steps(tmp_path, resume=True).run("one", {}, lambda: ran.append("one"))
    assert ran == ["one"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"explained_maps": 0}, "explained_maps is 0"),
        ({"draws": True}, "draws is True"),
        ({"r_max": 64}, "r_max is 64 px of maps of 64 px"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message) -> None:
    with pytest.raises(InputError, match=message):
        replace(CONFIG, **change)


@pytest.mark.parametrize("where", ["", "coarse/run"])
def test_an_output_among_the_maps_is_refused(root, where) -> None:
    before = sorted(root.rglob("*"))
    with pytest.raises(InputError, match="choose a folder outside"):
        compare.compare([root], root / where, CONFIG)
    assert sorted(root.rglob("*")) == before


def test_one_class_is_one_clear_line(root, tmp_path) -> None:
    shutil.copytree(root / "coarse", tmp_path / "maps" / "coarse")
    answer = CliRunner().invoke(
        main, ["compare", str(tmp_path / "maps"), "-o", str(tmp_path / "out"), "--size", "64", "-q"]
    )
    assert answer.exit_code == 1
    assert len(answer.stderr.strip().splitlines()) == 1
    assert "class" in answer.stderr
