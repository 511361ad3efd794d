from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.models.class_splits import class_splits

NAMES = ("plain", "graphene", "other")


def maps(specimens: int, regions: int, each: int = 5, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, specimens and regions of classes with so many specimens, regions of each and maps of each of these."""
    region = np.repeat(np.arange(classes * specimens * regions), each)
    return region // (specimens * regions), region // regions, region


def parts(split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return split.train, split.validation, split.test


def check_whole(split, labels: np.ndarray, groups: tuple[np.ndarray, ...]) -> None:
    """Each map is in one part, each part has every class, and no group of the given kinds lies in two parts."""
    assert sorted(np.concatenate(parts(split)).tolist()) == list(range(len(labels)))
    for part in parts(split):
        assert np.array_equal(np.unique(labels[part]), np.unique(labels))
    for group in groups:
        sets = [set(group[part].tolist()) for part in parts(split)]
        assert sum(map(len, sets)) == len(set.union(*sets))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("specimens", "tested", "validated"), [(4, "specimen", "specimen"), (2, "specimen", "region")])
def test_specimens_are_left_out_where_there_are_several(seed, specimens, tested, validated) -> None:
    labels, specimen, region = maps(specimens, 3)
    (split,) = class_splits(labels, specimen, region, classes=NAMES, seed=seed)
    assert (split.tested_by, split.validated_by) == (tested, validated)
    check_whole(split, labels, (region,) if validated == "region" else (region, specimen))
    learnt = set(specimen[np.concatenate([split.train, split.validation])].tolist())
    assert learnt.isdisjoint(specimen[split.test].tolist())


def test_one_specimen_a_class_is_split_by_region() -> None:
    labels, specimen, region = maps(1, 10)
    (split,) = class_splits(labels, specimen, region, classes=NAMES, seed=0)
    assert (split.tested_by, split.validated_by) == ("region", "region")
    check_whole(split, labels, (region,))
    assert len(split.test) == 20
    assert len(split.validation) == 10


def test_one_class_without_specimens_enough_decides_for_all() -> None:
    labels, specimen, region = maps(3, 4)
    specimen = np.where(labels == 0, 0, specimen)
    (split,) = class_splits(labels, specimen, region, classes=NAMES, seed=0)
    assert split.tested_by == "region"
    with pytest.raises(InputError, match="class 'plain' has 1 specimen; wanted at least 2"):
        class_splits(labels, specimen, region, classes=NAMES, seed=0, by="specimen")


@pytest.mark.parametrize("by", ["specimen", "region"])
def test_folds_test_each_map_once(by) -> None:
    labels, specimen, region = maps(4, 3, classes=3)
    found = class_splits(labels, specimen, region, classes=NAMES, seed=3, folds=4, by=by)
    assert len(found) == 4
    assert sorted(np.concatenate([each.test for each in found]).tolist()) == list(range(len(labels)))
    for each in found:
        check_whole(each, labels, (region,))
        assert len(each.test) == len(labels) / 4


def test_folds_of_groups_that_differ_in_size_are_about_alike() -> None:
    region = np.repeat(np.arange(12), [40, 1, 1, 1, 20, 20, 40, 1, 1, 1, 20, 20])
    labels = region // 6
    found = class_splits(labels, labels, region, classes=NAMES, seed=0, folds=3)
    assert [len(each.test) for each in found] == sorted((len(each.test) for each in found), reverse=True)
    assert max(len(each.test) for each in found) <= 2 * 41


def test_the_seed_decides() -> None:
    labels, specimen, region = maps(6, 2)
    found = [class_splits(labels, specimen, region, classes=NAMES, seed=seed)[0] for seed in (1, 1, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(parts(found[0]), parts(found[1]), strict=True))
    assert not np.array_equal(found[0].test, found[2].test)


@pytest.mark.parametrize(
    ("regions", "arguments", "message"),
    [
        (2, {}, "class 'plain' has 2 regions; wanted at least 3"),
        (4, {"folds": 5}, "has 4 regions; wanted at least 5"),
        (4, {"by": "map"}, "by is 'map'"),
        (4, {"folds": 0}, "folds 0"),
    ],
)
def test_too_few_groups_or_impossible_settings(regions, arguments, message) -> None:
    labels, specimen, region = maps(1, regions)
    with pytest.raises(InputError, match=message):
        class_splits(labels, specimen, region, classes=NAMES, seed=0, **arguments)


def test_three_regions_a_class_are_enough() -> None:
    labels, specimen, region = maps(1, 3)
    (split,) = class_splits(labels, specimen, region, classes=NAMES, seed=0)
    assert [len(part) for part in parts(split)] == [10, 10, 10]
    labels, specimen, region = maps(2, 1)
    with pytest.raises(InputError, match="has 1 region left to learn from"):
        class_splits(labels, specimen, region, classes=NAMES, seed=0)
