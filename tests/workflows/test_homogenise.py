"""``homogenise``: maps, tables of phases and images of pores in; JSON and a table out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.stats import norm, t

from cemvis._files import sha256_of
from cemvis.analysis.homogenisation.fft import effective_stiffness
from cemvis.analysis.homogenisation.known import Known
from cemvis.analysis.homogenisation.paste import Phase
from cemvis.analysis.indentation.deconvolution.deconvolve import Settings
from cemvis.errors import DeviceMemoryError, FileAccessError, FileFormatError, InputError, OutputExistsError
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.workflows._homogenise_phases import read_phases
from cemvis.workflows._homogenise_populations import read_populations
from cemvis.workflows.deconvolve import DeconvolveConfig, deconvolve_files
from cemvis.workflows.homogenise import HomogeniseConfig, homogenise

GEL = Phase("gel", Known(1.0), Known(30.0, 1.0), Known(0.2))


def save_map(path: Path, values: np.ndarray, about: str = "Modulus in GPa, predicted.") -> Path:
    raster = Raster("Modulus (GPa)", about, 1.28)
    write_ome_tiff(path, [values.astype(np.float32)], shape=values.shape, dtype="float32", raster=raster)
    return path


def values(shape: tuple[int, int] = (12, 17)) -> np.ndarray:
    return np.random.default_rng(1).uniform(15, 120, shape).astype(np.float32)


def test_a_map_in_a_folder_is_solved_and_recorded(tmp_path: Path) -> None:
    path = save_map(tmp_path / "modulus.ome.tif", values())
    result = homogenise(
        HomogeniseConfig(map_poisson=0.2),
        map_path=tmp_path,
        output=tmp_path / "out.json",
        command="cemvis homogenise x",
    )
    assert result.field is not None
    exact = effective_stiffness(values().astype(np.float64), 0.2)
    np.testing.assert_allclose(result.field.stiffness.tensor_gpa, exact.tensor_gpa, rtol=1e-12)
    assert result.files == tuple(tmp_path / f"out.{end}" for end in ("json", "csv", "png", "pdf"))
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["command"] == "cemvis homogenise x"
    assert record["map"]["sha256"] == sha256_of(path)
    assert record["map"]["step_um"] == 1.28
    assert record["map"]["cells"] == [12, 17]
    np.testing.assert_allclose(record["map"]["stiffness_gpa"], exact.tensor_gpa, rtol=1e-12)
    assert any("plane strain" in note for note in record["notes"])
    assert any("no capillary pores" in note for note in record["notes"])
    table = pd.read_csv(tmp_path / "out.csv").set_index("method")
    assert list(table.index) == [
        "Reuss", "Hashin-Shtrikman lower", "Fourier solution", "Hashin-Shtrikman upper", "Voigt",
    ]  # fmt: skip
    assert table["plane_modulus_gpa"].is_monotonic_increasing
    assert (table["kind"] == "plane strain").all()
    assert table.loc["Fourier solution", "modulus_gpa"] == pytest.approx(float(exact.isotropic.modulus_gpa), rel=1e-12)


def test_phases_and_pores_of_an_image(tmp_path: Path) -> None:
    labels = np.where(np.random.default_rng(2).random((90, 120)) < 0.2, 0, 3).astype(np.uint8)
    tifffile.imwrite(tmp_path / "phases.tif", labels)
    config = HomogeniseConfig(phases=(GEL,), pore_image=tmp_path / "phases.tif", pore_up_to=0)
    result = homogenise(config, output=tmp_path / "out")
    share = (labels == 0).mean()
    assert result.porosity is not None
    assert result.porosity.value == share
    table = pd.read_csv(tmp_path / "out.csv").set_index("method")
    row = table.loc["Mori-Tanaka"]
    assert row["modulus_gpa"] == pytest.approx(30 * (1 - share) / (1 + share), rel=1e-12)
    assert row["modulus_low_gpa"] < row["modulus_gpa"] < row["modulus_high_gpa"]
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["porosity"]["image_sha256"] == sha256_of(tmp_path / "phases.tif")
    assert record["porosity"]["grey_up_to"] == 0
    assert record["map"] is None
    assert "NaN" not in (tmp_path / "out.json").read_text()


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    config = HomogeniseConfig(phases=(GEL,), porosity=Known(0.1, 0.02), samples=500, seed=4)
    for name in ("a", "b"):
        homogenise(config, output=tmp_path / name, command="c")
    for end in (".json", ".csv", ".png", ".pdf"):
        assert (tmp_path / f"a{end}").read_bytes() == (tmp_path / f"b{end}").read_bytes()


def test_cells_without_a_value_are_refused_or_filled(tmp_path: Path) -> None:
    holed = values()
    holed[3:5, 4] = np.nan
    path = save_map(tmp_path / "m.ome.tif", holed)
    with pytest.raises(InputError, match="2 of the 204 cells"):
        homogenise(HomogeniseConfig(), map_path=path)
    result = homogenise(HomogeniseConfig(unmapped_gpa=0.0), map_path=path)
    holed[np.isnan(holed)] = 0
    exact = effective_stiffness(holed.astype(np.float64), 0.24).tensor_gpa
    assert result.field is not None
    np.testing.assert_allclose(result.field.stiffness.tensor_gpa, exact, rtol=1e-9)
    assert any("2 cells without a value were taken as 0 GPa" in note for note in result.notes)
    empty = save_map(tmp_path / "e.ome.tif", np.full((4, 5), np.nan))
    with pytest.raises(InputError, match="no cell"):
        homogenise(HomogeniseConfig(unmapped_gpa=3.0), map_path=empty)


def test_other_files_are_not_maps_of_moduli(tmp_path: Path) -> None:
    hardness = save_map(tmp_path / "hardness.ome.tif", values(), "Hardness in GPa, predicted.")
    with pytest.raises(InputError, match="map of something else"):
        homogenise(HomogeniseConfig(), map_path=hardness)
    tifffile.imwrite(tmp_path / "grey.tif", np.zeros((4, 5), np.uint8))
    with pytest.raises(FileFormatError, match="holds uint8"):
        homogenise(HomogeniseConfig(), map_path=tmp_path / "grey.tif")
    (tmp_path / "text.tif").write_text("no picture")
    with pytest.raises(FileFormatError):
        homogenise(HomogeniseConfig(), map_path=tmp_path / "text.tif")
    with pytest.raises(FileAccessError, match="there is no file"):
        homogenise(HomogeniseConfig(), map_path=tmp_path / "nowhere.tif")
    negative = values()
    negative[0, 0] = -3
    with pytest.raises(InputError, match="such as -3 GPa"):
        homogenise(HomogeniseConfig(), map_path=save_map(tmp_path / "n.ome.tif", negative))


def test_a_plain_float_tiff_is_a_map_too(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", np.full((5, 6), 40, np.float32))
    result = homogenise(HomogeniseConfig(map_poisson=0.2), map_path=tmp_path / "plain.tif")
    assert result.map is not None
    assert result.map.step_um is None
    assert result.field is not None
    assert float(result.field.stiffness.isotropic.modulus_gpa) == pytest.approx(40, rel=1e-12)


def save_half_widths(folder: Path, values: np.ndarray, about: str = "90 % prediction interval") -> Path:
    path = folder / "modulus_half_width.ome.tif"
    return save_map(path, values, f"Half width in GPa of the {about}; NaN: none promised.")


def test_half_widths_of_a_map_become_intervals(tmp_path: Path) -> None:
    save_map(tmp_path / "modulus.ome.tif", values())
    half = (0.2 * values()).astype(np.float32)
    half[0, :3] = np.nan
    path = save_half_widths(tmp_path, half)
    result = homogenise(HomogeniseConfig(level=0.9), map_path=tmp_path, output=tmp_path / "out")
    assert result.field is not None
    filled = np.nan_to_num(half.astype(np.float64), nan=0.0)
    ends = [
        float(effective_stiffness(values().astype(np.float64) + side * filled, 0.24).isotropic.modulus_gpa)
        for side in (-1, 1)
    ]
    assert result.field.intervals["Fourier solution"].correlated_gpa == pytest.approx(ends, rel=1e-6)
    row = pd.read_csv(tmp_path / "out.csv").set_index("method").loc["Fourier solution"]
    assert (row["modulus_outer_low_gpa"], row["modulus_outer_high_gpa"]) == pytest.approx(ends, rel=1e-6)
    assert row["modulus_outer_low_gpa"] < row["modulus_low_gpa"] < row["modulus_gpa"] < row["modulus_high_gpa"]
    record = json.loads((tmp_path / "out.json").read_text())["map"]["half_widths"]
    assert record == {"file": str(path), "sha256": sha256_of(path), "level": 0.9, "cells_without": 3}
    assert any("3 cells have no half width" in note for note in result.notes)


def test_half_widths_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_map(tmp_path / "modulus.ome.tif", values())
    save_half_widths(tmp_path, values()[:-1])
    with pytest.raises(FileFormatError, match="11 x 17 cells and the map 12 x 17"):
        homogenise(HomogeniseConfig(), map_path=tmp_path)
    save_half_widths(tmp_path, -values())
    with pytest.raises(FileFormatError, match="half widths below 0"):
        homogenise(HomogeniseConfig(), map_path=tmp_path)
    save_half_widths(tmp_path, values(), "interval")
    with pytest.raises(FileFormatError, match="does not say of which interval"):
        homogenise(HomogeniseConfig(), map_path=tmp_path)


@pytest.mark.parametrize(("factor", "unit"), [(1000, "MPa"), (0.0001, "TPa")])
def test_maps_in_another_unit_are_refused(tmp_path: Path, factor: float, unit: str) -> None:
    save_map(tmp_path / "modulus.ome.tif", factor * values())
    with pytest.raises(InputError, match=f"are they in {unit}"):
        homogenise(HomogeniseConfig(), map_path=tmp_path)


def test_maps_beyond_the_memory_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_map(tmp_path / "modulus.ome.tif", values())
    monkeypatch.setattr("cemvis.workflows._homogenise_map.physical_memory_bytes", lambda: 12 * 17 * 230 - 1)
    with pytest.raises(DeviceMemoryError, match="12 x 17 cells"):
        homogenise(HomogeniseConfig(), map_path=path)
    monkeypatch.setattr("cemvis.workflows._homogenise_map.physical_memory_bytes", lambda: 12 * 17 * 230)
    assert homogenise(HomogeniseConfig(), map_path=path).field is not None


@pytest.fixture(scope="module")
def deconvolved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What cemvis deconvolve makes of two populations, 60 % about 25 and 40 % about 60 GPa, in ten batches."""
    folder = tmp_path_factory.mktemp("deconvolved")
    random = np.random.default_rng(6)
    stiff = random.random(600) < 0.4
    modulus = np.where(stiff, random.normal(60, 5, 600), random.normal(25, 2, 600))
    table = pd.DataFrame({"modulus_gpa": modulus, "batch": [f"b{n % 10}" for n in range(600)]})
    table.to_csv(folder / "indents.csv", index=False)
    settings = Settings(populations=2, resamplings=40, starts=5, names=("soft", "stiff"))
    deconvolve_files([folder / "indents.csv"], folder / "found", DeconvolveConfig(settings))
    return folder / "found"


def test_populations_come_with_their_intervals(deconvolved: Path, tmp_path: Path) -> None:
    populations = read_populations(deconvolved, (Known(0.2),))
    assert populations.path == deconvolved / "populations.json"
    table = pd.read_csv(deconvolved / "populations.csv")
    assert [each.name for each in populations.phases] == ["soft", "stiff"]
    for each, row in zip(populations.phases, table.to_dict("records"), strict=True):
        assert each.fraction.value == pytest.approx(row["fraction"], rel=1e-5)
        assert each.modulus_gpa.interval(0.95) == pytest.approx(
            (row["modulus_mean_low_gpa"], row["modulus_mean_high_gpa"]), rel=1e-4
        )
        assert not each.fraction.exact
    result = homogenise(HomogeniseConfig(populations=populations, samples=500), output=tmp_path / "out")
    voigt = result.estimates[-1]
    assert voigt.modulus_gpa == pytest.approx(float((table["fraction"] * table["modulus_mean_gpa"]).sum()), rel=1e-4)
    assert voigt.modulus_gpa == pytest.approx(0.6 * 25 + 0.4 * 60, rel=0.06)
    assert voigt.interval_gpa is not None
    assert voigt.interval_gpa[0] < voigt.modulus_gpa < voigt.interval_gpa[1]
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["populations"]["sha256"] == sha256_of(deconvolved / "populations.json")
    assert record["populations"]["properties"] == "modulus"
    assert [each["name"] for each in record["phases"]] == ["soft", "stiff"]
    assert record["matrix"] == "soft"
    assert any("Mori-Tanaka has soft around the others" in note for note in result.notes)
    assert any("no phases by themselves" in note for note in result.notes)


def without_resamplings(found: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / "populations.json").write_bytes((found / "populations.json").read_bytes())
    return folder


def test_resamplings_keep_together_what_goes_together(deconvolved: Path, tmp_path: Path) -> None:
    populations = read_populations(deconvolved, (Known(0.2),))
    assert populations.draws is not None
    assert populations.draws.fractions.shape == (40, 2)
    assert populations.draws.units == 10
    result = homogenise(HomogeniseConfig(populations=populations, samples=20_000), output=tmp_path / "out")
    # Voigt's modulus of each resampling, and its percentiles widened for ten batches: t of 9 times sqrt(10 / 9)
    table = pd.read_csv(deconvolved / "resamplings.csv")
    voigt = (table["fraction"] * table["mean_gpa"]).groupby(table["resampling"]).sum()
    tail = norm.cdf(-t.ppf(0.975, 9) * np.sqrt(10 / 9))
    # drawn with replacement: an end can be off by a resampling, of which there are 40
    low, high = result.estimates[-1].interval_gpa or (np.nan, np.nan)
    assert voigt.min() * (1 - 1e-5) <= low <= np.sort(voigt)[1]
    assert np.sort(voigt)[-2] <= high <= voigt.max() * (1 + 1e-5)
    assert tail < 1 / 40
    record = json.loads((tmp_path / "out.json").read_text())["populations"]["resamplings"]
    digest = sha256_of(deconvolved / "resamplings.csv")
    assert record == {"file": str(deconvolved / "resamplings.csv"), "sha256": digest, "count": 40, "units": 10}
    assert any("those of 40 resamplings, kept together" in note for note in result.notes)
    assert not any("drawn independently" in note for note in result.notes)
    alone = read_populations(without_resamplings(deconvolved, tmp_path / "alone"), (Known(0.2),))
    assert alone.draws is None
    apart = homogenise(HomogeniseConfig(populations=alone, samples=20_000), output=tmp_path / "apart")
    assert any("drawn independently" in note for note in apart.notes)
    assert apart.estimates[-1].interval_gpa != result.estimates[-1].interval_gpa
    assert json.loads((tmp_path / "apart.json").read_text())["populations"]["resamplings"] is None


def test_resamplings_of_another_run_are_refused(deconvolved: Path, tmp_path: Path) -> None:
    folder, nu = without_resamplings(deconvolved, tmp_path / "other"), (Known(0.2),)
    text = (deconvolved / "resamplings.csv").read_text()
    path = folder / "resamplings.csv"
    path.write_text(text.replace("soft", "Soft"))
    with pytest.raises(FileFormatError, match=r"not of the same run as populations\.json"):
        read_populations(folder, nu)
    record = json.loads((folder / "populations.json").read_text())
    for changed, message in (
        (text.replace("soft", "Soft"), "no whole resamplings of soft, stiff by modulus"),
        (text.rsplit("\n", 2)[0] + "\n", "no whole resamplings"),
        (text.replace("mean_gpa", "mean_mpa", 1), "no column mean_gpa"),
        (text.replace("modulus,2,modulus", "modulus,7,modulus"), "no whole resamplings"),
        ("", "not a table of resamplings"),
    ):
        assert changed != text
        path.write_text(changed)
        record["resamplings"]["sha256"] = sha256_of(path)
        (folder / "populations.json").write_text(json.dumps(record))
        with pytest.raises(FileFormatError, match=message):
            read_populations(folder, nu)


def test_the_table_of_populations_will_do(deconvolved: Path) -> None:
    by_table = read_populations(deconvolved / "populations.csv", (Known(0.2), Known(0.3, 0.01)))
    by_summary = read_populations(deconvolved / "populations.json", (Known(0.2), Known(0.3, 0.01)))
    for one, other in zip(by_table.phases, by_summary.phases, strict=True):
        assert one.fraction.interval(0.95) == pytest.approx(other.fraction.interval(0.95), rel=1e-4)
        assert one.modulus_gpa.value == pytest.approx(other.modulus_gpa.value, rel=1e-5)
        assert one.poisson == other.poisson
    assert by_summary.phases[1].poisson == Known(0.3, 0.01)
    assert any("does not say whether" in note for note in by_table.notes)


def test_other_populations_are_refused(deconvolved: Path, tmp_path: Path) -> None:
    nu = (Known(0.2),)
    with pytest.raises(InputError, match="3 Poisson's ratios for 2 populations"):
        read_populations(deconvolved, nu * 3)
    with pytest.raises(InputError, match="populations by modulus; wanted joint"):
        read_populations(deconvolved, nu, properties="joint")
    with pytest.raises(FileAccessError, match="there is no file"):
        read_populations(tmp_path, nu)
    path = tmp_path / "populations.json"
    for text, message in (
        ("{", "not what `cemvis deconvolve` writes"),
        ("[]", "not what `cemvis deconvolve` writes"),
        ('{"format": "cemvis map"}', "a file of cemvis map"),
        ('{"format": "cemvis deconvolve", "found": {"modulus": {"properties": ["modulus"]}}}', "KeyError"),
    ):
        path.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            read_populations(path, nu)
    record = json.loads((deconvolved / "populations.json").read_text())
    record["found"]["modulus"]["supported"] = False
    record["found"]["modulus"]["populations"][0]["fraction"]["low"] = 0.2
    record["found"]["modulus"]["populations"][0]["fraction"]["high"] = 0.5
    path.write_text(json.dumps(record))
    found = read_populations(path, nu)
    assert "the data do not support these populations" in found.notes
    assert any("fraction of soft lies outside its own interval" in note for note in found.notes)
    record["found"] = {}
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="populations by nothing"):
        read_populations(path, nu)
    table = tmp_path / "populations.csv"
    table.write_text("properties,population,fraction\nhardness,a,1\n")
    with pytest.raises(FileFormatError, match="no column fraction_low"):
        read_populations(table, nu)


def test_tables_of_phases(tmp_path: Path) -> None:
    path = tmp_path / "phases.csv"
    path.write_text("phase,fraction,modulus_gpa,poisson\nLD,1,26.5,0.24\n")
    homogenise(HomogeniseConfig(phases=read_phases(path), phases_file=path), output=tmp_path / "one")
    assert json.loads((tmp_path / "one.json").read_text())["phases_sha256"] == sha256_of(path)
    path.write_text(
        "phase, fraction, modulus_gpa, poisson, modulus_sd_gpa\nLD, 0.6, 26.5, 0.24, 1.5\nHD, 0.4, 35, 0.24,\n"
    )
    assert read_phases(path) == (
        Phase("LD", Known(0.6), Known(26.5, 1.5), Known(0.24)),
        Phase("HD", Known(0.4), Known(35.0), Known(0.24)),
    )
    for text, error, message in (
        ("phase,fraction,poisson\nLD,1,0.2\n", FileFormatError, "no column modulus_gpa"),
        ("phase,fraction,modulus_gpa,poisson,colour\nLD,1,3,0.2,red\n", FileFormatError, "unknown columns colour"),
        ("phase,fraction,modulus_gpa,poisson\nLD,1,soft,0.2\n", InputError, "row 2"),
        ("phase,fraction,modulus_gpa,poisson\nLD,1,,0.2\n", InputError, "row 2"),
        ("phase,fraction,modulus_gpa,poisson\nLD,1,30,0.7\n", InputError, "LD"),
        ("", FileFormatError, "not a table"),
    ):
        path.write_text(text)
        with pytest.raises(error, match=message):
            read_phases(path)
    with pytest.raises(FileAccessError, match="cannot read"):
        read_phases(tmp_path / "none.csv")


def test_nothing_is_overwritten_or_written_nowhere(tmp_path: Path) -> None:
    config = HomogeniseConfig(phases=(GEL,), samples=100)
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"already holds .*out\.csv.*--overwrite"):
        homogenise(config, output=tmp_path / "out")
    assert (tmp_path / "out.csv").read_text() == "mine"
    homogenise(config, output=tmp_path / "out", overwrite=True)
    assert (tmp_path / "out.csv").read_text() != "mine"
    with pytest.raises(FileAccessError, match="not a folder"):
        homogenise(config, output=tmp_path / "nowhere" / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.json", "out.pdf", "out.png"]


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to homogenise"):
        homogenise(HomogeniseConfig())
    with pytest.raises(InputError, match="go together"):
        HomogeniseConfig(pore_image=tmp_path)
    with pytest.raises(InputError, match="both a porosity"):
        HomogeniseConfig(porosity=Known(0.1), pore_image=tmp_path, pore_up_to=3)
    with pytest.raises(InputError, match="tolerance is for an image"):
        HomogeniseConfig(pore_tolerance=2)
    with pytest.raises(InputError, match="porosity is 2"):
        HomogeniseConfig(porosity=Known(2.0))
