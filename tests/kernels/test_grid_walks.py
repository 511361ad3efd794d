from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.errors import InputError
from cemvis.kernels.grid_walks import interpolated, joint_offsets
from reference import grid_walks as reference


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def beginnings(starts: int, rows: int, k: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.3), (starts, rows)).astype(np.float32)


def planted(rows: int, columns: int, k: int, amplitude: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise, and an imprint's score where the walks put it."""
    random = np.random.default_rng(seed)
    u, v = (np.clip(k // 2 + random.integers(-1, 2, n).cumsum(), 0, k - 1) for n in (columns, rows))
    scores = noise((rows, columns, k, k), seed)
    scores[np.arange(rows)[:, None], np.arange(columns), v[:, None], u] += np.float32(amplitude)
    return scores, u, v


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(1, 19),
    st.sampled_from([0.4, 1.0, 3.0]),
    st.sampled_from([0.0, 2.0, 8.0]),
    st.booleans(),
    st.integers(0, 1000),
)
def test_walks_are_those_of_the_formulas(rows, columns, k, step_sd, amplitude, visible, seed):
    # Also in noise alone, where there are many hills: the kernel's float32 chooses the one that float64 does. The
    # score is compared in case two walks are equally good, as on a flat top.
    scores, _, _ = planted(rows, columns, k, 4.0 if visible else 0.0, seed)
    first = beginnings(2, rows, k, seed)
    u, v, score = joint_offsets(scores, step_sd=step_sd, amplitude=amplitude, beginnings=first, threads=2)
    for n in range(2):
        _, _, wanted = reference.joint_offsets(scores, step_sd, amplitude, first[n])
        assert score[n] == pytest.approx(wanted, rel=1e-6, abs=1e-9)
        if amplitude:
            assert reference.joint_score(scores, u[n], v[n], step_sd, amplitude) == pytest.approx(score[n], rel=1e-12)


def test_faint_walks_are_found_from_every_beginning():
    # Each imprint alone, at twice the noise, is lost among 21 x 21 offsets: their joint score is not.
    scores, u, v = planted(20, 20, 21, 2.0, seed=4)
    own = scores.reshape(20, 20, -1).argmax(axis=-1)
    assert np.mean(own == v[:, None] * 21 + u) < 0.5
    found_u, found_v, score = joint_offsets(scores, step_sd=1.0, amplitude=2.0, beginnings=beginnings(3, 20, 21, 0))
    assert (found_u == u).all()
    assert (found_v == v).all()
    assert score == pytest.approx(np.full(3, reference.joint_score(scores, u, v, 1.0, 2.0)))


def test_no_pair_of_walks_is_better_on_tiny_grids():
    reached = 0
    paths = np.array(list(itertools.product(range(3), repeat=2)))
    for seed in range(40):
        scores, _, _ = planted(2, 2, 3, 2.0, seed)
        most = max(reference.joint_score(scores, u, v, 1.0, 2.0) for u in paths for v in paths)
        _, _, score = joint_offsets(scores, step_sd=1.0, amplitude=2.0, beginnings=beginnings(4, 2, 3, seed))
        assert (score <= most + 1e-9).all()
        reached += score.max() >= most - 1e-9
    assert reached >= 36


def test_one_bright_grain_does_not_outvote_the_rest():
    scores, u, v = planted(8, 8, 15, 5.0, seed=2)
    scores[3, 3, (v[3] + 6) % 15, (u[3] + 6) % 15] = 1e6
    found_u, found_v, _ = joint_offsets(scores, step_sd=1.0, amplitude=5.0)
    assert (found_u[0] == u).all()
    assert (found_v[0] == v).all()


def test_a_missing_beginning_is_an_even_one():
    scores, _, _ = planted(5, 7, 9, 4.0, seed=1)
    even = np.full((1, 5, 9), 1 / 9, np.float32)
    for got, wanted in zip(
        joint_offsets(scores, step_sd=2), joint_offsets(scores, step_sd=2, beginnings=even), strict=True
    ):
        assert got.tolist() == wanted.tolist()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(0, 12), st.sampled_from([1, 3, 5, 9, 21]), st.integers(0, 1000))
def test_splines_are_those_of_scipy(n, m, k, seed):
    # Some places fall beyond the table, some on its border and corners.
    random = np.random.default_rng(seed)
    tables = 7 + noise((n, k, k), seed)
    offsets = random.uniform(-0.6 * k, 0.6 * k, (m, n, 2))
    offsets[::3] = np.rint(offsets[::3])
    value = interpolated(tables, offsets, threads=2)
    assert value.shape == (m, n)
    assert value.dtype == np.float32
    # float32 at 7: 2.4e-7 each for the level and some steps of a filter whose gain is 3 an axis.
    assert value == pytest.approx(reference.interpolated(tables, offsets), abs=5e-6)


def test_splines_resolve_a_small_range_on_a_high_level():
    tables = 1000 + 1e-2 * noise((3, 9, 9), 0)
    offsets = np.random.default_rng(1).uniform(-4, 4, (50, 3, 2))
    # One rounding of the result, half of 6.1e-5, beside the range of 5e-2.
    assert interpolated(tables, offsets) == pytest.approx(reference.interpolated(tables, offsets), abs=4e-5)


SPLINES = (noise((150, 21, 21), 3), np.random.default_rng(3).uniform(-9, 9, (60, 150, 2)))


def bits() -> str:
    """Everything that both kernels give for a few inputs."""
    scores, _, _ = planted(9, 6, 13, 2.0, seed=8)
    parts = joint_offsets(scores, step_sd=1.5, beginnings=beginnings(3, 9, 13, 0))
    return "".join(part.tobytes().hex() for part in (*parts, interpolated(*SPLINES)))


def test_threads_change_no_bit():
    # Large enough for the sweeps of a single start to be shared out.
    scores, _, _ = planted(50, 60, 39, 2.0, seed=8)
    wanted = joint_offsets(scores, step_sd=1.5, threads=1)
    for got, one in zip(joint_offsets(scores, step_sd=1.5, threads=3), wanted, strict=True):
        assert got.tobytes() == one.tobytes()
    assert interpolated(*SPLINES, threads=3).tobytes() == interpolated(*SPLINES, threads=1).tobytes()


@pytest.mark.parametrize("level", ["baseline", "avx2"])
def test_instruction_sets_change_no_bit(level):
    code = "from kernels.test_grid_walks import bits; print(bits())"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    env = {**os.environ, "CEMVIS_SIMD": level, "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == bits()


SCORES = np.zeros((2, 3, 5, 5), np.float32)
EVEN = np.full((1, 2, 5), 0.2, np.float32)


@pytest.mark.parametrize(
    ("scores", "options", "words"),
    [
        (SCORES.astype(np.float64), {}, "scores is float64"),
        (SCORES[0], {}, "wanted float32 of shape"),
        (SCORES.tolist(), {}, "scores is a list"),
        (SCORES[..., :4], {}, "C order"),
        (SCORES[..., :4].copy(), {}, r"wanted \(rows, columns, k, k\)"),
        (SCORES[:0], {}, "none of them 0"),
        (np.full_like(SCORES, np.nan), {}, "scores must be finite"),
        (np.full_like(SCORES, -np.inf), {}, "scores must be finite"),
        (SCORES, {"step_sd": 0}, "step_sd is 0"),
        (SCORES, {"amplitude": -1}, "amplitude is -1"),
        (SCORES, {"amplitude": np.nan}, "amplitude is nan"),
        (SCORES, {"amplitude": 1e300}, "amplitude"),
        (SCORES, {"beginnings": EVEN[0]}, "beginnings is float32"),
        (SCORES, {"beginnings": EVEN[:0]}, "at least one start"),
        (SCORES, {"beginnings": EVEN[:, :1].copy()}, r"wanted \(starts, 2, 5\)"),
        (SCORES, {"beginnings": -EVEN}, "probabilities from 0 to 1"),
        (SCORES, {"beginnings": np.full_like(EVEN, np.nan)}, "probabilities from 0 to 1"),
        (SCORES, {"threads": 0}, "threads is 0"),
    ],
)
def test_walks_refuse(scores, options, words):
    with pytest.raises(InputError, match=words):
        joint_offsets(scores, **{"step_sd": 1.0, **options})


TABLES = np.zeros((2, 5, 5), np.float32)
OFFSETS = np.zeros((4, 2, 2))


@pytest.mark.parametrize(
    ("tables", "offsets", "words"),
    [
        (TABLES.astype(np.float64), OFFSETS, "tables is float64"),
        (TABLES[:, :4, :4].copy(), OFFSETS, "odd k"),
        (TABLES[:, :3].copy(), OFFSETS, "odd k"),
        (TABLES[:, ::-1], OFFSETS, "C order"),
        (TABLES, OFFSETS.astype(np.float32), "offsets is float32"),
        (TABLES, OFFSETS[:, :1].copy(), r"wanted \(m, 2, 2\)"),
        (np.full_like(TABLES, np.inf), OFFSETS, "tables has values that are not finite"),
        (TABLES, np.full_like(OFFSETS, np.nan), "offsets has values that are not finite"),
    ],
)
def test_splines_refuse(tables, offsets, words):
    with pytest.raises(InputError, match=words):
        interpolated(tables, offsets)
