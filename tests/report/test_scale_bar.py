from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cemvis.errors import InputError
from cemvis.report import style
from cemvis.report.scale_bar import add_scale_bar, bar_length_um, length_label


@given(st.floats(1e-3, 1e6))
def test_bar_is_the_longest_round_length_that_fits(width_um: float) -> None:
    length = bar_length_um(width_um)
    digits = length / 10.0 ** math.floor(math.log10(length * (1 + 1e-9)))
    assert min(abs(digits - step) for step in (1, 2, 5)) < 1e-6
    assert 0.3 * width_um / 2.5 <= length * (1 + 1e-6)
    assert length <= 0.3 * width_um * (1 + 1e-6)


@pytest.mark.parametrize(
    ("length_um", "label"),
    [(0.5, "500 nm"), (1.0, "1 µm"), (20.0, "20 µm"), (1000.0, "1 mm"), (2e4, "2 cm"), (0.002, "2 nm")],
)
def test_label_has_the_fitting_unit(length_um: float, label: str) -> None:
    assert length_label(length_um) == label


def test_no_width_is_refused() -> None:
    with pytest.raises(InputError, match="width_um"):
        bar_length_um(0.0)


@pytest.mark.parametrize("size", [(4.0, 4.0), (9.0, 1.2), (2.0, 7.0)])
def test_drawn_bar_has_its_length_and_its_label_fits_the_box(size: tuple[float, float]) -> None:
    figure = style.new_figure(size[0] + 1, size[1] + 1)
    axes = style.add_axes_in(figure, 0.5, 0.5, *size)
    axes.set_xlim(100.0, 340.0)
    add_scale_bar(axes)
    box, bar = axes.patches
    label = axes.texts[0]
    length_um = float(label.get_text().removesuffix(" µm"))
    assert bar.get_width() * 240.0 == pytest.approx(length_um)
    outer, inner, text = (part.get_window_extent() for part in (box, bar, label))
    for part in (inner, text):
        assert outer.x0 <= part.x0
        assert part.x1 <= outer.x1
        assert outer.y0 <= part.y0
        assert part.y1 <= outer.y1
    assert not text.overlaps(inner)
