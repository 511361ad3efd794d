"""Counts by tiles and ensembles against the whole, and probabilities against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cemvis.analysis.correlation import two_point
from cemvis.analysis.correlation.counting import Counted, Counting, Window, count_window, largest_ring
from cemvis.analysis.correlation.phases import Phase, Phases, phase_counts, threshold_counts
from cemvis.analysis.correlation.tiles import core_side, tiles_of
from cemvis.analysis.correlation.two_point import (
    TwoPointAccumulator,
    in_use,
    mean_difference,
    pair_probabilities,
    probabilities,
    ring_moments,
)
from cemvis.errors import InputError
from cemvis.kernels.two_point import pair_counts
from reference import two_point as reference

PHASES = Phases.parse("pores=0-1, CH=3")


def noise(shape: tuple[int, int], levels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, levels, shape).astype(np.uint8)


def counted(image: np.ndarray, what: Counting, **parts: np.ndarray | None) -> Counted:
    found = count_window(Window.whole(image, **parts), what)
    assert found is not None
    return found


def assert_same(one: Counted, other: Counted) -> None:
    for name in ("differences", "phases", "full", "directional", "lineal"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None)
        if first is None:
            continue
        np.testing.assert_array_equal(first.counts, second.counts)
        totals = "segments" if name == "lineal" else "pairs"
        np.testing.assert_array_equal(getattr(first, totals), getattr(second, totals))


# Windows, tiles and ensembles


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize(("shape", "r_max", "side"), [((61, 83), 12, 20), ((50, 9), 40, 16), ((33, 64), 31, 64)])
def test_tiles_add_up_to_the_image(
    shape: tuple[int, int], r_max: int, side: int, cross: bool, masked: bool, full: bool
) -> None:
    image, other = noise(shape, 6, 1), noise(shape, 6, 2) if cross else None
    valid = np.random.default_rng(3).random(shape) < 0.4 if masked else None
    if valid is not None:
        valid[: shape[0] // 2, : shape[1] // 2] = False  # a tile, or more, without a valid pixel
    other_valid = valid if cross else None
    reach = min(8, shape[1] - 1)
    what = Counting(r_max, 6, PHASES, full, directional_px=reach, lineal=not cross)
    whole = counted(image, what, valid=valid, other=other, other_valid=other_valid)
    gathered = TwoPointAccumulator("tiles")
    for number, tile in enumerate(tiles_of(shape, max(r_max, reach), side, around=cross)):
        rows = slice(tile.window_row, tile.window_row + tile.window_rows)
        cols = slice(tile.window_col, tile.window_col + tile.window_cols)
        cut = [None if array is None else array[rows, cols] for array in (valid, other, other_valid)]
        gathered.add(count_window(Window(image[rows, cols], tile.core, *cut), what), unit=number)
    found = gathered.ensemble()
    assert_same(found.total, whole)
    groups = found.groups[0]
    for each in found.groups[1:]:
        groups = groups + each
    np.testing.assert_array_equal(groups.differences.counts, whole.differences.counts)


def test_counts_are_those_of_the_definition() -> None:
    image, valid = noise((9, 11), 4, 5), noise((9, 11), 2, 6).astype(bool)
    found = counted(image, Counting(14, 4, full=True), valid=valid)
    expected = reference.pair_counts(image, 14, mask=valid, levels=4)
    assert found.full is not None
    np.testing.assert_array_equal(np.stack([found.full.dense(r) for r in range(15)]), expected)
    np.testing.assert_array_equal(found.differences.counts, reference.difference_counts(expected))


def test_an_ensemble_is_the_sum_of_its_images_whatever_the_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [noise((20, 30 + k), 5, k) for k in range(7)]
    each = [counted(image, Counting(9, 5, PHASES)) for image in images]
    few, many = TwoPointAccumulator("images"), TwoPointAccumulator("images")
    for number, found in enumerate(each):
        many.add(found, unit=number)
    monkeypatch.setattr(two_point, "FEWEST_GROUPS", 2)
    monkeypatch.setattr(two_point, "BYTES_FOR_GROUPS", 3 * (each[0].differences.counts.nbytes + 10 * 6 * 8))
    for number, found in enumerate(each):
        few.add(found, unit=number)
    assert [len(gathered.ensemble().groups) for gathered in (few, many)] == [3, 7]
    assert few.ensemble().units == many.ensemble().units == 7
    assert_same(few.ensemble().total, many.ensemble().total)
    np.testing.assert_array_equal(
        few.ensemble().groups[0].differences.counts, sum(each[k].differences.counts for k in (0, 3, 6))
    )


def test_nothing_valid_is_refused() -> None:
    gathered = TwoPointAccumulator("images")
    empty = np.zeros((4, 4), dtype=bool)
    gathered.add(count_window(Window.whole(noise((4, 4), 3), valid=empty), Counting(2, 3)), unit=0)
    with pytest.raises(InputError, match="the mask is empty"):
        gathered.ensemble()


def test_counts_of_different_things_do_not_add_up() -> None:
    image = noise((8, 8), 4)
    with pytest.raises(InputError, match="different things"):
        counted(image, Counting(3, 4)) + counted(image, Counting(3, 4, PHASES))
    with pytest.raises(InputError, match="give phases"):
        Counting(3, 4, lineal=True)


@pytest.mark.parametrize("shape", [(384, 384), (100, 5000), (40, 40), (30_000, 20_000)])
def test_tiles_of_a_single_image_cover_it_once(shape: tuple[int, int]) -> None:
    r_max = min(20, largest_ring(shape))
    side = core_side(shape, r_max, single=True)
    assert side <= 2048
    area = sum(tile.rows * tile.cols for tile in tiles_of(shape, r_max, side))
    assert area == shape[0] * shape[1]
    assert len(tiles_of(shape, r_max, side)) >= (16 if min(shape) >= 256 else 1)


# Phases and thresholds


def test_phases_from_pairs_of_levels_are_those_counted_themselves() -> None:
    image = noise((30, 25), 9, 4)
    for phases in (PHASES, Phases.parse("a=0-4,b=5-8"), Phases.parse("absent=200")):
        labels = phases.lookup()[image]
        number = len(phases.names(9))
        direct = pair_counts(labels, r_max=8, levels=number)
        summed = phase_counts(pair_counts(image, r_max=8, levels=9), phases)
        np.testing.assert_array_equal(summed.counts, direct.counts)
        both = phase_counts(pair_counts(image, r_max=8, levels=9, other=image[::-1]), phases)
        ordered = pair_counts(labels, r_max=8, levels=number, other=labels[::-1])
        np.testing.assert_array_equal(both.counts, ordered.counts)


def test_thresholds_are_those_of_cut_images() -> None:
    image, other = noise((20, 21), 7, 8), noise((20, 21), 7, 9)
    for second in (None, other):
        above, below = threshold_counts(pair_counts(image, r_max=6, levels=7, other=second))
        for t in range(7):
            cut = None if second is None else second >= t
            direct = pair_counts(image >= t, r_max=6, levels=2, other=cut)
            np.testing.assert_array_equal(above[:, t], direct.level_pairs(1, 1))
            np.testing.assert_array_equal(below[:, t], direct.level_pairs(0, 0))


def test_names_of_phases() -> None:
    assert PHASES.names(256) == ("pores", "CH", "rest")
    assert Phases.parse("a=0-3").names(4) == ("a",)
    assert Phases.parse("C-S-H=4,CH = 2").given == (Phase("C-S-H", 4, 4), Phase("CH", 2, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pores", "not a phase such as"),
        ("a=5-3", "wanted 0 <= lowest <= highest <= 255"),
        ("a=0-256", "wanted 0 <= lowest <= highest <= 255"),
        ("a=0-5,b=5-9", "level 5 belongs to both a and b"),
        ("a=0,a=1", "each name once"),
        ("rest=3", "none 'rest'"),
    ],
)
def test_phases_that_are_none(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Phases.parse(text)


# Probabilities and closed forms


def test_probabilities_are_shares() -> None:
    found = counted(noise((30, 30), 12, 3), Counting(20, 12, PHASES))
    shares = probabilities(found.differences)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(shares[0], np.eye(12)[0])
    assert found.phases is not None
    s2 = pair_probabilities(found.phases)
    np.testing.assert_allclose(s2.sum(axis=(1, 2)), 1, rtol=1e-14)
    np.testing.assert_array_equal(s2, s2.transpose(0, 2, 1))


def test_rings_without_pairs_are_nan() -> None:
    valid = np.zeros((12, 12), dtype=bool)
    valid[0, [0, 5]] = True
    shares = probabilities(counted(noise((12, 12), 3), Counting(8, 3), valid=valid).differences)
    np.testing.assert_array_equal(np.isnan(shares[:, 0]), [r not in (0, 5) for r in range(9)])


def test_differences_that_no_pair_has_are_left_out_at_the_end() -> None:
    found = counted(np.where(noise((9, 9), 2, 3), 4, 9).astype(np.uint8), Counting(4))
    assert in_use(found.differences).counts.shape == (5, 6)


def test_moments_of_rings() -> None:
    first, second = ring_moments(6)
    for r in range(7):
        lengths = [math.hypot(y, x) for y in range(-7, 8) for x in range(-7, 8) if round(math.hypot(y, x)) == r]
        assert first[r] == pytest.approx(np.mean(lengths), rel=1e-14)
        assert second[r] == pytest.approx(np.mean(np.square(lengths)), rel=1e-14)


def test_a_checkerboard() -> None:
    """Two pixels are alike where dx + dy is even; periodic, so that each displacement has as many pairs."""
    board = (np.indices((40, 40)).sum(axis=0) % 2 * 7).astype(np.uint8)
    shares = probabilities(counted(board, Counting(20, 8, periodic=True)).differences)
    for r in range(21):
        parity = [
            (y + x) % 2 for y in range(-r - 1, r + 2) for x in range(-r - 1, r + 2) if round(math.hypot(y, x)) == r
        ]
        assert shares[r, 7] == pytest.approx(np.mean(parity), abs=1e-15)
        assert shares[r, 0] + shares[r, 7] == pytest.approx(1, abs=1e-15)


def test_independent_pixels() -> None:
    """P(d) = 2 sum p_i p_(i+d); pairs share pixels: the error is of the order of 1 / sqrt(pixels)."""
    share = np.array([0.5, 0.2, 0.3])
    image = np.random.default_rng(7).choice(3, (300, 300), p=share).astype(np.uint8)
    shares = probabilities(counted(image, Counting(15, 3)).differences)
    expected = [np.sum(share**2), 2 * (share[0] * share[1] + share[1] * share[2]), 2 * share[0] * share[2]]
    np.testing.assert_allclose(shares[1:], np.tile(expected, (15, 1)), atol=5 * 2 / 300)
    np.testing.assert_allclose(mean_difference(shares)[1:], expected[1] + 2 * expected[2], atol=5 * 4 / 300)


def test_real_labels(shared_data: Path) -> None:
    """A paste of 1 pores, 2 CH, 3 clinker, 4 C-S-H, by tiles and in two ways."""
    labels = np.load(shared_data / "labels" / "cement_paste_labels_128.npy")
    phases = Phases.parse("pores=1,CH=2,clinker=3,C-S-H=4")
    whole = counted(labels, Counting(40, 5, phases, full=True))
    assert phases.names(5) == ("pores", "CH", "clinker", "C-S-H", "rest")
    assert whole.phases is not None
    sizes = [int((labels == label).sum()) for label in range(1, 5)]
    assert [int(whole.phases.level_pairs(i, i)[0]) for i in range(4)] == sizes
    gathered = TwoPointAccumulator("tiles")
    what = Counting(40, 5, phases)
    for number, tile in enumerate(tiles_of(labels.shape, 40, 32)):
        cut = labels[
            tile.window_row : tile.window_row + tile.window_rows, tile.window_col : tile.window_col + tile.window_cols
        ]
        gathered.add(count_window(Window(cut, tile.core), what), unit=number)
    total = gathered.ensemble().total
    np.testing.assert_array_equal(total.differences.counts, whole.differences.counts)
    assert total.phases is not None
    np.testing.assert_array_equal(total.phases.counts, whole.phases.counts)
    expected = reference.pair_counts(labels[:20, :20], 5, levels=5)
    small = counted(np.ascontiguousarray(labels[:20, :20]), Counting(5, 5))
    np.testing.assert_array_equal(small.differences.counts, reference.difference_counts(expected))
