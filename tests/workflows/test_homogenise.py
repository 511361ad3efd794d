"""``homogenise``: maps, tables of phases and images of pores in; JSON and a table out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from cemvis._files import sha256_of
from cemvis.analysis.homogenisation.fft import effective_stiffness
from cemvis.analysis.homogenisation.paste import Known, Phase
from cemvis.errors import FileAccessError, FileFormatError, InputError, OutputExistsError
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.workflows._homogenise_inputs import read_phases
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
    assert result.files == (tmp_path / "out.json", tmp_path / "out.csv")
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
    for end in (".json", ".csv"):
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


def test_tables_of_phases(tmp_path: Path) -> None:
    path = tmp_path / "phases.csv"
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
    with pytest.raises(OutputExistsError, match=r"out\.csv exist already"):
        homogenise(config, output=tmp_path / "out")
    assert (tmp_path / "out.csv").read_text() == "mine"
    homogenise(config, output=tmp_path / "out", overwrite=True)
    assert (tmp_path / "out.csv").read_text() != "mine"
    with pytest.raises(FileAccessError, match="not a folder"):
        homogenise(config, output=tmp_path / "nowhere" / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.json"]


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to homogenise"):
        homogenise(HomogeniseConfig())
    with pytest.raises(InputError, match="go together"):
        HomogeniseConfig(pore_image=tmp_path)
    with pytest.raises(InputError, match="both a porosity"):
        HomogeniseConfig(porosity=Known(0.1), pore_image=tmp_path, pore_up_to=3)
    with pytest.raises(InputError, match="porosity is 2"):
        HomogeniseConfig(porosity=Known(2.0))
