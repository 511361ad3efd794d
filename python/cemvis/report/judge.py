"""A model judged on other areas: a figure, a table for the console, and rows for a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cemvis.models.judge import AreaScores, PropertyJudgement
from cemvis.report import style
from cemvis.report.network_training import IntervalsByValue, draw_coverage, draw_widths
from cemvis.report.training import ABOVE_IN, BELOW_IN, LEFT_IN, MARGIN_IN, PANEL_IN, TITLE_IN, draw_agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = (
    *("property", "of", "area", "batch", "predicted_from_gpa", "predicted_to_gpa", "pairs", "r2", "bias_gpa"),
    *("mae_gpa", "mse_gpa2", "with_interval", "coverage", "coverage_low", "coverage_high", "width_gpa"),
)


def judge_figure(judged: Sequence[PropertyJudgement], *, title: str) -> Figure:
    """Return a figure with a row for each property: agreement, coverage over the predicted value, and widths."""
    wide, high = PANEL_IN
    row_in = ABOVE_IN + high + BELOW_IN
    figure = style.new_figure(3 * (LEFT_IN + wide) + 2 * MARGIN_IN, TITLE_IN + row_in * len(judged) + MARGIN_IN)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    for number, one in enumerate(judged):
        top = TITLE_IN + ABOVE_IN + number * row_in
        panels = [
            style.add_axes_in(figure, MARGIN_IN + LEFT_IN + column * (wide + LEFT_IN), top, wide, high)
            for column in range(3)
        ]
        draw_agreement(panels[0], one.measured, one.predicted.value, name=one.name, unit=one.unit)
        found = one.overall.scores
        words = f"R2 {found.r2:.3f}, MAE {found.mae:.3g} {one.unit}, {found.n:,} pairs"
        panels[0].set_title(words, fontsize=style.PANEL_TITLE_PT, loc="left")
        shown = IntervalsByValue(one.name, one.unit, one.level, one.by_value)
        draw_coverage(panels[1], shown)
        draw_widths(panels[2], shown)
    return figure


def judge_table(judged: Sequence[PropertyJudgement]) -> str:
    """Return scores and coverage of every property, by area and all together, as a table of text."""
    names = [each.area for each in judged[0].areas]
    first = max(len("area"), *map(len, names)) + 2
    lines = []
    for one in judged:
        lines.append(f"{one.name}, {one.unit}")
        head = f"  {'area':<{first}}{'pairs':>8}{'batches':>9}{'R2':>8}{'MAE':>9}{'MSE':>10}"
        lines.append(f"{head}{f'held of {one.level:.0%}':>14}{'worst':>8}{'width':>9}")
        rows = [*one.areas, one.overall] if len(one.areas) > 1 else [one.overall]
        lines += [_line(each, first) for each in rows]
        lines += [f"  {text}" for text in _remarks(one)]
        lines.append("")
    lines.append(
        "held: share of the measured values in the intervals, averaged over batches; worst: of the worst batch."
    )
    return "\n".join(lines)


def judge_csv(judged: Sequence[PropertyJudgement]) -> str:
    """Return all numbers as CSV: rows of all pairs, of each area, of each bin of predicted values, of each batch."""
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for one in judged:
        for row in _rows(one):
            table.writerow({"property": one.name} | row)
    return text.getvalue()


def judge_record(one: PropertyJudgement) -> dict[str, Any]:
    """Return all numbers of a property, JSON-ready, without the pairs themselves."""
    return {
        "unit": one.unit,
        "level": one.level,
        "overall": asdict(one.overall),
        "areas": [asdict(each) for each in one.areas],
        "coverage_by_predicted_value": [asdict(each) for each in one.by_value],
        "batches": [asdict(each) for each in one.batches],
    }


def _line(each: AreaScores, first: int) -> str:
    found, held = each.scores, each.intervals
    start = f"  {each.area:<{first}}{found.n:>8,}{each.batches:>9}{found.r2:>8.3f}{found.mae:>9.3g}{found.mse:>10.4g}"
    if held is None:
        return f"{start}{'none':>14}"
    return f"{start}{held.coverage:>14.1%}{held.lowest_coverage:>8.0%}{held.mean_width:>9.3g}"


def _remarks(one: PropertyJudgement) -> Iterator[str]:
    held = one.overall.intervals
    if held is None:
        yield "no pair has an interval: the model promises none, or all lie outside what it was trained on"
        return
    missing = one.overall.scores.n - held.n
    if missing:
        yield f"without an interval, as their grey levels lie outside those that it was trained on: {missing:,}"
    worst = one.worst_batch
    if worst is not None and worst.coverage is not None:
        yield (
            f"worst batch: number {worst.batch} of {worst.area} holds {worst.coverage:.0%} of {worst.bounded:,}; "
            f"predicted minus measured {worst.bias:+.3g} {one.unit} on average"
        )
    low = min(one.by_value, key=lambda each: each.coverage)
    yield (
        f"by predicted value: least held from {low.low:.3g} to {low.high:.3g} {one.unit}, {low.coverage:.0%} "
        f"({low.coverage_low:.0%} to {low.coverage_high:.0%})"
    )


def _rows(one: PropertyJudgement) -> Iterator[dict[str, object]]:
    for what, each in (("all", one.overall), *(("area", area) for area in one.areas)):
        found, held = each.scores, each.intervals
        row = {"of": what, "area": each.area, "pairs": found.n, "r2": found.r2, "mae_gpa": found.mae}
        row |= {"mse_gpa2": found.mse, "with_interval": held.n if held else 0}
        yield row | ({"coverage": held.coverage, "width_gpa": held.mean_width} if held else {})
    for bin_ in one.by_value:
        yield {
            "of": "predicted value",
            "predicted_from_gpa": bin_.low,
            "predicted_to_gpa": bin_.high,
            "pairs": bin_.n,
            "mae_gpa": bin_.mae,
            "with_interval": bin_.n,
            "coverage": bin_.coverage,
            "coverage_low": bin_.coverage_low,
            "coverage_high": bin_.coverage_high,
            "width_gpa": bin_.mean_width,
        }
    for batch in one.batches:
        yield {
            "of": "batch",
            "area": batch.area,
            "batch": batch.batch,
            "pairs": batch.n,
            "bias_gpa": batch.bias,
            "mae_gpa": batch.mae,
            "with_interval": batch.bounded,
            "coverage": "" if batch.coverage is None else batch.coverage,
        }
