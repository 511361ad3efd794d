from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cemvis.analysis.relevance import centre_bias
from cemvis.analysis.relevance.faithfulness import Curves, verdicts
from cemvis.report import relevance as drawing
from cemvis.report.style import save_png


def panels(*, empty: bool = False) -> drawing.Panels:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (24, 24), dtype=np.uint8)
    relevance = np.zeros((24, 24)) if empty else rng.gamma(0.3, size=(24, 24))
    return drawing.Panels(
        levels, relevance, levels > 128, relevance > 1, relevance > 2, np.abs(rng.normal(size=(24, 24)))
    )


def test_colours_say_side_and_amount() -> None:
    relevance = np.array([[0.0, 1.0], [2.0, 2.0]])
    high = np.array([[True, True], [True, False]])
    coloured = drawing.two_sided(relevance, high)
    assert coloured.shape == (2, 2, 3)
    white, pale, red, blue = coloured.reshape(4, 3)
    assert white.min() > 0.9
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert pale[1] > red[1]
    assert drawing.full_colour(np.zeros((3, 3))) == 1.0


@pytest.mark.parametrize("empty", [False, True])
def test_panels_of_an_image(empty: bool, tmp_path) -> None:
    figure = drawing.image_figure(
        panels(empty=empty), pixel_size_um=0.052, porosity=True, title="A map", caption="Words."
    )
    labels = [text.get_text() for text in figure.texts]
    assert {"Nano-porosity map", "Relevance", "Regions extracted", "A map"} <= set(labels)
    assert len(figure.axes) == 8
    extracted = figure.axes[4].images[0].get_array()
    outside = np.asarray(extracted)[~panels(empty=empty).regions]
    assert np.ptp(outside, axis=1).min() > 0.1  # no grey: white pores can be told from what is left out
    for name in ("one", "two"):
        save_png(figure, tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_what_speaks_against_the_score_is_no_relevance() -> None:
    one = panels()
    signed = replace(one, relevance=np.where(one.regions, one.relevance, -5.0))
    figure = drawing.image_figure(signed, pixel_size_um=0.052, porosity=True, title="T", caption="C")
    drawn = np.asarray(figure.axes[1].images[0].get_array())
    assert drawn[~one.regions].min() > 0.9


def test_no_label_reaches_into_the_next_picture() -> None:
    one = panels()
    names = ("integrated gradients, random weights", "Grad-CAM", "i" * 60)
    maps = dict.fromkeys(names, one.relevance)
    figure = drawing.methods_figure(one.levels, maps, pixel_size_um=0.052, title="T", caption="C")
    figure.canvas.draw()
    widths = {text.get_text(): text.get_window_extent().width / figure.dpi for text in figure.texts}
    assert max(widths[name] for name in names) < drawing.PANEL_IN + drawing.GAP_IN


def test_methods_side_by_side() -> None:
    one = panels()
    maps = {f"method {number}": one.relevance for number in range(6)}
    figure = drawing.methods_figure(one.levels, maps, pixel_size_um=0.052, title="T", caption="C")
    assert len(figure.axes) == 7


def test_faithfulness_with_intervals() -> None:
    rng = np.random.default_rng(1)
    fractions = np.array([0.0, 0.3, 1.0])
    curves = {
        name: Curves(fractions, 1 - rng.random((4, 3)) * fractions, fractions + rng.random((4, 3))) for name in "ab"
    }
    found = verdicts(curves, resamplings=20)
    figure = drawing.faithfulness_figure(curves, found, unit="logit", title="T", caption="C")
    deletion, insertion, bars = figure.axes
    assert deletion.get_ylim() == insertion.get_ylim()
    for axes, part in ((deletion, "deletion"), (insertion, "insertion")):
        means = [getattr(each, part).mean(axis=0) for each in curves.values()]
        assert axes.get_ylim()[0] < np.min(means) < np.max(means) < axes.get_ylim()[1]
    assert len(deletion.lines) == len(insertion.lines) == 2
    assert [text.get_text() for text in bars.get_yticklabels()] == [each.method for each in found]
    np.testing.assert_allclose(deletion.lines[0].get_ydata(), curves[found[0].method].deletion.mean(axis=0))


def test_the_middle() -> None:
    one = panels()
    profiles = {"plain": centre_bias(one.relevance), "random weights": centre_bias(one.random)}
    means = {"plain": one.relevance, "random weights": one.random}
    figure = drawing.centre_figure(profiles, means, floor="random weights", title="T", caption="C")
    assert len(figure.axes) == 3


def test_names_of_files() -> None:
    assert drawing.file_stem("0.01 wt% GO / a") == "0.01-wt-GO-a"
    assert drawing.file_stem("..") == "all"
    assert drawing.file_stems(["a b", "A-b", "c", "глина", "пісок"]) == ["a-b", "A-b-2", "c", "all", "all-2"]
