from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.models.grey_levels import integer_grey, nearest_level
from cemvis.models.intervals import spread_per_level
from cemvis.models.linear import LinearRegressor
from cemvis.models.networks import NETWORKS, LinearNetwork, TableNetwork
from cemvis.models.prediction import Flag
from cemvis.models.table import TableRegressor


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    grey = rng.normal(120, 15, 1500)
    return grey, 0.4 * grey + rng.gamma(2.0, 2.0, 1500)


def test_whole_levels_round_halves_up() -> None:
    assert integer_grey(np.array([0.49, 0.5, 1.5, 2.5, 3.49999])).tolist() == [0, 1, 2, 3, 3]


def test_nearest_level_against_a_plain_search() -> None:
    levels = np.array([3.0, 4.0, 8.0, 20.0, 21.0])
    wanted = np.arange(-5.0, 40.0)
    plain = [min(range(5), key=lambda i, w=w: (abs(levels[i] - w), levels[i])) for w in wanted]
    assert nearest_level(levels, wanted).tolist() == plain
    assert nearest_level(levels[:1], wanted).tolist() == [0] * len(wanted)


@pytest.mark.parametrize(("kind", "estimator"), [("table", TableRegressor), ("linear", LinearRegressor)])
def test_a_network_says_what_its_estimator_says(kind, estimator, pairs) -> None:
    grey, truth = pairs
    asked = np.linspace(0, 255, 777)
    network = NETWORKS[kind].fit(grey, truth, level=0.9)
    expected = estimator().fit(grey[:, None], truth).predict(asked[:, None])
    np.testing.assert_allclose(network.predict(asked).value, expected, rtol=1e-14)


@pytest.mark.parametrize("kind", NETWORKS)
def test_arrays_describe_the_whole_network(kind, pairs) -> None:
    network = NETWORKS[kind].fit(*pairs, level=0.9)
    again = NETWORKS[kind].from_tensors(network.tensors())
    asked = np.linspace(0, 255, 777)
    for part in ("value", "lower", "upper", "flags"):
        one, other = (getattr(each.predict(asked), part) for each in (network, again))
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_training_quantiles_hold_their_share_of_the_training_pairs(kind, pairs) -> None:
    grey, truth = pairs
    found = NETWORKS[kind].fit(grey, truth, level=0.9).predict(grey)
    assert np.mean((found.lower <= truth) & (truth <= found.upper)) == pytest.approx(0.9, abs=0.02)
    assert (found.lower <= found.value).all()
    assert (found.value <= found.upper).all()


def test_bounds_of_a_table_come_from_pairs_left_out_of_it() -> None:
    rng = np.random.default_rng(3)
    grey, truth = np.round(rng.normal(100, 6, 60)), rng.normal(30, 5, 60)
    residuals = []
    for pair in range(60):
        others = np.arange(60) != pair
        table = TableRegressor().fit(grey[others, None], truth[others])
        residuals.append(truth[pair] - table.predict(grey[[pair], None])[0])
    below, above = spread_per_level(grey, np.array(residuals), np.unique(grey), level=0.8)
    network = TableNetwork.fit(grey, truth, level=0.8)
    np.testing.assert_allclose(network.values - network.lower, below)
    np.testing.assert_allclose(network.upper - network.values, above)


def test_flags_of_the_table() -> None:
    table = TableNetwork(*np.array([[10.0, 12.0, 15.0], [1.0, 2.0, 3.0], [0.5, 1.5, 2.5], [1.5, 2.5, 3.5]]))
    found = table.predict(np.array([9.4, 9.5, 10.0, 11.0, 13.0, 14.0, 15.49, 15.5]))
    low, high, unseen = Flag.CLIPPED_LOW, Flag.CLIPPED_HIGH, Flag.UNSEEN_LEVEL
    assert found.flags.tolist() == [low, 0, 0, unseen, unseen, unseen, 0, high]
    assert found.flags.dtype == np.uint8
    assert found.value.tolist() == [1, 1, 1, 1, 2, 3, 3, 3]
    assert np.isnan(found.lower).tolist() == [True] + [False] * 6 + [True]


def test_flags_of_the_line() -> None:
    line = LinearNetwork(slope=2.0, intercept=1.0, below=3.0, above=4.0, grey_range=(10.0, 20.0))
    found = line.predict(np.array([9.9, 10.0, 20.0, 30.0]))
    assert found.flags.tolist() == [Flag.CLIPPED_LOW, 0, 0, Flag.CLIPPED_HIGH]
    assert found.value.tolist() == [21.0, 21.0, 41.0, 41.0]
    assert found.lower[1:3].tolist() == [18.0, 38.0]
    assert found.upper[1:3].tolist() == [25.0, 45.0]


TABLE = {"levels": [1.0, 2.0], "values": [5.0, 6.0], "lower": [4.0, 5.0], "upper": [6.0, 7.0]}
LINE = {"line": [1.0, 2.0], "bounds": [1.0, 1.0], "grey_range": [0.0, 9.0]}


@pytest.mark.parametrize(
    ("network", "change", "message"),
    [
        ("table", {"levels": [2.0, 1.0]}, "rising order"),
        ("table", {"levels": [1.0, 1.0]}, "rising order"),
        ("table", {"levels": [1.0, 1.5]}, "whole numbers"),
        ("table", {"values": [5.0]}, "of one length"),
        ("table", {name: [] for name in TABLE}, "at least one"),
        ("table", {"lower": [5.5, 5.0]}, "enclose"),
        ("table", {"extra": [1.0, 2.0]}, "wanted levels, lower, upper, values"),
        ("linear", {"line": [1.0]}, "two numbers"),
        ("linear", {"bounds": [-1.0, 1.0]}, "enclose the line"),
        ("linear", {"grey_range": [9.0, 0.0]}, "rising grey range"),
        ("linear", {"levels": [1.0, 2.0]}, "wanted bounds, grey_range, line"),
    ],
)
def test_arrays_that_cannot_be_a_network_are_refused(network, change, message) -> None:
    arrays = {**(TABLE if network == "table" else LINE), **change}
    with pytest.raises(InputError, match=message):
        NETWORKS[network].from_tensors({name: np.array(values) for name, values in arrays.items()})
