"""Figures for publication: what is drawn is what was given, and files are the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cemvis.report.figure_files import decoded_grey, distribution_figure, save_figure
from cemvis.report.page.content import Chart, Curve
from cemvis.report.page.packing import grey_picture

CURVES = (Curve("soft", 0.7, 25.0, 2.0), Curve("hard", 0.3, 60.0, 5.0))


def chart(curves: tuple[Curve, ...] = CURVES) -> Chart:
    rng = np.random.default_rng(1)
    values = np.r_[rng.normal(25, 2, 7000), rng.normal(60, 5, 3000)]
    counts, edges = np.histogram(values, 60, (15, 80))
    return Chart("Modulus", "Modulus (GPa)", edges, counts, 10_000, 26.0, "GPa", curves)


def test_the_sum_of_the_curves_lies_on_the_bars() -> None:
    figure = distribution_figure(chart(), title="Modulus", caption="Made up.", warnings=["not supported"])
    axes = next(each for each in figure.axes if each.get_xlabel())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Modulus (GPa)", "Density (1/GPa)")
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert [*lines] == ["soft: 70 %", "hard: 30 %", "all"]
    (bars,) = axes.patches
    density, edges, _ = bars.get_data()
    middle = (edges[:-1] + edges[1:]) / 2
    drawn = np.interp(middle, *lines["all"].T)
    assert np.abs(drawn - density).max() < 0.012  # of 0.14: what 10,000 values scatter
    assert "not supported" in " ".join(text.get_text() for text in figure.texts)


@pytest.mark.parametrize("curves", [(), CURVES[:1]])
def test_one_curve_or_none_has_no_sum(curves) -> None:
    figure = distribution_figure(chart(curves), title="a $x", caption="b $y")
    assert len(figure.axes[-1].lines) == len(curves)


def test_files_are_the_same_every_time(tmp_path) -> None:
    for name in ("a.b", "c"):
        save_figure(distribution_figure(chart(), title="t", caption="c"), tmp_path / name)
    for end in (".pdf", ".png"):
        assert (tmp_path / f"a.b{end}").read_bytes() == (tmp_path / f"c{end}").read_bytes()
    with Image.open(tmp_path / "c.png") as image:
        assert image.info["dpi"][0] == pytest.approx(300, rel=1e-3)
        assert image.width > 1500


def test_pixels_come_back_from_a_data_uri() -> None:
    grey = np.tile(np.linspace(0, 255, 64), (64, 1))
    assert np.abs(decoded_grey(grey_picture(grey)) - grey).max() < 8
