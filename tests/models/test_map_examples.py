from __future__ import annotations

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.models.map_examples import MapExamples, as_input, symmetry

MAPS = np.random.default_rng(0).integers(0, 256, (6, 5, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def test_symmetries_are_the_eight_of_the_square() -> None:
    found = {symmetry(MAPS[0], which).tobytes() for which in range(8)}
    assert len(found) == 8
    assert symmetry(MAPS[0], 0).tobytes() == MAPS[0].tobytes()
    # Closed: turning or mirroring one of them gives another of them.
    for which in range(8):
        again = symmetry(MAPS[0], which)
        assert np.ascontiguousarray(np.rot90(again)).tobytes() in found
        assert np.ascontiguousarray(again[::-1]).tobytes() in found


def test_without_a_generator_maps_are_as_they_are() -> None:
    examples = MapExamples(lambda indices: MAPS[indices], np.array([4, 2, 1]), LABELS)
    maps, labels = examples.batch(np.array([0, 2]), None)
    assert maps.dtype == np.float32
    assert np.array_equal(maps, MAPS[[4, 1], None] / np.float32(255))
    assert labels.tolist() == [1, 1]
    assert len(examples) == 3


def test_learning_turns_maps_by_the_generator() -> None:
    examples = MapExamples(lambda indices: MAPS[indices], np.arange(6), LABELS)
    first, second = (examples.batch(np.arange(6), np.random.default_rng(5))[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first[:, 0] * 255, MAPS)
    for map_in, turned in zip(MAPS, first[:, 0], strict=True):
        assert any(np.array_equal(turned, symmetry(map_in, which) / np.float32(255)) for which in range(8))
    plain = MapExamples(lambda indices: MAPS[indices], np.arange(6), LABELS, augment=False)
    assert np.array_equal(plain.batch(np.arange(6), np.random.default_rng(5))[0], as_input(MAPS))


@pytest.mark.parametrize("maps", [MAPS[0], MAPS.astype(np.float32)])
def test_what_are_no_maps_is_refused(maps) -> None:
    with pytest.raises(InputError, match="wanted uint8"):
        as_input(maps)
