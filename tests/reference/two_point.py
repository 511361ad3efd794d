"""Pair counts as they are defined: every displacement, every first pixel."""

from __future__ import annotations

import itertools
import math

import numpy as np


def ring(shift: tuple[int, ...]) -> int:
    return round(math.sqrt(sum(part * part for part in shift)))


def valid_pairs(
    first: np.ndarray,
    second: np.ndarray,
    shift: tuple[int, ...],
    first_valid: np.ndarray,
    second_valid: np.ndarray,
    *,
    periodic: bool = False,
    core: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Levels at x and at x + shift, for each x that counts."""
    at = np.indices(first.shape).reshape(first.ndim, -1)
    to = at + np.array(shift)[:, None]
    shape = np.array(first.shape)[:, None]
    counts = np.ones(at.shape[1], dtype=bool)
    if periodic:
        to %= shape
    else:
        counts &= ((to >= 0) & (to < shape)).all(axis=0)
    if core is not None:
        counts &= (at[0] >= core[0]) & (at[0] < core[1])
    at, to = tuple(at[:, counts]), tuple(to[:, counts])
    both = first_valid[at] & second_valid[to]
    return first[at][both].astype(int), second[to][both].astype(int)


def shifts(reach: tuple[int, ...], *, everywhere: bool) -> list[tuple[int, ...]]:
    every = itertools.product(*(range(-part, part + 1) for part in reach))
    origin = (0,) * len(reach)
    return [shift for shift in every if everywhere or shift >= origin]


def pair_counts(
    image: np.ndarray,
    r_max: int,
    *,
    mask: np.ndarray | None = None,
    other: np.ndarray | None = None,
    other_mask: np.ndarray | None = None,
    periodic: bool = False,
    core: tuple[int, int] | None = None,
    levels: int = 256,
) -> np.ndarray:
    """(r_max + 1, levels, levels): i <= j in one image, i of the first and j of the second of two."""
    counts = np.zeros((r_max + 1, levels, levels), dtype=np.uint64)
    first_valid = np.ones(image.shape, bool) if mask is None else mask
    second = image if other is None else other
    second_valid = first_valid
    if other is not None:
        second_valid = np.ones(image.shape, bool) if other_mask is None else other_mask
    for shift in shifts((r_max,) * image.ndim, everywhere=other is not None):
        r = ring(shift)
        if r > r_max:
            continue
        i, j = valid_pairs(image, second, shift, first_valid, second_valid, periodic=periodic, core=core)
        if other is None:
            i, j = np.minimum(i, j), np.maximum(i, j)
        np.add.at(counts[r], (i, j), np.uint64(1))
    return counts


def difference_counts(pairs: np.ndarray) -> np.ndarray:
    """(r_max + 1, levels): what `pair_counts` gave, added up along |i - j|."""
    levels = pairs.shape[1]
    i, j = np.indices((levels, levels))
    return np.stack([pairs[:, np.abs(i - j) == d].sum(axis=1) for d in range(levels)], axis=1)
