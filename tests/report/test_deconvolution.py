from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.report.deconvolution import Distribution, population_map_figure, populations_figure, thinning
from populations import two_far_apart


@pytest.fixture(scope="module")
def shown() -> Distribution:
    data = grouped_values(two_far_apart(300, seed=1)[0])
    found, mixture = deconvolve(
        data, settings=Settings(populations=2, starts=4, resamplings=20, settling_draws=5, most=2)
    )
    return Distribution(found, data, mixture.parameters())


def test_distribution_and_components_enclose_all_values(shown: Distribution) -> None:
    figure = populations_figure([shown], title="Populations", caption="From a table.", warnings=["not so sure"])
    assert len(figure.axes) == 4  # a banner, and three panels
    axes = figure.axes[1]
    lines = {line.get_label(): line for line in axes.lines}
    assert len(lines) == 3
    assert sorted(lines)[1:] == sorted(f"{e.name}: {100 * e.fraction.value:.0f} %" for e in shown.found.populations)
    x, total = lines["all"].get_data()
    parts = sum(line.get_ydata() for name, line in lines.items() if name != "all")
    np.testing.assert_allclose(total, parts)
    assert np.trapezoid(total, x) == pytest.approx(1.0, abs=0.02)
    bars = axes.patches[0].get_data()
    assert (bars.values * np.diff(bars.edges)).sum() == pytest.approx(1.0, abs=0.01)


def test_map_has_a_colour_for_each_population_and_for_doubt() -> None:
    number = np.array([[1, 2, 255], [0, 1, 1]], np.uint8)
    figure = population_map_figure(number, ["soft", "hard"], step_um=2.0, edge_um=-1.0, title="T", caption="C")
    axes = figure.axes[0]
    image = axes.images[0]
    assert list(image.get_extent()) == [-1.0, 5.0, 3.0, -1.0]
    colours = np.asarray(image.get_array()).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) == 4
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["soft", "hard", "uncertain", "not mapped"]


def test_large_maps_are_thinned() -> None:
    assert thinning((900, 400)) == 1
    assert thinning((9500, 7400)) == 11
