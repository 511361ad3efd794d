from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cemvis.analysis.relevance import baseline_of, perturbation_curves, verdicts
from cemvis.analysis.relevance.faithfulness import LEAST_IMAGES, Curves, Verdict, random_relevance, verdicts_frame
from cemvis.errors import InputError

FRACTIONS = (0.0, 0.1, 0.25, 0.5, 1.0)


def weights(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(0.2, size=(10, 10))


def scored_by(weight: np.ndarray):
    return lambda images: (images * weight).sum(axis=(1, 2))


def test_curves_of_a_sum_are_sums_of_the_largest_terms() -> None:
    weight, images = weights(), np.random.default_rng(1).random((3, 10, 10))
    terms = images * weight
    found = perturbation_curves(scored_by(weight), images, np.zeros_like(images), terms, fractions=FRACTIONS)
    for index in range(3):
        largest = np.sort(terms[index].ravel())[::-1]
        for place, fraction in enumerate(FRACTIONS):
            gone = largest[: round(100 * fraction)].sum()
            assert found.deletion[index, place] == pytest.approx(terms[index].sum() - gone, abs=1e-12)
            assert found.insertion[index, place] == pytest.approx(gone, abs=1e-12)


def test_areas_are_those_of_trapezia() -> None:
    curves = Curves(np.array([0.0, 0.5, 1.0]), np.array([[4.0, 0.0, 0.0]]), np.array([[0.0, 4.0, 4.0]]))
    deletion, insertion = curves.areas
    assert deletion == pytest.approx([1.0])
    assert insertion == pytest.approx([3.0])


def test_fractions_are_rounded_up_to_whole_pixels() -> None:
    images = np.ones((1, 3, 3))
    found = perturbation_curves(
        scored_by(np.ones((3, 3))), images, 0 * images, images, fractions=(0.0, 0.01, 0.12, 1.0)
    )
    assert found.insertion[0].tolist() == [0, 1, 2, 9]


def test_blocks_go_by_their_mean_relevance() -> None:
    relevance = np.zeros((1, 5, 4))
    relevance[0, 0, 0] = 6.0  # mean 1.5 in a block of 4
    relevance[0, 4, 2:] = 2.0  # mean 2 in a block of 2, at the edge
    order: list[np.ndarray] = []

    def scored(images: np.ndarray) -> np.ndarray:
        order.append(images[0].copy())
        return images.sum(axis=(1, 2))

    images = np.ones((1, 5, 4))
    found = perturbation_curves(scored, images, 0 * images, relevance, fractions=(0.0, 0.1, 0.3, 1.0), block_px=2)
    assert found.insertion[0].tolist() == [0, 2, 6, 20]
    inserted = order[3]  # after whole, bare, and the first deletion
    assert np.argwhere(inserted > 0).tolist() == [[4, 2], [4, 3]]


def test_true_relevance_is_more_faithful_than_noisy_than_none() -> None:
    weight, images = weights(), np.random.default_rng(2).random((12, 10, 10))
    bare, terms = np.zeros_like(images), images * weight
    noisy = terms * np.random.default_rng(3).lognormal(0, 2, terms.shape)
    curves = {
        name: perturbation_curves(scored_by(weight), images, bare, relevance, fractions=FRACTIONS)
        for name, relevance in (
            ("random", random_relevance(images.shape, seed=4)),
            ("noisy", noisy),
            ("true", terms),
            ("also true", 3 * terms),
        )
    }
    found = verdicts(curves, resamplings=300)
    assert [each.method for each in found] == ["also true", "true", "noisy", "random"]
    assert [each.as_good for each in found] == [True, True, False, False]
    assert found[0].behind == 0
    assert found[-1].low < 0.15
    assert abs(found[-1].faithfulness) < 0.2
    assert all(each.low <= each.faithfulness <= each.high for each in found)
    assert found[2].behind == pytest.approx(found[0].faithfulness - found[2].faithfulness)
    assert verdicts(curves, resamplings=300) == found
    frame = verdicts_frame(found)
    assert frame["as_good_as_best"].tolist() == [True, True, False, False]


def test_few_images_give_no_intervals() -> None:
    weight, images = weights(), np.random.default_rng(2).random((LEAST_IMAGES, 10, 10))

    def found(count: int) -> tuple[Verdict, ...]:
        some = images[:count]
        return verdicts(
            {
                name: perturbation_curves(scored_by(weight), some, 0 * some, relevance)
                for name, relevance in (("true", some * weight), ("random", random_relevance(some.shape, seed=4)))
            },
            resamplings=200,
        )

    for count in (1, LEAST_IMAGES - 1):
        few = found(count)
        assert np.isnan([(each.low, each.high, each.behind_low, each.behind_high) for each in few]).all()
        assert all(each.as_good for each in few)
        assert few[1].behind > 0
    best, other = found(LEAST_IMAGES)
    assert best.low < best.high
    assert not other.as_good


def test_faithfulness_of_one_pixel_that_is_all() -> None:
    weight = np.zeros((10, 10))
    weight[4, 4] = 2.0
    images = np.ones((2, 10, 10))
    curves = perturbation_curves(scored_by(weight), images, 0 * images, np.stack([weight] * 2), fractions=(0, 0.01, 1))
    [found] = verdicts({"one": curves}, resamplings=10)
    # Both curves change in the first hundredth: trapezia of half of it are missing.
    assert found.faithfulness == pytest.approx(1 - 0.01)


def test_baselines() -> None:
    images = np.random.default_rng(0).random((2, 12, 15))
    assert (baseline_of(images, "black", black=-2.0) == -2.0).all()
    np.testing.assert_allclose(baseline_of(images, "mean")[1], images[1].mean())
    np.testing.assert_allclose(
        baseline_of(images, "blurred", blur_px=2.0)[1], gaussian_filter(images[1], 2.0, mode="nearest")
    )


def test_curves_join() -> None:
    one = Curves(np.array([0.0, 1.0]), np.ones((2, 2)), np.zeros((2, 2)))
    both = one.joined(Curves(one.fractions, np.full((1, 2), 3.0), np.zeros((1, 2))))
    assert both.deletion[:, 0].tolist() == [1, 1, 3]
    assert len(both.insertion) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"fractions": (0.1, 1.0)},
        {"fractions": (0.0, 0.5)},
        {"fractions": (0.0, 0.5, 0.5, 1.0)},
        {"block_px": 0},
        {"relevance": np.ones((2, 4, 5))},
    ],
)
def test_bad_input_is_refused(more: dict) -> None:
    images = np.ones((2, 4, 4))
    arguments = {"relevance": images} | more
    with pytest.raises(InputError, match="wanted"):
        perturbation_curves(scored_by(np.ones((4, 4))), images, images, **arguments)


def test_bad_comparisons_are_refused() -> None:
    with pytest.raises(InputError, match="no curves"):
        verdicts({})
    one, other = (Curves(np.array([0.0, 1.0]), np.ones((n, 2)), np.ones((n, 2))) for n in (2, 3))
    with pytest.raises(InputError, match="different numbers"):
        verdicts({"one": one, "other": other})
    with pytest.raises(InputError, match="blurred, mean, black"):
        baseline_of(np.ones((1, 3, 3)), "white")
