from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner, Result

from cemvis.cli import main
from cemvis.errors import FileAccessError, InputError, OutputExistsError
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.workflows._deconvolve_figures import shortest
from cemvis.workflows._deconvolve_map import MapFolder, grouped_map
from cemvis.workflows._deconvolve_sources import read_tables
from cemvis.workflows.deconvolve import deconvolve_files
from populations import drawn, few_tried, two_far_apart

QUICK = ("--starts", "5", "--resamplings", "20", "-q")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["deconvolve", *map(str, arguments)])


def write_table(path: Path, *, count: int = 400, seed: int = 1, batches: int = 10, **columns: object) -> Path:
    modulus, second = two_far_apart(count, seed=seed)
    rng = np.random.default_rng(seed)
    hardness = np.where(second, rng.normal(3, 0.3, count), rng.normal(0.8, 0.1, count))
    frame = pd.DataFrame(
        {
            "id": [f"T{n}" for n in range(count)],
            "batch": [f"b{n * batches // count}" for n in range(count)],
            "x_um": np.arange(count) * 10.0,
            "y_um": 0.0,
            "modulus_gpa": modulus,
            "hardness_gpa": hardness,
            "status": "ok",
        }
    ).assign(**columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    return path


def write_map(folder: Path, values: np.ndarray, *, step_um: float = 2.0) -> Path:
    folder.mkdir(parents=True)
    raster = Raster("Modulus (GPa)", "Modulus.", step_um, (1.0, 1.0))
    write_ome_tiff(
        folder / "modulus.ome.tif", [values.astype(np.float32)], shape=values.shape, dtype="float32", raster=raster
    )
    summary = {"grid": {"step_um": step_um, "first_centre_um": 1.0}, "mosaic": {"file": "a.tif"}, "model": {}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_table(tmp_path_factory.mktemp("deconvolve") / "indents.csv", count=240)


@pytest.fixture(scope="module")
def done(table) -> tuple[Path, Result]:
    output = table.parent / "found"
    return output, run(table, "-o", output, *QUICK)


@pytest.fixture
def few_populations() -> Iterator[None]:
    with few_tried(3):
        yield


@pytest.fixture
def no_pictures(monkeypatch) -> None:
    monkeypatch.setattr("cemvis.workflows._deconvolve_figures._save", lambda *_: None)


def test_command_writes_tables_a_figure_and_a_summary(done, table) -> None:
    output, result = done
    assert result.exit_code == 0, result.output
    assert "verdict: supported" in result.output
    assert "number by BIC; " in result.output
    assert "of 5 starts reached the best optimum" in result.output
    assert "skew-normal instead of normal: log likelihood +" in result.output
    tables = {"populations.csv", "populations.json", "selection.csv", "convergence.csv", "resamplings.csv"}
    assert {each.name for each in output.iterdir()} == tables | {"populations.png", "populations.pdf"}
    assert (output / "populations.pdf").read_bytes().startswith(b"%PDF")
    found = pd.read_csv(output / "populations.csv")
    modulus = found[found["properties"] == "modulus"]
    np.testing.assert_allclose(modulus["modulus_mean_gpa"], [20, 60], atol=1.5)
    assert (modulus["fraction_low"] < modulus["fraction"]).all()
    assert (modulus["fraction"] < modulus["fraction_high"]).all()
    assert set(found["properties"]) == {"modulus", "hardness", "modulus+hardness"}
    record = json.loads((output / "populations.json").read_text())
    assert record["inputs"][0]["path"] == str(table)
    assert len(record["inputs"][0]["sha256"]) == 64
    assert record["found"]["joint"]["interval"]["resampled"] == "batches"
    selection = pd.read_csv(output / "selection.csv")
    best = selection[selection["properties"] == "modulus"].sort_values("bic").iloc[0]
    assert best["populations"] == 2
    assert selection.groupby("properties")["populations"].max().tolist() == [8, 8, 8]
    settled = pd.read_csv(output / "convergence.csv")
    assert set(settled["indents"]) == {100, 200, 240}
    assert record["found"]["modulus"]["settling"]["values"] == [100, 200, 240]
    assert record["found"]["joint"]["settling"] is None
    assert (settled["fraction_low"] <= settled["fraction_high"]).all()


def test_resamplings_are_written_as_they_were_drawn(done) -> None:
    output, _ = done
    drawn, found = pd.read_csv(output / "resamplings.csv"), pd.read_csv(output / "populations.csv")
    record = json.loads((output / "populations.json").read_text())
    digest = hashlib.sha256((output / "resamplings.csv").read_bytes()).hexdigest()
    assert record["resamplings"] == {"file": "resamplings.csv", "sha256": digest}
    kinds = set(zip(drawn["properties"], drawn["property"], strict=True))
    both = "modulus+hardness"
    assert kinds == {("modulus", "modulus"), ("hardness", "hardness"), (both, "modulus"), (both, "hardness")}
    for (properties, kind), own in drawn.groupby(["properties", "property"]):
        count = record["found"]["joint" if properties == both else properties]["interval"]["resamplings"]
        assert sorted(own["resampling"].unique()) == list(range(1, count + 1))
        np.testing.assert_allclose(own.groupby("resampling")["fraction"].sum(), 1, atol=1e-5)
        for name, one in own.groupby("population"):
            row = found[(found["properties"] == properties) & (found["population"] == name)].iloc[0]
            for column, told in (("fraction", "fraction{}"), ("mean_gpa", f"{kind}_mean{{}}_gpa")):
                low, high = row[told.format("_low")], row[told.format("_high")]
                # ten batches: an interval ends beyond the 20th part of 20 resamplings, hardly within their extremes
                assert one[column].min() <= low + 1e-4 * abs(low)
                assert one[column].max() >= high - 1e-4 * abs(high)
                assert low < one[column].median() < high
            assert one["sd_gpa"].median() == pytest.approx(row[f"{kind}_sd_gpa"], rel=0.2)


@pytest.mark.usefixtures("no_pictures")
def test_the_same_seed_gives_the_same_files_and_nothing_is_replaced_unasked(done, table, tmp_path) -> None:
    output, _ = done
    again = deconvolve_like(table, tmp_path / "again")
    for name in ("selection.csv", "convergence.csv", "resamplings.csv"):
        own = pd.read_csv(output / name)
        own = own[own["properties"] == "modulus"].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, pd.read_csv(again / name))
    refused = run(table, "-o", output, *QUICK)
    assert refused.exit_code == 1
    assert "already holds populations.csv" in refused.output
    with pytest.raises(OutputExistsError):
        deconvolve_files([table], output)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileAccessError, match="wanted a folder"):
        deconvolve_files([table], tmp_path / "file")


def deconvolve_like(table: Path, output: Path) -> Path:
    assert run(table, "-o", output, *QUICK, "--property", "modulus").exit_code == 0
    return output


@pytest.mark.usefixtures("few_populations")
def test_map_gets_populations_with_uncertain_cells_marked(tmp_path) -> None:
    values = two_far_apart(70 * 20, seed=2)[0].reshape(70, 20)
    values[:3, :4] = np.nan
    values[10, 10] = 31.7  # between the two
    folder = write_map(tmp_path / "map", values)
    result = run(folder, "-o", tmp_path / "out", *QUICK, "--certain", "0.999")
    assert result.exit_code == 0, result.output
    number = tifffile.imread(tmp_path / "out" / "population_map.ome.tif")
    probability = tifffile.imread(tmp_path / "out" / "population_probability.ome.tif")
    assert number.shape == values.shape
    assert (number[:3, :4] == 0).all()
    assert np.isnan(probability[:3, :4]).all()
    assert number[10, 10] == 255
    clear = np.isfinite(values) & ((values < 27) | (values > 45))
    assert (number[clear] == np.where(values[clear] > 36, 2, 1)).mean() > 0.999
    record = json.loads((tmp_path / "out" / "populations.json").read_text())
    shares = record["population_map"]
    assert shares["cells_mapped"] == 70 * 20 - 12
    assert shares["share_uncertain"] == pytest.approx((number == 255).sum() / shares["cells_mapped"])
    assert record["found"]["modulus"]["batches"] == 64
    assert record["found"]["modulus"]["interval"]["resampled"] == "blocks of the map"
    assert record["found"]["modulus"]["interval"]["units"] == 64
    assert (tmp_path / "out" / "population_map.png").stat().st_size > 5000
    assert (tmp_path / "out" / "population_map.pdf").read_bytes().startswith(b"%PDF")
    # a run without a map leaves none of it behind
    table = write_table(tmp_path / "t.csv")
    assert run(table, "-o", tmp_path / "out", *QUICK, "--property", "modulus", "--overwrite").exit_code == 0
    assert not list((tmp_path / "out").glob("population_*"))


@pytest.mark.usefixtures("few_populations", "no_pictures")
def test_maps_of_a_few_cells_speak_of_cells_and_blocks(tmp_path) -> None:
    folder = write_map(tmp_path / "map", two_far_apart(6, seed=2)[0].reshape(3, 2))
    result = run(folder, "-o", tmp_path / "out", *QUICK, "--populations", "1")
    assert result.exit_code == 0, result.output
    assert "by single cells, since there are 6 blocks and resampling blocks takes 8" in result.output
    interval = json.loads((tmp_path / "out" / "populations.json").read_text())["found"]["modulus"]["interval"]
    assert (interval["resampled"], interval["units"]) == ("cells", 6)


@pytest.mark.usefixtures("few_populations", "no_pictures")
def test_indents_can_sort_the_cells_of_a_map(tmp_path, table) -> None:
    folder = write_map(tmp_path / "map", np.tile([20.0, 60.0, np.nan], (9, 5)))
    result = run(table, "-o", tmp_path / "out", *QUICK, "--property", "modulus", "--map", folder)
    assert result.exit_code == 0, result.output
    number = tifffile.imread(tmp_path / "out" / "population_map.ome.tif")
    assert number[0, :3].tolist() == [1, 2, 0]
    origin = json.loads((tmp_path / "out" / "populations.json").read_text())["population_map"]["map"]
    assert origin["path"] == str(folder)
    digest = hashlib.sha256((folder / "modulus.ome.tif").read_bytes()).hexdigest()
    assert origin["sha256"]["modulus.ome.tif"] == digest


def test_values_of_a_map_are_counted_by_block_exactly(tmp_path) -> None:
    rng = np.random.default_rng(3)
    discrete = rng.choice([10.0, 12.5, 40.0], (90, 33))
    discrete[0, 0] = np.nan
    found = grouped_map(MapFolder.open(write_map(tmp_path / "discrete", discrete)), "modulus")
    assert found.discrete
    assert found.lower.tolist() == [8.75, 11.25, 26.25]
    assert found.upper.tolist() == [11.25, 26.25, 53.75]
    assert found.total.tolist() == [np.count_nonzero(discrete == each) for each in (10.0, 12.5, 40.0)]
    row, col = np.indices(discrete.shape)
    first = (row * 8 // 90 == 0) & (col * 8 // 33 == 1)
    own = found.counts[found.batches.index("block 0,1")]
    assert own.tolist() == [np.count_nonzero(discrete[first] == each) for each in (10.0, 12.5, 40.0)]
    smooth = rng.normal(30, 5, (90, 90))
    found = grouped_map(MapFolder.open(write_map(tmp_path / "smooth", smooth)), "modulus")
    assert not found.discrete
    assert found.size == smooth.size
    assert np.average(found.centre, weights=found.total) == pytest.approx(smooth.mean(), abs=0.01)
    width = found.upper - found.lower
    assert 5 / 32 / 1.3 < np.median(width) < 5 / 32 * 1.1  # as fine as for indents, and no finer
    counted, _ = np.histogram(smooth.astype(np.float32), np.append(found.lower, found.upper[-1]))
    assert np.abs(counted - found.total).sum() <= 8  # rounding at the ends of intervals apart
    smooth[3, 3] = 50_000.0  # equal intervals up to there would be wider than the populations
    with pytest.raises(InputError, match="to 50000 GPa; wanted at most 1500"):
        grouped_map(MapFolder.open(write_map(tmp_path / "outlier", smooth)), "modulus")
    with pytest.raises(InputError, match="that varies"):
        grouped_map(MapFolder.open(write_map(tmp_path / "flat", np.full((5, 5), 3.0))), "modulus")


def test_tables_and_folders_are_joined_by_batch(tmp_path) -> None:
    first = write_table(tmp_path / "a" / "located.csv", count=40)
    write_table(tmp_path / "a" / "indents.csv", count=40, seed=9)
    second = write_table(tmp_path / "b" / "indents.csv", count=30, seed=2, status=["ok"] * 20 + ["failed"] * 10)
    found = read_tables([tmp_path / "a", tmp_path / "b"])
    assert [each["path"] for each in found.files] == [str(first), str(second)]
    assert [each["used"] for each in found.files] == [40, 20]
    assert found.files[1]["not_ok"] == 10
    assert len(set(found.batch)) == 10 + 7  # b0 of one table is not b0 of the other
    assert len(found.values["modulus"]) == 60


@pytest.mark.usefixtures("few_populations", "no_pictures")
def test_missing_values_are_left_out_and_counted(tmp_path) -> None:
    modulus = two_far_apart(400, seed=1)[0]
    modulus[::4] = np.nan
    path = write_table(tmp_path / "t.csv", modulus_gpa=modulus, hardness_gpa=np.nan)
    found = read_tables([path])
    assert found.files[0]["without_value"] == 100
    assert found.files[0]["used"] == 300
    assert found.notes == (f"{path}: 300 of 400 rows are used; 0 are not ok, 100 have no value",)
    result = run(path, "-o", tmp_path / "out", *QUICK)
    assert result.exit_code == 0, result.output
    assert "hardness" not in result.output


@pytest.mark.parametrize(
    ("columns", "about"),
    [
        ({"modulus_gpa": [-3.0] + [30.0] * 399}, "line 2: modulus_gpa is -3"),
        ({"modulus_gpa": [25_000.0] * 400}, "looks like MPa"),
        ({"modulus_gpa": [30.0 + n % 7 for n in range(360)] + [30_000.0] * 40}, "mixes units"),
        ({"modulus_gpa": [31.0] * 400}, "modulus: all 400 values are 31"),
        ({"modulus_gpa": [30.0] * 300 + [30.0, 30_000.0] * 50}, "line 303: modulus_gpa is 30000, in line 2 30"),
        ({"modulus_gpa": ["stiff"] * 400}, "wanted a number"),
        ({"status": ["failed"] * 400}, "no usable indent"),
    ],
)
def test_bad_tables_are_one_clear_line(tmp_path, columns, about) -> None:
    path = write_table(tmp_path / "t.csv", **columns)
    result = run(path, "-o", tmp_path / "out", *QUICK)
    assert result.exit_code == 1
    assert about in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_other_bad_inputs_are_refused(tmp_path, table) -> None:
    folder = write_map(tmp_path / "map", np.arange(400.0).reshape(20, 20))
    few = write_table(tmp_path / "few.csv", count=10, batches=1)
    (tmp_path / "empty").mkdir()
    broken = write_map(tmp_path / "broken", np.ones((4, 4)))
    (broken / "summary.json").write_text("{}")
    for arguments, about in (
        ((table, table), "each table once"),
        ((folder, table), "one map alone"),
        ((folder, "--property", "joint"), "tables of indents"),
        ((table, "--property", "joint", "--map", folder), "maps none of joint"),
        ((folder, "--property", "hardness"), "maps no hardness"),
        ((few, "--populations", 4), "10 values cannot hold 4 populations"),
        ((tmp_path / "empty",), "holds no located.csv"),
        ((tmp_path / "none.csv",), "cannot read"),
        ((broken,), "summary.json is damaged or not what `cemvis map` writes"),
        ((table, "--populations", 2, "--water-cement", 0.4, "--property", "modulus"), "four populations"),
        ((table, "--populations", 4, "--water-cement", 9), "water_cement is 9"),
    ):
        result = run(*arguments, "-o", tmp_path / "out", *QUICK)
        assert result.exit_code == 1, arguments
        assert about in result.output
    for arguments in (
        ("--populations", "0"),
        ("--fractions", "0.5,x"),
        ("--populations", "2", "--names", "a"),
        ("--populations", "2", "--names", "a, a"),
        ("--populations", "2", "--names", "a,"),
    ):
        assert run(table, "-o", tmp_path / "out", *arguments).exit_code == 2


@pytest.mark.usefixtures("few_populations", "no_pictures")
def test_hydration_is_told_with_its_intervals_or_why_it_is_not(tmp_path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"modulus_gpa": drawn(1200, seed=3), "batch": np.arange(1200) % 10}).query("modulus_gpa > 0").to_csv(
        path, index=False
    )
    result = run(path, "-o", tmp_path / "four", *QUICK, "--populations", "4", "--water-cement", "0.4")
    assert result.exit_code == 0, result.output
    assert "degree of hydration 0.8" in result.output
    found = json.loads((tmp_path / "four" / "populations.json").read_text())
    alpha, clinker = found["hydration"]["modulus"]["degree"], found["found"]["modulus"]["populations"][3]["fraction"]
    assert alpha["low"] < alpha["value"] < alpha["high"]
    assert alpha["value"] == pytest.approx((1 - clinker["value"]) / (1 + 1.2 * clinker["value"]))
    table = write_table(tmp_path / "two.csv", count=200)
    result = run(table, "-o", tmp_path / "two", *QUICK, "--water-cement", "0.4", "--property", "modulus")
    assert result.exit_code == 0, result.output
    assert "nothing is said about hydration" in result.output
    assert json.loads((tmp_path / "two" / "populations.json").read_text())["hydration"] == {}


@pytest.mark.usefixtures("few_populations", "no_pictures")
def test_one_batch_is_answered_with_the_caveat(tmp_path) -> None:
    path = write_table(tmp_path / "t.csv", count=200, batches=1)
    arguments = ("--property", "modulus", "--populations", "2", "--fractions", "?,0.3", "--names", "soft,hard")
    result = run(path, "-o", tmp_path / "out", *QUICK, *arguments)
    assert result.exit_code == 0, result.output
    assert "by single indents, since there is 1 batch" in result.output
    found = pd.read_csv(tmp_path / "out" / "populations.csv")
    assert found["population"].tolist() == ["soft", "hard"]
    assert found["fraction"].tolist() == pytest.approx([0.7, 0.3])


@pytest.mark.usefixtures("few_populations", "no_pictures")
def test_four_batches_are_told_how_alike_their_indents_are(tmp_path) -> None:
    modulus, _ = two_far_apart(400, seed=1)
    modulus += np.repeat([-6.0, 0.0, 2.0, 5.0], 100)
    path = write_table(tmp_path / "t.csv", batches=4, modulus_gpa=modulus)
    result = run(path, "-o", tmp_path / "out", *QUICK, "--property", "modulus", "--populations", "2")
    assert result.exit_code == 0, result.output
    assert "there are 4 batches and resampling batches takes 8: they are too narrow" in result.output
    record = json.loads((tmp_path / "out" / "populations.json").read_text())
    parts = modulus.reshape(4, 100)
    ratio = np.sqrt(100 * parts.mean(axis=1).var(ddof=1) / parts.var(axis=1, ddof=1).mean())
    (told,) = (line for line in record["found"]["modulus"]["verdict"] if "means of batches" in line)
    assert float(told.split("scatter ")[1].split()[0]) == pytest.approx(ratio, abs=0.15)


def test_captions_tell_files_of_one_name_apart() -> None:
    assert shortest([Path("a/one/located.csv"), Path("a/two/located.csv")]) == ["one/located.csv", "two/located.csv"]
    assert shortest([Path("/data/a.csv"), Path("b.csv")]) == ["a.csv", "b.csv"]
    assert shortest([Path("map")]) == ["map"]


@pytest.mark.usefixtures("few_populations", "no_pictures")
def test_a_handful_of_indents_is_answered_with_what_it_is_worth(tmp_path) -> None:
    path = write_table(tmp_path / "t.csv", count=4, batches=1)
    result = run(path, "-o", tmp_path / "out", *QUICK)
    assert result.exit_code == 0, result.output
    assert "modulus: 1 population in 4 values" in result.output
    assert "4 values are too few for 1 population" in result.output
    refused = run(path, "-o", tmp_path / "out2", *QUICK, "--property", "joint")
    assert refused.exit_code == 1
    assert refused.output.count("\n") == 1


@pytest.mark.usefixtures("few_populations")
def test_joint_populations_alone_are_drawn(tmp_path, table) -> None:
    result = run(table, "-o", tmp_path / "out", *QUICK, "--property", "joint", "--populations", "2")
    assert result.exit_code == 0, result.output
    assert list(json.loads((tmp_path / "out" / "populations.json").read_text())["found"]) == ["joint"]
    assert (tmp_path / "out" / "convergence.csv").read_text() == "properties,indents,population\n"


@pytest.mark.usefixtures("few_populations", "no_pictures")
def test_values_of_a_table_model_are_said_to_be_discrete(tmp_path) -> None:
    levels = np.round(two_far_apart(900, seed=4)[0].reshape(30, 30) / 2) * 2
    result = run(write_map(tmp_path / "map", levels), "-o", tmp_path / "out", *QUICK, "--populations", "2")
    assert result.exit_code == 0, result.output
    assert "distinct values, as a table model gives" in result.output
    record = json.loads((tmp_path / "out" / "populations.json").read_text())
    assert record["found"]["modulus"]["likelihood"] == "binned, discrete values"
