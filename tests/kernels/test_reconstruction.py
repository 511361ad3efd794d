"""Annealed images: counts that are followed are those of the image, energies those of the counts, seeds decide."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.kernels.reconstruction import MOST_PHASES, Reconstruction
from cemvis.kernels.two_point import pair_counts
from reference import reconstruction as naive

# Odd and even sides, r_max at half the shorter side, where a pair is met from both ends, and beyond a row of fields.
CASES = [
    (shape, phases, r_max, periodic, directions)
    for (shape, r_max), phases in product((((6, 6), 3), ((7, 9), 3), ((8, 5), 2), ((5, 12), 1)), (2, 3, 5, 16))
    for periodic, directions in product((True, False), ("all", "axes"))
]


def random_image(shape: tuple[int, int], phases: int, seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).integers(0, phases, shape, dtype=np.uint8)
    image.flat[:2] = (0, 1)
    return image


def random_target(r_max: int, phases: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(phases * (phases + 1) // 2), r_max + 1)


@pytest.mark.parametrize(("shape", "phases", "r_max", "periodic", "directions"), CASES)
def test_counts_and_energies_are_those_of_the_image(shape, phases, r_max, periodic, directions) -> None:
    image, target = random_image(shape, phases), random_target(r_max, phases)
    weights = np.random.default_rng(2).uniform(0, 2, r_max + 1)
    rng = np.random.default_rng(3)
    for terms in ("all", "autocorrelations"):
        state = Reconstruction(
            image, target, phases=phases, periodic=periodic, directions=directions, terms=terms, weights=weights
        )
        mirror = image.copy()
        for step in range(12):
            if step:
                (a, b) = (tuple(int(rng.integers(side)) for side in shape) for _ in range(2))
                state.swap(a, b)
                mirror[a], mirror[b] = mirror[b], mirror[a]
            if step % 4 == 3:
                continue
            expected = naive.pair_counts(mirror, r_max, phases, periodic=periodic, axes=directions == "axes")
            assert np.array_equal(state.image(), mirror)
            assert np.array_equal(state.counts().counts, expected.astype(np.uint64))
            assert np.array_equal(state.counts().pairs, expected.sum(1).astype(np.uint64))
            energy = naive.energy(expected, target, weights, autocorrelations=terms == "autocorrelations")
            # Some 1,000 terms of 1 at most, each rounded a few times.
            assert state.energy == pytest.approx(energy, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("selection", ["random", "interface"])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(("phases", "r_max"), [(2, 20), (3, 9), (4, 15), (8, 12), (9, 9), (16, 20)])
def test_counts_after_many_trials_are_those_of_a_full_count(phases, r_max, periodic, selection) -> None:
    image = random_image((41, 57), phases)
    state = Reconstruction(
        image, random_target(r_max, phases), phases=phases, periodic=periodic, selection=selection, seed=5
    )
    for temperature in (1e-3, 1e-6, 0.0):
        before = state.energy
        run = state.anneal(400, temperature)
        assert run.trials == 400
        assert 0 < run.accepted <= 400
        assert (run.worse > 0) == (temperature == 1e-3) or temperature == 1e-6
        if temperature == 0:
            assert state.energy < before
        found = pair_counts(state.image(), r_max=r_max, periodic=periodic, levels=phases)
        assert np.array_equal(state.counts().counts, found.counts)
        assert np.array_equal(state.counts().pairs, found.pairs)
    assert np.array_equal(np.bincount(state.image().ravel()), np.bincount(image.ravel()))


@pytest.mark.parametrize("terms", ["all", "autocorrelations"])
@pytest.mark.parametrize("phases", [2, 4])
def test_changes_foretold_are_those_that_come(phases, terms) -> None:
    """Two states of one seed draw the same swaps: one foretells the change, the other makes it."""
    image, target = random_image((24, 31), phases), random_target(7, phases)
    for periodic in (True, False):
        fortune, state = (
            Reconstruction(image, target, phases=phases, periodic=periodic, terms=terms, seed=9) for _ in range(2)
        )
        assert np.array_equal(fortune.image(), image)
        before = state.energy
        change = fortune.sample_changes(1)[0]
        assert fortune.energy == before
        assert np.array_equal(fortune.image(), image)
        state.anneal(1, 1e6)  # so hot that anything goes
        assert state.energy - before == pytest.approx(change, rel=1e-9, abs=1e-14)


def test_swaps_are_made_as_often_as_their_cost_says() -> None:
    """Of independent draws in one image, exp(-change / T) in the mean are made: within 5 standard errors."""
    image, target = random_image((30, 30), 2), random_target(4, 2)
    changes = Reconstruction(image, target, phases=2, seed=3).sample_changes(20_000)
    temperature = float(np.abs(changes).mean())
    expected = np.minimum(1.0, np.exp(-changes / temperature)).mean()
    made = [Reconstruction(image, target, phases=2, seed=seed).anneal(1, temperature).accepted for seed in range(3_000)]
    assert abs(np.mean(made) - expected) < 5 * math.sqrt(expected * (1 - expected) / len(made))


def test_interfaces_alone_are_swapped() -> None:
    image = np.zeros((20, 20), np.uint8)
    image[:, 8:12] = 1
    target = random_target(3, 2)
    touching = np.zeros_like(image, bool)
    touching[:, [7, 8, 11, 12]] = True
    for seed in range(60):
        state = Reconstruction(image, target, phases=2, selection="interface", seed=seed)
        state.anneal(1, 1e9)
        assert touching[state.image() != image].all()
    state = Reconstruction(image, target, phases=2, selection="random", seed=1)
    state.anneal(100, 1e9)
    assert not touching[state.image() != image].all()


def test_a_seed_gives_one_image_at_any_simd_level() -> None:
    code = (
        "import numpy as np, hashlib; from cemvis.kernels.reconstruction import Reconstruction as R\n"
        "g = np.random.default_rng(0); t = g.dirichlet(np.ones(6), 9); m = g.integers(0, 3, (40, 40), dtype=np.uint8)\n"
        "s = R(m, t, phases=3, seed=4); s.anneal(3000, 1e-5)\n"
        "print(hashlib.sha256(s.image()).hexdigest(), s.energy.hex())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **({"CEMVIS_SIMD": level} if level else {})},
        ).stdout
        for level in ("", "baseline")
    }
    assert len(told) == 1
    image, target = random_image((40, 40), 3), random_target(8, 3)
    one, same, other = (Reconstruction(image, target, phases=3, seed=seed) for seed in (4, 4, 5))
    one.anneal(900, 1e-4)
    for _ in range(3):
        same.anneal(300, 1e-4)
    other.anneal(900, 1e-4)
    assert np.array_equal(one.image(), same.image())
    assert one.energy == same.energy
    assert not np.array_equal(one.image(), other.image())


def test_any_view_of_an_image_will_do() -> None:
    image = random_image((18, 24), 3)
    target = random_target(4, 3)
    view = np.asfortranarray(np.flip(np.kron(image, np.ones((2, 3), np.uint8))))[::-2, ::-3]
    assert not view.flags.c_contiguous
    first, second = (Reconstruction(each, target, phases=3, seed=2) for each in (image, view))
    for state in (first, second):
        state.anneal(200, 1e-4)
    assert np.array_equal(first.image(), second.image())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"phases": 1}, "phases is 1; wanted a whole number from 2 to 16"),
        ({"phases": MOST_PHASES + 1}, "phases is 17"),
        ({"phases": 3}, r"target has shape \(4, 3\); wanted \(r_max \+ 1, 6\)"),
        ({"target": np.full((4, 3), np.nan)}, "finite"),
        ({"target": np.full((1, 3), 0.3)}, "r_max from 1"),
        ({"target": np.full((8, 3), 0.3)}, "half the shorter side"),
        ({"target": np.full((13, 3), 0.3), "periodic": False}, "the shorter side - 1"),
        ({"weights": np.ones(3)}, "weights r_max"),
        ({"weights": -np.ones(4)}, "not below 0"),
        ({"image": np.zeros((12, 12), np.uint8)}, "one phase"),
        ({"image": np.eye(12, dtype=np.uint8) * 2}, "not below the number of phases"),
        ({"image": np.zeros((12, 12))}, "dtype float64"),
        ({"directions": "diagonal"}, "wanted all or axes"),
        ({"terms": "some"}, "wanted all or autocorrelations"),
        ({"selection": "best"}, "wanted random or interface"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_annealed_is_refused(change, told) -> None:
    given = {"image": np.eye(12, dtype=np.uint8), "target": np.full((4, 3), 0.3), "phases": 2} | change
    with pytest.raises(InputError, match=told):
        Reconstruction(given.pop("image"), given.pop("target"), **given)


def test_what_cannot_be_done_with_an_image_is_refused() -> None:
    state = Reconstruction(np.eye(12, dtype=np.uint8), np.full((4, 3), 0.3), phases=2)
    with pytest.raises(InputError, match="lies outside the image of 12 x 12"):
        state.swap((0, 0), (3, 12))
    for trials, temperature in ((-1, 1.0), (5, -1.0), (5, math.nan)):
        with pytest.raises(InputError, match="finite and not below 0"):
            state.anneal(trials, temperature)
