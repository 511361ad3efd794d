from __future__ import annotations

from dataclasses import replace

import numpy as np

from cemvis.models.calibration_curve import probabilities, reliability
from cemvis.models.map_classifier_scores import classifier_scores
from cemvis.report.classification import Shown, class_card, classification_figure, scores_text
from cemvis.report.style import save_png
from class_models import learner_class_model, pore_class_model


def shown(classes: tuple[str, ...], features: str = "mulf") -> Shown:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % len(classes)
    scores = rng.normal(size=(60, len(classes))) + 2 * np.eye(len(classes))[labels]
    groups = labels * 10 + np.arange(60) // 20
    found = classifier_scores(labels, scores.argmax(axis=1), groups, groups, classes=classes)
    curves = [reliability(probabilities(scores, temperature=t), labels) for t in (0.3, 1.0)]
    return Shown(features, found, *curves)


def texts(figure) -> list[str]:
    return [each.get_text() for axes in figure.axes for each in axes.texts] + [each.get_text() for each in figure.texts]


def test_the_figure_shows_counts_chance_and_warnings(tmp_path) -> None:
    parts = [shown(("plain", "graphene oxide 0.02 wt%", "c")), shown(("plain", "b", "c"), "micf")]
    arguments = {"title": "three classes", "caption": "tested", "warnings": ["class and specimen coincide"]}
    figure = classification_figure(parts, **arguments)
    said = texts(figure)
    for row in parts[0].scores.confusion:
        assert any(text.startswith(f"{max(row)}\n") for text in said)
    assert any("WARNING: class and specimen coincide" in text for text in said)
    legends = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    assert "chance: 0.33" in legends
    for name in ("a.png", "b.png"):
        save_png(classification_figure(parts[:1], **arguments), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_many_classes_leave_the_cells_empty() -> None:
    names = tuple(f"class{index}" for index in range(15))
    figure = classification_figure([shown(names)], title="t", caption="c")
    assert not any("\n" in text and "%" in text for text in texts(figure))


def test_long_names_still_differ() -> None:
    names = [*(f"graphene oxide 0.0{dose} wt%" for dose in (1, 2)), "plain", "a very long name, one", "a very, one"]
    figure = classification_figure([shown((*names, "a veryer name, one"))], title="t", caption="c")
    for ticks in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()):
        said = [each.get_text() for each in ticks]
        assert len(set(said)) == 6
        assert max(map(len, said)) <= 14
        assert said[1:3] == ["graphe\N{HORIZONTAL ELLIPSIS}.02 wt%", "plain"]
    assert len({each.get_text() for each in figure.axes[2].get_yticklabels()}) == 7


def test_nothing_is_written_over_a_curve() -> None:
    figure = classification_figure([shown(("plain", "b"))], title="t", caption="c")
    figure.canvas.draw()
    axes = figure.axes[1]
    assert not axes.get_legend().get_window_extent().overlaps(axes.get_window_extent())
    small = axes.get_legend().get_window_extent().y0
    assert small > figure.texts[-1].get_window_extent().y1


def test_the_scores_as_text() -> None:
    one = shown(("plain", "graphene"))
    text = scores_text([one])
    assert f"MulF: accuracy {one.scores.accuracy:.3f}" in text
    assert "chance 0.500" in text
    assert "95 % by 6 regions" in text
    alone = replace(one, scores=replace(one.scores, interval=replace(one.scores.interval, low=None, by="none")))
    assert "no interval" in scores_text([alone])


def test_the_card_begins_with_what_limits_the_model() -> None:
    card = class_card(pore_class_model())
    assert card.startswith("WARNING: class and specimen coincide\n")
    for text in (
        "plain, graphene",
        "channels 4, 4, 6",
        "52 nm",
        "0.750 (0.6 to 0.9, 95 % by 4 specimens); chance 0.500",
    ):
        assert text in card
    card = class_card(replace(learner_class_model(), warnings=()))
    assert card.startswith("tells apart")
    assert "knn on porosity and two-point statistics" in card
