"""The picture of effective moduli: every method with its intervals, and maps of what happens inside."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.report.homogenisation import Inside, Moduli, moduli_figure
from cemvis.report.maps import Raster

ROWS = (
    Moduli("Reuss", 20.0, None, (18.0, 22.0), bound=True),
    Moduli("Mori-Tanaka", 25.0, (24.0, 26.5), (22.0, 28.0), bound=False),
    Moduli("Voigt", 31.0, None, None, bound=True),
)


def inside(shape: tuple[int, int], *, in_um: bool = True) -> Inside:
    values = np.random.default_rng(0).uniform(20, 120, shape)
    raster = Raster(values, (0.0, 2.0 * shape[1], 0.0, 2.0 * shape[0]))
    return Inside(raster, "Modulus", "E (GPa)", "cividis", logarithmic=True, in_um=in_um)


def texts(figure) -> str:
    parts = [each.get_text() for each in figure.texts]
    for axes in figure.axes:
        parts += [each.get_text() for each in (*axes.texts, *axes.get_yticklabels(), axes.xaxis.label)]
        parts.append(axes.get_title(loc="left"))
    return "\n".join(parts)


def test_each_method_has_its_numbers_and_bars() -> None:
    figure = moduli_figure([("From phases", ROWS)], title="Whole", caption="Small.", warnings=["beware"])
    said = texts(figure)
    for part in ("Whole", "From phases", "Small.", "WARNING: beware", "Reuss", "Mori-Tanaka", "Voigt"):
        assert part in said
    assert "25.0  (24.0 to 26.5)" in said  # the interval of independent errors
    assert "20.0  (18.0 to 22.0)" in said  # or the only one there is
    assert said.count("31.0\n") == 1
    (axes,) = [each for each in figure.axes if each.get_xlabel()]
    drawn = {tuple(line.get_xdata()) for line in axes.lines}
    assert {(18.0, 22.0), (24.0, 26.5), (22.0, 28.0), (31.0,)} <= drawn
    low, high = axes.get_xlim()
    assert low < 18
    assert high > 31


@pytest.mark.parametrize("shape", [(30, 30), (4, 90), (90, 4), (1, 1)])
def test_maps_stand_below_and_nothing_sticks_out(shape: tuple[int, int]) -> None:
    figure = moduli_figure([("a", ROWS), ("b", ROWS)], [inside(shape)] * 3, title="t", caption="c " * 200)
    figure.draw_without_rendering()
    assert len(figure.axes) == 2 + 2 * 3
    for axes in figure.axes:
        box = axes.get_position()
        assert box.x0 >= 0
        assert box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1
    panels = [each.get_tightbbox() for each in figure.axes[:2]]
    assert panels[0].y0 > panels[1].y1
    assert panels[1].y0 > max(each.get_tightbbox().y1 for each in figure.axes[2:])


def test_a_map_without_a_scale_is_in_cells() -> None:
    said = texts(moduli_figure([("a", ROWS)], [inside((5, 6), in_um=False)], title="t", caption="c"))
    assert "x (cells)" in said
    assert "\N{MICRO SIGN}m" not in said


def test_moduli_of_nothing_can_be_drawn() -> None:
    rows = [Moduli("Reuss", 0.0, (0.0, 0.0), (0.0, 0.0), bound=True)]
    moduli_figure([("a", rows)], title="t", caption="c").draw_without_rendering()
