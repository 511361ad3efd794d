from __future__ import annotations

import numpy as np
import pytest

from cemvis.images.modes import find_modes, smoothed

GREYS = np.arange(256)


def normal(mean, sd, share, *, pixels=1e7):
    density = np.exp(-0.5 * ((GREYS - mean) / sd) ** 2)
    return pixels * share * density / density.sum()


def counts(*parts):
    return np.round(sum(parts)).astype(np.int64)


def test_smoothing_keeps_the_sum_and_a_constant():
    row = np.array([0, 0, 5, 0, 9, 0, 0, 1.0])
    assert smoothed(np.full(30, 3.0), 4) == pytest.approx(3)
    assert smoothed(row, 1.5).sum() == pytest.approx(row.sum())
    direct = np.array([sum(np.exp(-0.5 * ((i - j) / 2.0) ** 2) * (j == 20) for j in range(41)) for i in range(41)])
    spike = np.zeros(41)
    spike[20] = direct.sum()
    assert smoothed(spike, 2.0) == pytest.approx(direct, abs=1e-3)


def test_one_normal_distribution_has_one_mode():
    modes = find_modes(counts(normal(120, 15, 1)))
    assert modes.main == pytest.approx(120, abs=0.1)
    assert modes.main_sd == pytest.approx(15, rel=0.15)
    assert modes.brighter == ()


def test_separate_modes_are_peaks_with_their_shares():
    modes = find_modes(counts(normal(100, 9, 0.8), normal(150, 7, 0.12), normal(200, 8, 0.08)))
    assert modes.main == pytest.approx(100, abs=0.3)
    assert [mode.is_peak for mode in modes.brighter] == [True, True]
    assert [mode.grey for mode in modes.brighter] == pytest.approx([150, 200], abs=0.7)
    assert modes.brighter[1].share == pytest.approx(0.08, rel=0.1)


@pytest.mark.parametrize("distance", [33, 35, 37])
def test_a_shoulder_is_found_without_a_maximum(distance):
    parts = counts(normal(100, 14, 0.85), normal(100 + distance, 10, 0.15))
    assert (np.diff(parts[101:]) <= 0).all()  # there is no maximum to see
    modes = find_modes(parts)
    assert [mode.is_peak for mode in modes.brighter] == [False]
    assert modes.brighter[0].grey == pytest.approx(100 + distance, abs=0.25 * distance)


def test_a_spike_at_the_end_of_the_range_is_no_mode():
    parts = counts(normal(100, 9, 0.9), normal(190, 15, 0.1))
    parts[255] += 70_000
    modes = find_modes(parts)
    assert [round(mode.grey) for mode in modes.brighter] == [190]
