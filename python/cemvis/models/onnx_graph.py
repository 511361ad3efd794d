"""A folded network as ONNX graphs, written node by node from its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cemvis.models.folded import Affine, FoldedBlock, FoldedNetwork
from cemvis.models.resnet_layout import CHANNELS, PAPER_MARGIN

# Old enough for every ONNX Runtime that cemvis allows, new enough for all that the network needs.
_OPSET, _IR_VERSION = 13, 8


def windows_graph(network: FoldedNetwork) -> bytes:
    """Return the graph from ``windows``, (n, 1, window, window), to ``outputs``, (n, outputs)."""
    graph = _Graph()
    pooled = graph.add("GlobalAveragePool", [_trunk(graph, network, "windows")])
    _head(graph, network, graph.add("Flatten", [pooled], axis=1), "outputs")
    edge = network.layout.window
    return graph.bytes(("windows", ["n", 1, edge, edge]), ("outputs", ["n", network.layout.outputs]))


def trunk_graph(network: FoldedNetwork) -> bytes:
    """Return the graph from ``tile``, (1, 1, rows, cols), to its ``features``."""
    graph = _Graph()
    _trunk(graph, network, "tile", "features")
    return graph.bytes(("tile", [1, 1, "rows", "cols"]), ("features", [1, CHANNELS[-1], "r", "c"]))


def means_graph(rows: int, cols: int) -> bytes:
    """Return the graph from ``features`` to the ``means`` over every `rows` x `cols` of them."""
    graph = _Graph()
    graph.add("AveragePool", ["features"], "means", kernel_shape=[rows, cols])
    return graph.bytes(("features", [1, CHANNELS[-1], "rows", "cols"]), ("means", [1, CHANNELS[-1], "r", "c"]))


def head_graph(network: FoldedNetwork) -> bytes:
    """Return the graph from ``pooled``, mean features (n, 256), to ``outputs``, (n, outputs)."""
    graph = _Graph()
    _head(graph, network, "pooled", "outputs")
    return graph.bytes(("pooled", ["n", CHANNELS[-1]]), ("outputs", ["n", network.layout.outputs]))


class _Graph:
    """Nodes and weights, in the order in which they are added."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        output = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def weight(self, array: NDArray[Any]) -> str:
        """Add an array and return its name."""
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def bytes(self, come: tuple[str, Sequence[int | str]], go: tuple[str, Sequence[int | str]]) -> bytes:
        """Return the checked model with one input and one output, given by name and shape."""
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (come, go)]
        graph = helper.make_graph(self._nodes, "cemvis", values[:1], values[1:], self._weights)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="cemvis")
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def _trunk(graph: _Graph, network: FoldedNetwork, samples: str, output: str = "") -> str:
    """Add everything up to the last feature map, and return its name."""
    around = int(network.layout.padding == "zero")
    found = _convolution(graph, samples, network.stem, step=1, around=around * PAPER_MARGIN)
    found = graph.add("Relu", [found])
    if network.layout.stem_pool:
        found = graph.add("MaxPool", [found], kernel_shape=[3, 3], strides=[2, 2], pads=[around] * 4)
    for block in network.blocks[:-1]:
        found = _block(graph, found, block, around)
    return _block(graph, found, network.blocks[-1], around, output)


def _block(graph: _Graph, map_in: str, block: FoldedBlock, around: int, output: str = "") -> str:
    step = 1 if block.shortcut is None else 2
    inner = graph.add("Relu", [_convolution(graph, map_in, block.first, step=step, around=around)])
    inner = _convolution(graph, inner, block.second, step=1, around=around)
    if not around:
        map_in = _cropped(graph, map_in, block, step)
    if block.shortcut is not None:
        map_in = graph.add("Conv", [map_in, graph.weight(block.shortcut)], kernel_shape=[1, 1], strides=[2, 2])
    return graph.add("Relu", [graph.add("Add", [inner, map_in])], output)


def _cropped(graph: _Graph, map_in: str, block: FoldedBlock, step: int) -> str:
    """Add what takes off each edge as much as the two convolutions of a block do, see `resnet.Block`."""
    if step > 1:
        ends = ([3, 3], [-3, -3], [2, 3])
        return graph.add("Slice", [map_in, *(graph.weight(np.array(each)) for each in ends)])
    # A convolution of each channel with a single 1 amid zeros two samples away. ONNX Runtime keeps maps in blocks of
    # channels between convolutions, and a slice would make it undo that and do it again, which takes longer.
    channels = len(block.first.weight)
    only_itself = np.zeros((channels, 1, 3, 3), np.float32)
    only_itself[:, :, 1, 1] = 1.0
    inputs = [map_in, graph.weight(only_itself)]
    return graph.add("Conv", inputs, kernel_shape=[3, 3], dilations=[2, 2], group=channels)


def _convolution(graph: _Graph, map_in: str, layer: Affine, *, step: int, around: int) -> str:
    inputs = [map_in, graph.weight(layer.weight), graph.weight(layer.bias)]
    return graph.add("Conv", inputs, kernel_shape=[3, 3], strides=[step] * 2, pads=[around] * 4)


def _head(graph: _Graph, network: FoldedNetwork, pooled: str, output: str) -> None:
    hidden = graph.add("Relu", [_linear(graph, pooled, network.hidden)])
    _linear(graph, hidden, network.output, output)


def _linear(graph: _Graph, numbers: str, layer: Affine, output: str = "") -> str:
    return graph.add("Gemm", [numbers, graph.weight(layer.weight), graph.weight(layer.bias)], output, transB=1)
