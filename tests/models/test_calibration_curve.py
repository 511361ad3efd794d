from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.models.calibration_curve import fitted_temperature, negative_log_likelihood, probabilities, reliability


def drawn(scale: float, n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose softmax at temperature `scale` is the truth, and labels drawn from it."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 3)) * 1.5
    chance = probabilities(truth)
    labels = (rng.random((n, 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
    return truth * scale, np.minimum(labels, 2)


def test_probabilities_by_hand() -> None:
    found = probabilities(np.array([[0.0, np.log(3.0)], [1000.0, 0.0]]))
    assert found == pytest.approx(np.array([[0.25, 0.75], [1.0, 0.0]]))
    assert probabilities(np.array([[0.0, 2.0]]), temperature=2.0)[0, 1] == pytest.approx(1 / (1 + np.exp(-1)))


def test_reliability_by_hand() -> None:
    probability = np.array([[0.95, 0.05], [0.85, 0.15], [0.15, 0.85], [0.4, 0.6]])
    found = reliability(probability, np.array([0, 1, 1, 1]), bins=10)
    assert found.count == (0, 0, 0, 0, 0, 1, 0, 0, 2, 1)
    assert found.accuracy[5:] == (1.0, None, None, 0.5, 1.0)
    assert found.confidence[8] == pytest.approx(0.85)
    assert found.expected_error == pytest.approx((1 * 0.4 + 2 * 0.35 + 1 * 0.05) / 4)
    assert found.to_json()["edges"][1] == pytest.approx(0.1)


def test_bins_hold_their_upper_edge_and_certainty() -> None:
    found = reliability(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]), bins=2)
    assert found.count == (1, 1)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_temperature_that_was_put_in_is_found(scale) -> None:
    scores, labels = drawn(scale)
    found = fitted_temperature(scores, labels)
    assert found == pytest.approx(scale, rel=0.05)
    before = reliability(probabilities(scores), labels).expected_error
    after = reliability(probabilities(scores, temperature=found), labels).expected_error
    assert after < 0.015
    assert scale == 1.0 or before > 5 * after


def test_few_right_answers_do_not_end_in_certainty() -> None:
    scores, labels = np.array([[2.0, 0.0]] * 4), np.zeros(4, np.intp)
    found = fitted_temperature(scores, labels)
    assert 0.3 < found < 1.0


def test_likelihood_by_hand_and_without_overflow() -> None:
    scores = np.array([[0.0, np.log(3.0)]])
    assert negative_log_likelihood(scores, np.array([1])) == pytest.approx(-np.log(0.75))
    assert negative_log_likelihood(np.array([[5000.0, 0.0]]), np.array([1])) == pytest.approx(5000.0)


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((2, 2)), np.full((3, 2), np.nan), np.zeros((0, 2))])
def test_values_that_fit_no_labels_are_refused(scores) -> None:
    with pytest.raises(InputError, match="labels"):
        reliability(scores, np.zeros(3, np.intp))


def test_scores_that_are_not_finite_are_no_probabilities() -> None:
    with pytest.raises(InputError, match="scores are not finite"):
        probabilities(np.array([[0.0, np.nan]]))
