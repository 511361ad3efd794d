"""What benchmarks share: the machine in the header, and ratios from interleaved runs in a closing table."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cemvis import _core
from cemvis._checks import thread_count

Contenders = dict[str, Callable[[], object]]
Bar = tuple[str, str, str, float]
"""Two contenders, "at least" or "at most", and what the first one's time over the second one's is to be."""


@dataclass(frozen=True)
class Comparison:
    """Seconds of each contender, and how many times longer than the first one each took in the same rounds.

    `bars` has the ratios that were asked for: what was measured, and what was wanted, in words.
    """

    title: str
    seconds: dict[str, float]
    ratios: dict[str, float]
    notes: dict[str, str]
    bars: dict[str, str]

    def lines(self) -> list[str]:
        first = next(iter(self.seconds))
        width = max(map(len, self.seconds))
        return (
            [self.title]
            + [
                f"  {name:{width}}  {1e3 * seconds:11.2f} ms"
                + (f"  {self.ratios[name]:9.2f} x" if name != first else "            ")
                + (f"  {self.notes[name]}" if name in self.notes else "")
                for name, seconds in self.seconds.items()
            ]
            + [f"  {what}: {found}" for what, found in self.bars.items()]
        )


COMPARISONS = pytest.StashKey[list[Comparison]]()
MOST_SECONDS = 3.0
FEWEST_ROUNDS, MOST_ROUNDS = 3, 25


def interleaved(contenders: Contenders) -> dict[str, list[float]]:
    """Time the contenders in turn, round after round; a slow one stops once it has had its share of seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(-1, MOST_ROUNDS):
        for name, call in contenders.items():
            if turn >= FEWEST_ROUNDS and sum(seconds[name]) > MOST_SECONDS:
                continue
            began = time.perf_counter()
            call()
            if turn >= 0:  # the first turn warms up
                seconds[name].append(time.perf_counter() - began)
    return seconds


@pytest.fixture
def compare(pytestconfig: pytest.Config) -> Callable[..., Comparison]:
    """Compare contenders in interleaved runs and put the result into the closing table.

    A contender in `shares` does only that share of the work: its time is divided by it, and the table says so.
    Each of `bars` is a line below the table: the ratio, what is asked of it, and whether it is met.
    """

    def run(
        title: str,
        contenders: Contenders,
        shares: dict[str, float] | None = None,
        bars: dict[str, Bar] | None = None,
    ) -> Comparison:
        shares = shares or {}
        times = {
            name: [second / shares.get(name, 1.0) for second in seconds]
            for name, seconds in interleaved(contenders).items()
        }
        first = next(iter(times.values()))
        comparison = Comparison(
            title,
            {name: statistics.median(seconds) for name, seconds in times.items()},
            {name: ratio(seconds, first) for name, seconds in times.items()},
            {name: f"extrapolated from {share:.1%} of the work" for name, share in shares.items()},
            {
                what: judged(ratio(times[one], times[other]), *asked)
                for what, (one, other, *asked) in (bars or {}).items()
            },
        )
        pytestconfig.stash.setdefault(COMPARISONS, []).append(comparison)
        return comparison

    return run


def ratio(seconds: list[float], others: list[float]) -> float:
    """Return how many times longer than the others, round by round: the median."""
    return statistics.median(one / other for one, other in zip(seconds, others, strict=False))


def judged(found: float, wanted: str, bar: float) -> str:
    """Return a ratio, what was asked of it, and whether it is met."""
    met = found >= bar if wanted == "at least" else found <= bar
    return f"{found:,.2f}, {wanted} {bar:g} is wanted: {'met' if met else 'NOT met'}"


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def pytest_report_header() -> list[str]:
    versions = []
    for package in ("numpy", "scipy", "opencv-python-headless"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} absent")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return [
        f"machine: {cpu_name()}, {thread_count(None)} cores, SIMD {_core.simd_level()}{load}",
        f"rivals: {', '.join(versions)}",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    comparisons = config.stash.get(COMPARISONS, [])
    if comparisons:
        terminalreporter.section("medians of interleaved runs; x = times the first line, round by round")
        for comparison in comparisons:
            for line in comparison.lines():
                terminalreporter.write_line(line)
