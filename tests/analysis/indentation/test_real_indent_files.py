"""The real files of ../shared/data/indentation, each read; skipped where they are absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cemvis.analysis.indentation.batches import with_batches
from cemvis.analysis.indentation.reading import read_indents_file
from cemvis.errors import InputError


@pytest.fixture(scope="session")
def files(shared_data: Path) -> Path:
    folder = shared_data / "indentation"
    if not folder.is_dir():
        pytest.skip("real indenter files not found (../shared/data/indentation)")
    return folder


@pytest.mark.parametrize(
    ("name", "kind", "tests", "ok"),
    [
        ("nanosuite_fused_quartz.xls", "nanosuite", 10, 10),
        ("tridimap_ASMEC_example_20x11.xlsx", "asmec", 220, 220),
        ("tridimap_Hysitron_example_10x10.xlsx", "hysitron", 100, 100),
        ("tridimap_MTS_example3_5x5_testSlice.xlsx", "nanosuite", 25, 24),
        ("tridimap_Other_file.xlsx", "table", 625, 625),
        ("hysitron_steel_curve.txt", "hysitron-curve", 1, 1),
    ],
)
def test_each_file_is_read(files: Path, name: str, kind: str, tests: int, ok: int) -> None:
    table = read_indents_file(files / name)
    assert (table.sources[0].format, len(table), int(table.ok.sum())) == (kind, tests, ok)


def test_fused_quartz_is_what_it_is_and_what_the_file_says(files: Path) -> None:
    path = files / "nanosuite_fused_quartz.xls"
    reported = read_indents_file(path, all_cycles=True)
    found = read_indents_file(path, all_cycles=True, curves=True)
    assert (found.id, len(found)) == (reported.id, 50)
    assert "Poisson's ratio 0.18 from the sheet 'Inputs Editable Post Test'" in found.notes
    assert found.ok.all()
    np.testing.assert_allclose(found.depth_nm, reported.depth_nm, atol=0.1)
    np.testing.assert_allclose(found.modulus_gpa, reported.modulus_gpa, rtol=0.03)
    np.testing.assert_allclose(found.hardness_gpa, reported.hardness_gpa, rtol=0.03)
    deep = found.depth_nm > 1000
    assert np.count_nonzero(deep) == 30
    assert np.abs(found.modulus_gpa[deep] - 72).max() < 4


def test_bruker_maps_lie_on_their_grid(files: Path) -> None:
    paths = sorted((files / "bruker_xpm").glob("*LC.txt"))
    assert len(paths) == 9
    for path in paths:
        table, (batch,) = with_batches(read_indents_file(path, nu=0.3), name=path.stem)
        assert (batch.rows, batch.columns, batch.order, batch.first) == (9, 9, "raster", "+x, then -y")
        assert batch.pitch_um == pytest.approx((5, 5), abs=1e-6)
        assert 60 < table.ok.sum() < 81
        assert set(table.status) == {"ok", "bad fit"}
        assert np.nanmedian(table.modulus_gpa / table.reduced_modulus_gpa) == pytest.approx(1.07, abs=0.05)


def test_raw_curves_are_analysed_or_refused_with_the_reason(files: Path) -> None:
    paths = sorted((files / "bruker_xpm").glob("Test Mapping Output*"))
    assert len(paths) == 8
    assert read_indents_file(paths[0]).has("reduced_modulus_gpa")
    for path in paths[1:]:
        with pytest.raises(
            InputError, match=r"the unloading is no power law .* modulus and hardness cannot be computed"
        ):
            read_indents_file(path)


def test_the_grids_of_the_tridimap_examples(files: Path) -> None:
    _, (hysitron,) = with_batches(read_indents_file(files / "tridimap_Hysitron_example_10x10.xlsx"), name="h")
    assert (hysitron.rows, hysitron.columns, hysitron.order, hysitron.first) == (10, 10, "raster", "+x, then +y")
    assert hysitron.pitch_um == pytest.approx((2, 2), abs=0.05)
    mts = read_indents_file(files / "tridimap_MTS_example3_5x5_testSlice.xlsx")
    _, (line,) = with_batches(mts, name="m")
    assert (line.rows, line.columns, line.order, line.first) == (1, 25, "raster", "-x")
    assert mts.status[3] == "tagged"
