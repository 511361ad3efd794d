"""Reconstruction from files: what is read, what is written, and what comes of an interrupt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from cemvis._files import sha256_of
from cemvis.analysis.correlation.reconstruction_annealing import Options, Schedule
from cemvis.errors import FileFormatError, InputError, OutputExistsError
from cemvis.images.micrograph import open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.kernels.two_point import pair_counts
from cemvis.workflows import reconstruct as workflow
from cemvis.workflows._reconstruct_files import output_names
from cemvis.workflows.reconstruct import ReconstructConfig, reconstruct_file

FAST = Schedule(tolerance=2e-3, max_stages=40)


def labels(side: int = 40, values: tuple[int, ...] = (3, 7, 200), seed: int = 0) -> np.ndarray:
    smooth = gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), 2, mode="wrap")
    edges = np.quantile(smooth, np.linspace(0, 1, len(values) + 1)[1:-1])
    return np.array(values, np.uint8)[np.digitize(smooth, edges)]


def labelled(result: workflow.ReconstructResult) -> np.ndarray:
    return np.array([3, 7, 200])[result.found.image]


def counted_table(phases: np.ndarray, names: list[str], r_max: int, *, um: float | None = None) -> pd.DataFrame:
    """Pair counts as `cemvis two-point --phases` writes them."""
    found = pair_counts(phases, r_max=r_max, levels=len(names))
    parts = []
    for i, first in enumerate(names):
        for j in range(i, len(names)):
            part = pd.DataFrame({"r_px": np.arange(r_max + 1), "first": first, "second": names[j]})
            part["count"] = found.level_pairs(i, j)
            part["s2"] = part["count"] / found.pairs
            if um is not None:
                part.insert(1, "r_um", um * part["r_px"])
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cemvis.report.figure_files.PNG_DPI", 60)


def test_labels_to_a_folder(tmp_path: Path) -> None:
    source = tmp_path / "labels.npy"
    np.save(source, labels())
    config = ReconstructConfig(r_max=8, schedule=FAST, pixel_size=PixelSize(0.25, "option"), seed=4, size=(40, 36))
    result = reconstruct_file(source, tmp_path / "out", config, command="cemvis reconstruct x")
    assert [path.name for path in result.files] == list(output_names())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(output_names())

    written = tifffile.imread(tmp_path / "out" / "reconstruction.tif")
    assert written.shape == (40, 36)
    assert written.dtype == np.uint8
    assert np.array_equal(np.array([3, 7, 200])[result.found.image], written)
    with open_micrograph(tmp_path / "out" / "reconstruction.tif") as image:
        assert image.pixel_size is not None
        assert image.pixel_size.um == pytest.approx(0.25)
    with Image.open(tmp_path / "out" / "reconstruction.png") as preview:
        assert np.array_equal(np.asarray(preview), np.array([0, 128, 255])[result.found.image])
        assert preview.info["dpi"] == pytest.approx((101_600, 101_600), rel=1e-3)

    record = json.loads((tmp_path / "out" / "reconstruction.json").read_text())
    assert record["format"] == "cemvis reconstruct"
    assert record["input"]["sha256"] == sha256_of(source)
    assert record["input"]["pixel_size_um"] == 0.25
    assert record["command"] == "cemvis reconstruct x"
    assert [each["name"] for each in record["phases"]] == ["3", "7", "200"]
    for each in record["phases"]:
        assert each["fraction"] == np.mean(written == int(each["name"]))
        assert each["fraction"] == pytest.approx(each["wanted_fraction"], abs=1 / (40 * 36))
    assert record["result"]["ended"] == "tolerance"

    curves = pd.read_csv(tmp_path / "out" / "two_point.csv")
    found = pair_counts(result.found.image, r_max=8, periodic=True, levels=3)
    some = curves[(curves.phase_i == 3) & (curves.phase_j == 200)]
    assert some["reached"].to_numpy() == pytest.approx(found.level_pairs(0, 2) / found.pairs, abs=1e-9)
    assert some["r_um"].to_numpy() == pytest.approx(0.25 * np.arange(9))
    off = curves[curves.r_px > 0]["deviation"]
    assert np.sqrt(np.mean(off**2)) == pytest.approx(record["result"]["rms_deviation"], rel=1e-6)
    assert np.abs(off).max() == pytest.approx(record["result"]["largest_deviation"], rel=1e-6)
    energy = pd.read_csv(tmp_path / "out" / "energy.csv")
    assert energy["energy"].iloc[-1] == pytest.approx(record["result"]["energy"], rel=1e-8)
    assert energy["trials"].sum() == record["result"]["trials"]
    for name in ("comparison.png", "comparison.pdf"):
        assert (tmp_path / "out" / name).stat().st_size > 10_000


def test_counts_of_phases_give_the_same_as_their_image(tmp_path: Path) -> None:
    image = labels()
    phases = np.searchsorted([3, 7, 200], image).astype(np.uint8)
    np.save(tmp_path / "labels.npy", image)
    folder = tmp_path / "counted"
    folder.mkdir()
    counted_table(phases, ["3", "7", "200", "rest"], 12, um=0.5).to_csv(folder / "phases.csv", index=False)
    config = ReconstructConfig(r_max=8, schedule=FAST, size=(40, 40), seed=2)
    one = reconstruct_file(tmp_path / "labels.npy", tmp_path / "a", config)
    other = reconstruct_file(folder, tmp_path / "b", config)
    third = reconstruct_file(folder / "phases.csv", tmp_path / "c", config)
    assert np.array_equal(one.target.probabilities, other.target.probabilities)
    assert np.array_equal(one.found.image, other.found.image)
    assert np.array_equal(one.found.image, third.found.image)
    assert other.source.names == ("3", "7", "200")  # nothing is left for "rest"
    assert one.source.pixel_size is None
    assert other.source.pixel_size is not None
    assert other.source.pixel_size.um == pytest.approx(0.5)
    # Counts have no labels: the image has the numbers of the phases.
    assert np.array_equal(tifffile.imread(tmp_path / "b" / "reconstruction.tif"), other.found.image)
    assert np.array_equal(tifffile.imread(tmp_path / "a" / "reconstruction.tif"), labelled(one))


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", labels(values=(0, 1)))
    config = ReconstructConfig(r_max=6, schedule=FAST, options=Options(candidates=2), threads=2)
    for name in ("a", "b"):
        reconstruct_file(tmp_path / "labels.npy", tmp_path / name, config)
    for name in output_names():
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_what_is_assumed_without_being_told(tmp_path: Path) -> None:
    image = labels(30, (0, 255))
    Image.fromarray(image).save(tmp_path / "labels.png")
    result = reconstruct_file(tmp_path / "labels.png", tmp_path / "out", ReconstructConfig(schedule=FAST))
    assert result.found.image.shape == (30, 30)
    assert result.target.r_max == 15
    assert "made the same at all distances" in result.notes[0]
    edges = ReconstructConfig(schedule=FAST, options=Options(periodic=False))
    open_result = reconstruct_file(tmp_path / "labels.png", tmp_path / "open", edges)
    assert not any("made the same" in note for note in open_result.notes)
    small = ReconstructConfig(schedule=FAST, size=(20, 24))
    assert reconstruct_file(tmp_path / "labels.png", tmp_path / "small", small).target.r_max == 10


def test_existing_results_are_left_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", labels(24))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "energy.csv").write_text("mine")
    config = ReconstructConfig(r_max=4, schedule=FAST)
    with pytest.raises(OutputExistsError, match=r"energy\.csv"):
        reconstruct_file(tmp_path / "labels.npy", tmp_path / "out", config)
    assert (tmp_path / "out" / "energy.csv").read_text() == "mine"
    reconstruct_file(tmp_path / "labels.npy", tmp_path / "out", config, overwrite=True)
    assert (tmp_path / "out" / "energy.csv").read_text() != "mine"


def test_an_interrupt_leaves_what_there_is_under_partial_names(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", labels(32))
    calls = 0

    def stop(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    config = ReconstructConfig(r_max=6, schedule=Schedule(tolerance=1e-9))
    result = reconstruct_file(tmp_path / "labels.npy", tmp_path / "out", config, progress=stop)
    assert result.interrupted
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(output_names(partial=True))
    assert "reconstruction.partial.tif" in output_names(partial=True)
    assert np.array_equal(labelled(result), tifffile.imread(tmp_path / "out" / "reconstruction.partial.tif"))
    record = json.loads((tmp_path / "out" / "reconstruction.partial.json").read_text())
    assert record["result"]["ended"] == "interrupted"
    assert "it was interrupted" in record["notes"][-1]
    # A whole run after it leaves no partial files.
    reconstruct_file(tmp_path / "labels.npy", tmp_path / "out", ReconstructConfig(r_max=6, schedule=FAST))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(output_names())


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.full((20, 20), 4, np.uint8), "one label alone, 4"),
        (np.arange(400, dtype=np.uint16).reshape(20, 20), "400 different values; wanted an image of 2 to 16 phases"),
        (np.where(np.eye(20) > 0, np.nan, 1.0), "has NaN"),
        (np.eye(20), "holds float64 values; wanted whole numbers"),
        (np.eye(20, dtype=np.int32) - 1, "labels from -1 to 0"),
        (np.zeros((4, 5, 6), np.uint8), r"shape \(4, 5, 6\)"),
        (np.zeros((0, 6), np.uint8), r"shape \(0, 6\)"),
        (np.array([["a", "b"]]), "holds str"),
    ],
)
def test_images_that_are_none_of_labels(tmp_path: Path, image: np.ndarray, told: str) -> None:
    np.save(tmp_path / "x.npy", image)
    with pytest.raises(InputError, match=told):
        reconstruct_file(tmp_path / "x.npy", tmp_path / "out", ReconstructConfig(r_max=4))
    assert not (tmp_path / "out").exists()


def test_a_broken_array(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY no")
    with pytest.raises(FileFormatError, match=r"not a \.npy array"):
        reconstruct_file(tmp_path / "x.npy", tmp_path / "out")


def _without(table: pd.DataFrame, what: str) -> pd.DataFrame:
    return {
        "column": lambda: table.drop(columns="count"),
        "row": lambda: table.drop(index=5),
        "twice": lambda: pd.concat([table, table.iloc[5:6]]),
        "cross": lambda: pd.concat([table, table[table["first"] != table["second"]].rename(
            columns={"first": "second", "second": "first"})]),
        "below": lambda: table.assign(count=table["count"].astype(int) * -1),
        "phase": lambda: table[table["first"] == "gel"][table["second"] == "gel"],
    }[what]()  # fmt: skip


@pytest.mark.filterwarnings("ignore:Boolean Series key")
@pytest.mark.parametrize(
    ("what", "error", "told"),
    [
        ("column", FileFormatError, "no column count"),
        ("row", InputError, "does not have each pair of phases once"),
        ("twice", InputError, "of both orders|once at each distance"),
        ("cross", InputError, "between two images"),
        ("below", FileFormatError, "missing or below 0"),
        ("phase", InputError, "has 1 phases"),
    ],
)
def test_tables_that_are_none_of_phases(tmp_path: Path, what: str, error: type[Exception], told: str) -> None:
    table = counted_table(labels(24, (0, 1)), ["pores", "gel"], 6)
    _without(table, what).to_csv(tmp_path / "phases.csv", index=False)
    with pytest.raises(error, match=told):
        reconstruct_file(tmp_path, tmp_path / "out", ReconstructConfig(r_max=4, schedule=FAST))


def test_sources_and_settings_that_do_not_go_together(tmp_path: Path) -> None:
    folder = tmp_path / "counted"
    folder.mkdir()
    with pytest.raises(InputError, match=r"has no phases\.csv; wanted an image of labels, or a folder"):
        reconstruct_file(folder, tmp_path / "out")
    counted_table(labels(24, (0, 1)), ["pores", "gel"], 6).to_csv(folder / "phases.csv", index=False)
    with pytest.raises(InputError, match="counts up to 6 px; wanted r_max up to that, not 9"):
        reconstruct_file(folder, tmp_path / "out", ReconstructConfig(r_max=9))
    with pytest.raises(InputError, match="counts of all directions"):
        reconstruct_file(folder, tmp_path / "out", ReconstructConfig(directions="axes"))
    np.save(tmp_path / "x.npy", labels(24, (0, 1)))
    with pytest.raises(InputError, match="r_max is 11 and the size 20 x 20"):
        reconstruct_file(tmp_path / "x.npy", tmp_path / "out", ReconstructConfig(r_max=11, size=(20, 20)))
    with pytest.raises(InputError, match="r_max is 30 and the image 24 x 24"):
        reconstruct_file(tmp_path / "x.npy", tmp_path / "out", ReconstructConfig(r_max=30, size=(90, 90)))
    with pytest.raises(InputError, match="size is 2 x 9"):
        ReconstructConfig(size=(2, 9))
