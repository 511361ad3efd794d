"""Running a folded network with ONNX Runtime, on the CPU."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis.errors import DeviceMemoryError
from cemvis.models.folded import FoldedNetwork
from cemvis.models.onnx_graph import dense_graph, head_graph, windows_graph

Array = NDArray[np.float32]

_HEAD_AT_ONCE = 4096  # positions of a dense map whose 1,024 hidden numbers are held at a time
_ERRORS_ONLY = 3


class OnnxRunner:
    """A `Runner` with ONNX Runtime.

    Parameters
    ----------
    network : FoldedNetwork
    threads : int or None
        Cores to use; None takes all that this process may use.
    """

    def __init__(self, network: FoldedNetwork, *, threads: int | None) -> None:
        self._network = network
        self._threads = thread_count(threads)

    @property
    def ran_on(self) -> str:
        """Device, and backend with its version."""
        return f"cpu, ONNX Runtime {onnxruntime.__version__}"

    def windows(self, batch: Array) -> Array:
        """Return (n, outputs) for (n, window, window)."""
        return _run(self._windows, batch[:, np.newaxis])

    def dense(self, tile: Array) -> Array:
        """Return (r, c, outputs) for (rows, cols)."""
        pooled = _run(self._dense, tile[np.newaxis, np.newaxis])[0]
        rows, cols = pooled.shape[1:]
        flat = pooled.reshape(len(pooled), -1).T
        starts = range(0, rows * cols, _HEAD_AT_ONCE)
        outputs = [_run(self._head, flat[start : start + _HEAD_AT_ONCE]) for start in starts]
        return np.concatenate(outputs).reshape(rows, cols, -1)

    @cached_property
    def _windows(self) -> Any:
        return self._session(windows_graph(self._network))

    @cached_property
    def _dense(self) -> Any:
        return self._session(dense_graph(self._network))

    @cached_property
    def _head(self) -> Any:
        return self._session(head_graph(self._network))

    def _session(self, model: bytes) -> Any:
        options = onnxruntime.SessionOptions()
        # Said outright, for on its own it would bind threads to cores that a container may not let it have.
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Tiles differ in shape, and a plan of the memory would be kept for each shape.
        options.enable_mem_pattern = False
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(session: Any, samples: Array) -> Array:
    (come,) = session.get_inputs()
    try:
        (found,) = session.run(None, {come.name: np.ascontiguousarray(samples)})
    except Exception as error:  # ONNX Runtime's own errors derive from nothing narrower
        if not isinstance(error, MemoryError) and "allocate" not in str(error):
            raise
        msg = "ONNX Runtime ran out of memory; take smaller tiles, or fewer windows at once"
        raise DeviceMemoryError(msg) from error
    result: Array = found
    return result
