"""Figures of shared patterns: what they draw, and where."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.relevance.grouping import Group, MapOrder
from cemvis.analysis.relevance.shared_nulls import NullFractions
from cemvis.analysis.relevance.shared_patterns import PatternSearch, SharedPattern, SharedPatterns
from cemvis.report import shared_patterns as drawing

RNG = np.random.default_rng(0)


def made(level: float = 0.5) -> SharedPatterns:
    order = np.array([3, 0, 5, 1, 4, 2])
    differences = RNG.uniform(0.5, 1.5, (6, 6))
    differences += differences.T
    np.fill_diagonal(differences, 0)
    overlays = RNG.uniform(0, 1, (2, 8, 12))
    groups = (Group(0, 2, order[:2], 0.3), Group(3, 6, order[3:], 0.4))
    patterns = tuple(SharedPattern(group, each, level) for group, each in zip(groups, overlays, strict=True))
    return SharedPatterns(differences, MapOrder(order, 12.5, 20.25, {"ward": 13.0}), patterns, PatternSearch())


def test_the_matrix_is_drawn_before_and_after_with_its_groups() -> None:
    found = made()
    figure = drawing.order_figure(found, title="T" * 200, caption="C")
    figure.canvas.draw()
    given, ordered, bar = figure.axes
    order = found.ordered.order
    off = ~np.eye(6, dtype=bool)
    assert np.array_equal(given.images[0].get_array()[off], found.differences[off])
    assert np.array_equal(ordered.images[0].get_array()[off], found.differences[np.ix_(order, order)][off])
    assert np.isnan(np.ma.filled(given.images[0].get_array(), np.nan)[~off]).all()
    assert given.images[0].get_clim() == ordered.images[0].get_clim()
    assert not given.patches
    boxes = [(each.get_x(), each.get_y(), each.get_width(), each.get_height()) for each in ordered.patches]
    assert boxes == [(0.5, 0.5, 2, 2), (3.5, 3.5, 3, 3)]
    for number, text in enumerate(ordered.texts):
        box, panel = text.get_window_extent(), ordered.get_window_extent()
        assert text.get_text().strip() == str(number + 1)
        assert panel.x0 <= box.x0 <= box.x1 <= panel.x1
        assert panel.y0 <= box.y0 <= box.y1 <= panel.y1
    assert len(ordered.texts) == 2
    assert "20.25" in given.get_title()
    assert "12.5" in ordered.get_title()
    assert bar.get_ylabel().startswith("Difference")


@pytest.mark.parametrize("pixel_size_um", [None, 0.052])
def test_overlays_have_contours_fractions_and_one_bar(pixel_size_um) -> None:
    found = {"S1": made(), "S2_$x$": made(2.0)}
    figure = drawing.patterns_figure(found, pixel_size_um=pixel_size_um, title="T", caption="C")
    figure.canvas.draw()
    *panels, bar = figure.axes
    assert len(panels) == 4
    patterns = [each for name in found for each in found[name].patterns]
    scale = pixel_size_um or 1
    for axes, pattern in zip(panels, patterns, strict=True):
        assert np.array_equal(axes.images[0].get_array(), pattern.overlay)
        assert axes.images[0].get_extent() == pytest.approx([-0.5 * scale, 11.5 * scale, 7.5 * scale, -0.5 * scale])
        assert axes.images[0].norm.vmax == panels[0].images[0].norm.vmax
        assert f"{pattern.fraction:.1%}" in axes.get_title()
        # A contour that nothing is inside of is not drawn.
        assert bool(axes.collections) == (pattern.level < 1)
    assert bool(panels[0].patches) == (pixel_size_um is not None)
    assert any(line.get_ydata()[0] == 0.5 for line in bar.lines)
    assert not any(line.get_ydata()[0] == 2.0 for line in bar.lines)


def test_an_overlay_of_nothing_draws() -> None:
    found = made()
    blank = tuple(SharedPattern(each.group, np.zeros((8, 12)), 0.5) for each in found.patterns)
    nothing = SharedPatterns(found.differences, found.ordered, blank, found.search)
    figure = drawing.patterns_figure({"S1": nothing}, pixel_size_um=None, title="T", caption="")
    figure.canvas.draw()
    assert "shared 0.0%" in figure.axes[0].get_title()


def test_fractions_stand_beside_their_nulls() -> None:
    found = {"S1": made(), "S2": made()}
    chance = NullFractions("displaced", np.array([[0.1, 0.2], [0.2, 0.4], [0.0, 0.1]]), found["S1"].fractions)
    figure = drawing.fractions_figure(found, {"S1": [chance]}, title="T", caption="C")
    figure.canvas.draw()
    axes = figure.axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["S1", f"relevance displaced (p {chance.p_value:.2g})", "S2"]
    assert axes.lines[0].get_xdata() == pytest.approx(found["S1"].fractions)
    assert axes.lines[1].get_xdata() == pytest.approx([found["S1"].fractions.mean()])
    assert axes.lines[2].get_xdata() == pytest.approx(chance.interval())
    assert axes.lines[3].get_xdata() == pytest.approx([0.15])
    assert [line.get_ydata()[0] for line in axes.lines] == [0, 0, 1, 1, 2, 2]
