from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import importlib.util
import sys
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cemvis.errors import DeviceError, DeviceMemoryError, InputError
from cemvis.models import dense_pieces, inference, torch_runner
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.window_network import WindowNetwork
from networks import bright_and_dark, random_window_network, settled_window_network

LAYOUTS = {
    "padded": ResNetLayout(targets=2, window=37, spread=True),
    "padded, pooled stem": ResNetLayout(window=40, stem_pool=True),
    "unpadded": ResNetLayout.dense(pooled=2, targets=2, spread=True),
    "unpadded, pooled stem": ResNetLayout.dense(pooled=1, stem_pool=True),
}
DENSE = {name: layout for name, layout in LAYOUTS.items() if layout.padding == "none"}
HAS_ONNX = all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime"))
ONNX = pytest.param("onnx", marks=pytest.mark.skipif(not HAS_ONNX, reason="ONNX Runtime is not installed"))
BACKENDS = ["torch", ONNX]
LARGEST_ERROR = 1e-4  # of the spread of the outputs; rounding in float32 takes up to a tenth of it


@cache
def settled(layout: ResNetLayout, *, half: bool = False) -> WindowNetwork:
    return settled_window_network(layout, half=half)


def eager(network, samples: np.ndarray, *, dense: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return values and spreads in GPa by the plain module; the targets are the last axis."""
    module = network.module()
    with torch.inference_mode():
        raw = module.dense(samples[None, None])[0].permute(1, 2, 0) if dense else module(samples[:, None])
    raw = raw.double().numpy()
    count = network.layout.targets
    mean, sd = np.array(network.target_mean_gpa), np.array(network.target_sd_gpa)
    spread = np.exp(raw[..., count:]) if network.layout.spread else np.ones_like(raw)
    return mean + sd * raw[..., :count], sd * spread


@cache
def scatter(layout: ResNetLayout) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much values and spreads in GPa differ from window to window, for each target."""
    windows = torch.from_numpy(bright_and_dark((8, layout.window, layout.window), seed=1))
    value, spread = (each.std(axis=0) for each in eager(settled(layout), windows))
    deviations = np.array(settled(layout).target_sd_gpa)
    assert (value > 0.1 * deviations).all()  # or there would be nothing to compare with
    return value, spread if layout.spread else np.zeros_like(value)


def assert_same(layout: ResNetLayout, found: inference.Outputs, wanted: tuple[np.ndarray, np.ndarray]) -> None:
    for mine, theirs, typical in zip((found.value_gpa, found.spread_gpa), wanted, scatter(layout), strict=True):
        assert mine.dtype == np.float64
        assert mine.shape == theirs.shape
        assert (np.abs(mine - theirs) <= LARGEST_ERROR * typical).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_windows_are_those_of_the_plain_network(layout, half, backend) -> None:
    network = settled(layout, half=half)
    predictor = network.predictor(backend=backend, threads=1)
    batch = bright_and_dark((3, layout.window, layout.window))
    assert_same(layout, predictor.windows(batch), eager(network, torch.from_numpy(batch)))
    assert predictor.windows(batch[:0]).value_gpa.shape == (0, layout.targets)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("layout", DENSE.values(), ids=DENSE)
def test_dense_maps_of_any_size_are_those_of_the_plain_network(layout, backend) -> None:
    network = settled(layout)
    predictor = network.predictor(backend=backend, threads=1)
    for more in ((0, 0), (1, 33), (7, 8), (26, 15)):
        tile = bright_and_dark((layout.window + more[0], layout.window + more[1]))
        assert_same(layout, predictor.dense(tile), eager(network, torch.from_numpy(tile), dense=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tile_gives_each_of_its_windows(backend) -> None:
    layout = DENSE["unpadded"]
    network = settled(layout)
    predictor = network.predictor(backend=backend, threads=1)
    tile = bright_and_dark((layout.window + 8, layout.window + 19))
    found = predictor.dense(tile)
    corners = [(8 * i, 8 * j) for i, j in np.ndindex(2, 3)]
    batch = np.stack([tile[top : top + layout.window, left : left + layout.window] for top, left in corners])
    wanted = predictor.windows(batch)
    assert_same(layout, found, (wanted.value_gpa.reshape(2, 3, 2), wanted.spread_gpa.reshape(2, 3, 2)))


def test_many_windows_are_run_in_parts(monkeypatch) -> None:
    layout = DENSE["unpadded"]
    network = settled(layout)
    batch = bright_and_dark((5, layout.window, layout.window))
    predictor = network.predictor(backend="torch")
    seen: list[int] = []
    watch(monkeypatch, lambda samples: seen.append(len(samples)))
    monkeypatch.setattr(torch_runner, "_MAP_BYTES", 2 * 4 * 32 * layout.window**2)
    assert_same(layout, predictor.windows(batch), eager(network, torch.from_numpy(batch)))
    assert seen == [2, 2, 1]


def watch(monkeypatch, note) -> None:
    """Call `note` with everything that PyTorch's trunk is given."""
    features = torch_runner.TorchRunner._features

    def watched(self: torch_runner.TorchRunner, samples: torch.Tensor) -> torch.Tensor:
        note(samples)
        return features(self, samples)

    monkeypatch.setattr(torch_runner.TorchRunner, "_features", watched)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("layout", DENSE.values(), ids=DENSE)
def test_a_tile_in_pieces_and_strips_is_the_tile(layout, backend, monkeypatch) -> None:
    module = importlib.import_module(f"cemvis.models.{backend}_runner")
    network = settled(layout)
    tile = bright_and_dark((layout.window + 3 * layout.stride + 5, layout.window + 2 * layout.stride))
    wanted = eager(network, torch.from_numpy(tile), dense=True)
    assert wanted[0].shape[:2] == (4, 3)
    monkeypatch.setattr(dense_pieces, "HEAD_AT_ONCE", 7)  # two rows of three, and one position to spare
    for most in (layout.field, layout.field + 2 * layout.stride):
        monkeypatch.setattr(module, "piece_edge", lambda *_, most=most, **__: most)
        assert_same(layout, network.predictor(backend=backend, threads=1).dense(tile), wanted)


def test_the_trunk_never_sees_more_than_a_piece(monkeypatch) -> None:
    layout = DENSE["unpadded"]
    monkeypatch.setattr(torch_runner, "piece_edge", lambda *_, **__: layout.field + 2 * layout.stride)
    seen: list[tuple[int, ...]] = []
    watch(monkeypatch, lambda samples: seen.append(tuple(samples.shape[2:])))
    # Five features along each edge: a piece of two, and one of three; they share 101 samples, not a window.
    random_window_network(layout).predictor(backend="torch").dense(bright_and_dark((141, 144)))
    assert seen == [(117, 117), (117, 125), (125, 117), (125, 125)]


@pytest.mark.parametrize(("stem_pool", "field", "stride"), [(False, 109, 8), (True, 217, 16)])
def test_pieces_hold_every_feature_once_and_what_it_reads(stem_pool, field, stride) -> None:
    layout = ResNetLayout.dense(pooled=3, stem_pool=stem_pool)
    for features, most in ((1, field), (5, field), (7, field + 3 * stride - 1), (9, 10_000), (10, field + 4 * stride)):
        samples = field + (features - 1) * stride + stride - 1
        cuts = dense_pieces.piece_cuts(layout, samples, most_samples=most)
        assert [index for out, _ in cuts for index in range(features)[out]] == list(range(features))
        for out, read in cuts:
            assert (read.start, read.stop) == (out.start * stride, (out.stop - 1) * stride + field)
            assert read.stop - read.start <= most
            assert read.stop <= samples


def test_pieces_take_the_memory_they_are_given_but_are_no_slivers() -> None:
    plain, pooled = (ResNetLayout.dense(pooled=1, stem_pool=stem_pool) for stem_pool in (False, True))
    assert dense_pieces.piece_edge(plain, map_bytes=512 * 2**20) == 2048  # 32 channels of 4 bytes
    assert dense_pieces.piece_edge(plain, map_bytes=1000) == 4 * 109
    assert dense_pieces.piece_edge(pooled, map_bytes=1000) == 4 * 217


def test_strips_for_the_head_read_the_rows_that_they_average() -> None:
    assert dense_pieces.head_cuts(3, 2000, pooled=5) == [(slice(0, 2), slice(0, 6)), (slice(2, 3), slice(2, 7))]
    assert dense_pieces.head_cuts(2, 5000, pooled=1) == [(slice(0, 1), slice(0, 1)), (slice(1, 2), slice(1, 2))]


def test_threads_are_this_predictors_own(monkeypatch) -> None:
    predictors = {
        threads: random_window_network(LAYOUTS["padded"]).predictor(backend="torch", threads=threads)
        for threads in (1, 3, None)
    }
    before = torch.get_num_threads()
    seen: list[int] = []
    watch(monkeypatch, lambda _: seen.append(torch.get_num_threads()))
    for predictor in predictors.values():
        predictor.windows(bright_and_dark((1, 37, 37)))
        assert torch.get_num_threads() == before
    assert seen == [1, 3, before]


@pytest.mark.skipif(not HAS_ONNX, reason="ONNX Runtime is not installed")
def test_threads_reach_onnx_runtime(monkeypatch) -> None:
    import onnxruntime

    seen: list[int] = []
    session = onnxruntime.InferenceSession

    def watched(model: bytes, options: object, **settings: object) -> object:
        seen.append(options.intra_op_num_threads)
        return session(model, options, **settings)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    for threads in (1, 3):
        predictor = random_window_network(LAYOUTS["padded"]).predictor(backend="onnx", threads=threads)
        predictor.windows(bright_and_dark((1, 37, 37)))
    assert seen == [1, 3]


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_threads_at_all_are_refused(backend) -> None:
    with pytest.raises(InputError, match="threads is 0; wanted a whole number"):
        random_window_network(LAYOUTS["padded"]).predictor(backend=backend, threads=0)


def test_layers_are_exact_whatever_the_process_allows(monkeypatch) -> None:
    predictor = random_window_network(LAYOUTS["padded"]).predictor(backend="torch")
    seen: list[str] = []
    watch(monkeypatch, lambda _: seen.append(torch.get_float32_matmul_precision()))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        predictor.windows(bright_and_dark((1, 37, 37)))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert seen == ["highest"]


def test_threads_are_given_back_after_an_error(monkeypatch) -> None:
    predictor = random_window_network(LAYOUTS["padded"]).predictor(backend="torch", threads=1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr(torch, "split", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            predictor.windows(bright_and_dark((1, 37, 37)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_network_without_spread_expects_the_deviation_of_its_training() -> None:
    found = random_window_network(ResNetLayout(window=20)).predictor().windows(bright_and_dark((2, 20, 20)))
    np.testing.assert_array_equal(found.spread_gpa, [[25.0], [25.0]])


def test_a_wild_spread_stays_finite() -> None:
    network = random_window_network(LAYOUTS["padded"])
    state = dict(network.state) | {"log_spread.bias": np.array([1e4, -1e4], np.float32)}
    found = dataclasses.replace(network, state=state).predictor().windows(bright_and_dark((1, 37, 37)))
    assert np.isfinite(found.spread_gpa).all()
    assert (found.spread_gpa > 0).all()


def test_auto_takes_onnx_runtime_on_the_cpu_only(monkeypatch) -> None:
    def chosen(device: str) -> bool:
        return inference._takes_onnx("auto", device)

    monkeypatch.setattr(inference, "_onnx_trouble", lambda: "")
    assert chosen("cpu")
    assert not chosen("cuda")
    assert chosen("auto") == (torch_runner.torch_device("auto").type == "cpu")
    monkeypatch.setattr(inference, "_onnx_trouble", lambda: "is not there")
    assert not chosen("cpu")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_predictor_says_where_it_runs(backend) -> None:
    wanted = {"torch": f"PyTorch {torch.__version__}"}
    if backend == "onnx":
        wanted["onnx"] = f"ONNX Runtime {importlib.metadata.version('onnxruntime')}"
    for device in ("cpu", "auto") if torch_runner.torch_device("auto").type == "cpu" else ("cpu",):
        predictor = random_window_network(LAYOUTS["padded"]).predictor(backend=backend, device=device)
        assert predictor.ran_on == f"cpu, {wanted[backend]}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "tensorflow"}, "backend is 'tensorflow'; wanted one of auto, torch, onnx"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not there; this machine has cpu"),
        ({"device": "toaster", "backend": "torch"}, "device 'toaster' is not there"),
        ({"device": "cuda", "backend": "onnx"}, "backend onnx runs on the CPU only, not on 'cuda'"),
    ],
)
def test_backends_and_devices_that_are_not_there_are_one_line(arguments, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        random_window_network(LAYOUTS["padded"]).predictor(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (None, r"backend onnx is not installed; run: pip install 'cemvis\[onnx\]', or take backend torch"),
        (
            "raise ImportError('libonnx.so: cannot open\\nmore')",
            r"backend onnx does not start \(ImportError: libonnx.so: cannot open\); run: pip install --force",
        ),
        ("import no_such_module", r"onnx does not start \(ModuleNotFoundError: No module named 'no_such_module'\)"),
        ("raise TypeError", r"backend onnx does not start \(TypeError: \); run"),
    ],
    ids=["absent", "no library", "no neighbour", "without words"],
)
def test_onnx_that_does_not_work_is_one_line_or_left_out(written, message, monkeypatch, tmp_path) -> None:
    network = random_window_network(LAYOUTS["padded"])
    if written is None:
        monkeypatch.setitem(sys.modules, "onnx", None)
    else:
        monkeypatch.delitem(sys.modules, "onnx", raising=False)
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "onnx.py").write_text(written)
    with pytest.raises(InputError, match=message) as caught:
        network.predictor(backend="onnx")
    assert "\n" not in str(caught.value)
    predictor = network.predictor()
    assert "PyTorch" in predictor.ran_on
    assert predictor.windows(bright_and_dark((1, 37, 37))).value_gpa.shape == (1, 2)


@pytest.mark.parametrize("kind", [RuntimeError, torch.OutOfMemoryError])
def test_too_little_memory_is_one_line(kind, monkeypatch) -> None:
    def exhausted(*_: object) -> None:
        raise kind("DefaultCPUAllocator: can't allocate memory: out of memory\nbacktrace")

    predictor = random_window_network(LAYOUTS["padded"]).predictor(backend="torch")
    monkeypatch.setattr(torch_runner.TorchRunner, "_features", exhausted)
    with pytest.raises(DeviceMemoryError, match="device cpu has too little memory; take smaller tiles"):
        predictor.windows(bright_and_dark((1, 37, 37)))


def test_too_little_memory_for_the_weights_is_one_line(monkeypatch) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.\nbacktrace")

    monkeypatch.setattr(torch_runner.TorchRunner, "_ready", exhausted)
    with pytest.raises(DeviceMemoryError, match="device cpu has too little memory"):
        random_window_network(LAYOUTS["padded"]).predictor(backend="torch")


def test_a_device_that_fails_is_one_line_and_a_fault_on_the_cpu_is_not_hidden(monkeypatch) -> None:
    def broken(*_: object) -> None:
        msg = "CUDA error: no kernel image is available\nFor debugging consider ..."
        raise RuntimeError(msg)

    predictor = random_window_network(LAYOUTS["padded"]).predictor(backend="torch")
    monkeypatch.setattr(torch_runner.TorchRunner, "_features", broken)
    with pytest.raises(RuntimeError, match="For debugging"):
        predictor.windows(bright_and_dark((1, 37, 37)))
    monkeypatch.setattr(predictor._runner, "_device", torch.device("meta"))
    with pytest.raises(
        DeviceError, match=r"device meta failed \(CUDA error: no kernel image is available\); take"
    ) as seen:
        predictor.windows(bright_and_dark((1, 37, 37)))
    assert "\n" not in str(seen.value)


@pytest.mark.skipif(not HAS_ONNX, reason="ONNX Runtime is not installed")
def test_too_little_memory_in_onnx_runtime_is_one_line() -> None:
    from cemvis.models.onnx_runner import _run

    def run(*_: object) -> None:
        msg = "Failed to allocate memory for requested buffer of size 99999999999"
        raise Exception(msg)

    session = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(name="windows")], run=run)
    with pytest.raises(DeviceMemoryError, match="take smaller tiles, or fewer windows at once"):
        _run(session, np.zeros(3, np.float32))


@pytest.mark.parametrize(
    ("shape", "dtype"), [((37, 37), "float32"), ((1, 36, 37), "float32"), ((1, 37, 37), "float64"), ((), "float32")]
)
def test_windows_of_another_shape_are_refused(shape, dtype) -> None:
    with pytest.raises(InputError, match=r"wanted float32 \(n, 37, 37\)"):
        random_window_network(LAYOUTS["padded"]).predictor().windows(np.zeros(shape, dtype))


def test_tiles_are_checked() -> None:
    predictor = random_window_network(DENSE["unpadded"]).predictor()
    for tile in (np.zeros((116, 300), np.float32), np.zeros((300, 300)), np.zeros((1, 300, 300), np.float32)):
        with pytest.raises(InputError, match=r"wanted float32 \(rows, cols\) of at least 117 each"):
            predictor.dense(tile)
    with pytest.raises(InputError, match="a zero-padded network has no dense maps"):
        random_window_network(LAYOUTS["padded"]).predictor().dense(np.zeros((300, 300), np.float32))
