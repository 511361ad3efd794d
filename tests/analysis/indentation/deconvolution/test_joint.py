from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_info, threadpool_limits

from cemvis.analysis.indentation.deconvolution import maximise
from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve_jointly
from cemvis.analysis.indentation.deconvolution.joint import FLOOR, JointMixture
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.errors import InputError, NotFittedError
from populations import drawn

QUICK = Settings(starts=6, resamplings=40, most=3)


def two_populations(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    second = rng.random(count) < 0.4
    one = rng.multivariate_normal([25, 0.8], [[9, 0.45], [0.45, 0.04]], count)
    two = rng.multivariate_normal([60, 3.0], [[64, 0], [0, 0.25]], count)
    return np.where(second[:, None], two, one), second


def test_populations_in_both_properties_are_found() -> None:
    values, second = two_populations(1500, seed=1)
    mixture = JointMixture(2, n_starts=5).fit(values)
    assert mixture.weights_[1] == pytest.approx(second.mean(), abs=0.003)
    np.testing.assert_allclose(mixture.means_[0], values[~second].mean(axis=0), rtol=0.01)
    np.testing.assert_allclose(mixture.means_[1], values[second].mean(axis=0), rtol=0.01)
    np.testing.assert_allclose(mixture.correlations_, [0.75, 0.0], atol=0.1)
    assert mixture.log_likelihood_ == pytest.approx(mixture.score(values) * len(values), rel=1e-9)
    # the log density in the values' own units, against the formula
    x = values[:1]
    total = 0.0
    for weight, mean, sd, rho in zip(
        mixture.weights_, mixture.means_, mixture.sds_, mixture.correlations_, strict=True
    ):
        z = (x[0] - mean) / sd
        square = (z @ z - 2 * rho * z[0] * z[1]) / (1 - rho**2)
        total += weight * np.exp(-square / 2) / (2 * np.pi * sd.prod() * np.sqrt(1 - rho**2))
    assert mixture.score(x) == pytest.approx(np.log(total), rel=1e-6)
    assert (mixture.predict_proba(values).argmax(axis=1) == second).mean() > 0.99


def test_joint_deconvolution_has_intervals_for_both_properties() -> None:
    values, _ = two_populations(600, seed=2)
    batch = np.array([f"b{n % 10}" for n in range(600)])
    found, _ = deconvolve_jointly(values, batch, settings=QUICK)
    assert found.draws.unit == "batches"
    assert [each.populations for each in found.candidates] == [1, 2, 3]
    assert len(found.populations) == 2
    assert found.supported
    one, two = found.populations
    assert one.fraction.low < 0.6 < one.fraction.high
    assert two.means["hardness"].low < 3.0 < two.means["hardness"].high
    assert {"modulus_mean_gpa", "hardness_sd_high_gpa"} <= set(found.to_frame().columns)


def test_what_cannot_be_is_refused() -> None:
    values, _ = two_populations(100, seed=3)
    for wrong in (values[:, 0], values[:8], np.where(values > 3, np.nan, values), np.ones((50, 2))):
        with pytest.raises(InputError):
            JointMixture(4).fit(wrong)
    with pytest.raises(InputError, match="one property alone"):
        deconvolve_jointly(values, np.zeros(100, str), settings=Settings(populations=2, fractions=(0.5, None)))
    with pytest.raises(NotFittedError):
        JointMixture(2).predict_proba(values)


def test_a_fit_stays_where_it_is_when_fitted_again_to_the_same_values() -> None:
    """A floor added too generously moves the fixed point of EM away from the likelihood's optimum."""
    rng = np.random.default_rng(4)
    hardness = np.exp(rng.normal(0, 1.0, 900))  # spread over decades, so that a share of its sd is wide for the softest
    values = np.stack([20 + 12 * hardness + rng.normal(0, 2, 900), hardness], axis=1)
    mixture = JointMixture(4, n_starts=4).fit(values)
    weights, means, _, _ = mixture.refitted(values)
    np.testing.assert_allclose(weights, mixture.weights_, atol=0.01)
    np.testing.assert_allclose(means, mixture.means_, rtol=0.02)


@pytest.mark.parametrize(("seed", "size", "k"), [(0, 300, 2), (1, 500, 3), (2, 400, 4), (3, 250, 3)])
def test_sklearn_never_finds_a_better_likelihood_at_the_same_floor(seed: int, size: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    modulus = drawn(size, seed=seed)
    values = np.stack([modulus, 0.03 * modulus * np.exp(rng.normal(0, 0.2, size))], axis=1)
    ours = JointMixture(k).fit(values)
    scaled = (values - ours.centre_) / ours.unit_
    rival = GaussianMixture(k, n_init=6, reg_covar=FLOOR**2, tol=1e-7, max_iter=3000, random_state=seed + 50)
    with threadpool_limits(limits=1):
        theirs = (rival.fit(scaled).score(scaled) - np.log(ours.unit_).sum()) * size
    assert ours.log_likelihood_ > theirs - 1e-3  # EM stops short of the optimum, both of them


def test_starts_at_the_same_optimum_are_counted_as_such() -> None:
    """EM stops short of an optimum by different lengths from different starts: that makes none of them another one."""
    values, _ = two_populations(1500, seed=5)
    mixture = JointMixture(2, n_starts=9).fit(values)
    assert mixture.starts_at_best_ >= 7
    rng = np.random.default_rng(6)
    modulus = drawn(1500, seed=6)
    slow = np.stack([modulus, 0.03 * modulus * np.exp(rng.normal(0, 0.2, 1500))], axis=1)
    assert JointMixture(3, n_starts=9).fit(slow).starts_at_best_ >= 2


def test_fits_take_one_thread_whatever_the_libraries_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fit, climb = GaussianMixture.fit, maximise._climb

    def told() -> None:
        seen.append({each["num_threads"] for each in threadpool_info()})

    def watched_fit(self: GaussianMixture, values: np.ndarray) -> GaussianMixture:
        told()
        return fit(self, values)

    def watched_climb(*arguments: object) -> object:
        told()
        return climb(*arguments)

    values, _ = two_populations(200, seed=3)
    with threadpool_limits(limits=2):
        monkeypatch.setattr(GaussianMixture, "fit", watched_fit)
        mixture = JointMixture(2, n_starts=1).fit(values)
        starts = len(seen)
        mixture.refitted(values)
        assert 0 < starts < len(seen)
        monkeypatch.setattr(maximise, "_climb", watched_climb)
        PopulationMixture(2, n_starts=2).fit(values[:, 0])
        assert all(each == {1} for each in seen)
        assert {each["num_threads"] for each in threadpool_info()} == {2}
