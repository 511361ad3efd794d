from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skewnorm
from sklearn.base import clone
from sklearn.mixture import GaussianMixture

from cemvis.analysis.indentation.deconvolution.families import Parameters, Terms, normal_terms, skew_terms
from cemvis.analysis.indentation.deconvolution.grouped import exact_values, grouped_values
from cemvis.analysis.indentation.deconvolution.maximise import Rules, maximise, score_rows
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.errors import InputError, NotFittedError
from populations import FRACTIONS, MEANS, SDS, drawn, naive_log_likelihood, two_far_apart


def hardness(count: int, *, seed: int) -> np.ndarray:
    """Return hardness in GPa, spread over a decade and more as it is in cement paste."""
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(np.log(0.8), 0.35, count)) * np.where(rng.random(count) < 0.1, 8.0, 1.0)


@pytest.mark.parametrize(
    ("values", "floor", "k"),
    [
        (drawn(300, seed=0), 0.5, 2),
        (drawn(800, seed=1), 0.5, 3),
        (drawn(700, seed=2), 0.5, 4),
        (drawn(300, seed=3), 0.5, 4),
        (hardness(700, seed=4), 0.02, 3),
        (hardness(500, seed=5), 0.02, 4),
    ],
)
def test_sklearn_never_finds_a_better_likelihood_at_the_same_floor(values: np.ndarray, floor: float, k: int) -> None:
    seed, size = 1, len(values)
    ours = PopulationMixture(k, binned=False, sd_floor=floor, n_starts=20).fit(values)
    # scikit-learn adds reg_covar to the variances, so that none of its optima breaks our floor
    rival = GaussianMixture(k, n_init=4, reg_covar=floor**2, tol=1e-7, max_iter=2000, random_state=seed)
    theirs = rival.fit(values[:, None]).score(values[:, None]) * size
    assert ours.log_likelihood_ == pytest.approx(ours.score(values) * size, rel=1e-12)
    assert ours.log_likelihood_ > theirs - 1e-3
    plain = GaussianMixture(k, n_init=2, reg_covar=1e-10, tol=1e-7, max_iter=2000, random_state=seed)
    plain.fit(values[:, None])
    if np.sqrt(plain.covariances_.min()) >= floor:  # the same problem without any floor in the way
        best = plain.score(values[:, None]) * size
        assert ours.log_likelihood_ > best - 1e-3


def test_binned_likelihood_is_that_of_the_formula() -> None:
    data = grouped_values(drawn(700, seed=5), width=3.0)
    mixture = PopulationMixture(3, n_starts=10).fit_grouped(data)
    wanted = naive_log_likelihood(data.total, data.lower, data.upper, mixture.weights_, mixture.means_, mixture.sds_)
    assert mixture.log_likelihood_ == pytest.approx(wanted, rel=1e-9)


def test_fit_is_a_stationary_point_of_the_binned_likelihood() -> None:
    data = grouped_values(drawn(3000, seed=6))
    mixture = PopulationMixture(4).fit_grouped(data)

    def at(parameter: str, number: int, step: float) -> float:
        parts = {name: getattr(mixture, name).copy() for name in ("weights_", "means_", "sds_")}
        parts[parameter][number] += step
        parts["weights_"] /= parts["weights_"].sum()
        return naive_log_likelihood(data.total, data.lower, data.upper, *parts.values())

    for parameter, step in (("weights_", 1e-4), ("means_", 1e-3), ("sds_", 1e-3)):
        for number in range(4):
            here, up, down = (at(parameter, number, each) for each in (0.0, step, -step))
            slope, bend = (up - down) / 2, up + down - 2 * here
            assert bend < 0
            assert abs(slope / bend) * step < 0.02 * (0.05 if parameter == "weights_" else 1.0)


@pytest.mark.parametrize("family", ["normal", "skew-normal"])
@pytest.mark.parametrize("width", [0.0, 0.7])
def test_scores_are_the_derivatives_of_the_likelihood(family: str, width: float) -> None:
    lower = np.linspace(-4, 9, 40)
    upper = lower + width
    at = Parameters(np.array([[0.3, 0.7]]), np.array([[0.5, 4.0]]), np.array([[1.1, 1.7]]), np.array([[1.5, -0.8]]))
    if family == "normal":
        at.shape[:] = 0.0
    terms_of = normal_terms if family == "normal" else skew_terms

    def log_p(loc: float, scale: float, shape: float) -> np.ndarray:
        moved = Parameters(at.weight, at.loc + loc * at.scale, at.scale * np.exp(scale), at.shape + shape)
        return terms_of(lower, upper, moved).log_p

    terms, h = terms_of(lower, upper, at), 1e-5
    slopes = [(log_p(*(h * e)) - log_p(*(-h * e))) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(terms.by_loc, slopes[0], atol=2e-6, rtol=1e-6)
    np.testing.assert_allclose(terms.by_scale, slopes[1], atol=2e-6, rtol=1e-6)
    if family == "skew-normal":
        np.testing.assert_allclose(terms.by_shape, slopes[2], atol=2e-6, rtol=1e-6)


def test_skew_normals_are_integrated_over_wide_intervals() -> None:
    edges = np.concatenate([np.linspace(5, 30, 12), np.linspace(32, 60, 9)])  # as wide as the sds
    lower, upper = edges[:-1], edges[1:]
    at = Parameters(np.full((1, 2), 0.5), np.array([[15.0, 40.0]]), np.array([[5.0, 6.0]]), np.array([[3.0, -2.0]]))
    terms = skew_terms(lower, upper, at, 9)
    for n in range(2):
        ends = (skewnorm.cdf(each, at.shape[0, n], at.loc[0, n], at.scale[0, n]) for each in (upper, lower))
        share = np.subtract(*ends)
        seen = share > 1e-6
        np.testing.assert_allclose(np.exp(terms.log_p[0, n])[seen], share[seen], rtol=1e-6)
    flat = Parameters(at.weight, at.loc, at.scale, np.zeros((1, 2)))
    both = skew_terms(lower, upper, flat, 9), normal_terms(lower, upper, flat)
    for one, two in ((both[0].log_p, both[1].log_p), (both[0].by_loc, both[1].by_loc)):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_shapes_can_be_compared_on_the_few_values_of_a_table_model() -> None:
    values = np.random.default_rng(21).normal(30, 4, 5000)
    data = grouped_values(np.round(values / 6) * 6)  # a step of one and a half sds
    assert data.discrete
    normal = PopulationMixture(1, n_starts=4).fit_grouped(data)
    skew = PopulationMixture(1, n_starts=8, family="skew-normal").fit_grouped(data)
    # normal components are skew normal ones of shape 0, so that more freedom cannot make the likelihood less
    assert -0.01 < skew.log_likelihood_ - normal.log_likelihood_ < 5
    # the middle of an interval times its width, which does for narrow ones, is another likelihood
    middles = skew_terms(data.lower, data.upper, normal.parameters()).log_p[0, 0]
    assert abs(data.total @ middles - normal.log_likelihood_) > 20
    assert skew.sds_[0] == pytest.approx(normal.sds_[0], rel=0.02)


def test_scores_of_known_fractions_leave_them_alone() -> None:
    rules = Rules("normal", 0.1, (None, 0.2, None))
    at = Parameters(np.array([[0.5, 0.2, 0.3]]), np.zeros((1, 3)), np.ones((1, 3)), np.zeros((1, 3)))
    posterior = np.full((1, 3, 2), [[0.2, 0.6], [0.5, 0.1], [0.3, 0.3]])
    blank = np.zeros((1, 3, 2))
    rows = score_rows(at, posterior, Terms(blank, blank, blank, None), rules)
    # of free components j: r_j - (w_j / 0.8) (r_1 + r_3)
    np.testing.assert_allclose(
        rows[0, :2], [[0.2 - 0.625 * 0.5, 0.6 - 0.625 * 0.9], [0.3 - 0.375 * 0.5, 0.3 - 0.375 * 0.9]]
    )


def test_skew_normal_density_is_that_of_scipy() -> None:
    mixture = PopulationMixture(1, family="skew-normal", binned=False, n_starts=5)
    values = skewnorm.rvs(4.0, loc=20, scale=9, size=4000, random_state=1)
    mixture.fit(values)
    shape, loc, scale = mixture.shapes_[0], mixture.locations_[0], mixture.scales_[0]
    wanted = skewnorm.logpdf(values, shape, loc, scale)
    np.testing.assert_allclose(mixture.score_samples(values), wanted, rtol=1e-9)
    assert mixture.log_likelihood_ >= skewnorm.logpdf(values, 4.0, 20, 9).sum()
    assert mixture.means_[0] == pytest.approx(values.mean(), abs=0.1)
    assert shape == pytest.approx(4.0, abs=0.6)


@pytest.mark.parametrize("family", ["normal", "skew-normal"])
def test_every_step_of_em_climbs(family: str) -> None:
    data = grouped_values(drawn(800, seed=8), width=0.01 if family == "skew-normal" else 4.0)
    start = Parameters(
        np.array([[0.3, 0.7]]), np.array([[20.0, 90.0]]), np.array([[9.0, 30.0]]), np.array([[1.0, -1.0]])
    )
    if family == "normal":
        start.shape[:] = 0
    rise = [
        maximise(
            data.total[None], data.lower, data.upper, start, Rules(family, 0.1, (None, None), steps)
        ).log_likelihood[0]
        for steps in range(2, 15)
    ]
    assert (np.diff(rise) > 0).all()


def test_many_fits_at_once_are_those_one_by_one() -> None:
    data = grouped_values(drawn(1500, seed=9), [str(n % 3) for n in range(1500)])
    one = PopulationMixture(3, n_starts=8).fit_grouped(data)
    rules = one.rules(data)
    start = one.parameters()[np.zeros(3, int)]
    together = maximise(data.counts, data.lower, data.upper, start, rules)
    for number in range(3):
        alone = maximise(data.counts[[number]], data.lower, data.upper, one.parameters(), rules)
        assert together.log_likelihood[number] == pytest.approx(alone.log_likelihood[0], abs=1e-6)
        np.testing.assert_allclose(together.at.loc[number], alone.at.loc[0], atol=1e-4)


def test_populations_that_are_far_apart_are_found_exactly() -> None:
    values, second = two_far_apart(2000, seed=10)
    mixture = PopulationMixture(2).fit(values)
    assert mixture.weights_[1] == pytest.approx(second.mean(), abs=1e-6)
    np.testing.assert_allclose(mixture.means_, [values[~second].mean(), values[second].mean()], atol=0.02)
    np.testing.assert_allclose(mixture.sds_, [values[~second].std(), values[second].std()], rtol=0.01)
    assert (mixture.predict(values) == second).mean() > 0.9999
    np.testing.assert_allclose(mixture.predict_proba(values).sum(axis=1), 1.0)
    assert mixture.starts_at_best_ >= 15
    assert mixture.converged_


def test_discrete_values_get_the_intervals_around_them_and_no_spikes() -> None:
    levels = np.round(drawn(20_000, seed=11) / 3) * 3 + 0.37  # a step as wide as the narrowest population's sd
    data = grouped_values(levels)
    assert data.discrete
    assert len(data.lower) == len(np.unique(levels))
    np.testing.assert_allclose(data.upper[:-1], data.lower[1:])
    assert ((data.lower < data.centre) & (data.centre < data.upper)).all()
    mixture = PopulationMixture(4).fit_grouped(data)
    assert not mixture.at_floor_.any()
    np.testing.assert_allclose(mixture.means_, MEANS + 0.37, atol=5.0)
    assert mixture.sds_[0] == pytest.approx(SDS[0], abs=1.0)
    spiky = PopulationMixture(4, binned=False, sd_floor=0.01).fit(levels)
    assert spiky.at_floor_.any()  # what densities do with the same values


def test_known_fractions_are_kept_and_means_rise() -> None:
    values = drawn(4000, seed=12)
    mixture = PopulationMixture(4, fractions=(None, None, None, 0.15)).fit(values)
    free = PopulationMixture(4).fit(values)
    assert mixture.weights_[3] == pytest.approx(0.15, abs=1e-12)
    assert mixture.weights_.sum() == pytest.approx(1.0, abs=1e-12)
    assert (np.diff(mixture.means_) > 0).all()
    assert mixture.log_likelihood_ < free.log_likelihood_
    assert mixture.n_parameters == free.n_parameters - 1
    fixed = PopulationMixture(4, fractions=tuple(FRACTIONS)).fit(values)
    np.testing.assert_allclose(fixed.weights_, FRACTIONS)
    assert fixed.n_parameters == 8


def test_same_seed_gives_the_same_numbers_and_estimators_can_be_cloned() -> None:
    values = drawn(500, seed=13)
    one = PopulationMixture(3, n_starts=6, random_state=4).fit(values[:, None])
    two = clone(one).fit(values)
    assert (one.means_ == two.means_).all()
    assert one.get_params() == two.get_params()


@pytest.mark.parametrize(
    ("values", "about"),
    [
        (np.full(50, 30.0), "all 50 values are 30"),
        (np.array([1.0, np.nan, 3.0] * 20), "20 of 60 values are NaN"),
        (np.arange(9.0), "9 values cannot hold 4 populations"),
        (np.array([4.0]), "at least two values"),
        (np.zeros((5, 2)), "wanted \\(n,\\) or \\(n, 1\\)"),
    ],
)
def test_values_that_hold_no_mixture_are_refused(values: np.ndarray, about: str) -> None:
    with pytest.raises(InputError, match=about):
        PopulationMixture(4).fit(values)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_components": 0},
        {"n_components": 2.5},
        {"family": "lognormal"},
        {"n_starts": 0},
        {"sd_floor": 0.0},
        {"fractions": (0.5, 0.6, None, None)},
        {"fractions": (0.5, None)},
        {"fractions": (0.1, 0.1, 0.1, 0.1)},
        {"bin_width": -1.0},
    ],
)
def test_impossible_parameters_are_refused(parameters: dict) -> None:
    with pytest.raises(InputError):
        PopulationMixture(**({"n_components": 4} | parameters)).fit(drawn(300, seed=1))


def test_unfitted_mixture_says_so() -> None:
    with pytest.raises(NotFittedError):
        PopulationMixture(2).predict(np.arange(3.0))


def test_exact_values_count_repeated_ones() -> None:
    data = exact_values(np.array([2.0, 1.0, 2.0]))
    assert data.total.tolist() == [1.0, 2.0]
    assert (data.lower == data.upper).all()
