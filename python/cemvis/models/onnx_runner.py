"""Running a folded network with ONNX Runtime, on the CPU."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis.errors import DeviceMemoryError
from cemvis.models.dense_pieces import head_cuts, piece_cuts, piece_edge
from cemvis.models.folded import FoldedNetwork
from cemvis.models.onnx_graph import head_graph, means_graph, trunk_graph, windows_graph
from cemvis.models.resnet_layout import CHANNELS

Array = NDArray[np.float32]

_PIECE_BYTES = 128 * 2**20  # of the largest feature map in a piece of a dense map; a handful are held at a time
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
        layout = self._network.layout
        most = piece_edge(layout, map_bytes=_PIECE_BYTES)
        bands, pieces = (piece_cuts(layout, side, most_samples=most) for side in tile.shape)
        rows, cols = bands[-1][0].stop, pieces[-1][0].stop - layout.pooled + 1
        # The mean over a square is the mean over its rows of the means over its columns: 2 * pooled additions.
        means = np.empty((1, CHANNELS[-1], rows, cols), np.float32)
        for band, down in bands:
            found = [_run(self._trunk, tile[np.newaxis, np.newaxis, down, across]) for _, across in pieces]
            means[:, :, band] = _run(self._means_along, np.concatenate(found, axis=3))
        strips = head_cuts(rows - layout.pooled + 1, cols, pooled=layout.pooled)
        return np.concatenate([self._strip(means[:, :, under]) for _, under in strips])

    def _strip(self, means: Array) -> Array:
        """Return (r, c, outputs) for means along the rows of features, (1, 256, r + pooled - 1, c)."""
        pooled = _run(self._means_down, means)[0]
        outputs = _run(self._head, pooled.reshape(len(pooled), -1).T)
        return outputs.reshape(*pooled.shape[1:], -1)

    @cached_property
    def _windows(self) -> Any:
        return self._session(windows_graph(self._network))

    @cached_property
    def _trunk(self) -> Any:
        return self._session(trunk_graph(self._network))

    @cached_property
    def _means_along(self) -> Any:
        return self._session(means_graph(1, self._network.layout.pooled))

    @cached_property
    def _means_down(self) -> Any:
        return self._session(means_graph(self._network.layout.pooled, 1))

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
