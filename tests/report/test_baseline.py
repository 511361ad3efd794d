"""The figure of plain statistics by class."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.report.baseline import Accuracy, ClassPoints, baseline_figure


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("maps", [1, 20])
def test_points_bands_and_accuracies(classes: int, maps: int) -> None:
    rng = np.random.default_rng(0)
    points = [
        ClassPoints(f"$S{number}$", rng.random(maps), rng.random(maps), rng.dirichlet(np.ones(5), maps))
        for number in range(classes)
    ]
    ways = [Accuracy(f, w, 0.5, 0.4, 0.6) for w in ("nothing", "region") for f in ("porosity", "pore size", "both")]
    figure = baseline_figure(points, ways, chance=0.5, title="T", caption="C", warnings=["class and specimen coincide"])
    scatter, bands, accuracy = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(scatter.get_legend().get_texts()) == classes
    assert len(bands.patches) == 5 * classes
    assert [patch.get_height() for patch in accuracy.patches] == [0.5] * 6
    named = [text.get_text() for text in accuracy.get_legend().get_texts()]
    assert {"chance", "all maps in the means", "without the map's region"} <= set(named)
    assert any("coincide" in text.get_text() for text in figure.texts)
    figure.canvas.draw()
