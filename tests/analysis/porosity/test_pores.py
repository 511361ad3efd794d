"""Porosity, bands and pore sizes of maps that can be counted by hand."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from cemvis.analysis.porosity.pores import (
    SIZE_EDGES_PX,
    band_shares,
    isodata_level,
    mean_porosity,
    pore_areas,
    pore_statistics,
)
from cemvis.errors import InputError


def flooded(mask: np.ndarray) -> list[tuple[int, bool]]:
    """Areas and whether the edge is touched, by flood filling."""
    left = set(map(tuple, np.argwhere(mask).tolist()))
    found = []
    while left:
        queue = deque([left.pop()])
        area, cut = 0, False
        while queue:
            row, col = queue.popleft()
            area += 1
            cut |= row in (0, mask.shape[0] - 1) or col in (0, mask.shape[1] - 1)
            for near in ((row + i, col + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
                if near in left:
                    left.remove(near)
                    queue.append(near)
        found.append((area, cut))
    return sorted(found)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 1.0])
def test_pores_are_those_of_a_flood(share: float) -> None:
    mask = np.random.default_rng(0).random((31, 17)) < share
    areas, cut = pore_areas(mask)
    assert sorted(zip(areas.tolist(), cut.tolist(), strict=True)) == flooded(mask)


def test_statistics_of_three_pores() -> None:
    levels = np.zeros((12, 12), np.uint8)
    levels[0, 0:3] = 200  # 3 px, cut
    levels[4:7, 4:7] = 255  # 9 px
    levels[9, 9] = levels[10, 10] = 129  # 2 px across a corner
    levels[3, 10] = 127  # below the threshold
    found = pore_statistics(levels, threshold=0.5)
    assert found.pores == 3
    assert found.pore_share == pytest.approx(14 / 144)
    assert found.mean_px == pytest.approx(14 / 3)
    assert found.area_weighted_px == pytest.approx((9 + 81 + 4) / 14)
    assert found.median_px == 3
    assert found.largest_px == 9
    assert found.cut_share == pytest.approx(3 / 14)
    assert found.mean_diameter_px == pytest.approx(np.mean(2 * np.sqrt(np.array([3, 9, 2]) / np.pi)))
    assert sum(found.size_counts) == 3
    assert sum(found.size_areas_px) == 14
    for area in (2, 3, 9):
        diameter = 2 * np.sqrt(area / np.pi)
        assert found.size_counts[int(np.searchsorted(SIZE_EDGES_PX, diameter, side="right")) - 1] >= 1
    said = found.to_json(0.052)
    assert said["mean_pore_um2"] == pytest.approx(14 / 3 * 0.052**2)


def test_a_map_without_pores_and_one_of_nothing_else() -> None:
    none = pore_statistics(np.zeros((5, 5), np.uint8), threshold=0.5)
    assert (none.pores, none.mean_px, none.area_weighted_px, none.cut_share) == (0, 0, 0, 0)
    every = pore_statistics(np.full((5, 5), 255, np.uint8), threshold=0.5)
    assert (every.pores, every.mean_px, every.pore_share) == (1, 25, 1)
    constant = pore_statistics(np.full((5, 5), 77, np.uint8))
    assert constant.pores == 0


def iterated(counts: np.ndarray, start: int) -> int:
    """Ridler and Calvard's iteration, from a first threshold."""
    levels = np.arange(counts.size)
    at = start
    for _ in range(1000):
        low, high = counts[: at + 1], counts[at + 1 :]
        if not low.sum() or not high.sum():
            return at
        mean = ((low * levels[: at + 1]).sum() / low.sum() + (high * levels[at + 1 :]).sum() / high.sum()) / 2
        if int(mean) == at:
            return at
        at = int(mean)
    raise AssertionError


@pytest.mark.parametrize("seed", range(20))
def test_isodata_is_a_fixed_point_and_the_lowest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, 40) * rng.integers(0, 100, 40)
    counts[[3, 30]] += 5
    found = isodata_level(counts)
    assert iterated(counts, found) == found
    used = np.flatnonzero(counts)
    for start in range(used[0], found):
        assert iterated(counts, start) >= found


def test_isodata_of_one_level_and_of_nothing() -> None:
    assert isodata_level(np.bincount([9, 9])) == 9
    with pytest.raises(InputError, match="not all 0"):
        isodata_level(np.zeros(256, int))


def test_bands_and_porosity_of_a_histogram() -> None:
    levels = np.array([0, 50, 51, 101, 102, 152, 153, 203, 204, 255])
    counts = np.bincount(levels, minlength=256)
    assert band_shares(counts) == pytest.approx((0.2,) * 5)
    assert mean_porosity(counts) == pytest.approx(levels.mean() / 255)
    assert mean_porosity(np.zeros(256, int)) == 0


def test_bad_maps_and_thresholds_are_refused() -> None:
    with pytest.raises(InputError):
        pore_statistics(np.zeros((3, 3)), threshold=0.5)
    with pytest.raises(InputError, match="threshold"):
        pore_statistics(np.zeros((3, 3), np.uint8), threshold=1.5)
