"""Figures of two-point correlations: what they draw, and where."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.report import two_point as drawing

AXIS = drawing.Axis(20, 0.05)
SHARES = np.exp(-np.arange(9) / 2) * np.linspace(1, 0.5, 21)[:, None]


def test_the_map_has_a_logarithmic_bar_and_its_lengths() -> None:
    shares = SHARES.copy()
    shares[:5, 8] = 0
    marks = [drawing.Mark("correlation length", 4, (3.0, 6.0)), drawing.Mark("characteristic length", 18, None)]
    figure = drawing.map_figure(shares, AXIS, difference_step=2.0, marks=marks, title="T", caption="C")
    axes, bar = figure.axes
    mesh = axes.collections[0]
    assert type(mesh.norm).__name__ == "LogNorm"
    assert mesh.norm.vmax == pytest.approx(shares[1:].max())
    values = mesh.get_array()
    assert values.shape == (9, 20)
    assert values.mask[8, :4].all()
    assert not values.mask[8, 4:].any()
    assert axes.get_ylim() == (-1, 17)
    assert axes.get_xlim() == pytest.approx((0.025, 1.025))
    assert next(line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1) == pytest.approx(0.2)
    assert [text.get_text() for text in axes.texts] == [
        "correlation length 0.2 \N{MICRO SIGN}m (0.15 to 0.3)",
        "characteristic length 0.9 \N{MICRO SIGN}m",
    ]
    assert bar.get_ylabel().startswith("Probability")


def test_a_map_of_one_level_draws() -> None:
    shares = np.ones((5, 1))
    axis = drawing.Axis(4, None)
    figure = drawing.map_figure(shares, axis, difference_step=1.0, marks=(), title="T", caption="")
    figure.canvas.draw()
    assert figure.axes[0].get_xlabel() == "Distance r (px)"


def test_curves_have_bands_limits_and_one_axis() -> None:
    values = SHARES[:, 0]
    curve = drawing.Curve("pores_$x$", values, (values - 0.1, values + 0.1), limit=0.25)
    panels = [drawing.Panel("S2", (curve,)), drawing.Panel("L", (curve,), logarithmic=True, first=1)]
    figure = drawing.curves_figure(panels, AXIS, marks=(), title="T" * 200, caption="C")
    figure.canvas.draw()
    first, second = figure.axes
    assert second.get_yscale() == "log"
    assert len(second.lines[0].get_xdata()) == 20
    assert first.get_xlim() == second.get_xlim() == (0, 1)
    assert second.get_xlabel()
    assert not first.get_xlabel()
    assert len(first.collections) == 1
    assert first.lines[1].get_ydata()[0] == 0.25


def test_directions_leave_the_middle_out() -> None:
    same = np.random.default_rng(1).uniform(0.1, 0.2, (7, 7))
    same[3, 3] = 1
    figure = drawing.directions_figure(same, AXIS, title="T", caption="C")
    image = figure.axes[0].images[0]
    assert np.ma.getmaskarray(np.ma.masked_invalid(image.get_array())).sum() == 1
    assert image.norm.vmax < 0.2001
    assert image.get_extent() == pytest.approx([-0.175, 0.175, 0.175, -0.175])
