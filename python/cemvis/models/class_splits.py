"""Which maps a classifier learns from, is stopped and calibrated on, and is tested on: by whole specimens or regions.

Maps cut from one image share its grey scale, noise, focus and pores; maps of one specimen share its mix, curing and
polish. A split of single maps would let a classifier recognise the picture instead of the class. Every part therefore
takes whole regions, and the tested part whole specimens where each class has two or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Indices = NDArray[np.intp]
By = Literal["auto", "specimen", "region"]

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15


@dataclass(frozen=True)
class ClassSplit:
    """Indices of maps; no region is in two parts, and no specimen in two that were split by specimen.

    Attributes
    ----------
    train, validation, test : (n,) int
        Each holds every class.
    tested_by, validated_by : {"specimen", "region"}
        What the part was drawn by.
    """

    train: Indices
    validation: Indices
    test: Indices
    tested_by: str
    validated_by: str


def class_splits(
    labels: Indices,
    specimens: Indices,
    regions: Indices,
    *,
    classes: Sequence[str],
    seed: int,
    folds: int = 1,
    by: By = "auto",
) -> tuple[ClassSplit, ...]:
    """Split maps for one training and test, or for `folds` of them that together test each map once.

    Parameters
    ----------
    labels, specimens, regions : (n,) int
        Class, specimen and image of each map. A region is of one specimen, a specimen of one class.
    classes : sequence of str
        Names, for messages.
    seed : int
        The same seed and maps give the same splits.
    folds : int
        1 tests about 20 % of each class. Otherwise the specimens (regions) of each class are dealt out to so many
        folds, each tested once.
    by : {"auto", "specimen", "region"}
        What the tested part is drawn by; "auto" takes whole specimens where every class has enough of them (two, or
        one a fold) and regions elsewhere. About 15 % of what is left validates: whole specimens again where every
        class has three or more left, else regions.

    Raises
    ------
    InputError
        If a class has too few specimens or regions.
    """
    if by not in get_args(By) or isinstance(folds, bool) or not 1 <= folds <= 1000:
        msg = f"by is {by!r}, folds {folds!r}; wanted one of {', '.join(get_args(By))}, and 1 to 1000 folds"
        raise InputError(msg)
    least = max(2, folds)
    few = _fewest(labels, specimens)
    tested_by = by if by != "auto" else "specimen" if few >= least else "region"
    groups = specimens if tested_by == "specimen" else regions
    # A class tested by region needs one for each of the three parts.
    wanted = least if tested_by == "specimen" else max(3, folds)
    _check_enough(labels, groups, wanted, classes, what=tested_by)
    everything = np.arange(len(labels))
    rng = np.random.default_rng([seed, 17])
    tests = _dealt(labels, groups, folds, rng) if folds > 1 else [_share(everything, labels, groups, TEST_SHARE, rng)]
    return tuple(
        _with_validation(
            np.setdiff1d(everything, test), test, (labels, specimens, regions), classes, tested_by, seed, fold
        )
        for fold, test in enumerate(tests)
    )


def _with_validation(
    rest: Indices,
    test: Indices,
    groups: tuple[Indices, Indices, Indices],
    classes: Sequence[str],
    tested_by: str,
    seed: int,
    fold: int,
) -> ClassSplit:
    labels, specimens, regions = groups
    whole = tested_by == "specimen" and _fewest(labels[rest], specimens[rest]) >= 3
    drawn = specimens if whole else regions
    _check_enough(
        labels[rest], drawn[rest], 2, classes, what="specimen" if whole else "region", where=" left to learn from"
    )
    validation = _share(rest, labels, drawn, VALIDATION_SHARE, np.random.default_rng([seed, 18, fold]))
    train = np.setdiff1d(rest, validation)
    return ClassSplit(train, validation, test, tested_by, "specimen" if whole else "region")


def _fewest(labels: Indices, groups: Indices) -> int:
    return min(len(np.unique(groups[labels == label])) for label in np.unique(labels))


def _check_enough(
    labels: Indices, groups: Indices, least: int, classes: Sequence[str], *, what: str, where: str = ""
) -> None:
    for label in np.unique(labels):
        count = len(np.unique(groups[labels == label]))
        if count < least:
            several = "s" if count != 1 else ""
            msg = (
                f"class {classes[label]!r} has {count} {what}{several}{where}; wanted at least {least}, "
                "so that none is both trained on and judged: give more images, fewer folds, or split by region"
            )
            raise InputError(msg)


def _share(chosen: Indices, labels: Indices, groups: Indices, share: float, rng: np.random.Generator) -> Indices:
    """Return the maps of about a share of each class, whole groups; at least one group, and never all."""
    taken: list[int] = []
    for label in np.unique(labels):
        mine = chosen[labels[chosen] == label]
        names = rng.permutation(np.unique(groups[mine]))
        sizes = np.array([np.count_nonzero(groups[mine] == name) for name in names])
        # As many groups as come closest to the share.
        count = int(np.argmin(np.abs(np.cumsum(sizes[:-1]) - share * sizes.sum()))) + 1
        taken += names[:count].tolist()
    return chosen[np.isin(groups[chosen], taken)]


def _dealt(labels: Indices, groups: Indices, folds: int, rng: np.random.Generator) -> list[Indices]:
    """Deal the groups of each class out to folds, the largest first, each to the fold that has the fewest maps."""
    fold_of = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        names = rng.permutation(np.unique(groups[labels == label]))
        sizes = np.array([np.count_nonzero(groups == name) for name in names])
        filled, dealt = np.zeros(folds), np.zeros(folds)
        for at in np.argsort(-sizes, kind="stable"):
            # Fewest groups first, or a fold might stay empty behind one large group.
            fold = int(np.lexsort((filled, dealt))[0])
            fold_of[groups == names[at]] = fold
            filled[fold] += sizes[at]
            dealt[fold] += 1
    return [np.flatnonzero(fold_of == fold) for fold in range(folds)]
