"""From files to counts, tables, summary and figures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from cemvis.analysis.correlation.phases import Phase, Phases
from cemvis.errors import CemvisError, FileFormatError, InputError, OutputExistsError, PixelSizeError
from cemvis.images.pixel_size import PixelSize
from cemvis.kernels.two_point import difference_counts, pair_counts, quantised
from cemvis.workflows import _two_point_files
from cemvis.workflows._two_point_inputs import Distance
from cemvis.workflows._two_point_phases import read_phases
from cemvis.workflows._two_point_read import Quantisation
from cemvis.workflows.two_point import TwoPointConfig, two_point

SIZE = PixelSize(0.04, "option")
FEW = {"r_max": Distance(12, "px"), "resamplings": 20}


def noise(shape: tuple[int, int] = (40, 50), levels: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, levels, shape).astype(np.uint8)


def write(path: Path, image: np.ndarray, pixel_um: float | None = None) -> Path:
    if path.suffix == ".npy":
        np.save(path, image)
    elif pixel_um is None:
        tifffile.imwrite(path, image)
    else:
        per_cm = 1e4 / pixel_um
        tifffile.imwrite(path, image, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER")
    return path


def counts(output: Path) -> dict[str, np.ndarray]:
    with np.load(output / "counts.npz", allow_pickle=False) as file:
        return dict(file)


def summary(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "two_point.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(autouse=True)
def _without_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures, which take most of the time, where a test has no need of them."""
    if "figures" not in request.function.__name__:
        monkeypatch.setattr(_two_point_files, "figures", lambda _: {})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write(tmp_path / "image.tif", noise())


def test_an_image_by_tiles_is_the_image(tmp_path: Path) -> None:
    """Tiles of 64 px: 3 x 4 of them, which bands are drawn from."""
    pixels = noise((150, 200))
    path = write(tmp_path / "image.tif", pixels)
    config = TwoPointConfig(**FEW, phases=Phases.parse("a=0-1,b=2"), full=True, pixel_size=SIZE)
    found = two_point([path], tmp_path / "out", config, command="cemvis two-point")
    written = counts(tmp_path / "out")
    expected = pair_counts(pixels, r_max=12)
    np.testing.assert_array_equal(written["levels"], expected.counts)
    np.testing.assert_array_equal(written["differences"], expected.differences().counts)
    np.testing.assert_array_equal(written["pairs"], expected.pairs)
    labels = np.uint8([0, 0, 1, 2, 2, 2])[pixels]
    np.testing.assert_array_equal(written["phases"], pair_counts(labels, r_max=12, levels=3).counts)
    assert written["phase_names"].tolist() == ["a", "b", "rest"]
    assert (found.unit, found.units, found.tiling.side_px) == ("tiles", 12, 64)
    said = summary(tmp_path / "out")
    assert said["command"] == "cemvis two-point"
    assert said["pixel_size_um"] == 0.04
    assert said["images"][0]["sha256"]
    assert said["bands"]["groups"] == 12
    assert said["counting"]["pairs"] == int(expected.pairs.sum())
    assert said["phases"][2]["name"] == "rest"
    assert said["phases"][0]["share"] == np.mean(labels == 0)
    per_px, per_um = (said["phases"][0]["boundary"][f"perimeter_per_area_per_{unit}"] for unit in ("px", "um"))
    assert per_um == pytest.approx(per_px / 0.04)
    assert any("12 tiles of one image, 64 px" in note for note in said["notes"])
    assert {file.name for file in found.files} == {file.name for file in (tmp_path / "out").iterdir()}
    assert said["files"] == [file.name for file in found.files]


def test_tables_hold_the_counts_in_px_and_um(tmp_path: Path) -> None:
    pixels = noise((60, 60))
    path = write(tmp_path / "image.tif", pixels, 0.05)
    config = TwoPointConfig(**FEW, phases=Phases.parse("a=0-2"), full=True, lineal=True, clusters=True)
    two_point([path], tmp_path / "out", config)
    expected = difference_counts(pixels, r_max=12, levels=6)
    for end, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        differences = read(tmp_path / "out" / f"differences.{end}")
        np.testing.assert_array_equal(differences["count"].to_numpy().reshape(13, 6), expected.counts)
        curves = read(tmp_path / "out" / f"curves.{end}")
        np.testing.assert_allclose(curves["r_um"], 0.05 * np.arange(13), rtol=1e-9)
        np.testing.assert_allclose(curves["same_probability"], expected.counts[:, 0] / expected.pairs, rtol=1e-8)
        phases = read(tmp_path / "out" / f"phases.{end}")
        own = phases[(phases["first"] == "a") & (phases["second"] == "a")]
        np.testing.assert_array_equal(own["count"], pair_counts(pixels <= 2, r_max=12, levels=2).level_pairs(1, 1))
        assert (own["cluster"] <= own["s2"] + 1e-12).all()
        assert own["lineal_path"].iloc[0] == pytest.approx(np.mean(pixels <= 2))
        thresholds = read(tmp_path / "out" / f"thresholds.{end}")
        three = thresholds[thresholds["threshold"] == 3]
        np.testing.assert_array_equal(three["both_below"], own["count"])
    assert curves["pairs"].dtype.kind in "iu"
    assert Phases.parse("a=0-2").names(256) == ("a", "rest")


def test_an_ensemble_adds_up_and_has_bands(tmp_path: Path) -> None:
    images = [noise((30, 30 + k), 4, k) for k in range(9)]
    paths = [write(tmp_path / f"{k}.npy", pixels) for k, pixels in enumerate(images)]
    found = two_point(paths, tmp_path / "out", TwoPointConfig(**FEW))
    expected = difference_counts(images[0], r_max=12)
    for pixels in images[1:]:
        expected += difference_counts(pixels, r_max=12)
    np.testing.assert_array_equal(counts(tmp_path / "out")["differences"], expected.counts)
    assert found.bands is not None
    assert (found.unit, found.units, found.bands.groups) == ("images", 9, 9)
    inside = (found.bands.same.low <= found.same + 1e-12) & (found.same <= found.bands.same.high + 1e-12)
    assert inside.mean() > 0.8


def test_few_images_have_no_bands(tmp_path: Path, image: Path) -> None:
    second = write(tmp_path / "second.tif", noise(seed=1))
    found = two_point([image, second], tmp_path / "out", TwoPointConfig(**FEW))
    assert found.bands is None
    assert "2 are too few; wanted at least 8" in found.notes[0]
    assert summary(tmp_path / "out")["lengths"]["correlation"]["low_px"] is None


@pytest.mark.parametrize("end", [".tif", ".npy"])
def test_masks_leave_pixels_out(tmp_path: Path, image: Path, end: str) -> None:
    valid = noise(levels=3, seed=4) > 0
    mask = write(tmp_path / f"mask{end}", valid.astype(np.uint8) * 255 if end == ".tif" else valid)
    config = TwoPointConfig(**FEW, masks=(mask,))
    two_point([image], tmp_path / "out", config)
    expected = difference_counts(noise(), r_max=12, mask=valid)
    np.testing.assert_array_equal(counts(tmp_path / "out")["differences"], expected.counts)
    assert summary(tmp_path / "out")["images"][0]["mask_sha256"]


def test_pairs_between_two_images(tmp_path: Path) -> None:
    first, second = noise((100, 90)), noise((100, 90), seed=1)
    valid = noise((100, 90), 3, 5) > 0
    paths = [write(tmp_path / f"{k}.tif", pixels) for k, pixels in enumerate((first, second))]
    mask = write(tmp_path / "mask.npy", valid)
    config = TwoPointConfig(**FEW, cross=paths[1], masks=(mask,), full=True, phases=Phases.parse("a=0-2"))
    two_point(paths[:1], tmp_path / "out", config)
    expected = pair_counts(first, r_max=12, other=second, mask=valid, other_mask=valid)
    np.testing.assert_array_equal(counts(tmp_path / "out")["levels"], expected.counts)
    phases = pd.read_csv(tmp_path / "out" / "phases.csv")
    assert set(zip(phases["first"], phases["second"], strict=True)) == {
        (one, two) for one in ("a", "rest") for two in ("a", "rest")
    }


def test_images_that_wrap_around(tmp_path: Path, image: Path) -> None:
    config = TwoPointConfig(r_max=Distance(20, "px"), periodic=True, directional=Distance(5, "px"), resamplings=0)
    two_point([image], tmp_path / "out", config)
    expected = difference_counts(noise(), r_max=20, periodic=True)
    written = counts(tmp_path / "out")
    np.testing.assert_array_equal(written["differences"], expected.counts)
    assert written["directional_pairs"][3, 7] == noise().size


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.float64])
def test_other_values_become_levels_as_stated(tmp_path: Path, dtype: type) -> None:
    values = np.random.default_rng(3).uniform(0, 60_000, (40, 40)).astype(dtype)
    path = write(tmp_path / "values.tif", values)
    config = TwoPointConfig(**FEW, quantisation=Quantisation(16, 1000.0, 50_000.0))
    found = two_point([path], tmp_path / "out", config)
    levels = quantised(values, lowest=1000, highest=50_000, levels=16)
    expected = difference_counts(levels, r_max=12, levels=16)
    np.testing.assert_array_equal(counts(tmp_path / "out")["differences"], expected.counts)
    in_units = (expected.counts @ np.arange(16)) / expected.pairs * 49_000 / 15
    np.testing.assert_allclose(found.mean_difference, in_units, rtol=1e-12)
    with pytest.raises(InputError, match="--range LOW,HIGH"):
        two_point([path], tmp_path / "without", TwoPointConfig(**FEW))
    assert not (tmp_path / "without").exists()


def test_nan_has_to_be_masked(tmp_path: Path) -> None:
    values = np.random.default_rng(3).uniform(0, 1, (40, 40)).astype(np.float32)
    values[30, 7] = np.nan
    path = write(tmp_path / "values.tif", values)
    config = TwoPointConfig(**FEW, quantisation=Quantisation(8, 0.0, 1.0))
    with pytest.raises(InputError, match=r"nan at row 30, column 7; leave such pixels out with --mask"):
        two_point([path], tmp_path / "out", config)
    mask = write(tmp_path / "mask.npy", np.isfinite(values))
    masked = TwoPointConfig(**FEW, quantisation=Quantisation(8, 0.0, 1.0), masks=(mask,))
    two_point([path], tmp_path / "out", masked)
    assert counts(tmp_path / "out")["pairs"][0] == 1599
    unclear = write(tmp_path / "unclear.npy", values)
    with pytest.raises(InputError, match=r"the mask .*unclear.npy has NaN at row 30, column 7; wanted 0 where"):
        two_point(
            [path], tmp_path / "other", TwoPointConfig(**FEW, quantisation=Quantisation(8, 0.0, 1.0), masks=(unclear,))
        )


def test_the_same_seed_gives_the_same_files_and_figures(tmp_path: Path) -> None:
    path = write(tmp_path / "image.tif", noise((150, 150)), 0.04)
    config = TwoPointConfig(**FEW)
    for name in ("one", "two"):
        found = two_point([path], tmp_path / name, config)
    assert "two_point_map.pdf" in {file.name for file in found.files}
    for file in found.files:
        assert file.read_bytes() == (tmp_path / "one" / file.name).read_bytes(), file.name


def test_results_are_replaced_only_on_request(tmp_path: Path, image: Path) -> None:
    out = tmp_path / "out"
    two_point([image], out, TwoPointConfig(**FEW, full=True))
    assert (out / "thresholds.csv").is_file()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        two_point([image], out, TwoPointConfig(**FEW))
    two_point([image], out, TwoPointConfig(**FEW), overwrite=True)
    assert not (out / "thresholds.csv").exists()


def test_progress_comes_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "image.tif", noise((150, 150)))
    steps: list[tuple[str, int, int]] = []
    two_point([path], tmp_path / "out", TwoPointConfig(**FEW), progress=lambda *step: steps.append(step))
    counting = [step for step in steps if step[0] == "counting pairs"]
    assert [step[1:] for step in counting] == [(k, 9) for k in range(1, 10)]


def test_a_sample_of_tiles(tmp_path: Path) -> None:
    path = write(tmp_path / "image.tif", noise((300, 300)))
    config = TwoPointConfig(r_max=Distance(9, "px"), tiles=5, resamplings=0, seed=3)
    found = two_point([path], tmp_path / "out", config)
    assert (found.tiling.counted, found.tiling.every, found.units) == (5, 16, 5)
    assert found.total.differences.pairs[0] < 300 * 300 / 2
    assert any("5 of 16 tiles" in note for note in found.notes)
    again = two_point([path], tmp_path / "again", config)
    np.testing.assert_array_equal(found.total.differences.counts, again.total.differences.counts)
    whole = two_point([path], tmp_path / "all", TwoPointConfig(r_max=Distance(9, "px"), tiles=16, resamplings=0))
    expected = difference_counts(noise((300, 300)), r_max=9)
    np.testing.assert_array_equal(whole.total.differences.counts, expected.counts)


def test_r_max_in_um_and_by_default(tmp_path: Path) -> None:
    path = write(tmp_path / "image.tif", noise((60, 90)), 0.05)
    config = TwoPointConfig(r_max=Distance.parse("500 nm"), resamplings=0)
    assert two_point([path], tmp_path / "um", config).r_max == 10
    assert two_point([path], tmp_path / "default", TwoPointConfig(resamplings=0)).r_max == 30


def refused(paths: list[Path], tmp_path: Path, match: str, error: type[CemvisError] = InputError, **how: Any) -> None:
    with pytest.raises(error, match=match):
        two_point(paths, tmp_path / "out", TwoPointConfig(**({"resamplings": 0} | how)))
    assert not (tmp_path / "out").exists()


def test_bad_input_is_one_clear_line(tmp_path: Path, image: Path) -> None:
    twice = write(tmp_path / "copy.tif", noise())
    small = write(tmp_path / "small.npy", np.zeros((40, 49), dtype=np.uint8))
    many = write(tmp_path / "many.npy", np.arange(2000).reshape(40, 50))
    refused([image, image], tmp_path, "an image given twice")
    refused([image, twice], tmp_path, "an image given twice")
    refused([image], tmp_path, "r_max is 80 px; wanted 1 to 63", r_max=Distance(80, "px"))
    refused([image], tmp_path, "half its shortest side", r_max=Distance(21, "px"), periodic=True)
    refused([image], tmp_path, "the mask is empty", masks=(write(tmp_path / "none.npy", np.zeros((40, 50), bool)),))
    refused([image], tmp_path, "40 x 49 px .* 40 x 50; wanted the same", masks=(small,))
    refused([image], tmp_path, "2 masks are given for 1 images", masks=(small, small))
    refused([many], tmp_path, "values from 0 to 1999; wanted levels 0 to 255")
    refused([image], tmp_path, "wanted levels 0 to 3", quantisation=Quantisation(4))
    refused([image], tmp_path, "needs the pixel size", PixelSizeError, r_max=Distance(1, "um"))
    refused([image], tmp_path, "wanted the same", cross=small)
    refused([image, many], tmp_path, "2 images are given with --cross", cross=small, quantisation=Quantisation(4, 0, 9))
    refused([], tmp_path, "at least one image")
    refused([write(tmp_path / "dot.npy", np.zeros((1, 1), bool))], tmp_path, "at least a pair of pixels")
    infinite = write(tmp_path / "infinite.npy", np.full((9, 9), np.inf))
    refused([infinite], tmp_path, "inf at row 0, column 0", quantisation=Quantisation(4, 0, 9))
    refused([image], tmp_path, "directions up to 45 px", directional=Distance(45, "px"))
    broken = tmp_path / "broken.npy"
    broken.write_bytes(b"\x93NUMPY\x01\x00")
    refused([broken], tmp_path, "damaged", FileFormatError)
    refused([write(tmp_path / "cube.npy", np.zeros((3, 3, 3)))], tmp_path, r"wanted numbers of shape", FileFormatError)


def test_pixel_sizes_have_to_agree(tmp_path: Path, image: Path) -> None:
    one = write(tmp_path / "one.tif", noise(seed=1), 0.04)
    two = write(tmp_path / "two.tif", noise(seed=2), 0.05)
    refused([one, two], tmp_path, "wanted one size", PixelSizeError)
    refused([one, image], tmp_path, "give one for all: --pixel-size", PixelSizeError)
    assert two_point([one, image], tmp_path / "out", TwoPointConfig(**FEW, pixel_size=SIZE)).pixel_size == SIZE


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"lineal": True}, "give --phases"),
        ({"clusters": True, "phases": Phases.parse("a=0"), "periodic": True}, "leave out --mask and --periodic"),
        ({"lineal": True, "phases": Phases.parse("a=0"), "cross": Path("x")}, "leave out --cross"),
        ({"lineal": True, "phases": Phases.parse("a=0"), "periodic": True}, "does not wrap around"),
        ({"tolerance": 1.5}, "tolerance"),
        ({"tiles": 3, "periodic": True}, "neither --periodic nor --clusters"),
    ],
)
def test_settings_that_do_not_go_together(how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TwoPointConfig(**how)


def test_constant_images_say_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "flat.npy", np.full((70, 70), 9, dtype=np.uint8))
    found = two_point([path], tmp_path / "out", TwoPointConfig(r_max=Distance(8, "px"), phases=Phases.parse("a=0")))
    assert any("same level" in note for note in found.notes)
    assert any("no pixel belongs to a" in note for note in found.notes)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"levels": 1}, "1 levels"),
        ({"lowest": 1.0}, "give both"),
        ({"lowest": 2.0, "highest": 2.0}, "2 to 2"),
        ({"lowest": -1e308, "highest": 1e308}, "apart"),
        ({"lowest": 0.0, "highest": 1e-320}, "apart"),
    ],
)
def test_quantisations_that_are_none(levels: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Quantisation(**levels)


def test_phases_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "phases.csv"
    table.write_text("phase,lowest,highest\npores,0,50\nCH,60,70\n")
    assert read_phases(table).given == (Phase("pores", 0, 50), Phase("CH", 60, 70))
    for text, message in (
        ("phase,lowest\na,1\n", "lacks the column highest"),
        ("phase,lowest,highest\na,1.5,2\n", "not whole numbers"),
        ("", "not a CSV table"),
    ):
        table.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            read_phases(table)


@pytest.mark.parametrize("text", ["px", "-3px", "3 parsecs", "1.2.3um", "0", "1e400px", "1e300um"])
def test_distances_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="is not a distance such as"):
        Distance.parse(text)


def test_real_labels(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "labels" / "cement_paste_labels_128.npy"
    phases = Phases.parse("pores=1,CH=2,clinker=3,C-S-H=4")
    found = two_point([path], tmp_path / "out", TwoPointConfig(r_max=Distance(30, "px"), phases=phases))
    rows = {row["name"]: row for row in summary(tmp_path / "out")["phases"]}
    assert rows["clinker"]["share"] == 797 / 128**2
    # Counted edges of a digital boundary are 4 / pi too long; the slope corrects this.
    labels = np.load(path)
    edges = sum(np.count_nonzero((labels == 3) != (np.roll(labels, 1, axis) == 3)) for axis in (0, 1))
    assert rows["clinker"]["boundary"]["perimeter_per_area_per_px"] == pytest.approx(
        np.pi / 4 * edges / labels.size, rel=0.2
    )
    assert found.correlation_px is not None
