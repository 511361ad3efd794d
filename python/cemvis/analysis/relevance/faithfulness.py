"""Which explanation is more faithful: how fast the score falls, and comes back, when the relevant pixels do [1]_.

Deletion replaces the most relevant pixels of an image by a baseline, step by step; insertion puts them into the
baseline. A faithful map makes the first curve fall and the second rise early. What is compared is the area between the
two over the fraction of pixels, as a share of how far the scores of image and baseline are apart, whichever is higher:
an order drawn at random is the floor, 0 on average if pixels act alone.

References
----------
.. [1] Petsiuk et al., RISE: randomized input sampling for explanation of black-box models, BMVC 2018,
       doi:10.48550/arXiv.1806.07421
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction, positive
from cemvis.analysis.relevance.regions import stack_of
from cemvis.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]
Baseline = Literal["blurred", "mean", "black"]
Scored = Callable[[Floats], Floats]

FRACTIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Of the pixels, where curves are computed."""
BLUR_PX = 10.0
RANDOM = "random order"
RESAMPLINGS = 2000
LEAST_IMAGES = 5
"""Fewer of them, resampled, give intervals that are far too narrow: none are given."""


def baseline_of(images: Floats, kind: Baseline = "blurred", *, black: float = 0.0, blur_px: float = BLUR_PX) -> Floats:
    """Return what takes the place of deleted pixels.

    Parameters
    ----------
    images : (n, rows, cols) float64
    kind : "blurred", "mean" or "black"
        Each image through a Gaussian (continued by its edge pixels), its mean everywhere, or `black` everywhere.
    black : float
    blur_px : float
        Standard deviation of the Gaussian.

    Raises
    ------
    InputError
    """
    from scipy.ndimage import gaussian_filter

    if kind not in get_args(Baseline):
        msg = f"baseline is {kind!r}; wanted one of {', '.join(get_args(Baseline))}"
        raise InputError(msg)
    if kind == "black":
        return np.full(images.shape, black)
    if kind == "mean":
        return np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape).copy()
    sigma = positive(blur_px, name="blur_px")
    blurred: Floats = gaussian_filter(images, (0.0, sigma, sigma), mode="nearest")
    return blurred


@dataclass(frozen=True, eq=False)
class Curves:
    """Scores of several images while pixels go and come.

    Attributes
    ----------
    fractions : (f,) float64
        Rising from 0 to 1.
    deletion, insertion : (n, f) float64
    """

    fractions: Floats
    deletion: Floats
    insertion: Floats

    @property
    def areas(self) -> tuple[Floats, Floats]:
        """Areas under deletion and insertion by trapezia, (n,) each, in units of the score."""
        return _area(self.deletion, self.fractions), _area(self.insertion, self.fractions)

    def joined(self, other: Curves) -> Curves:
        """Return the curves of these images and then of others."""
        return Curves(
            self.fractions,
            np.concatenate([self.deletion, other.deletion]),
            np.concatenate([self.insertion, other.insertion]),
        )


def perturbation_curves(
    scored: Scored,
    images: Floats,
    baseline: Floats,
    relevance: NDArray[np.floating],
    *,
    fractions: Sequence[float] = FRACTIONS,
    block_px: int = 1,
) -> Curves:
    """Return the scores of a batch of images while pixels are deleted and inserted in falling relevance.

    Parameters
    ----------
    scored : callable
        Takes (n, rows, cols) float64, the images in their order, and returns their scores (n,).
    images, baseline : (n, rows, cols) float64
    relevance : (n, rows, cols) float
        Equals go in the order of their place, row by row.
    fractions : sequence of float
        Rising from 0 to 1; at each the fraction of pixels is rounded up to whole ones.
    block_px : int
        Pixels go in squares of this edge, by the mean relevance in them: single pixels that differ from their
        neighbours are unlike any image, and a score can fall for that alone.

    Raises
    ------
    InputError
    """
    if not images.shape == baseline.shape == relevance.shape or images.ndim != 3:
        msg = f"images {images.shape}, baseline {baseline.shape}, relevance {relevance.shape}; wanted one shape"
        raise InputError(msg)
    steps = check_fractions(fractions)
    place = _places(stack_of(relevance), block_px)
    whole, bare = scored(images), scored(baseline)
    deletion, insertion = (np.empty((len(images), len(steps))) for _ in range(2))
    for index, step in enumerate(steps):
        if step in (0.0, 1.0):
            deletion[:, index], insertion[:, index] = (whole, bare) if step == 0 else (bare, whole)
            continue
        taken = place < step
        deletion[:, index] = scored(np.where(taken, baseline, images))
        insertion[:, index] = scored(np.where(taken, images, baseline))
    return Curves(steps, deletion, insertion)


def check_fractions(fractions: Sequence[float]) -> Floats:
    """Return fractions as float64; raises `InputError` unless they rise from 0 to 1."""
    steps = np.asarray(fractions, dtype=np.float64)
    if steps.ndim != 1 or len(steps) < 2 or steps[0] != 0 or steps[-1] != 1 or not np.all(np.diff(steps) > 0):
        msg = f"fractions are {list(fractions)}; wanted them rising from 0 to 1"
        raise InputError(msg)
    return steps


def _places(relevance: Floats, block_px: int) -> Floats:
    """Return the place of each pixel in the order of its map, from 0 to below 1."""
    if isinstance(block_px, bool) or not isinstance(block_px, int) or block_px < 1:
        msg = f"block_px is {block_px!r}; wanted a whole number of 1 or more"
        raise InputError(msg)
    count, rows, cols = relevance.shape
    row, col = np.arange(rows) // block_px, np.arange(cols) // block_px
    block = (row[:, np.newaxis] * (col[-1] + 1) + col).ravel()
    size = np.bincount(block)
    places = np.empty((count, rows * cols))
    for one, place in zip(relevance, places, strict=True):
        mean = np.bincount(block, weights=one.ravel()) / size
        order = np.argsort(-mean, kind="stable")
        before = np.empty(len(size))
        before[order] = np.concatenate([[0], np.cumsum(size[order])[:-1]])
        place[:] = before[block] / (rows * cols)
    return places.reshape(relevance.shape)


@dataclass(frozen=True)
class Verdict:
    """How faithful a method is.

    Attributes
    ----------
    method : str
    deletion, insertion : float
        Mean areas under the curves, in units of the score.
    faithfulness : float
        Insertion minus deletion as a share of how far images and baselines are apart in score. A random order is about
        0; at 1 the score would fall to the baseline's with the first pixels; more where pixels that speak against the
        score are told from others, and stay to the last.
    low, high : float
        Of `faithfulness`, by resampling maps; NaN of fewer than `LEAST_IMAGES`.
    behind : float
        By how much the best method's is larger; 0 for that one.
    behind_low, behind_high : float
        Of `behind`, on the same resampled maps: a tie where they enclose 0; NaN of fewer than `LEAST_IMAGES`.
    """

    method: str
    deletion: float
    insertion: float
    faithfulness: float
    low: float
    high: float
    behind: float
    behind_low: float
    behind_high: float

    @property
    def as_good(self) -> bool:
        """Whether the best method cannot be told from this one; on too few images it never can."""
        return not self.behind_low > 0


def verdicts(
    curves: Mapping[str, Curves], *, level: float = 0.95, resamplings: int = RESAMPLINGS, seed: int = 0
) -> tuple[Verdict, ...]:
    """Return how faithful methods are on the same images, the most faithful first.

    Parameters
    ----------
    curves : mapping of str to Curves
        By method; all of the same images in the same order.
    level, resamplings, seed
        Of the percentile intervals from resampling whole maps.

    Raises
    ------
    InputError
        If there are no curves, or they are not of the same images.
    """
    if not curves or len({each.deletion.shape for each in curves.values()}) != 1:
        msg = "there are no curves, or they are of different numbers of images; wanted the same images for each method"
        raise InputError(msg)
    level = fraction(level, name="level")
    first = next(iter(curves.values()))
    count = len(first.deletion)
    rng = np.random.default_rng(seed)
    # The first draw is the sample itself.
    draws = np.concatenate([np.arange(count)[np.newaxis], rng.integers(0, count, (resamplings, count))])
    worth = np.abs(first.deletion[:, 0] - first.deletion[:, -1])[draws].mean(axis=1)
    faithful: dict[str, Floats] = {}
    for name, each in curves.items():
        deletion, insertion = each.areas
        gap = (insertion - deletion)[draws].mean(axis=1)
        faithful[name] = np.divide(gap, worth, out=np.full(len(gap), np.nan), where=worth != 0)
    order = sorted(curves, key=lambda name: (-np.nan_to_num(faithful[name][0], nan=-np.inf), name))
    ends = [(1 - level) / 2, (1 + level) / 2]
    result = []
    for name in order:
        deletion, insertion = curves[name].areas
        behind = faithful[order[0]] - faithful[name]
        low, high, near, far = [np.nan] * 4
        if count >= LEAST_IMAGES and np.isfinite(faithful[name]).any():
            (low, high), (near, far) = np.nanquantile(faithful[name], ends), np.nanquantile(behind, ends)
        numbers = (deletion.mean(), insertion.mean(), faithful[name][0], low, high, behind[0], near, far)
        result.append(Verdict(name, *(float(each) for each in numbers)))
    return tuple(result)


def verdicts_frame(found: Sequence[Verdict]) -> DataFrame:
    """Return a row for each method."""
    import pandas as pd

    return pd.DataFrame([vars(each) | {"as_good_as_best": each.as_good} for each in found])


def random_relevance(shape: tuple[int, int, int], *, seed: int) -> Floats:
    """Return relevance of no meaning: the floor for all methods."""
    return np.random.default_rng(seed).random(shape)


def _area(values: Floats, fractions: Floats) -> Floats:
    area: Floats = ((values[:, 1:] + values[:, :-1]) / 2 * np.diff(fractions)).sum(axis=1)
    return area
