"""Joint fit of a grid's columns and rows to tables of scores, and smooth values between a table's numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cemvis import _core
from cemvis._checks import positive, thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors


def joint_offsets(
    scores: NDArray[np.float32],
    *,
    step_sd: float,
    amplitude: float = 0.0,
    beginnings: NDArray[np.float32] | None = None,
    threads: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Find the offsets of a grid's columns and rows with the greatest joint score, from each of several beginnings.

    Column j is off by ``u[j]`` across and row i by ``v[i]`` down; both follow walks of Gaussian steps. The joint score
    is ``a * min(scores[i, j, v[i], u[j]], 2 a)`` summed over the indents, with a for the amplitude, plus
    ``-(step / step_sd)^2 / 2`` summed over the steps of both walks. Mean-field sweeps at falling temperature choose
    the hill, exact paths for columns and rows in turn climb it: a local maximum, and never below where the sweeps end.

    Parameters
    ----------
    scores : (rows, columns, k, k) float32
        In C order, finite: standardised response of each indent at k offsets down and k across.
    step_sd : float
        Standard deviation of the walks' steps, in steps of the offsets.
    amplitude : float
        Score expected of an imprint; 0 for the median of those that the sweeps find, at least 1.
    beginnings : (starts, rows, k) float32, optional
        Probabilities of the rows' offsets that the sweeps begin with. Default: one start, all equally likely.
    threads : int, optional
        Default: all cores that the process may use. Any number gives the same bits.

    Returns
    -------
    u : (starts, columns) int64
        Indices into the offsets across.
    v : (starts, rows) int64
        Indices into the offsets down.
    score : (starts,) float64

    Raises
    ------
    InputError
        If an argument has the wrong type, shape or range, or a score is not finite.

    Notes
    -----
    The sweeps take scores above 3, or 1.5 amplitudes, for just that much, and leave out probabilities below 1e-6.
    They run in float32, the paths in float64 [1]_.

    References
    ----------
    .. [1] G. D. Forney, "The Viterbi algorithm", Proc. IEEE 61 (1973) 268-278, doi:10.1109/PROC.1973.9030

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.zeros((2, 2, 3, 3), dtype=np.float32)
    >>> scores[:, :, 1, 2] = 5
    >>> u, v, score = joint_offsets(scores, step_sd=1.0, amplitude=5.0)
    >>> u.tolist(), v.tolist(), score.tolist()
    ([[2, 2]], [[1, 1]], [100.0])
    """
    _check(scores, "scores", np.float32, "(rows, columns, k, k)")
    rows, columns, k, across = scores.shape
    if k != across or scores.size == 0:
        msg = f"scores has shape {scores.shape}; wanted (rows, columns, k, k) with none of them 0"
        raise InputError(msg)
    sd = positive(step_sd, name="step_sd")
    if isinstance(amplitude, bool) or not 0 <= amplitude < math.inf:
        msg = f"amplitude is {amplitude!r}; wanted a finite number from 0 upwards"
        raise InputError(msg)
    if beginnings is None:
        beginnings = np.full((1, rows, k), 1 / k, np.float32)
    _check(beginnings, "beginnings", np.float32, "(starts, rows, k)")
    if beginnings.shape[1:] != (rows, k) or len(beginnings) == 0:
        msg = f"beginnings has shape {beginnings.shape}; wanted (starts, {rows}, {k}) with at least one start"
        raise InputError(msg)
    u = np.empty((len(beginnings), columns), np.int64)
    v = np.empty((len(beginnings), rows), np.int64)
    score = np.empty(len(beginnings))
    with input_errors():
        _core.joint_offsets(scores, sd, float(amplitude), beginnings, u, v, score, thread_count(threads))
    return u, v, score


def interpolated(
    tables: NDArray[np.float32], offsets: NDArray[np.float64], *, threads: int | None = None
) -> NDArray[np.float32]:
    """Interpolate each of many tables at places of its own, by cubic splines.

    What ``scipy.ndimage.map_coordinates(table, ..., order=3, mode="mirror")`` gives inside each table.

    Parameters
    ----------
    tables : (n, k, k) float32
        In C order, finite, k odd.
    offsets : (m, n, 2) float64
        In C order, finite: x and y of m places on each table, in its steps from its middle number.
    threads : int, optional
        Default: all cores that the process may use. Any number gives the same bits.

    Returns
    -------
    (m, n) float32
        To some 1e-6 of the table's range; 0 at places beyond the outermost numbers. The spline passes through all
        numbers, and goes on beyond the table mirrored at the outermost ones.

    Raises
    ------
    InputError
        If an argument has the wrong type or shape, or is not finite.

    References
    ----------
    M. Unser, A. Aldroubi, M. Eden, "B-spline signal processing: part II", IEEE Trans. Signal Process. 41 (1993)
    834-848, doi:10.1109/78.193221

    Examples
    --------
    >>> import numpy as np
    >>> tables = np.array([[[0, 1, 0], [0, 2, 0], [0, 1, 0]]], dtype=np.float32)
    >>> places = np.array([[[0.0, 0.0]], [[0.0, -1.0]], [[0.0, 1.5]]])
    >>> interpolated(tables, places).ravel().round(3).tolist()
    [2.0, 1.0, 0.0]
    """
    _check(tables, "tables", np.float32, "(n, k, k)")
    n, k, across = tables.shape
    if k != across or k % 2 == 0:
        msg = f"tables has shape {tables.shape}; wanted (n, k, k) with an odd k"
        raise InputError(msg)
    _check(offsets, "offsets", np.float64, "(m, n, 2)")
    if offsets.shape[1:] != (n, 2):
        msg = f"offsets has shape {offsets.shape}; wanted (m, {n}, 2), x and y for each of {n} tables"
        raise InputError(msg)
    for name, values in (("tables", tables), ("offsets", offsets)):
        if not np.isfinite(values).all():
            msg = f"{name} has values that are not finite; wanted numbers alone"
            raise InputError(msg)
    out = np.empty((len(offsets), n), np.float32)
    with input_errors():
        _core.interpolated(tables, offsets, out, thread_count(threads))
    return out


def _check(array: NDArray[np.generic], name: str, dtype: type[np.generic], shape: str) -> None:
    if not isinstance(array, np.ndarray):
        msg = f"{name} is a {type(array).__name__}; wanted a NumPy array"
        raise InputError(msg)
    if array.dtype != dtype or array.ndim != shape.count(",") + 1:
        msg = f"{name} is {array.dtype} of shape {array.shape}; wanted {np.dtype(dtype)} of shape {shape}"
        raise InputError(msg)
    if not array.flags.c_contiguous or not array.flags.aligned:
        msg = f"{name} is not in C order; wanted numbers side by side (numpy.ascontiguousarray({name}) has them)"
        raise InputError(msg)
