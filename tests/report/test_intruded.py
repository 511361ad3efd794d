from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.report import style
from cemvis.report.intruded import TITLES, ClassRow, class_figure


def row(name: str, seed: int = 0) -> ClassRow:
    rng = np.random.default_rng(seed)
    image, levels = rng.integers(0, 256, (2, 48, 48)).astype(np.uint8)
    return ClassRow(name, image, levels, levels > 200)


def test_each_class_has_a_row_of_three_panels(tmp_path: Path) -> None:
    figure = class_figure([row("plain"), row("modified", 1)], pixel_size_um=0.052, caption="seed 1")
    pictures = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in pictures] == [*TITLES, *TITLES]
    assert {"plain", "modified"} <= {text.get_text() for text in figure.texts}
    assert np.array_equal(pictures[4].images[0].get_array(), row("modified", 1).levels)
    assert (np.asarray(pictures[5].images[0].get_array()) == 2).sum() == row("modified", 1).modified.sum()
    style.save_png(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_pixels_are_square_and_no_text_meets_another() -> None:
    figure = class_figure([row("n" * 64), row("$x^$", 1)], pixel_size_um=0.052, caption="seed 1 " * 40)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for axes in figure.axes:
        if axes.images:
            frame = axes.get_window_extent(renderer)
            assert frame.width == pytest.approx(frame.height, abs=0.01)
    texts = [*figure.texts, *(axes._left_title for axes in figure.axes if axes.images)]  # type: ignore[attr-defined]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0 for box in boxes)


def test_many_classes_are_cut_and_it_is_said() -> None:
    figure = class_figure([row(f"c{n}") for n in range(10)], pixel_size_um=0.052, caption="seed 1")
    assert len([axes for axes in figure.axes if axes.images]) == 8 * 3
    assert any("2 more classes are not shown" in text.get_text() for text in figure.texts)


def test_no_classes_make_no_figure() -> None:
    with pytest.raises(InputError, match="no classes to draw"):
        class_figure([], pixel_size_um=0.052, caption="")
