from __future__ import annotations

from cemvis import _core
from cemvis.kernels.devices import cuda_devices


def test_devices_or_the_reason_why_there_is_none():
    found = cuda_devices()
    assert found.built_with_cuda == _core.built_with_cuda()
    assert bool(found.devices) != bool(found.reason)
    if not found.built_with_cuda:
        assert "CEMVIS_CUDA" in found.reason
    for device in found.devices:
        assert device.name
        assert device.memory_bytes > 0
        major, minor = device.compute_capability.split(".")
        assert (int(major), int(minor)) >= (3, 0)
