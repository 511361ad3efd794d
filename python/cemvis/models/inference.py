"""Running a window network: on windows one by one, or densely over a tile, with PyTorch or ONNX Runtime."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis.errors import InputError
from cemvis.models.folded import fold

if TYPE_CHECKING:
    from cemvis.models.resnet_layout import ResNetLayout
    from cemvis.models.window_network import WindowNetwork

Backend = Literal["auto", "torch", "onnx"]
Array = NDArray[np.float32]

_LARGEST_LOG_SPREAD = 20.0  # keeps the exponential finite, whatever the network says


@dataclass(frozen=True)
class Outputs:
    """What a network says about windows.

    Attributes
    ----------
    value_gpa : (..., targets) float64
    spread_gpa : (..., targets) float64
        Expected error, one standard deviation, before any calibration. For a network without a `spread` of its own,
        the deviation of the training values.
    """

    value_gpa: NDArray[np.float64]
    spread_gpa: NDArray[np.float64]


class Predictor(Protocol):
    """A network that is ready to run."""

    @property
    def ran_on(self) -> str:
        """Where it runs and with what, such as "cpu, ONNX Runtime 1.23.0"."""

    def windows(self, batch: Array) -> Outputs:
        """Predict standardised windows, (n, window, window) float32; the outputs are (n, targets)."""

    def dense(self, tile: Array) -> Outputs:
        """Predict every window of a tile of standardised samples, `layout.stride` samples apart.

        Parameters
        ----------
        tile : (rows, cols) float32
            At least `layout.window` along each edge.

        Returns
        -------
        Outputs
            (r, c, targets), where ``r = (rows - window) // stride + 1`` and c likewise. The window of [i, j] begins
            at sample ``(i * stride, j * stride)``.
        """


class Runner(Protocol):
    """A backend: standardised samples in, standardised outputs out, nothing checked."""

    @property
    def ran_on(self) -> str:
        """Device, and backend with its version."""

    def windows(self, batch: Array) -> Array:
        """Return (n, outputs) for (n, window, window)."""

    def dense(self, tile: Array) -> Array:
        """Return (r, c, outputs) for (rows, cols)."""


def predictor(
    network: WindowNetwork, *, backend: Backend = "auto", device: str = "cpu", threads: int | None = None
) -> Predictor:
    """Return what runs `network`.

    Parameters
    ----------
    network : WindowNetwork
    backend : "auto", "torch" or "onnx"
        "auto" is ONNX Runtime where it is installed and the device is the CPU, else PyTorch. All give the same numbers
        up to rounding.
    device : str
        "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest there is.
    threads : int, optional
        Cores to use on the CPU; None leaves it to the backend.

    Raises
    ------
    InputError
        If there is no such backend or device.
    """
    if backend not in get_args(Backend):
        msg = f"backend is {backend!r}; wanted one of {', '.join(get_args(Backend))}"
        raise InputError(msg)
    if threads is not None:
        threads = thread_count(threads)
    folded = fold(network.layout, network.state)
    runner: Runner
    if _takes_onnx(backend, device):
        from cemvis.models.onnx_runner import OnnxRunner

        runner = OnnxRunner(folded, threads=threads)
    else:
        from cemvis.models.torch_runner import TorchRunner

        runner = TorchRunner(folded, device=device, threads=threads)
    return NetworkPredictor(network, runner)


class NetworkPredictor:
    """A `Predictor` that checks what it is given, leaves the work to a `Runner`, and returns GPa.

    Parameters
    ----------
    network : WindowNetwork
    runner : Runner
    """

    def __init__(self, network: WindowNetwork, runner: Runner) -> None:
        self._layout = network.layout
        self._mean = np.array(network.target_mean_gpa)
        self._sd = np.array(network.target_sd_gpa)
        self._runner = runner

    @property
    def ran_on(self) -> str:
        """Where it runs and with what; see `Predictor.ran_on`."""
        return self._runner.ran_on

    def windows(self, batch: Array) -> Outputs:
        """Predict windows one by one; see `Predictor.windows`."""
        edge = self._layout.window
        if batch.ndim != 3 or batch.shape[1:] != (edge, edge) or batch.dtype != np.float32:
            msg = f"windows are {batch.dtype} {batch.shape}; wanted float32 (n, {edge}, {edge})"
            raise InputError(msg)
        if len(batch) == 0:
            return self._in_gpa(np.empty((0, self._layout.outputs), np.float32))
        return self._in_gpa(self._runner.windows(batch))

    def dense(self, tile: Array) -> Outputs:
        """Predict every window of a tile; see `Predictor.dense`."""
        check_dense(self._layout)
        edge = self._layout.window
        if tile.ndim != 2 or min(tile.shape) < edge or tile.dtype != np.float32:
            msg = f"tile is {tile.dtype} {tile.shape}; wanted float32 (rows, cols) of at least {edge} each"
            raise InputError(msg)
        return self._in_gpa(self._runner.dense(tile))

    def _in_gpa(self, raw: Array) -> Outputs:
        numbers = raw.astype(np.float64)
        value, log_spread = np.split(numbers, [self._layout.targets], axis=-1)
        if not self._layout.spread:
            log_spread = np.zeros_like(value)
        spread = np.exp(np.clip(log_spread, -_LARGEST_LOG_SPREAD, _LARGEST_LOG_SPREAD))
        return Outputs(self._mean + self._sd * value, self._sd * spread)


def check_dense(layout: ResNetLayout) -> None:
    """Refuse a layout that has no dense maps."""
    if layout.padding != "none":
        msg = "a zero-padded network has no dense maps: its features depend on where the window was cut"
        raise InputError(msg)


def _takes_onnx(backend: Backend, device: str) -> bool:
    if backend == "torch":
        return False
    trouble = _onnx_trouble()
    if backend == "onnx":
        if device not in ("cpu", "auto"):
            msg = f"backend onnx runs on the CPU only, not on {device!r}; leave the device out, or take backend torch"
            raise InputError(msg)
        if trouble:
            msg = f"backend onnx {trouble}, or take backend torch"
            raise InputError(msg)
        return True
    if trouble:
        return False
    if device == "auto":
        from cemvis.models.device import torch_device

        return torch_device(device).type == "cpu"
    return device == "cpu"


def _onnx_trouble() -> str:
    """Return why ONNX Runtime cannot be used, and what would help; empty if it can."""
    try:
        for name in ("onnx", "onnxruntime"):
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in ("onnx", "onnxruntime"):
            return "is not installed; run: pip install 'cemvis[onnx]'"
        return _broken(error)
    except Exception as error:  # a compiled package that does not fit its neighbours fails in any way it likes
        return _broken(error)
    return ""


def _broken(error: Exception) -> str:
    first_line = (str(error).splitlines() or [""])[0]
    return f"does not start ({type(error).__name__}: {first_line}); run: pip install --force-reinstall 'cemvis[onnx]'"
