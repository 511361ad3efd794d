"""Other threads run meanwhile, and what windows refuse."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.kernels import tiling
from cemvis.kernels.tiling import gather_windows, window_sums_at, window_sums_grid
from tiling_images import noise


@pytest.fixture
def nobody_is_interrupted() -> Iterator[None]:
    """Let a Python thread run only when another one gives way by itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("nobody_is_interrupted")
@pytest.mark.parametrize(
    "call",
    [
        lambda image: window_sums_grid(image, window_px=50, step_px=2, threads=1),
        lambda image: window_sums_at(image, np.zeros((500, 2), np.int64), window_px=250, threads=1),
        lambda image: gather_windows(image, np.zeros((50, 2)), window_px=250, threads=1),
    ],
)
def test_other_python_threads_run_meanwhile(call: Callable[[np.ndarray], object]) -> None:
    image = noise((1000, 1000), np.uint8)
    ran, stop = threading.Event(), threading.Event()

    def wait_for_its_turn() -> None:
        while not stop.is_set():
            time.sleep(0)
            ran.set()

    thread = threading.Thread(target=wait_for_its_turn)
    thread.start()
    ran.clear()
    for _ in range(100):
        call(image)
        if ran.is_set():
            break
    turned = ran.is_set()
    stop.set()
    thread.join()
    assert turned


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[1, 2], [3, 4]], "image is a list; wanted a NumPy array"),
        (np.zeros((4, 4), np.float32), "image has dtype float32; wanted native uint8 or uint16"),
        (np.zeros((4, 4), np.int16), "image has dtype int16"),
        (np.zeros((4, 4), np.dtype(np.uint16).newbyteorder()), "image has dtype [<>]u2; wanted native uint8 or uint16"),
        (np.zeros((4, 4, 3), np.uint8), r"image has shape \(4, 4, 3\); wanted \(rows, cols\)"),
        (np.zeros((0, 4), np.uint8), "image is empty"),
        (np.zeros(33, np.uint8)[1:].view(np.uint16).reshape(4, 4), "unaligned; wanted whole pixels"),
        (np.zeros((4, 4), np.dtype([("a", "u1"), ("b", "u2")]))["b"], "image has strides of .*wanted whole pixels"),
    ],
)
def test_bad_images(image: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        window_sums_grid(image, window_px=2, step_px=1)
    with pytest.raises(InputError, match=message):
        window_sums_at(image, [[0, 0]], window_px=2)
    with pytest.raises(InputError, match=message):
        gather_windows(image, [[0, 0]], window_px=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_px": 0}, "window_px is 0; wanted a whole number of at least 1"),
        ({"window_px": 2.0}, "window_px is 2.0; wanted a whole number"),
        ({"window_px": True}, "window_px is True"),
        ({"window_px": (3, 4, 5)}, r"window_px is \(3, 4, 5\); wanted a whole number or \(rows, cols\)"),
        ({"window_px": (4, 41)}, r"window_px is \(4, 41\), larger than the image of 30 x 40 pixels; give a smaller"),
        ({"window_px": 70_000}, "wanted at most 65536 pixels"),
        ({"step_px": -3}, "step_px is -3; wanted a whole number of at least 1"),
        ({"step_px": (1, 0)}, "step_px is 0"),
        ({"threads": 0}, "threads is 0; wanted a whole number from 1 to 4096"),
    ],
)
def test_bad_grids(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        window_sums_grid(noise((30, 40), np.uint8), **{"window_px": 4, "step_px": 2} | arguments)


@pytest.mark.parametrize(
    ("top_left", "message"),
    [
        ([[0.0, 1.0]], r"top_left is float64 of shape \(1, 2\); wanted integers of shape \(n, 2\)"),
        ([0, 1], r"shape \(2,\)"),
        ([[0, 1, 2]], r"shape \(1, 3\)"),
        ([[0, 0], [-1, 0]], r"top_left\[1\] is \(-1, 0\); a 4 x 5 window .* between \(0, 0\) and \(26, 35\)"),
        ([[27, 0]], r"top_left\[0\] is \(27, 0\)"),
        ([[0, 36]], r"top_left\[0\] is \(0, 36\)"),
        (np.array([[0, 2**63 + 5]], dtype=np.uint64), r"top_left\[0\] is \(0, 9223372036854775813\)"),
    ],
)
def test_bad_positions(top_left: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        window_sums_at(noise((30, 40), np.uint8), top_left, window_px=(4, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"centres": [[5.0, np.nan]]}, r"centres\[0\] is \(5.0, nan\); wanted finite pixels"),
        ({"centres": [[5, 5], [np.inf, 0]]}, r"centres\[1\] is \(inf, 0.0\)"),
        ({"centres": [["a", "b"]]}, "wanted numbers of shape"),
        ({"centres": [5.0, 6.0]}, r"centres is float64 of shape \(2,\)"),
        ({"border": "wrap"}, "border is 'wrap'; wanted one of reflect, nearest, constant, refuse"),
        ({"fill": np.nan}, "fill is nan; wanted a finite number"),
        ({"grey_mean": np.inf}, "grey_mean is inf"),
        ({"grey_sd": 0.0}, "grey_sd is 0.0; wanted a finite number above 0"),
        ({"grey_sd": 1e-60}, "grey_sd above 0"),
        ({"fill": 1e300}, "finite as float32"),
        ({"downsample": 4}, "downsample is 4, which does not divide the 6 x 6 window"),
        ({"downsample": 0}, "downsample is 0"),
        ({"window_px": 70_000}, "65536"),
        ({"out": np.zeros((1, 6, 6))}, r"out is float64 of shape \(1, 6, 6\); wanted a writeable float32 array"),
        ({"out": np.zeros((1, 6, 5), np.float32)}, r"of shape \(1, 6, 6\) in C order"),
        ({"out": np.zeros((1, 6, 12), np.float32)[..., ::2]}, "in C order"),
        ({"out": np.broadcast_to(np.zeros((1, 6, 6), np.float32), (1, 6, 6))}, "writeable"),
        ({"out": [1]}, "out is list"),
    ],
)
def test_bad_gathering(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        gather_windows(noise((30, 40), np.uint8), **{"centres": [[5.0, 5.0]], "window_px": 6} | arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda core, image: core.window_sums_grid(image, (5, 5), (1, 1), True, 1),
        lambda core, image: core.window_sums_grid(image, (0, 1), (1, 1), True, 1),
        lambda core, image: core.window_sums_grid(image, (2, 2), (1, 0), True, 1),
        lambda core, image: core.window_sums_grid(image, (2, 2), (1, 1), True, 0),
        lambda core, image: core.window_sums_at(image, np.array([[3, 0]]), (2, 2), True, 1),
        lambda core, image: core.window_sums_at(image, np.array([3, 0]), (2, 2), True, 1),
    ],
)
def test_the_core_checks_ranges_too(call: Callable[[object, np.ndarray], object]) -> None:
    with pytest.raises(ValueError, match=r"must|does not lie|larger"):
        call(tiling._core, np.zeros((4, 4), np.uint8))


def test_the_core_converts_nothing() -> None:
    for image in (np.full((4, 4), 300, np.int64), np.full((4, 4), 0.9), np.zeros((4, 4), np.int8), [[1, 2], [3, 4]]):
        with pytest.raises(TypeError, match=r"incompatible function arguments|must be native uint8 or uint16"):
            tiling._core.window_sums_grid(image, (2, 2), (1, 1), True, 1)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        tiling._core.window_sums_at(np.zeros((4, 4), np.uint8), np.zeros((2, 4), np.int64)[:, ::2], (2, 2), True, 1)
