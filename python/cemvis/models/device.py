"""Naming and finding the device that a network runs on."""

from __future__ import annotations

import torch

from cemvis.errors import InputError


def torch_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is the first CUDA device, else Apple's, else the CPU.

    Raises
    ------
    InputError
        If there is no such device; the line names those that there are.
    """
    there = _there()
    if name == "auto":
        return torch.device(there[-1] if len(there) > 1 else "cpu")
    if name == "cuda":
        name = "cuda:0"
    if name not in there:
        msg = f"device {name!r} is not there; this machine has {', '.join(there)}"
        raise InputError(msg)
    return torch.device(name)


def _there() -> list[str]:
    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found + [f"cuda:{index}" for index in reversed(range(torch.cuda.device_count()))]
