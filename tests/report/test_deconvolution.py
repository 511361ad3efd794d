from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.indentation.deconvolution.populations import Estimate, Population
from cemvis.report.deconvolution import Distribution, JointDistribution, populations_figure
from cemvis.report.deconvolution_map import population_map_figure, thinning
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
    for label, each in zip(sorted(lines)[1:], shown.found.populations, strict=True):
        assert label.startswith(f"{each.name}: {100 * each.fraction.value:.0f} % (")
        assert f"{each.means['modulus'].value:.3g} " in label
    x, total = lines["all"].get_data()
    parts = sum(line.get_ydata() for name, line in lines.items() if name != "all")
    np.testing.assert_allclose(total, parts)
    assert np.trapezoid(total, x) == pytest.approx(1.0, abs=0.02)
    bars = axes.patches[0].get_data()
    assert (bars.values * np.diff(bars.edges)).sum() == pytest.approx(1.0, abs=0.01)


def test_fractions_with_their_intervals_stand_in_for_how_they_settle(shown: Distribution) -> None:
    few = replace(shown.found, settling=shown.found.settling[:1])
    figure = populations_figure([replace(shown, found=few)], title="T", caption="C")
    axes = figure.axes[2]
    assert axes.get_title("left") == "Fractions, 95 % intervals"
    bars = [line.get_xdata() for line in axes.lines[::2]]
    wanted = [[each.fraction.low, each.fraction.high] for each in shown.found.populations]
    np.testing.assert_allclose(bars, wanted)


def test_ellipses_are_those_of_the_covariances(shown: Distribution) -> None:
    rng = np.random.default_rng(1)
    covariance = np.array([[16.0, 1.5], [1.5, 0.25]])
    values = rng.multivariate_normal([30, 1], covariance, 300)
    number = {name: Estimate(m, m, m) for name, m in (("modulus", 30.0), ("hardness", 1.0))}
    spread = {name: Estimate(sd, sd, sd) for name, sd in (("modulus", 4.0), ("hardness", 0.5))}
    one = Population("one", Estimate(1.0, 0.9, 1.0), number, spread)
    found = replace(shown.found, properties=("modulus", "hardness"), populations=(one,), settling=())
    joint = JointDistribution(found, values, np.array([1.5 / (4 * 0.5)]))
    figure = populations_figure([], joint=joint, title="T", caption="C")
    (ellipse,) = figure.axes[0].patches
    assert ellipse.get_center() == (30.0, 1.0)
    corner = ellipse.get_patch_transform().transform([[1, 0], [0, 1]]) - ellipse.get_center()
    np.testing.assert_allclose([v @ np.linalg.inv(covariance) @ v for v in corner], 4.0)  # two standard deviations
    assert len(figure.axes) == 3


def test_map_has_a_colour_for_each_population_and_for_doubt() -> None:
    number = np.array([[1, 2, 255], [0, 1, 1]], np.uint8)
    figure = population_map_figure(number, ["soft", "hard"], step_um=2.0, edge_um=-1.0, title="T", caption="C")
    axes = figure.axes[0]
    image = axes.images[0]
    assert list(image.get_extent()) == [-1.0, 5.0, 3.0, -1.0]
    colours = np.asarray(image.get_array()).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) == 4
    assert "1 \N{MICRO SIGN}m" in [text.get_text() for text in axes.texts]  # the scale bar
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["soft", "hard", "uncertain", "not mapped"]


def test_large_maps_are_thinned() -> None:
    assert thinning((900, 400)) == 1
    assert thinning((9500, 7400)) == 11
