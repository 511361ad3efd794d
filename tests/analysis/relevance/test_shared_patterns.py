"""Shared patterns: overlays by hand, planted patterns found, fractions beside what chance gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cemvis.analysis.relevance import shared_nulls
from cemvis.analysis.relevance.grouping import Group
from cemvis.analysis.relevance.overlay import normalised_relevance, overlay, paper_level
from cemvis.analysis.relevance.shared_nulls import NullFractions, null_fractions
from cemvis.analysis.relevance.shared_patterns import (
    PatternSearch,
    SharedPattern,
    shared_patterns,
    shared_patterns_of_classes,
)
from cemvis.errors import InputError

QUICK = PatternSearch(restarts=1, moves=4_000)


def planted(n: int = 36, side: int = 24, seed: int = 0, strength: float = 12.0) -> tuple[np.ndarray, ...]:
    """Return maps of which a third each have their relevance in one of three squares, on pores, and their kind."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.arange(n) % 3)
    relevance = rng.random((n, side, side)).astype(np.float32)
    levels = rng.integers(0, 60, (n, side, side), dtype=np.uint8)
    for number, k in enumerate(kind):
        square = (number, slice(2 + 7 * k, 8 + 7 * k), slice(4, 14))
        relevance[square] *= strength
        levels[square] = 250
    return relevance, levels, kind


def test_an_overlay_by_hand() -> None:
    relevance = np.array([[[0.5, 0.5, 0.0]], [[0.1, 0.9, 0.0]]])
    levels = np.array([[[255, 51, 255]], [[0, 102, 255]]], np.uint8)
    found = overlay(relevance, levels, np.array([0, 1]))
    # Of two numbers the standard deviation is half their difference.
    expected = [math.exp(-60 * 0.2 / 0.6) * 0.5, math.exp(-60 * 0.2 / 1.4) * (0.5 * 0.2 + 0.9 * 0.4), 0.0]
    assert found.tolist()[0] == pytest.approx(expected, rel=1e-12)
    alike = overlay(relevance, levels, np.array([0, 0, 0]))
    assert alike.tolist()[0] == pytest.approx([1.5, 0.3, 0], rel=1e-12)
    exchanged = overlay(relevance, levels, np.array([0, 1]), lenders=np.array([1, 0]))
    assert exchanged[0, 0] == pytest.approx(math.exp(-60 * 0.2 / 0.6) * 0.1, rel=1e-12)


def test_the_contour_goes_with_the_area() -> None:
    assert paper_level((384, 384)) == pytest.approx(3e-6)
    assert paper_level((192, 384)) == pytest.approx(6e-6)


def test_relevance_is_brought_to_a_sum_of_one() -> None:
    relevance = np.random.default_rng(0).random((3, 5, 7)) * np.array([1, 1e-9, 1e9])[:, None, None]
    maps = normalised_relevance(relevance)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps.sum(axis=(1, 2), dtype=np.float64), 1, rtol=1e-6)
    np.testing.assert_allclose(maps[2] * relevance[2].sum(), relevance[2], rtol=1e-6)


def test_planted_patterns_are_found_and_beat_every_null() -> None:
    relevance, levels, kind = planted()
    search = PatternSearch(fewest=8, most=12, quantile=0.95, restarts=1, moves=4_000)
    found = shared_patterns(relevance, levels, search, threads=1)
    kinds = [set(kind[each.group.members]) for each in found.patterns]
    assert sorted(kinds, key=min) == [{0}, {1}, {2}]
    for each, own in zip(found.patterns, kinds, strict=True):
        square = np.zeros((24, 24), bool)
        square[2 + 7 * min(own) : 8 + 7 * min(own), 4:14] = True
        assert (each.mask & square).sum() > 0.9 * each.mask.sum()
        assert each.fraction == each.mask.mean()
    assert found.fractions.mean() == pytest.approx(0.05, abs=0.002)
    for null in ("displaced", "exchanged", "drawn"):
        chance = null_fractions(relevance, levels, found, kind=null, draws=9, seed=1, threads=1)
        assert chance.fractions.shape == (9, 3)
        assert chance.p_value == 0.1
        assert chance.interval()[1] < 0.7 * found.fractions.mean(), null
        assert chance.to_json()["observed"] == found.fractions.tolist()


def test_where_nothing_is_shared_chance_gives_as_much() -> None:
    """Independent maps: of 12 sets, the observation is among the upper half of 7 draws about as often as the lower."""
    above = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        relevance = rng.random((15, 10, 10)) ** 4
        levels = rng.integers(0, 256, relevance.shape, dtype=np.uint8)
        search = PatternSearch(restarts=0, moves=500, quantile=0.8)
        found = shared_patterns(relevance, levels, search, threads=1)
        chance = null_fractions(relevance, levels, found, draws=7, seed=seed, threads=1)
        above.append(chance.p_value <= 0.5)
        # The level is the observation's own, so that fractions differ from draw to draw.
        assert len(set(chance.fractions.ravel())) > 3
    # 0 or 12 of 12 would come about once in 2,000 times.
    assert 0 < sum(above) < 12


def test_a_displaced_map_has_the_same_values(monkeypatch) -> None:
    relevance, levels, _ = planted(12)
    found = shared_patterns(relevance, levels, QUICK)
    seen = []
    real = shared_nulls.patterns_of_normalised
    monkeypatch.setattr(
        shared_nulls,
        "patterns_of_normalised",
        lambda maps, *rest, **more: seen.append(maps.copy()) or real(maps, *rest, **more),
    )
    first = null_fractions(relevance, levels, found, draws=2, seed=5)
    again = null_fractions(relevance, levels, found, draws=2, seed=5)
    assert np.array_equal(first.fractions, again.fractions)
    assert np.array_equal(seen[0], seen[2])
    maps = normalised_relevance(relevance)
    assert not np.array_equal(seen[0], maps)
    assert not np.array_equal(seen[0], seen[1])
    assert np.array_equal(np.sort(seen[0].reshape(12, -1)), np.sort(maps.reshape(12, -1)))


def test_exchanged_porosity_is_never_a_maps_own() -> None:
    """With relevance and pores in the same single pixel of each map, no exchanged overlay has anything."""
    n = 9
    relevance = np.full((n, 3, 3), 1e-20)
    levels = np.zeros((n, 3, 3), np.uint8)
    relevance.reshape(n, 9)[np.arange(n), np.arange(n)] = 1
    levels.reshape(n, 9)[np.arange(n), np.arange(n)] = 255
    search = PatternSearch(groups=1, fewest=2, most=2, level=1e-9, restarts=1, moves=100)
    found = shared_patterns(relevance, levels, search)
    # sigma / sum R is 1/2 where one of two has it all: exp(-30).
    assert found.fractions.tolist() == [0]
    loose = shared_patterns(relevance, levels, PatternSearch(groups=1, fewest=2, most=2, level=5e-14, moves=100))
    assert loose.fractions[0] == pytest.approx(2 / 9)
    chance = null_fractions(relevance, levels, loose, kind="exchanged", draws=20)
    assert chance.fractions.max() == 0


def test_the_skeleton_hangs_together() -> None:
    group = Group(0, 2, np.array([0, 1]), 0.5)
    whole = SharedPattern(group, np.zeros((4, 5)), 1.0).skeleton()
    assert (whole.clusters, whole.largest_share, whole.spans_across, whole.spans_down) == (1, 1.0, True, True)
    wall = np.zeros((4, 5))
    wall[:, 1] = 2
    split = SharedPattern(group, wall, 1.0).skeleton()
    assert (split.clusters, split.largest_share) == (2, 0.75)
    assert (split.spans_across, split.spans_down) == (False, True)
    corner = np.array([[0.0, 2.0], [2.0, 0.0]])
    assert SharedPattern(group, corner, 1.0).skeleton().clusters == 2
    full = SharedPattern(group, np.full((2, 2), 1.0), 1.0)
    assert full.fraction == 1
    assert (full.skeleton().clusters, full.skeleton().largest_share, full.skeleton().spans_down) == (0, 0.0, False)


def test_a_table_has_a_row_a_pattern() -> None:
    relevance, levels, _ = planted(12)
    found = shared_patterns(relevance, levels, QUICK)
    table = found.to_frame()
    assert len(table) == 3
    assert table["shared_pore_fraction"].tolist() == found.fractions.tolist()
    assert (table["contour_level"] == paper_level((24, 24))).all()
    assert table["first_place"].is_monotonic_increasing


def test_classes_are_searched_by_themselves() -> None:
    relevance, levels, _ = planted(24)
    labels = np.arange(24) % 2
    found = shared_patterns_of_classes(relevance, levels, labels, ["S1", "S2"], QUICK)
    assert list(found) == ["S1", "S2"]
    alone = shared_patterns(relevance[labels == 1], levels[labels == 1], QUICK)
    assert np.array_equal(found["S2"].differences, alone.differences)
    assert np.array_equal(found["S2"].patterns[0].overlay, alone.patterns[0].overlay)
    with pytest.raises(InputError, match="class S3"):
        shared_patterns_of_classes(relevance, levels, labels, ["S1", "S2", "S3"], QUICK)


def test_the_same_seed_gives_the_same_patterns_at_any_number_of_threads() -> None:
    relevance, levels, _ = planted(20)
    one, two = (shared_patterns(relevance, levels, QUICK, threads=threads) for threads in (1, 2))
    assert np.array_equal(one.differences, two.differences)
    assert np.array_equal(one.ordered.order, two.ordered.order)
    assert all(np.array_equal(a.overlay, b.overlay) for a, b in zip(one.patterns, two.patterns, strict=True))


def test_chance_counts_the_observation_as_a_draw() -> None:
    chance = NullFractions("drawn", np.array([[0.1, 0.3], [0.4, 0.4], [0.2, 0.2]]), np.array([0.3, 0.3]))
    assert chance.p_value == 0.5
    low, high = chance.interval(0.5)
    assert (low, high) == pytest.approx((0.2, 0.3))


RELEVANCE, LEVELS, _ = planted(12)


@pytest.mark.parametrize(
    ("relevance", "levels", "search", "told"),
    [
        (RELEVANCE[0], LEVELS[0], {}, r"wanted maps \(n, rows, cols\)"),
        (RELEVANCE, LEVELS[:-1], {}, "wanted uint8 of the same shape"),
        (RELEVANCE, LEVELS / 255, {}, "wanted uint8"),
        (-RELEVANCE, LEVELS, {}, "relevance of map 0"),
        (RELEVANCE - 0.5, LEVELS, {}, "wanted numbers from 0"),
        (RELEVANCE * np.nan, LEVELS, {}, "relevance of map 0 sums to nan"),
        (RELEVANCE * 0, LEVELS, {}, "some above it"),
        (LEVELS, LEVELS, {}, "floating-point"),
        (RELEVANCE[:5], LEVELS[:5], {}, "out of 5 maps"),
        (RELEVANCE, LEVELS, {"level": np.nan}, "level is nan"),
        (RELEVANCE, LEVELS, {"quantile": 1.5}, "quantile from 0 to 1"),
        (RELEVANCE, LEVELS, {"quantile": 0.5, "level": 1e-6}, "wanted one of them"),
    ],
)
def test_what_is_refused(relevance, levels, search, told) -> None:
    with pytest.raises(InputError, match=told):
        shared_patterns(relevance, levels, PatternSearch(**search))


def test_what_a_null_refuses() -> None:
    found = shared_patterns(RELEVANCE, LEVELS, QUICK)
    with pytest.raises(InputError, match="kind is 'none'"):
        null_fractions(RELEVANCE, LEVELS, found, kind="none")
    with pytest.raises(InputError, match="at least one draw"):
        null_fractions(RELEVANCE, LEVELS, found, draws=0)
    with pytest.raises(InputError, match="whose patterns were found"):
        null_fractions(RELEVANCE[:9], LEVELS[:9], found)
    for levels in (LEVELS[:9], LEVELS[:, :5], LEVELS / 255):
        with pytest.raises(InputError, match="wanted uint8 of the same shape"):
            null_fractions(RELEVANCE, levels, found, kind="exchanged", draws=1)
