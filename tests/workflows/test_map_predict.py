from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cemvis.workflows import _map_predict
from cemvis.workflows._map_figures import mean_over_squares
from cemvis.workflows._map_predict import Statistics, chunks, sampled, sampling_step
from cemvis.workflows._map_store import GridFile


@pytest.mark.parametrize("multiple", [1, 3, 50])
def test_chunks_cover_every_row_once(multiple: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_map_predict, "CHUNK_CELLS", 700)
    pieces = list(chunks((101, 90), multiple=multiple))
    assert [row for first, last in pieces for row in range(first, last)] == list(range(101))
    assert all((last - first) % multiple == 0 for first, last in pieces[:-1])
    assert len(pieces) > 2


def test_statistics_leave_out_what_was_not_mapped() -> None:
    values = np.r_[np.arange(101.0), [np.nan] * 7].astype(np.float32)
    numbers = Statistics.of(values)
    assert numbers.cells_used == 101
    assert numbers.mean == 50
    assert numbers.sd == pytest.approx(np.arange(101).std())
    assert numbers.quantiles == {0.05: 5, 0.25: 25, 0.5: 50, 0.75: 75, 0.95: 95}
    nothing = Statistics.of(np.full(4, np.nan, np.float32))
    assert nothing.cells_used == 0
    assert math.isnan(nothing.mean)


def test_large_grids_are_thinned_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sampling_step((1000, 4000)) == 1
    assert sampling_step((2700, 3400)) == 2
    values = np.arange(600, dtype=np.float32).reshape(20, 30)
    grid = GridFile(tmp_path / "values.raw", values.shape, "float32")
    grid.create()
    grid.write(slice(0, 20), slice(0, 30), values)
    np.testing.assert_array_equal(sampled(grid), values)
    monkeypatch.setattr(sampling_step, "__kwdefaults__", {"most": 100})
    np.testing.assert_array_equal(sampled(grid), values[::3, ::3])


def test_means_over_squares_of_cells_ignore_what_was_not_mapped() -> None:
    values = np.arange(35, dtype=np.float32).reshape(5, 7)
    values[0, 0] = np.nan
    values[4, 6] = np.nan
    means = mean_over_squares(values, 3)
    assert means.shape == (2, 3)
    assert means[0, 0] == pytest.approx(np.nanmean(values[:3, :3]))
    assert means[1, 1] == pytest.approx(values[3:, 3:6].mean())
    assert means[1, 2] == values[3, 6]
    assert np.isnan(mean_over_squares(np.full((4, 4), np.nan, np.float32), 2)).all()
