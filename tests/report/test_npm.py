"""The figure of a nano-porosity map: what it shows, at any shape."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.report.npm import Anchor, Greys, Pictures, npm_figure


@pytest.mark.parametrize("shape", [(40, 60), (300, 20), (10, 200)])
@pytest.mark.parametrize("clinker", [0.0, 0.3, 1.0])
def test_a_figure_of_any_shape(shape: tuple[int, int], clinker: float) -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, shape).astype(np.uint8)
    mask = np.zeros(shape, bool)
    mask[: round(clinker * shape[0])] = True
    counts = rng.random(256)
    figure = npm_figure(
        Pictures(levels, levels, levels, mask, 0.052 * shape[1], 0.052 * shape[0]),
        Greys(np.arange(256.0), counts, counts, np.zeros(256)),
        (Anchor("C-S-H", 60.0, 59.0, 61.0), Anchor("metal", 220.0, 219.0, 221.0)),
        title="A map",
        caption="Porosity 0.2.",
        warnings=["the anchors are uncertain"],
    )
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert {"MulF", "MicF", "Greys and anchors"} <= set(titles)
    colour_bars = [axes for axes in figure.axes if axes.get_xlabel() == "Equivalent porosity n"]
    assert len(colour_bars) == 2
    assert colour_bars[0].get_xlim() == (0.0, 1.0)
    greys = figure.axes[titles.index("Greys and anchors")]
    named = [text.get_text() for text in greys.get_legend().get_texts()]
    assert "C-S-H 60.0" in named
    assert "metal 220.0" in named
    first = figure.axes[next(n for n, title in enumerate(titles) if title.startswith("Backscattered"))]
    assert bool(first.collections) == (0 < clinker < 1)
    assert any("uncertain" in text.get_text() for text in figure.texts)
    figure.canvas.draw()
