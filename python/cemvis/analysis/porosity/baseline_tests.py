"""Whether the means of classes differ: one-way analysis of variance, and the Tukey-Kramer procedure for each pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction
from cemvis.errors import InputError

_ROUNDING = 1e-12


@dataclass(frozen=True)
class PairTest:
    """One pair of classes in the Tukey-Kramer procedure, as a row of the paper's Table 2.

    Attributes
    ----------
    first, second : str
    first_mean, second_mean, difference : float
        The difference is absolute.
    critical_range : float
        What the difference has to exceed at the chosen level.
    p_value : float
    """

    first: str
    second: str
    first_mean: float
    second_mean: float
    difference: float
    critical_range: float
    p_value: float

    @property
    def different(self) -> bool:
        """Whether the means are different at the chosen level."""
        return self.difference > self.critical_range


@dataclass(frozen=True)
class MeansTest:
    """Whether the classes' means of one feature differ.

    Attributes
    ----------
    feature, unit : str
    over : str
        What is counted as one observation: "maps", "regions" or "specimens".
    level : float
        Confidence level of the critical ranges.
    counts : tuple of int
        Observations of each class.
    means, sds : tuple of float
    f_value, p_value : float
        Of the analysis of variance; None where nothing varies within classes.
    mean_square_within : float
    pairs : tuple of PairTest
    """

    feature: str
    unit: str
    over: str
    level: float
    counts: tuple[int, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    f_value: float | None
    p_value: float | None
    mean_square_within: float
    pairs: tuple[PairTest, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return the pairs as rows of a table."""
        return [
            {
                "feature": self.feature,
                "unit": self.unit,
                "over": self.over,
                "first_group": pair.first,
                "second_group": pair.second,
                "first_mean": pair.first_mean,
                "second_mean": pair.second_mean,
                "absolute_difference": pair.difference,
                "critical_range": pair.critical_range,
                "level": self.level,
                "p_value": pair.p_value,
                "conclusion": "means are different" if pair.different else "means are not different",
            }
            for pair in self.pairs
        ]


def compare_means(
    values: NDArray[np.float64],
    labels: NDArray[np.intp],
    *,
    classes: Sequence[str],
    feature: str,
    unit: str = "",
    over: str = "maps",
    level: float = 0.90,
) -> MeansTest:
    """Compare the means of classes: analysis of variance and Tukey-Kramer.

    The critical range of classes i and j is ``q sqrt(MSW / 2 (1 / n_i + 1 / n_j))`` with the studentised range's
    quantile q at `level` for the number of classes and N - classes degrees of freedom.

    Parameters
    ----------
    values : (n,) float64
        Independent observations.
    labels : (n,) intp
    classes : sequence of str
    feature, unit, over : str
    level : float

    Raises
    ------
    InputError
        If there are fewer than two classes, or fewer than two observations in one.

    References
    ----------
    C. Y. Kramer, Extension of multiple range tests to group means with unequal numbers of replications, Biometrics 12
    (1956) 307-310, doi:10.2307/3001469.
    """
    from scipy.stats import f_oneway, studentized_range

    fraction(level, name="level")
    groups = [values[labels == number] for number in range(len(classes))]
    least = min((len(group) for group in groups), default=0)
    if len(groups) < 2 or least < 2:
        msg = f"{len(groups)} classes with at least {least} {over} each; wanted 2 or more of both to compare means"
        raise InputError(msg)
    counts = [len(group) for group in groups]
    means = [float(group.mean()) for group in groups]
    freedom = sum(counts) - len(groups)
    within = float(sum(((group - mean) ** 2).sum() for group, mean in zip(groups, means, strict=True)) / freedom)
    varies = within > _ROUNDING**2 * max(1e-300, float(np.square(values).max()))
    f_value = p_value = None
    if varies:
        tested = f_oneway(*groups)
        f_value, p_value = float(tested.statistic), float(tested.pvalue)
    q = _quantile(level, len(groups), freedom)
    pairs = []
    for i, j in combinations(range(len(groups)), 2):
        error = math.sqrt(within / 2 * (1 / counts[i] + 1 / counts[j])) if varies else 0.0
        difference = abs(means[i] - means[j])
        if difference <= _ROUNDING * max(abs(means[i]), abs(means[j])):
            difference = 0.0  # equal values do not sum to equal means in classes of unequal size
        if varies:
            pair_p = float(studentized_range.sf(difference / error, len(groups), freedom))
        else:
            pair_p = float(difference == 0)
        pairs.append(PairTest(classes[i], classes[j], means[i], means[j], difference, q * error, pair_p))
    return MeansTest(
        feature=feature,
        unit=unit,
        over=over,
        level=level,
        counts=tuple(counts),
        means=tuple(means),
        sds=tuple(float(group.std(ddof=1)) for group in groups),
        f_value=f_value,
        p_value=p_value,
        mean_square_within=within,
        pairs=tuple(pairs),
    )


@cache
def _quantile(level: float, classes: int, freedom: int) -> float:
    """Return the studentised range's quantile, kept because it is slow to compute."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(level, classes, freedom))


def group_means(
    values: NDArray[np.float64], labels: NDArray[np.intp], groups: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the mean of each group of maps, and its class; a group is of one class."""
    numbers, first, which = np.unique(groups, return_index=True, return_inverse=True)
    sums = np.bincount(which, weights=values, minlength=numbers.size)
    return sums / np.bincount(which, minlength=numbers.size), labels[first]


def intraclass(values: NDArray[np.float64], labels: NDArray[np.intp], groups: NDArray[np.intp]) -> float | None:
    """Return the intraclass correlation of maps of one group, within classes: 0 if they are independent, 1 if alike.

    From the mean squares between and within groups that each lie in one class; below 0 it is cut. None if each group
    holds one map, or each class one group, or nothing varies.

    References
    ----------
    R. A. Fisher, Statistical Methods for Research Workers (1925), chapter 7.
    """
    numbers, which = np.unique(groups, return_inverse=True)
    sizes = np.bincount(which)
    centres, of_class = group_means(values, labels, groups)
    classes = np.unique(labels).size
    between_freedom, within_freedom = numbers.size - classes, values.size - numbers.size
    if between_freedom < 1 or within_freedom < 1:
        return None
    class_means = np.array([values[labels == number].mean() for number in of_class])
    between = float((sizes * (centres - class_means) ** 2).sum()) / between_freedom
    within = float(((values - centres[which]) ** 2).sum()) / within_freedom
    per_class = [sizes[of_class == number] for number in np.unique(labels)]
    size = (values.size - sum(float((each**2).sum() / each.sum()) for each in per_class)) / between_freedom
    whole = between + (size - 1) * within
    return max(0.0, (between - within) / whole) if whole > 0 else None
