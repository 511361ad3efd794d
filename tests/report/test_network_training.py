from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from cemvis.models.history import Epoch, History
from cemvis.models.metrics import BinScores, coverage_by_value, scores
from cemvis.models.prediction import Prediction
from cemvis.report import style
from cemvis.report.network_training import (
    IntervalsByValue,
    NetworkPairs,
    coverage_csv,
    coverage_figure,
    history_figure,
    network_figure,
)


def history(epochs: int) -> History:
    return History(tuple(Epoch(n + 1, 1e-5 * 0.9 ** (n // 5), 0.9**n, 0.8**n + 0.01 * n) for n in range(epochs)))


def pairs(name: str, *, scale: float = 1.0) -> NetworkPairs:
    rng = np.random.default_rng(4)
    measured = scale * rng.uniform(10, 130, 600)
    value = measured + scale * rng.normal(0, 6, 600)
    predicted = Prediction(value, value - 8 * scale, value + 8 * scale, np.zeros(600, np.uint8))
    train, neighbours, test = np.split(np.arange(600), [400, 450])
    return NetworkPairs(name, "GPa", measured, predicted, train, neighbours, test)


def intervals(name: str) -> IntervalsByValue:
    shown = pairs(name)
    bins = coverage_by_value(shown.predicted, shown.measured, batches=np.arange(600) // 30)
    return IntervalsByValue(name, "GPa", 0.9, bins)


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


@pytest.mark.parametrize("epochs", [1, 2, 37, 400])
def test_the_history_shows_each_epoch_and_marks_the_best(epochs) -> None:
    shown = history(epochs)
    losses, rates = history_figure(shown).axes
    train, validation, kept = losses.get_lines()[:3]
    np.testing.assert_array_equal(train.get_xdata(), np.arange(1, epochs + 1))
    np.testing.assert_array_equal(train.get_ydata(), [one.train_loss for one in shown.epochs])
    np.testing.assert_array_equal(validation.get_ydata(), [one.validation_loss for one in shown.epochs])
    assert list(kept.get_xdata()) == [min(epochs, 15)]
    assert list(kept.get_ydata()) == [min(one.validation_loss for one in shown.epochs)]
    assert losses.get_ylim()[1] > max(one.validation_loss for one in shown.epochs)
    assert rates.get_yscale() == "log"
    (stairs,) = rates.patches
    np.testing.assert_array_equal(stairs.get_data().values, [one.learning_rate for one in shown.epochs])
    assert any(rates.get_ylim()[0] <= tick <= rates.get_ylim()[1] for tick in rates.get_yticks())


def test_a_constant_rate_and_a_loss_of_zero_can_be_drawn(tmp_path) -> None:
    flat = History(tuple(Epoch(n + 1, 1e-3, 0.0, 0.0) for n in range(3)))
    style.save_png(history_figure(flat), tmp_path / "flat.png")


def test_predicted_over_measured_values_for_each_set_with_its_scores() -> None:
    shown = [pairs("modulus"), pairs("hardness", scale=0.04)]
    figure = network_figure(shown)
    assert len(figure.axes) == 6
    for one, row in zip(shown, (figure.axes[:3], figure.axes[3:]), strict=True):
        sets = ("trained on", one.train), ("their neighbours", one.neighbours), ("test batches", one.test)
        for axes, (label, chosen) in zip(row, sets, strict=True):
            found = scores(one.measured[chosen], one.predicted.value[chosen])
            words = f"{label}: R2 {found.r2:.3f}, MAE {found.mae:.3g} GPa, {len(chosen):,} pairs"
            assert axes.get_title(loc="left") == words
            assert axes.get_xlabel() == f"measured {one.name} (GPa)"
            assert axes.collections[0].get_array().sum() == len(chosen)


def test_coverage_is_drawn_with_its_range_and_the_wanted_level() -> None:
    one = intervals("modulus")
    coverage, widths = coverage_figure([one]).axes
    assert list(coverage.get_lines()[0].get_ydata()) == [0.9, 0.9]
    points, _, (across, upright) = coverage.containers[0]
    np.testing.assert_allclose(points.get_ydata(), [each.coverage for each in one.bins])
    ends = np.array([segment[:, 1] for segment in upright.get_segments()])
    np.testing.assert_allclose(ends, [(each.coverage_low, each.coverage_high) for each in one.bins])
    ends = np.array([segment[:, 0] for segment in across.get_segments()])
    np.testing.assert_allclose(ends, [(each.low, each.high) for each in one.bins])
    assert list(widths.containers[0][0].get_ydata()) == [each.mean_width for each in one.bins]
    assert list(widths.containers[1][0].get_ydata()) == [each.mae for each in one.bins]
    assert titles(coverage.figure) == ["modulus: coverage, 600 pairs", "modulus: width and error"]


def test_without_intervals_the_figure_says_so() -> None:
    figure = coverage_figure([IntervalsByValue("hardness", "GPa", 0.9, ())])
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["no intervals"] * 2


def shown_texts(figure: Figure) -> list[Text]:
    """Every text that is drawn, without the labels of ticks beyond the ends of an axis."""
    beyond = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                beyond |= {tick.label1, tick.label2}
    labels = figure.findobj(lambda part: isinstance(part, Text) and part.get_visible() and part.get_text().strip())
    return [text for text in labels if text not in beyond]


@pytest.mark.parametrize(
    "figure",
    [
        history_figure(history(1)),
        history_figure(history(100)),
        network_figure([pairs("modulus"), pairs("hardness", scale=0.04)]),
        coverage_figure([intervals("modulus"), IntervalsByValue("hardness", "GPa", 0.9, ())]),
    ],
    ids=["one epoch", "history", "network", "coverage"],
)
def test_no_text_overlaps_another_or_leaves_the_figure(figure) -> None:
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown_texts(figure)]
    boxes = [(text, box) for text, box in boxes if box.width > 0]
    assert len(boxes) > 8
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text
    for (one, box), (other, other_box) in combinations(boxes, 2):
        assert not box.padded(-0.5).overlaps(other_box.padded(-0.5)), (one, other)


def test_the_same_figure_gives_the_same_bytes(tmp_path) -> None:
    for name in ("one.png", "two.png"):
        style.save_png(coverage_figure([intervals("modulus")]), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_table_of_coverage_holds_each_number_under_its_name() -> None:
    one = BinScores(10.0, 20.0, 33, 4, 0.91, 0.85, 0.95, 12.5, 3.25)
    table = pd.read_csv(io.StringIO(coverage_csv([IntervalsByValue("modulus", "GPa", 0.9, (one, one))])))
    assert len(table) == 2
    assert table.iloc[0].to_dict() == {
        "property": "modulus",
        "predicted_from_gpa": 10.0,
        "predicted_to_gpa": 20.0,
        "pairs": 33,
        "batches": 4,
        "coverage": 0.91,
        "coverage_low": 0.85,
        "coverage_high": 0.95,
        "mean_width_gpa": 12.5,
        "mae_gpa": 3.25,
    }
