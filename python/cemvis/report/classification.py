"""Classes told apart, as pictures and text: confusion, reliability, accuracy beside chance, and a classifier's card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cemvis.models.calibration_curve import Reliability
from cemvis.models.map_classifier_model import BACKBONE, NETWORK, PORE_NETWORK, ClassModel
from cemvis.models.map_classifier_scores import ClassifierScores
from cemvis.report import style
from cemvis.report.deconvolution import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN_IN, TITLE_IN, LEFT_IN, ABOVE_IN, BELOW_IN = 0.22, 0.36, 1.2, 0.34, 0.98
PANEL_IN, SCORES_IN = 2.7, 2.4
NAMES = {"mulf": "MulF", "micf": "MicF"}
_MOST_LETTERS = 14
_MOST_NUMBERS = 8  # classes whose cells can hold their numbers
_LABEL = 22


@dataclass(frozen=True)
class Shown:
    """What is shown of one kind of maps."""

    features: str
    scores: ClassifierScores
    before: Reliability
    after: Reliability


def classification_figure(shown: Sequence[Shown], *, title: str, caption: str, warnings: Sequence[str] = ()) -> Figure:
    """Return a figure with a row for each kind of maps: confusion, reliability, and scores beside chance.

    Parameters
    ----------
    shown : sequence of Shown
    title, caption : str
    warnings : sequence of str
        Shown in a banner.
    """
    wide = 3 * LEFT_IN + 2 * PANEL_IN + SCORES_IN
    banner = style.banner_lines(warnings, wide)
    small = style.wrap(caption, wide, size_pt=style.SMALL_PT)
    top = MARGIN_IN + TITLE_IN + style.banner_height_in(banner)
    row_in = ABOVE_IN + PANEL_IN + BELOW_IN
    below = top + row_in * len(shown)
    height = below + style.lines_height_in(len(small), size_pt=style.SMALL_PT) + MARGIN_IN
    figure = style.new_figure(2 * MARGIN_IN + wide, height)
    style.add_text_in(figure, MARGIN_IN, MARGIN_IN, title, fontsize=style.TITLE_PT, weight="bold")
    style.draw_banner(figure, MARGIN_IN, MARGIN_IN + TITLE_IN, wide, banner)
    for number, one in enumerate(shown):
        row = top + number * row_in + ABOVE_IN
        left = MARGIN_IN + LEFT_IN
        _draw_confusion(style.add_axes_in(figure, left, row, PANEL_IN, PANEL_IN), one)
        left += PANEL_IN + LEFT_IN
        _draw_reliability(style.add_axes_in(figure, left, row, PANEL_IN, PANEL_IN), one)
        left += PANEL_IN + LEFT_IN
        _draw_scores(style.add_axes_in(figure, left, row, SCORES_IN, PANEL_IN), one)
    style.add_text_in(figure, MARGIN_IN, below, "\n".join(small), fontsize=style.SMALL_PT, color=style.SOFT_INK)
    return figure


def class_card(model: ClassModel) -> str:
    """Return what a classifier is, what it was trained on and how good it is, as text; warnings come first."""
    rows = list(_card_rows(model))
    lines = [f"WARNING: {text}" for text in model.warnings] + [""] * bool(model.warnings)
    return "\n".join([*lines, *(f"{label:<{_LABEL}}{text}".rstrip() for label, text in rows)])


def accuracy_text(accuracy: float, low: float | None, high: float | None, by: str, groups: int, chance: float) -> str:
    """Return an accuracy with its interval and chance, for example "0.913 (0.86 to 0.95, 12 specimens); chance 0.5"."""
    interval = "no interval: one region of a class" if low is None or high is None else f"{low:.3g} to {high:.3g}"
    groups_text = "" if by == "none" else f", 95 % by {groups} {by}s"
    return f"{accuracy:.3f} ({interval}{groups_text}); chance {chance:.3f}"


def scores_text(shown: Sequence[Shown]) -> str:
    """Return the scores as a table of text: accuracy, then precision, recall and F1 of each class."""
    lines = []
    for one in shown:
        scores, interval = one.scores, one.scores.interval
        found = accuracy_text(scores.accuracy, interval.low, interval.high, interval.by, interval.groups, scores.chance)
        lines.append(f"{NAMES[one.features]}: accuracy {found}, {scores.maps:,} maps")
        lines.append(
            f"  calibration error {one.after.expected_error:.3f} ({one.before.expected_error:.3f} without scaling)"
        )
        wide = max(len(each.name) for each in scores.per_class)
        lines.append(f"  {'':<{wide}}{'maps':>7}{'precision':>11}{'recall':>8}{'F1':>7}")
        lines += [
            f"  {each.name:<{wide}}{each.maps:>7,}{each.precision:>11.3f}{each.recall:>8.3f}{each.f1:>7.3f}"
            for each in scores.per_class
        ]
    return "\n".join(lines)


def _card_rows(model: ClassModel) -> Iterator[tuple[str, str]]:
    training, test = model.training, model.test
    yield "tells apart", ", ".join(model.classes)
    yield "classifier", _classifier(model)
    kind = NAMES[model.features] + ("" if model.sigma_px is None else f" (Gaussian, sigma {model.sigma_px:g} px)")
    edge = f"{model.size_px} px, {model.size_px * model.pixel_size_um:.4g} um"
    yield "reads", f"{kind} nano-porosity maps of {edge} along an edge, pixels of {model.pixel_size_um * 1e3:.4g} nm"
    yield "trained on", f"{training.train_maps:,} maps, validated on {training.validation_maps:,}; seed {training.seed}"
    yield "images seen", f"{len(training.seen):,}; maps {training.maps_digest[:16]}"
    fold = f" (fold {training.fold} of {training.folds})" if training.folds > 1 else ""
    yield "tested on", f"{training.test_maps:,} maps, left out by {training.tested_by}{fold}"
    found = accuracy_text(test.accuracy, test.low, test.high, test.interval_by, test.interval_groups, test.chance)
    yield "accuracy", found
    yield "balanced accuracy", f"{test.balanced_accuracy:.3f}"
    yield "calibration error", f"{test.expected_error:.3f} at temperature {model.temperature:.3g}"
    yield "cemvis", model.version


def _classifier(model: ClassModel) -> str:
    network = f"seven-convolution network, channels {', '.join(map(str, model.channels))}"
    if model.classifier == PORE_NETWORK:
        return network if len(model.channels) == 7 else network.replace("seven-convolution ", "")
    backbone = f"features of {model.backbone} (weights {model.backbone_digest[:16]}, not in the file)"
    if model.classifier == BACKBONE:
        return f"linear layer on {backbone}"
    on = {NETWORK: f"features of the {network}", BACKBONE: backbone}.get(
        model.describe, "porosity and two-point statistics"
    )
    return f"{model.classifier} on {on}"


def _short(names: Sequence[str]) -> list[str]:
    """Return names of few letters that still differ: cut in the middle, since doses and numbers stand at the end."""
    head, tail = _MOST_LETTERS // 2 - 1, _MOST_LETTERS // 2
    found = [
        f"{name[:head]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}" if len(name) > _MOST_LETTERS else name for name in names
    ]
    return [
        name if found.count(name) == 1 else f"{number}: {name[: _MOST_LETTERS - 4]}"
        for number, name in enumerate(found, start=1)
    ]


def _draw_confusion(axes: Axes, one: Shown) -> None:
    from matplotlib.colors import Normalize

    shares, counts = one.scores.row_shares, one.scores.confusion
    number = len(counts)
    axes.imshow(shares, cmap=style.VALUE_COLOURS, norm=Normalize(0, 1), interpolation="nearest")
    if number <= _MOST_NUMBERS:
        size = style.TEXT_PT if number <= 5 else style.SMALL_PT * 5 / number
        for row in range(number):
            for column in range(number):
                text = f"{counts[row][column]}\n{100 * shares[row, column]:.0f} %"
                colour = style.INK if shares[row, column] > 0.5 else "white"
                axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)
    names = _short(one.scores.classes)
    turned = max(map(len, names)) * number > 24
    axes.set_xticks(
        range(number), names, parse_math=False, rotation=35 if turned else 0, ha="right" if turned else "center"
    )
    axes.set_yticks(range(number), names, parse_math=False)
    axes.set_xlabel("answer", fontsize=style.TEXT_PT)
    axes.set_ylabel("true class", fontsize=style.TEXT_PT)
    axes.set_title(f"{NAMES[one.features]}: maps, share of the row", fontsize=style.PANEL_TITLE_PT, loc="left")


def _draw_reliability(axes: Axes, one: Shown) -> None:
    axes.plot([0, 1], [0, 1], color=style.SOFT_INK, lw=0.8, ls="--", label="perfect")
    for curve, colour, marker, name in (
        (one.before, COLOURS[1], "s", "as it comes"),
        (one.after, COLOURS[0], "o", "temperature scaled"),
    ):
        there = np.array(curve.count) > 0
        confidence = np.array(curve.confidence, dtype=np.float64)[there]
        accuracy = np.array(curve.accuracy, dtype=np.float64)[there]
        sizes = 12 + 80 * np.array(curve.count)[there] / one.scores.maps
        label = f"{name}: error {curve.expected_error:.3f}"
        axes.plot(confidence, accuracy, color=colour, lw=1.0)
        axes.scatter(confidence, accuracy, s=sizes, color=colour, marker=marker, label=label)
    axes.axvline(1 / len(one.scores.classes), color=style.SOFT_INK, lw=0.6, ls=":")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.04)
    axes.set_xlabel("confidence (probability of the answer)", fontsize=style.TEXT_PT)
    axes.set_ylabel("share of right answers", fontsize=style.TEXT_PT)
    # Below the axes: a curve may pass anywhere in them.
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.15), fontsize=style.SMALL_PT, frameon=False)
    axes.set_title("Reliability; the larger, the more maps", fontsize=style.PANEL_TITLE_PT, loc="left")


def _draw_scores(axes: Axes, one: Shown) -> None:
    scores = one.scores
    values = [scores.accuracy, *(each.f1 for each in scores.per_class)]
    names = ["accuracy", *(f"F1 {name}" for name in _short(scores.classes))]
    at = np.arange(len(values))
    colours = [style.BAR_FILL] + ["#9db2d1"] * (len(values) - 1)
    axes.barh(at, values, color=colours, height=0.66)
    low, high = scores.interval.low, scores.interval.high
    if low is not None and high is not None:
        reach = [[max(0.0, scores.accuracy - low)], [max(0.0, high - scores.accuracy)]]
        for colour, width in (("white", 3.0), (style.INK, 1.2)):  # seen on the bar's dark part as well
            axes.errorbar([scores.accuracy], [0], xerr=reach, color=colour, lw=width, capsize=3, capthick=width, ls="")
    axes.axvline(scores.chance, color=style.ALARM, lw=1.2, ls="--", label=f"chance: {scores.chance:.2f}")
    for y, (value, fill) in enumerate(zip(values, colours, strict=True)):
        box = {"facecolor": fill, "edgecolor": "none", "pad": 1.0}  # over the line of chance, where that is low
        ink = "white" if y == 0 else style.INK
        axes.text(0.02, y, f"{value:.3f}", va="center", fontsize=style.SMALL_PT, color=ink, bbox=box, zorder=5)
    axes.set_yticks(at, names, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), fontsize=style.SMALL_PT, frameon=False)
    axes.set_title(f"{scores.maps:,} tested maps", fontsize=style.PANEL_TITLE_PT, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
