from __future__ import annotations

import json

import numpy as np
import pytest

from cemvis.analysis.validation.errors import ErrorSums
from cemvis.errors import InputError


def filled(seed: int = 1, *, blocks: int = 16) -> tuple[ErrorSums, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(40, 10, 4000)
    value = 0.8 * truth + 9 + rng.normal(0, 3, 4000)
    value[:10], truth[10:20] = np.nan, np.nan
    phase, block = rng.integers(0, 2, 4000), rng.integers(0, blocks, 4000)
    lower, upper = value - 5, value + 5
    lower[100:600] = np.nan
    sums = ErrorSums(("soft", "hard", "none"), 64)
    for part in np.array_split(np.arange(4000), 7):
        sums.add(truth[part], value[part], phase=phase[part], block=block[part], lower=lower[part], upper=upper[part])
    return sums, {"truth": truth, "value": value, "phase": phase, "lower": lower, "upper": upper}


def test_errors_are_those_of_the_cells_put_together() -> None:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    sums, cells = filled()
    found = {each.phase: each for each in sums.errors(resamplings=50)}
    assert list(found) == ["all", "soft", "hard"]
    there = np.isfinite(cells["truth"]) & np.isfinite(cells["value"])
    for name, of in (("all", there), ("soft", there & (cells["phase"] == 0)), ("hard", there & (cells["phase"] == 1))):
        truth, value, each = cells["truth"][of], cells["value"][of], found[name]
        assert each.n == of.sum()
        assert each.rmse.value == pytest.approx(root_mean_squared_error(truth, value))
        assert each.mae.value == pytest.approx(mean_absolute_error(truth, value))
        assert each.r2.value == pytest.approx(r2_score(truth, value))
        assert each.bias.value == pytest.approx((value - truth).mean())
        assert each.sd_ratio.value == pytest.approx(value.std() / truth.std())
        bounded = np.isfinite(cells["lower"][of])
        inside = (np.abs(value - truth) <= 5)[bounded]
        assert each.bounded == bounded.sum()
        assert each.coverage is not None
        assert each.coverage.value == pytest.approx(inside.mean())
        for one in (each.rmse, each.mae, each.bias, each.r2, each.sd_ratio, each.coverage):
            assert one.low < one.value < one.high


def test_errors_alike_in_a_block_widen_the_intervals() -> None:
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(20), 100)
    truth = rng.normal(40, 10, 2000)
    wide = []
    for error in (rng.normal(0, 3, 2000), np.repeat(rng.normal(0, 3, 20), 100)):
        sums = ErrorSums(("any",), 20)
        none = np.full(2000, np.nan)
        sums.add(truth, truth + error, phase=np.zeros(2000, int), block=block, lower=none, upper=none)
        whole = sums.errors(resamplings=100)[0]
        assert whole.coverage is None
        assert whole.bounded == 0
        wide.append(whole.bias.high - whole.bias.low)
    assert wide[1] > 4 * wide[0]


def test_few_blocks_have_no_intervals_and_json_no_nan() -> None:
    whole = filled(blocks=3)[0].errors(resamplings=30)[0]
    assert np.isnan(whole.rmse.low)
    said = whole.to_json()
    assert said["rmse"]["low"] is None
    assert said["rmse"]["value"] == whole.rmse.value
    json.dumps(said, allow_nan=False)


def test_cells_without_both_values_are_refused() -> None:
    sums = ErrorSums(("any",), 4)
    none = np.full(3, np.nan)
    sums.add(np.ones(3), none, phase=np.zeros(3, int), block=np.zeros(3, int), lower=none, upper=none)
    assert sums.cells == 0
    with pytest.raises(InputError, match="no cell has both"):
        sums.errors()
