from __future__ import annotations

import dataclasses
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from cemvis.errors import CemvisError, FileAccessError, InputError, ModelFileError
from cemvis.images.grey_scale import GreyScale
from cemvis.models.model import Model, Training, TrainingArea
from cemvis.models.model_file import load_model, save_model
from cemvis.models.model_header import header_of
from cemvis.models.training import train_property
from model_files import assign, header_in, refusal, rewritten


def trained(network: str = "table", properties: tuple[str, ...] = ("modulus", "hardness")) -> Model:
    rng = np.random.default_rng(8)
    grey = rng.normal(120, 15, 1200)
    truth = {"modulus": 0.4 * grey + rng.normal(0, 3, 1200), "hardness": 0.01 * grey + rng.normal(0, 0.1, 1200)}
    batches = np.repeat(np.arange(30), 40)
    return Model(
        properties=tuple(
            train_property(grey, truth[name], batches, name=name, network=network, level=0.9, seed=1).model
            for name in properties
        ),
        grey_scale=GreyScale(matrix=105.5, clinker=190.25),
        pixel_size_um=0.04,
        window_um=10.0,
        training=Training((TrainingArea("area-1", "a" * 64, "b" * 64, 1200, 30),), seed=1),
        note="Two lines\nof text, with an é.",
        version="0.1.0",
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return trained()


@pytest.fixture
def written(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, model)
    return path


@pytest.mark.parametrize("network", ["table", "linear"])
def test_a_model_comes_back_as_it_was(network, tmp_path) -> None:
    model = trained(network)
    path = tmp_path / "m.safetensors"
    save_model(path, model)
    again = load_model(path)
    assert len(again.digest) == 64
    same = dataclasses.replace(again, digest="", properties=())
    assert same == dataclasses.replace(model, properties=())
    asked = np.linspace(0, 255, 500)
    for one, other in zip(model.properties, again.properties, strict=True):
        assert (one.name, one.unit, one.interval, one.metrics) == (
            other.name,
            other.unit,
            other.interval,
            other.metrics,
        )
        np.testing.assert_array_equal(one.predict(asked).value, other.predict(asked).value)
        np.testing.assert_array_equal(one.predict(asked).upper, other.predict(asked).upper)


def test_the_same_model_gives_the_same_bytes_in_a_small_file(written, tmp_path) -> None:
    other = tmp_path / "other.safetensors"
    save_model(other, trained())
    assert other.read_bytes() == written.read_bytes()
    assert written.stat().st_size < 20_000


def test_any_safetensors_reader_can_open_it(written) -> None:
    arrays = load(written.read_bytes())
    assert set(arrays) == {f"{p}.{a}" for p in ("modulus", "hardness") for a in ("levels", "values", "lower", "upper")}
    header = header_in(written)
    assert header["properties"][0]["unit"] == "GPa"
    assert header["grey_scale"] == {"matrix": 105.5, "clinker": 190.25}


def test_a_flipped_bit_is_noticed_unless_it_changes_nothing(model, written) -> None:
    data = written.read_bytes()
    places = [*range(0, len(data), 41), len(data) - 1]
    refused = 0
    for at in places:
        changed = bytearray(data)
        changed[at] ^= 1
        written.write_bytes(bytes(changed))
        try:
            again = load_model(written)
        except ModelFileError:
            refused += 1
        else:  # the 17th digit of a number may say the same number
            assert header_of(again) == header_of(model)
    assert refused > 0.95 * len(places)


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 2000, -1])
def test_a_truncated_file_is_refused(written, keep) -> None:
    written.write_bytes(written.read_bytes()[:keep])
    assert "cannot use model" in refusal(written)


def test_an_edited_number_is_noticed(written) -> None:
    data = written.read_bytes()
    assert data.count(b"105.5") == 1
    written.write_bytes(data.replace(b"105.5", b"115.5"))
    assert "do not match their checksum: the file is damaged or was edited" in refusal(written)


class Trap:
    """Leaves a file behind if anything unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_unopened(tmp_path) -> None:
    sprung = tmp_path / "sprung"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / "model.safetensors"
        path.write_bytes(pickle.dumps(Trap(sprung), protocol=protocol))
        text = refusal(path)
        assert "cemvis reads only .safetensors files" in text
        assert protocol < 2 or "it is a pickle, which could run code when opened" in text
    assert not sprung.exists()


def test_a_pytorch_checkpoint_is_refused_unopened(tmp_path) -> None:
    path, sprung = tmp_path / "model.pt", tmp_path / "sprung"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap(sprung)))
    assert "a zip archive (a PyTorch checkpoint, npz or Keras file)" in refusal(path)
    assert not sprung.exists()


@pytest.mark.parametrize("data", [b"", b"x_um,y_um\n1,2\n", b"{}", b"\x89HDF\r\n\x1a\n" + b"\0" * 99, b"\0" * 4096])
def test_other_files_are_refused(data, tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    assert "it is " in refusal(path)


@pytest.mark.parametrize("length", [2**63, 2**40, 2**21, 10**4])
def test_an_absurd_header_length_is_refused(length, tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}" + b" " * 1000)
    assert "it is not a safetensors file" in refusal(path)


def test_deeply_nested_json_is_refused(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    nested = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    path.write_bytes(struct.pack("<Q", len(nested)) + nested)
    assert "cannot use model" in refusal(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save({"layer.weight": np.ones((3, 3), np.float32)}))
    assert "its header is not that of a cemvis model" in refusal(path)
    path.write_bytes(save({"a": np.ones(3)}, metadata={"cemvis": json.dumps({"format": "something else"})}))
    assert "its header is not that of a cemvis model" in refusal(path)


def test_a_later_format_asks_for_an_update(written) -> None:
    path = rewritten(written, lambda header: header.update(format_version=3, novelty=1))
    assert "its format version is 3, this cemvis reads up to 2; update cemvis to use it" in refusal(path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("format_version", "1", "format version is '1'; wanted 1"),
        ("format_version", 0, "format version is 0; wanted 1"),
        ("window_um", KeyError, "header has no field 'window_um'"),
        ("window_um", "10", "header.window_um is '10'; wanted a number above 0"),
        ("window_um", -1, "header.window_um is -1"),
        ("window_um", True, "header.window_um is True"),
        ("window_um", float("nan"), "header.window_um is nan"),
        ("window_um", 10**400, "header.window_um is 1000"),
        ("pixel_size_um", 0, "header.pixel_size_um is 0"),
        ("surprise", 1, "header has an unknown field 'surprise'"),
        ("note", "red \x1b[31m", "wanted printable text"),
        ("note", 7, "header.note is 7"),
        ("grey_scale", [1, 2], "header.grey_scale is a list; wanted an object"),
        ("grey_scale.clinker", 100, "header.grey_scale.clinker is 100; wanted a number above 105.5"),
        ("training.areas", [], "header.training.areas is []; wanted a list of at least one object"),
        ("training.seed", 1.5, "header.training.seed is 1.5; wanted a whole number from 0"),
        ("training.areas.0.pairs", -1, "header.training.areas[0].pairs is -1"),
        ("properties", {}, "header.properties is {}"),
        ("properties.0.name", "colour", "header.properties[0].name is 'colour'; wanted one of modulus, hardness"),
        ("properties.0.name", "hardness", "names a property twice"),
        ("properties.0.name", ["modulus"], "header.properties[0].name is ['modulus']"),
        ("properties.0.unit", "MPa", "header.properties[0].unit is 'MPa'; wanted one of GPa"),
        ("properties.0.network", "resnet", "header.properties[0].network is 'resnet'; wanted one of table, linear"),
        ("properties.0.network", "linear", "the linear model of modulus: has the arrays"),
        ("properties.0.needs", "pixels", "header.properties[0].needs is 'pixels'"),
        ("properties.0.interval.level", 1.0, "header.properties[0].interval.level is 1.0"),
        ("properties.0.interval.stretch", -3.0, "interval.stretch is -3; wanted 0 or more"),
        ("properties.0.interval.calibration_batches", 8, "8 calibration batches cannot promise 0.9"),
        ("properties.0.interval.stretch", "wide", "header.properties[0].interval.stretch is 'wide'"),
        ("properties.0.metrics.random.test.r2", None, "header.properties[0].metrics.random.test.r2 is None"),
        ("properties.0.metrics.by_batch.quantiles", 3, "header.properties[0].metrics.by_batch.quantiles is a int"),
    ],
)
def test_a_signed_header_is_still_checked_field_by_field(written, place, value, message) -> None:
    assert message in refusal(rewritten(written, assign(place, value)))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("modulus.values", np.array([np.nan, 1.0]), "array 'modulus.values' is float64 or not finite"),
        ("modulus.values", np.array([1, 2]), "array 'modulus.values' is int64"),
        ("modulus.values", np.array([1.0, 2.0], np.float16), "array 'modulus.values' is float16"),
        ("modulus.levels", np.array([2.0, 1.0]), "the table model of modulus: the arrays of a table must be"),
        ("stiffness.values", np.array([1.0]), "array 'stiffness.values' belongs to no property"),
        ("modulus.more", np.array([1.0]), "the table model of modulus: has the arrays"),
    ],
)
def test_arrays_are_checked(written, name, array, message) -> None:
    tensors = load(written.read_bytes()) | {name: array}
    assert message in refusal(rewritten(written, lambda _: None, tensors=tensors))


def test_float32_arrays_are_read(written) -> None:
    tensors = {name: array.astype(np.float32) for name, array in load(written.read_bytes()).items()}
    model = load_model(rewritten(written, lambda _: None, tensors=tensors))
    assert model.properties[0].predict([120.0]).value == pytest.approx(48, abs=2)


def test_a_missing_file_and_a_folder(tmp_path) -> None:
    for path in (tmp_path / "no.safetensors", tmp_path):
        with pytest.raises(FileAccessError, match="cannot read model"):
            load_model(path)


def test_an_unwritable_place_is_one_line_and_leaves_nothing(model, tmp_path) -> None:
    with pytest.raises(FileAccessError, match="cannot write"):
        save_model(tmp_path / "nowhere" / "m.safetensors", model)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("grey", "message"), [([[1.0]], "shape"), ([1.0, np.nan], "1 values that are not finite")])
def test_predict_wants_a_row_of_finite_levels(model, grey, message) -> None:
    with pytest.raises(InputError, match=message):
        model.properties[0].predict(grey)


def test_model_errors_are_cemvis_and_value_errors() -> None:
    assert issubclass(ModelFileError, CemvisError)
    assert issubclass(ModelFileError, ValueError)
