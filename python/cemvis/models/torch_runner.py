"""Running a folded network with PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cemvis.errors import DeviceError, DeviceMemoryError
from cemvis.models.dense_pieces import head_cuts, piece_cuts, piece_edge
from cemvis.models.device import torch_device
from cemvis.models.folded import Affine, FoldedBlock, FoldedNetwork
from cemvis.models.resnet_layout import CHANNELS, PAPER_MARGIN

Array = NDArray[np.float32]
Layer = Callable[[Tensor], Tensor]

_MAP_BYTES = 20 * 2**20  # of the largest feature map on the CPU: larger ones cost the system's handing out of pages
_PIECE_BYTES = 26 * 2**20  # likewise in a piece of a dense map, whose overlap weighs more if it is smaller
_DEVICE_PIECE_BYTES = 512 * 2**20  # on other devices


class TorchRunner:
    """A `Runner` on a device of PyTorch's.

    Parameters
    ----------
    network : FoldedNetwork
    device : str
        See `torch_device`.
    threads : int or None
        Cores to use on the CPU; None leaves it to PyTorch.
    """

    def __init__(self, network: FoldedNetwork, *, device: str, threads: int | None) -> None:
        self._device = torch_device(device)
        self._threads = threads
        self._layout = network.layout
        self._padded = network.layout.padding == "zero"
        with self._running():
            self._stem = self._on_device(network.stem)
            self._blocks = [
                (self._on_device(each.first), self._on_device(each.second), self._shortcut(each))
                for each in network.blocks
            ]
            self._hidden, self._output = self._on_device(network.hidden), self._on_device(network.output)

    @property
    def ran_on(self) -> str:
        """Device, and backend with its version."""
        return f"{self._device}, PyTorch {torch.__version__}"

    def windows(self, batch: Array) -> Array:
        """Return (n, outputs) for (n, window, window)."""
        with self._running():
            parts = torch.split(torch.from_numpy(batch)[:, None], self._at_once(len(batch)))
            outputs = [self._head(self._features(part.to(self._device)).mean((2, 3))) for part in parts]
            return torch.cat(outputs).cpu().numpy()

    def dense(self, tile: Array) -> Array:
        """Return (r, c, outputs) for (rows, cols)."""
        pooled = self._layout.pooled
        bands, pieces = (piece_cuts(self._layout, side, most_samples=self._piece_edge()) for side in tile.shape)
        rows, cols = bands[-1][0].stop, pieces[-1][0].stop - pooled + 1
        with self._running():
            samples = torch.from_numpy(tile)[None, None]
            # The mean over a square is the mean over its rows of the means over its columns: 2 * pooled additions.
            means = torch.empty((1, CHANNELS[-1], rows, cols), device=self._device, memory_format=torch.channels_last)
            for band, down in bands:
                found = [self._features(samples[:, :, down, across].to(self._device)) for _, across in pieces]
                means[:, :, band] = functional.avg_pool2d(torch.cat(found, dim=3), (1, pooled), 1)
            strips = [
                self._head(functional.avg_pool2d(means[:, :, under], (pooled, 1), 1)[0].permute(1, 2, 0))
                for _, under in head_cuts(rows - pooled + 1, cols, pooled=pooled)
            ]
            return torch.cat(strips).cpu().numpy()

    def _piece_edge(self) -> int:
        on_cpu = self._device.type == "cpu"
        return piece_edge(self._layout, map_bytes=_PIECE_BYTES if on_cpu else _DEVICE_PIECE_BYTES)

    def _at_once(self, count: int) -> int:
        """Return how many of `count` windows are run together."""
        if self._device.type != "cpu":
            return count
        return max(1, _MAP_BYTES // (4 * CHANNELS[0] * self._layout.window**2))

    def _features(self, samples: Tensor) -> Tensor:
        if self._padded:
            samples = functional.pad(samples, (PAPER_MARGIN,) * 4)
        found = functional.conv2d(samples.contiguous(memory_format=torch.channels_last), *self._stem).relu_()
        if self._layout.stem_pool:
            found = functional.max_pool2d(found, 3, 2, 1 if self._padded else 0)
        for first, second, shortcut in self._blocks:
            found = self._block(found, first, second, shortcut)
        return found

    def _block(
        self, map_in: Tensor, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], shortcut: Tensor | None
    ) -> Tensor:
        around, step = int(self._padded), 1 if shortcut is None else 2
        inner = functional.conv2d(map_in, *first, stride=step, padding=around).relu_()
        inner = functional.conv2d(inner, *second, padding=around)
        if not self._padded:
            cut = step + 1  # what the two convolutions take off each edge, see `resnet.Block`
            map_in = map_in[..., cut:-cut, cut:-cut]
        if shortcut is not None:
            map_in = functional.conv2d(map_in, shortcut, stride=2)
        return inner.add_(map_in).relu_()

    def _head(self, pooled: Tensor) -> Tensor:
        return functional.linear(functional.linear(pooled, *self._hidden).relu_(), *self._output)

    def _on_device(self, layer: Affine) -> tuple[Tensor, Tensor]:
        return self._ready(layer.weight), self._ready(layer.bias)

    def _shortcut(self, block: FoldedBlock) -> Tensor | None:
        return None if block.shortcut is None else self._ready(block.shortcut)

    def _ready(self, array: Array) -> Tensor:
        there = torch.from_numpy(array).to(self._device)
        return there.contiguous(memory_format=torch.channels_last) if there.ndim == 4 else there

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Run without gradients, with this runner's threads, and say in one line if the device cannot."""
        before = torch.get_num_threads()
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode(), self._exact():
                yield
        except RuntimeError as error:
            if any(words in str(error) for words in ("out of memory", "allocate memory")):
                msg = f"device {self._device} has too little memory; take smaller tiles, or fewer windows at once"
                raise DeviceMemoryError(msg) from error
            if self._device.type == "cpu":
                raise
            first_line = (str(error).splitlines() or [""])[0]
            msg = f"device {self._device} failed ({first_line}); take another one, such as --device cpu (device='cpu')"
            raise DeviceError(msg) from error
        finally:
            if self._threads is not None:
                torch.set_num_threads(before)

    @contextmanager
    def _exact(self) -> Iterator[None]:
        """Compute in float32 throughout, whatever this process allows elsewhere.

        TF32 or bfloat16 would round what goes into each layer to 11 or 8 bits: a map must not depend on the device as
        much as that.
        """
        on_cuda = self._device.type == "cuda"
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if on_cuda else nullcontext():
                yield
        finally:
            torch.set_float32_matmul_precision(precision)
