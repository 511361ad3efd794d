from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from cemvis.analysis.indentation.located import LocatedIndents
from cemvis.cli.review import command
from cemvis.errors import FileAccessError, FileFormatError, InputError, OutputExistsError
from cemvis.images.registration import DisplacementField
from cemvis.workflows.review import OUTPUTS, decisions_in, review_folder, write_location_report
from located_pictures import SHAPE, Scene, make_scene

SHIFT = (7, 5)  # rows and columns by which the after-image's pixels lie further down and right


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


@pytest.fixture(scope="module")
def made(tmp_path_factory, scene) -> Path:
    """area/before.tif, area/after.tif and area/located as `cemvis locate` leaves it, without pictures."""
    area = tmp_path_factory.mktemp("review") / "area"
    folder = area / "located"
    (folder / "registration").mkdir(parents=True)
    after = np.zeros((SHAPE[0] + 20, SHAPE[1] + 20), np.uint8)
    after[SHIFT[0] : SHIFT[0] + SHAPE[0], SHIFT[1] : SHIFT[1] + SHAPE[1]] = scene.after
    save(area / "before.tif", scene.before)
    save(area / "after.tif", after)
    affine = np.array([[1.0, 0.0, -SHIFT[1]], [0.0, 1.0, -SHIFT[0]]])
    field = DisplacementField.from_affine(affine, after_shape=after.shape, before_shape=SHAPE)
    field.save(folder / "registration" / "field.npz")
    about = scene.located.about | {name: record(area / f"{name}.tif") for name in ("before", "after")}
    replace(scene.located, about=about | {"registration": ["registration/field.npz"]}).save(folder)
    return area


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A copy of the located indents, beside their images, that a test may change."""
    shutil.copytree(made, tmp_path / "area")
    return tmp_path / "area" / "located"


def save(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, image, resolution=(1e5, 1e5), resolutionunit="CENTIMETER")


def record(path: Path) -> dict[str, str]:
    import hashlib

    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def embedded(folder: Path) -> dict:
    text = (folder / "review.html").read_text("utf-8")
    return json.loads(text.split('type="application/json">')[1].split("</script>")[0])


def test_pictures_and_page_are_written_and_decisions_respected(scene, tmp_path) -> None:
    lines = 'id,batch,decision,note\nT002,b0,accept,"a ""clear"" one, yes"\nT040,b1,reject,\n'
    (tmp_path / "decisions.csv").write_text(lines)
    steps = []
    files = write_location_report(
        scene.located,
        scene.micrograph,
        scene.warped,
        tmp_path,
        most_fine=3,
        progress=lambda *step: steps.append(step),
    )
    assert files == [tmp_path / name for name in ("gallery.png", "grid.png", "walks.png", "review.html")]
    for name in OUTPUTS[:3]:
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 500
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*OUTPUTS, "decisions.csv"])
    assert embedded(tmp_path)["decisions"] == [
        ["b0", "T002", "accept", 'a "clear" one, yes'],
        ["b1", "T040", "reject", ""],
    ]
    assert len(embedded(tmp_path)["items"]) == 9
    assert steps[-1] == ("review page", 9, 9)
    first = {name: (tmp_path / name).read_bytes() for name in OUTPUTS}
    with pytest.raises(OutputExistsError, match=r"already holds gallery\.png.*--overwrite"):
        write_location_report(scene.located, scene.micrograph, scene.warped, tmp_path)
    write_location_report(scene.located, scene.micrograph, scene.warped, tmp_path, most_fine=3, overwrite=True)
    assert {name: (tmp_path / name).read_bytes() for name in OUTPUTS} == first
    assert (tmp_path / "decisions.csv").read_text() == lines


def test_decisions_change_the_pictures(scene, tmp_path) -> None:
    pictures = {}
    for name, text in (("none", ""), ("one", "id,batch,decision\nT002,b0,reject\n")):
        (tmp_path / name).mkdir()
        if text:
            (tmp_path / name / "decisions.csv").write_text(text)
        write_location_report(scene.located, scene.micrograph, scene.warped, tmp_path / name, most_fine=0)
        pictures[name] = [(tmp_path / name / file).read_bytes() for file in ("gallery.png", "grid.png", "walks.png")]
    alike = [a == b for a, b in zip(*pictures.values(), strict=True)]
    assert alike == [False, False, True]


def test_a_file_that_holds_no_decisions_is_refused_before_anything_is_written(scene, tmp_path) -> None:
    (tmp_path / "decisions.csv").write_text("id,batch,decision\nT002,b0,perhaps\n")
    with pytest.raises(InputError, match="perhaps"):
        write_location_report(scene.located, scene.micrograph, scene.warped, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["decisions.csv"]


def test_decisions_with_a_byte_order_mark_and_without_notes_are_read(tmp_path) -> None:
    assert decisions_in(tmp_path) == {}
    (tmp_path / "decisions.csv").write_bytes(b"\xef\xbb\xbfid,batch,decision,note\r\nT1,b0,accept,fine\r\n")
    assert decisions_in(tmp_path) == {("b0", "T1"): ("accept", "fine")}
    (tmp_path / "decisions.csv").write_text("decision,id,batch\nreject,T1,b0\n")
    assert decisions_in(tmp_path) == {("b0", "T1"): ("reject", "")}


def test_a_folder_is_reviewed_from_its_files_alone_also_when_it_was_moved(folder, scene) -> None:
    about = json.loads((folder / "located.json").read_text())
    for name in ("before", "after"):
        about[name]["path"] = f"/nowhere/{name}.tif"
    (folder / "located.json").write_text(json.dumps(about))
    outcome = CliRunner().invoke(command, [str(folder), "--doubtful", "3", "--fine", "1", "-q"])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.split() == [str(folder / name) for name in OUTPUTS]
    data = embedded(folder)
    assert len(data["items"]) == 4
    # The window of the after-image is that of the before-image's pixels, not of its own.
    own = next(item for item in data["items"] if item["id"] == "T002")
    flat = replace(scene.located, about=scene.located.about)
    direct = folder / "direct"
    direct.mkdir()
    write_location_report(
        flat, scene.micrograph, make_scene(known_cols=400).warped, direct, most_doubtful=3, most_fine=1
    )
    wanted = next(item for item in embedded(direct)["items"] if item["id"] == "T002")
    assert own["centre"] == pytest.approx(wanted["centre"], abs=0.01)
    assert own["before"] == wanted["before"]
    assert own["after"] == wanted["after"]


def test_another_image_under_the_same_name_is_refused(folder) -> None:
    image = tifffile.imread(folder.parent / "before.tif")
    image[0, 0] ^= 1
    about = json.loads((folder / "located.json").read_text())
    about["before"]["path"] = "../before.tif"
    (folder / "located.json").write_text(json.dumps(about))
    save(folder.parent / "before.tif", image)
    with pytest.raises(InputError, match="not the image on which the indents were located"):
        review_folder(folder)
    assert not any((folder / name).exists() for name in OUTPUTS)


def test_a_field_is_found_beside_the_summary_from_anywhere(folder, tmp_path, monkeypatch) -> None:
    (folder / "fields").mkdir()
    (folder / "registration" / "field.npz").rename(folder / "fields" / "first.npz")
    about = json.loads((folder / "located.json").read_text())
    about["registration"] = ["fields/first.npz"]
    (folder / "located.json").write_text(json.dumps(about))
    monkeypatch.chdir(tmp_path)
    assert review_folder(folder, most_doubtful=1, most_fine=1) == [folder / name for name in OUTPUTS]


@pytest.mark.parametrize("name", ["before", "after"])
def test_a_field_of_other_images_is_refused(folder, name) -> None:
    path = folder / "registration" / "field.npz"
    field = DisplacementField.load(path)
    about = json.loads((folder / "located.json").read_text())
    replace(field, about={key: about[key] for key in ("before", "after")}).save(path)
    review_folder(folder, most_doubtful=1, most_fine=1)
    replace(field, about={name: about[name] | {"sha256": "0" * 64}}).save(path)
    with pytest.raises(InputError, match=f"another {name}-image"):
        review_folder(folder, overwrite=True)


def test_what_is_missing_is_said(folder, tmp_path) -> None:
    with pytest.raises(FileAccessError, match=r"located\.json"):
        review_folder(tmp_path / "nothing")
    (folder / "registration" / "field.npz").unlink()
    with pytest.raises(FileAccessError, match="locate"):
        review_folder(folder)


def test_a_summary_without_images_is_refused(folder) -> None:
    about = json.loads((folder / "located.json").read_text())
    del about["after"]
    (folder / "located.json").write_text(json.dumps(about))
    with pytest.raises(FileFormatError, match="after-image"):
        review_folder(folder)
    assert isinstance(LocatedIndents.load(folder), LocatedIndents)
