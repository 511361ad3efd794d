from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from areas import save_mosaic
from cemvis.errors import CemvisError, FileAccessError, FileFormatError, InputError, OutputExistsError, PixelSizeError
from cemvis.images.pixel_size import PixelSize
from cemvis.images.registration import RegistrationConfig
from cemvis.workflows.indent_tables import IndentTablesConfig
from cemvis.workflows.locate import LocateConfig, LocateResult, locate
from imprinted import PITCH_PX, make_imprinted, surface_like

SMALL = RegistrationConfig(tile_px=128, step_px=96, seams=False)
LOST = (17, 44)


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An area and, in located/, what was found in it as the table is."""
    folder = tmp_path_factory.mktemp("imprinted") / "area"
    truth = make_imprinted(folder, missed=LOST)
    truth.to_csv(folder / "truth.csv", index=False)
    result = located(folder, folder / "indenter.csv", folder / "located")
    away = result.located.before_xy_px - truth[["x_px", "y_px"]].to_numpy()
    assert np.sqrt((away**2).sum(axis=1).mean()) < 0.3
    assert np.hypot(*away.T).max() < 1
    assert [n for n, flag in enumerate(result.located.flag) if flag] == list(LOST)
    return folder


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures, which take longer than the rest."""
    monkeypatch.setattr("cemvis.workflows.locate.write_pictures", lambda *_, **__: [])


def located(area: Path, table: Path, output: Path, *, after: Path | None = None, **options: object) -> LocateResult:
    config = LocateConfig(registration=SMALL, **options)
    return locate(area / "before.tif", after or area / "after.tif", table, output, config, threads=2)


def changed(area: Path, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    change(pd.read_csv(area / "indenter.csv")).to_csv(path, index=False)
    return path


def with_registration(area: Path, output: Path) -> Path:
    """Return a folder that holds the area's registration already."""
    shutil.copytree(area / "located" / "registration", output / "registration")
    return output


def refusal(kind: type[CemvisError], area: Path, table: Path, output: Path, **options: object) -> str:
    """Return the one line that refuses a table; nothing but the registration may be left."""
    made = not output.exists()
    with pytest.raises(kind) as caught:
        located(area, table, output, **options)
    assert "\n" not in str(caught.value)
    left = sorted(each.name for each in output.iterdir()) if output.exists() else []
    assert left in ([], ["registration"])
    assert not made or left or not output.exists()
    return str(caught.value)


def shifted(frame: pd.DataFrame, **by: float) -> pd.DataFrame:
    again = frame.assign(id=frame["id"] + "x")
    return again.assign(**{name: again[name] + value for name, value in by.items()})


TABLES = {
    "nm": (lambda t: t.assign(x_um=t["x_um"] * 1000, y_um=t["y_um"] * 1000), "hold nm"),
    "mm": (lambda t: t.assign(x_um=t["x_um"] / 1000, y_um=t["y_um"] / 1000), "look like mm"),
    "MPa": (lambda t: t.assign(modulus_gpa=t["modulus_gpa"] * 1000), "looks like MPa"),
    "twice": (lambda t: pd.concat([t, shifted(t.iloc[[5]])]), "test T005x that of T005"),
    "close": (lambda t: pd.concat([t, shifted(t.iloc[[5]], x_um=0.5)]).assign(batch="b"), "T005 and T005x are both at"),
    "stray": (lambda t: pd.concat([t, shifted(t.iloc[[5]], x_um=0.5)]), "has 1 of the 101 tests"),
    "off the grid": (
        lambda t: t.assign(batch="b", x_um=t["x_um"] + 1.7 * (t.index == 44)),
        "off the batch's grid",
    ),
    "no positions": (lambda t: t.drop(columns=["x_um", "y_um"]), "not all with a position"),
    "empty": (lambda t: t.iloc[:0], "no tests"),
    "wide": (lambda t: t.assign(x_um=2 * t["x_um"]), "spans 72 x 36 um, the mosaic 54 x 48 um"),
}


@pytest.mark.parametrize("name", list(TABLES))
def test_tables_that_cannot_be(name: str, area: Path, tmp_path: Path) -> None:
    change, says = TABLES[name]
    output = tmp_path / "out"
    if name == "off the grid":
        with_registration(area, output)
    assert says in refusal(InputError, area, changed(area, tmp_path / "table.csv", change), output)


def test_more_tests_than_the_grid_that_was_stated(area: Path, tmp_path: Path) -> None:
    config = LocateConfig(table=IndentTablesConfig(grid=(12, 12)))
    with pytest.raises(InputError, match="need a multiple of 144"):
        locate(area / "before.tif", area / "after.tif", area / "indenter.csv", tmp_path / "out", config)
    assert not (tmp_path / "out").exists()


def test_fewer_tests_than_the_grid_are_fine(area: Path, tmp_path: Path) -> None:
    gone = [3, 50, 77]
    table = changed(area, tmp_path / "fewer.csv", lambda t: t.drop(index=gone))
    result = located(area, table, with_registration(area, tmp_path / "out"))
    truth = pd.read_csv(area / "truth.csv").drop(index=gone)
    away = result.located.before_xy_px - truth[["x_px", "y_px"]].to_numpy()
    assert len(result.located) == 97
    assert np.hypot(*away.T).max() < 1
    assert result.located.batches[0].columns == 10


def test_a_row_too_many_is_not_laid_on_the_wrong_rows(area: Path, tmp_path: Path) -> None:
    """Only grey levels and moduli tell which of eleven rows left no imprints."""
    pitch_um = PITCH_PX / 10
    table = changed(area, tmp_path / "more.csv", lambda t: pd.concat([t, shifted(t.iloc[90:], y_um=pitch_um)]))
    output = with_registration(area, tmp_path / "out")
    said = refusal(InputError, area, table, output)
    assert "moved by a row down" in said
    x, y = said.split("--first ")[1].split(" ")[0].split(",")
    result = located(area, table, output, first_um=(float(x), float(y)))
    truth = pd.read_csv(area / "truth.csv")[["x_px", "y_px"]].to_numpy()
    assert np.hypot(*(result.located.before_xy_px[:100] - truth).T).max() < 1
    flag = np.array(result.located.flag)
    assert (flag[100:] != "").all()
    assert (flag[list(LOST)] == "missing").all()
    assert any("no imprints in the last row" in note for note in result.located.table.notes)


FRAMES = {
    "y up": (lambda t: t.assign(y_um=-t["y_um"]), "mirrored top to bottom", "+x-y"),
    "x left": (lambda t: t.assign(x_um=-t["x_um"]), "mirrored left to right", "-x+y"),
    "turned": (lambda t: t.assign(x_um=t["y_um"], y_um=-t["x_um"]), "turned by 90 degrees", "-y+x"),
}


@pytest.mark.parametrize("frame", list(FRAMES))
def test_mirrored_and_turned_tables_are_refused_with_the_axes_that_are_right(
    frame: str, area: Path, tmp_path: Path
) -> None:
    change, way, axes = FRAMES[frame]
    table, output = changed(area, tmp_path / "table.csv", change), with_registration(area, tmp_path / "out")
    said = refusal(InputError, area, table, output)
    assert way in said
    assert said.endswith(f"--axes {axes}")
    right = located(area, table, output, axes=axes).located
    truth = pd.read_csv(area / "truth.csv")
    assert np.hypot(*(right.before_xy_px - truth[["x_px", "y_px"]].to_numpy()).T).max() < 1
    assert right.table.row.tolist() == truth["row"].tolist()
    assert right.table.column.tolist() == truth["column"].tolist()


def test_two_areas_that_overlap_in_one_table(area: Path, tmp_path: Path) -> None:
    def doubled(t: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([t.assign(batch="one"), shifted(t, x_um=4.1, y_um=0.2).assign(batch="two")])

    table = changed(area, tmp_path / "two.csv", doubled)
    said = refusal(InputError, area, table, with_registration(area, tmp_path / "out"))
    assert "batches one and two overlap on the mosaic (90 pairs" in said


def test_images_that_are_no_pair(area: Path, tmp_path: Path) -> None:
    table, output = area / "indenter.csv", tmp_path / "out"
    assert "are the same image" in refusal(InputError, area, table, output, after=area / "before.tif")
    save_mosaic(tmp_path / "turned.tif", np.rot90(tifffile.imread(area / "after.tif")).copy())
    said = refusal(InputError, area, table, output, after=tmp_path / "turned.tif")
    assert "rotated by 90 degrees" in said
    assert "clockwise" in said


def test_images_that_do_not_overlap(area: Path, tmp_path: Path) -> None:
    table, output = area / "indenter.csv", tmp_path / "out"
    save_mosaic(tmp_path / "other.tif", np.clip(surface_like((480, 540), seed=77), 0, 255).astype(np.uint8))
    said = refusal(InputError, area, table, output, after=tmp_path / "other.tif")
    assert "do not overlap" in said


def test_an_after_image_without_imprints(area: Path, tmp_path: Path) -> None:
    make_imprinted(tmp_path / "bare", imprints=False)
    bare = tmp_path / "bare" / "after.tif"
    said = refusal(InputError, area, area / "indenter.csv", tmp_path / "out", after=bare)
    assert "shows no such grid of imprints" in said


def test_files_that_cannot_be_read(area: Path, tmp_path: Path) -> None:
    table, output = area / "indenter.csv", tmp_path / "out"
    whole = (area / "after.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    assert "is truncated" in refusal(FileFormatError, area, table, output, after=tmp_path / "cut.tif")
    assert "cannot read" in refusal(FileAccessError, area, table, output, after=tmp_path / "none.tif")
    assert "cannot read" in refusal(FileAccessError, area, tmp_path / "none.csv", output)
    (tmp_path / "empty.csv").write_text("")
    assert "is empty" in refusal(FileFormatError, area, tmp_path / "empty.csv", output)


def test_a_pixel_size_has_to_be_known(area: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "bare.tif", tifffile.imread(area / "before.tif"))
    paths = tmp_path / "bare.tif", area / "after.tif", area / "indenter.csv", tmp_path / "out"
    with pytest.raises(PixelSizeError, match="--before-pixel-size"):
        locate(*paths)
    with pytest.raises(InputError, match="wanted positions in um that fit"):
        locate(*paths, before_pixel_size=PixelSize(0.05, "option"))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_results_or_is_none(area: Path, tmp_path: Path) -> None:
    table = area / "indenter.csv"
    with pytest.raises(OutputExistsError, match=r"located\.csv, located\.json.*--overwrite"):
        located(area, table, area / "located")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileAccessError, match="is a file"):
        located(area, table, tmp_path / "file")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "decisions.csv").write_text("id,batch,decision,note\nT000,indenter,perhaps,\n")
    with pytest.raises(InputError, match="perhaps"):
        located(area, table, tmp_path / "out")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["decisions.csv"]


def test_an_interrupt_leaves_no_temporary_file(area: Path, tmp_path: Path) -> None:
    output = with_registration(area, tmp_path / "out")

    def interrupt(stage: str, *_: int) -> None:
        if stage in ("overview", "what imprints look like"):
            raise KeyboardInterrupt

    images = area / "before.tif", area / "after.tif", area / "indenter.csv"
    with pytest.raises(KeyboardInterrupt):
        locate(*images, output, LocateConfig(registration=SMALL), progress=interrupt)
    assert [each.name for each in output.iterdir()] == ["registration"]
    with pytest.raises(KeyboardInterrupt):
        locate(*images, tmp_path / "new", progress=interrupt)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("setting", [{"axes": "+x+x"}, {"origin_um": 0.0}, {"walk_um": -1.0}, {"turn_deg": 50.0}])
def test_settings_out_of_range(setting: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(setting))):
        LocateConfig(**setting)
