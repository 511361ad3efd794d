from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner, Result

from areas import PIXEL_UM, WINDOW_PX, WINDOW_UM, make_area
from cemvis._files import file_digest, sha256_of
from cemvis.cli import main
from cemvis.errors import FileAccessError, FileFormatError, InputError, OutputExistsError
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.kernels.specimen import Phase
from cemvis.workflows._validate_phases import PHASE_NAMES, Strips, phases_at
from cemvis.workflows._validate_sources import file_name, labels_of, map_sample, open_map
from cemvis.workflows._validate_truth import Truth, judge
from cemvis.workflows.areas import Area
from cemvis.workflows.map import map_mosaic
from cemvis.workflows.train import TrainConfig, train
from cemvis.workflows.validate import validate
from populations import few_tried

QUICK = ("--starts", "2", "--resamplings", "20", "--populations", "2", "--property", "modulus", "-q")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


def window_means(image: np.ndarray) -> np.ndarray:
    rows, cols = (size // WINDOW_PX for size in image.shape)
    return image[: rows * WINDOW_PX, : cols * WINDOW_PX].reshape(rows, WINDOW_PX, cols, WINDOW_PX).mean(axis=(1, 3))


def make_unseen(folder: Path) -> Path:
    """Make an area whose truth follows the grey level of each window, with a test in the middle of every other one."""
    make_area(folder, seed=5)
    image = tifffile.imread(folder / "before.tif")
    truth = (15 + 0.6 * (window_means(image) - 90)).astype(np.float32)
    first = WINDOW_UM / 2 - PIXEL_UM / 2
    for name, values in (("modulus", truth), ("hardness", truth / 25)):
        raster = Raster(name, "True.", WINDOW_UM, (first, first))
        path = folder / f"truth_{name}.ome.tif"
        write_ome_tiff(path, [values], shape=values.shape, dtype="float32", raster=raster)
    phases = np.where(image > 160, Phase.ALITE, np.where(image < 70, Phase.PORE, Phase.LD_CSH)).astype(np.uint8)
    raster = Raster("Phase", "True.", PIXEL_UM)
    write_ome_tiff(folder / "truth_phases.ome.tif", [phases], shape=phases.shape, dtype="uint8", raster=raster)
    about = {"origin": {"pixel_size_um": PIXEL_UM, "truth_step_um": WINDOW_UM}}
    (folder / "specimen.json").write_text(json.dumps(about))
    row, col = np.divmod(np.arange(0, truth.size, 2), truth.shape[1])
    table = pd.DataFrame({"x_um": first + col * WINDOW_UM + 0.2, "y_um": first + row * WINDOW_UM - 0.2})
    table = table.assign(modulus_gpa=truth[row, col] + 1.0, batch="t", status="ok")
    table.assign(hardness_gpa=table["modulus_gpa"] / 25).to_csv(folder / "indents.csv", index=False)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _few_populations() -> Iterator[None]:
    with few_tried(2):
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("validate")
    for seed in (0, 1):
        make_area(root / f"area-{seed}", seed=seed)
    areas = [Area.in_folder(root / f"area-{seed}") for seed in (0, 1)]
    for kind in ("linear", "table"):
        how = TrainConfig(network=kind, properties=("modulus",), window_um=WINDOW_UM, threads=1)
        train(areas, root / f"{kind}.safetensors", how)
    make_unseen(root / "unseen")
    return root


@pytest.fixture(scope="module")
def done(place) -> tuple[Path, Result]:
    models, tables = (
        [place / f"{kind}.safetensors" for kind in ("linear", "table")],
        (place / "area-0", place / "area-1"),
    )
    output = place / "found"
    measured = [part for table in tables for part in ("--measured", table)]
    return output, run(*models, *measured, "--mosaic", place / "unseen", "-o", output, *QUICK)


def test_models_map_an_unseen_area_and_stand_beside_measured_and_true_values(done, place) -> None:
    output, result = done
    assert result.exit_code == 0, result.output
    record = json.loads((output / "validation.json").read_text())
    assert {each.name for each in output.iterdir()} == {*record["files"], "maps"}
    assert {each.suffix for each in output.iterdir() if each.stem == "maps"} == {".png", ".pdf", ""}
    found = record["properties"]["modulus"]
    assert list(found["sources"]) == ["measured", "linear", "table", "truth of the area", "tests in the area"]
    assert found["sources"]["measured"]["values"] == 2 * 18 * 36
    assert record["inputs"]["maps"][0]["model"]["networks"]["modulus"] == "linear"
    assert len(record["inputs"]["measured"][1]["sha256"]) == 64
    apart = found["tables_from_the_others"]
    assert list(apart) == [str(place / f"area-{n}" / "indents.csv") for n in (0, 1)]
    one, other = apart.values()  # of two tables each is "the others" of the other one
    assert one == pytest.approx(other)
    assert one > 0
    distances = pd.read_csv(output / "distances.csv").set_index("source")
    assert (distances["distance_gpa"].iloc[1:] <= distances["distance_high_gpa"].iloc[1:]).all()
    assert distances.loc["linear", "drawn"] == "64 blocks of the map"
    assert distances.loc["linear", "drawn_of_measured"] == "36 batches"
    populations = pd.read_csv(output / "populations.csv")
    assert len(populations) == 5 * 2
    np.testing.assert_allclose(populations.groupby("source")["fraction"].sum(), 1, atol=1e-4)


def test_errors_are_those_of_the_map_beside_the_truth(done, place) -> None:
    output, _ = done
    errors = pd.read_csv(output / "errors.csv").set_index(["map", "against", "phase"]).sort_index()
    truth = tifffile.imread(place / "unseen" / "truth_modulus.ome.tif").astype(float)
    cells = pd.read_parquet(output / "maps" / "table" / "cells.parquet")
    value = cells["modulus_gpa"].to_numpy(float).reshape(truth.shape)
    whole = errors.loc[("table", "truth", "all")]
    assert whole["cells"] == truth.size
    assert whole["rmse_gpa"] == pytest.approx(np.sqrt(((value - truth) ** 2).mean()), rel=1e-4)
    assert whole["bias_gpa"] == pytest.approx((value - truth).mean(), rel=1e-3, abs=1e-4)
    lower, upper = (cells[f"modulus_{end}_gpa"].to_numpy(float).reshape(truth.shape) for end in ("lower", "upper"))
    bounded = np.isfinite(lower)
    inside = (lower <= truth) & (truth <= upper)
    assert whole["coverage"] == pytest.approx(inside[bounded].mean(), rel=1e-4)
    assert whole["level"] == 0.9
    tests = errors.loc[("table", "tests", "all")]
    chosen = np.arange(0, truth.size, 2)
    assert tests["cells"] == len(chosen)
    assert tests["bias_gpa"] == pytest.approx((value - truth).ravel()[chosen].mean() - 1, rel=1e-3)
    assert set(errors.index.get_level_values("phase")) <= {"all", *PHASE_NAMES}
    of = errors.loc[("table", "truth")].drop("all")
    assert of["cells"].sum() == truth.size


def test_notes_and_promises_are_printed(done) -> None:
    output, result = done
    notes = json.loads((output / "validation.json").read_text())["notes"]
    assert any("virtual" in note for note in notes)
    assert all(f"Note: {note}." in result.output for note in notes)
    assert "promised 90%" in result.output


@pytest.fixture
def no_pictures(monkeypatch) -> None:
    """Leave out the figures of a validation and of its maps, which take most of the time of a small one."""
    monkeypatch.setattr("cemvis.workflows._validate_files.save_png_and_pdf", lambda _figure, _stem: None)
    for name in ("write_property_figure", "write_histogram_figure"):
        monkeypatch.setattr(f"cemvis.workflows._map_write.{name}", lambda path, *_, **__: path.touch())


@pytest.mark.usefixtures("no_pictures")
def test_finished_maps_are_taken_and_nothing_is_replaced_unasked(done, place, tmp_path) -> None:
    output, _ = done
    again = (place / "table.safetensors", "--measured", place / "area-0", "--mosaic", place / "unseen", *QUICK)
    refused = run(*again, "-o", output)
    assert refused.exit_code == 1
    assert "already holds" in refused.output
    shutil.copytree(output / "maps", tmp_path / "out" / "maps")
    before = (tmp_path / "out" / "maps" / "table" / "summary.json").stat().st_mtime_ns
    assert run(*again, "-o", tmp_path / "out", "--resume").exit_code == 0
    assert (tmp_path / "out" / "maps" / "table" / "summary.json").stat().st_mtime_ns == before
    with pytest.raises(OutputExistsError):
        validate([], output, measured=[place / "area-0"], maps=[output / "maps" / "table"])


@pytest.mark.usefixtures("no_pictures")
def test_maps_made_already_are_compared_without_a_truth_and_one_batch_has_its_caveat(done, place, tmp_path) -> None:
    table = pd.read_csv(place / "area-0" / "indents.csv").assign(batch="one")
    table["modulus_gpa"] *= np.exp(np.random.default_rng(1).normal(0, 0.5, len(table)))
    table.to_csv(tmp_path / "one.csv", index=False)
    result = run(
        "--map", done[0] / "maps" / "table", "--measured", tmp_path / "one.csv", "-o", tmp_path / "out", *QUICK
    )
    assert result.exit_code == 0, result.output
    assert "1 batch is too few to resample" in result.output
    assert "table spreads modulus less than the measured indents" in result.output
    assert not (tmp_path / "out" / "errors.csv").exists()
    assert "the truth of this area is not known" in result.output
    own = pd.read_csv(tmp_path / "out" / "distances.csv")
    assert own["source"].tolist() == ["measured", "table"]


@pytest.mark.usefixtures("no_pictures")
def test_a_models_own_mosaic_is_no_unseen_area(place, tmp_path) -> None:
    own = (place / "table.safetensors", "--measured", place / "area-1", "--mosaic", place / "area-0" / "before.tif")
    result = run(*own, "-o", tmp_path / "out", *QUICK)
    assert result.exit_code == 1
    assert "trained on this very mosaic" in result.output
    image = tifffile.imread(place / "area-0" / "before.tif")
    mask = np.zeros(image.shape, np.uint8)
    mask[:, image.shape[1] // 2 :] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    masked = (*own, "--mask", tmp_path / "mask.tif", "-o", tmp_path / "out", *QUICK)
    result = run(*masked)
    assert result.exit_code == 0, result.output
    assert "the mask has to leave out the windows around them" in result.output

    def masked_cells() -> int:
        return json.loads((tmp_path / "out" / "maps" / "table" / "summary.json").read_text())["cells"]["masked"]

    made = ("--map", tmp_path / "out" / "maps" / "table", "--measured", place / "area-1", *QUICK)
    result = run(*made, "-o", tmp_path / "of-masked")
    assert "the mask has to leave out the windows around them" in result.output
    before = masked_cells()
    mask[:, : image.shape[1] // 4] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    other = run(*masked, "--resume", "--overwrite")  # a map with another mask is no map to take
    assert other.exit_code == 0, other.output
    assert masked_cells() < before
    coarser = run(*masked, "--resume", "--overwrite", "--pixel-size", "0.11 um")  # nor is one at another pixel size
    assert coarser.exit_code == 0, coarser.output
    assert json.loads((tmp_path / "out" / "maps" / "table" / "summary.json").read_text())["pixel_size"]["um"] == 0.11


@pytest.mark.usefixtures("no_pictures")
def test_a_finished_map_says_whether_its_model_saw_the_mosaic(done, place, tmp_path, monkeypatch) -> None:
    table = ("--map", tmp_path / "map", "--measured", place / "area-0", "-o", tmp_path / "out", *QUICK, "--overwrite")
    shutil.copytree(done[0] / "maps" / "table", tmp_path / "map")
    assert "saw this area" not in run(*table).output  # it did not, as its summary shows
    path = tmp_path / "map" / "summary.json"
    summary = json.loads(path.read_text())
    areas = summary["model"]["training_areas"]
    own = sha256_of(place / "area-0" / "before.tif")
    assert [each["mosaic_sha256"] for each in areas] == [own, sha256_of(place / "area-1" / "before.tif")]

    def said(mosaic: dict, model: dict) -> str:
        path.write_text(json.dumps(summary | {"mosaic": mosaic, "model": model}))
        result = run(*table)
        assert len(result.output.strip().splitlines()) == 1 or result.exit_code == 0
        return result.output

    mosaic = summary["mosaic"]
    assert "was trained on this very mosaic" in said(mosaic | {"sha256": own}, summary["model"])
    older = {key: each for key, each in summary["model"].items() if key != "training_areas"}
    assert "is not known: its summary does not say" in said(mosaic, older)
    monkeypatch.setattr("cemvis._files.WHOLE_UP_TO_BYTES", 1000)
    large = file_digest(place / "area-0" / "before.tif") | {"path": str(place / "area-0" / "before.tif")}
    assert "was trained on this very mosaic" in said(large, summary["model"])
    assert "is not there any more" in said(large | {"path": str(tmp_path / "gone.tif")}, summary["model"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "failed"}, "no usable indent"),
        ({"modulus_gpa": 2e10}, "Pa"),
        ({"modulus_gpa": -1.0}, "not positive"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(done, place, tmp_path, change: dict, said: str) -> None:
    pd.read_csv(place / "area-0" / "indents.csv").assign(**change).to_csv(tmp_path / "bad.csv", index=False)
    result = run("--map", done[0] / "maps" / "table", "--measured", tmp_path / "bad.csv", "-o", tmp_path / "o", *QUICK)
    assert result.exit_code == 1
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "o").exists()


def test_what_does_not_fit_together_is_refused_in_a_line(done, place, tmp_path) -> None:
    output, measured = done[0], ("--measured", place / "area-0")
    table = output / "maps" / "table"

    def refused(*arguments: object) -> str:
        result = run(*arguments, *measured, "-o", tmp_path / "out", *QUICK)
        assert result.exit_code == 1, result.output
        assert len(result.output.strip().splitlines()) == 1
        return result.output

    assert "nothing to validate" in refused()
    assert "has nothing to map; give --mosaic" in refused(place / "table.safetensors")
    assert "no model to map" in refused("--map", table, "--mosaic", place / "unseen" / "before.tif")
    assert "given twice" in refused("--map", table, "--map", table)
    assert "holds no map" in refused("--map", place / "area-0")
    assert "holds no specimen.json" in refused("--map", table, "--truth", place / "area-0")
    make_unseen(tmp_path / "other")
    image = tifffile.imread(tmp_path / "other" / "before.tif")[::-1]
    tifffile.imwrite(tmp_path / "other" / "before.tif", image)
    assert "is not a map of" in refused("--map", table, "--truth", tmp_path / "other")
    map_mosaic(image, place / "table.safetensors", output=tmp_path / "flipped", pixel_size="0.1 um", threads=1)
    assert "another mosaic" in refused("--map", table, "--map", tmp_path / "flipped")
    summary = json.loads((table / "summary.json").read_text())
    for change, said in (
        ({"properties": {"modulus": {"unit": "MPa"}}}, "modulus in MPa; wanted GPa"),
        ({"pixel_size": {"um": 0.2}}, "wanted one pixel size"),
        ({"mosaic": {}}, "is not whole"),
    ):
        shutil.copytree(table, tmp_path / "changed", dirs_exist_ok=True)
        (tmp_path / "changed" / "summary.json").write_text(json.dumps(summary | change))
        assert said in refused("--map", table, "--map", tmp_path / "changed")


def test_a_truth_too_coarse_for_the_cells_is_refused(done, place, tmp_path) -> None:
    folder = shutil.copytree(place / "unseen", tmp_path / "coarse")
    for name in ("modulus", "hardness"):
        field = tifffile.imread(folder / f"truth_{name}.ome.tif")[::2, ::2]
        raster = Raster(name, "True.", 2 * WINDOW_UM, (0.0, 0.0))
        path = folder / f"truth_{name}.ome.tif"
        write_ome_tiff(path, [field], shape=field.shape, dtype="float32", raster=raster)
    (folder / "specimen.json").write_text(
        json.dumps({"origin": {"pixel_size_um": PIXEL_UM, "truth_step_um": 2 * WINDOW_UM}})
    )
    mapped = open_map(done[0] / "maps" / "table", "table")
    with pytest.raises(InputError, match="make the specimen with --truth-step 2"):
        judge(mapped, Truth.open(folder), "modulus", resamplings=20, level=0.95, seed=0)
    (folder / "specimen.json").write_text("{}")
    with pytest.raises(FileFormatError, match="is damaged or not what `cemvis specimen` writes"):
        Truth.open(folder)
    (folder / "truth_modulus.ome.tif").unlink()
    with pytest.raises(FileAccessError, match="holds no truth_modulus"):
        Truth.open(folder)


def test_true_values_between_those_that_are_known_are_interpolated(done, place, tmp_path) -> None:
    folder = shutil.copytree(place / "unseen", tmp_path / "fine")
    first, shape = 0.5 - PIXEL_UM / 2, (64, 124)
    y, x = (first + 1.0 * np.arange(size) for size in shape)
    for name in ("modulus", "hardness"):
        plane = (40 + 0.3 * x[None] + 0.1 * y[:, None]).astype(np.float32)
        write_ome_tiff(
            folder / f"truth_{name}.ome.tif", [plane], shape=shape, dtype="float32",
            raster=Raster(name, "True.", 1.0, (first, first)),
        )  # fmt: skip
    (folder / "specimen.json").write_text(json.dumps({"origin": {"pixel_size_um": PIXEL_UM, "truth_step_um": 1.0}}))
    mapped = open_map(done[0] / "maps" / "table", "table")
    judged, sample = judge(mapped, Truth.open(folder), "modulus", resamplings=20, level=0.95, seed=0)
    cells = pd.read_parquet(done[0] / "maps" / "table" / "cells.parquet")
    truth = 40 + 0.3 * cells["x_um"] + 0.1 * cells["y_um"]
    assert judged.truth[0].n == len(cells)
    assert judged.truth[0].bias.value == pytest.approx((cells["modulus_gpa"] - truth).mean(), abs=1e-3)
    assert sample.mean == pytest.approx(truth.mean(), abs=1e-3)


def test_the_phase_of_a_place_is_what_most_of_its_surroundings_show() -> None:
    class Rows(np.ndarray):
        chunks = (8, 8)

    image = np.full((100, 200), Phase.LD_CSH, np.uint8)
    image[:, 100:] = Phase.ALITE
    image[60:, 100:150] = Phase.FERRITE
    image[:50, :50] = Phase.PORE
    strips = Strips(image.view(Rows))
    x = np.array([2.0, 25.0, 99.5, 120.0, 199.0])
    assert [PHASE_NAMES[n] for n in phases_at(strips, x, 20.0, pixel_um=1.0)] == [
        *("pore", "pore", "mixed", "clinker", "clinker")
    ]
    assert PHASE_NAMES[phases_at(strips, np.array([10.0]), 80.0, pixel_um=1.0)[0]] == "LD-CSH"
    assert (image[18:23, 97:103] == Phase.LD_CSH).mean() == 0.5  # around 99.5, 20: neither has 60 %


def test_a_maps_values_are_counted_by_block_exactly(done) -> None:
    mapped = open_map(done[0] / "maps" / "linear", "linear")
    values = tifffile.imread(done[0] / "maps" / "linear" / "modulus.ome.tif").astype(float)
    sample = map_sample(mapped, "modulus")
    distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    np.testing.assert_array_equal(sample.values, distinct)
    np.testing.assert_array_equal(sample.total, counts)
    rows, cols = values.shape
    corner = values[: -(-rows // 8), : -(-cols // 8)]
    assert sample.counts[sample.units.index("block 0,0")].sum() == np.isfinite(corner).sum()


def test_maps_of_one_name_are_told_apart() -> None:
    paths = [Path("a/net.safetensors"), Path("b/net.safetensors"), Path("map.v2"), Path("measured.safetensors")]
    assert labels_of(paths) == ["net (1)", "net (2)", "map.v2", "measured (map)"]
    alike = labels_of([Path("a/net.safetensors"), Path("b/net.safetensors"), Path("net (1)"), Path("a b"), Path("A-b")])
    assert alike == ["net (2)", "net (3)", "net (1)", "a b (1)", "A-b (2)"]
    assert len({file_name(each).lower() for each in alike}) == 5  # or one map would replace another
