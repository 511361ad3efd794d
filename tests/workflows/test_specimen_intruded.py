from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cemvis._files import sha256_of
from cemvis.analysis.specimen.intruded_recipes import IntrudedClass, Modification
from cemvis.errors import FileAccessError, InputError, OutputExistsError
from cemvis.images.micrograph import open_micrograph
from cemvis.report import intruded
from cemvis.report.intruded import ClassRow, class_figure
from cemvis.workflows import specimen_intruded
from cemvis.workflows._npm_maps import read_map_set
from cemvis.workflows.specimen_intruded import IntrudedConfig, design_classes, make_intruded, parse_class

SMALL = IntrudedConfig(
    classes=(
        IntrudedClass(name="plain"),
        IntrudedClass(name="modified", modification=Modification(strength=1.0, density_per_um2=0.4)),
    ),
    specimens=2,
    regions=2,
    maps=(2, 1),
    map_px=64,
    seed=5,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_intruded(SMALL, tmp_path_factory.mktemp("intruded") / "paste", command="cemvis specimen", threads=1)


def pixels(path: Path) -> NDArray[np.uint8]:
    with open_micrograph(path) as image:
        assert image.pixel_size is not None
        assert image.pixel_size.um == pytest.approx(0.052)
        levels: NDArray[np.uint8] = image.read(0, 0, *image.shape)
    return levels


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_each_region_has_its_four_files(made: Path) -> None:
    folder = made / "modified" / "modified-02"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"region-0{n}{ending}" for n in (1, 2) for ending in (".bse.tif", ".clinker.tif", ".modified.tif", ".tif")
    ]
    levels, modified = pixels(folder / "region-01.tif"), pixels(folder / "region-01.modified.tif")
    clinker = pixels(folder / "region-01.clinker.tif")
    assert levels.shape == (64, 128)
    assert set(np.unique(modified)) == {0, 255}
    assert set(np.unique(clinker)) <= {0, 255}
    assert not levels[clinker > 0].any()
    assert pixels(folder / "region-01.bse.tif").std() > 5


def test_the_masks_are_where_the_twin_differs(made: Path, tmp_path: Path) -> None:
    twins = tuple(replace(each, modification=Modification()) for each in SMALL.classes)
    twin = make_intruded(replace(SMALL, classes=twins), tmp_path / "twin", threads=1)
    maps = [path.relative_to(made) for path in sorted(made.glob("*/*/region-0?.tif"))]
    assert len(maps) == 8
    modified = []
    for path in maps:
        differs = pixels(made / path) != pixels(twin / path)
        assert np.array_equal(pixels((made / path).with_suffix(".modified.tif")) > 0, differs)
        modified += [path.parts[0]] if differs.any() else []
    assert set(modified) == {"modified"}
    assert len(modified) >= 3  # a region this small may be all clinker


def test_the_reader_of_maps_finds_the_true_maps_alone(made: Path) -> None:
    by_folder, by_list = read_map_set([made], size_px=64), read_map_set([made / "maps.csv"], size_px=64)
    assert len(by_folder) == len(by_list) == 2 * 2 * 2 * 2
    assert by_folder.classes == ("modified", "plain")
    assert {place.specimen for place in by_list.places} == {"plain-01", "plain-02", "modified-01", "modified-02"}
    assert {place.session for place in by_list.places} == {"session-01"}
    first = by_folder.places[0]
    assert np.array_equal(by_folder.levels([0])[0], pixels(first.path)[:64, :64])


def test_the_record_says_what_was_made(made: Path) -> None:
    about = json.loads((made / "specimen.json").read_text())
    assert about["command"] == "cemvis specimen"
    assert about["pixel_size_um"] == 0.052
    assert about["settings"]["seed"] == 5
    assert [each["name"] for each in about["classes"]] == ["plain", "modified"]
    assert len(about["specimens"]) == 4
    for specimen in about["specimens"]:
        folder = made / specimen["class"] / specimen["specimen"]
        for region in specimen["regions"]:
            assert len(region["sha256"]) == 4
            for name, digest in region["sha256"].items():
                assert sha256_of(folder / name) == digest
            levels = pixels(folder / f"{region['name']}.tif")
            assert region["porosity"] == pytest.approx(levels.mean() / 255, abs=1e-6)
            modified = pixels(folder / f"{region['name']}.modified.tif")
            assert region["modified_share"] == pytest.approx((modified > 0).mean(), abs=1e-6)
        spots = sum(region["spots"] for region in specimen["regions"])
        assert (spots > 0) == (specimen["class"] == "modified")


def test_the_same_seed_gives_the_same_bytes_for_any_threads(made: Path, tmp_path: Path) -> None:
    again = make_intruded(SMALL, tmp_path / "again", command="cemvis specimen", threads=3)
    assert files_in(again) == files_in(made)


def sessions(made: Path) -> list[dict[str, float]]:
    return [each["session"] for each in json.loads((made / "specimen.json").read_text())["specimens"]]


@pytest.mark.parametrize(("session", "kinds"), [("by-class", 2), ("by-specimen", 4)])
def test_sessions_change_images_and_nothing_else(made: Path, tmp_path: Path, session: str, kinds: int) -> None:
    other = make_intruded(replace(SMALL, session=session), tmp_path / "other", threads=1)  # type: ignore[arg-type]
    assert len({json.dumps(each) for each in sessions(other)}) == kinds
    assert len({each["session"] for each in csv.DictReader((other / "maps.csv").read_text().splitlines())}) == kinds
    for path in made.glob("*/*/*.tif"):
        twin = other / path.relative_to(made)
        assert np.array_equal(pixels(path), pixels(twin)) == (".bse" not in path.name)


def test_specimens_differ_as_a_whole_where_wanted(made: Path, tmp_path: Path) -> None:
    spread = make_intruded(replace(SMALL, specimen_spread=0.5, regions=1), tmp_path / "spread", threads=1)
    about = json.loads((spread / "specimen.json").read_text())["specimens"]
    before = json.loads((made / "specimen.json").read_text())["specimens"]
    for other, plain in zip(about, before, strict=True):
        risen = other["regions"][0]["porosity"] > plain["regions"][0]["porosity"]
        assert risen == (other["logit_shift"] > 0)
    assert len({each["logit_shift"] for each in about}) == 4


def test_the_figure_holds_a_corner_of_large_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[list[tuple[int, ...]], str]] = []

    def draw(rows: list[ClassRow], *, pixel_size_um: float, caption: str) -> Figure:
        drawn.append(([row.image.shape for row in rows], caption))
        return class_figure(rows, pixel_size_um=pixel_size_um, caption=caption)

    monkeypatch.setattr(intruded, "class_figure", draw)
    tiny = replace(SMALL, specimens=1, regions=1, maps=(1, 1))
    make_intruded(tiny, tmp_path / "whole", threads=1)
    monkeypatch.setattr(specimen_intruded, "SHOWN_PX", 40)
    make_intruded(tiny, tmp_path / "cut", threads=1)
    assert [shapes for shapes, _ in drawn] == [[(64, 64)] * 2, [(40, 40)] * 2]
    assert drawn[0][1].startswith("First map of each class")
    assert drawn[1][1].startswith("40 px of the first map of each class")


def test_what_is_there_is_kept_unless_it_may_be_replaced(made: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match="--overwrite"):
        make_intruded(SMALL, made)
    tiny = replace(SMALL, specimens=1, regions=1, maps=(1, 1))
    output = make_intruded(tiny, tmp_path / "paste", threads=1)
    make_intruded(replace(tiny, seed=6), output, overwrite=True, threads=1)
    assert json.loads((output / "specimen.json").read_text())["settings"]["seed"] == 6
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="holds something else"):
        make_intruded(tiny, mine, overwrite=True)
    assert (mine / "notes.txt").read_text() == "mine"


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def stop(stage: str, done: int, steps: int) -> None:
        assert (stage, steps) == ("Regions", 8)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_intruded(SMALL, tmp_path / "paste", threads=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileAccessError, match="cannot write"):
        make_intruded(SMALL, tmp_path / "file" / "paste")


def test_classes_are_read_from_a_line() -> None:
    parsed = parse_class("finer:strength=0.5,density=0.02/um2,radius=0.9um,mode=densify")
    wanted = Modification(strength=0.5, density_per_um2=0.02, radius_um=0.9, mode="densify")
    assert parsed == IntrudedClass(name="finer", modification=wanted)
    assert parse_class("full:radius=1").modification == Modification(strength=1, radius_um=1)
    assert [each.modification.strength for each in design_classes("strength:0,0.5,1")] == [0, 0.5, 1]
    assert [each.modification.radius_um for each in design_classes("radius:0.5,1um")] == [0.5, 1]
    assert [each.modification.is_null for each in design_classes("null:3")] == [True] * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("finer:strongth=1", "'strongth=1'; wanted strength=..."),
        ("finer:strength", "'strength'; wanted"),
        ("finer:radius=big", "radius is 'big'; wanted a number, in um"),
        ("finer:strength=2", "strength is 2"),
        ("finer:strength=0.1,strength=1", "gives strength twice"),
        ("n" * 65, "wanted 1 to 64 letters"),
        (":strength=1", "a class is called ''"),
    ],
)
def test_a_line_that_makes_no_class_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_class(text)


@pytest.mark.parametrize("text", ["strength", "strength:", "colour:1,2", "null:1", "null:x", "strength:a"])
def test_a_line_that_makes_no_design_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="wanted"):
        design_classes(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ()}, "0 classes"),
        ({"classes": (IntrudedClass(name="a"), IntrudedClass(name="A"))}, "two classes are called"),
        ({"classes": (IntrudedClass(name="Maps.csv"),)}, "'Maps.csv', as a file beside the classes is"),
        ({"classes": (IntrudedClass(name="specimen.json"),)}, "as a file beside the classes is"),
        ({"specimens": 0}, "specimens is 0"),
        ({"regions": 101}, "regions is 101"),
        ({"maps": (0, 3)}, "0 x 3 maps"),
        ({"maps": (100, 100), "map_px": 384}, "at most 16,777,216 px"),
        ({"session": "mine"}, "session is 'mine'"),
        ({"session_spread": 2.0}, "spread is 2"),
        ({"specimen_spread": -1.0}, "specimen_spread is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"specimens": 1.5}, "specimens is 1.5"),
        ({"regions": True}, "regions is True"),
        ({"maps": (1.5, 1)}, "two whole numbers"),
        ({"maps": (1,)}, "two whole numbers"),
        ({"map_px": 64.0}, "of a whole number of px"),
        ({"recipe": "granite"}, "no recipe is called 'granite'"),
    ],
)
def test_settings_that_make_no_specimens_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(SMALL, **change)  # type: ignore[arg-type]
