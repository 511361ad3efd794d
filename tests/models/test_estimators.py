from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from cemvis.models.linear import LinearRegressor
from cemvis.models.table import TableRegressor


class Widened:
    """An estimator that reads the first of several columns.

    scikit-learn's suite skips estimators that are tagged as one-dimensional, for it mostly offers several features.
    Everything but the count of columns is the estimator's own code, so that the whole suite runs on it.
    """

    @staticmethod
    def _as_table(X):
        return X

    @staticmethod
    def _only_column(X):
        return X[:, 0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        tags.regressor_tags.poor_score = True  # the suite's target depends on all ten of its features
        return tags


class WidenedTable(Widened, TableRegressor):
    pass


class WidenedLinear(Widened, LinearRegressor):
    pass


@pytest.mark.filterwarnings("ignore:SCIPY_ARRAY_API:sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([WidenedTable(), WidenedLinear()])
def test_scikit_learn_accepts_the_estimators(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize("kind", [TableRegressor, LinearRegressor])
def test_the_tags_say_one_dimensional_input_as_for_isotonic_regression(kind) -> None:
    tags = get_tags(kind()).input_tags
    assert tags.one_d_array
    assert not tags.two_d_array


@pytest.mark.parametrize("kind", [TableRegressor, LinearRegressor])
def test_a_column_and_a_flat_array_are_the_same_feature(kind) -> None:
    grey, truth = np.linspace(60, 200, 40), np.linspace(10, 120, 40) ** 1.1
    flat, column = kind().fit(grey, truth), kind().fit(grey[:, None], truth)
    assert column.n_features_in_ == 1
    np.testing.assert_array_equal(flat.predict(grey), column.predict(grey[:, None]))
    assert column.score(grey[:, None], truth) > 0.9


@pytest.mark.parametrize("kind", [TableRegressor, LinearRegressor])
def test_two_features_are_refused(kind) -> None:
    with pytest.raises(ValueError, match="X has 2 features; wanted one"):
        kind().fit(np.ones((5, 2)), np.ones(5))


def test_the_table_holds_the_mean_of_each_whole_level() -> None:
    rng = np.random.default_rng(1)
    grey, truth = rng.uniform(90, 110, 500), rng.normal(30, 5, 500)
    table = TableRegressor().fit(grey[:, None], truth)
    for level, value, count in zip(table.levels_, table.values_, table.counts_, strict=True):
        members = [t for g, t in zip(grey, truth, strict=True) if int(np.floor(g + 0.5)) == level]
        assert len(members) == count
        assert value == pytest.approx(sum(members) / len(members), rel=1e-12)


def test_the_table_rounds_halves_up() -> None:
    table = TableRegressor().fit([[100.5], [101.4], [100.49]], [1.0, 3.0, 7.0])
    assert table.levels_.tolist() == [100, 101]
    assert table.values_.tolist() == [7.0, 2.0]


def test_an_unseen_level_takes_the_nearest_and_ties_go_down() -> None:
    table = TableRegressor().fit([[100.0], [104.0], [109.0]], [1.0, 2.0, 3.0])
    assert table.predict([[101], [102], [103], [106], [107], [0], [255]]).tolist() == [1, 1, 2, 2, 3, 1, 3]


def test_the_line_is_the_least_squares_line_and_stops_at_its_ends() -> None:
    rng = np.random.default_rng(2)
    grey = rng.uniform(60, 200, 300)
    truth = 0.7 * grey - 20 + rng.normal(0, 4, 300)
    line = LinearRegressor().fit(grey[:, None], truth)
    slope, intercept = np.polyfit(grey, truth, 1)
    assert line.coef_[0] == pytest.approx(slope)
    assert line.intercept_ == pytest.approx(intercept)
    ends = line.predict([[grey.min()], [grey.max()]])
    np.testing.assert_array_equal(line.predict([[0.0], [255.0]]), ends)


def test_predicting_does_not_import_scikit_learn() -> None:
    code = "import sys, cemvis.models.networks, cemvis.models.intervals; assert 'sklearn' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
