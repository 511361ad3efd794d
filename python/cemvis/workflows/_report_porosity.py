"""What folders of nano-porosity, its classes and their comparison say at a glance."""

from __future__ import annotations

from typing import Any

from cemvis.report.page.content import Fact
from cemvis.workflows._report_folder import dig, entries, items, number
from cemvis.workflows._report_kind import Facts, Kind, of_format


def _text(value: float | None, unit: str = "") -> str:
    return "unknown" if value is None else f"{value:.3g} {unit}".rstrip()


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.3g} to {high:.3g}"


def npm_facts(record: Any) -> Facts:
    """Return the porosity of each image."""
    images = items(record, "images")
    found = [Fact("images", str(len(images)), f"{sum(int(number(each, 'maps') or 0) for each in images)} maps")]
    for each in images[:6]:
        low, high = number(each, "whole", "porosity_low"), number(each, "whole", "porosity_high")
        found.append(Fact(f"porosity, {dig(each, 'name')}", _text(number(each, "whole", "porosity")), _span(low, high)))
    return found


def baseline_facts(record: Any) -> Facts:
    """Return how well porosity and pore size tell the classes."""
    found = []
    for each in items(record, "identification"):
        low, high = number(each, "accuracy_low"), number(each, "accuracy_high")
        note = f"{_span(low, high)}; chance {_text(number(each, 'chance'))}".removeprefix("; ")
        label = f"accuracy by {dig(each, 'feature')}, {dig(each, 'left_out')} left out"
        found.append(Fact(label, _text(number(each, "accuracy")), note))
    return found


def classify_facts(record: Any) -> Facts:
    """Return how well classes were told."""
    found = []
    for name, each in entries(record, "results"):
        scores = dig(each, "scores")
        low, high = number(scores, "interval", "low"), number(scores, "interval", "high")
        note = f"{_span(low, high)}; chance {_text(number(scores, 'chance'))}".removeprefix("; ")
        found.append(Fact(f"accuracy on {name} maps", _text(number(scores, "accuracy")), note))
        found.append(
            Fact(f"calibration error, {name}", _text(number(each, "reliability", "expected_error")), "0 is best")
        )
    return found


def explain_facts(record: Any) -> Facts:
    """Return what the relevance is like."""
    share = number(record, "characteristic_regions", "share")
    area = number(record, "characteristic_regions", "mean_area")
    alike = number(record, "random_weights", "mean_rank_correlation")
    return [
        Fact("images", _text(number(record, "explained")), f"of {_text(number(record, 'images'))} with a score"),
        Fact("area of the regions", _text(area), f"that hold {_text(share)} of the relevance"),
        Fact("as with random weights", _text(alike), "mean rank correlation"),
        Fact("conservation error", _text(number(record, "largest_conservation_error")), "largest, relative"),
    ]


def comparison_facts(record: Any) -> Facts:
    """Return the first findings."""
    found = []
    for each in items(record, "findings")[:6]:
        span, beside = _span(number(each, "low"), number(each, "high")), str(dig(each, "beside") or "")
        note = "; ".join(text for text in (span, beside) if text)
        found.append(Fact(str(dig(each, "what")), _text(number(each, "value"), str(dig(each, "unit") or "")), note))
    return found


def correlation_facts(record: Any) -> Facts:
    """Return lengths of each class."""
    found = []
    for each in items(record, "lengths"):
        for name in ("correlation", "characteristic"):
            value = number(each, f"{name}_um")
            span = _span(number(each, f"{name}_low_um"), number(each, f"{name}_high_um"))
            label = f"{name} length, {dig(each, 'of')}, {dig(each, 'class')}"
            told = "beyond what was counted" if value is None else _text(value, "\N{MICRO SIGN}m")
            found.append(Fact(label, told, span))
    return found[:12]


def shared_facts(record: Any) -> Facts:
    """Return the shared pores of each class beside chance."""
    found = []
    for name, each in entries(record, "classes"):
        fractions = [value for value in items(each, "shared_pore_fractions") if isinstance(value, (int, float))]
        nulls = [
            f"{_span(*(each if len(each) == 2 else (None, None)))} {dig(null, 'kind')}"
            for null in items(each, "nulls")
            for each in [items(null, "interval_95")]
        ]
        mean = sum(fractions) / len(fractions) if fractions else None
        found.append(Fact(f"shared pores, {name}", _text(mean), f"by chance {', '.join(nulls)}"))
    return found


POROSITY_KINDS = (
    Kind(
        "comparison",
        "Classes of paste compared, each finding beside what it has to be held against.",
        of_format("cemvis compare"),
        comparison_facts,
    ),
    Kind("nano-porosity", "Equivalent porosity of metal-intruded paste.", of_format("cemvis npm"), npm_facts),
    Kind(
        "plain statistics",
        "Classes told by porosity and pore size: what a classifier has to beat.",
        of_format("cemvis baseline"),
        baseline_facts,
    ),
    Kind(
        "classifier",
        "Classes told by a classifier, on what it never saw.",
        of_format("cemvis classify"),
        classify_facts,
    ),
    Kind("explanation", "Where a network's answers come from.", of_format("cemvis explain"), explain_facts),
    Kind(
        "correlation of classes",
        "How porosity goes with distance: in whole maps, in regions that matter, and with the same masks elsewhere.",
        of_format("cemvis correlation of classes"),
        correlation_facts,
    ),
    Kind(
        "shared patterns",
        "Patterns of relevance that maps of a class share, beside what chance makes of them.",
        of_format("cemvis shared patterns"),
        shared_facts,
    ),
)
