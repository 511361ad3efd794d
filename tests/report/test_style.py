from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cemvis.errors import FileAccessError
from cemvis.report import style


def test_robust_range_leaves_out_outliers_and_what_is_not_finite() -> None:
    values = np.concatenate([np.linspace(10, 20, 1000), [np.nan, np.inf, 1e9]])
    low, high = style.robust_range(values)
    assert low == pytest.approx(10.1, abs=0.05)
    assert high == pytest.approx(19.9, abs=0.05)


@pytest.mark.parametrize("values", [np.full(5, 30.0), np.full(5, np.nan), np.array([])])
def test_robust_range_is_never_empty(values: np.ndarray) -> None:
    low, high = style.robust_range(values)
    assert low < high


def test_wrapped_lines_fit() -> None:
    text = "The grey scale could not be made sure of, and so the values may be far from the truth. " * 4
    figure = style.new_figure(4.0, 3.0)
    lines = style.wrap(text, 3.8, size_pt=style.SMALL_PT)
    style.add_text_in(figure, 0.1, 0.1, "\n".join(lines), fontsize=style.SMALL_PT)
    box = figure.texts[0].get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    assert 3.0 < box.width <= 3.8
    assert box.height <= style.lines_height_in(len(lines), size_pt=style.SMALL_PT) * 1.05
    assert " ".join(lines) == text.strip()


def test_text_in_a_file_name_is_not_taken_for_mathematics() -> None:
    figure = style.new_figure(4.0, 1.0)
    style.add_text_in(figure, 0.1, 0.1, "cost_$5_and$6.tif")
    assert not figure.texts[0].get_parse_math()


def test_unwritable_picture_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match="cannot write"):
        style.save_png(style.new_figure(1, 1), tmp_path / "absent" / "map.png")


def test_pdf_is_a_pdf_with_text_and_the_same_every_time(tmp_path) -> None:
    for name in ("one.pdf", "two.pdf"):
        figure = style.new_figure(2, 1)
        style.add_text_in(figure, 0.1, 0.1, "Populations")
        style.save_pdf(figure, tmp_path / name)
    first = (tmp_path / "one.pdf").read_bytes()
    assert first.startswith(b"%PDF")
    assert b"/TrueType" in first or b"/Type0" in first
    assert first == (tmp_path / "two.pdf").read_bytes()
