"""The joint fit of a grid's columns and rows, and splines through tables, against NumPy and SciPy.

The answers are checked first: the same walks, the same values. NumPy's contractions are batched products of matrices
in float32, faster than its einsum on these shapes; the kernel skips what is improbable, which NumPy cannot.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cemvis._checks import thread_count
from cemvis.kernels.grid_walks import interpolated, joint_offsets
from reference import grid_walks as reference

ndimage = pytest.importorskip("scipy.ndimage")

THREADS = thread_count(None)
STEP_SD, AMPLITUDE, STARTS = 1.5, 2.0, 4


def planted(rows: int, columns: int, k: int) -> np.ndarray:
    random = np.random.default_rng(0)
    u, v = (np.clip(k // 2 + random.integers(-1, 2, n).cumsum(), 0, k - 1) for n in (columns, rows))
    scores = random.standard_normal((rows, columns, k, k), dtype=np.float32)
    scores[np.arange(rows)[:, None], np.arange(columns), v[:, None], u] += np.float32(AMPLITUDE)
    return scores


def with_numpy(scores: np.ndarray, beginnings: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    clipped = np.minimum(scores, np.float32(3))
    found = []
    for belief_v in beginnings:
        for weight in (0.5, 1.0, 2.0):
            for _ in range(4):
                columns = np.matmul(belief_v[:, None, None, :], clipped)[:, :, 0].sum(axis=0)
                belief_u = reference.marginals(weight * columns, STEP_SD).astype(np.float32)
                rows = np.matmul(clipped, belief_u[:, :, None])[..., 0].sum(axis=1)
                belief_v = reference.marginals(weight * rows, STEP_SD).astype(np.float32)
        found.append(reference.hard(scores, STEP_SD, AMPLITUDE, belief_u.argmax(axis=1), belief_v.argmax(axis=1)))
    return found


@pytest.mark.parametrize(("side", "k"), [(20, 21), (20, 41), (20, 69), (100, 41)])
def test_grid_walks_fit(side: int, k: int, compare: Callable[..., object]) -> None:
    scores = planted(side, side, k)
    beginnings = np.random.default_rng(1).dirichlet(np.full(k, 0.3), (STARTS, side)).astype(np.float32)

    def fitted(threads: int) -> tuple[np.ndarray, ...]:
        return joint_offsets(scores, step_sd=STEP_SD, amplitude=AMPLITUDE, beginnings=beginnings, threads=threads)

    u, v, score = fitted(THREADS)
    for n, (columns, rows, reached) in enumerate(with_numpy(scores, beginnings)):
        assert (u[n] == columns).all()
        assert (v[n] == rows).all()
        assert score[n] == pytest.approx(reached, rel=1e-6)
    contenders = {f"cemvis, {THREADS} threads": lambda: fitted(THREADS)}
    if THREADS > 1:
        contenders["cemvis, 1 thread"] = lambda: fitted(1)
    contenders["NumPy"] = lambda: with_numpy(scores, beginnings)
    compare(f"joint fit of {side} x {side} indents, {k} x {k} offsets, {STARTS} starts", contenders)


def with_scipy(tables: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    radius = tables.shape[-1] // 2
    out = np.empty(offsets.shape[:2], np.float32)
    for n, table in enumerate(tables):
        out[:, n] = ndimage.map_coordinates(table, offsets[:, n, ::-1].T + radius, order=3, mode="mirror")
    return out


@pytest.mark.parametrize(("n", "m", "k"), [(400, 200, 21), (400, 33, 21)])
def test_grid_walks_splines(n: int, m: int, k: int, compare: Callable[..., object]) -> None:
    random = np.random.default_rng(0)
    tables = random.standard_normal((n, k, k), dtype=np.float32)
    offsets = random.uniform(-(k // 2), k // 2, (m, n, 2))
    # float32 against float64: some roundings of values up to 5, through a filter whose gain is 3 an axis.
    np.testing.assert_allclose(interpolated(tables, offsets), with_scipy(tables, offsets), rtol=0, atol=1e-5)
    contenders = {f"cemvis, {THREADS} threads": lambda: interpolated(tables, offsets)}
    if THREADS > 1:
        contenders["cemvis, 1 thread"] = lambda: interpolated(tables, offsets, threads=1)
    contenders["scipy map_coordinates"] = lambda: with_scipy(tables, offsets)
    compare(f"splines of {n} tables of {k} x {k} at {m} places each", contenders)
