from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.numpy import load

from cemvis.errors import InputError
from cemvis.images.grey_scale import GreyScale, transform_to
from cemvis.models.inference import Outputs
from cemvis.models.model_file import load_model, save_model
from cemvis.models.prediction import Flag
from cemvis.models.resnet import ResNet
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.window_network import WindowNetwork
from model_files import assign, header_in, refusal, rewritten
from networks import model_around, random_resnet, random_window_network

LAYOUT = ResNetLayout.dense(pooled=2, targets=2, downsample=4, spread=True)


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "float16"])
def network(request) -> WindowNetwork:
    return random_window_network(LAYOUT, half=request.param)


@pytest.fixture
def written(network: WindowNetwork, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, model_around(network))
    return path


@pytest.fixture(scope="module")
def half_bytes(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("half") / "model.safetensors"
    save_model(path, model_around(random_window_network(LAYOUT, half=True)))
    return path.read_bytes()


@pytest.fixture
def half(half_bytes: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "half.safetensors"
    path.write_bytes(half_bytes)
    return path


def test_the_standard_of_a_mosaic_is_the_networks_own_on_the_models_scale() -> None:
    network = random_window_network(LAYOUT)  # grey levels 120 +- 25
    transform = transform_to(GreyScale(matrix=100.0, clinker=200.0), GreyScale(matrix=30.0, clinker=70.0))
    mean, sd = network.standard_on(transform)
    assert (mean, sd) == pytest.approx((38.0, 10.0))
    levels = np.array([11.0, 38.0, 61.5])
    np.testing.assert_allclose((levels - mean) / sd, (transform.apply(levels) - 120.0) / 25.0)


def test_cells_outside_the_training_range_are_flagged() -> None:
    network = random_window_network(LAYOUT)  # cells from 60 to 215
    flags = network.grey_flags(np.array([[59.9, 60.0, 150.0], [215.0, 215.1, -3.0]]))
    assert flags.dtype == np.uint8
    assert flags.tolist() == [[Flag.CLIPPED_LOW, 0, 0], [0, Flag.CLIPPED_HIGH, Flag.CLIPPED_LOW]]


def test_a_network_of_something_that_cemvis_does_not_know_is_no_model() -> None:
    known = model_around(random_window_network(LAYOUT))
    network = dataclasses.replace(known.window_network, targets=("modulus", "colour"))
    properties = tuple(
        dataclasses.replace(one, name=name, fitted=network)
        for one, name in zip(known.properties, network.targets, strict=True)
    )
    with pytest.raises(InputError, match="property 'colour' is unknown; wanted some of modulus, hardness"):
        dataclasses.replace(known, properties=properties)


def test_a_network_comes_back_from_its_file_as_it_was(network, written) -> None:
    model = load_model(written)
    again = model.window_network
    assert again is not None
    assert all(one.fitted is again and one.needs == "window" for one in model.properties)
    for field in dataclasses.fields(WindowNetwork):
        if field.name != "state":
            assert getattr(again, field.name) == getattr(network, field.name)
    assert again.state.keys() == network.state.keys()
    for name, array in again.state.items():
        assert array.dtype == network.state[name].dtype
        np.testing.assert_array_equal(array, network.state[name])
    assert model.properties[0].metrics == model_around(network).properties[0].metrics


def test_the_same_network_gives_the_same_bytes_and_half_of_them_in_float16(network, written, tmp_path) -> None:
    other = tmp_path / "other.safetensors"
    save_model(other, load_model(written))
    assert other.read_bytes() == written.read_bytes()
    numbers = network.layout.parameters + 3904
    assert written.stat().st_size < (8e6 if network.precision == "float16" else 4 * numbers + 50_000)
    assert header_in(written)["format_version"] == 2


def test_from_module_and_back() -> None:
    module = random_resnet(LAYOUT)
    back = random_window_network(LAYOUT).module()
    assert not back.training
    for name, array in back.state_dict().items():
        assert torch.equal(array, module.state_dict()[name])


def test_float16_rounds_weights_only() -> None:
    whole, half = random_window_network(LAYOUT), random_window_network(LAYOUT, half=True)
    for name, array in half.state.items():
        assert array.dtype == (np.float16 if array.ndim > 1 else np.float32)
        np.testing.assert_array_equal(array, whole.state[name].astype(array.dtype))


def test_reading_a_network_does_not_import_torch(written) -> None:
    code = (
        "import sys, cemvis.models.model_file as m\n"
        f"model = m.load_model({str(written)!r})\n"
        "model.window_network.layout.window_px\n"
        "sys.exit('torch' in sys.modules or 'onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_flipped_bit_anywhere_is_noticed(half) -> None:
    data = half.read_bytes()
    length = int.from_bytes(data[:8], "little")
    for at in (8 + length + 1, len(data) // 3, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        half.write_bytes(bytes(changed))
        refusal(half)
    half.write_bytes(data[:-100])
    assert "it is damaged" in refusal(half)


def changed_arrays(path: Path, change) -> Path:
    tensors = load(path.read_bytes())
    change(tensors)
    return rewritten(path, lambda _: None, tensors=tensors)


STEM, HIDDEN = "network.stem.1.weight", "network.hidden.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(HIDDEN), "of another layout: this one lacks the array 'hidden.weight'"),
        (lambda t: t.update({"network.extra": t[STEM]}), "this one does not have the array 'extra'"),
        (lambda t: t.update({"other.values": np.ones(2)}), "array 'other.values' belongs to no property"),
        (lambda t: t.update({"modulus.values": np.ones(2)}), "array 'modulus.values' belongs to no property"),
        (lambda t: t.update({HIDDEN: t[HIDDEN].T.copy()}), "array 'hidden.weight' of the network is float"),
        (lambda t: t.update({HIDDEN: t[HIDDEN].astype(np.float64)}), "is float64 or not finite; wanted finite float32"),
        (lambda t: t.update({STEM: np.full_like(t[STEM], np.nan)}), f"array '{STEM}' is float"),
        (
            lambda t: t.update({"network.stem.2.running_var": -t["network.stem.2.running_var"]}),
            "array 'stem.2.running_var' of the network holds a variance below 0",
        ),
    ],
)
def test_foreign_arrays_are_refused(half, change, message) -> None:
    assert message in refusal(changed_arrays(half, change))


def test_arrays_of_the_other_precision_are_refused(written, network) -> None:
    other = np.float32 if network.precision == "float16" else np.float16

    def change(tensors) -> None:
        tensors[HIDDEN] = tensors[HIDDEN].astype(other)

    assert f"is {np.dtype(other)} (1024, 256); wanted {network.precision}" in refusal(changed_arrays(written, change))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("format_version", 1, "header.properties[0].network is 'resnet'; wanted one of table, linear"),
        ("format_version", 2.5, "format version is 2.5; wanted 1 or 2"),
        ("window_network", KeyError, "header has no field 'window_network'"),
        ("window_network.layout.window", 118, "cannot have a window of 118 samples; wanted 109 + 8 * (pooled - 1)"),
        ("window_network.layout.targets", 10**9, "targets of the network is 1000000000; wanted a whole number"),
        ("window_network.layout.padding", "reflect", "layout.padding is 'reflect'; wanted one of zero, none"),
        ("window_network.layout.spread", 1, "layout.spread is 1; wanted true or false"),
        ("window_network.layout.spread", False, "this one does not have the array 'log_spread.bias'"),
        ("window_network.layout.depth", 18, "header.window_network.layout has an unknown field 'depth'"),
        ("window_network.precision", "bfloat16", "precision is 'bfloat16'; wanted one of float32, float16"),
        ("window_network.grey_sd", 0, "header.window_network.grey_sd is 0; wanted a number above 0"),
        ("window_network.grey_range.high", 60, "grey_range.high is 60; wanted a number above 60"),
        ("window_network.targets", [], "header.window_network.targets is []"),
        ("window_network.targets.0.name", "colour", "targets[0].name is 'colour'; wanted one of modulus, hardness"),
        ("window_network.targets.0.name", "hardness", "no name twice"),
        ("window_network.targets.1.sd_gpa", -1, "targets[1].sd_gpa is -1"),
        ("window_network.code", "x", "header.window_network has an unknown field 'code'"),
        ("properties.0.network", "table", "header.properties[0].network is 'table'; wanted one of resnet"),
        ("properties.0.needs", "mean_grey", "header.properties[0].needs is 'mean_grey'; wanted one of window"),
        ("properties.0.name", "hardness", "cannot be the model of hardness, hardness"),
        ("properties.0.metrics.random.validation", None, "random.validation is a NoneType; wanted an object"),
    ],
)
def test_a_signed_header_is_still_checked(half, place, value, message) -> None:
    assert message in refusal(rewritten(half, assign(place, value)))


def test_a_table_with_a_network_beside_it_is_refused(half) -> None:
    model = load_model(half)
    with pytest.raises(InputError, match="predicts modulus, hardness cannot be the model of modulus"):
        dataclasses.replace(model, properties=model.properties[:1])
    wrong = dataclasses.replace(model.properties[1], network="table")
    with pytest.raises(InputError, match="is called 'resnet'"):
        dataclasses.replace(model, properties=(model.properties[0], wrong))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": ("modulus",)}, "got 1 names, 2 means and 2 deviations"),
        ({"target_sd_gpa": (1.0, 0.0)}, "the deviations above 0"),
        ({"target_mean_gpa": (1.0, float("nan"))}, "must be finite"),
        ({"grey_sd": 0.0}, "a deviation above 0"),
        ({"grey_range": (3.0, 2.0)}, "a rising range"),
        ({"precision": "float64"}, "wanted float32 or float16"),
        ({"layout": ResNetLayout.dense(pooled=2, targets=2)}, "does not have the array 'log_spread.bias'"),
    ],
)
def test_what_contradicts_itself_is_refused(change, message) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(random_window_network(LAYOUT), **change)


def test_weights_too_large_for_float16_are_refused() -> None:
    module = ResNet(LAYOUT)
    with torch.no_grad():
        module.value.weight[0, 0] = 1e6
    standards = {"grey_mean": 0, "grey_sd": 1, "grey_range": (0, 1), "target_mean_gpa": (0, 0), "target_sd_gpa": (1, 1)}
    with pytest.raises(InputError, match=r"'value\.weight' of the network is not finite in float16"):
        WindowNetwork.from_module(module, targets=("modulus", "hardness"), half=True, **standards)


def test_mean_grey_levels_are_not_enough(network) -> None:
    with pytest.raises(InputError, match="the resnet model of modulus needs whole windows"):
        model_around(network).properties[0].predict([120.0])


def test_outputs_become_calibrated_predictions(network) -> None:
    model = model_around(network)
    value, spread = np.full((2, 3, 2), 50.0), np.full((2, 3, 2), 2.0)
    spread[1, 2] = 40.0
    flags = np.zeros((2, 3), np.uint8)
    flags[0] = Flag.CLIPPED_LOW, Flag.CLIPPED_HIGH | Flag.MASKED, Flag.BORDER
    flags[1, 0] = Flag.MASKED | Flag.UNSEEN_LEVEL
    found = model.predict_outputs(Outputs(value, spread), flags)
    assert list(found) == ["modulus", "hardness"]
    for one in found.values():
        np.testing.assert_array_equal(one.value, 50.0)
        np.testing.assert_array_equal(one.flags, flags)
        assert np.isnan(one.lower[0]).all()
        assert np.isnan(one.upper[0]).all()
        reach = 1.5 * 1.6448536269514722 * np.array([2.0, 2.0, 40.0])  # stretch times the 95 % point of a normal
        np.testing.assert_allclose(one.upper[1], 50.0 + reach, rtol=1e-12)
        np.testing.assert_allclose(one.lower[1], np.maximum(50.0 - reach, 0.0), rtol=1e-12)


def test_outputs_of_another_shape_are_refused(network) -> None:
    model = model_around(network)
    for shape in ((4, 1), (5, 2), (2, 4)):
        with pytest.raises(InputError, match="outputs have shapes"):
            model.predict_outputs(Outputs(np.zeros(shape), np.zeros(shape)), np.zeros(4, np.uint8))


def test_a_precision_that_numpy_does_not_have_is_refused(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    header = {"cemvis": json.dumps({"format": "cemvis model", "format_version": 2})}
    path.write_bytes(safetensors.torch.save({"network.a": torch.zeros(2, dtype=torch.bfloat16)}, metadata=header))
    refusal(path)
