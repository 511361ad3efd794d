from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.indentation.micro_positioning.arrangement import AS_GIVEN, arrangements, better_than_given

STEPS = np.array([[40.0, 0.4], [-0.4, 40.0]])
FLIPS = {
    AS_GIVEN: lambda image: image,
    "mirrored left to right": np.fliplr,
    "mirrored top to bottom": np.flipud,
    "turned by 180 degrees": lambda image: np.rot90(image, 2),
    "mirrored about its diagonal": np.transpose,
    "turned by 90 degrees": lambda image: np.rot90(image, -1),  # from x towards y, which points down
    "turned by -90 degrees": np.rot90,
    "mirrored about its other diagonal": lambda image: np.rot90(image, 2).T,
}


def places(rows: int, columns: int) -> np.ndarray:
    i, j = np.mgrid[:rows, :columns]
    return np.stack([j, i], axis=-1).reshape(-1, 2) @ STEPS + [500.0, 300.0]


def values(rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return grey levels and moduli that go with them, (rows, columns) each."""
    rng = np.random.default_rng(seed)
    grey = rng.normal(110, 30, (rows, columns))
    return grey, 20 + 0.2 * (grey - 80) + rng.normal(0, 3, grey.shape)


@pytest.mark.parametrize("way", list(FLIPS))
def test_the_way_that_a_table_has_to_go_is_named(way: str) -> None:
    grey, modulus = values(12, 12)
    image = FLIPS[way](grey)  # the image shows each grey level where its test belongs
    found = arrangements(places(12, 12), image.ravel(), modulus.ravel(), steps_px=STEPS)
    assert len(found) == 16
    better = better_than_given(found)
    if way == AS_GIVEN:
        assert better is None
    else:
        assert better is not None
        assert better.way == way
        assert better.correlation == pytest.approx(0.9, abs=0.06)
        assert better.indents == 144


@pytest.mark.parametrize("shift", [(1, 0), (0, -1), (-1, 1)])
def test_a_table_that_is_off_by_a_row_or_column_is_noticed(shift: tuple[int, int]) -> None:
    grey, modulus = values(14, 16, seed=2)
    image = np.roll(grey, shift[::-1], (0, 1))
    better = better_than_given(arrangements(places(14, 16), image.ravel(), modulus.ravel(), steps_px=STEPS))
    assert better is not None
    assert (better.way, better.shift, better.is_given) == (AS_GIVEN, shift, False)


def test_bright_need_not_be_stiff() -> None:
    grey, modulus = values(12, 12, seed=3)
    given = arrangements(places(12, 12), -grey.ravel(), modulus.ravel(), steps_px=STEPS)
    assert better_than_given(given) is None
    mirrored = arrangements(places(12, 12), -np.fliplr(grey).ravel(), modulus.ravel(), steps_px=STEPS)
    assert better_than_given(mirrored).way == "mirrored left to right"


def test_only_ways_that_fit_the_grid_are_tried() -> None:
    grey, modulus = values(8, 16)
    found = arrangements(places(8, 16), grey.ravel(), modulus.ravel(), steps_px=STEPS)
    ways = {each.way for each in found}
    assert "turned by 180 degrees" in ways
    assert "turned by 90 degrees" not in ways


def test_values_that_are_not_known_are_left_out() -> None:
    grey, modulus = values(12, 12, seed=4)
    grey[3], modulus[:, 5] = np.nan, np.nan
    found = arrangements(places(12, 12), grey.ravel(), modulus.ravel(), steps_px=STEPS)
    own = next(each for each in found if each.is_given)
    assert own.indents == 144 - 12 - 12 + 1
    assert own.correlation > 0.8
    assert better_than_given(found) is None


def test_noise_and_few_indents_are_no_reason() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        grey, modulus = rng.normal(size=144), rng.normal(size=144)
        assert better_than_given(arrangements(places(12, 12), grey, modulus, steps_px=STEPS)) is None
    grey, modulus = values(4, 4)
    assert arrangements(places(4, 4), np.fliplr(grey).ravel(), modulus.ravel(), steps_px=STEPS) == []
    constant = np.full(144, 30.0)
    assert arrangements(places(12, 12), constant, constant, steps_px=STEPS) == []


def test_the_matrix_takes_places_where_they_belong() -> None:
    grey, modulus = values(12, 12)
    found = arrangements(places(12, 12), np.rot90(grey, -1).ravel(), modulus.ravel(), steps_px=STEPS)
    assert better_than_given(found).matrix.tolist() == [[0, -1], [1, 0]]
