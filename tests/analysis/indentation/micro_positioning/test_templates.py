from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.indentation.micro_positioning.background import measured_spectrum
from cemvis.analysis.indentation.micro_positioning.templates import MeanWindow, Template
from reference import imprints

EDGE, COUNT, SIDE, LEVEL = 201, 400, 1024, -26.0


@pytest.fixture(scope="module")
def window() -> MeanWindow:
    """Return the mean of windows around sharp imprints whose side is 95 px."""
    random = np.random.default_rng(0)
    background = 25 * imprints.background((SIDE, SIDE), random)
    mean = np.zeros((EDGE, EDGE), np.float32)
    for row, col in random.integers(0, SIDE - EDGE, (COUNT, 2)):
        mean += background[row : row + EDGE, col : col + EDGE] / COUNT
    places = np.array([[EDGE // 2 + 0.03, EDGE // 2 - 0.05]])
    looks = {"size_px": 95.0, "angle_rad": 0.3, "blur_px": 0.0, "shape": "triangle", "outline": False}
    imprints.add_imprints(mean, places, level=LEVEL, **looks)
    return MeanWindow(mean, measured_spectrum(background), COUNT, shift_px=50)


@pytest.mark.parametrize("start", [(97.4, 2.8), (92.7, 1.9), (88.0, 0.4), (103.2, 0.4)])
def test_a_size_that_is_nearly_right_becomes_right(window: MeanWindow, start: tuple[float, float]) -> None:
    """A band along a larger or smaller outline, one of whose edges hits, must not pass for the imprint."""
    size, blur = start
    found = window.resized(Template("triangle", size, 0.3, blur, 1.0, 0.0), shaded=True).template
    assert found.size_px == pytest.approx(95, abs=0.1)
    assert found.fill == pytest.approx(LEVEL, abs=1)
    assert found.rim == pytest.approx(0, abs=1)
