"""The plan, what a result answers, and what counting refuses."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.kernels import two_point
from cemvis.kernels.two_point import difference_counts, directional_counts, pair_counts
from pair_images import dense, noise, texture

# The plan


def test_the_plan_names_what_auto_takes() -> None:
    image = texture(200, 191)
    sparse = np.random.default_rng(1).random(image.shape) < 0.01
    few = image // 96
    cases = [
        (image, {"r_max": 3, "reduced": False}, "direct"),
        (image, {"r_max": 90, "reduced": False, "mask": sparse}, "pairs"),
        (few, {"r_max": 99, "reduced": False}, "fourier"),
    ]
    for levels, how, wanted in cases:
        plan = two_point.plan(levels, **how, threads=1)
        assert plan.algorithm == wanted
        assert min(plan.direct_s, plan.fourier_s, plan.pairs_s) > 0
        count = difference_counts if how.pop("reduced") else pair_counts
        assert count(levels, **how, threads=1).algorithm == wanted


# Results


def test_accessors() -> None:
    image, other = noise((9, 9), 4), noise((9, 9), 4, 1)
    found = pair_counts(image, r_max=2, levels=4)
    np.testing.assert_array_equal(found.level_pairs(3, 1), dense(found)[:, 1, 3])
    np.testing.assert_array_equal(found.level_pairs(1, 3), found.level_pairs(3, 1))
    crossed = pair_counts(image, other=other, r_max=2, levels=4)
    np.testing.assert_array_equal(crossed.level_pairs(3, 1), dense(crossed)[:, 3, 1])
    with pytest.raises(InputError, match="level 4 is not one of 0 to 3"):
        found.level_pairs(0, 4)
    with pytest.raises(InputError, match="r is 3; wanted 0 to 2"):
        found.dense(3)
    with pytest.raises(InputError, match="in one image and counts between two"):
        _ = found + crossed
    with pytest.raises(InputError, match="give both the same r_max and levels"):
        _ = found + pair_counts(image, r_max=1, levels=4)
    assert (found + pair_counts(image, r_max=2, levels=4, algorithm="fourier")).algorithm == "mixed"


def test_quantised() -> None:
    values = np.array([[0.0, 0.25], [1.0, 2.0], [-1.0, 0.75]])
    expected = [[0, 1], [4, 4], [0, 3]]
    assert two_point.quantised(values, lowest=0, highest=1, levels=5).tolist() == expected
    values[0, 0] = np.nan
    with pytest.raises(InputError, match=r"values have NaN at \(0, 0\)"):
        two_point.quantised(values, lowest=0, highest=1)
    mask = ~np.isnan(values)
    assert two_point.quantised(values, lowest=0, highest=1, levels=5, mask=mask).tolist() == expected
    with pytest.raises(InputError, match="the first below the second"):
        two_point.quantised(values, lowest=1, highest=1)


# Bad input
IMAGE = np.zeros((6, 8), np.uint8)


@pytest.mark.parametrize(
    ("image", "how", "message"),
    [
        ([[1]], {}, "image is a list; wanted a NumPy array"),
        (IMAGE.astype(float), {}, "image has dtype float64; wanted uint8 or bool.* quantised"),
        (IMAGE.astype(np.uint16), {}, "at most 256 levels"),
        (IMAGE[0], {}, r"image has shape \(8,\); wanted \(rows, cols\)"),
        (IMAGE[:0], {}, r"image has shape \(0, 8\)"),
        (IMAGE, {"r_max": 10}, "r_max is 10; wanted a whole number from 0 to 9"),
        (IMAGE, {"r_max": -1}, "r_max is -1"),
        (IMAGE, {"r_max": 2.5}, "r_max is 2.5"),
        (IMAGE, {"r_max": 4, "periodic": True}, "r_max is 4; wanted a whole number from 0 to 3"),
        (IMAGE, {"mask": IMAGE.astype(bool)}, "image has no valid pixel: its mask is 0 everywhere"),
        (IMAGE, {"mask": IMAGE}, r"mask is uint8 of shape \(6, 8\); wanted bool"),
        (IMAGE, {"mask": IMAGE[1:].astype(bool)}, r"mask is bool of shape \(5, 8\); wanted bool of shape \(6, 8\)"),
        (IMAGE, {"other": IMAGE[1:]}, r"other has shape \(5, 8\); wanted the image's \(6, 8\)"),
        (IMAGE, {"other_mask": IMAGE.astype(bool)}, "other_mask is given without other"),
        (IMAGE, {"other": IMAGE, "other_mask": IMAGE.astype(bool)}, "other has no valid pixel"),
        (IMAGE + 9, {"levels": 9}, "image has a pixel of level 9, but levels is 9"),
        (IMAGE, {"levels": 257}, "levels is 257; wanted a whole number from 1 to 256"),
        (IMAGE, {"algorithm": "fast"}, 'algorithm is "fast"; wanted auto, direct, fourier or pairs'),
        (IMAGE, {"core_rows": (3, 3)}, "core_rows are 3 to 3; wanted 0 <= begin < end <= 6"),
        (IMAGE, {"core_rows": (0, 3), "periodic": True}, "can't be counted in pieces"),
        (IMAGE, {"threads": 0}, "threads is 0"),
        (np.zeros((3, 4, 5), np.uint8), {"algorithm": "fourier"}, "takes images, not volumes"),
    ],
)
def test_bad_input(image: np.ndarray, how: dict, message: str) -> None:
    for count in (pair_counts, difference_counts):
        with pytest.raises(InputError, match=message) as caught:
            count(image, **{"r_max": 2, **how})
        assert "\n" not in str(caught.value)
    if "algorithm" not in how:
        with pytest.raises(InputError, match=message):
            two_point.plan(image, reduced=True, **{"r_max": 2, **how})


def test_bad_directions() -> None:
    with pytest.raises(InputError, match="dy_max is 6; wanted a whole number from 0 to 5"):
        directional_counts(IMAGE, dy_max=6, dx_max=0)
    with pytest.raises(InputError, match="dy_max and dx_max are 4 and 0; wanted 0 to 3 and 0 to 4"):
        directional_counts(IMAGE, dy_max=4, dx_max=0, periodic=True)
    with pytest.raises(InputError, match=r"wanted \(rows, cols\)"):
        directional_counts(np.zeros((2, 3, 4), np.uint8), dy_max=1, dx_max=1)
