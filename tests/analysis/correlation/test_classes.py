"""Two-point correlation of classes of maps."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cemvis.analysis.correlation.classes import ClassMap, compare_correlations, correlate_class
from cemvis.errors import InputError
from cemvis.kernels.two_point import difference_counts

R_MAX = 16


def texture(rng: np.random.Generator, sigma_px: float, side: int = 48) -> np.ndarray:
    field = gaussian_filter(rng.standard_normal((side, side)), sigma_px, mode="wrap")
    return np.clip(128 + 50 * field / field.std(), 0, 255).astype(np.uint8)


def maps(seed: int, sigma_px: float, units: int = 10, each: int = 2) -> Iterator[ClassMap]:
    rng = np.random.default_rng(seed)
    for unit in range(units):
        for _ in range(each):
            yield ClassMap(texture(rng, sigma_px), None, unit)


def test_counts_are_those_of_the_maps() -> None:
    given = list(maps(1, 1.0, units=9))
    masks = [np.random.default_rng(n).random(each.levels.shape) < 0.1 for n, each in enumerate(given)]
    found = correlate_class(
        "a", [ClassMap(g.levels, m, g.unit) for g, m in zip(given, masks, strict=True)], r_max=R_MAX
    )
    wanted = sum(
        difference_counts(g.levels, r_max=R_MAX, mask=m).counts.astype(np.int64)
        for g, m in zip(given, masks, strict=True)
    )
    assert (found.total.counts == wanted).all()
    assert found.maps == 18
    assert len(found.units) == 9
    assert found.bands is not None
    assert found.bands.groups == 9


def test_lengths_follow_the_texture() -> None:
    fine, coarse = (correlate_class("x", maps(2, sigma), r_max=R_MAX) for sigma in (0.7, 2.0))
    assert fine.correlation_px is not None
    assert coarse.correlation_px is not None
    assert fine.correlation_px < coarse.correlation_px


def test_too_few_images_have_no_bands_and_no_test() -> None:
    one = correlate_class("a", maps(1, 1.0, units=2), r_max=R_MAX)
    assert one.bands is None
    assert one.characteristic_px >= 1
    assert compare_correlations(one, one) is None


def test_different_textures_differ_and_equal_ones_do_not() -> None:
    first = correlate_class("a", maps(3, 1.0), r_max=R_MAX)
    same = correlate_class("b", maps(4, 1.0), r_max=R_MAX)
    other = correlate_class("c", maps(5, 1.6), r_max=R_MAX)
    differ = compare_correlations(first, other, permutations=99)
    alike = compare_correlations(first, same, permutations=99)
    assert differ is not None
    assert alike is not None
    assert differ.distance_p <= 0.02
    assert differ.distance > 2 * differ.usual_distance
    assert alike.distance_p > 0.05


def test_under_the_null_small_p_values_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(6)
    found = []
    for _ in range(60):
        both = [
            correlate_class(
                name, (ClassMap(texture(rng, 1.0, 24), None, unit) for unit in range(5)), r_max=4, resamplings=20
            )
            for name in "ab"
        ]
        test = compare_correlations(both[0], both[1], permutations=300)
        assert test is not None
        assert test.permutations == 252  # all ways to choose 5 of 10
        found.append(test.distance_p)
    # 60 draws of a share of 0.1: 13 or more happen once in 500.
    assert sum(p <= 0.1 for p in found) <= 12
    assert np.mean(found) == pytest.approx(0.5, abs=0.15)


def test_specimens_that_differ_do_not_pass_for_classes_that_do() -> None:
    rng = np.random.default_rng(7)
    by_specimens, by_images = [], []
    for _ in range(30):
        both = []
        for name in "ab":
            sigmas = rng.uniform(0.7, 1.6, 4).repeat(3)  # of the specimens of one material, three images each
            given = [ClassMap(texture(rng, s, 24), None, unit, unit // 3) for unit, s in enumerate(sigmas)]
            both.append(correlate_class(name, given, r_max=4, resamplings=20))
        found = compare_correlations(both[0], both[1], permutations=200)
        assert found is not None
        assert (found.exchanged, found.permutations) == ("specimens", 70)
        by_specimens.append(found.distance_p)
        unknown = compare_correlations(*(replace(each, specimens=()) for each in both), permutations=200)
        assert unknown is not None
        assert (unknown.exchanged, unknown.permutations) == ("images", 201)
        by_images.append(unknown.distance_p)
    # 30 draws of a share of 0.1: 8 or more happen once in 100.
    assert sum(p <= 0.1 for p in by_specimens) <= 7
    assert sum(p <= 0.1 for p in by_images) >= 10


def test_few_specimens_leave_images_to_be_exchanged() -> None:
    both = [
        correlate_class(
            name, [ClassMap(m.levels, None, m.unit, m.unit // 2) for m in maps(seed, 1.0, units=6, each=1)], r_max=4
        )
        for seed, name in enumerate("ab")
    ]
    assert [len(each.specimens) for each in both] == [3, 3]
    assert sum(int(each.differences.counts.sum()) for each in both[0].specimens) == int(both[0].total.counts.sum())
    found = compare_correlations(*both, permutations=99)
    assert found is not None
    assert (found.exchanged, found.permutations) == ("images", 100)


def test_permuting_few_images_visits_each_assignment_once() -> None:
    both = [correlate_class(name, maps(seed, 1.0, units=3), r_max=4) for seed, name in enumerate("ab")]
    test = compare_correlations(both[0], both[1])
    assert test is not None
    assert test.permutations == 20
    assert test.distance_p >= 2 / 20  # the classes exchanged are as far apart


def test_what_was_counted_differently_is_refused() -> None:
    first = correlate_class("a", maps(1, 1.0), r_max=4)
    second = correlate_class("b", maps(1, 1.0), r_max=5)
    with pytest.raises(InputError, match="counted up to 4 and 5 px"):
        compare_correlations(first, second)


def test_no_valid_pixel_is_refused() -> None:
    empty = ClassMap(np.zeros((8, 8), np.uint8), np.zeros((8, 8), bool), 0)
    with pytest.raises(InputError, match="the mask is empty"):
        correlate_class("a", [empty], r_max=4)
