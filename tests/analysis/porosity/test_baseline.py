"""Identification by nearest means, and the comparison of means, against hand-made numbers and the paper's table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import studentized_range, tukey_hsd

from cemvis.analysis.porosity.baseline import identify, nearest_mean
from cemvis.analysis.porosity.baseline_tests import compare_means, group_means, intraclass
from cemvis.analysis.validation.group_intervals import share_interval
from cemvis.errors import InputError

LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_nearest_means_by_hand() -> None:
    values = np.array([[1.0], [2.0], [6.0], [7.0], [8.0], [3.0]])  # means 3 and 6
    np.testing.assert_array_equal(nearest_mean(values, LABELS), [0, 0, 1, 1, 1, 0])


def test_without_its_own_group_a_map_is_judged_by_others() -> None:
    values = np.array([[0.0], [0.0], [10.0], [11.0], [20.0], [21.0]])
    groups = np.array([0, 0, 1, 2, 3, 3])
    found = nearest_mean(values, LABELS, left_out=groups)
    for group in range(4):
        mine = groups == group
        means = [values[(k == LABELS) & ~mine].mean() for k in (0, 1)]
        for at in np.flatnonzero(mine):
            assert found[at] == np.argmin([abs(values[at, 0] - mean) for mean in means])
    assert found[2] == 1  # its own value made its class's mean
    with pytest.raises(InputError, match="one group only"):
        nearest_mean(values, LABELS, left_out=LABELS)


def test_several_features_count_alike_whatever_their_units() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    values = rng.normal(size=(400, 2)) + 0.7 * labels[:, None]
    scaled = values * [1.0, 1e6]
    np.testing.assert_array_equal(nearest_mean(values, labels), nearest_mean(scaled, labels))
    both = identify(scaled, labels, feature="both", groups=np.arange(400)).accuracy
    one = identify(scaled[:, :1], labels, feature="one", groups=np.arange(400)).accuracy
    assert both > one


@pytest.mark.parametrize("seed", range(5))
def test_means_and_scales_are_of_the_maps_that_are_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(9), rng.integers(1, 6, 9)))
    labels = groups % 3
    values = rng.normal(size=(groups.size, 2)) * [1, 1e4] + [0.2, 1e5] + 0.5 * labels[:, None]
    found = nearest_mean(values, labels, left_out=groups)
    for at in range(groups.size):
        left = groups != groups[at]
        means = np.stack([values[left & (labels == k)].mean(axis=0) for k in range(3)])
        sd = np.sqrt(((values - means[labels])[left] ** 2).sum(axis=0) / (left.sum() - 3))
        assert found[at] == np.argmin((((values[at] - means) / sd) ** 2).sum(axis=1))


def test_labels_at_random_are_guessed_by_chance_when_the_own_group_is_left_out() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(120), 5)
    values = (rng.normal(size=120)[groups] + 0.1 * rng.normal(size=600))[:, None]
    labels = np.repeat(rng.permutation(np.repeat([0, 1], 60)), 5)
    found = identify(values, labels, feature="x", groups=groups, left_out=("region", groups))
    assert found.left_out == "region"
    assert abs(found.accuracy - 0.5) < 3 * math.sqrt(0.25 / 120)
    assert found.interval[0] < found.accuracy < found.interval[1]
    assert found.confusion.sum() == 600
    assert np.trace(found.confusion) / 600 == found.accuracy
    assert found.to_json()["chance"] == 0.5


def test_intervals_of_whole_groups_are_wider_than_of_maps() -> None:
    right = np.repeat(np.random.default_rng(2).random(30) < 0.6, 20)
    labels = np.repeat([0, 1], 300)
    grouped = share_interval(right, labels, np.repeat(np.arange(30), 20), resamplings=500, seed=0)
    single = share_interval(right, labels, np.arange(600), resamplings=500, seed=0)
    assert grouped[1] - grouped[0] > 2 * (single[1] - single[0])


@pytest.mark.parametrize("told", [True, False])
def test_a_few_groups_that_all_agree_are_not_certain(told: bool) -> None:
    labels, groups = np.repeat([0, 1], 60), np.repeat(np.arange(6), 20)
    low, high = share_interval(np.full(120, told), labels, groups, resamplings=2000, seed=0)
    assert (high == 1) if told else (low == 0)
    # The mean of two draws of beta(3.5, 0.5) is above 0.61 in 97.5 % of the cases.
    assert 0.25 < high - low < 0.5


def test_chance_is_what_the_largest_class_gives() -> None:
    labels = np.repeat([0, 1], [9, 3])
    found = identify(np.arange(12.0)[:, None], labels, feature="x", groups=np.arange(12))
    assert found.chance == 0.75


def test_tukey_kramer_of_unequal_classes_by_the_formula() -> None:
    rng = np.random.default_rng(3)
    sizes = (12, 30, 7)
    labels = np.repeat([0, 1, 2], sizes)
    values = rng.normal(size=labels.size) + 1.0 * (labels == 1)
    found = compare_means(values, labels, classes=("a", "b", "c"), feature="x", level=0.95)
    within = sum(((values[labels == k] - values[labels == k].mean()) ** 2).sum() for k in range(3)) / (labels.size - 3)
    q = studentized_range.ppf(0.95, 3, labels.size - 3)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair in found.pairs:
        i, j = ("abc".index(name) for name in (pair.first, pair.second))
        wanted = q * math.sqrt(within / 2 * (1 / sizes[i] + 1 / sizes[j]))
        assert pair.critical_range == pytest.approx(wanted, rel=1e-6)
        # The range and SciPy's p-value are two ways to the same verdict.
        assert pair.different == (pair.p_value < 0.05)
    assert any(pair.different for pair in found.pairs)
    assert not all(pair.different for pair in found.pairs)
    oracle = tukey_hsd(*(values[labels == k] for k in range(3)))
    assert [pair.p_value for pair in found.pairs] == pytest.approx(oracle.pvalue[np.triu_indices(3, 1)], rel=1e-6)
    total = ((values - values.mean()) ** 2).sum()
    assert found.f_value == pytest.approx((total - within * 46) / 2 / within)


@pytest.mark.parametrize(
    ("means", "critical", "printed"),
    [
        ((0.219, 0.170, 0.239), 0.028, (0.049, 0.020, 0.069)),
        ((131_348.0, 43_298.0, 123_591.0), 26_634.0, (88_050.0, 7_757.0, 80_293.0)),
    ],
)
def test_the_papers_table_2(means: tuple[float, ...], critical: float, printed: tuple[float, ...]) -> None:
    """Samples with the published means and critical range give the published differences and conclusions."""
    many = 40
    q = studentized_range.ppf(0.90, 3, 3 * (many - 1))
    sd = critical * math.sqrt(many) / q
    shape = np.random.default_rng(4).normal(size=many)
    shape = (shape - shape.mean()) / shape.std(ddof=1)
    values = np.concatenate([mean + sd * shape for mean in means])
    labels = np.repeat([0, 1, 2], many)
    found = compare_means(values, labels, classes=("S1", "S2", "S3"), feature="porosity", level=0.90)
    assert [pair.critical_range for pair in found.pairs] == pytest.approx([critical] * 3, rel=1e-6)
    assert [pair.difference for pair in found.pairs] == pytest.approx(printed, rel=1e-9)
    assert [pair.different for pair in found.pairs] == [True, False, True]
    assert [row["conclusion"] for row in found.rows()][1] == "means are not different"


def test_classes_that_never_vary() -> None:
    values = np.array([1.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    found = compare_means(values, np.repeat([0, 1, 2], 2), classes=("a", "b", "c"), feature="x")
    assert found.f_value is None
    assert [pair.different for pair in found.pairs] == [True, True, False]
    alike = compare_means(np.full(10, 0.1), np.repeat([0, 1], [3, 7]), classes=("a", "b"), feature="x")
    assert np.full(3, 0.1).mean() != np.full(7, 0.1).mean()  # by rounding alone
    assert alike.pairs[0].p_value == 1
    assert not alike.pairs[0].different
    with pytest.raises(InputError, match="2 or more"):
        compare_means(np.array([1.0, 2, 3]), np.array([0, 0, 1]), classes=("a", "b"), feature="x")


def test_group_means_and_how_alike_a_groups_maps_are() -> None:
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(200), 4)
    labels = groups // 100
    values = rng.normal(size=200)[groups] + rng.normal(size=800) + 5 * labels
    means, of_class = group_means(values, labels, groups)
    assert means[7] == pytest.approx(values[28:32].mean())
    np.testing.assert_array_equal(of_class, np.arange(200) // 100)
    # Half of the variance is shared; with 200 groups of 4 the standard error is 0.04.
    assert intraclass(values, labels, groups) == pytest.approx(0.5, abs=0.12)
    assert intraclass(rng.normal(size=800), labels, groups) == pytest.approx(0, abs=0.08)
    assert intraclass(values, labels, np.arange(800)) is None
    assert intraclass(np.ones(800), labels, groups) is None


def test_p_values_are_fair_where_intervals_know_too_little() -> None:
    """Eight specimens of one material: the interval often leaves out chance, but a p-value of 0.1 comes in a tenth."""
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(8), 4)
    labels = groups // 4
    p_values = []
    for _ in range(120):
        values = (rng.normal(size=8)[groups] + rng.normal(size=32))[:, None]
        found = identify(
            values, labels, feature="x", groups=groups, left_out=("specimen", groups), resamplings=100, deals=39
        )
        p_values.append(found.p_value)
    share = np.mean(np.array(p_values) <= 0.1)
    assert share < 0.1 + 3 * math.sqrt(0.1 * 0.9 / 120)
    told = identify((3.0 * labels + rng.normal(size=32))[:, None], labels, feature="x", groups=groups)
    assert told.p_value < 0.06  # 2 of the 70 deals are the classes themselves


def test_classes_are_dealt_among_the_given_groups() -> None:
    labels = np.repeat([0, 1], 8)
    specimens, regions = np.repeat(np.arange(4), 4), np.arange(16)
    values = (np.array([0.0, 0.1, 1.0, 1.1])[specimens] + 1e-3 * regions)[:, None]
    few = identify(values, labels, feature="x", groups=regions, dealt=specimens)
    many = identify(values, labels, feature="x", groups=regions)
    assert few.accuracy == many.accuracy == 1
    assert few.p_value > 0.2  # a third of the deals of two and two specimens
    assert many.p_value < 0.05
