"""CUDA devices that the compiled core can use."""

from __future__ import annotations

from dataclasses import dataclass

from cemvis import _core


@dataclass(frozen=True)
class CudaDevice:
    """A CUDA device: its name, its compute capability such as "9.0", and its memory in bytes."""

    name: str
    compute_capability: str
    memory_bytes: int


@dataclass(frozen=True)
class CudaDevices:
    """The devices found, and the reason if there is none (not compiled in, no driver, no device)."""

    devices: tuple[CudaDevice, ...]
    reason: str
    built_with_cuda: bool


def cuda_devices() -> CudaDevices:
    """Return the CUDA devices that the compiled core can use, or why there is none."""
    found, reason = _core.cuda_devices()
    devices = tuple(
        CudaDevice(device.name, f"{device.compute_major}.{device.compute_minor}", device.memory_bytes)
        for device in found
    )
    return CudaDevices(devices, reason, _core.built_with_cuda())
