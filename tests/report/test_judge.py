from __future__ import annotations

import numpy as np
import pytest

from cemvis.models.judge import JudgedPairs, PropertyJudgement, judge_property
from cemvis.models.prediction import Prediction
from cemvis.report.judge import judge_csv, judge_figure, judge_table


def judged(*, half: float = 6.0, areas: tuple[str, ...] = ("north", "south")) -> PropertyJudgement:
    rng = np.random.default_rng(4)
    pairs = JudgedPairs.of(areas, [np.repeat([0, 1, 2], 40)] * len(areas))
    measured = rng.uniform(20, 90, len(pairs.area))
    value = measured + rng.normal(0, 4, len(measured))
    ends = np.where(np.arange(len(measured)) % 20 == 0, np.nan, half)
    predicted = Prediction(value, value - ends, value + ends, np.zeros(len(measured), np.uint8))
    return judge_property(predicted, measured, pairs, name="modulus", unit="GPa", level=0.9)


def test_the_table_has_a_line_for_each_area_and_for_all() -> None:
    one = judged()
    lines = judge_table([one]).splitlines()
    assert lines[0] == "modulus, GPa"
    assert [line.split()[0] for line in lines[2:5]] == ["north", "south", "all"]
    held = one.overall.intervals
    assert lines[4].split()[1:4] == ["240", "6", f"{one.overall.scores.r2:.3f}"]
    assert lines[4].split()[6:] == [f"{held.coverage:.1%}", f"{held.lowest_coverage:.0%}", f"{held.mean_width:.3g}"]
    assert lines[5].startswith("  without an interval, ")
    assert lines[5].endswith(": 12")
    worst = one.worst_batch
    assert f"worst batch: number {worst.batch} of {worst.area} holds {worst.coverage:.0%} of 38" in lines[6]


def test_one_area_needs_no_line_for_all() -> None:
    lines = judge_table([judged(areas=("south",))]).splitlines()
    assert lines[2].split()[:3] == ["all", "120", "3"]


def test_without_intervals_the_table_and_the_rows_say_so() -> None:
    one = judged(half=np.nan)
    assert "no pair has an interval" in judge_table([one])
    assert ",predicted value," not in judge_csv([one])
    judge_figure([one], title="Model on south")


@pytest.mark.parametrize("half", [6.0, float("nan")])
def test_the_figure_has_three_panels_for_each_property(half) -> None:
    one = judged(half=half)
    figure = judge_figure([one, one], title="Model 0123 on north, south")
    assert len(figure.axes) == 6
    found = one.overall.scores
    titles = [axes.get_title(loc="left") for axes in figure.axes[:3]]
    assert titles[0] == f"R2 {found.r2:.3f}, MAE {found.mae:.3g} GPa, 240 pairs"
    assert titles[1].startswith("modulus: coverage")
    assert titles[2] == "modulus: width and error"
    assert figure.texts[0].get_text() == "Model 0123 on north, south"
