"""Pair counts against what one would call or write instead, in under three minutes on two quiet cores.

Run with ``python benchmarks/bench_two_point.py``, or ``pytest benchmarks -k two_point``, which prints the same.

The image is the paper's map in size and levels: 384 x 384, 191 levels, smooth; larger ones are of the same kind. All
are counted with 5, 20 and 100 % valid pixels. Contenders take turns in each of three rounds; a cell of the tables is
the median of the rounds, a ratio the median of the rounds' ratios; bars are ratios that were asked for. Of large
images, the kernel counts the pairs that begin in some rows, and its time is extrapolated by the pairs of places.

Rivals, whose answers are checked first:

- scikit-image's `graycomatrix`, one displacement a call, which is its fastest way, its call only. It does a sample of
  the displacements, and its time is extrapolated by the pairs of places in them.
- SciPy's FFT of the indicators, a pair of levels at a time, a sample of the pairs of levels.
- NumPy: all pairs of valid pixels, a sample of the first pixels.
- PoreSpy's `two_point_correlation` for two phases, if it is installed. It counts all lags up to the image's size.

Algorithms are compared with each other, too: what the tables' calls give with what *direct* gives.

The limit of `direct` is one increment a cycle, for the processor stores no more; the last table has what this machine
does when increments are all there is, in a table of the same size.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cemvis import _core
from cemvis.kernels.two_point import difference_counts, directional_counts, pair_counts, plan

LEVELS = 191
SIDE = 384
THREADS = 2
Call = Callable[[], object]


@cache
def paper_map(side: int = SIDE, levels: int = LEVELS) -> np.ndarray:
    """Levels of a smooth random field, more dark than bright ones, all of them in use."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    noise = np.fft.rfft2(rng.standard_normal((side, side)))
    field = np.fft.irfft2(noise / (0.02 + frequency) ** 1.5, (side, side))
    ranks = field.ravel().argsort().argsort().reshape(side, side) / side**2
    return (ranks**1.5 * levels).astype(np.uint8)


def half_plane(r_max: int) -> list[tuple[int, int]]:
    every = ((dy, dx) for dy in range(r_max + 1) for dx in range(-r_max, r_max + 1) if (dy, dx) >= (0, 0))
    return [h for h in every if round(math.hypot(*h)) <= r_max]


def places(side: int, shifts: list[tuple[int, int]], rows: int | None = None) -> int:
    """Return the pairs of places, of first ones in so many rows from the top."""
    rows = rows or side
    return sum(min(rows, side - dy) * (side - abs(dx)) for dy, dx in shifts if dy < side and abs(dx) < side)


class Rounds:
    """Seconds of contenders that take turns. One that does a share of the work is charged for all of it."""

    def __init__(self, title: str, contenders: dict[str, tuple[Call, float]], rounds: int = 3) -> None:
        self.title = title
        self.shares = {name: share for name, (_, share) in contenders.items()}
        self.seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, (call, share) in contenders.items():
                began = time.perf_counter()
                call()
                self.seconds[name].append((time.perf_counter() - began) / share)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, slow: str, fast: str) -> float:
        return statistics.median(a / b for a, b in zip(self.seconds[slow], self.seconds[fast], strict=True))

    def show(self, rival: str, bars: dict[str, float]) -> None:
        """Print each contender and how many times as long the rival takes; a bar is the least it should be."""
        print(f"\n{self.title}\n\n| | seconds | {rival} takes | bar |\n| --- | --- | --- | --- |")
        for name in self.seconds:
            mark = "" if self.shares[name] == 1 else f" (extrapolated from {self.shares[name]:.2%} of the work)"
            ratio = "" if name == rival else f"{self.ratio(rival, name):,.3g} x"
            bar = judged(self.ratio(rival, name), bars[name]) if name in bars else ""
            print(f"| {name}{mark} | {self.median(name):,.4f} | {ratio} | {bar} |")


def judged(ratio: float, bar: float) -> str:
    return f"{bar:g} x: {'met' if ratio >= bar else 'NOT met'}"


def graycomatrix_sample(image: np.ndarray, r_max: int, count: int) -> tuple[Call, float]:
    """A call of graycomatrix for each displacement of a sample, and which share of all pairs of places they have."""
    from skimage.feature import graycomatrix

    every = half_plane(r_max)[1:]
    chosen = [every[i] for i in np.random.default_rng(1).permutation(len(every))[:count]]

    def matrix(dy: int, dx: int) -> np.ndarray:
        return graycomatrix(image, [math.hypot(dy, dx)], [math.atan2(dy, dx)], levels=256)[:, :, 0, 0]

    check_graycomatrix(image, matrix)
    side = len(image)
    return lambda: [matrix(*h) for h in chosen], places(side, chosen) / places(side, every)


def check_graycomatrix(image: np.ndarray, matrix: Callable[[int, int], np.ndarray]) -> None:
    ours = pair_counts(image, r_max=2)
    total = [np.zeros((256, 256), np.uint64) for _ in range(3)]
    for h in half_plane(2)[1:]:
        total[round(math.hypot(*h))] += matrix(*h).astype(np.uint64)
    for r in (1, 2):
        assert (np.triu(total[r] + np.tril(total[r], -1).T) == ours.dense(r)).all()


def indicator_sample(image: np.ndarray, r_max: int, count: int) -> tuple[Call, float]:
    """The counts of some pairs of levels by scipy.fft, of all rings."""
    from scipy import fft

    levels = np.unique(image)
    high, low = np.tril_indices(len(levels))
    rng = np.random.default_rng(2)
    chosen = [(int(levels[low[k]]), int(levels[high[k]])) for k in rng.permutation(len(high))[:count]]
    shape = [fft.next_fast_len(side + r_max, real=True) for side in image.shape]
    dy, dx = np.ogrid[: r_max + 1, -r_max : r_max + 1]
    rings = np.rint(np.hypot(dy, dx)).astype(int)
    rings[(dy == 0) & (dx < 0)] = r_max + 1
    rings = np.minimum(rings, r_max + 1)

    def counts(i: int, j: int) -> np.ndarray:
        first, second = (fft.rfft2(image == level, shape, workers=1) for level in (i, j))
        product = first.conj() * second
        lags = fft.irfft2(product if i == j else product + product.conj(), shape, workers=1)
        near = np.rint(lags[: r_max + 1][:, np.arange(-r_max, r_max + 1)])
        return np.bincount(rings.ravel(), near.ravel(), r_max + 2)[: r_max + 1]

    found = pair_counts(image, r_max=r_max)
    for i, j in chosen:
        ring_sums = counts(i, j)
        assert (ring_sums[1:] == found.level_pairs(i, j)[1:]).all()
    return lambda: [counts(i, j) for i, j in chosen], count / len(high)


def numpy_sample(image: np.ndarray, mask: np.ndarray, r_max: int, count: int, *, reduced: bool) -> tuple[Call, float]:
    """Some first pixels with all valid pixels after them."""
    y, x = np.nonzero(mask)
    grey = image[mask].astype(np.int64)
    cells = 256 if reduced else 32896

    def counts(chosen: np.ndarray) -> np.ndarray:
        total = np.zeros((r_max + 2) * cells, np.int64)
        for p in chosen:
            ring = np.rint(np.hypot(y[p:] - y[p], x[p:] - x[p])).astype(np.int64)
            near = ring <= r_max
            g = grey[p:][near]
            high, low = np.maximum(g, grey[p]), np.minimum(g, grey[p])
            cell = high - low if reduced else high * (high + 1) // 2 + low
            np.add.at(total, ring[near] * cells + cell, 1)
        return total[: (r_max + 1) * cells].reshape(r_max + 1, cells)

    few = np.zeros_like(mask)
    few[y[:300], x[:300]] = True
    one_by_one = counts(np.arange(300))
    assert one_by_one.sum() > 0
    count_few = difference_counts if reduced else pair_counts
    y, x, grey = y[:300], x[:300], grey[:300]
    assert (counts(np.arange(300)) == count_few(image, r_max=r_max, mask=few).counts).all()
    y, x = np.nonzero(mask)
    grey = image[mask].astype(np.int64)
    chosen = np.arange(0, len(y), max(1, len(y) // count))
    return lambda: counts(chosen), len(chosen) / len(y)


def whole(call: Call) -> tuple[Call, float]:
    return call, 1.0


def ours(
    image: np.ndarray, r_max: int, *, reduced: bool, rows: int, mask: np.ndarray | None
) -> dict[str, tuple[Call, float]]:
    count: Callable[..., object] = difference_counts if reduced else pair_counts
    side, every = len(image), half_plane(r_max)
    share = 1.0 if rows == side else places(side, every, rows) / places(side, every)
    return {
        f"cemvis, {threads} thread{'s' if threads > 1 else ''}": (
            lambda threads=threads: count(image, r_max=r_max, mask=mask, core_rows=(0, rows), threads=threads),
            share,
        )
        for threads in (1, THREADS)
    }


def check_algorithms(image: np.ndarray, r_max: int, rows: int, mask: np.ndarray | None) -> None:
    """All that the tables time counts the same pairs as *direct*, in the rows that are timed."""
    how: dict[str, Any] = {"r_max": r_max, "mask": mask, "core_rows": (0, rows), "threads": THREADS}
    wanted = pair_counts(image, algorithm="direct", **how)
    pairs, differences = pair_counts(image, **how), difference_counts(image, **how)
    assert (pairs.counts == wanted.counts).all()
    assert (differences.counts == wanted.differences().counts).all()


BARS = {  # of one thread and of two; with 5 % of the pixels, of two alone
    ("C", 191, 1.0): (3.0, 6.0),
    ("D", 191, 1.0): (11.0, 20.0),
    ("D", 50, 1.0): (5.0, 9.0),
    ("C", 191, 0.05): (None, 80.0),
    ("D", 191, 0.05): (None, 500.0),
}


def bars_of(what: str, side: int, r_max: int, share: float) -> dict[str, float]:
    names = ("cemvis, 1 thread", f"cemvis, {THREADS} threads")
    bars = BARS.get((what, r_max, share), (None, None)) if side == SIDE else (None, None)
    return {name: bar for name, bar in zip(names, bars, strict=True) if bar is not None}


def sizes(side: int, r_max: int, share: float, rows: int, sample: int) -> None:
    """C and D of an image with a share of valid pixels, pairs that begin in the first rows; 100 %: no mask."""
    image = paper_map(side)
    mask = None if share == 1 else np.random.default_rng(3).random(image.shape) < share
    rival = graycomatrix_sample(image, r_max, sample)
    check_algorithms(image, r_max, rows, mask)
    for reduced in (False, True):
        what = "D" if reduced else "C"
        contenders = ours(image, r_max, reduced=reduced, rows=rows, mask=mask) | {"graycomatrix": rival}
        if mask is not None and share <= 0.05 and side == SIDE:
            contenders["NumPy pairs"] = numpy_sample(image, mask, r_max, 40, reduced=reduced)
        how: dict[str, Any] = {"r_max": r_max, "mask": mask, "core_rows": (0, rows), "threads": 1}
        by, of_all = (plan(image, reduced=reduced, **how | rest).algorithm for rest in ({}, {"core_rows": None}))
        by = by if by == of_all else f"{by}; of all rows {of_all}"
        rounds = Rounds(f"**{what}**: {side} x {side}, {share:.0%} valid, r up to {r_max} ({by})", contenders)
        rounds.show("graycomatrix", bars_of(what, side, r_max, share))
        if "NumPy pairs" in contenders:
            ratio = rounds.ratio("NumPy pairs", f"cemvis, {THREADS} threads")
            bar = f"; bar {judged(ratio, 20)}" if r_max == 191 else ""
            print(f"\nNumPy pairs take {ratio:,.0f} x as long as cemvis on {THREADS} threads{bar}.")


def large_differences(side: int, r_max: int, sample: int) -> None:
    """D of a large image, all of it, in one round: its transforms are not those of some of its rows."""
    image = paper_map(side)
    rival = graycomatrix_sample(image, r_max, sample)
    found = difference_counts(image, r_max=r_max, threads=THREADS)
    near = difference_counts(image, r_max=r_max // 8, algorithm="direct", threads=THREADS)
    assert (found.counts[: r_max // 8 + 1] == near.counts).all()
    assert int(found.pairs.sum()) == places(side, half_plane(r_max))
    contenders = ours(image, r_max, reduced=True, rows=side, mask=None) | {"graycomatrix": rival}
    title = f"**D**: {side} x {side}, 100% valid, r up to {r_max} ({found.algorithm}), one round"
    Rounds(title, contenders, 1).show("graycomatrix", {})


def by_algorithm(image: np.ndarray, r_max: int, levels: int, name: str) -> tuple[Call, float]:
    return whole(lambda: pair_counts(image, r_max=r_max, algorithm=name, levels=levels, threads=1))


def few_levels(side: int, r_max: int) -> None:
    for levels in (2, 32, 64):
        image = paper_map(side, levels)
        contenders = {name: by_algorithm(image, r_max, levels, name) for name in ("fourier", "direct")}
        contenders["scipy.fft"] = indicator_sample(image, r_max, min(20, levels * (levels + 1) // 2))
        if levels == 2 and (porespy := porespy_call(image)) is not None:
            contenders["PoreSpy"] = whole(porespy)
        Rounds(f"**C, {levels} levels**: {side} x {side}, r up to {r_max}, 1 thread", contenders).show("scipy.fft", {})


def porespy_call(image: np.ndarray) -> Call | None:
    try:
        from porespy import settings
        from porespy.metrics import two_point_correlation
    except ImportError:
        return None
    settings.ncores = 1
    edges = np.arange(13) + 0.5
    found = directional_counts(image, dy_max=12, dx_max=12, levels=2, reduced=False)
    rings = np.rint(np.hypot(found.dy_px[:, None], found.dx_px)).astype(int)
    rings[found.pairs == 0] = 99
    shares = found.counts[..., 2] / np.maximum(found.pairs, 1)
    wanted = [shares[rings == r].mean() for r in range(1, 13)]
    np.testing.assert_allclose(two_point_correlation(image == 1, bins=edges).pdf, wanted, rtol=1e-9)
    return lambda: two_point_correlation(image == 1)


def limit() -> None:
    """Nanoseconds a pair of places of the direct algorithm, and how many increments that is."""
    image = paper_map()
    pairs = places(SIDE, half_plane(96))
    print("\n**Limit**: direct, 1 thread, 384 x 384, r up to 96\n")
    print("| | ns a pair of places | ns an increment |\n| --- | --- | --- |")
    for name, call, each in (
        ("C", lambda: pair_counts(image, r_max=96, algorithm="direct", threads=1), 1),
        ("D", lambda: difference_counts(image, r_max=96, algorithm="direct", threads=1), 2),
    ):
        seconds = Rounds("", {name: whole(call)}).median(name)
        print(f"| {name} | {1e9 * seconds / pairs:.3f} | {each * 1e9 * seconds / pairs:.3f} |")


def machine() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    cpu = names[0].partition(":")[2].strip() if names else platform.processor()
    print(f"\n{cpu}, SIMD {_core.simd_level()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


SIZES = [
    *((SIDE, r_max, share, SIDE, 200) for share in (1.0, 0.2, 0.05) for r_max in (32, 96, 191)),
    (SIDE, 50, 1.0, SIDE, 200),
    (1024, 32, 1.0, 1024, 40),
    *((1024, r_max, share, 64, 40) for r_max, share in ((96, 1.0), (191, 1.0), (191, 0.2), (191, 0.05))),
    (4096, 32, 1.0, 128, 6),
    *((4096, r_max, share, 16, 6) for r_max, share in ((96, 1.0), (191, 1.0), (191, 0.05))),
]


@pytest.mark.parametrize(("side", "r_max", "share", "rows", "sample"), SIZES)
def test_two_point_sizes(
    side: int, r_max: int, share: float, rows: int, sample: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        sizes(side, r_max, share, rows, sample)


def test_two_point_large_differences(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        large_differences(1024, 191, 40)


def test_two_point_few_levels(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        few_levels(SIDE, 191)


def test_two_point_limit(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        limit()


def main() -> None:
    machine()
    limit()
    for case in SIZES:
        sizes(*case)
    large_differences(1024, 191, 40)
    few_levels(SIDE, 191)


if __name__ == "__main__":
    main()
